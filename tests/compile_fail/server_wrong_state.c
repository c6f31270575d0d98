/* A handler works on the state that SP_STATE names. */
// expect: incompatible.pointer.type
// expect-gcc: passing argument 1 of .account_on_close
// expect-clang: passing 'account__state_type \*'
#include "spawned/server.h"

struct account {
    int cents;
};
SP_SERVER(account, sp_empty);
SP_CAST(account, close, sp_empty);

#ifndef FIXED
static void account_on_close(long *cents, const sp_empty *in)
{
    (void)in;
    *cents = 0;
}
#else
static void account_on_close(struct account *self, const sp_empty *in)
{
    (void)in;
    self->cents = 0;
}
#endif

SP_STATE(account, struct account);
SP_ON_CAST(account, close); // here
