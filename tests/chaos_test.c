/* Whatever processes do to each other: at the end nothing is left, and the books balance.
 *
 * Players start toys (servers) in every way there is, call them, cast to them, link, monitor, stop
 * and kill them, at random; toys answer, answer later through helpers, suspend, fault, exit and
 * run into their quotas. Nothing is asserted about what any one operation returns: that is for
 * the other tests. What must hold is: every message is handled, dead or dropped, every process
 * has ended, no name, group or timer is left, and no sanitizer has anything to say.
 */
#include "support/test.h"

#include "spawned/spawned.h"

#include <stdlib.h>
#include <string.h>

enum {
    PLAYERS = 8,
    TOYS = 4, /* of a player, at a time */
    MOVES = 3000,
};

static uint64_t dice(uint64_t sides)
{
    return sp_random() % sides;
}

/* ---- toys ---- */

struct toy_args {
    unsigned kind;
};
/* Larger than what fits on a handler's stack for a reply. */
struct parcel {
    char bytes[700];
};

SP_SERVER(toy, struct toy_args);
SP_CALL(toy, echo, struct parcel, struct parcel);
SP_CALL(toy, later, sp_empty, int);
SP_CALL(toy, through, sp_pid, sp_empty); /* calls another one */
SP_CAST(toy, poke, sp_empty);
SP_MESSAGE(order, sp_request);

struct toy {
    struct toy_args args;
    unsigned pokes;
};

static sp_err toy_init(struct toy *self, const struct toy_args *args)
{
    self->args = *args;
    memset(sp_alloc(100), 1, 100);
    if (args->kind == 1)
        return SP_ERR_IGNORED;
    if (args->kind == 2)
        sp_exit_error(SP_ERR_IO, "init");
    if (args->kind == 3)
        sp_sleep(sp_ms(3));
    return SP_OK;
}

static sp_err toy_on_echo(struct toy *self, const struct parcel *in, struct parcel *out)
{
    (void)self;
    if (dice(200) == 0)
        abort();
    if (dice(50) == 0)
        sp_yield();
    *out = *in;
    return SP_OK;
}

/** Answers somebody else's call, or dies trying. */
static void helper(void *unused)
{
    struct sp_message *message;
    (void)unused;
    if (sp_receive(sp_after_sec(1), &message) != SP_OK)
        return;
    sp_request request = *order_of(message);
    sp_message_free(message);
    if (dice(2) == 0 && sp_request_adopt(request) != SP_OK)
        return;
    if (dice(5) == 0)
        abort();
    if (dice(5) == 0)
        sp_sleep(sp_ms(1));
    if (dice(5) == 0)
        return;
    sp_ignore(toy_later_reply(request, &(int){ 1 }));
    sp_ignore(toy_later_reply(request, &(int){ 2 })); /* one time too many */
}

static sp_err toy_on_later(struct toy *self, const sp_empty *in, int *out)
{
    sp_request request;
    sp_pid pid;
    (void)self;
    (void)in;
    (void)out;
    if (sp_request_take(&request) != SP_OK)
        return SP_ERR_NOMEM;
    const struct sp_spawn_options options = { .link = dice(20) == 0 };
    if (sp_spawn(helper, NULL, &options, &pid) != SP_OK || order_send(pid, &request) != SP_OK)
        sp_request_drop(request);
    return SP_ERR_DEFERRED;
}

static sp_err toy_on_through(struct toy *self, const sp_pid *in, sp_empty *out)
{
    struct parcel parcel = { { 0 } };
    (void)self;
    (void)out;
    return toy_echo((toy_ref){ *in }, &parcel, &parcel, sp_after_ms(20));
}

static void toy_set_timer(void)
{
    const struct sp_timer_options options = { .after = sp_us(200),
                                              .period = sp_us((int64_t)dice(2) * 500),
                                              .key = dice(3) };
    sp_ignore(toy_poke_timer((toy_ref){ sp_self() }, &(sp_empty){ 0 }, &options, NULL));
}

