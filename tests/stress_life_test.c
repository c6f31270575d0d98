/* Lives under stress: names, links and monitors, timers, replies, each against exits that come at
 * any moment. The other half is stress_test.c.
 */
#include "support/stress.h"

#include <stdatomic.h>
#include <string.h>

static const struct sp_runtime_options four_workers = { .workers = 4 };

/* ---- names ------------------------------------------------------------------------------ */

/* Everybody wants the same few names, and keeps what he gets for a while, or to his end. Two never
 * hold one, and a name says who holds it, or held it just now. */

enum { NAMES = 5 };

static atomic_int holders[NAMES];
static const char *const names[NAMES] = { "anna", "berta", "carla", "doris", "emma" };

static void holder_let_go(void *arg)
{
    atomic_int *holder = arg;
    atomic_fetch_sub(holder, 1);
}

/* The name is ours: nobody else's. */
static void holder_keep(int i)
{
    sp_pid pid;
    CHECK_INT(atomic_fetch_add(&holders[i], 1), 0);
    if (stress_dice(3) == 0)
        sp_yield();
    CHECK_OK(sp_whereis(names[i], &pid));
    CHECK(sp_pid_equal(pid, sp_self()));
    char name[SP_NAME_MAX + 1];
    CHECK_OK(sp_name_of(pid, name));
    CHECK_STR(name, names[i]);
    if (stress_dice(2) == 0) {
        CHECK_OK(sp_defer(holder_let_go, &holders[i])); /* it ends with it */
        sp_exit(sp_reason_normal());
    }
    holder_let_go(&holders[i]);
    CHECK_OK(sp_unregister(names[i]));
}

static void holder_main(void *arg)
{
    int i = *(const int *)arg;
    stress_spin();
    sp_err err = sp_register(names[i], sp_self());
    CHECK(err == SP_OK || err == SP_ERR_EXISTS);
    if (err == SP_OK)
        holder_keep(i);
}

static void name_wanter(void *arg)
{
    const struct sp_spawn_options options = { .arg_size = sizeof(int) };
    (void)arg;
    for (int k = stress_times(4000); k > 0; k--) {
        int i = stress_dice(NAMES);
        sp_pid pid;
        CHECK_OK(sp_spawn(holder_main, &i, &options, NULL));
        if (sp_whereis(names[stress_dice(NAMES)], &pid) == SP_OK)
            CHECK(!sp_pid_is_none(pid));
        if (k % 32 == 0)
            sp_yield();
    }
}

static bool name_count(const char *name, sp_pid pid, void *arg)
{
    (void)pid;
    int *count = arg;
    CHECK(strlen(name) >= 4);
    (*count)++;
    return true;
}

static void name_reader(void *arg)
{
    (void)arg;
    for (int k = stress_times(1000); k > 0; k--) {
        int count = 0;
        sp_monitor_ref ref;
        CHECK_OK(sp_registered_each(name_count, &count));
        CHECK(count <= NAMES);
        CHECK_OK(sp_monitor_name(names[stress_dice(NAMES)], &ref));
        sp_demonitor(ref, SP_DEMONITOR_FLUSH);
        CHECK_INT(sp_mailbox_length(), 0);
    }
}

TEST(a_name_has_one_holder_at_a_time)
{
    struct stress_crew crew = { 0 };
    world_open(&four_workers);
    stress_processes(&crew, 3, name_wanter, NULL);
    stress_processes(&crew, 1, name_reader, NULL);
    stress_threads(&crew, 1, name_reader, NULL);
    stress_wait(&crew);
    stress_settle();
    CHECK_INT(sp_registered_count(), 0);
    for (int i = 0; i < NAMES; i++)
        CHECK_INT(holders[i], 0);
    world_close();
}

/* ---- groups ----------------------------------------------------------------------------- */

static void member_main(void *arg)
{
    struct sp_message *message;
    (void)arg;
    for (int i = stress_dice(4); i >= 0; i--)
        CHECK_OK(sp_group_join(names[stress_dice(NAMES)], sp_self()));
    if (stress_dice(2) == 0)
        sp_ignore(sp_group_leave(names[stress_dice(NAMES)], sp_self()));
    if (stress_dice(2) == 0)
        sp_yield();
    while (sp_receive(sp_nowait(), &message) == SP_OK)
        sp_message_free(message);
}

