#include "process/living.h"

#include "process/process.h"

enum {
    LIVING_BATCH = 64,              /* reserved at once */
    LIVING_KEEP = 2 * LIVING_BATCH, /* unused places a context keeps at most */
};

static uint32_t living_unused(struct sp__context *context)
{
    return atomic_load_explicit(&context->live_unused, memory_order_relaxed);
}

/* Written by the context itself, or by who ends it. */
static void living_set_unused(struct sp__context *context, uint32_t unused)
{
    /* relaxed: who sums up had all cores execute a barrier before, see living_fits(). */
    atomic_store_explicit(&context->live_unused, unused, memory_order_relaxed);
}

static uint64_t living_reserved(struct sp_runtime *runtime)
{
    return atomic_load_explicit(&runtime->live, memory_order_relaxed);
}

/* More is reserved than there may be: are there as many alive? */
static bool living_fits(struct sp_runtime *runtime) SP__REQUIRES(runtime->contexts_lock)
{
    /* From here on nobody uses a place of its own without the lock: pairs with the light fence in
     * add(). So none is missed; one that comes back meanwhile may be, and counts as still used. */
    sp__epoch_fence(&runtime->epoch);
    uint64_t unused = 0;
    for (struct sp__list *at = sp__list_first(&runtime->contexts); at != NULL;
         at = sp__list_next(&runtime->contexts, at))
        unused += living_unused(sp__container_of(at, struct sp__context, link));
    return living_reserved(runtime) - unused <= runtime->options.processes_max;
}

static bool living_reserve(struct sp__context *context, bool always)
{
    struct sp_runtime *runtime = context->runtime;
    uint64_t max = runtime->options.processes_max;
    bool added = true;
    sp__lock_lock(&runtime->contexts_lock);
    /* Its own unused ones are part of this: at the limit they stay in nobody's way. */
    uint64_t live = living_reserved(runtime) - living_unused(context);
    uint32_t more = live + LIVING_BATCH <= max ? LIVING_BATCH : 1;
    living_set_unused(context, more - 1);
    atomic_store_explicit(&runtime->live, live + more, memory_order_relaxed);
    if (live + more > max && !always && !living_fits(runtime)) {
        atomic_store_explicit(&runtime->live, live, memory_order_relaxed);
        added = false;
    }
    sp__lock_unlock(&runtime->contexts_lock);
    return added;
}

bool sp__living_add(struct sp__context *context, bool always)
{
    uint32_t unused = living_unused(context);
    if (unused == 0)
        return living_reserve(context, always);
    living_set_unused(context, unused - 1);
    sp__epoch_fence_light(&context->epoch);
    if (living_reserved(context->runtime) <= context->runtime->options.processes_max)
        return true;
    living_set_unused(context, unused);
    return living_reserve(context, always);
}

/* At the limit, where they would only be summed up, or while the runtime stops, all; else some. */
static void living_give_back(struct sp__context *context)
{
    struct sp_runtime *runtime = context->runtime;
    sp__lock_lock(&runtime->contexts_lock);
    uint32_t unused = living_unused(context);
    uint32_t less = unused >= LIVING_KEEP ? LIVING_BATCH : unused;
    living_set_unused(context, unused - less);
    atomic_store_explicit(&runtime->live, living_reserved(runtime) - less, memory_order_relaxed);
    sp__lock_unlock(&runtime->contexts_lock);
}

void sp__living_remove(struct sp__context *context)
{
    struct sp_runtime *runtime = context->runtime;
    uint32_t unused = living_unused(context) + 1;
    living_set_unused(context, unused);
    if (unused >= LIVING_KEEP || living_reserved(runtime) > runtime->options.processes_max)
        living_give_back(context);
}

/* The runtime stops: wake who waits for the last, and only then, since it looks at all slots. */
static void living_tell(struct sp__context *context)
{
    struct sp_runtime *runtime = context->runtime;
    living_give_back(context);
    uint64_t contexts = atomic_load_explicit(&runtime->context_count, memory_order_relaxed);
    if (living_reserved(runtime) > 2 + contexts * LIVING_KEEP || sp__living_count(runtime) > 2)
        return;
    sp__process_enter();
    struct sp_process *stopper = atomic_load_explicit(&runtime->stopper, memory_order_seq_cst);
    if (stopper != NULL)
        sp__actor_wake(&stopper->actor);
    sp__process_leave();
}

void sp__living_exited(struct sp__context *context)
{
    /* release: pairs with the acquire in count; what it spawned was counted before. */
    atomic_store_explicit(&context->counters.exited,
                          atomic_load_explicit(&context->counters.exited, memory_order_relaxed) + 1,
                          memory_order_release);
    sp__living_remove(context);
    /* Pairs with destroy, which names the stopper, executes the other half, and counts. */
    sp__epoch_fence_light(&context->epoch);
    if (atomic_load_explicit(&context->runtime->stopper, memory_order_relaxed) != NULL)
        living_tell(context);
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
