/* How many processes live: counted without a shared write per process, and still exact.
 *
 *   runtime.live            reserved: by all contexts together, used or not
 *   context.live_unused     of those, what this context may still use
 *   living = runtime.live - sum of unused
 *
 * A context reserves 64 at once, and a process that ends leaves its place to the context it
 * ended on. While no more is reserved than processes_max, nobody needs to look any further.
 * Only when it would be more, each start reserves one, under the lock, and counts what the
 * others have left unused: so the limit is met exactly, however the places are spread.
 *
 * Invariants: unused is written by its context; `live` under contexts_lock. Whoever reserves
 * beyond processes_max makes it visible (a fence on all cores) before it sums up, and whoever
 * uses a place of its own looks at `live` after it has written: one of the two sees the other.
 *
 * Threads: any with a context. Neighbours: spawn.c, exit.c, runtime.c (the stop).
 */
#ifndef SPAWNED_PROCESS_LIVING_H
#define SPAWNED_PROCESS_LIVING_H

#include "runtime/core.h"

enum {
    SP__LIVING_BATCH = 64,                  /* reserved at once */
    SP__LIVING_KEEP = 2 * SP__LIVING_BATCH, /* unused places a context keeps at most */
};

/** The rare halves of those below. Context: any with a context. */
SP_NODISCARD bool sp__living_reserve(struct sp__context *context, bool always) SP_NONNULL;
void sp__living_give_back(struct sp__context *context) SP_NONNULL;
void sp__living_tell(struct sp__context *context) SP_NONNULL;

static inline uint32_t sp__living_unused(struct sp__context *context)
{
    return atomic_load_explicit(&context->live_unused, memory_order_relaxed);
}

/* Written by the context itself, or by who ends it. */
static inline void sp__living_set_unused(struct sp__context *context, uint32_t unused)
{
    /* relaxed: who sums up had all cores execute a barrier before, see living_fits(). */
    atomic_store_explicit(&context->live_unused, unused, memory_order_relaxed);
}

static inline uint64_t sp__living_reserved(struct sp_runtime *runtime)
{
    return atomic_load_explicit(&runtime->live, memory_order_relaxed);
}

/** One more. False: processes_max live (not for `always`, which is counted whatever the limit).
 *  Context: any with a context. */
SP_NODISCARD static inline bool sp__living_add(struct sp__context *context, bool always)
{
    uint32_t unused = sp__living_unused(context);
    if (unused == 0)
        return sp__living_reserve(context, always);
    sp__living_set_unused(context, unused - 1);
    sp__epoch_fence_light(&context->epoch); /* pairs with living_fits() */
    if (sp__living_reserved(context->runtime) <= context->runtime->options.processes_max)
        return true;
    sp__living_set_unused(context, unused);
    return sp__living_reserve(context, always);
}

/** One less. Context: any with a context. */
static inline void sp__living_remove(struct sp__context *context)
{
    struct sp_runtime *runtime = context->runtime;
    uint32_t unused = sp__living_unused(context) + 1;
    sp__living_set_unused(context, unused);
    if (unused >= SP__LIVING_KEEP || sp__living_reserved(runtime) > runtime->options.processes_max)
        sp__living_give_back(context);
}

/** The same, and it counts as exited; tells the stop when the last is gone.
 *  Context: any with a context. */
static inline void sp__living_exited(struct sp__context *context)
{
    _Atomic uint64_t *exited = &context->counters.exited;
    /* release: pairs with the acquire in count; what it spawned was counted before. */
    atomic_store_explicit(exited, atomic_load_explicit(exited, memory_order_relaxed) + 1,
                          memory_order_release);
    sp__living_remove(context);
    /* Pairs with destroy, which names the stopper, executes the other half, and counts. */
    sp__epoch_fence_light(&context->epoch);
    if (atomic_load_explicit(&context->runtime->stopper, memory_order_relaxed) != NULL)
        sp__living_tell(context);
}

/** How many live now: those counted as spawned and not as exited. Never too few: all that were alive
 *  at one instant of the call are in. Context: any. */
uint64_t sp__living_count(struct sp_runtime *runtime) SP_NONNULL;

#endif
