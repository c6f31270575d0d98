/* A parent starts a child and then gives itself the name that the child looks up. Corrected: it
 * does so before. */
#include "suite.h"

SP_MESSAGE(hello, int);

static struct suite variant;

static void child_main(void *arg)
{
    (void)arg;
    sp_pid parent;
    suite_steps(variant.skew);
    if (sp_whereis("parent", &parent) == SP_OK)
        sp_ignore(hello_send(parent, &(int){ 1 }));
}

static void parent_main(void *arg)
{
    (void)arg;
    struct sp_message *message;
    if (variant.fixed)
        sp_ignore(sp_register("parent", sp_self()));
    sp_ignore(sp_spawn(child_main, NULL, &(struct sp_spawn_options){ .name = "child" }, NULL));
    if (!variant.fixed)
        sp_ignore(sp_register("parent", sp_self()));
    if (sp_receive(sp_never(), &message) == SP_OK)
        sp_message_free(message);
}

static void names_main(void *arg)
{
    (void)arg;
    suite_run(&variant, (const struct suite_actor[]){ { .fn = parent_main } }, 1);
}

static void name_before_register_run(sp_sim *s, const struct suite *suite)
{
    variant = *suite;
    sp_sim_start(s, "node", names_main, NULL);
    sp_sim_run(s);
}

SUITE_TESTS(name_before_register, name_before_register_run);
