/* An operation that only reads gets a state that is const. */
// expect: a read takes .const State \*, const In \*, Out \*.
#include "spawned/server.h"

SP_SERVER(account, sp_empty);
SP_CALL(account, balance, sp_empty, int);

#ifndef FIXED
static sp_err account_on_balance(int *cents, const sp_empty *in, int *out)
#else
static sp_err account_on_balance(const int *cents, const sp_empty *in, int *out)
#endif
{
    (void)in;
    *out = *cents;
    return SP_OK;
}

SP_STATE(account, int);
SP_ON_READ(account, balance); // here
SP_CLASS(account, SP_READERS(2));
