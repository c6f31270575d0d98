/* Scheduling: turns by count and by time, priorities, deadlines of handlers. docs/scheduling.md.
 *
 * Where a case waits for one process to run beside another that never ends by itself, that it
 * ends shows that it did.
 */
#include "spawned/scheduling.h"

#include "support/puppet.h"

#include <stdatomic.h>
#include <string.h>

enum { OTHERS = 100 };

/* ---- servers that count --------------------------------------------------------------- */

static struct {
    _Atomic uint64_t handled;        /* by the busy one */
    _Atomic uint64_t before[OTHERS]; /* of those, when each of the others was reached */
    _Atomic int order[8];            /* who was reached, in order */
    _Atomic int reached;
    _Atomic int64_t spin_ns;
    _Atomic bool endless; /* the busy one sends itself the next message */
} books;

SP_SERVER(busy, int);
SP_CAST(busy, work, int);
SP_SERVER(other, int);
SP_CAST(other, note, int);

static void spin(int64_t ns)
{
    for (int64_t until = sp_now().ns + ns; ns != 0 && sp_now().ns < until;)
        continue;
}

static sp_err busy_init(int *state, const int *args)
{
    *state = *args;
    return SP_OK;
}

static void busy_on_work(int *state, const int *in)
{
    (void)state;
    spin(atomic_load(&books.spin_ns));
    atomic_fetch_add(&books.handled, 1);
    if (atomic_load(&books.endless))
        sp_ignore(busy_work((busy_ref){ sp_self() }, in));
}

static sp_err other_init(int *state, const int *args)
{
    *state = *args;
    return SP_OK;
}

static void other_on_note(int *state, const int *in)
{
    (void)in;
    int at = atomic_fetch_add(&books.reached, 1);
    if (at < 8)
        atomic_store(&books.order[at], *state);
    atomic_store(&books.before[*state], atomic_load(&books.handled));
    atomic_store(&books.endless, false);
}

SP_STATE(busy, int);
SP_ON_INIT(busy);
SP_ON_CAST(busy, work);
SP_CLASS(busy, .init = busy__init);
SP_STATE(other, int);
SP_ON_INIT(other);
SP_ON_CAST(other, note);
SP_CLASS(other, .init = other__init);

/* One worker, whose long turns are nobody else's: what is handed on would not be in order. */
static void open_one(struct sp_runtime_options options)
{
    memset(&books, 0, sizeof(books));
    options.workers = 1;
    options.stuck_after = sp_ms(-1);
    world_open(&options);
}

static sp_pid busy_begin(const struct sp_scheduling *scheduling)
{
    busy_ref ref;
    CHECK_OK(busy_start(&(int){ 0 },
                        &(struct sp_server_options){ .spawn = { .mailbox_max = SP_MAILBOX_UNBOUNDED,
                                                                .scheduling = scheduling } },
                        &ref));
    return ref.pid;
}

static sp_pid other_begin(int number, const struct sp_scheduling *scheduling)
{
    other_ref ref;
    CHECK_OK(other_start(
        &number, &(struct sp_server_options){ .spawn = { .scheduling = scheduling } }, &ref));
    return ref.pid;
}

struct flood {
    sp_pid busy;
    int messages;
    sp_pid others[OTHERS];
    int count;
};

/* In a process of the one worker: nobody else runs until all is sent. */
static void flood_send(void *arg)
{
    struct flood *flood = arg;
    for (int i = 0; i < flood->messages; i++)
        CHECK_OK(busy_work((busy_ref){ flood->busy }, &i));
    for (int i = 0; i < flood->count; i++)
        CHECK_OK(other_note((other_ref){ flood->others[i] }, &i));
}

static void flood_run(struct flood *flood)
{
    sp_pid driver = puppet_start(NULL);
    puppet_do(driver, flood_send, flood);
    while (atomic_load(&books.reached) < flood->count)
        sp_yield();
}

/* ---- by count ------------------------------------------------------------------------- */

static void fairness(int messages, uint32_t throughput, const struct sp_scheduling *scheduling)
{
    open_one((struct sp_runtime_options){ .slice = sp_ms(-1) });
    struct flood flood = { .busy = busy_begin(scheduling), .messages = messages, .count = OTHERS };
    for (int i = 0; i < OTHERS; i++)
        flood.others[i] = other_begin(i, NULL);
    flood_run(&flood);
    for (uint64_t i = 0; i < OTHERS; i++)
        CHECK(atomic_load(&books.before[i]) <= (i + 1) * throughput);
    CHECK_OK(sp_kill(flood.busy));
    world_close();
}

