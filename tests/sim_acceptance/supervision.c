/* Acceptance: supervisors, while children die, others administer, and the end comes at any moment. */
#include "accept.h"

#include <stdio.h>

enum {
    HANDS = 4,
};

/* What the children themselves see of their supervisor's work. */
static struct {
    sp_pid pid[HANDS]; /* of the latest of each */
    int starts[HANDS];
    int terminates[HANDS];
    bool ordered;  /* a child stops only after those behind it */
    bool grouped;  /* a child starts only while those behind it are down */
    bool stubborn; /* the end of a child takes long */
    int fails;     /* starts of child 2 that are to fail */
    bool stopping;
} crew;

struct hand {
    int id;
};

SP_SERVER(hand, int);
SP_CAST(hand, finish, sp_empty);
SP_CAST(hand, note, int);

static int crew_starts(void)
{
    int starts = 0;
    for (int i = 0; i < HANDS; i++)
        starts += crew.starts[i];
    return starts;
}

static void crew_expect_behind_down(int id)
{
    for (int i = id + 1; i < HANDS; i++)
        EXPECT(!sp_is_alive(crew.pid[i]));
}

static sp_err hand_init(struct hand *self, const int *id)
{
    self->id = *id;
    EXPECT(!sp_is_alive(crew.pid[*id])); /* never two of one id */
    if (crew.grouped)
        crew_expect_behind_down(*id);
    crew.pid[*id] = sp_self();
    crew.starts[*id]++;
    if (*id == 2 && crew.fails > 0) {
        crew.fails--;
        return SP_ERR_REFUSED;
    }
    sp_yield();
    return SP_OK;
}

static void hand_on_finish(struct hand *self, const sp_empty *in)
{
    (void)self;
    (void)in;
    if (sp_choose(2) != 0)
        accept_die("boom");
    sp_server_stop_self(sp_reason_normal());
}

static void hand_on_note(struct hand *self, const int *in)
{
    (void)self;
    (void)in;
}

static void hand_terminate(struct hand *self, const struct sp_reason *reason)
{
    crew.terminates[self->id]++;
    if (crew.ordered && accept_is(reason, "shutdown"))
        crew_expect_behind_down(self->id);
    sp_yield();
    if (crew.stubborn)
        sp_sleep(sp_sec(50));
}

SP_STATE(hand, struct hand);
SP_ON_INIT(hand);
SP_ON_CAST(hand, finish);
SP_ON_CAST(hand, note);
SP_ON_TERMINATE(hand);
SP_CLASS(hand, .init = hand__init, .terminate = hand__terminate);

static const int hand_ids[HANDS] = { 0, 1, 2, 3 };
static const char *const hand_names[HANDS] = { "a", "b", "c", "d" };

static struct sp_child_spec hand_spec(int id)
{
    return (struct sp_child_spec){
        .id = hand_names[id],
        .server = &hand_class,
        .args = &hand_ids[id],
        .args_size = sizeof(int),
        .options = { .spawn = { .name = hand_names[id], .trap_exit = true } },
    };
}

/* A supervisor of four hands. */
static sp_err crew_start(struct sp_supervisor_spec spec, sp_pid *out_pid)
{
    struct sp_child_spec children[HANDS];
    for (int i = 0; i < HANDS; i++)
        children[i] = hand_spec(i);
    spec.children = children;
    spec.child_count = HANDS;
    const struct sp_server_options options = { .spawn = { .name = "boss", .link = true } };
    return sp_supervisor_start(&spec, &options, out_pid);
}

static void crew_reset(void)
{
    memset(&crew, 0, sizeof(crew));
}

/* Ends a child, some times. */
static void crew_harms(void *arg)
{
    for (int i = *(int *)arg; i > 0; i--) {
        hand_ref ref = { crew.pid[sp_choose(HANDS)] };
        if (sp_choose(2) != 0)
            sp_ignore(sp_kill(ref.pid));
        else
            sp_ignore(hand_finish(ref, &(sp_empty){ 0 }));
        for (uint32_t steps = sp_choose(4); steps > 0; steps--)
            sp_yield();
    }
}

