/* Tests of runtime/fiber: switching, the pool, the caches, moves between threads.
 * Faults and stack traces are in fiber_fault_test.c. */
#include "runtime/fiber.h"

#include "runtime/fiber_hooks.h"
#include "support/run.h"
#include "support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

/* Only the assembly has it: how a test tells which switch is linked. */
extern void sp__fiber_context_start(void) __attribute__((weak));

/* Two fibers that meet: the one under test and whoever resumes it. */
struct bed {
    struct sp__fiber_pool *pool;
    struct sp__fiber_cache cache;
    struct sp__fiber *home;
};

static void bed_open(struct bed *bed, const struct sp__fiber_options *options)
{
    CHECK_OK(sp__fiber_pool_create(options, &bed->pool));
    sp__fiber_cache_init(&bed->cache, bed->pool);
    bed->home = sp__fiber_adopt();
    CHECK(bed->home != NULL);
}

static void bed_close(struct bed *bed)
{
    struct sp__fiber_pool_stats stats;
    sp__fiber_cache_finish(&bed->cache);
    sp__fiber_pool_read(bed->pool, &stats);
    CHECK_INT(stats.out, 0);
    sp__fiber_release(bed->home);
    sp__fiber_pool_destroy(bed->pool);
}

/* What most fibers of these tests get: where to go back to, and a number to play with. */
struct job {
    struct sp__fiber *self;
    struct sp__fiber *home;
    long value;
};

static void job_yield(struct job *job)
{
    sp__fiber_switch(job->self, job->home);
}

static void job_start(struct bed *bed, struct job *job, sp__fiber_fn fn)
{
    job->home = bed->home;
    job->self = sp__fiber_cache_get(&bed->cache, fn, job);
    CHECK(job->self != NULL);
}

static void job_resume(struct job *job)
{
    sp__fiber_switch(job->home, job->self);
}

static long resident_pages(void)
{
    long size = 0;
    long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL);
    CHECK_INT(fscanf(file, "%ld %ld", &size, &resident), 2);
    (void)fclose(file);
    return resident;
}

/* ---- switching -------------------------------------------------------------------- */

static void count_up(void *arg)
{
    struct job *job = arg;
    for (long i = 1;; i++) {
        CHECK_INT(job->value, i - 1);
        job->value = i;
        job_yield(job);
    }
}

TEST(fiber_switch_between_many_alternates)
{
    enum { FIBERS = 50, ROUNDS = 200 };
    struct bed bed;
    struct job jobs[FIBERS] = { 0 };
    bed_open(&bed, NULL);
    for (int i = 0; i < FIBERS; i++)
        job_start(&bed, &jobs[i], count_up);
    for (int round = 1; round <= ROUNDS; round++)
        for (int i = 0; i < FIBERS; i++) {
            job_resume(&jobs[i]);
            CHECK_INT(jobs[i].value, round);
        }
    for (int i = 0; i < FIBERS; i++)
        sp__fiber_cache_put(&bed.cache, jobs[i].self);
    bed_close(&bed);
}

/* Enough live values for every register that a callee keeps, integer and floating point. */
static NOINLINE long juggle(struct job *job, long s)
{
    long a = s + 1, b = s + 2, c = s + 3, d = s + 4, e = s + 5, f = s + 6, g = s + 7;
    double p = (double)s + 0.5, q = p + 1, r = p + 2, t = p + 3, u = p + 4, v = p + 5;
    for (int i = 0; i < 100; i++) {
        job_yield(job);
        a += b, b += c, c += d, d += e, e += f, f += g, g += 1;
        p += q, q += r, r += t, t += u, u += v, v += 1;
    }
    return a + b + c + d + e + f + g + (long)((p + q + r + t + u + v) / 1e6);
}

static void juggler(void *arg)
{
    struct job *job = arg;
    job->value = juggle(job, job->value);
    for (;;)
        job_yield(job);
}