/* case 89 */
TEST(one_flooded_with_a_million_messages_leaves_the_others_their_turns)
{
    fairness(1000000, 100, NULL);
}

TEST(a_process_may_have_a_throughput_of_its_own)
{
    fairness(10000, 3, &(struct sp_scheduling){ .throughput = 3 });
}

/* ---- by time -------------------------------------------------------------------------- */

static void slices(struct sp_runtime_options options, struct sp_scheduling scheduling)
{
    open_one(options);
    scheduling.throughput = 65535;
    atomic_store(&books.endless, true);
    atomic_store(&books.spin_ns, 20000);
    struct flood flood = { .busy = busy_begin(&scheduling),
                           .messages = 1,
                           .others = { other_begin(0, NULL) },
                           .count = 1 };
    flood_run(&flood);
    CHECK(atomic_load(&books.before[0]) < 65535);
    world_close();
}

TEST(a_turn_ends_with_the_slice_though_there_are_messages)
{
    slices((struct sp_runtime_options){ .slice = sp_ms(1) }, (struct sp_scheduling){ 0 });
}

TEST(a_process_may_have_a_slice_of_its_own)
{
    slices((struct sp_runtime_options){ .slice = sp_ms(-1) },
           (struct sp_scheduling){ .slice = sp_us(100) });
}

/* Sends itself a note and takes it, until somebody else had a turn. */
static void talks_to_itself(void *arg)
{
    (void)arg;
    while (atomic_load(&books.endless)) {
        send_note(sp_self(), 1);
        struct sp_message *message;
        CHECK_OK(sp_receive(sp_never(), &message));
        sp_message_free(message);
    }
}

TEST(a_plain_process_that_is_never_without_messages_gives_way)
{
    open_one((struct sp_runtime_options){ .slice = sp_ms(1) });
    atomic_store(&books.endless, true);
    sp_pid talker;
    CHECK_OK(sp_spawn(talks_to_itself, NULL, NULL, &talker));
    sp_pid other = other_begin(0, NULL); /* whose init needs a turn */
    CHECK_OK(other_note((other_ref){ other }, &(int){ 0 }));
    wait_gone(talker);
    world_close();
}

static _Atomic bool computing;

static void computes(void *arg)
{
    struct sp_yield_budget budget = { .every = 10 };
    _Atomic int *yields = arg;
    atomic_store(&computing, true);
    while (atomic_load(&books.endless))
        if (sp_yield_every(&budget))
            atomic_fetch_add(yields, 1);
}

TEST(a_loop_that_counts_its_rounds_gives_way)
{
    open_one((struct sp_runtime_options){ .slice = sp_ms(1) });
    _Atomic int yields = 0;
    atomic_store(&books.endless, true);
    sp_pid computer;
    atomic_store(&computing, false);
    CHECK_OK(sp_spawn(computes, &yields, NULL, &computer));
    while (!atomic_load(&computing))
        sp_yield();
    sp_pid other = other_begin(0, NULL);
    CHECK_OK(other_note((other_ref){ other }, &(int){ 0 }));
    wait_gone(computer);
    CHECK(atomic_load(&yields) > 0);
    world_close();
}

/* ---- priorities ----------------------------------------------------------------------- */

static const struct sp_scheduling by_priority[] = {
    { .priority = SP_PRIORITY_LOW },
    { .priority = SP_PRIORITY_NORMAL },
    { .priority = SP_PRIORITY_HIGH },
    { .priority = SP_PRIORITY_MAX },
};

TEST(those_of_higher_priority_go_first)
{
    open_one((struct sp_runtime_options){ .aging = sp_sec(60) });
    struct flood flood = { .count = 4 };
    for (int i = 0; i < 4; i++)
        flood.others[i] = other_begin(i, &by_priority[i]);
    flood_run(&flood);
    for (int i = 0; i < 4; i++)
        CHECK_INT(atomic_load(&books.order[i]), 3 - i);
    world_close();
}

static void starving(int low, int high)
{
    open_one((struct sp_runtime_options){ .slice = sp_ms(1) });
    atomic_store(&books.endless, true);
    struct flood flood = { .busy = busy_begin(&by_priority[high]),
                           .messages = 1,
                           .others = { other_begin(0, &by_priority[low]) },
                           .count = 1 };
    flood_run(&flood);
    world_close();
}

