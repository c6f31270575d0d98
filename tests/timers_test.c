/* Timers: each fires or is cancelled, never both; a keyed one never twice; none outlives its
 * process. Acceptance case 41.
 *
 * Nothing here measures time: a timer of 1 ms is waited for, one of ten minutes is not.
 */
#include "support/lab.h"

/** Long enough to be cancelled first, on any machine. */
#define NEVER_IN_THIS_TEST sp_sec(600)

static uint64_t timers_armed(void)
{
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    return stats.timers;
}

static sp_err start_note(sp_pid to, int64_t number, const struct sp_timer_options *options,
                         sp_timer *out_timer)
{
    struct note note = { number, sp_self() };
    return sp_timer_start(to, &note_type, &note, options, out_timer);
}

TEST(a_timer_sends_its_message_once)
{
    world_open(NULL);
    sp_timer timer;
    sp_time before = sp_now();
    CHECK_OK(start_note(sp_self(), 5, &(struct sp_timer_options){ .after = sp_ms(2) }, &timer));
    CHECK_INT(expect_note(), 5);
    CHECK(sp_time_diff(sp_now(), before).ns >= sp_ms(2).ns); /* never early */
    sp_duration left = { -1 };
    CHECK_ERR(sp_timer_cancel(timer, &left), SP_ERR_STALE);
    CHECK_INT(left.ns, -1);
    CHECK_INT(timers_armed(), 0);
    expect_nothing();
    world_close();
}

TEST(no_timer_is_early_and_none_is_lost)
{
    enum { TIMERS = 50 };
    world_open(NULL);
    sp_time before = sp_now();
    for (int64_t i = TIMERS - 1; i >= 0; i--)
        CHECK_OK(
            start_note(sp_self(), i, &(struct sp_timer_options){ .after = sp_us(300 * i) }, NULL));
    bool seen[TIMERS] = { false };
    for (int n = 0; n < TIMERS; n++) {
        int64_t i = expect_note();
        CHECK(i >= 0 && i < TIMERS && !seen[i]);
        CHECK(sp_time_diff(sp_now(), before).ns >= sp_us(300 * i).ns);
        seen[i] = true;
    }
    expect_nothing();
    world_close();
}

TEST(case_41_cancel_before_expiry_says_how_much_was_left)
{
    world_open(NULL);
    sp_timer timer;
    CHECK_OK(start_note(sp_self(), 1, &(struct sp_timer_options){ .after = NEVER_IN_THIS_TEST },
                        &timer));
    CHECK_INT(timers_armed(), 1);
    sp_duration left = { 0 };
    CHECK_OK(sp_timer_cancel(timer, &left));
    CHECK(left.ns > 0 && left.ns <= NEVER_IN_THIS_TEST.ns + sp_ms(1).ns);
    CHECK_ERR(sp_timer_cancel(timer, NULL), SP_ERR_STALE);
    CHECK_ERR(sp_timer_cancel((sp_timer){ 0 }, NULL), SP_ERR_STALE);
    CHECK_INT(timers_armed(), 0);
    expect_nothing();
    world_close();
}

/* Cancelled at random moments around their expiry, by the process itself. */
TEST(case_41_every_timer_fires_or_is_cancelled_never_both)
{
    enum { BATCH = 100 };
    int batches = sp_test_slow() ? 10 : 100;
    world_open(NULL);
    for (int batch = 0; batch < batches; batch++) {
        sp_timer timers[BATCH];
        int state[BATCH] = { 0 }; /* 1: cancelled, 2: its message came */
        for (int i = 0; i < BATCH; i++)
            CHECK_OK(start_note(
                sp_self(), i,
                &(struct sp_timer_options){ .after = sp_us((int64_t)(sp_random() % 1000)) },
                &timers[i]));
        int cancelled = 0;
        for (int i = 0; i < BATCH; i++) {
            for (uint64_t spin = sp_random() % 100; spin > 0; spin--)
                CHECK(sp_now().ns > 0);
            sp_err err = sp_timer_cancel(timers[i], NULL);
            CHECK(err == SP_OK || err == SP_ERR_STALE);
            if (err == SP_OK) {
                state[i] = 1;
                cancelled++;
            }
        }
        for (int fired = 0; fired < BATCH - cancelled; fired++) {
            int64_t i = expect_note();
            CHECK_INT(state[i], 0);
            state[i] = 2;
        }
        expect_nothing();
    }
    CHECK_INT(timers_armed(), 0);
    world_close();
}

