/* A call is routed as a call. */
// expect: account_deposit__is_cast
// expect-gcc: .account_deposit__is_cast. undeclared here
// expect-clang: use of undeclared identifier 'account_deposit__is_cast'
#include "spawned/router.h"

SP_SERVER(account, sp_empty);
SP_CALL(account, deposit, int, int);
SP_ROUTER(account);
#ifndef FIXED
SP_ROUTED_CAST(account, deposit); // here
#else
SP_ROUTED_CALL(account, deposit);
#endif
