/* Destructors that do not come back: the user's code runs wherever a payload is dropped, and may
 * end its process there, by sp_exit() or by a fault. Wherever that is, the process ends as if it
 * had happened in its own code, and nothing is lost: what was being destroyed, what stood behind
 * it, what the process had besides.
 *
 * Each case runs once for each way to go off; the address sanitizer, the assertions of the
 * message pool and the books see what was left.
 */
#include "support/accounts.h"
#include "support/lab.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- bombs ---- */

enum how {
    DUD,
    EXITS,
    FAULTS,
    HOWS,
};

struct bomb {
    enum how how;
    void *memory; /* freed first: what leaks is not the destructor's fault */
};

static atomic_int bombs; /* packed and not destroyed yet */
static int *volatile nowhere;

static struct bomb bomb_pack(enum how how)
{
    atomic_fetch_add(&bombs, 1);
    struct bomb bomb = { how, malloc(24) };
    CHECK(bomb.memory != NULL);
    return bomb;
}

__attribute__((no_sanitize("undefined"))) static void bomb_destroy(struct bomb *bomb)
{
    if (bomb->memory == NULL)
        return; /* a reply that was never written */
    enum how how = bomb->how;
    free(bomb->memory);
    bomb->memory = NULL;
    atomic_fetch_sub(&bombs, 1);
    if (how == EXITS)
        sp_exit_error(SP_OK, "bomb");
    if (how == FAULTS)
        *nowhere = 1;
}

SP_MESSAGE_MOVED(parcel, struct bomb, bomb_destroy);

static sp_err bomb_send(sp_pid to, enum how how)
{
    struct bomb bomb = bomb_pack(how);
    return parcel_send(to, &bomb);
}

/* ---- what happens to a process ---- */

static const char *const reasons[HOWS] = { "normal", "bomb", "fault: SIGSEGV at 0x0 in victim" };

/* The last bomb is gone, and so is the process: destructors run after its end was told. */
static void expect_no_bombs(void)
{
    while (atomic_load(&bombs) != 0)
        sp_yield();
}

struct victim {
    void (*fn)(enum how how);
    enum how how;
    sp_pid other;
};

static sp_pid other; /* that the case gives its victim: one that never looks into its mailbox */

static void deaf_main(void *arg)
{
    (void)arg;
    sp_sleep(sp_sec(600));
}

static void victim_main(void *arg)
{
    const struct victim *victim = arg;
    victim->fn(victim->how);
}

/* Run `fn` in a process that ends by what it destroys, with each way to go off. */
static void expect_ends(void (*fn)(enum how how), const struct sp_spawn_options *others)
{
    for (enum how how = EXITS; how < HOWS; how++) {
        struct victim victim = { .fn = fn, .how = how };
        sp_monitor_ref ref;
        sp_pid pid;
        world_open(NULL);
        CHECK_OK(sp_spawn(deaf_main, NULL, others, &other));
        CHECK_OK(sp_spawn(victim_main, &victim,
                          &(struct sp_spawn_options){ .label = "victim", .out_monitor = &ref },
                          &pid));
        expect_down(ref, pid, reasons[how]);
        CHECK_OK(sp_kill(other));
        wait_gone(other);
        expect_no_bombs();
        accounts_empty();
        world_close();
    }
}

/* It would have ended otherwise. */
static void victim_survives(void)
{
    sp_exit_error(SP_OK, "survived");
}

/* ---- in its own hands ---- */

static void free_received(enum how how)
{
    struct sp_message *message;
    CHECK_OK(bomb_send(sp_self(), DUD));
    CHECK_OK(bomb_send(sp_self(), how));
    CHECK_OK(bomb_send(sp_self(), DUD));
    CHECK_OK(sp_receive(sp_nowait(), &message));
    CHECK_OK(sp_receive(sp_nowait(), &message));
    sp_message_free(message);
    victim_survives();
}

TEST(a_message_that_is_freed)
{
    expect_ends(free_received, NULL);
}

static void send_refused(enum how how)
{
    CHECK_OK(bomb_send(other, DUD));
    sp_ignore(bomb_send(other, how));
    victim_survives();
}

TEST(a_message_that_a_full_mailbox_refuses)
{
    expect_ends(send_refused, &(struct sp_spawn_options){ .mailbox_max = 1 });
}