struct cancel_job {
    sp_timer timer;
    bool cancelled;
};

static void order_cancel(void *arg)
{
    struct cancel_job *job = arg;
    job->cancelled = sp_timer_cancel(job->timer, NULL) == SP_OK;
}

TEST(another_process_may_cancel_a_timer)
{
    world_open(NULL);
    struct cancel_job job = { .cancelled = false };
    CHECK_OK(start_note(sp_self(), 1, &(struct sp_timer_options){ .after = NEVER_IN_THIS_TEST },
                        &job.timer));
    puppet_do(puppet_start(NULL), order_cancel, &job);
    CHECK(job.cancelled);
    expect_nothing();
    world_close();
}

TEST(a_periodic_timer_ticks_until_it_is_cancelled)
{
    world_open(NULL);
    sp_timer timer;
    sp_time before = sp_now();
    CHECK_OK(start_note(
        sp_self(), 1, &(struct sp_timer_options){ .after = sp_ms(1), .period = sp_ms(1) }, &timer));
    for (int i = 0; i < 20; i++)
        CHECK_INT(expect_note(), 1);
    CHECK(sp_time_diff(sp_now(), before).ns >= sp_ms(20).ns - sp_ms(1).ns);
    CHECK_OK(sp_timer_cancel(timer, NULL));
    while (sp_mailbox_length() > 0) /* ticks that were queued before */
        CHECK_INT(expect_note(), 1);
    CHECK_INT(timers_armed(), 0);
    world_close();
}

TEST(a_typed_cast_can_be_a_timer)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    CHECK_OK(lab_report_timer(lab, &(int64_t){ 33 },
                              &(struct sp_timer_options){ .after = sp_ms(1) }, NULL));
    CHECK_INT(expect_note(), 33);
    world_close();
}

/* ---- keys ---- */

TEST(a_key_has_one_timer)
{
    world_open(NULL);
    for (int64_t i = 1; i <= 3; i++)
        CHECK_OK(start_note(
            sp_self(), i,
            &(struct sp_timer_options){ .after = i < 3 ? NEVER_IN_THIS_TEST : sp_ms(1), .key = 9 },
            NULL));
    CHECK_INT(timers_armed(), 1);
    CHECK_INT(expect_note(), 3);
    CHECK_ERR(sp_timer_cancel_key(9, NULL), SP_ERR_STALE);
    sp_duration left;
    CHECK_OK(start_note(sp_self(), 4,
                        &(struct sp_timer_options){ .after = NEVER_IN_THIS_TEST, .key = 9 }, NULL));
    CHECK_OK(sp_timer_cancel_key(9, &left));
    CHECK(left.ns > 0);
    expect_nothing();
    world_close();
}

/** Waits until a keyed tick lies in the mailbox, then cancels or replaces it. */
struct key_job {
    bool replace;
    int64_t seen;
};

static void order_stale_tick(void *arg)
{
    struct key_job *job = arg;
    struct sp_timer_options soon = { .after = sp_us(1), .key = 1 };
    CHECK_OK(start_note(sp_self(), 1, &soon, NULL));
    while (sp_mailbox_length() == 0)
        sp_yield();
    if (job->replace)
        CHECK_OK(start_note(sp_self(), 2, &soon, NULL));
    else
        CHECK_ERR(sp_timer_cancel_key(1, NULL), SP_ERR_STALE);
    send_note(sp_self(), 3);
    job->seen = expect_note();
    if (job->replace && job->seen == 3)
        job->seen = expect_note();
}

