/* An operation that is said to be implemented has a handler of its name. */
// expect-gcc: implicit declaration of function .account_on_deposit
// expect-clang: implicit declaration of function 'account_on_deposit'
#include "spawned/server.h"

SP_SERVER(account, sp_empty);
SP_CALL(account, deposit, int, int);

#ifdef FIXED
static sp_err account_on_deposit(int *cents, const int *in, int *out)
{
    *out = *cents += *in;
    return SP_OK;
}
#endif

SP_STATE(account, int);
SP_ON_CALL(account, deposit); // here
