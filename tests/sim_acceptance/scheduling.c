/* Acceptance: deadlines of handlers that end at the same moment, stops and kills of one that is at
 * work (case 92), and priorities, under every schedule.
 */
#include "accept.h"

enum {
    QUEUED = 100,
    ROUNDS_MAX = 500, /* a search may be as unfair as it likes */
};

static struct {
    int begun;
    int ended;
    int cancelled;
    int told;
    int64_t terminate_ns; /* when terminate began */
} books;

static void books_open(void)
{
    memset(&books, 0, sizeof(books));
}

SP_SERVER(clerk, struct sp_scheduling);
/** Sleeps for so many microseconds; true: to the end. */
SP_CALL(clerk, nap, int, bool);
/** Gives way so many times. */
SP_CAST(clerk, stroll, int);
/** Sends itself the next, until the others are done. */
SP_CAST(clerk, pace, sp_empty);

static sp_err clerk_init(int *state, const struct sp_scheduling *scheduling)
{
    (void)state;
    return sp_scheduling_set(scheduling);
}

static sp_err clerk_on_nap(int *state, const int *in, bool *out)
{
    (void)state;
    /* What happened to the one before is over. */
    EXPECT(!sp_cancelled());
    books.begun++;
    *out = sp_sleep(sp_us(*in));
    books.ended++;
    books.cancelled += !*out;
    return SP_OK;
}

static void clerk_on_stroll(int *state, const int *in)
{
    (void)state;
    books.begun++;
    for (int i = 0; i < *in; i++)
        sp_yield();
    books.ended++;
}

static void clerk_on_pace(int *state, const sp_empty *in)
{
    if (books.told < 3 && ++*state < ROUNDS_MAX)
        sp_ignore(clerk_pace((clerk_ref){ sp_self() }, in));
}

SP_STATE(clerk, int);
SP_ON_INIT(clerk);
SP_ON_CALL(clerk, nap);
SP_ON_CAST(clerk, stroll);
SP_ON_CAST(clerk, pace);
SP_CLASS(clerk, .init = clerk__init);

static clerk_ref clerk_begin(struct sp_scheduling scheduling)
{
    clerk_ref ref;
    EXPECT(clerk_start(&scheduling, NULL, &ref) == SP_OK);
    return ref;
}

/* ---- deadlines ---- */

/* Naps that end before, with, and after the deadline of 100 us. */
static int nap_length(void)
{
    return 80 + 10 * (int)sp_choose(5);
}

static void naps(void *arg)
{
    clerk_ref clerk = { *(sp_pid *)arg };
    for (int i = 0; i < 3; i++) {
        bool slept = false;
        int length = nap_length();
        sp_err err = clerk_nap(clerk, &length, &slept, sp_after_ms(50));
        /* Time passes in steps, and a step of somebody else may come between. */
        EXPECT(err == SP_OK && (slept || length > 80));
        sp_sleep(sp_us(60 * (int)sp_choose(4))); /* so that a timer may come between two */
    }
}

static void cancel_main(void *unused)
{
    (void)unused;
    books_open();
    clerk_ref clerk = clerk_begin(
        (struct sp_scheduling){ .handler_deadline = sp_us(100), .on_overrun = SP_OVERRUN_CANCEL });
    sp_pid a = accept_spawn("a", naps, &clerk.pid);
    sp_pid b = accept_spawn("b", naps, &clerk.pid);
    accept_join(a);
    accept_join(b);
    EXPECT(books.begun == 6 && books.ended == 6);
    accept_close();
}

ACCEPT(a_late_handler_is_cancelled_alone, cancel_main);

static void naps_once(void *arg)
{
    clerk_ref clerk = { *(sp_pid *)arg };
    bool slept = false;
    int length = nap_length();
    sp_err err = clerk_nap(clerk, &length, &slept, sp_after_ms(50));
    EXPECT((err == SP_OK && slept) || err == SP_ERR_DIED || err == SP_ERR_NOPROC);
    books.told++;
}