static void toy_on_poke(struct toy *self, const sp_empty *in)
{
    (void)in;
    self->pokes++;
    switch (dice(60)) {
    case 0:
        sp_exit_error(SP_ERR_IO, "poked");
    case 1:
        sp_server_stop_self(sp_reason_normal());
        break;
    case 2:
        sp_sleep(sp_us(100));
        break;
    case 3:
        sp_server_idle_after(sp_us(300));
        break;
    case 4:
        toy_set_timer();
        break;
    case 5:
        sp_ignore(sp_group_join("toys", sp_self()));
        break;
    case 6:
        memset(sp_realloc(sp_alloc(1000), 2000), 1, 2000); /* some have less */
        break;
    case 7:
        sp_trap_exit(dice(2) == 0);
        break;
    default:
        break;
    }
}

static void toy_timeout(struct toy *self)
{
    self->pokes = 0;
}

SP_STATE(toy, struct toy);
SP_ON_INIT(toy);
SP_ON_CALL(toy, echo);
SP_ON_CALL(toy, later);
SP_ON_CALL(toy, through);
SP_ON_CAST(toy, poke);
SP_ON_TIMEOUT(toy);
SP_CLASS(toy, .init = toy__init, .on_timeout = toy__timeout);

/* ---- what players do ---- */

static void start(toy_ref *toy)
{
    static const char *const names[] = { NULL, NULL, "one", "two", "three" };
    const struct sp_server_options options = {
        .spawn = { .name = names[dice(5)],
                   .link = dice(4) == 0,
                   .trap_exit = dice(5) == 0,
                   .own_thread = dice(40) == 0,
                   .mailbox_max = dice(3) == 0 ? 4 : 0,
                   .overflow = (enum sp_overflow)dice(4),
                   .memory_max = dice(10) == 0 ? 1500 : 0 },
        .start_deadline = dice(4) == 0 ? sp_after_ms(1) : sp_never(),
    };
    sp_ignore(toy_start(&(struct toy_args){ (unsigned)dice(12) }, &options, toy));
}

static void call(toy_ref toy, toy_ref other)
{
    struct parcel parcel;
    int number;
    sp_empty nothing;
    memset(&parcel, 3, sizeof parcel);
    if (dice(4) == 0)
        sp_ignore(toy_later(toy, &nothing, &number, sp_after_us((int64_t)dice(5000))));
    else if (dice(4) == 0)
        sp_ignore(toy_through(toy, &other.pid, &nothing, sp_after_ms(5)));
    else
        sp_ignore(toy_echo(toy, &parcel, &parcel, sp_after_us((int64_t)dice(3000))));
}

static void call_all(const toy_ref toys[TOYS])
{
    struct parcel in = { { 0 } };
    struct parcel out[TOYS];
    struct sp_multi targets[TOYS];
    for (int i = 0; i < TOYS; i++)
        targets[i] = (struct sp_multi){ .server = toys[i].pid, .out = &out[i] };
    sp_ignore(sp_server_multi_call(&toy_echo_op, &in, targets, TOYS, sp_after_ms(2)));
}

static void end(sp_pid pid)
{
    switch (dice(4)) {
    case 0:
        sp_ignore(sp_kill(pid));
        break;
    case 1:
        sp_ignore(sp_stop(pid, NULL, sp_after_ms(2)));
        break;
    case 2:
        sp_ignore(sp_signal(pid, sp_reason_error(SP_ERR_IO, "enough")));
        break;
    default:
        sp_ignore(sp_join(pid, sp_after_us(500), NULL));
        break;
    }
}

static void relate(sp_pid pid)
{
    sp_monitor_ref monitor;
    if (dice(2) == 0)
        sp_ignore(sp_link(pid));
    else if (dice(2) == 0)
        sp_unlink(pid);
    else if (sp_monitor(pid, &monitor) == SP_OK && dice(2) == 0)
        sp_demonitor(monitor, (enum sp_demonitor)dice(2));
}

