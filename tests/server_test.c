/* Servers: calls and what becomes of them.
 * Acceptance cases 27, 29, 31, 43, 90. Start and stop are in lifecycle_test.c.
 */
#include "support/lab.h"

#include <stdatomic.h>
#include <stdlib.h>

/** A deadline that is meant to pass. */
#define SHORTLY sp_after_ms(20)

static struct sp_stats stats_now(void)
{
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    return stats;
}

static struct sp_call_outcome outcome(void)
{
    struct sp_call_outcome out;
    sp_call_outcome(&out);
    return out;
}

static int64_t lab_sum(lab_ref lab, int64_t more)
{
    int64_t sum = -1;
    CHECK_OK(lab_add(lab, &more, &sum, WORLD_PATIENCE));
    return sum;
}

/** A lab whose handler waits at a gate. */
static lab_ref busy_lab(gate_ref gate, const struct sp_server_options *options)
{
    lab_ref lab = lab_begin(&(struct lab_args){ .gate = gate }, options);
    CHECK_OK(lab_wait_cast(lab, &(sp_empty){ 0 }));
    CHECK_INT(expect_note(), GATE_ARRIVED);
    return lab;
}

static void open_gate(gate_ref gate)
{
    CHECK_OK(gate_open(gate, &(sp_empty){ 0 }));
}

TEST(a_call_returns_what_its_handler_did)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    CHECK_INT(lab_sum(lab, 3), 3);
    CHECK_INT(lab_sum(lab, 4), 7);
    int64_t out = 1;
    CHECK_ERR(lab_fail(lab, &(sp_err){ SP_ERR_ACCESS }, &out, WORLD_PATIENCE), SP_ERR_ACCESS);
    CHECK_INT(out, 1); /* written on SP_OK only */
    sp_pid caller = SP_PID_NONE;
    CHECK_OK(lab_caller(lab, &(sp_empty){ 0 }, &caller, WORLD_PATIENCE));
    CHECK(sp_pid_equal(caller, sp_self()));
    CHECK(sp_pid_is_none(sp_server_from()));
    expect_nothing();
    world_close();
}

TEST(casts_and_calls_of_one_sender_keep_their_order)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    for (int64_t i = 0; i < 1000; i++)
        CHECK_OK(lab_report(lab, &i));
    CHECK_INT(lab_sum(lab, 0), 0);
    for (int64_t i = 0; i < 1000; i++)
        CHECK_INT(expect_note(), i);
    world_close();
}

TEST(case_27_a_late_reply_does_not_leak)
{
    world_open(NULL);
    sp_pid awaited = puppet_start(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    int64_t out = -1;
    CHECK_ERR(lab_wait(lab, &awaited, &out, SHORTLY), SP_ERR_TIMEOUT);
    CHECK_INT(out, -1);
    CHECK_INT(expect_note(), LAB_WAITING);
    puppet_exit(awaited, NULL); /* the handler answers now */
    CHECK_INT(lab_sum(lab, 8), 8);
    CHECK_INT(out, -1);
    expect_nothing();
    CHECK_INT(stats_now().late_replies, 1);
    world_close();
}

TEST(case_29_the_server_dies_during_the_call)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    CHECK_ERR(lab_crash(lab, &(sp_empty){ 0 }, &(sp_empty){ 0 }, WORLD_PATIENCE), SP_ERR_DIED);
    CHECK_INT(outcome().stage, SP_CALL_ENDED);
    CHECK(sp_pid_equal(outcome().server, lab.pid));
    CHECK_STR(outcome().operation, "crash");
    CHECK_STR(sp_reason_text(outcome().reason), "boom");
    expect_farewell("boom");
    expect_nothing();
    CHECK_ERR(lab_add(lab, &(int64_t){ 1 }, &(int64_t){ 0 }, WORLD_PATIENCE), SP_ERR_NOPROC);
    CHECK_INT(outcome().stage, SP_CALL_NOT_SENT);
    world_close();
}

TEST(case_29_a_fault_in_the_handler_is_the_reason)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    CHECK_ERR(lab_fault(lab, &(sp_empty){ 0 }, &(sp_empty){ 0 }, WORLD_PATIENCE), SP_ERR_DIED);
    const struct sp_reason *reason = outcome().reason;
    CHECK_INT(sp_reason_kind(reason), SP_REASON_FAULT);
    CHECK_STR(sp_reason_fault(reason)->handler, "fault");
    world_close();
}

struct call_job {
    lab_ref lab;
    sp_pid reports_to;
};

/** Calls with much patience and reports the error. */
static void call_and_report(void *arg)
{
    const struct call_job *job = arg;
    int64_t sum;
    sp_err err = lab_add(job->lab, &(int64_t){ 1 }, &sum, WORLD_PATIENCE);
    CHECK_OK(note_send(job->reports_to, &(struct note){ err, sp_self() }));
}

