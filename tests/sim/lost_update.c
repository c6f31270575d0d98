/* Two clients read a counter and write it back, one more: an update may be lost. Corrected: the
 * counter itself adds. */
#include "suite.h"

SP_SERVER(counter, int);
SP_CALL(counter, get, int, int);
SP_CAST(counter, set, int);
SP_CAST(counter, add, int);

static struct {
    struct suite suite;
    counter_ref counter;
    int total;
} counting;

static sp_err counter_on_get(int *value, const int *unused, int *out)
{
    (void)unused;
    *out = *value;
    return SP_OK;
}

static void counter_on_set(int *value, const int *in)
{
    *value = *in;
}

static void counter_on_add(int *value, const int *in)
{
    *value += *in;
}

SP_STATE(counter, int);
SP_ON_CALL(counter, get);
SP_ON_CAST(counter, set);
SP_ON_CAST(counter, add);
SP_CLASS(counter, .init = NULL);

static void client_main(void *arg)
{
    int value = 0;
    suite_steps(arg != NULL ? counting.suite.skew : 0);
    if (counting.suite.fixed) {
        sp_ignore(counter_add(counting.counter, &(int){ 1 }));
        return;
    }
    sp_ignore(counter_get(counting.counter, &value, &value, sp_never()));
    value++;
    sp_ignore(counter_set(counting.counter, &value));
}

static void counting_main(void *arg)
{
    (void)arg;
    int zero = 0;
    sp_ignore(counter_start(&zero, NULL, &counting.counter));
    suite_run(&counting.suite,
              (const struct suite_actor[]){
                  { .name = "client1", .fn = client_main, .arg = &counting },
                  { .name = "client2", .fn = client_main },
              },
              2);
    sp_ignore(counter_get(counting.counter, &zero, &counting.total, sp_never()));
}

static void lost_update_run(sp_sim *s, const struct suite *suite)
{
    counting.suite = *suite;
    counting.total = 0;
    sp_sim_start(s, "node", counting_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, counting.total == 2, "expected 2, got %d", counting.total);
}

SUITE_TESTS(lost_update, lost_update_run);