TEST(nobody_starves_behind_a_higher_priority)
{
    for (int low = 0; low < 3; low++)
        for (int high = low + 1; high < 4; high++)
            starving(low, high);
}

static void change_priority(void *arg)
{
    struct sp_scheduling now;
    CHECK_OK(sp_scheduling_set(arg));
    CHECK_OK(sp_scheduling_get(&now));
    CHECK_INT(now.priority, ((struct sp_scheduling *)arg)->priority);
}

TEST(a_running_process_changes_its_priority_and_keeps_its_messages)
{
    world_open(NULL);
    sp_pid puppet = puppet_start(NULL);
    for (int round = 0; round < 100; round++) {
        struct sp_scheduling scheduling = by_priority[round % 4];
        puppet_do(puppet, change_priority, &scheduling);
    }
    puppet_expect_quiet(puppet);
    world_close();
}

/* ---- what can be set ------------------------------------------------------------------ */

static void on_slow_nothing(const struct sp_slow_handler *slow, void *arg)
{
    (void)slow;
    (void)arg;
}

static void sets(void *arg)
{
    (void)arg;
    static const struct sp_scheduling wrong[] = {
        { .throughput = 65536 },
        { .slice = { -1 } },
        { .priority = (enum sp_priority)4 },
        { .on_overrun = (enum sp_overrun)4 },
        { .handler_deadline = { -1 } },
        { .slow_after = { -1 }, .on_slow = on_slow_nothing },
        { .slow_after = { 1 } },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_ERR(sp_scheduling_set(&wrong[i]), SP_ERR_INVALID);
        CHECK_ERR(sp_spawn(sets, NULL, &(struct sp_spawn_options){ .scheduling = &wrong[i] }, NULL),
                  SP_ERR_INVALID);
    }
    CHECK_ERR(sp_scheduling_set(&(struct sp_scheduling){ .handler_deadline = sp_ms(1) }),
              SP_ERR_NOTSUP);
    struct sp_scheduling now;
    CHECK_OK(sp_scheduling_get(&now));
    CHECK_INT(now.throughput, 100);
    CHECK_OK(sp_scheduling_set(&(struct sp_scheduling){ .throughput = 7, .slice = sp_us(5) }));
    CHECK_OK(sp_scheduling_get(&now));
    CHECK_INT(now.throughput, 7);
    CHECK_INT(now.slice.ns, 5000);
    CHECK_OK(sp_scheduling_set(&(struct sp_scheduling){ 0 }));
    CHECK_OK(sp_scheduling_get(&now));
    CHECK_INT(now.throughput, 100);
    CHECK_INT(now.slice.ns, 0);
}

TEST(what_is_out_of_range_is_refused)
{
    struct sp_scheduling now;
    CHECK_ERR(sp_scheduling_set(&(struct sp_scheduling){ 0 }), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_scheduling_get(&now), SP_ERR_NOTCONTEXT);
    world_open(NULL);
    puppet_do(puppet_start(NULL), sets, NULL);
    world_close();
    struct sp_runtime *runtime;
    CHECK_ERR(sp_runtime_create(&(struct sp_runtime_options){ .slice = sp_us(1) }, &runtime),
              SP_ERR_INVALID);
    CHECK_ERR(sp_runtime_create(&(struct sp_runtime_options){ .aging = sp_ms(-1) }, &runtime),
              SP_ERR_INVALID);
}

/* ---- handlers that take too long ------------------------------------------------------ */

SP_SERVER(slow, struct sp_scheduling);
/** Sleeps for an hour; true: it was not woken. */
SP_CALL(slow, sleep, sp_empty, bool);
/** Computes until it is told that its deadline has passed; 1: it was cancelled. */
SP_CALL(slow, compute, sp_empty, int);
/** Returns at once whether it is cancelled. */
SP_CALL(slow, ask, sp_empty, bool);

/** Sleeps as above, then is scheduled otherwise. */
SP_CALL(slow, retune, struct sp_scheduling, bool);

static sp_err slow_init(int *state, const struct sp_scheduling *scheduling)
{
    (void)state;
    return sp_scheduling_set(scheduling);
}

static sp_err slow_on_sleep(int *state, const sp_empty *in, bool *out)
{
    (void)state;
    (void)in;
    *out = sp_sleep(sp_sec(3600));
    return SP_OK;
}

static uint64_t overruns(void)
{
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    return stats.overruns;
}

/* Before the call: in the handler it could be too late already to see one come. */
static _Atomic uint64_t overruns_before;