TEST(case_29_queued_calls_fail_too_when_the_server_dies)
{
    world_open(NULL);
    lab_ref lab = busy_lab(gate_begin(), NULL);
    struct call_job job = { lab, sp_self() };
    for (int i = 0; i < 10; i++)
        CHECK_OK(sp_spawn(call_and_report, &job,
                          &(struct sp_spawn_options){ .arg_size = sizeof job }, NULL));
    struct sp_process_info info;
    do { /* until all of them are queued */
        CHECK_OK(sp_process_info(lab.pid, &info));
        sp_yield();
    } while (info.mailbox < 10);
    CHECK_OK(sp_kill(lab.pid));
    for (int i = 0; i < 10; i++)
        CHECK_INT(expect_note(), SP_ERR_DIED);
    world_close();
}

/* ---- replies from elsewhere ---- */

struct helper_job {
    sp_pid reports_to;
    bool adopts;
    bool answers;
};

/** Answers, or not, the request it is sent. */
static void helper(void *arg)
{
    const struct helper_job *job = arg;
    struct sp_message *message = expect_message();
    sp_request request = *lab_request_of(message);
    sp_message_free(message);
    if (job->adopts)
        CHECK_OK(sp_request_adopt(request));
    if (!job->answers)
        return;
    CHECK_OK(lab_defer_reply(request, &(int64_t){ 42 }));
    CHECK_ERR(lab_defer_reply(request, &(int64_t){ 43 }), SP_ERR_STALE);
    CHECK_ERR(sp_request_fail(request, SP_ERR_IO), SP_ERR_STALE);
    sp_request_drop(request);
    CHECK(sp_request_expired(request));
    send_note(job->reports_to, 1);
}

static sp_pid start_helper(bool adopts, bool answers)
{
    struct helper_job job = { sp_self(), adopts, answers };
    sp_pid pid;
    CHECK_OK(sp_spawn(helper, &job, &(struct sp_spawn_options){ .arg_size = sizeof job }, &pid));
    return pid;
}

TEST(case_31_a_reply_from_elsewhere_and_the_second_is_ignored)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    sp_pid helper_pid = start_helper(false, true);
    int64_t out = 0;
    CHECK_OK(lab_defer(lab, &helper_pid, &out, WORLD_PATIENCE));
    CHECK_INT(out, 42);
    CHECK_INT(expect_note(), 1);
    CHECK_INT(lab_sum(lab, 1), 1);
    expect_nothing();
    world_close();
}

TEST(a_request_forgotten_by_who_adopted_it_is_an_error_at_the_caller)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    sp_pid helper_pid = start_helper(true, false);
    int64_t out = 0;
    CHECK_ERR(lab_defer(lab, &helper_pid, &out, WORLD_PATIENCE), SP_ERR_NOREPLY);
    CHECK_INT(outcome().stage, SP_CALL_ENDED);
    world_close();
}

/** A call in a process of its own, whose end this process sees. */
struct defer_job {
    lab_ref lab;
    sp_pid to;
    sp_pid reports_to;
};

static void defer_and_report(void *arg)
{
    const struct defer_job *job = arg;
    int64_t out = 0;
    sp_err err = lab_defer(job->lab, &job->to, &out, WORLD_PATIENCE);
    CHECK_OK(note_send(job->reports_to,
                       &(struct note){ err == SP_OK ? out : -(int64_t)err, sp_self() }));
}

/** The request of a call that another process makes now. */
static sp_request request_of_other(lab_ref lab, sp_pid *out_caller)
{
    struct defer_job job = { lab, sp_self(), sp_self() };
    CHECK_OK(sp_spawn(defer_and_report, &job, &(struct sp_spawn_options){ .arg_size = sizeof job },
                      out_caller));
    struct sp_message *message = expect_message();
    CHECK(lab_request_of(message) != NULL);
    sp_request request = *lab_request_of(message);
    sp_message_free(message);
    return request;
}

TEST(a_deferred_request_can_be_answered_failed_or_dropped)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    sp_pid caller;
    sp_request request = request_of_other(lab, &caller);
    CHECK(!sp_request_expired(request));
    CHECK_ERR(lab_wait_reply(request, &(int64_t){ 1 }), SP_ERR_INVALID); /* another operation's */
    CHECK_OK(lab_defer_reply(request, &(int64_t){ 7 }));
    CHECK_INT(expect_note(), 7);

    request = request_of_other(lab, &caller);
    CHECK_OK(sp_request_fail(request, SP_ERR_ACCESS));
    CHECK_INT(expect_note(), -SP_ERR_ACCESS);

    request = request_of_other(lab, &caller);
    sp_request_drop(request);
    CHECK_INT(expect_note(), -SP_ERR_NOREPLY);
    CHECK_ERR(sp_request_adopt(request), SP_ERR_STALE);
    world_close();
}