static void nap(void *unused)
{
    (void)unused; /* on a thread for blocking work */
}

static void look(sp_pid pid)
{
    struct sp_process_info info;
    char name[SP_NAME_MAX + 1];
    sp_ignore(sp_process_info(pid, &info));
    sp_ignore(sp_name_of(pid, name));
    sp_ignore(sp_blocking(nap, NULL, 0, sp_after_us((int64_t)dice(200))));
    sp_ignore(sp_group_send("toys", &toy_poke_op.in, &(sp_empty){ 0 }, NULL));
}

static void read_mail(void)
{
    struct sp_message *message;
    while (sp_receive(sp_nowait(), &message) == SP_OK)
        sp_message_free(message);
}

static void play(void *unused)
{
    toy_ref toys[TOYS] = { { { 0, 0, 0 } } };
    (void)unused;
    for (int move = 0; move < MOVES; move++) {
        toy_ref *toy = &toys[dice(TOYS)];
        uint64_t what = dice(100);
        if (!sp_is_alive(toy->pid))
            start(toy);
        else if (what < 50)
            sp_ignore(toy_poke(*toy, &(sp_empty){ 0 }));
        else if (what < 80)
            call(*toy, toys[dice(TOYS)]);
        else if (what < 84)
            sp_ignore(sp_send_wait(toy->pid, &toy_poke_op.in, &(sp_empty){ 0 }, sp_after_ms(1)));
        else if (what < 88)
            call_all(toys);
        else if (what < 92)
            end(toy->pid);
        else if (what < 96)
            relate(toy->pid);
        else
            look(toy->pid);
        read_mail();
    }
}

/* ---- the end ---- */

static void kill_the_rest(void)
{
    sp_pid pids[64];
    size_t cursor = 0;
    for (size_t count; (count = sp_process_list(&cursor, pids, 64)) != 0;)
        for (size_t i = 0; i < count; i++)
            if (!sp_pid_equal(pids[i], sp_self())) {
                sp_ignore(sp_kill(pids[i]));
                CHECK_ERR(sp_join(pids[i], sp_never(), NULL), SP_OK);
            }
}

static void check_nothing_is_left(struct sp_runtime *runtime)
{
    struct sp_stats s;
    do { /* what the last ones leave is counted after their end is told */
        sp_yield();
        sp_runtime_stats(runtime, &s);
    } while (s.sent != s.handled + s.queued + s.dead_noproc + s.dropped_full + s.dropped_stale +
                           s.dropped_shed);
    CHECK(s.spawned > PLAYERS && s.faults != 0 && s.late_replies != 0); /* it was lively */
    CHECK_INT(s.processes, 1);
    CHECK_INT(s.exited + 1, s.spawned);
    CHECK_INT(s.queued, 0);
    CHECK_INT(s.timers, 0);
    CHECK_INT(sp_registered_count(), 0);
    CHECK_INT(sp_group_count(), 0);
}

TEST(chaos_among_processes_leaves_nothing_behind)
{
    struct sp_runtime *runtime;
    sp_pid players[PLAYERS];
    CHECK_ERR(sp_runtime_create(&(struct sp_runtime_options){ .workers = 3 }, &runtime), SP_OK);
    CHECK_ERR(sp_thread_attach(runtime), SP_OK);
    for (int i = 0; i < PLAYERS; i++) {
        const struct sp_spawn_options options = { .trap_exit = true, .own_thread = i == 0 };
        CHECK_ERR(sp_spawn(play, NULL, &options, &players[i]), SP_OK);
    }
    for (int i = 0; i < PLAYERS; i++)
        CHECK_ERR(sp_join(players[i], sp_never(), NULL), SP_OK);
    kill_the_rest();
    check_nothing_is_left(runtime);
    sp_thread_detach();
    CHECK_ERR(sp_runtime_destroy(runtime, sp_after_sec(60), NULL), SP_OK);
}