static sp_err slow_on_compute(int *state, const sp_empty *in, int *out)
{
    (void)state;
    (void)in;
    while (overruns() == atomic_load(&overruns_before))
        continue;
    *out = sp_cancelled();
    return SP_OK;
}

static sp_err slow_on_ask(int *state, const sp_empty *in, bool *out)
{
    (void)state;
    (void)in;
    *out = sp_cancelled();
    return SP_OK;
}

static sp_err slow_on_retune(int *state, const struct sp_scheduling *in, bool *out)
{
    (void)state;
    *out = sp_sleep(sp_sec(3600));
    return sp_scheduling_set(in);
}

SP_STATE(slow, int);
SP_ON_INIT(slow);
SP_ON_CALL(slow, sleep);
SP_ON_CALL(slow, compute);
SP_ON_CALL(slow, ask);
SP_ON_CALL(slow, retune);
SP_CLASS(slow, .init = slow__init);

static struct {
    _Atomic int lines;
    char line[200];
} logged;

static void log_line(void *context, const struct sp_log_record *record)
{
    (void)context;
    if (strstr(record->text, "has not returned") == NULL || atomic_fetch_add(&logged.lines, 1) != 0)
        return;
    strncpy(logged.line, record->text, sizeof(logged.line) - 1);
}

static slow_ref slow_begin(struct sp_scheduling scheduling)
{
    slow_ref ref;
    memset(&logged, 0, sizeof(logged));
    world_open(&(struct sp_runtime_options){ .workers = 2, .log = { .fn = log_line } });
    CHECK_OK(slow_start(&scheduling, NULL, &ref));
    return ref;
}

static sp_err compute(slow_ref slow, int *out)
{
    atomic_store(&overruns_before, overruns());
    return slow_compute(slow, &(sp_empty){ 0 }, out, WORLD_PATIENCE);
}

TEST(a_late_handler_is_told_and_goes_on)
{
    slow_ref slow = slow_begin((struct sp_scheduling){ .handler_deadline = sp_ms(2) });
    int cancelled = 1;
    CHECK_OK(compute(slow, &cancelled));
    CHECK_INT(cancelled, 0);
    while (atomic_load(&logged.lines) == 0)
        sp_yield();
    world_close();
    CHECK_INT(atomic_load(&logged.lines), 1);
    CHECK(strstr(logged.line, "its handler of compute has not returned after") != NULL);
}

TEST(a_late_handler_is_cancelled_and_the_next_one_is_not)
{
    slow_ref slow = slow_begin(
        (struct sp_scheduling){ .handler_deadline = sp_ms(2), .on_overrun = SP_OVERRUN_CANCEL });
    for (int round = 0; round < 3; round++) {
        bool slept = true;
        CHECK_OK(slow_sleep(slow, &(sp_empty){ 0 }, &slept, WORLD_PATIENCE));
        CHECK(!slept);
        bool cancelled = true;
        CHECK_OK(slow_ask(slow, &(sp_empty){ 0 }, &cancelled, WORLD_PATIENCE));
        CHECK(!cancelled);
    }
    int computed = 0;
    CHECK_OK(compute(slow, &computed));
    CHECK_INT(overruns(), 4);
    world_close();
}

TEST(a_deadline_that_is_changed_holds_for_the_next_handler)
{
    struct sp_scheduling early = { .handler_deadline = sp_ms(2), .on_overrun = SP_OVERRUN_CANCEL };
    struct sp_scheduling late = { .handler_deadline = sp_sec(3600) };
    struct sp_scheduling none = { 0 };
    slow_ref slow = slow_begin(early);
    bool slept = true;
    bool cancelled = true;
    /* The timer is armed for the later one by the next handler, and not kept. */
    CHECK_OK(slow_retune(slow, &late, &slept, WORLD_PATIENCE));
    CHECK(!slept);
    CHECK_OK(slow_ask(slow, &(sp_empty){ 0 }, &cancelled, WORLD_PATIENCE));
    CHECK(!cancelled);
    world_close();
    slow = slow_begin(early);
    CHECK_OK(slow_retune(slow, &none, &slept, WORLD_PATIENCE));
    cancelled = true;
    CHECK_OK(slow_ask(slow, &(sp_empty){ 0 }, &cancelled, WORLD_PATIENCE));
    CHECK(!cancelled);
    world_close();
}