TEST(a_stale_tick_of_a_keyed_timer_is_never_delivered)
{
    world_open(NULL);
    for (int i = 0; i < 100; i++) {
        struct key_job job = { .replace = i % 2 != 0 };
        sp_pid p = puppet_start(NULL);
        puppet_do(p, order_stale_tick, &job);
        CHECK_INT(job.seen, job.replace ? 2 : 3);
        puppet_exit(p, NULL);
    }
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    CHECK_INT(stats.dropped_stale, 100);
    world_close();
}

/* ---- life ---- */

TEST(timers_end_with_the_process_that_would_get_the_message)
{
    world_open(NULL);
    sp_timer timer;
    sp_pid p = puppet_start(NULL);
    CHECK_OK(start_note(p, 1, &(struct sp_timer_options){ .after = NEVER_IN_THIS_TEST }, &timer));
    CHECK_OK(start_note(
        p, 2, &(struct sp_timer_options){ .after = NEVER_IN_THIS_TEST, .period = sp_ms(1) }, NULL));
    CHECK_INT(timers_armed(), 2);
    puppet_exit(p, NULL);
    CHECK_INT(timers_armed(), 0);
    CHECK_ERR(sp_timer_cancel(timer, NULL), SP_ERR_STALE);
    world_close();
}

static void order_own_timer(void *arg)
{
    (void)arg;
    CHECK_OK(
        start_note(sp_self(), 1, &(struct sp_timer_options){ .after = NEVER_IN_THIS_TEST }, NULL));
    CHECK_OK(start_note(sp_self(), 2,
                        &(struct sp_timer_options){ .after = NEVER_IN_THIS_TEST, .key = 5 }, NULL));
}

TEST(timers_end_with_a_process_that_is_killed)
{
    world_open(NULL);
    sp_pid p = puppet_start(NULL);
    puppet_do(p, order_own_timer, NULL);
    CHECK_INT(timers_armed(), 2);
    CHECK_OK(sp_kill(p));
    wait_gone(p);
    CHECK_INT(timers_armed(), 0);
    world_close();
}

/* ---- refusals ---- */

TEST(a_timer_refuses_what_it_cannot_do)
{
    world_open(NULL);
    sp_pid other = puppet_start(NULL);
    sp_timer timer = { 77 };
    struct sp_timer_options soon = { .after = sp_ms(1) };
    CHECK_ERR(start_note(dead_pid(), 1, &soon, &timer), SP_ERR_NOPROC);
    CHECK_ERR(start_note(SP_PID_NONE, 1, &soon, &timer), SP_ERR_NOPROC);
    CHECK_ERR(start_note(sp_self(), 1, &(struct sp_timer_options){ .after = sp_ms(-1) }, &timer),
              SP_ERR_INVALID);
    CHECK_ERR(start_note(sp_self(), 1, &(struct sp_timer_options){ .period = sp_ms(-1) }, &timer),
              SP_ERR_INVALID);
    CHECK_ERR(
        start_note(other, 1, &(struct sp_timer_options){ .after = sp_ms(1), .key = 1 }, &timer),
        SP_ERR_INVALID);
    CHECK_INT(timer.id, 77);
    CHECK_INT(timers_armed(), 0);
    world_close();
    CHECK_ERR(start_note(SP_PID_NONE, 1, &soon, &timer), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_timer_cancel(timer, NULL), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_timer_cancel_key(1, NULL), SP_ERR_NOTCONTEXT);
}

