/* What is declared as a call is implemented as one, or nobody would answer. */
// expect: account_deposit__is_cast
#include "spawned/server.h"

SP_SERVER(account, sp_empty);
SP_CALL(account, deposit, int, sp_empty);

#ifndef FIXED
static void account_on_deposit(int *cents, const int *in)
{
    *cents += *in;
}
SP_STATE(account, int);
SP_ON_CAST(account, deposit); // here
#else
static sp_err account_on_deposit(int *cents, const int *in, sp_empty *out)
{
    (void)out;
    *cents += *in;
    return SP_OK;
}
SP_STATE(account, int);
SP_ON_CALL(account, deposit);
#endif
