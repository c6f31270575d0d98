/* The floor: what the machine takes for the steps that a message between processes is made of,
 * in bare loops without a runtime. A workload is to be read beside these, of the same minute.
 *
 * Only `fairness_floor` depends on the number of workers. The loops with two threads keep each on
 * a processor of its own and say `one_cpu` where there is only one.
 *
 * Neighbours: bench.h; runtime/fiber_switch.h, whose switch is measured.
 */
#include "bench.h"

#include "runtime/fiber_switch.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- a hop: one message through an intrusive queue, on one thread ------------------------- */

/* What every mailbox that other threads may write to does at least, and nothing else. The
 * sender takes a message from a free list, fills it in and exchanges it into the queue; what
 * it gets back tells that the receiver slept, so it puts it into the run queue. The loop takes
 * the receiver from there, it takes the message, its handler sends the next one, the message
 * before is freed, and a compare-and-exchange says that the queue is empty and it sleeps. */

struct floor_message {
    struct floor_message *_Atomic next;
    int64_t left;
};

struct floor_actor {
    _Atomic uintptr_t last;      /* a message, FLOOR_ASLEEP set when all are taken */
    struct floor_message *first; /* the receiver's: the one taken last */
    struct floor_actor *runs_next;
    struct floor_actor *peer;
    void (*handler)(struct floor_actor *self, int64_t left);
    struct floor_message stub;
};

#define FLOOR_ASLEEP ((uintptr_t)1)

static struct {
    struct floor_message *free;
    struct floor_actor *run_first;
    struct floor_actor *run_last;
    bool done;
} hop;

static void hop_free(struct floor_message *message)
{
    /* relaxed: the free list is this thread's. */
    atomic_store_explicit(&message->next, hop.free, memory_order_relaxed);
    hop.free = message;
}

static void hop_schedule(struct floor_actor *actor)
{
    actor->runs_next = NULL;
    if (hop.run_last)
        hop.run_last->runs_next = actor;
    else
        hop.run_first = actor;
    hop.run_last = actor;
}

static void hop_send(struct floor_actor *to, int64_t left)
{
    struct floor_message *message = hop.free;
    hop.free = atomic_load_explicit(&message->next, memory_order_relaxed);
    message->left = left;
    atomic_store_explicit(&message->next, NULL, memory_order_relaxed);
    /* acq_rel, then release: what a sender on another thread needs. Partner: hop_turn. */
    uintptr_t last = atomic_exchange_explicit(&to->last, (uintptr_t)message, memory_order_acq_rel);
    struct floor_message *before = (struct floor_message *)(last & ~FLOOR_ASLEEP);
    atomic_store_explicit(&before->next, message, memory_order_release);
    if (last & FLOOR_ASLEEP)
        hop_schedule(to);
}

/* One turn of an actor that has a message. */
static void hop_turn(struct floor_actor *self)
{
    struct floor_message *before = self->first;
    /* acquire: pairs with the release in hop_send. */
    struct floor_message *message = atomic_load_explicit(&before->next, memory_order_acquire);
    self->first = message;
    hop_free(before);
    self->handler(self, message->left);
    /* release: whoever wakes it sees what the turn wrote. Partner: the exchange in hop_send. */
    uintptr_t last = (uintptr_t)message;
    if (!atomic_compare_exchange_strong_explicit(&self->last, &last, last | FLOOR_ASLEEP,
                                                 memory_order_release, memory_order_relaxed))
        hop_schedule(self);
}

static void hop_handler(struct floor_actor *self, int64_t left)
{
    if (left == 0)
        hop.done = true;
    else
        hop_send(self->peer, left - 1);
}

static void hop_loop(void)
{
    while (!hop.done) {
        struct floor_actor *self = hop.run_first;
        hop.run_first = self->runs_next;
        if (!hop.run_first)
            hop.run_last = NULL;
        hop_turn(self);
    }
}

static void floor_hop_raw(const struct bench_options *options)
{
    int64_t hops = (int64_t)bench_size(options, 10000000);
    static struct floor_actor pair[2];
    static struct floor_message spare[2];
    for (int i = 0; i < 2; i++) {
        pair[i].handler = hop_handler;
        pair[i].peer = &pair[1 - i];
        pair[i].first = &pair[i].stub;
        atomic_init(&pair[i].last, (uintptr_t)&pair[i].stub | FLOOR_ASLEEP);
        hop_free(&spare[i]);
    }
    int64_t start_ns = bench_now_ns();
    hop_send(&pair[0], hops);
    hop_loop();
    bench_out("ns_per_hop", (double)(bench_now_ns() - start_ns) / (double)hops);
}