static int crew_alive(void)
{
    int alive = 0;
    for (int i = 0; i < HANDS; i++)
        alive += sp_is_alive(crew.pid[i]);
    return alive;
}

/* ---- case 55 to 57: order, in every strategy, while children die and the end comes ---- */

static void orders(enum sp_strategy strategy)
{
    static int harms = 2;
    crew_reset();
    sp_pid boss;
    crew.grouped = strategy != SP_ONE_FOR_ONE;
    const struct sp_supervisor_spec spec = { .strategy = strategy, .max_restarts = 100 };
    EXPECT(crew_start(spec, &boss) == SP_OK);
    sp_pid one = accept_spawn(NULL, crew_harms, &harms);
    sp_pid two = accept_spawn(NULL, crew_harms, &harms);
    if (sp_choose(2) == 0) {
        accept_join(one);
        accept_join(two);
        accept_settle();
        EXPECT(crew_alive() == HANDS);
        struct sp_supervisor_info info;
        EXPECT(sp_supervisor_info(boss, sp_never(), &info) == SP_OK);
        EXPECT(info.active == HANDS && info.restarting == 0 && info.restarts <= 4);
        if (strategy == SP_ONE_FOR_ONE)
            EXPECT(info.restarts == (uint64_t)(crew_starts() - HANDS));
        if (strategy == SP_ONE_FOR_ALL)
            EXPECT((uint64_t)crew.starts[0] <= info.restarts + 1);
    }
    crew.ordered = true;
    EXPECT(sp_stop(boss, sp_reason_shutdown(), sp_never()) == SP_OK);
    EXPECT(crew_alive() == 0);
    for (int i = 0; i < HANDS; i++)
        EXPECT(crew.terminates[i] <= crew.starts[i]);
    accept_join(one);
    accept_join(two);
    EXPECT(accept_alone());
    EXPECT(accept_mail_now().exits == 1);
}

static void case_55_main(void *unused)
{
    (void)unused;
    orders(SP_ONE_FOR_ONE);
}
ACCEPT(case_55_children_stop_in_reverse, case_55_main);
static void case_56_main(void *unused)
{
    (void)unused;
    orders(SP_ONE_FOR_ALL);
}
ACCEPT(case_56_one_for_all, case_56_main);
static void case_57_main(void *unused)
{
    (void)unused;
    orders(SP_REST_FOR_ONE);
}
ACCEPT(case_57_rest_for_one, case_57_main);

/* ---- case 58, 65: the intensity is never exceeded ---- */

static void case_58_main(void *unused)
{
    static int harms = 3;
    (void)unused;
    crew_reset();
    sp_pid boss;
    uint32_t max = sp_choose(3);
    sp_monitor_ref ref;
    const struct sp_supervisor_spec spec = { .max_restarts = max == 0 ? SP_RESTARTS_NONE : max };
    EXPECT(crew_start(spec, &boss) == SP_OK);
    EXPECT(sp_monitor(boss, &ref) == SP_OK);
    sp_pid one = accept_spawn(NULL, crew_harms, &harms);
    sp_pid two = accept_spawn(NULL, crew_harms, &harms);
    accept_join(one);
    accept_join(two);
    struct accept_mail mail = accept_mail_settled();
    EXPECT(crew_starts() <= HANDS + (int)max);
    if (mail.downs == 0) {
        EXPECT(crew_alive() == HANDS);
    } else {
        EXPECT(strcmp(mail.text, "shutdown") == 0 && mail.exits == 1);
        EXPECT(crew_starts() == HANDS + (int)max && accept_alone());
    }
    sp_sometimes(mail.downs == 0, "the supervisor held out");
    sp_sometimes(mail.downs == 1, "the supervisor gave up");
}
ACCEPT(case_58_65_the_intensity_is_never_exceeded, case_58_main);

/* ---- case 54, 61: starts that fail ---- */

