/* What the fragments of docs/reentrancy.md stand in; see tests/snippets/run.py. */
#include <spawned/spawned.h>
#include <spawned/wait_graph.h>

struct account {
    int balance;
};
SP_SERVER(account, int);
SP_STATE(account, struct account);
static sp_err account_init(struct account *self, const int *args)
{
    self->balance = *args;
    return SP_OK;
}
SP_ON_INIT(account);
/* @1 */

struct vault {
    int balance;
};
SP_SERVER(vault, sp_empty);
SP_CALL(vault, balance, sp_empty, int);
SP_STATE(vault, struct vault);
/* @2 */

static sp_err vault_on_balance(struct vault *self, const sp_empty *in, int *out)
{
    (void)in;
    *out = self->balance;
    return SP_OK;
}
SP_ON_CALL(vault, balance);

void show(const struct sp_wait *wait);

void show_all(void);
void show_all(void)
{
    /* @3 */
}