TEST(fiber_switch_keeps_registers)
{
    struct bed bed;
    struct job one = { .value = 1 };
    struct job two = { .value = 1 };
    struct job other = { .value = 77777 };
    bed_open(&bed, NULL);
    job_start(&bed, &one, juggler);
    job_start(&bed, &two, juggler);
    job_start(&bed, &other, juggler);
    for (int i = 0; i <= 100; i++) { /* alone, with nothing in between */
        job_resume(&one);
        one.home = bed.home;
    }
    for (int i = 0; i <= 100; i++) { /* mixed with another's values */
        job_resume(&two);
        job_resume(&other);
    }
    CHECK(one.value != 1);
    CHECK_INT(two.value, one.value);
    CHECK(other.value != one.value);
    sp__fiber_cache_put(&bed.cache, one.self);
    sp__fiber_cache_put(&bed.cache, two.self);
    sp__fiber_cache_put(&bed.cache, other.self);
    bed_close(&bed);
}

/* The rounding mode stands for all floating-point modes: every tool knows it. */
#if defined(__x86_64__)
static unsigned rounding_get(void)
{
    unsigned mxcsr = 0;
    unsigned short fpucw = 0;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(fpucw));
    CHECK_INT(mxcsr >> 13 & 3, fpucw >> 10 & 3);
    return mxcsr >> 13 & 3;
}

static void rounding_set(unsigned mode)
{
    unsigned mxcsr = 0x1f80 | mode << 13;
    unsigned short fpucw = (unsigned short)(0x37f | mode << 10);
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(fpucw));
}
#elif defined(__aarch64__)
static unsigned rounding_get(void)
{
    uint64_t fpcr = 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr >> 22 & 3;
}

static void rounding_set(unsigned mode)
{
    uint64_t fpcr = (uint64_t)mode << 22;
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
}
#else
static unsigned rounding;
static unsigned rounding_get(void)
{
    return rounding;
}
static void rounding_set(unsigned mode)
{
    rounding = mode;
}
#endif

static void rounder(void *arg)
{
    struct job *job = arg;
    job->value = rounding_get();
    job_yield(job);
    rounding_set(2);
    for (;;) {
        job_yield(job);
        CHECK_INT(rounding_get(), 2);
    }
}

TEST(fiber_switch_keeps_floating_point_modes)
{
    struct bed bed;
    struct job job = { 0 };
    bed_open(&bed, NULL);
    rounding_set(1);
    job_start(&bed, &job, rounder);
    job_resume(&job);
    if (sp__fiber_context_start)
        CHECK_INT(job.value, 0); /* fresh: the default, not ours */
    for (unsigned mode = 0; mode < 4; mode++) {
        rounding_set(mode);
        job_resume(&job);
        CHECK_INT(rounding_get(), mode);
    }
    rounding_set(0);
    sp__fiber_cache_put(&bed.cache, job.self);
    bed_close(&bed);
}

static void stack_looker(void *arg)
{
    struct job *job = arg;
    char local = 0;
    void *low = NULL;
    void *high = NULL;
    sp__fiber_stack_bounds(job->self, &low, &high);
#if defined(__x86_64__) || defined(__aarch64__)
    CHECK_INT((uintptr_t)__builtin_frame_address(0) % 16, 0);
#endif
    CHECK(sp__fiber_contains(job->self, low));
    CHECK(sp__fiber_contains(job->self, (char *)high - 1));
    CHECK(!sp__fiber_contains(job->self, high));
    CHECK(!sp__fiber_contains(job->self, (char *)low - 1));
    CHECK(sp__fiber_guard_hit(job->self, (char *)low - 1));
    CHECK(!sp__fiber_guard_hit(job->self, low));
    CHECK(!sp__fiber_contains(job->home, low));
    CHECK(sp__fiber_contains(job->self, __builtin_frame_address(0)));
    job->value = (long)((char *)high - (char *)low);
    for (;;) {
        job_yield(job);
        local++;
    }
}