TEST(a_message_that_a_full_mailbox_drops)
{
    expect_ends(send_refused, &(struct sp_spawn_options){ .mailbox_max = 1,
                                                          .overflow = SP_OVERFLOW_DROP_NEWEST });
}

static void send_dropping(enum how how)
{
    CHECK_OK(bomb_send(other, how));
    sp_ignore(bomb_send(other, DUD));
    victim_survives();
}

TEST(an_old_message_that_a_full_mailbox_drops)
{
    expect_ends(send_dropping, &(struct sp_spawn_options){ .mailbox_max = 1,
                                                           .overflow = SP_OVERFLOW_DROP_OLDEST });
}

static void send_to_nobody(enum how how)
{
    sp_ignore(bomb_send(SP_PID_NONE, how));
    victim_survives();
}

TEST(a_message_to_nobody)
{
    expect_ends(send_to_nobody, NULL);
}

static void forward_to_nobody(enum how how)
{
    struct sp_message *message;
    CHECK_OK(bomb_send(sp_self(), how));
    CHECK_OK(sp_receive(sp_nowait(), &message));
    sp_ignore(sp_message_forward(message, SP_PID_NONE));
    victim_survives();
}

TEST(a_message_that_is_forwarded_to_nobody)
{
    expect_ends(forward_to_nobody, NULL);
}

static void wait_for_room(enum how how)
{
    CHECK_OK(bomb_send(other, DUD));
    struct bomb bomb = bomb_pack(how);
    sp_ignore(parcel_send_wait(other, &bomb, sp_after(sp_us(1))));
    victim_survives();
}

TEST(a_message_that_found_no_room_in_time)
{
    expect_ends(wait_for_room, &(struct sp_spawn_options){ .mailbox_max = 1 });
}

/* ---- timers ---- */

#define NEVER_IN_THIS_TEST sp_sec(600)

static sp_timer timer_with(enum how how, uint64_t key)
{
    struct bomb bomb = bomb_pack(how);
    sp_timer timer;
    CHECK_OK(sp_timer_start(sp_self(), &parcel_type, &bomb,
                            &(struct sp_timer_options){ .after = NEVER_IN_THIS_TEST, .key = key },
                            &timer));
    return timer;
}

static void cancel_timer(enum how how)
{
    sp_ignore(sp_timer_cancel(timer_with(how, 0), NULL));
    victim_survives();
}

TEST(a_timer_that_is_cancelled)
{
    expect_ends(cancel_timer, NULL);
}

static void cancel_keyed_timer(enum how how)
{
    timer_with(how, 7);
    sp_ignore(sp_timer_cancel_key(7, NULL));
    victim_survives();
}

TEST(a_timer_that_is_cancelled_by_its_key)
{
    expect_ends(cancel_keyed_timer, NULL);
}

static void replace_keyed_timer(enum how how)
{
    timer_with(how, 7);
    timer_with(DUD, 7);
    victim_survives();
}

TEST(a_timer_that_is_replaced)
{
    expect_ends(replace_keyed_timer, NULL);
}

/* A timer whose message nobody takes: it is destroyed by nobody's handler. */
TEST(timers_that_fire_into_a_full_mailbox)
{
    world_open(NULL);
    sp_pid full;
    CHECK_OK(sp_spawn(deaf_main, NULL, &(struct sp_spawn_options){ .mailbox_max = 1 }, &full));
    send_note(full, 1);
    for (int i = 0; i < 10 * HOWS; i++) {
        struct bomb bomb = bomb_pack((enum how)(i % HOWS));
        CHECK_OK(sp_timer_start(full, &parcel_type, &bomb,
                                &(struct sp_timer_options){ .after = sp_us(1 + i / HOWS) }, NULL));
    }
    expect_no_bombs();
    /* The threads that fire timers are as before. */
    CHECK(sp_sleep(sp_ms(1)));
    CHECK_OK(sp_kill(full));
    wait_gone(full);
    while (accounts().dead_noproc == 0) /* what it leaves is counted after its end is told */
        sp_yield();
    accounts_empty();
    world_close();
}

static void refuse_timer(enum how how)
{
    struct bomb bomb = bomb_pack(how);
    sp_ignore(sp_timer_start(SP_PID_NONE, &parcel_type, &bomb,
                             &(struct sp_timer_options){ .after = NEVER_IN_THIS_TEST }, NULL));
    victim_survives();
}

TEST(a_timer_for_nobody)
{
    expect_ends(refuse_timer, NULL);
}

