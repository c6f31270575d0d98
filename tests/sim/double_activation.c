/* Two routers look an identity up, both miss, and both activate it. Corrected: the directory gives
 * the identity to the first who claims it. */
#include "suite.h"

SP_SERVER(identities, sp_empty);
SP_CALL(identities, look_up, sp_empty, bool);
SP_CAST(identities, enter, sp_empty);
SP_CALL(identities, claim, sp_empty, bool);

static struct {
    struct suite suite;
    identities_ref identities;
    int activations;
} routing;

static sp_err identities_on_look_up(bool *active, const sp_empty *empty, bool *out)
{
    (void)empty;
    *out = *active;
    return SP_OK;
}

static void identities_on_enter(bool *active, const sp_empty *empty)
{
    (void)empty;
    *active = true;
}

/* True for the first one. */
static sp_err identities_on_claim(bool *active, const sp_empty *empty, bool *out)
{
    (void)empty;
    *out = !*active;
    *active = true;
    return SP_OK;
}

SP_STATE(identities, bool);
SP_ON_CALL(identities, look_up);
SP_ON_CAST(identities, enter);
SP_ON_CALL(identities, claim);
SP_CLASS(identities, .init = NULL);

static void grain_main(void *arg)
{
    (void)arg;
    routing.activations++;
}

static void router_activate(void)
{
    sp_ignore(sp_spawn(grain_main, NULL, NULL, NULL));
}

static void router_main(void *arg)
{
    sp_empty empty = { 0 };
    bool answer = false;
    suite_steps(arg != NULL ? routing.suite.skew : 0);
    if (routing.suite.fixed) {
        sp_ignore(identities_claim(routing.identities, &empty, &answer, sp_never()));
        if (answer)
            router_activate();
        return;
    }
    sp_ignore(identities_look_up(routing.identities, &empty, &answer, sp_never()));
    if (answer)
        return;
    router_activate();
    sp_ignore(identities_enter(routing.identities, &empty));
}

static void routing_main(void *arg)
{
    (void)arg;
    sp_ignore(identities_start(&(sp_empty){ 0 }, NULL, &routing.identities));
    suite_run(&routing.suite,
              (const struct suite_actor[]){
                  { .name = "router1", .fn = router_main, .arg = &routing },
                  { .name = "router2", .fn = router_main },
              },
              2);
    suite_settle();
}

static void double_activation_run(sp_sim *s, const struct suite *suite)
{
    routing.suite = *suite;
    routing.activations = 0;
    sp_sim_start(s, "node", routing_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, routing.activations == 1, "%d activations", routing.activations);
}

SUITE_TESTS(double_activation, double_activation_run);
