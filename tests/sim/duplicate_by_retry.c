/* A client asks for a debit again when no answer came in time: it may be made twice. Corrected:
 * requests carry a number, and the server makes each only once. */
#include "suite.h"

SP_SERVER(purse, sp_empty);
SP_CALL(purse, debit, int, sp_empty);

static struct {
    struct suite suite;
    purse_ref purse;
    int debits;
} paying;

struct purse_state {
    int last;
};

static sp_err purse_on_debit(struct purse_state *purse, const int *number, sp_empty *out)
{
    (void)out;
    if (paying.suite.fixed && purse->last == *number)
        return SP_OK;
    purse->last = *number;
    suite_steps(paying.suite.skew);
    paying.debits++;
    return SP_OK;
}

SP_STATE(purse, struct purse_state);
SP_ON_CALL(purse, debit);
SP_CLASS(purse, .init = NULL);

static void client_main(void *arg)
{
    (void)arg;
    sp_empty empty;
    int number = 1;
    if (purse_debit(paying.purse, &number, &empty, sp_after_ms(500)) == SP_ERR_TIMEOUT)
        sp_ignore(purse_debit(paying.purse, &number, &empty, sp_never()));
}

static void paying_main(void *arg)
{
    (void)arg;
    sp_ignore(purse_start(&(sp_empty){ 0 }, NULL, &paying.purse));
    suite_run(&paying.suite,
              (const struct suite_actor[]){ { .name = "client", .fn = client_main } }, 1);
}

static void duplicate_by_retry_run(sp_sim *s, const struct suite *suite)
{
    paying.suite = *suite;
    paying.debits = 0;
    sp_sim_start(s, "node", paying_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, paying.debits == 1, "%d debits", paying.debits);
}

SUITE_TESTS(duplicate_by_retry, duplicate_by_retry_run, .abstract_time = true);
