/* A run of more steps than a report keeps: it fails at its end, long after the last that is told. */
#include <spawned/sim.h>
#include <spawned/spawned.h>

enum {
    PROCESSES = 2,
    YIELDS = 110000,
};

static void yielding_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < YIELDS; i++)
        sp_yield();
}

static void long_main(void *arg)
{
    (void)arg;
    sp_monitor_ref down;
    struct sp_message *message;
    struct sp_spawn_options options = { .out_monitor = &down };
    for (int i = 0; i < PROCESSES; i++)
        sp_ignore(sp_spawn(yielding_main, NULL, &options, NULL));
    for (int i = 0; i < PROCESSES; i++)
        if (sp_receive(sp_never(), &message) == SP_OK)
            sp_message_free(message);
}

SP_SIM_TEST(a_run_is_longer_than_what_is_kept)
{
    sp_sim_start(s, "node", long_main, NULL);
    sp_sim_run(s);
    sp_sim_fail(s, "here it ends");
}
