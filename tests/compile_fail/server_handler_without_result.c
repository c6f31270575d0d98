/* A call's handler says how it went. */
// expect-gcc: void value not ignored as it ought to be
// expect-clang: returning 'void' from a function with incompatible result type 'sp_err'
#include "spawned/server.h"

SP_SERVER(account, sp_empty);
SP_CALL(account, deposit, int, int);

#ifndef FIXED
static void account_on_deposit(int *cents, const int *in, int *out)
{
    *out = *cents += *in;
}
#else
static sp_err account_on_deposit(int *cents, const int *in, int *out)
{
    *out = *cents += *in;
    return SP_OK;
}
#endif

SP_STATE(account, int);
SP_ON_CALL(account, deposit); // here
