/* Acceptance: the end of applications and of the whole, at any moment. */
#include "accept.h"

SP_SERVER(part, int);

static struct {
    sp_pid pid[2]; /* of "store" and "front" */
    int prepared[2];
    int stopped[2];
    bool slow;
    bool running; /* both have started */
    bool ordered; /* nobody stops one of them alone */
} parts;

static sp_err part_init(int *state, const int *id)
{
    *state = *id;
    EXPECT(*id == 0 || parts.running || sp_is_alive(parts.pid[0])); /* what it depends on */
    parts.pid[*id] = sp_self();
    sp_yield();
    return SP_OK;
}

static void part_terminate(int *state, const struct sp_reason *reason)
{
    (void)reason;
    (void)state;
    if (parts.slow)
        sp_sleep(sp_sec(20));
}

SP_STATE(part, int);
SP_ON_INIT(part);
SP_ON_TERMINATE(part);
SP_CLASS(part, .init = part__init, .terminate = part__terminate);

static void part_prepares(void *arg)
{
    int id = *(int *)arg;
    EXPECT(parts.prepared[id] == 0 && parts.stopped[id] == 0);
    EXPECT(id == 1 || !parts.ordered || parts.stopped[1] == 1);
    parts.prepared[id]++;
    sp_yield();
}

static void part_stopped(void *arg)
{
    int id = *(int *)arg;
    EXPECT(parts.stopped[id] == 0);
    EXPECT(!sp_is_alive(parts.pid[id]));
    parts.stopped[id]++;
}

static int part_ids[2] = { 0, 1 };
static const char *const part_names[2] = { "store", "front" };

static void parts_start(void)
{
    static const char *const needs[] = { "store", NULL };
    struct sp_child_spec children[2];
    struct sp_supervisor_spec trees[2];
    struct sp_application_spec specs[2];
    memset(&parts, 0, sizeof(parts));
    for (int i = 0; i < 2; i++) {
        children[i] = (struct sp_child_spec){ .id = part_names[i],
                                              .server = &part_class,
                                              .args = &part_ids[i],
                                              .args_size = sizeof(int),
                                              .options.spawn.trap_exit = true };
        trees[i] = (struct sp_supervisor_spec){ .children = &children[i],
                                                .child_count = 1,
                                                .max_restarts = 100 };
        specs[1 - i] = (struct sp_application_spec){ .name = part_names[i],
                                                     .supervisor = &trees[i],
                                                     .depends_on = i == 1 ? needs : NULL,
                                                     .prep_stop = part_prepares,
                                                     .stopped = part_stopped,
                                                     .hook_arg = &part_ids[i] };
    }
    EXPECT(sp_application_start_all(specs, 2, sp_never(), NULL) == SP_OK);
    parts.running = true;
}

/* ---- applications stop once, in order, whoever asks for it, and whatever dies meanwhile ---- */

static void stops_all(void *unused)
{
    (void)unused;
    EXPECT(sp_application_stop_all(sp_never()) == SP_OK);
    EXPECT(!sp_is_alive(parts.pid[0]) && !sp_is_alive(parts.pid[1]));
}

static void stops_one(void *unused)
{
    (void)unused;
    sp_err err = sp_application_stop(part_names[sp_choose(2)], sp_never());
    EXPECT(err == SP_OK || err == SP_ERR_NOTFOUND);
}

static void kills_one(void *unused)
{
    (void)unused;
    sp_ignore(sp_kill(parts.pid[sp_choose(2)]));
}

static void applications_main(void *unused)
{
    (void)unused;
    parts_start();
    parts.ordered = sp_choose(2) != 0;
    sp_pid pids[3] = { accept_spawn("kills", kills_one, NULL),
                       accept_spawn("stops", parts.ordered ? stops_all : stops_one, NULL),
                       accept_spawn("stops all", stops_all, NULL) };
    EXPECT(sp_application_stop_all(sp_never()) == SP_OK);
    for (int i = 0; i < 3; i++)
        accept_join(pids[i]);
    for (int i = 0; i < 2; i++)
        EXPECT(parts.stopped[i] == 1 && !sp_is_alive(parts.pid[i]));
    sp_pid top;
    EXPECT(sp_application_whereis("store", sp_never(), &top) == SP_ERR_NOTFOUND);
}
ACCEPT(case_133_applications_stop_once, applications_main);

/* ---- with a deadline: over it, whoever is slow is killed ---- */

static void deadline_main(void *unused)
{
    (void)unused;
    parts_start();
    parts.slow = sp_choose(2) != 0;
    sp_time before = sp_now();
    sp_err err = sp_application_stop_all(sp_after_sec(2));
    EXPECT(err == SP_OK || (err == SP_ERR_TIMEOUT && parts.slow));
    EXPECT(sp_time_diff(sp_now(), before).ns <= sp_ms(2100).ns);
    accept_settle();
    EXPECT(!sp_is_alive(parts.pid[0]) && !sp_is_alive(parts.pid[1]));
}
ACCEPT(applications_are_killed_at_their_deadline, deadline_main);

/* ---- case 134: the whole ends while everything is going on ---- */

SP_MESSAGE(whole_word, int);
SP_MESSAGE(whole_tick, int);

static struct {
    int deferred;
    int undone;
} whole;

static void undo(void *unused)
{
    (void)unused;
    whole.undone++;
}

static void busy(void *unused)
{
    (void)unused;
    EXPECT(sp_defer(undo, NULL) == SP_OK);
    whole.deferred++;
    bool traps = sp_choose(2) != 0;
    (void)sp_trap_exit(traps);
    const struct sp_spawn_options options = { .link = sp_choose(2) != 0 };
    if (sp_choose(3) == 2)
        sp_ignore(sp_spawn(busy, NULL, &options, NULL));
    const struct sp_timer_options often = { .after = sp_ms(1), .period = sp_ms(200) };
    sp_ignore(sp_timer_start(sp_self(), &whole_tick_type, &(int){ 1 }, &often, NULL));
    sp_ignore(sp_group_join("g", sp_self()));
    for (;;) {
        struct sp_message *message = accept_next();
        bool told = sp_message_exit(message) != NULL;
        bool tick = whole_tick_of(message) != NULL;
        sp_message_free(message);
        if (tick)
            sp_ignore(sp_group_send("g", &whole_word_type, &(int){ 1 }, NULL));
        if (told && sp_choose(4) != 3)
            return; /* else it must be killed */
    }
}

static void whole_main(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++)
        sp_ignore(sp_spawn(busy, NULL, NULL, NULL));
    sp_sleep(sp_ms(sp_choose(4)));
}

static bool whole_is_undone(void)
{
    return whole.deferred == whole.undone;
}

SP_SIM_TEST(case_134_the_whole_ends_at_any_moment)
{
    memset(&whole, 0, sizeof(whole));
    sp_sim_node *node = sp_sim_start(s, "node", whole_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, sp_sim_ended(node), "the node has not ended");
    sp_sim_check(s, whole_is_undone(), "%d processes began, %d came to their end", whole.deferred,
                 whole.undone);
    sp_sim_check(s, sp_sim_now(s).ns < sp_sec(6).ns, "it took longer than its five seconds");
}