static void case_54_main(void *unused)
{
    (void)unused;
    crew_reset();
    crew.ordered = true;
    crew.fails = 1;
    sp_pid boss;
    EXPECT(crew_start((struct sp_supervisor_spec){ .max_restarts = 1 }, &boss) ==
           SP_ERR_INITFAILED);
    EXPECT(crew.starts[0] == 1 && crew.starts[1] == 1 && crew.starts[3] == 0);
    EXPECT(crew.terminates[0] == 1 && crew.terminates[1] == 1);
    EXPECT(crew_alive() == 0 && accept_alone() && sp_registered_count() == 1);
    EXPECT(accept_mail_settled().exits == 1);
}
ACCEPT(case_54_a_start_that_fails_leaves_nothing, case_54_main);

static void asks_the_boss(void *arg)
{
    struct sp_child_info child;
    struct sp_supervisor_info info;
    for (int i = 0; i < 4; i++) {
        sp_err err = sp_supervisor_get_child(*(sp_pid *)arg, "c", sp_never(), &child);
        EXPECT(err == SP_OK || err == SP_ERR_NOPROC || err == SP_ERR_DIED);
        sp_sometimes(err == SP_OK && child.status == SP_CHILD_RESTARTING, "asked meanwhile");
        EXPECT(err != SP_OK || (child.status == SP_CHILD_RUNNING) == !sp_pid_is_none(child.pid));
        sp_ignore(sp_supervisor_info(*(sp_pid *)arg, sp_never(), &info));
    }
}

static void case_61_main(void *unused)
{
    static sp_pid boss;
    (void)unused;
    crew_reset();
    EXPECT(crew_start((struct sp_supervisor_spec){ .max_restarts = 3 }, &boss) == SP_OK);
    crew.fails = 2 + (int)sp_choose(3);
    bool lives = crew.fails <= 2;
    sp_monitor_ref ref;
    EXPECT(sp_monitor(boss, &ref) == SP_OK);
    sp_pid asker = accept_spawn("asker", asks_the_boss, &boss);
    EXPECT(sp_kill(crew.pid[2]) == SP_OK);
    accept_join(asker);
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.downs == (lives ? 0 : 1));
    EXPECT(crew.starts[2] == (lives ? 4 : 4));
    EXPECT(crew_alive() == (lives ? HANDS : 0));
}
ACCEPT(case_61_failed_restarts_count, case_61_main);

/* ---- case 66: budgets ---- */

static void case_66_main(void *unused)
{
    (void)unused;
    crew_reset();
    crew.stubborn = true;
    crew.ordered = true;
    struct sp_child_spec children[2] = { hand_spec(0), hand_spec(1) };
    children[0].shutdown = sp_after_ms(100);
    children[1].shutdown = sp_choose(2) == 0 ? sp_nowait() : sp_after_ms(100);
    bool brutal = children[1].shutdown.ns == 0;
    const struct sp_supervisor_spec spec = { .children = children, .child_count = 2 };
    sp_pid boss;
    EXPECT(sp_supervisor_start(&spec, NULL, &boss) == SP_OK);
    sp_time before = sp_now();
    EXPECT(sp_stop(boss, NULL, sp_never()) == SP_OK);
    int64_t took = sp_time_diff(sp_now(), before).ns;
    int64_t budget = (brutal ? 1 : 2) * sp_ms(100).ns;
    EXPECT(took >= budget && took < budget + sp_ms(20).ns);
    EXPECT(crew.terminates[0] == 1 && crew.terminates[1] == !brutal);
    EXPECT(accept_alone());
}
ACCEPT(case_66_budgets, case_66_main);

/* ---- case 68: several administer one child that dies meanwhile ---- */

