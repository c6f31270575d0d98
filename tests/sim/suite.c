#include "suite.h"

enum {
    SUITE_ACTORS_MAX = 16,
    SUITE_BUSY_STEPS = 10,
};

void suite_steps(int count)
{
    for (int i = 0; i < count; i++)
        sp_yield();
}

void suite_settle(void)
{
    struct sp_message *message;
    while (sp_receive(sp_after_sec(1), &message) == SP_OK)
        sp_message_free(message);
}

sp_pid suite_pid(const char *name)
{
    sp_pid pid;
    if (sp_whereis(name, &pid) != SP_OK)
        sp_exit_error(SP_ERR_NOTFOUND, "nobody is called %s", name);
    return pid;
}

static void busy_main(void *arg)
{
    (void)arg;
    suite_steps(SUITE_BUSY_STEPS);
}

/* An edit that has nothing to do with the bugs: one more actor, one more message. */
#ifdef SUITE_EDITED
SP_MESSAGE(suite_word, int);

static void stranger_main(void *arg)
{
    sp_pid to = *(sp_pid *)arg;
    sp_ignore(suite_word_send(to, &(int){ 1 }));
    sp_ignore(suite_word_send(to, &(int){ 2 }));
}

static void suite_stranger(int when)
{
    sp_pid self = sp_self();
    struct sp_spawn_options options = { .name = "stranger", .arg_size = sizeof(self) };
    if (when == SUITE_EDITED)
        sp_ignore(sp_spawn(stranger_main, &self, &options, NULL));
}
#else
static void suite_stranger(int when)
{
    (void)when;
}
#endif

void suite_run(const struct suite *suite, const struct suite_actor *actors, size_t count)
{
    sp_monitor_ref refs[SUITE_ACTORS_MAX];
    for (int i = 0; i < suite->noise; i++)
        sp_ignore(sp_spawn(busy_main, NULL, NULL, NULL));
    size_t awaited = 0;
    suite_stranger(1);
    for (size_t i = 0; i < count; i++) {
        struct sp_spawn_options options = { .name = actors[i].name };
        if (!actors[i].serves)
            options.out_monitor = &refs[awaited++];
        if (sp_spawn(actors[i].fn, actors[i].arg, &options, NULL) != SP_OK)
            sp_exit_error(SP_ERR_NOMEM, "%s does not start", actors[i].name);
    }
    suite_stranger(2);
    for (size_t ended = 0; ended < awaited;) {
        struct sp_message *message;
        if (sp_receive(sp_never(), &message) != SP_OK)
            return;
        ended += sp_message_down(message) != NULL;
        sp_message_free(message);
    }
}
