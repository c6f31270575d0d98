/* Workloads of time: a million timers, and who gets a turn beside endless loops. */
#include "bench.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* ---- timers ----------------------------------------------------------------------------- */

enum {
    LATE_STEP_NS = 10000,
    LATE_STEPS = 200001, /* of 10 us: 2 s, and one for all above */
    /* Who arms gives way now and then, as in every long loop: every 20 us. */
    ARM_SLICE = 100,
};

struct clockwork_args {
    sp_pid main;
    int64_t expected;
    uint32_t *late; /* LATE_STEPS counts */
};
struct clockwork_tick {
    int64_t due_ns;
};
SP_SERVER(clockwork, struct clockwork_args);
SP_CAST(clockwork, tick, struct clockwork_tick);

struct clockwork {
    struct clockwork_args args;
};

static sp_err clockwork_init(struct clockwork *self, const struct clockwork_args *args)
{
    self->args = *args;
    return SP_OK;
}

static void clockwork_on_tick(struct clockwork *self, const struct clockwork_tick *in)
{
    int64_t late_ns = bench_now_ns() - in->due_ns;
    int64_t step = late_ns < 0 ? 0 : late_ns / LATE_STEP_NS;
    self->args.late[step < LATE_STEPS ? step : LATE_STEPS - 1]++;
    if (--self->args.expected == 0)
        bench_must(bench_done_send(self->args.main, &(struct bench_done){ 0 }), "done");
}

SP_STATE(clockwork, struct clockwork);
SP_ON_INIT(clockwork);
SP_ON_CAST(clockwork, tick);
SP_CLASS(clockwork, .init = clockwork__init);

/* The lateness that `rank` of the ticks did not exceed. Units: milliseconds. */
static double late_at(const uint32_t *late, int64_t rank)
{
    int64_t seen = 0;
    int step = 0;
    while (step < LATE_STEPS && (seen += late[step]) < rank)
        step++;
    return (step + 1) * (LATE_STEP_NS / 1e6);
}

static void timers_arm(clockwork_ref clockwork, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t after_ns = (int64_t)(sp_random() % (uint64_t)(2 * SP_NS_PER_S));
        struct clockwork_tick tick = { bench_now_ns() + after_ns };
        struct sp_timer_options when = { .after = sp_ns(after_ns) };
        bench_must(clockwork_tick_timer(clockwork, &tick, &when, NULL), "arming");
        if (i % ARM_SLICE == ARM_SLICE - 1)
            sp_yield();
    }
}

static void timers_run(const struct bench_options *options)
{
    int64_t count = (int64_t)bench_size(options, 1000000);
    uint32_t *late = calloc(LATE_STEPS, sizeof *late);
    if (!late)
        bench_fail("no memory");
    struct clockwork_args args = { .main = sp_self(), .expected = count, .late = late };
    struct sp_server_options unbounded = { .spawn.mailbox_max = SP_MAILBOX_UNBOUNDED };
    clockwork_ref clockwork;
    bench_must(clockwork_start(&args, &unbounded, &clockwork), "starting");
    double cpu_s = bench_cpu_s();
    int64_t start_ns = bench_now_ns();
    timers_arm(clockwork, count);
    int64_t armed_ns = bench_now_ns();
    bench_await(1);
    int64_t end_ns = bench_now_ns();
    bench_out("cpu_s", bench_cpu_s() - cpu_s);
    bench_out("p50_late_ms", late_at(late, count / 2));
    bench_out("p99_late_ms", late_at(late, count * 99 / 100));
    bench_out("max_late_ms", late_at(late, count));
    bench_out("arm_ns_per_timer", (double)(armed_ns - start_ns) / (double)count);
    bench_out("wall_s", (double)(end_ns - start_ns) / 1e9);
    free(late);
}

/* ---- cancelling -------------------------------------------------------------------------- */

/* Armed, all of them, and then cancelled in the same order: timeouts that hardly ever fire. */
static void timer_cancel_run(const struct bench_options *options)
{
    size_t count = bench_size(options, 1000000);
    sp_timer *timers = calloc(count, sizeof *timers);
    if (!timers)
        bench_fail("no memory");
    struct bench_done payload = { 0 };
    int64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < count; i++) {
        struct sp_timer_options when = { .after = sp_ms(30000 + (int64_t)(sp_random() % 30000)) };
        bench_must(sp_timer_start(sp_self(), &bench_done_type, &payload, &when, &timers[i]),
                   "arming");
    }
    int64_t armed_ns = bench_now_ns();
    for (size_t i = 0; i < count; i++)
        bench_must(sp_timer_cancel(timers[i], NULL), "cancelling");
    int64_t end_ns = bench_now_ns();
    bench_out("arm_ns_per_timer", (double)(armed_ns - start_ns) / (double)count);
    bench_out("cancel_ns_per_timer", (double)(end_ns - armed_ns) / (double)count);
    free(timers);
}

/* ---- fairness ----------------------------------------------------------------------------- */

enum { TRIPS_MAX = 64 << 20 };

