/* A call's handler has the types of its operation. */
// expect: incompatible.pointer.type
// expect-gcc: passing argument 2 of .account_on_deposit
// expect-clang: passing 'const account_deposit__in_type \*'
#include "spawned/server.h"

struct deposit {
    int64_t cents;
};
SP_SERVER(account, sp_empty);
SP_CALL(account, deposit, struct deposit, int);

#ifndef FIXED
static sp_err account_on_deposit(int *cents, const int *in, int *out)
{
    *out = *cents += *in;
    return SP_OK;
}
#else
static sp_err account_on_deposit(int *cents, const struct deposit *in, int *out)
{
    *out = *cents += (int)in->cents;
    return SP_OK;
}
#endif

SP_STATE(account, int);
SP_ON_CALL(account, deposit); // here