TEST(a_deferred_request_fails_when_its_server_dies)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    sp_pid caller;
    sp_request request = request_of_other(lab, &caller);
    CHECK_OK(sp_kill(lab.pid));
    CHECK_INT(expect_note(), -SP_ERR_DIED);
    CHECK_ERR(lab_defer_reply(request, &(int64_t){ 1 }), SP_ERR_STALE);
    world_close();
}

TEST(a_deferred_request_expires_when_its_caller_dies)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    sp_pid caller;
    sp_request request = request_of_other(lab, &caller);
    CHECK_OK(sp_kill(caller));
    wait_gone(caller);
    CHECK(sp_request_expired(request));
    CHECK_OK(lab_defer_reply(request, &(int64_t){ 1 })); /* dropped and counted */
    expect_nothing();
    world_close();
}

TEST(requests_exist_in_call_handlers_only)
{
    sp_request request = { SP_PID_NONE, 0 };
    CHECK_ERR(sp_request_take(&request), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_request_adopt(request), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_request_fail(request, SP_ERR_IO), SP_ERR_NOTCONTEXT);
    world_open(NULL);
    CHECK_ERR(sp_request_take(&request), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_request_adopt(request), SP_ERR_STALE);
    world_close();
}

/* ---- how far a call got ---- */

TEST(a_call_that_timed_out_says_how_far_it_got)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    lab_ref lab = busy_lab(gate, NULL);
    int64_t out;
    for (int64_t i = 0; i < 2; i++)
        CHECK_OK(lab_report(lab, &i));
    CHECK_ERR(lab_add(lab, &(int64_t){ 1 }, &out, SHORTLY), SP_ERR_TIMEOUT);
    CHECK_INT(outcome().stage, SP_CALL_QUEUED);
    CHECK_INT(outcome().position, 3);
    CHECK_STR(outcome().operation, "add");
    CHECK(sp_pid_equal(outcome().server, lab.pid));
    CHECK_PTR(outcome().reason, NULL);
    CHECK(sp_is_alive(lab.pid));
    world_close();
}

TEST(a_call_that_timed_out_in_its_handler_says_for_how_long)
{
    world_open(NULL);
    sp_pid awaited = puppet_start(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    int64_t out;
    CHECK_ERR(lab_wait(lab, &awaited, &out, SHORTLY), SP_ERR_TIMEOUT);
    CHECK_INT(outcome().stage, SP_CALL_HANDLING);
    CHECK(outcome().running.ns > 0);
    sp_pid self = sp_self();
    lab = lab_begin(NULL, NULL);
    CHECK_ERR(lab_defer(lab, &self, &out, SHORTLY), SP_ERR_TIMEOUT);
    CHECK_INT(outcome().stage, SP_CALL_DEFERRED);
    world_close();
}

/* The caller has given up: its request is not handled at all. */
TEST(a_request_whose_caller_gave_up_is_skipped)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    lab_ref lab = busy_lab(gate, NULL);
    int64_t out;
    CHECK_ERR(lab_add(lab, &(int64_t){ 100 }, &out, SHORTLY), SP_ERR_TIMEOUT);
    CHECK_ERR(lab_add(lab, &(int64_t){ 200 }, &out, sp_nowait()), SP_ERR_TIMEOUT);
    open_gate(gate);
    CHECK_INT(lab_sum(lab, 1), 1);
    CHECK_INT(stats_now().expired, 2);
    world_close();
}

SP_SERVER(relay, gate_ref);
/** Calls the gate without a deadline of its own; the error it got. */
SP_CALL(relay, pass, sp_empty, sp_empty);
SP_STATE(
    relay, struct { gate_ref gate; });

static sp_err relay_init(relay__state_type *self, const gate_ref *gate)
{
    self->gate = *gate;
    return SP_OK;
}

static sp_err relay_on_pass(relay__state_type *self, const sp_empty *in, sp_empty *out)
{
    sp_pid caller = sp_server_from();
    sp_err err = gate_pass(self->gate, in, out, sp_never());
    CHECK_OK(note_send(caller, &(struct note){ err, sp_self() }));
    return err;
}

SP_ON_INIT(relay);
SP_ON_CALL(relay, pass);
SP_CLASS(relay, .init = relay__init);

TEST(a_nested_call_inherits_what_is_left_of_the_deadline)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    relay_ref relay;
    CHECK_OK(relay_start(&gate, NULL, &relay));
    CHECK_ERR(relay_pass(relay, &(sp_empty){ 0 }, &(sp_empty){ 0 }, SHORTLY), SP_ERR_TIMEOUT);
    CHECK_INT(expect_note(), GATE_ARRIVED);
    CHECK_INT(expect_note(), SP_ERR_TIMEOUT); /* the relay's own call ended by itself */
    world_close();
}

/* ---- what a call refuses ---- */

TEST(a_call_to_another_class_is_refused)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    int64_t out;
    CHECK_ERR(lab_add((lab_ref){ gate.pid }, &(int64_t){ 1 }, &out, WORLD_PATIENCE),
              SP_ERR_BADCALL);
    CHECK(sp_is_alive(gate.pid));
    world_close();
}

