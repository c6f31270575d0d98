/* A server that is declared and started, but defined nowhere: the linker names its class. */
// stage: link
// expect: undefined reference to .account_class
#include "spawned/spawned.h"

SP_SERVER(account, sp_empty); // here

SP_STATE(account, int);
#ifdef FIXED
SP_CLASS(account, .init = NULL);
#endif

static int run(void *unused)
{
    account_ref account;
    (void)unused;
    return account_start(&(sp_empty){ 0 }, NULL, &account) != SP_OK;
}

int main(void)
{
    return sp_main(run, NULL, NULL);
}
