/* A router is no server: its operations are routed ones. */
// expect: incompatible.type
// expect-gcc: incompatible type for argument 1 of .account_close_month.
// expect-clang: passing 'account_router' (.*)to parameter of incompatible type 'account_ref'
#include "spawned/router.h"

SP_SERVER(account, sp_empty);
SP_CAST(account, close_month, int);
SP_ROUTER(account);
SP_ROUTED_CAST(account, close_month);

sp_err close_all(account_router router, int month);

sp_err close_all(account_router router, int month)
{
#ifndef FIXED
    return account_close_month(router, &month); // here
#else
    return account_route_close_month(router, &month);
#endif
}
