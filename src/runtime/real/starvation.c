#include "runtime/real/starvation.h"

#include "base/text.h"
#include "runtime/real/clock.h"
#include "runtime/real/real.h"
#include "spawned/starvation.h"

#include <string.h>

enum {
    STARVATION_FRAMES_SHOWN = 8,
};

#define STARVATION_STACK_NS (20 * SP_NS_PER_MS) /* a stack is waited for so long */

/* ---- looking ---- */

/* Who waits for this worker and for no other, about. Others may steal it, but have not. */
static uint32_t hunger_waiting(struct sp__worker *worker)
{
    size_t waiting = sp__run_queue_length(&worker->queue);
    if (sp__runner_next(worker->runner) != NULL)
        waiting++;
    if (!sp__young_stack_empty(&worker->young))
        waiting++;
    return (uint32_t)waiting;
}

/* Who waits for any. */
static uint32_t real_waiting(struct sp__real *real)
{
    /* relaxed: about. */
    return atomic_load_explicit(&real->global_count, memory_order_relaxed) +
           atomic_load_explicit(&real->lanes.total, memory_order_relaxed);
}

/* Does a handler block its thread? A worker that sleeps outside of one waits for a lock, whose holder
 * the system does not let run. */
static bool hunger_blocks(struct sp__runner *runner)
{
    /* relaxed: it is looked at again. */
    return atomic_load_explicit(&runner->running, memory_order_relaxed) != NULL &&
           sp__thread_sleeps(&runner->id);
}

/* Of the time since the last look, what is the worker's own doing. */
static int64_t hunger_own_ns(struct sp__hunger *hunger, struct sp__runner *runner,
                             int64_t elapsed_ns)
{
    int64_t cpu = sp__thread_cpu_ns(&runner->id);
    int64_t used = cpu - hunger->cpu_ns;
    hunger->cpu_ns = cpu;
    if (used >= elapsed_ns / 2)
        return elapsed_ns;
    return used + (hunger_blocks(runner) ? elapsed_ns - used : 0);
}

/* ---- telling ---- */

static void event_stack(struct sp_starvation *event, struct sp__runner *runner)
{
    char frame[96];
    struct sp__text text;
    sp__text_init(&text, event->stack, sizeof(event->stack));
    if (sp__thread_sleeps(&runner->id) ||
        !sp__probe_ask(&runner->probe, &runner->id, STARVATION_STACK_NS))
        return;
    for (int i = 0; i < runner->probe.count && i < STARVATION_FRAMES_SHOWN; i++) {
        sp__probe_frame_text(runner->probe.frames[i], frame, sizeof(frame));
        sp__text_add(&text, "%s%s", i == 0 ? "" : ", ", frame);
    }
}

/* The section keeps whoever runs there; a turn that has ended meanwhile is nobody's. */
static void event_process(struct sp__real *real, struct sp_starvation *event,
                          const struct sp__hunger *hunger, struct sp__runner *runner)
{
    struct sp__context *context = &real->watcher.context;
    sp__epoch_enter(&context->epoch);
    /* acquire: pairs with the release in sp__runner_leave(). */
    struct sp__actor *actor = atomic_load_explicit(&runner->running, memory_order_acquire);
    if (actor != NULL &&
        atomic_load_explicit(&runner->turns, memory_order_relaxed) == hunger->turns)
        real->runtime->describe(actor, event->process, sizeof(event->process));
    sp__epoch_leave(&context->epoch);
}

static void hunger_tell(struct sp__real *real, struct sp__worker *worker,
                        enum sp_starvation_level level)
{
    struct sp_runtime *runtime = real->runtime;
    struct sp__hunger *hunger = &worker->hunger;
    struct sp_starvation event = { .level = level,
                                   .worker = worker->index,
                                   .delay = sp_ns(hunger->delay_ns),
                                   .waiting = hunger_waiting(worker) };
    hunger->told = level;
    sp__context_init(&real->watcher.context, runtime, SP__CONTEXT_FOREIGN, 0);
    if (level != SP_STARVATION_OVER) {
        event_process(real, &event, hunger, worker->runner);
        event_stack(&event, worker->runner);
    }
    runtime->starvation.tell(runtime, &event);
    sp__context_finish(&real->watcher.context);
}

static void hunger_judge(struct sp__real *real, struct sp__worker *worker)
{
    struct sp__starvation *starvation = &real->runtime->starvation;
    struct sp__hunger *hunger = &worker->hunger;
    /* relaxed, all: settings, and statistics that the watcher alone writes. */
    if (hunger->told == SP_STARVATION_OVER &&
        hunger->delay_ns >= atomic_load_explicit(&starvation->warning_ns, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&starvation->warnings, 1, memory_order_relaxed);
        hunger_tell(real, worker, SP_STARVATION_WARNING);
    }
    if (hunger->told == SP_STARVATION_WARNING &&
        hunger->delay_ns >= atomic_load_explicit(&starvation->critical_ns, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&starvation->criticals, 1, memory_order_relaxed);
        hunger_tell(real, worker, SP_STARVATION_CRITICAL);
    }
}

/* ---- a round ---- */

/* Returns whether a turn began there. */
static bool worker_look_hungry(struct sp__real *real, struct sp__worker *worker, int64_t elapsed_ns,
                               bool shared)
{
    struct sp__hunger *hunger = &worker->hunger;
    struct sp__runner *runner = worker->runner;
    /* relaxed: it is looked at again. */
    unsigned turns = atomic_load_explicit(&runner->turns, memory_order_relaxed);
    if (hunger->runner != runner || hunger->turns != turns) {
        if (hunger->told != SP_STARVATION_OVER)
            hunger_tell(real, worker, SP_STARVATION_OVER);
        *hunger = (struct sp__hunger){ .runner = runner, .turns = turns };
        return true;
    }
    if (!shared && hunger_waiting(worker) == 0) {
        hunger->cpu_ns = 0;
        return false;
    }
    if (hunger->cpu_ns == 0) /* the first look at which somebody waits */
        hunger->cpu_ns = sp__thread_cpu_ns(&runner->id);
    else
        hunger->delay_ns += hunger_own_ns(hunger, runner, elapsed_ns);
    hunger_judge(real, worker);
    return false;
}

void sp__starvation_look(struct sp__real *real)
{
    struct sp__starvation *starvation = &real->runtime->starvation;
    /* relaxed: a setting. */
    int64_t interval = atomic_load_explicit(&starvation->interval_ns, memory_order_relaxed);
    int64_t now = sp__clock_monotonic_ns();
    int64_t elapsed = now - real->hunger_looked_ns;
    if (interval == 0 || elapsed < interval)
        return;
    real->hunger_looked_ns = now;
    /* The watcher itself was kept waiting, and knows nothing of the time between. */
    if (elapsed > 2 * interval + SP_NS_PER_MS * 10)
        elapsed = interval;
    bool shared = real_waiting(real) != 0 && !real->hunger_moved;
    real->hunger_moved = false;
    for (uint32_t i = 0; i < real->worker_count; i++)
        if (worker_look_hungry(real, &real->workers[i], elapsed, shared))
            real->hunger_moved = true;
}