static void administers(void *arg)
{
    sp_pid boss = *(sp_pid *)arg;
    sp_pid pid = SP_PID_NONE;
    struct sp_child_spec spec = hand_spec(1);
    sp_pid existing = SP_PID_NONE;
    spec.options.out_existing = &existing;
    for (int i = 0; i < 2; i++) {
        sp_err err;
        switch (sp_choose(4)) {
        case 0:
            err = sp_supervisor_start_child(boss, &spec, sp_never(), &pid);
            EXPECT(err == SP_OK || err == SP_ERR_EXISTS || err == SP_ERR_PRESENT ||
                   err == SP_ERR_INITFAILED); /* killed in its init */
            EXPECT(err != SP_ERR_EXISTS || !sp_pid_is_none(existing));
            break;
        case 1:
            err = sp_supervisor_terminate_child(boss, "b", sp_never());
            EXPECT(err == SP_OK || err == SP_ERR_NOTFOUND);
            break;
        case 2:
            err = sp_supervisor_restart_child(boss, "b", sp_never(), &pid);
            EXPECT(err == SP_OK || err == SP_ERR_RUNNING || err == SP_ERR_NOTFOUND ||
                   err == SP_ERR_INITFAILED);
            break;
        default:
            err = sp_supervisor_delete_child(boss, "b", sp_never());
            EXPECT(err == SP_OK || err == SP_ERR_RUNNING || err == SP_ERR_NOTFOUND);
            break;
        }
    }
}

static void case_68_main(void *unused)
{
    static sp_pid boss;
    static int harms = 2;
    (void)unused;
    crew_reset();
    EXPECT(crew_start((struct sp_supervisor_spec){ .max_restarts = 100 }, &boss) == SP_OK);
    sp_pid pids[3] = { accept_spawn("admin 1", administers, &boss),
                       accept_spawn("admin 2", administers, &boss),
                       accept_spawn("harms", crew_harms, &harms) };
    for (int i = 0; i < 3; i++)
        accept_join(pids[i]);
    accept_settle();
    struct sp_child_info child;
    sp_err err = sp_supervisor_get_child(boss, "b", sp_never(), &child);
    EXPECT(err == SP_OK || err == SP_ERR_NOTFOUND);
    bool runs = err == SP_OK && child.status == SP_CHILD_RUNNING;
    EXPECT(sp_is_alive(crew.pid[1]) == runs);
    EXPECT(!runs || sp_pid_equal(child.pid, crew.pid[1]));
    EXPECT(crew_alive() == HANDS - 1 + runs);
}
ACCEPT(case_68_several_administer, case_68_main);

/* ---- case 70, 71: significant children ---- */

static void case_70_main(void *unused)
{
    (void)unused;
    crew_reset();
    struct sp_child_spec children[3] = { hand_spec(0), hand_spec(1), hand_spec(2) };
    bool all = sp_choose(2) != 0;
    children[0].restart = children[1].restart = SP_RESTART_TRANSIENT;
    children[0].significant = true;
    children[1].significant = all;
    const struct sp_supervisor_spec spec = { .children = children,
                                             .child_count = 3,
                                             .max_restarts = 100,
                                             .auto_shutdown = all ? SP_AUTO_SHUTDOWN_ALL
                                                                  : SP_AUTO_SHUTDOWN_ANY };
    sp_pid boss;
    sp_monitor_ref ref;
    EXPECT(sp_supervisor_start(&spec, NULL, &boss) == SP_OK);
    EXPECT(sp_monitor(boss, &ref) == SP_OK);
    crew.ordered = true;
    /* Each ends normally, or crashes and is started again. */
    sp_ignore(hand_finish((hand_ref){ crew.pid[0] }, &(sp_empty){ 0 }));
    sp_ignore(hand_finish((hand_ref){ crew.pid[1] }, &(sp_empty){ 0 }));
    struct accept_mail mail = accept_mail_settled();
    bool first = !sp_is_alive(crew.pid[0]);
    bool second = !sp_is_alive(crew.pid[1]);
    EXPECT(mail.downs == 0 || strcmp(mail.text, "shutdown") == 0);
    if (all)
        EXPECT((mail.downs == 1) == (first && second));
    else
        EXPECT((mail.downs == 1) == first);
    EXPECT(sp_is_alive(crew.pid[2]) == (mail.downs == 0));
    EXPECT(mail.downs == 0 || accept_alone());
}
ACCEPT(case_70_71_significant_children, case_70_main);