TEST(a_call_to_the_dead_says_so_at_once)
{
    world_open(NULL);
    int64_t out;
    CHECK_ERR(lab_add((lab_ref){ dead_pid() }, &(int64_t){ 1 }, &out, sp_never()), SP_ERR_NOPROC);
    CHECK_ERR(lab_add((lab_ref){ SP_PID_NONE }, &(int64_t){ 1 }, &out, sp_never()), SP_ERR_NOPROC);
    CHECK_ERR(lab_report((lab_ref){ SP_PID_NONE }, &(int64_t){ 1 }), SP_ERR_NOPROC);
    world_close();
}

TEST(to_call_oneself_is_a_deadlock)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    sp_err err = SP_OK;
    CHECK_OK(lab_self_call(lab, &(sp_empty){ 0 }, &err, WORLD_PATIENCE));
    CHECK_ERR(err, SP_ERR_DEADLOCK);
    CHECK_INT(lab_sum(lab, 1), 1);
    world_close();
}

TEST(calls_need_a_process)
{
    int64_t out;
    lab_ref nobody = { SP_PID_NONE };
    struct sp_multi target = { .server = SP_PID_NONE, .out = &out };
    CHECK_ERR(lab_add(nobody, &(int64_t){ 1 }, &out, sp_nowait()), SP_ERR_NOTCONTEXT);
    CHECK_ERR(lab_report(nobody, &(int64_t){ 1 }), SP_ERR_NOTCONTEXT);
    CHECK_ERR(lab_start(&(struct lab_args){ 0 }, NULL, NULL), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_server_multi_call(&lab_add_op, &(int64_t){ 1 }, &target, 1, sp_nowait()),
              SP_ERR_NOTCONTEXT);
}

/* ---- full mailboxes ---- */

TEST(case_90_a_bounded_mailbox_refuses_and_counts)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    lab_ref lab = busy_lab(gate, &(struct sp_server_options){ .spawn = { .mailbox_max = 2 } });
    CHECK_OK(lab_report(lab, &(int64_t){ 1 }));
    CHECK_OK(lab_report(lab, &(int64_t){ 2 }));
    CHECK_ERR(lab_report(lab, &(int64_t){ 3 }), SP_ERR_FULL);
    int64_t out;
    CHECK_ERR(lab_add(lab, &(int64_t){ 1 }, &out, WORLD_PATIENCE), SP_ERR_FULL);
    CHECK_INT(outcome().stage, SP_CALL_NOT_SENT);
    open_gate(gate);
    CHECK_INT(expect_note(), 1);
    CHECK_INT(expect_note(), 2);
    CHECK_INT(lab_sum(lab, 1), 1);
    expect_nothing();
    CHECK_INT(stats_now().dropped_full, 2);
    world_close();
}

TEST(case_90_overflow_can_drop_the_newest_or_the_oldest)
{
    world_open(NULL);
    for (int oldest = 0; oldest < 2; oldest++) {
        gate_ref gate = gate_begin();
        struct sp_server_options options = {
            .spawn = { .mailbox_max = 2,
                       .overflow = oldest ? SP_OVERFLOW_DROP_OLDEST : SP_OVERFLOW_DROP_NEWEST }
        };
        lab_ref lab = busy_lab(gate, &options);
        for (int64_t i = 1; i <= 4; i++)
            CHECK_OK(lab_report(lab, &i));
        open_gate(gate);
        CHECK_INT(expect_note(), oldest ? 3 : 1);
        CHECK_INT(expect_note(), oldest ? 4 : 2);
        CHECK_INT(lab_sum(lab, 1), 1);
        expect_nothing();
    }
    CHECK_INT(stats_now().dropped_full, 4);
    world_close();
}

TEST(case_90_overflow_can_stop_the_receiver)
{
    world_open(NULL);
    sp_monitor_ref ref;
    struct sp_server_options options = {
        .spawn = { .mailbox_max = 2, .overflow = SP_OVERFLOW_STOP, .out_monitor = &ref }
    };
    lab_ref lab = busy_lab(gate_begin(), &options);
    for (int64_t i = 1; i <= 2; i++)
        CHECK_OK(lab_report(lab, &i));
    sp_ignore(lab_report(lab, &(int64_t){ 3 }));
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL && down->ref.id == ref.id);
    CHECK_INT(sp_reason_kind(down->reason), SP_REASON_ERROR);
    CHECK_INT(sp_reason_code(down->reason), SP_ERR_FULL);
    sp_message_free(message);
    world_close();
}

struct send_wait_job {
    sp_pid to;
    sp_pid reports_to;
};

static void send_wait_and_report(void *arg)
{
    const struct send_wait_job *job = arg;
    sp_err err = note_send_wait(job->to, &(struct note){ 3, sp_self() }, WORLD_PATIENCE);
    CHECK_OK(note_send(job->reports_to, &(struct note){ err, sp_self() }));
}

