/* What is declared as a cast has nobody who waits for a reply. */
// expect: account_deposit__is_call
#include "spawned/server.h"

SP_SERVER(account, sp_empty);
SP_CAST(account, deposit, int);

#ifndef FIXED
static sp_err account_on_deposit(int *cents, const int *in, int *out)
{
    *out = *cents += *in;
    return SP_OK;
}
SP_STATE(account, int);
SP_ON_CALL(account, deposit); // here
#else
static void account_on_deposit(int *cents, const int *in)
{
    *cents += *in;
}
SP_STATE(account, int);
SP_ON_CAST(account, deposit);
#endif
