/* A directory frees the names of the dead when it hears of their end, and so does the keeper
 * that starts them again hear of it: the new one may find the name taken. Corrected: the
 * directory looks whether who has the name is alive. */
#include "suite.h"

SP_SERVER(directory, sp_empty);
SP_CALL(directory, enter, sp_pid, sp_empty);

static struct {
    struct suite suite;
    directory_ref directory;
    bool gave_up;
} names;

struct entry {
    sp_pid holder;
};

static sp_err directory_on_enter(struct entry *entry, const sp_pid *pid, sp_empty *out)
{
    sp_monitor_ref ref;
    (void)out;
    bool taken = !sp_pid_equal(entry->holder, SP_PID_NONE);
    if (taken && names.suite.fixed)
        taken = sp_is_alive(entry->holder);
    if (taken)
        return SP_ERR_EXISTS;
    entry->holder = *pid;
    return sp_monitor(*pid, &ref);
}

static void directory_down(struct entry *entry, const struct sp_down *down)
{
    if (sp_pid_equal(entry->holder, down->pid))
        entry->holder = SP_PID_NONE;
}

SP_STATE(directory, struct entry);
SP_ON_CALL(directory, enter);
SP_ON_DOWN(directory);
SP_CLASS(directory, .on_down = directory__down);

static void worker_main(void *arg)
{
    (void)arg;
    sp_empty empty;
    sp_pid self = sp_self();
    if (directory_enter(names.directory, &self, &empty, sp_never()) != SP_OK)
        names.gave_up = true;
}

static void keeper_main(void *arg)
{
    (void)arg;
    for (int starts = 0; starts < 2; starts++) {
        struct sp_message *message;
        sp_monitor_ref ref;
        if (starts > 0)
            suite_steps(names.suite.skew);
        sp_ignore(sp_spawn(worker_main, NULL,
                           &(struct sp_spawn_options){ .label = "worker", .out_monitor = &ref },
                           NULL));
        if (sp_receive(sp_never(), &message) == SP_OK)
            sp_message_free(message);
    }
}

static void names_main(void *arg)
{
    (void)arg;
    sp_empty empty = { 0 };
    sp_ignore(directory_start(&empty, NULL, &names.directory));
    suite_run(&names.suite, (const struct suite_actor[]){ { .name = "keeper", .fn = keeper_main } },
              1);
}

static void register_before_reap_run(sp_sim *s, const struct suite *suite)
{
    names.suite = *suite;
    names.gave_up = false;
    sp_sim_start(s, "node", names_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, !names.gave_up, "the name of the dead is still taken");
}

SUITE_TESTS(register_before_reap, register_before_reap_run);