static void stop_main(void *unused)
{
    (void)unused;
    books_open();
    clerk_ref clerk = clerk_begin(
        (struct sp_scheduling){ .handler_deadline = sp_us(100), .on_overrun = SP_OVERRUN_STOP });
    sp_pid a = accept_spawn("a", naps_once, &clerk.pid);
    sp_pid b = accept_spawn("b", naps_once, &clerk.pid);
    accept_join(a);
    accept_join(b);
    EXPECT(books.told == 2 && books.ended <= books.begun);
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    EXPECT(stats.overruns <= 1);
    if (stats.overruns == 1)
        accept_join(clerk.pid); /* whoever was late ends it */
    else
        EXPECT(books.ended == 2 && sp_is_alive(clerk.pid));
    accept_close();
}

ACCEPT(a_late_handler_ends_its_process_or_was_in_time, stop_main);

/* ---- a terminate callback, whose end, deadline and kill come together ---- */

SP_SERVER(leaver, struct sp_scheduling);
SP_CALL(leaver, nap, int, sp_empty);
SP_CAST(leaver, nothing, sp_empty);

static sp_err leaver_init(int *state, const struct sp_scheduling *scheduling)
{
    (void)state;
    return sp_scheduling_set(scheduling);
}

static sp_err leaver_on_nap(int *state, const int *in, sp_empty *out)
{
    (void)state;
    (void)out;
    sp_sleep(sp_us(*in));
    if (sp_choose(2) == 0)
        return SP_OK;
    /* It may be late while it sends, and ends before it is told. */
    sp_ignore(leaver_nothing((leaver_ref){ sp_self() }, &(sp_empty){ 0 }));
    sp_exit(sp_reason_normal());
}

static void leaver_on_nothing(int *state, const sp_empty *in)
{
    (void)state;
    (void)in;
}

static void leaver_terminate(int *state, const struct sp_reason *reason)
{
    (void)state;
    (void)reason;
    books.begun++;
    books.terminate_ns = sp_now().ns;
    EXPECT(!sp_cancelled());
    books.cancelled += !sp_sleep(sp_us(nap_length()));
    books.ended++;
}

SP_STATE(leaver, int);
SP_ON_INIT(leaver);
SP_ON_CALL(leaver, nap);
SP_ON_CAST(leaver, nothing);
SP_ON_TERMINATE(leaver);
SP_CLASS(leaver, .init = leaver__init, .terminate = leaver__terminate);

/* A nap of a handler that may be late itself, so that what it is told may come to the exit. */
static void leaver_naps(void *arg)
{
    leaver_ref leaver = { *(sp_pid *)arg };
    int length = 90 + (int)sp_choose(12); /* each step takes a microsecond */
    sp_ignore(leaver_nap(leaver, &length, &(sp_empty){ 0 }, sp_after_ms(50)));
}

static void leaver_killed(void *arg)
{
    sp_sleep(sp_us(60 * (int)sp_choose(4)));
    sp_ignore(sp_kill(*(sp_pid *)arg));
}

static void leave_main(enum sp_overrun on_overrun, bool killed)
{
    books_open();
    leaver_ref leaver;
    struct sp_scheduling scheduling = { .handler_deadline = sp_us(100), .on_overrun = on_overrun };
    EXPECT(leaver_start(&scheduling, NULL, &leaver) == SP_OK);
    sp_pid a = accept_spawn("a", leaver_naps, &leaver.pid);
    sp_pid b = killed ? accept_spawn("b", leaver_killed, &leaver.pid) : a;
    sp_sleep(sp_us(60 * (int)sp_choose(3)));
    sp_err err = sp_stop(leaver.pid, NULL, sp_never());
    EXPECT(err == SP_OK || err == SP_ERR_NOPROC);
    accept_join(leaver.pid);
    int64_t took_ns = sp_now().ns - books.terminate_ns;
    accept_join(a);
    accept_join(b);
    EXPECT(!sp_is_alive(leaver.pid));
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    EXPECT(books.begun <= 1 && books.ended <= books.begun);
    EXPECT(stats.overruns <= 2);
    /* It is cut short by its own deadline only: not by that of a handler before it. */
    EXPECT(books.ended == books.begun || killed ||
           (on_overrun == SP_OVERRUN_STOP && took_ns >= 100000));
    EXPECT(books.cancelled == 0 || on_overrun == SP_OVERRUN_CANCEL);
    accept_close();
}

static void leave_cancel_main(void *unused)
{
    (void)unused;
    leave_main(SP_OVERRUN_CANCEL, false);
}

ACCEPT(a_late_terminate_is_cancelled, leave_cancel_main);

static void leave_stop_main(void *unused)
{
    (void)unused;
    leave_main(SP_OVERRUN_STOP, false);
}

