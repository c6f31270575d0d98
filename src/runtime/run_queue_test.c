/* The run queue: order, spilling, stealing, and nothing lost or doubled under contention. */
#include "runtime/run_queue.h"

#include "support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

/* Items are addresses in here; the index says which. */
static char items[1024];

static void push(struct sp__run_queue *queue, int i)
{
    void *spill[SP__RUN_QUEUE_SPILL];
    CHECK_INT(sp__run_queue_push(queue, &items[i], spill), 0);
}

TEST(run_queue_when_empty_gives_nothing)
{
    static struct sp__run_queue a, b;
    sp__run_queue_init(&a);
    sp__run_queue_init(&b);
    CHECK_PTR(sp__run_queue_pop(&a), NULL);
    CHECK_PTR(sp__run_queue_steal(&a, &b), NULL);
    CHECK_INT(sp__run_queue_length(&a), 0);
}

TEST(run_queue_pops_in_order_through_many_wraps)
{
    static struct sp__run_queue queue;
    sp__run_queue_init(&queue);
    for (int round = 0; round < 1000; round++) {
        int count = round % SP__RUN_QUEUE_SIZE + 1;
        for (int i = 0; i < count; i++)
            push(&queue, i);
        CHECK_INT(sp__run_queue_length(&queue), count);
        for (int i = 0; i < count; i++)
            CHECK_PTR(sp__run_queue_pop(&queue), &items[i]);
        CHECK_PTR(sp__run_queue_pop(&queue), NULL);
    }
}

TEST(run_queue_push_when_full_spills_the_older_half_and_the_item)
{
    static struct sp__run_queue queue;
    void *spill[SP__RUN_QUEUE_SPILL];
    int half = SP__RUN_QUEUE_SIZE / 2;
    sp__run_queue_init(&queue);
    for (int i = 0; i < SP__RUN_QUEUE_SIZE; i++)
        push(&queue, i);
    CHECK_INT(sp__run_queue_push(&queue, &items[999], spill), SP__RUN_QUEUE_SPILL);
    for (int i = 0; i < half; i++)
        CHECK_PTR(spill[i], &items[i]);
    CHECK_PTR(spill[half], &items[999]);
    CHECK_INT(sp__run_queue_length(&queue), half);
    for (int i = half; i < SP__RUN_QUEUE_SIZE; i++)
        CHECK_PTR(sp__run_queue_pop(&queue), &items[i]);
    CHECK_PTR(sp__run_queue_pop(&queue), NULL);
}

TEST(run_queue_push_many_takes_what_fits)
{
    static struct sp__run_queue queue;
    void *many[300];
    sp__run_queue_init(&queue);
    for (int i = 0; i < 300; i++)
        many[i] = &items[i + 100];
    for (int i = 0; i < 100; i++)
        push(&queue, i);
    CHECK_INT(sp__run_queue_push_many(&queue, many, 300), SP__RUN_QUEUE_SIZE - 100);
    CHECK_INT(sp__run_queue_push_many(&queue, many, 1), 0);
    for (int i = 0; i < SP__RUN_QUEUE_SIZE; i++)
        CHECK_PTR(sp__run_queue_pop(&queue), &items[i]);
    CHECK_PTR(sp__run_queue_pop(&queue), NULL);
}

TEST(run_queue_steal_takes_the_older_half_rounded_up)
{
    for (int count = 1; count <= SP__RUN_QUEUE_SIZE; count++) {
        static struct sp__run_queue from, into;
        int taken = (count + 1) / 2;
        sp__run_queue_init(&from);
        sp__run_queue_init(&into);
        for (int i = 0; i < count; i++)
            push(&from, i);
        CHECK_PTR(sp__run_queue_steal(&into, &from), &items[0]);
        CHECK_INT(sp__run_queue_length(&into), taken - 1);
        CHECK_INT(sp__run_queue_length(&from), count - taken);
        for (int i = 1; i < taken; i++)
            CHECK_PTR(sp__run_queue_pop(&into), &items[i]);
        for (int i = taken; i < count; i++)
            CHECK_PTR(sp__run_queue_pop(&from), &items[i]);
        CHECK_PTR(sp__run_queue_pop(&into), NULL);
        CHECK_PTR(sp__run_queue_pop(&from), NULL);
    }
}