TEST(fiber_stack_is_aligned_and_knows_its_bounds)
{
    struct bed bed;
    struct job job = { 0 };
    struct sp__fiber_pool_stats stats;
    bed_open(&bed, &(struct sp__fiber_options){ .stack_size = 40000 });
    job_start(&bed, &job, stack_looker);
    job_resume(&job);
    sp__fiber_pool_read(bed.pool, &stats);
    CHECK_INT(job.value, stats.stack_size);
    CHECK(stats.stack_size >= 40000);
    CHECK(sp__fiber_contains(bed.home, __builtin_frame_address(0)));
    sp__fiber_cache_put(&bed.cache, job.self);
    bed_close(&bed);
}

/* ---- pool and cache --------------------------------------------------------------- */

TEST(fiber_pool_create_with_a_size_out_of_range_is_invalid)
{
    struct sp__fiber_pool *pool = NULL;
    CHECK_ERR(sp__fiber_pool_create(&(struct sp__fiber_options){ .stack_size = 1000 }, &pool),
              SP_ERR_INVALID);
    CHECK_ERR(
        sp__fiber_pool_create(&(struct sp__fiber_options){ .stack_size = (size_t)2 << 30 }, &pool),
        SP_ERR_INVALID);
    CHECK_PTR(pool, NULL);
    sp__fiber_pool_destroy(NULL);
    sp__fiber_release(NULL);
}

static void set_value(void *arg)
{
    struct job *job = arg;
    job->value++;
    for (;;)
        job_yield(job);
}

TEST(fiber_put_then_get_starts_afresh)
{
    struct bed bed;
    struct job one = { .value = 0 };
    struct job two = { .value = 100 };
    bed_open(&bed, NULL);
    job_start(&bed, &one, count_up);
    job_resume(&one);
    job_resume(&one);
    sp__fiber_cache_put(&bed.cache, one.self);
    job_start(&bed, &two, set_value);
    CHECK_PTR(two.self, one.self);
    job_resume(&two);
    CHECK_INT(two.value, 101);
    CHECK_INT(one.value, 2);
    sp__fiber_cache_put(&bed.cache, two.self);

    /* One never started is put back as well. */
    job_start(&bed, &two, set_value);
    sp__fiber_cache_put(&bed.cache, two.self);
    struct sp__fiber *direct = sp__fiber_get(bed.pool, set_value, &two);
    CHECK(direct != NULL);
    sp__fiber_put(bed.pool, direct);
    bed_close(&bed);
}

static NOINLINE long descend(struct job *job, int depth)
{
    volatile char frame[100];
    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = (char)depth;
    if (depth == 0)
        job_yield(job);
    else
        (void)descend(job, depth - 1);
    return frame[7] + frame[99];
}

static void diver(void *arg)
{
    struct job *job = arg;
    job->value += descend(job, 30);
    for (;;)
        job_yield(job);
}

/* Shadow stacks, fake stacks and records of a sanitizer must be dropped too. */
TEST(fiber_put_of_one_suspended_in_deep_frames_leaves_nothing_behind)
{
#if defined(SP__FIBER_TSAN) && !defined(__clang__)
    enum { TIMES = 2000 }; /* this runtime takes 0.5 ms to make and end a fiber */
#else
    enum { TIMES = 100000 };
#endif
    struct bed bed;
    struct job job = { 0 };
    bed_open(&bed, NULL);
    long before = 0;
    for (int i = 0; i < TIMES; i++) {
        job_start(&bed, &job, diver);
        job_resume(&job);
        sp__fiber_cache_put(&bed.cache, job.self);
        if (i == TIMES / 10)
            before = resident_pages();
    }
    CHECK_INT(job.value, 0);
    /* TSan's runtime itself keeps some 500 bytes for every thread or fiber there ever was. */
    CHECK(resident_pages() - before < TIMES / 4);
    bed_close(&bed);
}

