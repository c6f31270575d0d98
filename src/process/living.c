#include "process/living.h"

#include "process/process.h"

/* More is reserved than there may be: are there as many alive? */
static bool living_fits(struct sp_runtime *runtime) SP__REQUIRES(runtime->contexts_lock)
{
    /* From here on nobody uses a place of its own without the lock: pairs with the light fence in
     * add(). So none is missed; one that comes back meanwhile may be, and counts as still used. */
    sp__epoch_fence(&runtime->epoch);
    uint64_t unused = 0;
    for (struct sp__list *at = sp__list_first(&runtime->contexts); at != NULL;
         at = sp__list_next(&runtime->contexts, at))
        unused += sp__living_unused(sp__container_of(at, struct sp__context, link));
    return sp__living_reserved(runtime) - unused <= runtime->options.processes_max;
}

bool sp__living_reserve(struct sp__context *context, bool always)
{
    struct sp_runtime *runtime = context->runtime;
    uint64_t max = runtime->options.processes_max;
    bool added = true;
    sp__lock_lock(&runtime->contexts_lock);
    /* Its own unused ones are part of this: at the limit they stay in nobody's way. */
    uint64_t live = sp__living_reserved(runtime) - sp__living_unused(context);
    uint32_t more = live + SP__LIVING_BATCH <= max ? SP__LIVING_BATCH : 1;
    sp__living_set_unused(context, more - 1);
    atomic_store_explicit(&runtime->live, live + more, memory_order_relaxed);
    if (live + more > max && !always && !living_fits(runtime)) {
        atomic_store_explicit(&runtime->live, live, memory_order_relaxed);
        added = false;
    }
    sp__lock_unlock(&runtime->contexts_lock);
    return added;
}

/* At the limit, where they would only be summed up, or while the runtime stops, all; else some. */
void sp__living_give_back(struct sp__context *context)
{
    struct sp_runtime *runtime = context->runtime;
    sp__lock_lock(&runtime->contexts_lock);
    uint32_t unused = sp__living_unused(context);
    uint32_t less = unused >= SP__LIVING_KEEP ? SP__LIVING_BATCH : unused;
    sp__living_set_unused(context, unused - less);
    atomic_store_explicit(&runtime->live, sp__living_reserved(runtime) - less,
                          memory_order_relaxed);
    sp__lock_unlock(&runtime->contexts_lock);
}

/* The runtime stops: wake who waits for the last, and only then, since it looks at all slots. */
void sp__living_tell(struct sp__context *context)
{
    struct sp_runtime *runtime = context->runtime;
    sp__living_give_back(context);
    uint64_t contexts = atomic_load_explicit(&runtime->context_count, memory_order_relaxed);
    if (sp__living_reserved(runtime) > 2 + contexts * SP__LIVING_KEEP ||
        sp__living_count(runtime) > 2)
        return;
    sp__process_enter();
    struct sp_process *stopper = atomic_load_explicit(&runtime->stopper, memory_order_seq_cst);
    if (stopper != NULL)
        sp__actor_wake(&stopper->actor);
    sp__process_leave();
}

static uint64_t living_sum(struct sp_runtime *runtime, size_t counter)
    SP__REQUIRES(runtime->contexts_lock)
{
    const char *gone = (const char *)&runtime->gone;
    uint64_t sum = *(const _Atomic uint64_t *)(const void *)(gone + counter);
    for (struct sp__list *at = sp__list_first(&runtime->contexts); at != NULL;
         at = sp__list_next(&runtime->contexts, at)) {
        const char *one = (const char *)&sp__container_of(at, struct sp__context, link)->counters;
        /* acquire: pairs with the release in exited. */
        sum += atomic_load_explicit((const _Atomic uint64_t *)(const void *)(one + counter),
                                    memory_order_acquire);
    }
    return sum;
}

uint64_t sp__living_count(struct sp_runtime *runtime)
{
    sp__lock_lock(&runtime->contexts_lock);
    /* Exits first: whoever exits later than that counts as alive, and whatever it started before is
     * among the spawned. */
    uint64_t exited = living_sum(runtime, offsetof(struct sp__counters, exited));
    uint64_t spawned = living_sum(runtime, offsetof(struct sp__counters, spawned));
    sp__lock_unlock(&runtime->contexts_lock);
    return spawned - exited;
}