TEST(run_queue_steal_into_a_half_full_queue_keeps_both_orders)
{
    static struct sp__run_queue from, into;
    int half = SP__RUN_QUEUE_SIZE / 2;
    sp__run_queue_init(&from);
    sp__run_queue_init(&into);
    for (int i = 0; i < half; i++)
        push(&into, 500 + i);
    for (int i = 0; i < SP__RUN_QUEUE_SIZE; i++)
        push(&from, i);
    CHECK_PTR(sp__run_queue_steal(&into, &from), &items[0]);
    for (int i = 0; i < half; i++)
        CHECK_PTR(sp__run_queue_pop(&into), &items[500 + i]);
    for (int i = 1; i < half; i++)
        CHECK_PTR(sp__run_queue_pop(&into), &items[i]);
}

/* --- stress: every job is run exactly once, and its runner sees what was written before -------- */

enum { THIEVES = 3 };

struct job {
    long payload; /* plain on purpose: the queue alone orders it */
    int runs;
};

struct arena {
    struct sp__run_queue queues[THIEVES + 1]; /* the owner's is the last */
    struct job *jobs;
    long count;
    _Atomic long done;
};

struct thief {
    struct arena *arena;
    int self;
};

static void arena_run(struct arena *arena, void *item)
{
    struct job *job = item;
    CHECK_INT(job->payload, job - arena->jobs + 1);
    CHECK_INT(job->runs++, 0);
    atomic_fetch_add_explicit(&arena->done, 1, memory_order_relaxed);
}

static bool arena_finished(struct arena *arena)
{
    return atomic_load_explicit(&arena->done, memory_order_relaxed) == arena->count;
}

/* Steals from the owner and from the other thieves, runs what it got. */
static void *thief_main(void *arg)
{
    struct thief *thief = arg;
    struct arena *arena = thief->arena;
    struct sp__run_queue *own = &arena->queues[thief->self];
    for (int victim = 0; !arena_finished(arena); victim = (victim + 1) % (THIEVES + 1)) {
        void *item = sp__run_queue_pop(own);
        if (item == NULL && victim != thief->self)
            item = sp__run_queue_steal(own, &arena->queues[victim]);
        if (item != NULL)
            arena_run(arena, item);
        else
            sched_yield();
    }
    return NULL;
}

static void owner_push(struct arena *arena, struct job *job)
{
    void *spill[SP__RUN_QUEUE_SPILL];
    size_t spilled = sp__run_queue_push(&arena->queues[THIEVES], job, spill);
    for (size_t i = 0; i < spilled; i++)
        arena_run(arena, spill[i]);
}

static void owner_main(struct arena *arena)
{
    for (long i = 0; i < arena->count; i++) {
        arena->jobs[i].payload = i + 1;
        owner_push(arena, &arena->jobs[i]);
        if (i / 300 % 2 == 0 && i % 3 == 0) { /* bursts: full at times, nearly empty at others */
            void *item = sp__run_queue_pop(&arena->queues[THIEVES]);
            if (item != NULL)
                arena_run(arena, item);
        }
    }
    while (!arena_finished(arena)) {
        void *item = sp__run_queue_pop(&arena->queues[THIEVES]);
        if (item != NULL)
            arena_run(arena, item);
        else
            sched_yield();
    }
}

TEST(run_queue_with_thieves_runs_every_job_once)
{
    static struct arena arena;
    struct thief thieves[THIEVES];
    pthread_t threads[THIEVES];
    arena.count = sp_test_slow() ? 200000 : 2000000;
    arena.jobs = calloc((size_t)arena.count, sizeof(*arena.jobs));
    CHECK(arena.jobs != NULL);
    for (int i = 0; i <= THIEVES; i++)
        sp__run_queue_init(&arena.queues[i]);
    for (int i = 0; i < THIEVES; i++) {
        thieves[i] = (struct thief){ .arena = &arena, .self = i };
        CHECK_INT(pthread_create(&threads[i], NULL, thief_main, &thieves[i]), 0);
    }
    owner_main(&arena);
    for (int i = 0; i < THIEVES; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    for (long i = 0; i < arena.count; i++)
        CHECK_INT(arena.jobs[i].runs, 1);
    free(arena.jobs);
}