TEST(fiber_live_ones_in_great_number_and_their_memory_returned)
{
    long n = sp_test_slow() ? 2000 : 100000;
    struct bed bed;
    struct sp__fiber_pool_stats stats;
    bed_open(&bed, &(struct sp__fiber_options){ .keep_max = 16 });
    sp__fiber_pool_read(bed.pool, &stats);
    if (stats.guards_map && n > 20000)
        n = 20000;
    struct job *jobs = calloc((size_t)n, sizeof *jobs);
    CHECK(jobs != NULL);
    long before = resident_pages();
    for (long i = 0; i < n; i++) {
        job_start(&bed, &jobs[i], count_up);
        job_resume(&jobs[i]);
    }
    for (long i = 0; i < n; i += 7)
        job_resume(&jobs[i]);
    long live = resident_pages() - before;
    CHECK(live >= n);
    if (!sp_test_slow())
        CHECK(live < 2 * n); /* a page of stack each, and little more */
    for (long i = 0; i < n; i++)
        CHECK_INT(jobs[i].value, i % 7 == 0 ? 2 : 1);
    for (long i = 0; i < n; i += 2)
        sp__fiber_cache_put(&bed.cache, jobs[i].self);
    if (!sp_test_slow()) /* though every region is in use */
        CHECK(resident_pages() - before < live * 7 / 10);
    for (long i = 1; i < n; i += 2)
        sp__fiber_cache_put(&bed.cache, jobs[i].self);
    if (!sp_test_slow())
        CHECK(resident_pages() - before < live / 10);
    sp__fiber_pool_read(bed.pool, &stats);
    CHECK_INT(stats.resident, 16);
    CHECK(stats.out <= SP__FIBER_CACHE_MAX);
    CHECK(stats.regions <= 6); /* of the first, kept; of the last, cached; and an idle one */
    free(jobs);
    bed_close(&bed);
}

TEST(fiber_stack_high_water_tells_the_deepest_use)
{
    struct bed bed;
    struct job job = { 0 };
    bed_open(&bed, NULL);
    job_start(&bed, &job, count_up);
    job_resume(&job);
    size_t shallow = sp__fiber_stack_high_water(job.self);
    sp__fiber_cache_put(&bed.cache, job.self);
    job_start(&bed, &job, diver);
    job_resume(&job);
    size_t deep = sp__fiber_stack_high_water(job.self);
    CHECK(shallow > 0);
    CHECK(deep >= 30 * (size_t)100);
    CHECK(deep <= (size_t)256 << 10);
    CHECK(deep >= shallow);
    sp__fiber_cache_put(&bed.cache, job.self);
    bed_close(&bed);
}

/* ---- threads ---------------------------------------------------------------------- */

/* A queue of suspended fibers that several threads take from. */
struct yard {
    struct bed bed; /* its home is not used */
    pthread_mutex_t lock;
    struct traveller *head;
    atomic_long left; /* relaxed: only counts; results are read after pthread_join() */
};

struct traveller {
    struct yard *yard;
    struct traveller *next;
    struct sp__fiber *self;
    struct sp__fiber *worker; /* who resumed it last */
    long steps;
    long moves;
    bool done;
};

static void traveller_put(struct yard *yard, struct traveller *t)
{
    (void)pthread_mutex_lock(&yard->lock);
    struct traveller **end = &yard->head;
    while (*end)
        end = &(*end)->next;
    t->next = NULL;
    *end = t;
    (void)pthread_mutex_unlock(&yard->lock);
}

/* One that another thread ran last. */
static struct traveller *traveller_take(struct yard *yard, const struct sp__fiber *worker)
{
    (void)pthread_mutex_lock(&yard->lock);
    struct traveller **at = &yard->head;
    while (*at && (*at)->worker == worker)
        at = &(*at)->next;
    struct traveller *t = *at;
    if (t)
        *at = t->next;
    (void)pthread_mutex_unlock(&yard->lock);
    return t;
}

/* pthread_self() is declared to give the same always, so a compiler keeps its result, and
 * that of a function around it, across a switch. The assembly makes it ask again. */
static NOINLINE pthread_t current_thread(void)
{
    __asm__ volatile("" ::: "memory");
    return pthread_self();
}

#define STEPS 300

static void traveller_main(void *arg)
{
    struct traveller *t = arg;
    for (long i = 0; i < STEPS; i++) {
        pthread_t before = current_thread();
        sp__fiber_switch(t->self, t->worker);
        t->moves += !pthread_equal(before, current_thread());
        t->steps++;
    }
    t->done = true;
    sp__fiber_switch(t->self, t->worker);
}