/* Shared by the processes of the run and the thread that looks at the clock. */
static struct {
    _Atomic bool stop;
    _Atomic uint64_t trips;
    float *us; /* of each round trip */
} fair;

static void spin_run(void *arg)
{
    (void)arg;
    /* relaxed: nothing is passed along with it. */
    while (!atomic_load_explicit(&fair.stop, memory_order_relaxed))
        continue;
}

struct echo {
    sp_pid from;
};
SP_MESSAGE(echo, struct echo);

static void echo_run(void *arg)
{
    (void)arg;
    for (;;) {
        struct sp_message *message = NULL;
        bench_must(sp_receive(sp_never(), &message), "receiving");
        /* At the end the other one may have stopped before. */
        sp_ignore(echo_send(echo_of(message)->from, &(struct echo){ sp_self() }));
        sp_message_free(message);
    }
}

static void trips_run(void *arg)
{
    sp_pid echo = *(const sp_pid *)arg;
    while (!atomic_load_explicit(&fair.stop, memory_order_relaxed)) {
        int64_t start_ns = bench_now_ns();
        struct sp_message *message = NULL;
        sp_err err = echo_send(echo, &(struct echo){ sp_self() });
        if (err == SP_ERR_NOPROC && atomic_load_explicit(&fair.stop, memory_order_relaxed))
            return; /* at the end the other one may go first */
        bench_must(err, "a trip");
        bench_must(sp_receive(sp_never(), &message), "receiving");
        sp_message_free(message);
        /* The only writer; release: pairs with the acquire of the reader. */
        uint64_t n = atomic_load_explicit(&fair.trips, memory_order_relaxed);
        if (n < TRIPS_MAX)
            fair.us[n] = (float)(bench_now_ns() - start_ns) / 1000;
        atomic_store_explicit(&fair.trips, n + 1, memory_order_release);
    }
}

static int trip_compare(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

static void fair_out(uint64_t trips)
{
    if (trips == 0) {
        bench_out_word("p50_us", "starved");
        return;
    }
    uint64_t kept = trips < TRIPS_MAX ? trips : TRIPS_MAX;
    qsort(fair.us, kept, sizeof fair.us[0], trip_compare);
    bench_out("p50_us", (double)fair.us[kept / 2]);
    bench_out("p99_us", (double)fair.us[kept * 99 / 100]);
    bench_out("max_us", (double)fair.us[kept - 1]);
    uint64_t over = 0;
    double stalled_us = 0;
    for (; over < kept && fair.us[kept - 1 - over] > 1000; over++)
        stalled_us += (double)fair.us[kept - 1 - over];
    bench_out("over_1ms", (double)over);
    bench_out("stalled_ms", stalled_us / 1000);
    bench_out("round_trips", (double)trips);
}

static void wait_ms(int64_t ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    while (nanosleep(&left, &left) != 0)
        continue;
}

/* On the program's own thread, whose clock goes on whatever the workers do. */
static void fairness_raw(const struct bench_options *options)
{
    int64_t ms = (int64_t)(options->seconds ? options->seconds : 3) * 1000;
    struct sp_runtime *runtime = NULL;
    struct sp_runtime_options create = { .workers = options->workers };
    fair.us = calloc(TRIPS_MAX, sizeof fair.us[0]); /* only what is used costs memory */
    if (!fair.us)
        bench_fail("no memory");
    bench_must(sp_runtime_create(&create, &runtime), "creating the runtime");
    bench_must(sp_thread_attach(runtime), "attaching");
    for (uint32_t i = 0; i < options->workers; i++)
        bench_must(sp_spawn(spin_run, NULL, NULL, NULL), "spawning a loop");
    wait_ms(100);
    sp_pid echo;
    bench_must(sp_spawn(echo_run, NULL, NULL, &echo), "spawning the echo");
    struct sp_spawn_options spawn = { .arg_size = sizeof echo };
    bench_must(sp_spawn(trips_run, &echo, &spawn, NULL), "spawning the other");
    wait_ms(ms);
    uint64_t trips = atomic_load_explicit(&fair.trips, memory_order_acquire);
    /* What is under way ends before anybody looks at the figures: the runtime ends first. */
    struct sp_stats stats;
    sp_runtime_stats(runtime, &stats);
    atomic_store_explicit(&fair.stop, true, memory_order_relaxed);
    sp_thread_detach();
    bench_must(sp_runtime_destroy(runtime, sp_after_sec(10), NULL), "stopping");
    fair_out(trips);
    bench_out("handoffs", (double)stats.handoffs); /* more than workers: not of the loops alone */
    free(fair.us);
}

const struct bench_workload bench_timing[] = {
    { .name = "timers",
      .about = "1,000,000 timers of 0 to 2 s, each a message to one server",
      .run = timers_run },
    { .name = "timer_cancel",
      .about = "1,000,000 timers of 30 to 60 s, armed and then cancelled",
      .run = timer_cancel_run },
    { .name = "fairness",
      .about = "as many endless loops as workers, a pair of processes plays pingpong for 3 s",
      .raw = fairness_raw },
    { .name = NULL },
};