TEST(a_sender_can_wait_for_room)
{
    world_open(NULL);
    for (int dies = 0; dies < 2; dies++) {
        gate_ref gate = gate_begin();
        lab_ref lab = busy_lab(gate, &(struct sp_server_options){ .spawn = { .mailbox_max = 1 } });
        CHECK_OK(note_send_wait(lab.pid, &(struct note){ 1, sp_self() }, WORLD_PATIENCE));
        CHECK_ERR(note_send(lab.pid, &(struct note){ 2, sp_self() }), SP_ERR_FULL);
        CHECK_ERR(note_send_wait(lab.pid, &(struct note){ 2, sp_self() }, SHORTLY), SP_ERR_TIMEOUT);
        struct send_wait_job job = { lab.pid, sp_self() };
        CHECK_OK(sp_spawn(send_wait_and_report, &job,
                          &(struct sp_spawn_options){ .arg_size = sizeof job }, NULL));
        if (dies) {
            CHECK_OK(sp_kill(lab.pid));
            CHECK_INT(expect_note(), SP_ERR_NOPROC);
            continue;
        }
        open_gate(gate);
        int64_t results = 0; /* two messages handled, one waiter satisfied, in any order */
        for (int i = 0; i < 3; i++)
            results += expect_note();
        CHECK_INT(results, 2 * LAB_MESSAGE + SP_OK);
    }
    expect_nothing();
    world_close();
}

TEST(all_who_wait_for_room_get_in)
{
    enum { ROOM = 4, SENDERS = 50 }; /* no one of them sends twice, so none makes way by itself */
    world_open(NULL);
    gate_ref gate = gate_begin();
    lab_ref lab = busy_lab(gate, &(struct sp_server_options){ .spawn = { .mailbox_max = ROOM } });
    for (int i = 0; i < ROOM; i++)
        CHECK_OK(note_send(lab.pid, &(struct note){ 1, sp_self() }));
    CHECK_ERR(note_send(lab.pid, &(struct note){ 1, sp_self() }), SP_ERR_FULL);
    struct send_wait_job job = { lab.pid, sp_self() };
    for (int i = 0; i < SENDERS; i++)
        CHECK_OK(sp_spawn(send_wait_and_report, &job,
                          &(struct sp_spawn_options){ .arg_size = sizeof job }, NULL));
    open_gate(gate);
    int64_t results = 0;
    for (int i = 0; i < ROOM + 2 * SENDERS; i++)
        results += expect_note();
    CHECK_INT(results, (ROOM + SENDERS) * LAB_MESSAGE + SENDERS * SP_OK);
    expect_nothing();
    world_close();
}

static atomic_uint high_water_length;

static void on_high_water(sp_pid pid, uint32_t length, void *arg)
{
    (void)pid;
    CHECK_PTR(arg, &high_water_length);
    high_water_length = length;
}

TEST(a_high_water_mark_calls_back)
{
    world_open(NULL);
    struct sp_server_options options = { .spawn = { .high_water = 5,
                                                    .on_high_water = on_high_water,
                                                    .high_water_arg = &high_water_length } };
    lab_ref lab = busy_lab(gate_begin(), &options);
    for (int64_t i = 1; i <= 4; i++)
        CHECK_OK(lab_report(lab, &i));
    CHECK_INT(high_water_length, 0);
    CHECK_OK(lab_report(lab, &(int64_t){ 5 }));
    CHECK_INT(high_water_length, 5);
    world_close();
}

/* ---- a caller with many messages ---- */

enum { HUGE_QUEUE = 100000 };

static bool is_last_note(const struct sp_message *message, void *arg)
{
    (void)arg;
    const struct note *note = sp_message_peek(message);
    return sp_message_type(message) == &note_type && note->number == HUGE_QUEUE - 1;
}

/** Calls again and again through its own long queue; a scan of it would take minutes. */
static void call_through_queue(void *arg)
{
    struct call_job *job = arg;
    int calls = sp_test_slow() ? 1000 : 100000;
    struct sp_message *last;
    CHECK_OK(sp_receive_select(is_last_note, NULL, WORLD_PATIENCE, &last));
    sp_message_free(last); /* the queue is there */
    for (int i = 0; i < calls; i++)
        CHECK_INT(lab_sum(job->lab, 1), i + 1);
    CHECK_INT(sp_mailbox_length(), HUGE_QUEUE - 1);
    send_note(job->reports_to, 1);
}

TEST(case_43_a_call_does_not_look_through_the_mailbox)
{
    world_open(NULL);
    struct call_job job = { lab_begin(NULL, NULL), sp_self() };
    sp_pid caller;
    CHECK_OK(sp_spawn(
        call_through_queue, &job,
        &(struct sp_spawn_options){ .arg_size = sizeof job, .mailbox_max = SP_MAILBOX_UNBOUNDED },
        &caller));
    for (int64_t i = 0; i < HUGE_QUEUE; i++)
        send_note(caller, i);
    CHECK_INT(expect_note(), 1);
    world_close();
}

