/* The checker against itself: on random small programs, the clever way through the executions and
 * the naive one must find the same set. */
#include "model.h"

#include "support/test.h"

#include <stdio.h>

enum { RANDOM_THREADS = 3, RANDOM_OPS = 4, RANDOM_PLACES = 2, RANDOM_PROGRAMS = 1000 };

enum random_kind { RANDOM_LOAD, RANDOM_STORE, RANDOM_ADD, RANDOM_SWAP, RANDOM_FENCE, RANDOM_KINDS };

struct random_op {
    enum random_kind kind;
    int place;
    int order;
    bool guarded; /* only if the last read of the thread was not 0 */
};

static struct {
    struct random_op ops[RANDOM_THREADS][RANDOM_OPS];
    int count[RANDOM_THREADS];
} program;

static struct {
    _Atomic int places[RANDOM_PLACES];
} shared;

static uint64_t random_state;

static int random_below(int n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)((random_state >> 33) % (uint64_t)n);
}

static int random_order(enum random_kind kind)
{
    static const int loads[] = { memory_order_relaxed, memory_order_acquire, memory_order_seq_cst };
    static const int stores[] = { memory_order_relaxed, memory_order_release,
                                  memory_order_seq_cst };
    static const int both[] = { memory_order_relaxed, memory_order_acquire, memory_order_release,
                                memory_order_acq_rel, memory_order_seq_cst };
    switch (kind) {
    case RANDOM_LOAD:
        return loads[random_below(3)];
    case RANDOM_STORE:
        return stores[random_below(3)];
    case RANDOM_FENCE:
        return both[1 + random_below(4)];
    default:
        return both[random_below(5)];
    }
}

static void random_program(uint64_t seed)
{
    random_state = seed;
    for (int t = 0; t < RANDOM_THREADS; t++) {
        program.count[t] = 1 + random_below(RANDOM_OPS);
        for (int i = 0; i < program.count[t]; i++) {
            enum random_kind kind = (enum random_kind)random_below(RANDOM_KINDS);
            program.ops[t][i] = (struct random_op){
                .kind = kind,
                .place = random_below(RANDOM_PLACES),
                .order = random_order(kind),
                .guarded = random_below(4) == 0,
            };
        }
    }
}

/* A new value, so that every write can be told from others. */
static int random_step(const struct random_op *op, int value)
{
    _Atomic int *at = &shared.places[op->place];
    int expected = 0;
    switch (op->kind) {
    case RANDOM_LOAD:
        return atomic_load_explicit(at, op->order);
    case RANDOM_STORE:
        atomic_store_explicit(at, value, op->order);
        return 1;
    case RANDOM_ADD:
        return atomic_fetch_add_explicit(at, 1, op->order);
    case RANDOM_SWAP:
        return atomic_compare_exchange_strong_explicit(at, &expected, value, op->order,
                                                       memory_order_relaxed);
    default:
        atomic_thread_fence(op->order);
        return 1;
    }
}

static void random_run(int thread)
{
    int last = 1;
    for (int i = 0; i < program.count[thread]; i++) {
        const struct random_op *op = &program.ops[thread][i];
        if (op->guarded && last == 0)
            continue;
        last = random_step(op, (thread + 1) * 16 + i + 1);
    }
}

static void random_a(void)
{
    random_run(0);
}
static void random_b(void)
{
    random_run(1);
}
static void random_c(void)
{
    random_run(2);
}

TEST(both_ways_find_the_same_executions_of_random_programs)
{
    struct model model = { .name = "random",
                           .state = &shared,
                           .state_size = sizeof(shared),
                           .threads = { random_a, random_b, random_c },
                           .thread_names = { "A", "B", "C" } };
    static struct model_result naive, result;
    uint64_t executions = 0;
    uint64_t runs = 0;
    uint64_t naive_runs = 0;
    int compared = 0;
    for (uint64_t seed = 1; seed <= RANDOM_PROGRAMS; seed++) {
        random_program(seed);
        model_explore(&model, &(struct model_options){ .executions_max = 2000 }, &result);
        if (result.verdict != MODEL_COMPLETE)
            continue;
        model_explore(&model, &(struct model_options){ .naive = true }, &naive);
        if (result.executions != naive.executions || result.fingerprint != naive.fingerprint)
            FAIL("seed %llu: %llu executions, the naive way %llu", (unsigned long long)seed,
                 (unsigned long long)result.executions, (unsigned long long)naive.executions);
        compared++;
        executions += result.executions;
        runs += result.runs;
        naive_runs += naive.runs;
    }
    printf("%d programs: %llu executions, %llu runs (naive: %llu)\n", compared,
           (unsigned long long)executions, (unsigned long long)runs,
           (unsigned long long)naive_runs);
    CHECK(compared > RANDOM_PROGRAMS / 2);
}