static void skip_stale_tick(enum how how)
{
    struct bomb bomb = bomb_pack(how);
    struct sp_message *message;
    CHECK_OK(sp_timer_start(sp_self(), &parcel_type, &bomb,
                            &(struct sp_timer_options){ .after = sp_us(1), .key = 7 }, NULL));
    while (sp_mailbox_length() == 0)
        sp_yield();
    CHECK_ERR(sp_timer_cancel_key(7, NULL), SP_ERR_STALE);
    sp_ignore(sp_receive(sp_nowait(), &message));
    victim_survives();
}

TEST(a_tick_that_is_stale)
{
    expect_ends(skip_stale_tick, NULL);
}

/* ---- at the end of the process: the reason is decided by then ---- */

/* Run `fn` in a process that returns, or ends by an error; with each way to go off. */
static void expect_returns(void (*fn)(enum how how), const char *text)
{
    for (enum how how = EXITS; how < HOWS; how++) {
        struct victim victim = { .fn = fn, .how = how };
        struct sp_process_info info;
        sp_monitor_ref ref;
        sp_pid pid;
        world_open(NULL);
        other = puppet_start(NULL);
        CHECK_OK(sp_spawn(victim_main, &victim,
                          &(struct sp_spawn_options){ .name = "victim", .out_monitor = &ref },
                          &pid));
        expect_down(ref, pid, text);
        CHECK(!sp_is_alive(pid));
        CHECK_ERR(sp_process_info(pid, &info), SP_ERR_NOPROC);
        CHECK_ERR(sp_whereis("victim", &pid), SP_ERR_NOTFOUND);
        puppet_exit(other, NULL);
        expect_no_bombs();
        accounts_empty();
        world_close();
    }
}

static void leave_mailbox(enum how how)
{
    for (int i = 0; i < 5; i++)
        CHECK_OK(bomb_send(sp_self(), i % 2 == 0 ? how : DUD));
}

TEST(what_is_left_in_the_mailbox)
{
    expect_returns(leave_mailbox, "normal");
}

static void leave_received(enum how how)
{
    struct sp_message *message;
    leave_mailbox(how);
    for (int i = 0; i < 4; i++)
        CHECK_OK(sp_receive(sp_nowait(), &message));
    sp_exit_error(SP_OK, "first");
}

TEST(what_is_left_in_its_hands)
{
    expect_returns(leave_received, "first");
}

static bool select_nothing(const struct sp_message *message, void *arg)
{
    (void)message;
    (void)arg;
    return false;
}

static void leave_saved(enum how how)
{
    struct sp_message *message;
    leave_mailbox(how);
    CHECK_ERR(sp_receive_select(select_nothing, NULL, sp_nowait(), &message), SP_ERR_TIMEOUT);
    leave_mailbox(how);
}

TEST(what_a_selective_receive_has_passed_over)
{
    expect_returns(leave_saved, "normal");
}

static void leave_timers(enum how how)
{
    for (int i = 0; i < 4; i++)
        timer_with(i % 2 == 0 ? how : DUD, (uint64_t)i);
    leave_mailbox(how);
}

TEST(timers_that_are_running)
{
    expect_returns(leave_timers, "normal");
}

static void linked_and_leaving_timers(enum how how)
{
    CHECK_OK(sp_link(other));
    timer_with(how, 0);
    sp_exit_error(SP_OK, "first");
}

TEST(timers_of_a_process_whose_end_is_told)
{
    for (enum how how = EXITS; how < HOWS; how++) {
        struct victim victim = { .fn = linked_and_leaving_timers, .how = how };
        sp_pid pid;
        world_open(NULL);
        other = puppet_start(&(struct sp_spawn_options){ .trap_exit = true });
        CHECK_OK(sp_spawn(victim_main, &victim, NULL, &pid));
        puppet_expect_exit(other, pid, "first");
        puppet_exit(other, NULL);
        expect_no_bombs();
        accounts_empty();
        world_close();
    }
}

/* What a destructor asks for when its process takes nothing any more. */

static atomic_int asked;

