/* A boss lets a helper start a child and tell it so; stopped before it heard of it, it leaves the
 * child behind. Corrected: it starts the child itself. */
#include "suite.h"

SP_SERVER(boss, sp_empty);
SP_CAST(boss, start_child, sp_empty);
SP_CAST(boss, started, sp_pid);

static struct {
    struct suite suite;
    boss_ref boss;
    sp_pid child; /* the last one that began */
} staff;

struct boss_state {
    sp_pid child;
};

static void child_main(void *arg)
{
    (void)arg;
    struct sp_message *message;
    staff.child = sp_self();
    if (sp_receive(sp_never(), &message) == SP_OK)
        sp_message_free(message);
}

static sp_pid child_start(void)
{
    sp_pid child = SP_PID_NONE;
    sp_ignore(sp_spawn(child_main, NULL, &(struct sp_spawn_options){ .label = "child" }, &child));
    return child;
}

static void helper_main(void *arg)
{
    (void)arg;
    sp_pid child = child_start();
    sp_ignore(boss_started(staff.boss, &child));
}

static void boss_on_start_child(struct boss_state *boss, const sp_empty *empty)
{
    (void)empty;
    if (staff.suite.fixed)
        boss->child = child_start();
    else
        sp_ignore(
            sp_spawn(helper_main, NULL, &(struct sp_spawn_options){ .label = "helper" }, NULL));
}

static void boss_on_started(struct boss_state *boss, const sp_pid *child)
{
    boss->child = *child;
}

static void boss_terminate(struct boss_state *boss, const struct sp_reason *reason)
{
    (void)reason;
    if (!sp_pid_equal(boss->child, SP_PID_NONE))
        sp_ignore(sp_kill(boss->child));
}

SP_STATE(boss, struct boss_state);
SP_ON_CAST(boss, start_child);
SP_ON_CAST(boss, started);
SP_ON_TERMINATE(boss);
SP_CLASS(boss, .terminate = boss__terminate);

static void starter_main(void *arg)
{
    (void)arg;
    sp_ignore(boss_start_child(staff.boss, &(sp_empty){ 0 }));
}

static void stopper_main(void *arg)
{
    (void)arg;
    suite_steps(staff.suite.skew);
    sp_ignore(boss_stop(staff.boss, sp_never()));
}

static void staff_main(void *arg)
{
    (void)arg;
    sp_ignore(boss_start(&(sp_empty){ 0 }, NULL, &staff.boss));
    suite_run(&staff.suite,
              (const struct suite_actor[]){
                  { .name = "stopper", .fn = stopper_main },
                  { .name = "starter", .fn = starter_main },
              },
              2);
    suite_settle();
    sp_always(!sp_is_alive(staff.child), "no child survives the boss");
}

static void orphan_at_shutdown_run(sp_sim *s, const struct suite *suite)
{
    staff.suite = *suite;
    staff.child = SP_PID_NONE;
    sp_sim_start(s, "node", staff_main, NULL);
    sp_sim_run(s);
}

SUITE_TESTS(orphan_at_shutdown, orphan_at_shutdown_run);