/* ---- case 73, 74: a supervisor of a supervisor; killed at any moment ---- */

static void case_73_main(void *unused)
{
    static int harms = 2;
    (void)unused;
    crew_reset();
    struct sp_child_spec hands[HANDS];
    for (int i = 0; i < HANDS; i++)
        hands[i] = hand_spec(i);
    crew.grouped = true;
    const struct sp_supervisor_spec sub = { .strategy = SP_ONE_FOR_ALL,
                                            .max_restarts = SP_RESTARTS_NONE,
                                            .children = hands,
                                            .child_count = HANDS };
    const struct sp_child_spec child = { .id = "sub", .supervisor = &sub };
    const struct sp_supervisor_spec top = { .max_restarts = 100,
                                            .children = &child,
                                            .child_count = 1 };
    sp_pid boss;
    const struct sp_server_options options = { .spawn = { .name = "top", .link = true } };
    EXPECT(sp_supervisor_start(&top, &options, &boss) == SP_OK);
    sp_pid one = accept_spawn("harms", crew_harms, &harms);
    if (sp_choose(2) == 0) {
        accept_join(one);
        accept_settle();
        EXPECT(crew_alive() == HANDS);
        struct sp_supervisor_info info;
        EXPECT(sp_supervisor_info(boss, sp_never(), &info) == SP_OK && info.active == 1);
        EXPECT((int)info.restarts + 1 == crew.starts[0]);
    }
    EXPECT(sp_kill(boss) == SP_OK);
    accept_join(one);
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.exits == 1 && strcmp(mail.text, "killed") == 0);
    EXPECT(accept_alone());
}
ACCEPT(case_73_74_no_orphan_of_a_killed_tree, case_73_main);

/* ---- case 79: messages to a name while its child is down ---- */

SP_SERVER(scribe, sp_empty);
SP_CAST(scribe, write, int);
SP_CALL(scribe, last, sp_empty, int);

static struct {
    int last;
    int written;
    int sent;
} book;

static void scribe_on_write(int *state, const int *in)
{
    (void)state;
    EXPECT(*in > book.last);
    book.last = *in;
    book.written++;
    if (sp_choose(4) == 3)
        accept_die("boom");
}
static sp_err scribe_on_last(int *state, const sp_empty *in, int *out)
{
    (void)state;
    (void)in;
    *out = book.last;
    return SP_OK;
}
SP_STATE(scribe, int);
SP_ON_CAST(scribe, write);
SP_ON_CALL(scribe, last);
SP_CLASS(scribe);

static void dictates(void *unused)
{
    (void)unused;
    for (int i = 1; i <= 6; i++) {
        scribe_ref ref;
        if (scribe_whereis("scribe", &ref) == SP_OK && scribe_write(ref, &i) == SP_OK)
            book.sent++;
        for (uint32_t steps = sp_choose(3); steps > 0; steps--)
            sp_sleep(sp_ms(200));
    }
}

static void case_79_main(void *unused)
{
    (void)unused;
    memset(&book, 0, sizeof(book));
    const struct sp_child_spec child = { .id = "scribe",
                                         .server = &scribe_class,
                                         .options.spawn.name = "scribe",
                                         .backoff = { .min = sp_ms(100), .max = sp_sec(1) } };
    const struct sp_supervisor_spec spec = { .children = &child, .child_count = 1 };
    sp_pid boss;
    EXPECT(sp_supervisor_start(&spec, NULL, &boss) == SP_OK);
    sp_pid dictator = accept_spawn("dictator", dictates, NULL);
    accept_join(dictator);
    accept_settle();
    EXPECT(book.written <= book.sent);
    scribe_ref ref;
    int last = 0;
    EXPECT(scribe_whereis("scribe", &ref) == SP_OK);
    EXPECT(scribe_last(ref, &(sp_empty){ 0 }, &last, sp_never()) == SP_OK && last == book.last);
    EXPECT(sp_stop(boss, NULL, sp_never()) == SP_OK && accept_alone());
}
ACCEPT(case_79_messages_during_a_backoff, case_79_main);