static void *yard_worker(void *arg)
{
    struct yard *yard = arg;
    struct sp__fiber_cache cache;
    struct sp__fiber *home = sp__fiber_adopt();
    CHECK(home != NULL);
    sp__fiber_cache_init(&cache, yard->bed.pool);
    while (atomic_load_explicit(&yard->left, memory_order_relaxed) > 0) {
        struct traveller *t = traveller_take(yard, home);
        if (!t) {
            (void)sched_yield();
            continue;
        }
        if (!t->self)
            t->self = sp__fiber_cache_get(&cache, traveller_main, t);
        CHECK(t->self != NULL);
        t->worker = home;
        sp__fiber_switch(home, t->self);
        if (t->done) {
            sp__fiber_cache_put(&cache, t->self);
            (void)atomic_fetch_sub_explicit(&yard->left, 1, memory_order_relaxed);
        } else {
            traveller_put(yard, t);
        }
    }
    sp__fiber_cache_finish(&cache);
    sp__fiber_release(home);
    return NULL;
}

TEST(fiber_switch_moves_between_threads)
{
    enum { THREADS = 3, FIBERS = 20 };
    struct yard yard = { .lock = PTHREAD_MUTEX_INITIALIZER };
    struct traveller travellers[FIBERS] = { 0 };
    pthread_t threads[THREADS];
    bed_open(&yard.bed, NULL);
    atomic_init(&yard.left, FIBERS);
    for (int i = 0; i < FIBERS; i++)
        traveller_put(&yard, &travellers[i]);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, yard_worker, &yard), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < FIBERS; i++) {
        CHECK_INT(travellers[i].steps, STEPS);
        CHECK_INT(travellers[i].moves, STEPS);
    }
    bed_close(&yard.bed);
}

/* A scheduler in small: the loop runs on a fiber and calls handlers as functions; one that
 * suspends keeps the fiber, and the worker goes on in another. */
struct mini {
    struct sp__fiber_pool *pool;
    pthread_mutex_t lock;
    struct mini_task *ready;
    long left;
};

struct mini_worker {
    struct mini *mini;
    struct sp__fiber_cache cache;
    struct sp__fiber *home;
    struct sp__fiber *loop;       /* the fiber that runs the loop now */
    struct sp__fiber *spare;      /* a loop fiber to put back, its use being over */
    struct mini_task *to_publish; /* just suspended: its switch is complete when we see it */
    long private_count;           /* plain: touched from many fibers of one worker */
};

struct mini_task {
    struct mini_task *next;
    struct sp__fiber *fiber; /* where it is suspended, or NULL: not started */
    struct mini_worker *worker;
    long steps;
};

static void mini_loop(void *arg);

static void mini_push(struct mini *mini, struct mini_task *task)
{
    (void)pthread_mutex_lock(&mini->lock);
    struct mini_task **end = &mini->ready;
    while (*end)
        end = &(*end)->next;
    task->next = NULL;
    *end = task;
    (void)pthread_mutex_unlock(&mini->lock);
}

static bool mini_pop(struct mini *mini, struct mini_task **out)
{
    (void)pthread_mutex_lock(&mini->lock);
    *out = mini->ready;
    if (*out)
        mini->ready = (*out)->next;
    bool more = mini->left > 0;
    (void)pthread_mutex_unlock(&mini->lock);
    return more;
}

/* Whatever a switch left to do, done by the fiber that came after it. */
static void mini_after_switch(struct mini_worker *worker)
{
    struct mini_task *task = worker->to_publish;
    struct sp__fiber *spare = worker->spare;
    worker->to_publish = NULL;
    worker->spare = NULL;
    if (spare)
        sp__fiber_cache_put(&worker->cache, spare);
    if (task)
        mini_push(worker->mini, task);
}