static void member_breeder(void *arg)
{
    (void)arg;
    for (int i = stress_times(4000); i > 0; i--) {
        sp_pid pid;
        CHECK_OK(sp_spawn(member_main, NULL, NULL, &pid));
        sp_err err = sp_group_join(names[0], pid); /* by another, while it may be ending */
        CHECK(err == SP_OK || err == SP_ERR_NOPROC);
        sp_ignore(sp_group_send(names[stress_dice(NAMES)], &note_type,
                                &(struct note){ i, sp_self() }, NULL));
        if (i % 16 == 0)
            sp_yield();
    }
}

TEST(nobody_who_has_ended_is_left_in_a_group)
{
    struct stress_crew crew = { 0 };
    world_open(&four_workers);
    stress_processes(&crew, 3, member_breeder, NULL);
    stress_threads(&crew, 1, member_breeder, NULL);
    stress_wait(&crew);
    stress_settle();
    CHECK_INT(sp_group_count(), 0);
    world_close();
}

/* ---- links and monitors ------------------------------------------------------------------- */

/* A net of linked processes, hit in several places at once: all end, each end is told once to who
 * watches, whatever others end at that moment. */

enum { NET = 24 };

static void net_node(void *arg)
{
    const sp_pid *net = arg;
    struct sp_message *message;
    CHECK_OK(sp_receive(sp_never(), &message)); /* all are there */
    sp_message_free(message);
    for (int i = 0; i < 3; i++)
        sp_ignore(sp_link(net[stress_dice(NET)]));
    for (int i = 0; i < 2; i++) {
        sp_monitor_ref ref;
        CHECK_OK(sp_monitor(net[stress_dice(NET)], &ref));
    }
    while (sp_receive(sp_never(), &message) == SP_OK)
        sp_message_free(message);
}

static void net_shooter(void *arg)
{
    const sp_pid *net = arg;
    for (int i = 0; i < 3; i++) {
        stress_spin();
        sp_ignore(sp_signal(net[stress_dice(NET)], sp_reason_error(SP_ERR_IO, "hit")));
    }
}

static void net_round(void)
{
    sp_pid net[NET];
    sp_monitor_ref refs[NET];
    int told[NET] = { 0 };
    struct stress_crew crew = { 0 };
    for (int i = 0; i < NET; i++) {
        const struct sp_spawn_options options = { .trap_exit = i % 8 == 0,
                                                  .notices_first = i % 16 == 0,
                                                  .out_monitor = &refs[i] };
        CHECK_OK(sp_spawn(net_node, net, &options, &net[i]));
    }
    for (int i = 0; i < NET; i++)
        sp_ignore(note_send(net[i], &(struct note){ 0, sp_self() }));
    stress_processes(&crew, 2, net_shooter, net);
    net_shooter(net);
    stress_wait(&crew);
    for (int i = 0; i < NET; i++)
        sp_ignore(sp_kill(net[i])); /* the rest, and those that trap */
    for (int i = 0; i < NET; i++) {
        struct sp_message *message = expect_message();
        const struct sp_down *down = sp_message_down(message);
        CHECK(down != NULL);
        for (int k = 0; k < NET; k++)
            if (down->ref.id == refs[k].id) {
                CHECK(sp_pid_equal(down->pid, net[k]));
                CHECK_INT(told[k]++, 0);
            }
        sp_message_free(message);
    }
    expect_nothing();
}

TEST(each_end_in_a_net_is_told_once)
{
    world_open(&four_workers);
    for (int i = stress_times(300); i > 0; i--)
        net_round();
    stress_settle();
    world_close();
}

/* Links and monitors are made and undone while the other side ends. What was undone is silent. */

struct undone {
    sp_pid pids[8];   /* unlinked */
    uint64_t refs[8]; /* demonitored */
    int next;
};

static void undone_check(const struct undone *undone, struct sp_message *message)
{
    const struct sp_exit_notice *exit = sp_message_exit(message);
    const struct sp_down *down = sp_message_down(message);
    for (int i = 0; i < 8; i++) {
        CHECK(exit == NULL || !sp_pid_equal(exit->pid, undone->pids[i]));
        CHECK(down == NULL || down->ref.id != undone->refs[i]);
    }
    sp_message_free(message);
}

static void undone_link(struct undone *undone, sp_pid pid)
{
    for (int i = 0; i < 8; i++)
        if (sp_pid_equal(undone->pids[i], pid))
            return; /* never again one that must be silent */
    CHECK_OK(sp_link(pid));
    stress_spin();
    if (stress_dice(3) == 0)
        return;
    sp_unlink(pid);
    undone->pids[undone->next++ % 8] = pid;
}

