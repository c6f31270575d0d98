#include "runtime/real/slice.h"

#include "runtime/real/clock.h"
#include "runtime/real/real.h"

int64_t sp__slice_period(const struct sp__real *real)
{
    int64_t slice = real->runtime->options.slice.ns;
    return slice < 0 ? INT64_MAX : slice;
}

/* The section keeps the actor while its turn goes on. */
static void slice_end(struct sp__real *real, struct sp__runner *runner, struct sp__actor *actor,
                      unsigned turns)
{
    struct sp__context *context = &real->watcher.context;
    sp__context_init(context, real->runtime, SP__CONTEXT_FOREIGN, 0);
    sp__epoch_enter(&context->epoch);
    /* acquire, relaxed: in the turn that was seen it has not ended, nor before we leave. */
    if (atomic_load_explicit(&runner->running, memory_order_acquire) == actor &&
        atomic_load_explicit(&runner->turns, memory_order_relaxed) == turns)
        sp__actor_end_slice(actor);
    sp__epoch_leave(&context->epoch);
    sp__context_finish(context);
}

static void slice_look_at(struct sp__real *real, struct sp__worker *worker, int64_t now_ns)
{
    struct sp__turn_seen *seen = &worker->seen;
    struct sp__runner *runner = worker->runner;
    /* relaxed, both: it is looked at again. */
    unsigned turns = atomic_load_explicit(&runner->turns, memory_order_relaxed);
    struct sp__actor *actor = atomic_load_explicit(&runner->running, memory_order_relaxed);
    bool same = seen->runner == runner && seen->turns == turns;
    if (!same || actor == NULL) {
        *seen = (struct sp__turn_seen){ runner, turns, now_ns };
        return;
    }
    if (now_ns - seen->since_ns < sp__slice_period(real))
        return;
    seen->since_ns = now_ns;
    slice_end(real, runner, actor, turns);
}

void sp__slice_look(struct sp__real *real)
{
    int64_t now = sp__clock_monotonic_ns();
    for (uint32_t i = 0; i < real->worker_count; i++)
        slice_look_at(real, &real->workers[i], now);
}
