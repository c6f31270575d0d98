#include "runtime/scheduler.h"

#include "base/alloc.h"

static const int64_t scheduler_forever = INT64_MAX;

int64_t sp__scheduler_instant(struct sp_runtime *runtime, sp_deadline deadline,
                              sp_deadline fallback)
{
    if (deadline.kind == SP_DEADLINE_DEFAULT)
        deadline = fallback;
    if (deadline.kind == SP_DEADLINE_AT)
        return deadline.ns;
    if (deadline.kind != SP_DEADLINE_AFTER)
        return scheduler_forever;
    if (deadline.ns <= 0)
        return 0;
    return sp_time_add((sp_time){ sp__now(runtime) }, sp_ns(deadline.ns)).ns;
}

int64_t sp__scheduler_until(struct sp_runtime *runtime, sp_deadline deadline, sp_deadline fallback)
{
    if (deadline.kind == SP_DEADLINE_DEFAULT)
        deadline = fallback;
    if (deadline.kind == SP_DEADLINE_NEVER)
        return INT64_MAX;
    if (deadline.kind != SP_DEADLINE_AFTER || deadline.ns < SP_NS_PER_S)
        return sp__scheduler_instant(runtime, deadline, fallback);
    const struct sp__backend_ops *ops = runtime->ops;
    sp_time now = { ops->now_coarse(runtime) };
    return sp_time_add(sp_time_add(now, sp_ns(ops->coarse_ns)), sp_ns(deadline.ns)).ns;
}

bool sp__scheduler_prepare_deadline(struct sp__actor *actor)
{
    if (actor->timer != NULL)
        return true;
    struct sp__wait_timer *timer = sp__calloc(1, sizeof(*timer));
    if (timer == NULL)
        return false;
    timer->actor = actor;
    atomic_init(&timer->deadline, INT64_MAX);
    atomic_init(&timer->armed_for, INT64_MAX);
    actor->timer = timer;
    return true;
}

void sp__scheduler_set_deadline(struct sp__actor *actor, int64_t deadline_ns)
{
    struct sp__wait_timer *timer = actor->timer;
    if (deadline_ns == INT64_MAX) {
        /* The timer stays armed: the next wait finds it earlier than its own deadline and need
         * not touch the wheel. That is what makes a call's deadline free. */
        if (timer != NULL)
            atomic_store_explicit(&timer->deadline, INT64_MAX, memory_order_relaxed);
        return;
    }
    if (timer == NULL) {
        if (!sp__scheduler_prepare_deadline(actor))
            actor->runtime->on_no_fiber(actor); /* ends the process with out_of_memory */
        timer = actor->timer;
    }
    /* seq_cst: pairs with the firing thread, see runtime/timers.c. */
    atomic_store_explicit(&timer->deadline, deadline_ns, memory_order_seq_cst);
    int64_t armed_for = atomic_load_explicit(&timer->armed_for, memory_order_seq_cst);
    if (armed_for <= deadline_ns)
        return;
    if (armed_for != INT64_MAX)
        sp__timers_cancel(actor->runtime, &timer->node, NULL);
    atomic_store_explicit(&timer->armed_for, deadline_ns, memory_order_relaxed);
    sp__timers_arm(actor->runtime, &timer->node, SP__TIMER_ACTOR, deadline_ns);
}

void sp__scheduler_clear_deadline(struct sp__actor *actor)
{
    struct sp__wait_timer *timer = actor->timer;
    if (timer == NULL)
        return;
    atomic_store_explicit(&timer->deadline, INT64_MAX, memory_order_relaxed);
    /* acquire: pairs with who takes it off the wheel. The epoch keeps the slot until it is through. */
    if (atomic_load_explicit(&timer->armed_for, memory_order_acquire) == INT64_MAX)
        return;
    sp__timers_cancel(actor->runtime, &timer->node, NULL);
    atomic_store_explicit(&timer->armed_for, INT64_MAX, memory_order_relaxed);
}