SP_SERVER(tuned, sp_empty);
SP_CALL(tuned, set, struct sp_scheduling, sp_empty);
SP_CALL(tuned, sleep, sp_empty, bool);

static sp_err tuned_on_set(int *state, const struct sp_scheduling *in, sp_empty *out)
{
    (void)state;
    (void)out;
    return sp_scheduling_set(in);
}

static sp_err tuned_on_sleep(int *state, const sp_empty *in, bool *out)
{
    return slow_on_sleep(state, in, out);
}

SP_STATE(tuned, int);
SP_ON_CALL(tuned, set);
SP_ON_CALL(tuned, sleep);
SP_CLASS(tuned);

TEST(a_deadline_that_is_made_shorter_does_not_wait_for_the_longer_one)
{
    struct sp_scheduling late = { .handler_deadline = sp_sec(3600) };
    struct sp_scheduling early = { .handler_deadline = sp_ms(2), .on_overrun = SP_OVERRUN_CANCEL };
    tuned_ref tuned;
    bool slept = true;
    world_open(NULL);
    CHECK_OK(tuned_start(NULL, NULL, &tuned));
    CHECK_OK(tuned_set(tuned, &late, &(sp_empty){ 0 }, WORLD_PATIENCE));
    CHECK_OK(tuned_set(tuned, &late, &(sp_empty){ 0 }, WORLD_PATIENCE)); /* arms the timer */
    CHECK_OK(tuned_set(tuned, &early, &(sp_empty){ 0 }, WORLD_PATIENCE));
    CHECK_OK(tuned_sleep(tuned, &(sp_empty){ 0 }, &slept, WORLD_PATIENCE));
    CHECK(!slept);
    world_close();
}

/* The reason with which it ends, of what was called. */
static void late_and_stopped(bool sleeps)
{
    slow_ref slow = slow_begin(
        (struct sp_scheduling){ .handler_deadline = sp_ms(2), .on_overrun = SP_OVERRUN_STOP });
    sp_monitor_ref monitor;
    CHECK_OK(sp_monitor(slow.pid, &monitor));
    bool slept;
    int computed;
    if (sleeps)
        CHECK_ERR(slow_sleep(slow, &(sp_empty){ 0 }, &slept, WORLD_PATIENCE), SP_ERR_DIED);
    else
        CHECK_OK(compute(slow, &computed));
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL);
    CHECK_INT(sp_reason_kind(down->reason), SP_REASON_ERROR);
    CHECK_ERR(sp_reason_code(down->reason), SP_ERR_TIMEOUT);
    CHECK_STR(sp_reason_text(down->reason), sleeps ? "handler of sleep passed its deadline"
                                                   : "handler of compute passed its deadline");
    sp_message_free(message);
    world_close();
}

TEST(a_late_handler_that_waits_ends_its_process)
{
    late_and_stopped(true);
}

TEST(a_late_handler_that_computes_ends_its_process_when_it_returns)
{
    late_and_stopped(false);
}

/* ---- slow ones ------------------------------------------------------------------------ */

static struct {
    _Atomic int calls;
    struct sp_slow_handler last;
} told;

static void on_slow(const struct sp_slow_handler *slow, void *arg)
{
    CHECK(arg == &told);
    told.last = *slow;
    atomic_fetch_add(&told.calls, 1);
}

static void slow_told(sp_duration every, int calls, uint64_t omitted)
{
    memset(&told, 0, sizeof(told));
    slow_ref slow = slow_begin((struct sp_scheduling){ .handler_deadline = sp_ms(1),
                                                       .slow_after = sp_ms(1),
                                                       .on_slow = on_slow,
                                                       .on_slow_arg = &told,
                                                       .slow_every = every });
    bool cancelled;
    int computed;
    for (int i = 0; i < 3; i++)
        CHECK_OK(compute(slow, &computed));
    CHECK_OK(slow_ask(slow, &(sp_empty){ 0 }, &cancelled, WORLD_PATIENCE));
    CHECK_INT(atomic_load(&told.calls), calls);
    CHECK(sp_pid_equal(told.last.pid, slow.pid));
    CHECK_STR(told.last.operation, "compute");
    CHECK(told.last.took.ns >= SP_NS_PER_MS);
    CHECK_INT(told.last.omitted, omitted);
    world_close();
}

TEST(slow_handlers_are_told)
{
    slow_told(sp_ms(-1), 3, 0);
}

TEST(slow_handlers_are_told_once_in_a_while)
{
    slow_told(sp_sec(3600), 1, 0);
}
