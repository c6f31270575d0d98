#include "runtime/real/real.h"

#include "base/alloc.h"
#include "runtime/file.h"
#include "runtime/real/clock.h"
#include "runtime/real/fault.h"
#include "runtime/real/futex.h"
#include "runtime/real/log_writer.h"
#include "runtime/real/os_signal.h"
#include "runtime/real/os_thread.h"

#include <sched.h>

static int64_t real_now(struct sp_runtime *runtime)
{
    (void)runtime;
    return sp__clock_monotonic_ns();
}

static int64_t real_now_coarse(struct sp_runtime *runtime)
{
    (void)runtime;
    return sp__clock_coarse_ns();
}

static int64_t real_wall(struct sp_runtime *runtime)
{
    (void)runtime;
    return sp__clock_wall_ns();
}

static sp_err real_entropy(struct sp_runtime *runtime, void *bytes, size_t size)
{
    (void)runtime;
    return sp__entropy(bytes, size);
}

/* The processors this program may use, not those the machine has. */
static uint32_t real_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (uint32_t)count;
}

static void real_free(struct sp__real *real)
{
    if (real == NULL)
        return;
    sp__blocking_destroy(real->blocking);
    sp__poller_destroy(real->poller);
    sp__free(real->workers);
    sp__free(real);
}

static sp_err real_allocate(struct sp_runtime *runtime, struct sp__real **out)
{
    uint32_t count = runtime->options.workers;
    struct sp__real *real = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*real));
    if (real == NULL)
        return SP_ERR_NOMEM;
    *real = (struct sp__real){ .runtime = runtime, .worker_count = count };
    sp__list_init(&real->idle);
    sp__list_init(&real->threads);
    sp__list_init(&real->runners);
    sp__list_init(&real->spares);
    sp__list_init(&real->ended);
    runtime->backend = real;
    real->workers = sp__aligned_alloc(SP__CACHE_LINE, count * sizeof(struct sp__worker));
    sp_err err = real->workers == NULL ? SP_ERR_NOMEM : SP_OK;
    if (err == SP_OK)
        err = sp__timers_create(count, sp__clock_monotonic_ns(), &runtime->timers);
    if (err == SP_OK)
        err = sp__poller_create(runtime, &real->poller);
    if (err == SP_OK)
        err = sp__blocking_create(runtime, runtime->options.blocking_threads_max, &real->blocking);
    if (err != SP_OK) {
        real_free(real);
        sp__timers_destroy(runtime->timers);
        runtime->timers = NULL;
        runtime->backend = NULL;
        return err;
    }
    *out = real;
    return SP_OK;
}

/* Wait until a count of threads is zero; they are on their way out, so this polls with a pause
 * only at shutdown. */
static bool real_await_zero(_Atomic uint32_t *count, int64_t deadline_ns)
{
    /* acquire: pairs with the release of each thread that ends. */
    for (uint32_t left; (left = atomic_load_explicit(count, memory_order_acquire)) != 0;) {
        if (sp__clock_monotonic_ns() >= deadline_ns)
            return false;
        sp__futex_wait(count, left, 1000000);
    }
    return true;
}

/* False: one does not come back before `deadline_ns`. */
static bool real_stop_runners(struct sp__real *real, int64_t deadline_ns)
{
    atomic_store_explicit(&real->stop, true, memory_order_seq_cst);
    sp__real_wake_all(real);
    sp__runners_dismiss(real);
    if (!real_await_zero(&real->runtime->worker_threads, deadline_ns))
        return false;
    sp__runners_reap(real);
    return true;
}

static sp_err real_start_workers(struct sp__real *real)
{
    for (uint32_t i = 0; i < real->worker_count; i++) {
        struct sp__worker *worker = &real->workers[i];
        *worker = (struct sp__worker){ .index = i, .victim = i, .real = real };
        sp__run_queue_init(&worker->queue);
        sp__young_stack_init(&worker->young);
    }
    sp_err err = SP_OK;
    for (uint32_t i = 0; i < real->worker_count && err == SP_OK; i++)
        err = sp__runner_create(real, &real->workers[i]);
    if (err == SP_OK)
        err = sp__watcher_start(real);
    if (err != SP_OK)
        sp_ignore(real_stop_runners(real, INT64_MAX));
    return err;
}

static sp_err real_start(struct sp_runtime *runtime)
{
    struct sp__real *real;
    sp_err err = real_allocate(runtime, &real);
    if (err != SP_OK)
        return err;
    err = sp__fault_install();
    if (err == SP_OK) {
        sp__probe_install();
        err = real_start_workers(real);
        if (err != SP_OK) {
            sp__probe_uninstall();
            sp__fault_uninstall();
        }
    }
    if (err != SP_OK) {
        real_free(real);
        sp__timers_destroy(runtime->timers);
        runtime->timers = NULL;
        runtime->backend = NULL;
    }
    return err;
}

static bool real_stop(struct sp_runtime *runtime, int64_t deadline_ns)
{
    struct sp__real *real = sp__real_of(runtime);
    if (!real_await_zero(&real->threads_alive, deadline_ns) ||
        !real_await_zero(&real->foreign_attached, deadline_ns) ||
        !sp__blocking_stop(real->blocking, deadline_ns))
        return false;
    if (!atomic_load_explicit(&real->stop, memory_order_relaxed)) /* not the second time */
        sp__watcher_stop(real);
    return real_stop_runners(real, deadline_ns);
}

static void real_destroy(struct sp_runtime *runtime)
{
    struct sp__real *real = sp__real_of(runtime);
    sp__os_signals_forget(runtime);
    sp__probe_uninstall();
    sp__fault_uninstall();
    real_free(real);
    sp__timers_destroy(runtime->timers);
    runtime->timers = NULL;
    runtime->backend = NULL;
}

static bool real_runs(struct sp__context *context, const struct sp__actor *actor)
{
    if (context->kind != SP__CONTEXT_WORKER)
        return actor->bound == context;
    /* Not context->backend, which comes later. relaxed: it may return at any moment anyway. */
    struct sp__runner *runner = sp__container_of(context, struct sp__runner, context);
    return atomic_load_explicit(&runner->running, memory_order_relaxed) == actor;
}

static sp_err real_blocking(struct sp_runtime *runtime, struct sp__job *job)
{
    return sp__blocking_submit(sp__real_of(runtime)->blocking, job);
}

const struct sp__backend_ops sp__backend_real = {
    .name = "real",
    .cpus = real_cpus,
    .now = real_now,
    .now_coarse = real_now_coarse,
    .coarse_ns = 10000000, /* a tick of the slowest kernel, of 100 Hz */
    .wall = real_wall,
    .entropy = real_entropy,
    .start = real_start,
    .stop = real_stop,
    .destroy = real_destroy,
    .reap = sp__thread_create_detached,
    .ready = sp__real_ready,
    .park = sp__real_park,
    .yield = sp__real_yield,
    .detach = sp__real_detach,
    .abandon = sp__real_abandon,
    .runs = real_runs,
    .timer_earlier = sp__real_timer_earlier,
    .thread_start = sp__real_thread_start,
    .thread_attach = sp__real_thread_attach,
    .thread_detach = sp__real_thread_detach,
    .blocking = real_blocking,
    .os_signals = sp__os_signals,
    .log = &sp__log_writer_ops,
    .io = &sp__io_real,
    .file = &sp__file_real,
};