static void mini_suspend(struct mini_task *task)
{
    struct mini_worker *worker = task->worker;
    struct sp__fiber *self = worker->loop;
    struct sp__fiber *next = sp__fiber_cache_get(&worker->cache, mini_loop, worker);
    CHECK(next != NULL);
    task->fiber = self;
    worker->to_publish = task;
    worker->loop = next;
    sp__fiber_switch(self, next);
    mini_after_switch(task->worker);
}

static void mini_handler(struct mini_task *task)
{
    for (int i = 0; i < 200; i++) {
        task->worker->private_count++;
        task->steps++;
        if (i % 3 != 0)
            mini_suspend(task);
    }
    struct mini *mini = task->worker->mini;
    (void)pthread_mutex_lock(&mini->lock);
    mini->left--;
    (void)pthread_mutex_unlock(&mini->lock);
}

/* After a handler that was suspended, the loop below it may run on another worker. */
static void mini_run(struct mini_worker *worker, struct mini_task *task)
{
    task->worker = worker;
    if (!task->fiber) {
        mini_handler(task);
        return;
    }
    struct sp__fiber *self = worker->loop;
    worker->spare = self;
    worker->loop = task->fiber;
    sp__fiber_switch(self, task->fiber);
}

static void mini_loop(void *arg)
{
    struct mini_worker *worker = arg;
    struct mini_task *task = NULL;
    mini_after_switch(worker);
    while (mini_pop(worker->mini, &task)) {
        if (!task)
            continue;
        mini_run(worker, task);
        worker = task->worker; /* the handler's fiber, this one, may have moved */
    }
    worker->spare = worker->loop;
    sp__fiber_switch(worker->loop, worker->home);
}

static void *mini_thread(void *arg)
{
    struct mini_worker *worker = arg;
    sp__fiber_cache_init(&worker->cache, worker->mini->pool);
    worker->home = sp__fiber_adopt();
    worker->loop = sp__fiber_cache_get(&worker->cache, mini_loop, worker);
    CHECK(worker->home && worker->loop);
    sp__fiber_switch(worker->home, worker->loop);
    mini_after_switch(worker);
    sp__fiber_cache_finish(&worker->cache);
    sp__fiber_release(worker->home);
    return NULL;
}

TEST(fiber_loop_goes_on_in_another_when_a_handler_suspends)
{
    enum { TASKS = 40, WORKERS = 3 };
    struct mini mini = { .lock = PTHREAD_MUTEX_INITIALIZER, .left = TASKS };
    struct mini_task tasks[TASKS] = { 0 };
    struct mini_worker workers[WORKERS] = { 0 };
    pthread_t threads[WORKERS];
    struct sp__fiber_pool_stats stats;
    CHECK_OK(sp__fiber_pool_create(NULL, &mini.pool));
    for (int i = 0; i < TASKS; i++)
        mini_push(&mini, &tasks[i]);
    for (int i = 0; i < WORKERS; i++) {
        workers[i].mini = &mini;
        CHECK_INT(pthread_create(&threads[i], NULL, mini_thread, &workers[i]), 0);
    }
    long total = 0;
    for (int i = 0; i < WORKERS; i++) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
        total += workers[i].private_count;
    }
    CHECK_INT(total, TASKS * 200);
    for (int i = 0; i < TASKS; i++)
        CHECK_INT(tasks[i].steps, 200);
    sp__fiber_pool_read(mini.pool, &stats);
    CHECK_INT(stats.out, 0);
    sp__fiber_pool_destroy(mini.pool);
}

/* Fibers got by one thread and put back by another, so that both batches are exercised. */
struct pipe_end {
    struct sp__fiber_pool *pool;
    _Atomic(struct sp__fiber *) *slot;
    long count;
};

static void *pipe_getter(void *arg)
{
    struct pipe_end *end = arg;
    struct sp__fiber_cache cache;
    sp__fiber_cache_init(&cache, end->pool);
    for (long i = 0; i < end->count; i++) {
        struct sp__fiber *fiber = sp__fiber_cache_get(&cache, set_value, NULL);
        CHECK(fiber != NULL);
        /* acquire and release: pair with those in pipe_putter() */
        while (atomic_load_explicit(end->slot, memory_order_acquire))
            (void)sched_yield();
        atomic_store_explicit(end->slot, fiber, memory_order_release);
    }
    sp__fiber_cache_finish(&cache);
    return NULL;
}