ACCEPT(a_late_terminate_ends_or_was_in_time, leave_stop_main);

static void leave_killed_main(void *unused)
{
    (void)unused;
    leave_main(SP_OVERRUN_STOP, true);
}

ACCEPT(a_late_terminate_that_is_killed_too_ends_once, leave_killed_main);

/* ---- case 92 ---- */

static clerk_ref strolling(void)
{
    books_open();
    clerk_ref clerk = clerk_begin((struct sp_scheduling){ 0 });
    for (int i = 0; i <= QUEUED; i++)
        EXPECT(clerk_stroll(clerk, &(int){ 5 }) == SP_OK);
    while (books.begun == 0)
        sp_sleep(sp_us(1));
    return clerk;
}

static void case_92_stop_main(void *unused)
{
    (void)unused;
    clerk_ref clerk = strolling();
    EXPECT(sp_stop(clerk.pid, NULL, sp_never()) == SP_OK);
    /* What it was at is finished, the rest is dead: the books tell, at the end. */
    EXPECT(books.ended == books.begun && books.begun <= QUEUED + 1);
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    EXPECT(stats.dead_noproc == (uint64_t)(QUEUED + 1 - books.begun));
    accept_close();
}

ACCEPT(case_92_stop_does_not_interrupt, case_92_stop_main);

static void case_92_kill_main(void *unused)
{
    (void)unused;
    clerk_ref clerk = strolling();
    if (sp_kill(clerk.pid) == SP_OK) {
        int begun = books.begun;
        int ended = books.ended;
        accept_join(clerk.pid);
        /* Neither did it go on with the message it was at, nor begin another. */
        EXPECT(books.begun == begun && books.ended == ended);
    }
    accept_close();
}

ACCEPT(case_92_kill_interrupts_at_the_next_yield, case_92_kill_main);

enum { ACCEPTED = 1000 };

static void sends_late(void *arg)
{
    clerk_ref clerk = { *(sp_pid *)arg };
    for (int i = 0; i < 5; i++) {
        sp_err err = clerk_stroll(clerk, &(int){ 0 });
        EXPECT(err == SP_OK || err == SP_ERR_SHUTDOWN || err == SP_ERR_NOPROC);
        books.told += err == SP_OK;
    }
}

static void case_92_drain_main(void *unused)
{
    (void)unused;
    books_open();
    clerk_ref clerk = clerk_begin((struct sp_scheduling){ 0 });
    for (int i = 0; i < ACCEPTED; i++)
        EXPECT(clerk_stroll(clerk, &(int){ 0 }) == SP_OK);
    sp_pid late = accept_spawn("late", sends_late, &clerk.pid);
    EXPECT(sp_drain(clerk.pid, sp_never()) == SP_OK);
    EXPECT(clerk_stroll(clerk, &(int){ 0 }) == SP_ERR_NOPROC);
    accept_join(late);
    EXPECT(books.ended == ACCEPTED + books.told);
    accept_close();
}

ACCEPT(case_92_drain_finishes_what_was_accepted, case_92_drain_main);

/* ---- priorities ---- */

static void counts(void *arg)
{
    int *count = arg;
    struct sp_scheduling now;
    EXPECT(sp_scheduling_get(&now) == SP_OK);
    for (int i = 0; i < 5; i++)
        sp_yield();
    ++*count;
}

static void priority_main(void *unused)
{
    (void)unused;
    static const enum sp_priority priorities[] = { SP_PRIORITY_LOW, SP_PRIORITY_NORMAL,
                                                   SP_PRIORITY_HIGH };
    books_open();
    clerk_ref busy = clerk_begin((struct sp_scheduling){ .priority = SP_PRIORITY_MAX });
    EXPECT(clerk_pace(busy, &(sp_empty){ 0 }) == SP_OK);
    sp_pid pids[3];
    for (int i = 0; i < 3; i++)
        EXPECT(sp_spawn(counts, &books.told,
                        &(struct sp_spawn_options){
                            .scheduling = &(struct sp_scheduling){ .priority = priorities[i] } },
                        &pids[i]) == SP_OK);
    for (int i = 0; i < 3; i++)
        accept_join(pids[i]);
    EXPECT(books.told == 3);
    accept_close();
}

ACCEPT(all_priorities_have_their_turns, priority_main);