/* ---- several servers at once ---- */

TEST(a_multi_call_gives_each_server_its_own_result)
{
    world_open(NULL);
    int64_t out[4] = { -1, -1, -1, -1 };
    gate_ref gate = gate_begin();
    struct sp_multi targets[4] = {
        { .server = lab_begin(NULL, NULL).pid, .out = &out[0] },
        { .server = dead_pid(), .out = &out[1] },
        { .server = gate.pid, .out = &out[2] },
        { .server = lab_begin(NULL, NULL).pid, .out = &out[3] },
    };
    CHECK_OK(sp_server_multi_call(&lab_add_op, &(int64_t){ 5 }, targets, 4, WORLD_PATIENCE));
    CHECK_ERR(targets[0].err, SP_OK);
    CHECK_ERR(targets[1].err, SP_ERR_NOPROC);
    CHECK_ERR(targets[2].err, SP_ERR_BADCALL);
    CHECK_ERR(targets[3].err, SP_OK);
    CHECK_INT(out[0], 5);
    CHECK_INT(out[1], -1);
    CHECK_INT(out[2], -1);
    CHECK_INT(out[3], 5);
    expect_nothing();
    world_close();
}

TEST(a_multi_call_that_times_out_keeps_the_answers_it_has)
{
    world_open(NULL);
    int64_t out[2] = { -1, -1 };
    gate_ref gate = gate_begin();
    lab_ref slow = busy_lab(gate, NULL);
    struct sp_multi targets[2] = {
        { .server = slow.pid, .out = &out[0] },
        { .server = lab_begin(NULL, NULL).pid, .out = &out[1] },
    };
    CHECK_ERR(sp_server_multi_call(&lab_add_op, &(int64_t){ 5 }, targets, 2, SHORTLY),
              SP_ERR_TIMEOUT);
    CHECK_ERR(targets[0].err, SP_ERR_TIMEOUT);
    CHECK_INT(out[0], -1);
    if (targets[1].err == SP_OK) /* it had all the time, but no promise */
        CHECK_INT(out[1], 5);
    open_gate(gate);
    CHECK_INT(lab_sum(slow, 1), 1); /* skipped, for its caller has given up */
    CHECK_INT(out[0], -1);
    expect_nothing();
    world_close();
}

TEST(a_multi_call_of_nobody_is_done)
{
    world_open(NULL);
    struct sp_multi none;
    CHECK_OK(sp_server_multi_call(&lab_add_op, &(int64_t){ 5 }, &none, 0, WORLD_PATIENCE));
    world_close();
}

/* ---- payloads that own something ---- */

struct parcel {
    int *content;
};

static atomic_int parcels;

static struct parcel parcel_pack(int content)
{
    struct parcel parcel = { malloc(sizeof(int)) };
    CHECK(parcel.content != NULL);
    *parcel.content = content;
    atomic_fetch_add(&parcels, 1);
    return parcel;
}

static void parcel_destroy(struct parcel *parcel)
{
    if (parcel->content == NULL)
        return;
    free(parcel->content);
    atomic_fetch_sub(&parcels, 1);
}

/** A request is destroyed after its reply was sent: a moment later. */
static void expect_parcels(int count)
{
    while (parcels != count)
        sp_yield();
}

SP_MESSAGE_MOVED(parcel_message, struct parcel, parcel_destroy);
SP_SERVER(depot, gate_ref);
/** Gives back another parcel with the content doubled. */
SP_CALL_MOVED(depot, trade, struct parcel, parcel_destroy, struct parcel, parcel_destroy);
SP_CAST_MOVED(depot, leave, struct parcel, parcel_destroy);
/** Waits at the gate. */
SP_CAST(depot, close, sp_empty);
SP_STATE(
    depot, struct { gate_ref gate; });

static sp_err depot_init(depot__state_type *self, const gate_ref *gate)
{
    self->gate = *gate;
    return SP_OK;
}

static sp_err depot_on_trade(depot__state_type *self, const struct parcel *in, struct parcel *out)
{
    (void)self;
    if (*in->content < 0)
        return SP_ERR_INVALID;
    *out = parcel_pack(*in->content * 2);
    return SP_OK;
}

static void depot_on_leave(depot__state_type *self, const struct parcel *in)
{
    (void)self;
    CHECK(in->content != NULL);
}

static void depot_on_close(depot__state_type *self, const sp_empty *in)
{
    sp_ignore(gate_pass(self->gate, in, &(sp_empty){ 0 }, sp_never()));
}

SP_ON_INIT(depot);
SP_ON_CALL(depot, trade);
SP_ON_CAST(depot, leave);
SP_ON_CAST(depot, close);
SP_CLASS(depot, .init = depot__init);