/* ---- a switch between two stacks ------------------------------------------------------------ */

struct floor_switch {
    struct sp__fiber *home;
    struct sp__fiber *away;
};

static void switch_loop(void *arg)
{
    struct floor_switch *self = arg;
    for (;;)
        sp__fiber_switch_inline(self->away, self->home);
}

static void floor_switch_raw(const struct bench_options *options)
{
    int64_t count = (int64_t)bench_size(options, 10000000);
    struct sp__fiber_pool *pool = NULL;
    struct floor_switch both = { 0 };
    bench_must(sp__fiber_pool_create(NULL, &pool), "creating a pool of fibers");
    both.home = sp__fiber_adopt();
    both.away = sp__fiber_get(pool, switch_loop, &both);
    if (!both.home || !both.away)
        bench_fail("no memory");
    int64_t start_ns = bench_now_ns();
    for (int64_t i = 0; i < count; i++)
        sp__fiber_switch_inline(both.home, both.away);
    double ns = (double)(bench_now_ns() - start_ns);
    bench_out("ns_per_switch", ns / (2 * (double)count));
    sp__fiber_put(pool, both.away);
    sp__fiber_release(both.home);
    sp__fiber_pool_destroy(pool);
}

/* ---- two threads on two processors ------------------------------------------------------------ */

enum { FLOOR_LINE = 64 };

/* A number that the two sides raise in turn: even, it is the first's turn. */
static struct {
    _Alignas(FLOOR_LINE) _Atomic uint32_t turn;
    _Alignas(FLOOR_LINE) int64_t rounds;
    cpu_set_t cpus[2];
} pass;

/* The first two processors this program may use. False: there is only one. */
static bool pass_cpus_find(void)
{
    cpu_set_t all;
    int found = 0;
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        bench_fail("no processor to run on");
    for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        CPU_ZERO(&pass.cpus[found]);
        CPU_SET(cpu, &pass.cpus[found]);
        found++;
    }
    return found == 2;
}

static void pass_pin(int side)
{
    if (pthread_setaffinity_np(pthread_self(), sizeof pass.cpus[side], &pass.cpus[side]) != 0)
        bench_fail("a thread cannot be kept on a processor");
}

/* One side of floor_line: acquire and release pair with each other across the sides. */
static void line_side(uint32_t side)
{
    for (int64_t i = 0; i < pass.rounds; i++) {
        uint32_t mine = (uint32_t)(2 * i) + side;
        while (atomic_load_explicit(&pass.turn, memory_order_acquire) != mine)
            continue;
        atomic_store_explicit(&pass.turn, mine + 1, memory_order_release);
    }
}