static void *pipe_putter(void *arg)
{
    struct pipe_end *end = arg;
    struct sp__fiber_cache cache;
    sp__fiber_cache_init(&cache, end->pool);
    for (long i = 0; i < end->count; i++) {
        struct sp__fiber *fiber = NULL;
        /* acquire and release: pair with those in pipe_getter() */
        while (!(fiber = atomic_load_explicit(end->slot, memory_order_acquire)))
            (void)sched_yield();
        atomic_store_explicit(end->slot, NULL, memory_order_release);
        sp__fiber_cache_put(&cache, fiber);
    }
    sp__fiber_cache_finish(&cache);
    return NULL;
}

TEST(fiber_cache_put_takes_what_another_thread_got)
{
    struct sp__fiber_pool *pool = NULL;
    struct sp__fiber_pool_stats stats;
    _Atomic(struct sp__fiber *) slot = NULL;
    pthread_t getter;
    pthread_t putter;
    CHECK_OK(sp__fiber_pool_create(&(struct sp__fiber_options){ .keep_max = 20 }, &pool));
    struct pipe_end end = { .pool = pool, .slot = &slot, .count = sp_test_slow() ? 1000 : 50000 };
    CHECK_INT(pthread_create(&getter, NULL, pipe_getter, &end), 0);
    CHECK_INT(pthread_create(&putter, NULL, pipe_putter, &end), 0);
    CHECK_INT(pthread_join(getter, NULL), 0);
    CHECK_INT(pthread_join(putter, NULL), 0);
    sp__fiber_pool_read(pool, &stats);
    CHECK_INT(stats.out, 0);
    CHECK(stats.resident <= 20);
    CHECK_INT(stats.regions, 1);
    sp__fiber_pool_destroy(pool);
}

/* ---- ThreadSanitizer sees what it should ------------------------------------------ */

static _Atomic(struct job *) handed_over;

static void *hand_over_taker(void *arg)
{
    struct job *job = NULL;
    (void)arg;
    struct sp__fiber *home = sp__fiber_adopt();
    /* relaxed on purpose: the missing order is what the report is about */
    while (!job)
        job = atomic_load_explicit(&handed_over, memory_order_relaxed);
    sp__fiber_switch(home, job->self);
    return NULL;
}

static void forever(void *arg)
{
    struct job *job = arg;
    for (;;)
        job_yield(job);
}

/* Run by the case below, in a process of its own, which reports and exits with 66. */
TEST(fiber_hand_over_helper)
{
    if (!getenv("FIBER_HAND_OVER"))
        SKIP("a part of the case below");
    struct bed bed;
    struct job job = { 0 };
    pthread_t taker;
    bed_open(&bed, NULL);
    job_start(&bed, &job, forever);
    job_resume(&job);
    CHECK_INT(pthread_create(&taker, NULL, hand_over_taker, NULL), 0);
    job_resume(&job); /* the taker's thread does not know that this has ended */
    atomic_store_explicit(&handed_over, &job, memory_order_relaxed);
    for (;;)
        (void)sched_yield();
}

TEST(fiber_hand_over_without_order_is_a_race_for_tsan)
{
#ifdef SP__FIBER_TSAN
    struct sp_test_output output;
    const struct sp_test_command command = {
        .program = "/proc/self/exe",
        .args = (const char *const[]){ "--no-fork", "--filter", "fiber_hand_over_helper", NULL },
        .env = (const char *const[]){ "FIBER_HAND_OVER=1", "TSAN_OPTIONS=halt_on_error=1", NULL },
    };
    sp_test_run(&command, &output);
    CHECK_INT(output.status, 66);
    CHECK_CONTAINS(output.err, "data race");
    CHECK_CONTAINS(output.err, "in sp__fiber_mark");
    sp_test_output_free(&output);
#else
    SKIP("built without ThreadSanitizer");
#endif
}