TEST(what_a_message_owns_is_destroyed_exactly_once)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    depot_ref depot;
    struct sp_server_options bounded = { .spawn = { .mailbox_max = 3 } };
    CHECK_OK(depot_start(&gate, &bounded, &depot));

    struct parcel in = parcel_pack(21);
    struct parcel out = { NULL };
    CHECK_OK(depot_trade(depot, &in, &out, WORLD_PATIENCE));
    CHECK_INT(*out.content, 42);
    expect_parcels(1); /* the reply is the caller's */
    parcel_destroy(&out);

    in = parcel_pack(-1);
    CHECK_ERR(depot_trade(depot, &in, &out, WORLD_PATIENCE), SP_ERR_INVALID);

    in = parcel_pack(1);
    CHECK_OK(depot_leave(depot, &in));
    in = parcel_pack(21);
    CHECK_OK(depot_trade(depot, &in, &out, WORLD_PATIENCE)); /* and the one before is handled */
    parcel_destroy(&out);
    expect_parcels(0);

    in = parcel_pack(1);
    CHECK_ERR(depot_leave((depot_ref){ dead_pid() }, &in), SP_ERR_NOPROC);
    CHECK_INT(parcels, 0);

    CHECK_OK(depot_close(depot, &(sp_empty){ 0 }));
    CHECK_INT(expect_note(), GATE_ARRIVED);
    for (int i = 0; i < 3; i++) {
        in = parcel_pack(i);
        CHECK_OK(depot_leave(depot, &in));
    }
    in = parcel_pack(3);
    CHECK_ERR(depot_leave(depot, &in), SP_ERR_FULL);
    CHECK_INT(parcels, 3);
    CHECK_OK(sp_kill(depot.pid)); /* the queue goes with it */
    wait_gone(depot.pid);
    world_close();
    CHECK_INT(parcels, 0);
}

TEST(what_is_left_in_a_mailbox_is_destroyed_with_it)
{
    world_open(NULL);
    sp_pid p = puppet_start(NULL);
    for (int i = 0; i < 10; i++) {
        struct parcel parcel = parcel_pack(i);
        CHECK_OK(parcel_message_send(p, &parcel));
    }
    puppet_exit(p, NULL);
    world_close();
    CHECK_INT(parcels, 0);
}

TEST(a_moved_type_cannot_go_to_many)
{
    world_open(NULL);
    struct parcel in = parcel_pack(1);
    struct parcel out;
    struct sp_multi target = { .server = sp_self(), .out = &out };
    CHECK_ERR(sp_server_multi_call(&depot_trade_op, &in, &target, 1, WORLD_PATIENCE),
              SP_ERR_INVALID);
    parcel_destroy(&in);
    CHECK_INT(parcels, 0);
    world_close();
}

/* ---- messages that are no operation ---- */

TEST(notices_and_messages_reach_their_callbacks)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, &(struct sp_server_options){ .spawn = { .trap_exit = true } });
    sp_pid p = puppet_start(NULL);
    CHECK_OK(lab_watch(lab, &p, &(sp_empty){ 0 }, WORLD_PATIENCE));
    puppet_exit(p, NULL);
    CHECK_INT(expect_note(), LAB_DOWN);
    p = puppet_start(NULL);
    CHECK_OK(lab_link(lab, &p, &(sp_empty){ 0 }, WORLD_PATIENCE));
    puppet_exit(p, "boom");
    CHECK_INT(expect_note(), LAB_EXIT);
    send_note(lab.pid, 1);
    CHECK_INT(expect_note(), LAB_MESSAGE);
    world_close();
}

TEST(a_message_that_nobody_wants_is_dropped_and_counted)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    struct sp_stats before;
    struct sp_stats after;
    open_gate(gate);
    CHECK_OK(gate_pass(gate, &(sp_empty){ 0 }, &(sp_empty){ 0 }, WORLD_PATIENCE));
    sp_runtime_stats(world_runtime(), &before);
    send_note(gate.pid, 1);
    CHECK_OK(gate_pass(gate, &(sp_empty){ 0 }, &(sp_empty){ 0 }, WORLD_PATIENCE));
    sp_runtime_stats(world_runtime(), &after);
    CHECK_INT(after.sent, after.handled + after.queued + after.dead_noproc + after.dropped_full +
                              after.dropped_stale + after.dropped_shed);
    world_close();
}

TEST(servers_do_not_receive)
{
    world_open(NULL);
    sp_err err = SP_OK;
    lab_ref lab = lab_begin(NULL, NULL);
    CHECK_OK(lab_receive(lab, &(sp_empty){ 0 }, &err, WORLD_PATIENCE));
    CHECK_ERR(err, SP_ERR_NOTCONTEXT);
    struct sp_message *message;
    CHECK_ERR(sp_receive(sp_nowait(), &message), SP_ERR_TIMEOUT); /* an attached thread does */
    world_close();
    CHECK_ERR(sp_receive(sp_nowait(), &message), SP_ERR_NOTCONTEXT);
}

