/* A child is started, then linked to: it may have crashed in between, and the error of the link is
 * not looked at, so that its end is awaited for ever. Corrected: started linked. */
#include "suite.h"

static struct suite variant;

static void child_main(void *arg)
{
    (void)arg;
    suite_steps(variant.skew);
    sp_exit_error(SP_ERR_INVALID, "a bad day");
}

static void parent_main(void *arg)
{
    (void)arg;
    sp_pid child;
    struct sp_message *message;
    if (variant.fixed)
        (void)sp_trap_exit(true);
    sp_ignore(sp_spawn(child_main, NULL,
                       &(struct sp_spawn_options){ .name = "child", .link = variant.fixed },
                       &child));
    if (!variant.fixed) {
        sp_ignore(sp_link(child));
        (void)sp_trap_exit(true);
    }
    if (sp_receive(sp_never(), &message) == SP_OK)
        sp_message_free(message);
}

static void links_main(void *arg)
{
    (void)arg;
    suite_run(&variant, (const struct suite_actor[]){ { .name = "parent", .fn = parent_main } }, 1);
}

static void spawn_then_link_run(sp_sim *s, const struct suite *suite)
{
    variant = *suite;
    sp_sim_start(s, "node", links_main, NULL);
    sp_sim_run(s);
}

SUITE_TESTS(spawn_then_link, spawn_then_link_run);
