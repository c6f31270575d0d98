/* An operation that is declared and called, but implemented nowhere: the linker names it. */
// stage: link
// expect: undefined reference to .account_deposit_op
#include "spawned/spawned.h"

SP_SERVER(account, sp_empty);
SP_CALL(account, deposit, int, int); // here

#ifdef FIXED
static sp_err account_on_deposit(int *cents, const int *in, int *out)
{
    *out = *cents += *in;
    return SP_OK;
}
#endif
SP_STATE(account, int);
#ifdef FIXED
SP_ON_CALL(account, deposit);
#endif
SP_CLASS(account, .init = NULL);

static int run(void *unused)
{
    account_ref account;
    int cents = 0;
    (void)unused;
    return account_start(&(sp_empty){ 0 }, NULL, &account) == SP_OK &&
           account_deposit(account, &(int){ 100 }, &cents, sp_after_sec(5)) == SP_OK;
}

int main(void)
{
    return sp_main(run, NULL, NULL);
}