TEST(a_server_with_a_thread_of_its_own_answers_like_any)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, &(struct sp_server_options){ .spawn = { .own_thread = true } });
    for (int64_t i = 1; i <= 100; i++)
        CHECK_INT(lab_sum(lab, 1), i);
    CHECK_ERR(lab_crash(lab, &(sp_empty){ 0 }, &(sp_empty){ 0 }, WORLD_PATIENCE), SP_ERR_DIED);
    expect_farewell("boom");
    world_close();
}

static atomic_bool spin_on;

/** Blocks its thread: no call of the runtime's, no suspension. */
static void spin_thread(void *arg)
{
    send_note(*(sp_pid *)arg, 1);
    while (atomic_load(&spin_on)) {}
}

TEST(what_blocks_on_a_thread_of_its_own_delays_nobody)
{
    world_open(&(struct sp_runtime_options){ .workers = 1 });
    spin_on = true;
    sp_pid self = sp_self();
    sp_pid spinning;
    CHECK_OK(sp_spawn(spin_thread, &self,
                      &(struct sp_spawn_options){ .own_thread = true, .arg_size = sizeof self },
                      &spinning));
    CHECK_INT(expect_note(), 1); /* it blocks by now */
    lab_ref lab = lab_begin(NULL, NULL);
    for (int64_t i = 1; i <= 10; i++)
        CHECK_INT(lab_sum(lab, 1), i);
    CHECK(sp_is_alive(spinning));
    spin_on = false;
    wait_gone(spinning);
    world_close();
}

/* ---- blocking work ---- */

struct work {
    int in;
    int out;
};

static void work_double(void *data)
{
    struct work *work = data;
    work->out = 2 * work->in;
}

static void work_spin(void *data)
{
    (void)data;
    while (atomic_load(&spin_on)) {}
}

TEST(blocking_work_gets_a_copy_and_gives_it_back)
{
    world_open(NULL);
    struct work work = { 21, 0 };
    CHECK_OK(sp_blocking(work_double, &work, sizeof work, WORLD_PATIENCE));
    CHECK_INT(work.out, 42);
    world_close();
}

static void blocking_and_report(void *arg)
{
    sp_err err = sp_blocking(work_spin, NULL, 0, WORLD_PATIENCE);
    CHECK_OK(note_send(*(sp_pid *)arg, &(struct note){ err, sp_self() }));
}

TEST(blocking_work_delays_nobody_and_can_be_given_up)
{
    world_open(&(struct sp_runtime_options){ .workers = 1 });
    spin_on = true;
    struct work work = { 21, 0 };
    sp_pid self = sp_self();
    CHECK_OK(sp_spawn(blocking_and_report, &self,
                      &(struct sp_spawn_options){ .arg_size = sizeof self }, NULL));
    CHECK_ERR(sp_blocking(work_spin, &work, sizeof work, SHORTLY), SP_ERR_TIMEOUT);
    CHECK_INT(lab_sum(lab_begin(NULL, NULL), 1), 1);
    expect_nothing();
    spin_on = false;
    CHECK_INT(expect_note(), SP_OK);
    CHECK_INT(work.out, 0); /* the result of what was given up is dropped */
    world_close();
}

/* ---- silence ---- */

TEST(silence_calls_on_timeout_once)
{
    world_open(NULL);
    lab_ref lab = lab_begin(&(struct lab_args){ .idle_after = sp_ms(1) }, NULL);
    CHECK_INT(expect_note(), LAB_TIMED_OUT);
    CHECK_INT(lab_sum(lab, 1), 1); /* nothing set it again */
    CHECK_OK(lab_idle(lab, &(sp_duration){ 1 }, &(sp_empty){ 0 }, WORLD_PATIENCE));
    CHECK_INT(expect_note(), LAB_TIMED_OUT);
    CHECK_OK(lab_idle(lab, &(sp_duration){ sp_sec(600).ns }, &(sp_empty){ 0 }, WORLD_PATIENCE));
    CHECK_INT(lab_sum(lab, 1), 2); /* a message cancels it */
    expect_nothing();
    world_close();
}

/* ---- trying again and again ---- */

static void call_the_dead(void *arg)
{
    sp_pid dead = *(sp_pid *)arg;
    int64_t out;
    while (lab_add((lab_ref){ dead }, &(int64_t){ 1 }, &out, WORLD_PATIENCE) != SP_OK)
        ;
}

TEST(a_loop_around_a_call_that_fails_at_once_can_be_killed)
{
    world_open(NULL);
    sp_pid dead = dead_pid();
    sp_pid loop;
    CHECK_OK(sp_spawn(call_the_dead, &dead, &(struct sp_spawn_options){ .arg_size = sizeof dead },
                      &loop));
    CHECK_OK(sp_kill(loop));
    CHECK_OK(sp_join(loop, WORLD_PATIENCE, NULL));
    world_close();
}