static void undone_watch(struct undone *undone, sp_pid pid)
{
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(pid, &ref));
    stress_spin();
    if (stress_dice(3) == 0)
        return;
    sp_demonitor(ref, SP_DEMONITOR_FLUSH);
    undone->refs[undone->next++ % 8] = ref.id;
}

static void short_lived(void *arg)
{
    (void)arg;
    stress_spin();
    if (stress_dice(2) == 0)
        sp_yield();
    if (stress_dice(2) == 0)
        sp_exit_error(SP_OK, "short");
}

static void undoer(void *arg)
{
    struct undone undone = { .next = 0 };
    struct sp_message *message;
    (void)arg;
    sp_trap_exit(true);
    for (int i = stress_times(5000); i > 0; i--) {
        sp_pid pid;
        CHECK_OK(sp_spawn(short_lived, NULL, NULL, &pid));
        for (int k = stress_dice(3); k >= 0; k--)
            if (stress_dice(2) == 0)
                undone_link(&undone, pid);
            else
                undone_watch(&undone, pid);
        while (sp_receive(sp_nowait(), &message) == SP_OK)
            undone_check(&undone, message);
    }
}

TEST(what_was_unlinked_or_demonitored_is_silent)
{
    struct stress_crew crew = { 0 };
    world_open(&four_workers);
    stress_processes(&crew, 4, undoer, NULL);
    stress_threads(&crew, 1, undoer, NULL);
    stress_wait(&crew);
    stress_settle();
    world_close();
}

/* ---- timers ----------------------------------------------------------------------------- */

/* Timers to whoever is there, cancelled by others: each message comes, or its cancel was told to
 * have been in time, never both. */

enum { ALARMS = 64 };

static _Atomic uint64_t alarms[ALARMS]; /* ids of timers, mostly of some that are over */
static atomic_long alarm_payloads;

struct ring {
    int64_t number;
};

static void ring_destroy(struct ring *ring)
{
    (void)ring;
    atomic_fetch_sub(&alarm_payloads, 1);
}

SP_MESSAGE_MOVED(ring_message, struct ring, ring_destroy);

static atomic_long alarms_rung;
static atomic_long alarms_cancelled;
static atomic_long alarms_armed;

static void sleeper_main(void *arg)
{
    struct sp_message *message;
    (void)arg;
    for (int i = stress_dice(200); i >= 0; i--) {
        if (sp_receive(sp_after_us(stress_dice(500)), &message) != SP_OK)
            continue;
        atomic_fetch_add(&alarms_rung, ring_message_of(message) != NULL);
        sp_message_free(message);
    }
}

static void alarm_arm(sp_pid to)
{
    struct ring ring = { stress_dice(1000) };
    sp_timer timer;
    const struct sp_timer_options options = { .after = sp_us(stress_dice(400)) };
    atomic_fetch_add(&alarm_payloads, 1);
    if (sp_timer_start(to, &ring_message_type, &ring, &options, &timer) != SP_OK)
        return;
    atomic_fetch_add(&alarms_armed, 1);
    atomic_store(&alarms[stress_dice(ALARMS)], timer.id);
}

static void alarm_cancel(void)
{
    sp_timer timer = { atomic_load(&alarms[stress_dice(ALARMS)]) };
    sp_duration left = sp_ns(-1);
    sp_err err = sp_timer_cancel(timer, &left);
    CHECK(err == SP_OK || err == SP_ERR_STALE);
    CHECK((err == SP_OK) == (left.ns >= 0));
    atomic_fetch_add(&alarms_cancelled, err == SP_OK);
}

static void alarmist(void *arg)
{
    sp_pid to = SP_PID_NONE;
    (void)arg;
    for (int i = stress_times(10000); i > 0; i--) {
        if (!sp_is_alive(to))
            CHECK_OK(sp_spawn(sleeper_main, NULL, NULL, &to));
        alarm_arm(to);
        if (stress_dice(2) == 0)
            alarm_cancel();
        if (stress_dice(500) == 0)
            sp_ignore(sp_kill(to));
        if (i % 64 == 0)
            sp_yield();
    }
}

TEST(timers_are_armed_cancelled_and_fired_at_once)
{
    struct stress_crew crew = { 0 };
    world_open(&four_workers);
    stress_processes(&crew, 4, alarmist, NULL);
    stress_threads(&crew, 1, alarmist, NULL);
    stress_wait(&crew);
    while (atomic_load(&alarm_payloads) != 0)
        sp_yield();
    stress_settle();
    CHECK(alarms_rung + alarms_cancelled <= alarms_armed);
    CHECK(alarms_rung > 0 && alarms_cancelled > 0);
    world_close();
}