static void turn_futex(int operation, uint32_t value)
{
    syscall(SYS_futex, &pass.turn, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* The same where each side sleeps until it is woken. */
static void wake_side(uint32_t side)
{
    for (int64_t i = 0; i < pass.rounds; i++) {
        uint32_t mine = (uint32_t)(2 * i) + side;
        uint32_t seen;
        while ((seen = atomic_load_explicit(&pass.turn, memory_order_acquire)) != mine)
            turn_futex(FUTEX_WAIT, seen);
        atomic_store_explicit(&pass.turn, mine + 1, memory_order_release);
        turn_futex(FUTEX_WAKE, 1);
    }
}

typedef void (*floor_side_fn)(uint32_t side);

static void *pass_second(void *arg)
{
    pass_pin(1);
    (*(const floor_side_fn *)arg)(1);
    return NULL;
}

static void pass_run(floor_side_fn side, uint64_t rounds)
{
    pthread_t second;
    pass.rounds = (int64_t)rounds;
    if (!pass_cpus_find()) {
        bench_out_word("ns_per_round_trip", "one_cpu");
        return;
    }
    pass_pin(0);
    if (pthread_create(&second, NULL, pass_second, &side) != 0)
        bench_fail("no thread");
    int64_t start_ns = bench_now_ns();
    side(0);
    pthread_join(second, NULL);
    bench_out("ns_per_round_trip", (double)(bench_now_ns() - start_ns) / (double)rounds);
}

static void floor_line_raw(const struct bench_options *options)
{
    pass_run(line_side, bench_size(options, 1000000));
}

static void floor_wake_raw(const struct bench_options *options)
{
    pass_run(wake_side, bench_size(options, 20000));
}

/* ---- the C library -------------------------------------------------------------------------------- */

static void floor_malloc_raw(const struct bench_options *options)
{
    int64_t count = (int64_t)bench_size(options, 10000000);
    int64_t start_ns = bench_now_ns();
    for (int64_t i = 0; i < count; i++) {
        void *volatile memory = malloc(64);
        free(memory);
    }
    bench_out("ns_per_pair", (double)(bench_now_ns() - start_ns) / (double)count);
}

static void floor_clock_raw(const struct bench_options *options)
{
    int64_t count = (int64_t)bench_size(options, 10000000);
    int64_t start_ns = bench_now_ns();
    int64_t now_ns = start_ns;
    for (int64_t i = 0; i < count; i++)
        now_ns = bench_now_ns();
    bench_out("ns_per_read", (double)(now_ns - start_ns) / (double)count);
}

/* ---- how long the machine lets a thread wait ------------------------------------------------------ */

/* `fairness` has as many loops as workers at the lowest priority, once they are handed off. A
 * thread that never gives way has beside them the pauses that no runtime can avoid: those of
 * other programs, of the kernel and of the host. */

static _Atomic bool pause_stop;

static void *pause_spin(void *arg)
{
    (void)arg;
    struct sched_param none = { 0 };
    if (sched_setscheduler(0, SCHED_IDLE, &none) != 0) /* of this thread */
        bench_fail("no lowest priority");
    /* relaxed: nothing is passed along with it. */
    while (!atomic_load_explicit(&pause_stop, memory_order_relaxed))
        continue;
    return NULL;
}

static void pause_measure(int64_t end_ns)
{
    int64_t longest_ns = 0;
    int64_t over = 0;
    int64_t stalled_ns = 0;
    for (int64_t last_ns = bench_now_ns(); last_ns < end_ns;) {
        int64_t now_ns = bench_now_ns();
        int64_t pause_ns = now_ns - last_ns;
        longest_ns = pause_ns > longest_ns ? pause_ns : longest_ns;
        if (pause_ns > 1000000) {
            over++;
            stalled_ns += pause_ns;
        }
        last_ns = now_ns;
    }
    bench_out("max_us", (double)longest_ns / 1000);
    bench_out("over_1ms", (double)over);
    bench_out("stalled_ms", (double)stalled_ns / 1e6);
}

static void fairness_floor_raw(const struct bench_options *options)
{
    int64_t seconds = (int64_t)(options->seconds ? options->seconds : 3);
    pthread_t *loops = calloc(options->workers, sizeof *loops);
    if (!loops)
        bench_fail("no memory");
    for (uint32_t i = 0; i < options->workers; i++)
        if (pthread_create(&loops[i], NULL, pause_spin, NULL) != 0)
            bench_fail("no thread");
    pause_measure(bench_now_ns() + seconds * 1000000000);
    atomic_store_explicit(&pause_stop, true, memory_order_relaxed);
    for (uint32_t i = 0; i < options->workers; i++)
        pthread_join(loops[i], NULL);
    free(loops);
}

const struct bench_workload bench_floor[] = {
    { .name = "floor_hop",
      .about = "no runtime: a message through an intrusive queue on one thread",
      .raw = floor_hop_raw },
    { .name = "floor_switch",
      .about = "no runtime: a switch to another stack",
      .raw = floor_switch_raw },
    { .name = "floor_line",
      .about = "no runtime: a cache line to another processor and back, both spinning",
      .raw = floor_line_raw },
    { .name = "floor_wake",
      .about = "no runtime: a sleeping thread on another processor woken, and back",
      .raw = floor_wake_raw },
    { .name = "floor_malloc",
      .about = "no runtime: malloc and free of 64 bytes",
      .raw = floor_malloc_raw },
    { .name = "floor_clock",
      .about = "no runtime: a reading of the monotonic clock",
      .raw = floor_clock_raw },
    { .name = "fairness_floor",
      .about = "no runtime: a thread reads the clock for 3 s beside as many idle-priority loops as "
               "workers",
      .raw = fairness_floor_raw },
    { .name = NULL },
};