static void asker_destroy(int *unused)
{
    (void)unused;
    sp_monitor_ref ref;
    sp_pid pid;
    CHECK_ERR(sp_monitor(other, &ref), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_link(other), SP_ERR_NOPROC);
    CHECK_ERR(sp_register("posthumous", sp_self()), SP_ERR_NOPROC);
    CHECK_ERR(sp_group_join("posthumous", sp_self()), SP_ERR_NOPROC);
    struct sp_spawn_options options = { .link = true };
    CHECK_ERR(sp_spawn(victim_main, NULL, &options, &pid), SP_ERR_NOPROC);
    options = (struct sp_spawn_options){ .out_monitor = &ref };
    CHECK_ERR(sp_spawn(victim_main, NULL, &options, &pid), SP_ERR_NOTCONTEXT);
    CHECK_OK(sp_defer(free, malloc(8)));
    memset(sp_alloc(100), 1, 100);
    CHECK_OK(bomb_send(other, DUD));
    sp_free(sp_alloc(100));
    CHECK_ERR(bomb_send(sp_self(), DUD), SP_ERR_NOPROC);
    atomic_fetch_add(&asked, 1);
}

SP_MESSAGE_MOVED(asker, int, asker_destroy);

static void asker_main(void *arg)
{
    (void)arg;
    CHECK_OK(asker_send(sp_self(), &(int){ 0 }));
    CHECK_OK(asker_send(sp_self(), &(int){ 0 }));
}

TEST(a_destructor_may_ask_for_anything_at_the_end)
{
    world_open(NULL);
    other = puppet_start(NULL);
    sp_pid pid;
    CHECK_OK(sp_spawn(asker_main, NULL, NULL, &pid));
    while (atomic_load(&asked) != 2)
        sp_yield();
    /* Whom it wanted to watch tells nobody. */
    puppet_exit(other, NULL);
    expect_no_bombs();
    accounts_empty();
    world_close();
}

/* Nothing would wake it any more. */

static void sleeper_destroy(int *unused)
{
    (void)unused;
    atomic_fetch_add(&asked, 1);
    sp_sleep(sp_us(1));
    FAIL("it goes on");
}

SP_MESSAGE_MOVED(sleeper, int, sleeper_destroy);

static void sleeper_main(void *arg)
{
    (void)arg;
    CHECK_OK(sleeper_send(sp_self(), &(int){ 0 }));
    CHECK_OK(sleeper_send(sp_self(), &(int){ 0 }));
}

TEST(a_destructor_that_suspends_at_the_end_is_left)
{
    sp_pid pid;
    world_open(NULL);
    CHECK_OK(sp_spawn(sleeper_main, NULL, NULL, &pid));
    while (atomic_load(&asked) != 2)
        sp_yield();
    expect_nothing();
    accounts_empty();
    world_close();
}

/* ---- servers ---- */

SP_SERVER(store, gate_ref);
/** Gives back a dud. */
SP_CALL_MOVED(store, trade, struct bomb, bomb_destroy, struct bomb, bomb_destroy);
/** Reports LAB_WAITING; when the other process has ended, gives back one that goes off. */
SP_CALL_MOVED(store, late, struct bomb, bomb_destroy, struct bomb, bomb_destroy);
SP_CAST_MOVED(store, leave, struct bomb, bomb_destroy);
/** Waits at the gate. */
SP_CAST(store, close, sp_empty);
SP_STATE(
    store, struct { gate_ref gate; });

static gate_ref the_gate;
static store_ref the_store;
static sp_pid the_case;
static enum how late_how;

static sp_err store_init(store__state_type *self, const gate_ref *gate)
{
    self->gate = *gate;
    return SP_OK;
}

static sp_err store_on_trade(store__state_type *self, const struct bomb *in, struct bomb *out)
{
    (void)self;
    (void)in;
    *out = bomb_pack(DUD);
    return SP_OK;
}

static sp_err store_on_late(store__state_type *self, const struct bomb *in, struct bomb *out)
{
    (void)self;
    (void)in;
    send_note(the_case, LAB_WAITING);
    CHECK_OK(sp_join(other, sp_never(), NULL));
    *out = bomb_pack(late_how);
    return SP_OK;
}

static void store_on_leave(store__state_type *self, const struct bomb *in)
{
    (void)self;
    (void)in;
}

static void store_on_close(store__state_type *self, const sp_empty *in)
{
    sp_ignore(gate_pass(self->gate, in, &(sp_empty){ 0 }, sp_never()));
}

SP_ON_INIT(store);
SP_ON_CALL(store, trade);
SP_ON_CALL(store, late);
SP_ON_CAST(store, leave);
SP_ON_CAST(store, close);
SP_CLASS(store, .init = store__init);

static void store_open(void)
{
    world_open(NULL);
    the_gate = gate_begin();
    CHECK_OK(store_start(&the_gate, NULL, &the_store));
}