/* Keys: after a cancel, or once it is set anew, no tick of the former setting comes. */

static void key_setter(void *arg)
{
    int64_t wanted = 0;
    struct sp_message *message;
    (void)arg;
    for (int64_t i = stress_times(5000); i > 0; i--) {
        struct sp_timer_options options = { .after = sp_us(stress_dice(30)), .key = 1 };
        if (stress_dice(4) == 0)
            options.period = sp_us(1 + stress_dice(20));
        wanted = i;
        CHECK_OK(
            sp_timer_start(sp_self(), &note_type, &(struct note){ i, sp_self() }, &options, NULL));
        stress_spin();
        if (stress_dice(3) == 0) {
            sp_ignore(sp_timer_cancel_key(1, NULL));
            wanted = 0;
        }
        if (stress_dice(8) == 0)
            sp_sleep(sp_us(stress_dice(50)));
        while (sp_receive(sp_nowait(), &message) == SP_OK) {
            CHECK_INT(note_of(message)->number, wanted);
            sp_message_free(message);
        }
    }
}

TEST(no_tick_of_a_key_comes_after_it_was_set_anew)
{
    struct stress_crew crew = { 0 };
    world_open(&four_workers);
    stress_processes(&crew, 4, key_setter, NULL);
    stress_threads(&crew, 1, key_setter, NULL);
    stress_wait(&crew);
    stress_settle();
    world_close();
}

/* ---- replies ------------------------------------------------------------------------------ */

/* A reply against the deadline, the death of the server, the death of the caller: a call that
 * succeeds has its own answer; one that does not has nothing written; nothing is leaked. */

enum { CANARY = 0x5afe };

static atomic_long boxes;

struct box {
    int64_t number;
    int64_t canary;
};

static void box_destroy(struct box *box)
{
    if (box->canary == CANARY)
        atomic_fetch_sub(&boxes, 1);
}

static struct box box_pack(int64_t number)
{
    atomic_fetch_add(&boxes, 1);
    return (struct box){ number, CANARY };
}

SP_SERVER(clerk, sp_empty);
/** The next number. */
SP_CALL_MOVED(clerk, next, struct box, box_destroy, struct box, box_destroy);
SP_CALL(clerk, later, int64_t, int64_t);
SP_STATE(
    clerk, struct { int handled; });

struct errand {
    sp_request request;
    int64_t number;
};
SP_MESSAGE(errand, struct errand);

static sp_err clerk_init(clerk__state_type *self, const sp_empty *args)
{
    (void)args;
    self->handled = 0;
    return SP_OK;
}

static sp_err clerk_on_next(clerk__state_type *self, const struct box *in, struct box *out)
{
    stress_spin();
    if (++self->handled % 64 == 63)
        sp_yield();
    if (stress_dice(300) == 0)
        sp_exit_error(SP_ERR_IO, "tired");
    if (stress_dice(20) == 0)
        return SP_ERR_INVALID;
    *out = box_pack(in->number + 1);
    return SP_OK;
}

static void errand_boy(void *arg)
{
    struct sp_message *message;
    (void)arg;
    CHECK_OK(sp_receive(sp_never(), &message));
    struct errand errand = *errand_of(message);
    sp_message_free(message);
    if (sp_request_adopt(errand.request) != SP_OK)
        return;
    stress_spin();
    if (stress_dice(10) == 0)
        return; /* it is an error at the caller */
    int64_t number = errand.number + 1;
    sp_ignore(clerk_later_reply(errand.request, &number));
}

static sp_err clerk_on_later(clerk__state_type *self, const int64_t *in, int64_t *out)
{
    struct errand errand = { .number = *in };
    sp_pid boy;
    (void)self;
    (void)out;
    CHECK_OK(sp_request_take(&errand.request));
    CHECK_OK(sp_spawn(errand_boy, NULL, NULL, &boy));
    CHECK_OK(errand_send(boy, &errand));
    return SP_ERR_DEFERRED;
}

SP_ON_INIT(clerk);
SP_ON_CALL(clerk, next);
SP_ON_CALL(clerk, later);
SP_CLASS(clerk, .init = clerk__init);

enum { CLERKS = 3 };

static _Atomic uint64_t clerk_serials[CLERKS];
static _Atomic uint32_t clerk_slots[CLERKS];
static atomic_long answered;