TEST(timers_max_timers_can_be_armed_and_no_end_of_more_cannot)
{
    enum { MAX = 1000, KEPT = 128 * (1 + 1 + 64) }; /* those that threads keep ready */
    static sp_timer timers[MAX + KEPT + 1];
    world_open(
        &(struct sp_runtime_options){ .workers = 1, .stuck_threads_max = 1, .timers_max = MAX });
    struct sp_timer_options late = { .after = NEVER_IN_THIS_TEST };
    int armed = 0;
    sp_err err = SP_OK;
    while (armed < MAX + KEPT + 1 && err == SP_OK) {
        err = start_note(sp_self(), armed, &late, &timers[armed]);
        armed += err == SP_OK;
    }
    CHECK_ERR(err, SP_ERR_LIMIT);
    CHECK(armed >= MAX && armed <= MAX + KEPT);
    CHECK_INT(timers_armed(), armed);
    CHECK_OK(sp_timer_cancel(timers[0], NULL));
    CHECK_OK(start_note(sp_self(), armed, &late, NULL));
    CHECK_ERR(start_note(sp_self(), armed, &late, NULL), SP_ERR_LIMIT);
    world_close();
}

TEST(more_timers_max_than_there_can_be_is_refused)
{
    struct sp_runtime *runtime = NULL;
    struct sp_runtime_options options = { .timers_max = 16777217 };
    CHECK_ERR(sp_runtime_create(&options, &runtime), SP_ERR_INVALID);
    CHECK_PTR(runtime, NULL);
}

static int boxes;

struct box {
    int content;
};

static void box_destroy(struct box *box)
{
    (void)box;
    boxes--;
}

SP_MESSAGE_MOVED(box_message, struct box, box_destroy);

TEST(what_a_timer_owns_is_destroyed_exactly_once)
{
    world_open(NULL);
    struct box box = { 1 };
    sp_timer timer;
    struct sp_timer_options later = { .after = NEVER_IN_THIS_TEST };
    struct sp_timer_options again = { .after = sp_ms(1), .period = sp_ms(1) };
    boxes = 1;
    CHECK_OK(sp_timer_start(sp_self(), &box_message_type, &box, &later, &timer));
    CHECK_INT(boxes, 1);
    CHECK_OK(sp_timer_cancel(timer, NULL));
    CHECK_INT(boxes, 0);

    boxes = 1; /* of a refused one too */
    CHECK_ERR(sp_timer_start(sp_self(), &box_message_type, &box, &again, &timer), SP_ERR_INVALID);
    CHECK_INT(boxes, 0);

    boxes = 1;
    CHECK_OK(sp_timer_start(sp_self(), &box_message_type, &box,
                            &(struct sp_timer_options){ .after = sp_us(1) }, NULL));
    struct sp_message *message = expect_message();
    CHECK_INT(box_message_of(message)->content, 1);
    CHECK_INT(boxes, 1);
    sp_message_free(message);
    CHECK_INT(boxes, 0);

    boxes = 1;
    CHECK_OK(sp_timer_start(sp_self(), &box_message_type, &box, &later, NULL));
    world_close();
    CHECK_INT(boxes, 0);
}

/* ---- many ---- */

TEST(a_hundred_thousand_timers_can_be_armed_and_cancelled)
{
    int count = sp_test_slow() ? 5000 : 100000;
    world_open(NULL);
    static sp_timer timers[100000];
    for (int i = 0; i < count; i++)
        CHECK_OK(start_note(
            sp_self(), i,
            &(struct sp_timer_options){ .after = sp_sec(600 + (int64_t)(sp_random() % 100000)) },
            &timers[i]));
    CHECK_INT(timers_armed(), count);
    for (int i = 0; i < count; i++)
        CHECK_OK(sp_timer_cancel(timers[i], NULL));
    CHECK_INT(timers_armed(), 0);
    expect_nothing();
    world_close();
}

TEST(sleep_and_yield_come_back)
{
    world_open(NULL);
    sp_time before = sp_now();
    sp_sleep(sp_ms(2));
    CHECK(sp_time_diff(sp_now(), before).ns >= sp_ms(2).ns);
    sp_yield();
    sp_sleep(sp_ns(0));
    CHECK_INT(timers_armed(), 0);
    world_close();
}