/* It has ended, of that. */
static void store_close_of(const char *text)
{
    const struct sp_reason *reason;
    CHECK_OK(sp_join(the_store.pid, WORLD_PATIENCE, &reason));
    if (sp_reason_kind(reason) != SP_REASON_NOPROC)
        CHECK_CONTAINS(sp_reason_text(reason), text);
    sp_reason_unref(reason);
    expect_no_bombs();
    wait_gone(the_store.pid);
    sp_pid gate_pid = the_gate.pid;
    CHECK_OK(sp_stop(gate_pid, NULL, WORLD_PATIENCE));
    expect_nothing();
    accounts_empty();
    world_close();
}

static const char *const store_ends[HOWS] = { "normal", "bomb", "fault: SIGSEGV" };

TEST(the_request_of_a_cast)
{
    for (enum how how = EXITS; how < HOWS; how++) {
        store_open();
        struct bomb bomb = bomb_pack(how);
        CHECK_OK(store_leave(the_store, &bomb));
        store_close_of(store_ends[how]);
    }
}

TEST(the_request_of_a_call)
{
    for (enum how how = EXITS; how < HOWS; how++) {
        store_open();
        struct bomb in = bomb_pack(how);
        struct bomb out;
        CHECK_ERR(store_trade(the_store, &in, &out, WORLD_PATIENCE), SP_ERR_DIED);
        store_close_of(store_ends[how]);
    }
}

static void call_late(enum how how)
{
    struct bomb in = bomb_pack(DUD);
    struct bomb out;
    late_how = how;
    sp_ignore(store_late(the_store, &in, &out, sp_never()));
}

TEST(the_reply_to_a_caller_that_is_dead)
{
    for (enum how how = EXITS; how < HOWS; how++) {
        struct victim victim = { .fn = call_late, .how = how };
        sp_pid caller;
        store_open();
        other = puppet_start(NULL);
        the_case = sp_self();
        CHECK_OK(sp_spawn(victim_main, &victim, NULL, &caller));
        CHECK_INT(expect_note(), LAB_WAITING);
        CHECK_OK(sp_kill(caller));
        wait_gone(caller);
        puppet_exit(other, NULL);
        store_close_of(store_ends[how]);
    }
}

TEST(the_request_of_a_caller_that_gave_up)
{
    for (enum how how = EXITS; how < HOWS; how++) {
        store_open();
        CHECK_OK(store_close(the_store, &(sp_empty){ 0 }));
        CHECK_INT(expect_note(), GATE_ARRIVED);
        struct bomb in = bomb_pack(how);
        struct bomb out;
        CHECK_ERR(store_trade(the_store, &in, &out, sp_after_ms(1)), SP_ERR_TIMEOUT);
        CHECK_OK(gate_open(the_gate, &(sp_empty){ 0 }));
        store_close_of(store_ends[how]);
    }
}

TEST(requests_that_are_queued_when_a_server_ends)
{
    for (enum how how = EXITS; how < HOWS; how++) {
        store_open();
        CHECK_OK(store_close(the_store, &(sp_empty){ 0 }));
        CHECK_INT(expect_note(), GATE_ARRIVED);
        for (int i = 0; i < 3; i++) {
            struct bomb in = bomb_pack(how);
            CHECK_OK(store_leave(the_store, &in));
        }
        CHECK_OK(sp_kill(the_store.pid));
        store_close_of("killed");
    }
}

/* The reply has come, and the caller is killed before it looks. */

static struct bomb traded;

static void trade_and_wait(enum how how)
{
    struct bomb in = bomb_pack(DUD);
    (void)how;
    CHECK_OK(store_trade(the_store, &in, &traded, sp_never()));
    CHECK_OK(parcel_send(sp_self(), &traded));
    sp_sleep(sp_sec(600));
}

TEST(a_caller_that_is_killed_at_any_moment)
{
    for (int i = 0; i < 50; i++) {
        store_open();
        struct victim victim = { .fn = trade_and_wait };
        sp_pid pid;
        CHECK_OK(sp_spawn(victim_main, &victim, NULL, &pid));
        for (int k = 0; k < i % 10; k++)
            sp_yield();
        CHECK_OK(sp_kill(pid));
        wait_gone(pid);
        CHECK_OK(sp_stop(the_store.pid, NULL, WORLD_PATIENCE));
        store_close_of("normal");
    }
}