/* Somebody; where nobody is, somebody new. */
static clerk_ref clerk_any(void)
{
    int i = stress_dice(CLERKS);
    clerk_ref clerk = { { atomic_load(&clerk_serials[i]), atomic_load(&clerk_slots[i]), 0 } };
    if (stress_dice(8) == 0 && !sp_is_alive(clerk.pid)) {
        CHECK_OK(clerk_start(&(sp_empty){ 0 }, NULL, &clerk));
        atomic_store(&clerk_slots[i], clerk.pid.slot);
        atomic_store(&clerk_serials[i], clerk.pid.serial);
    }
    return clerk;
}

static sp_deadline soon(void)
{
    return stress_dice(3) == 0 ? sp_after_sec(60) : sp_after_us(stress_dice(300));
}

static void ask_next(int64_t i)
{
    clerk_ref clerk = clerk_any(); /* may suspend, and so end us */
    struct box in = box_pack(i);
    struct box out = { -1, -1 };
    sp_err err = clerk_next(clerk, &in, &out, soon());
    if (err != SP_OK) {
        CHECK_INT(out.number, -1);
        return;
    }
    CHECK_INT(out.number, i + 1);
    atomic_fetch_add(&answered, 1);
    box_destroy(&out);
}

static void ask_later(int64_t i)
{
    int64_t out = -1;
    sp_err err = clerk_later(clerk_any(), &i, &out, soon());
    CHECK_INT(out, err == SP_OK ? i + 1 : -1);
}

static void client_main(void *arg)
{
    (void)arg;
    for (int64_t i = stress_times(4000); i > 0; i--)
        if (stress_dice(4) == 0)
            ask_later(i);
        else
            ask_next(i);
}

/* Clients that are killed at any moment: what is on its way to them has nowhere to go. */
static void client_killer(void *arg)
{
    (void)arg;
    for (int i = stress_times(300); i > 0; i--) {
        sp_pid pid;
        CHECK_OK(sp_spawn(client_main, NULL, NULL, &pid));
        for (int k = stress_dice(4); k > 0; k--)
            sp_yield();
        if (stress_dice(4) == 0)
            sp_sleep(sp_us(stress_dice(100)));
        sp_ignore(sp_kill(pid));
        wait_gone(pid);
    }
}

static void clerks_stop(void)
{
    sp_pid pids[STRESS_CREW_MAX];
    size_t cursor = 0;
    for (size_t count; (count = sp_process_list(&cursor, pids, STRESS_CREW_MAX)) != 0;)
        for (size_t i = 0; i < count; i++)
            if (!sp_pid_equal(pids[i], sp_self()))
                sp_ignore(sp_stop(pids[i], NULL, sp_never()));
}

TEST(a_reply_meets_deadlines_and_deaths)
{
    struct stress_crew crew = { 0 };
    world_open(&four_workers);
    stress_processes(&crew, 6, client_main, NULL);
    stress_processes(&crew, 1, client_killer, NULL);
    stress_threads(&crew, 2, client_main, NULL);
    stress_wait(&crew);
    clerks_stop();
    while (atomic_load(&boxes) != 0)
        sp_yield();
    stress_settle();
    CHECK(answered > 0);
    world_close();
}

/* Several at once, into one array: some answer, some die, some are too late. */

static void ask_all(void *arg)
{
    (void)arg;
    for (int64_t i = stress_times(2000); i > 0; i--) {
        int64_t outs[CLERKS];
        struct sp_multi targets[CLERKS];
        for (int k = 0; k < CLERKS; k++) {
            outs[k] = -1;
            targets[k] = (struct sp_multi){ .server = clerk_any().pid, .out = &outs[k] };
        }
        sp_ignore(sp_server_multi_call(&clerk_later_op, &i, targets, CLERKS, soon()));
        for (int k = 0; k < CLERKS; k++)
            CHECK_INT(outs[k], targets[k].err == SP_OK ? i + 1 : -1);
    }
}

static void tormentor(void *arg)
{
    (void)arg;
    for (int i = stress_times(1000); i > 0; i--) {
        sp_ignore(sp_kill(clerk_any().pid));
        sp_yield();
    }
}

TEST(replies_to_several_requests_meet_deadlines_and_deaths)
{
    struct stress_crew crew = { 0 };
    world_open(&four_workers);
    stress_processes(&crew, 4, ask_all, NULL);
    stress_processes(&crew, 1, tormentor, NULL);
    stress_threads(&crew, 1, ask_all, NULL);
    stress_wait(&crew);
    clerks_stop();
    stress_settle();
    world_close();
}
