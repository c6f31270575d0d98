/* Scheduling, as the layers above see it.
 *
 * A worker's loop runs on a fiber and calls an actor's turn as a plain function. Only when
 * the turn suspends does the fiber stay with the actor, and the worker goes on with its
 * loop on another fiber of the pool. So an actor that does not suspend costs no switch
 * and owns no stack.
 *
 *   worker's loop (fiber F) -> turn(A) -> ... -> park(A):  A keeps F, worker goes on on G
 *   worker's loop (fiber G) -> A is ready: switch to F; G waits where the loop was left
 *   A parks again: A keeps F, the loop goes on on G; or straight to the next one's fiber
 *   turn(A) returns on F, which is now the worker's loop; a second G goes back to the pool
 *
 * Suspending needs a fiber. Each context keeps one spare, so that an actor that cannot get
 * one can still be ended (`out_of_memory`) and its own fiber becomes the next spare.
 */
#ifndef SPAWNED_RUNTIME_SCHEDULER_H
#define SPAWNED_RUNTIME_SCHEDULER_H

#include "runtime/backend.h"
#include "runtime/core.h"

/** The real backend's `ready`. Context: any thread with a context. */
void sp__real_ready(struct sp__actor *actor);

/** The same for one that never ran. Context: any thread with a context. */
void sp__real_ready_new(struct sp__actor *actor);

/** Make a new actor run, before those that wait already. Context: any thread with a context. */
static inline void sp__scheduler_ready_new(struct sp__actor *actor)
{
    if (actor->runtime->real)
        sp__real_ready_new(actor);
    else
        actor->runtime->ops->ready(actor);
}

/** The real backend's `park`. Context: process, suspends. */
void sp__real_park(struct sp__actor *actor, bool receiving);

/** Make a runnable actor run. Context: any thread with a context. */
static inline void sp__scheduler_ready(struct sp__actor *actor)
{
    if (actor->runtime->real)
        sp__real_ready(actor);
    else
        actor->runtime->ops->ready(actor);
}

/** Suspend the running actor until it is ready; may return early: check again what you wait
 *  for. Context: process, suspends. */
static inline void sp__scheduler_park(struct sp__actor *actor, bool receiving)
{
    if (actor->runtime->real)
        sp__real_park(actor, receiving);
    else
        actor->runtime->ops->park(actor, receiving);
}

/** Wait a moment for another thread: pause, or yield the processor from the 64th time on. */
void sp__scheduler_spin(unsigned spins);

/** Make what a deadline needs, where a failure can still be told. False: no memory.
 *  Context: the owner. */
SP_NODISCARD bool sp__scheduler_prepare_deadline(struct sp__actor *actor) SP_NONNULL;

/** Set when an idle actor's deadline passes; INT64_MAX: never. It is then woken.
 *  Context: the owner. */
void sp__scheduler_set_deadline(struct sp__actor *actor, int64_t deadline_ns) SP_NONNULL;

/** Park the running actor with a time limit: as sp__scheduler_park(), and comes back when
 *  `deadline_ns` (INT64_MAX: never) has passed. Context: process, suspends. */
static inline void sp__scheduler_park_until(struct sp__actor *actor, bool receiving,
                                            int64_t deadline_ns)
{
    if (deadline_ns != INT64_MAX)
        sp__scheduler_set_deadline(actor, deadline_ns);
    sp__scheduler_park(actor, receiving);
    if (deadline_ns != INT64_MAX)
        sp__scheduler_set_deadline(actor, INT64_MAX);
}

/** Disarm the deadline timer for good. Context: the owner, at its end. */
void sp__scheduler_clear_deadline(struct sp__actor *actor) SP_NONNULL;

/** Is it the end of time? Context: any. */
static inline bool sp__scheduler_never(sp_deadline deadline, sp_deadline fallback)
{
    uint32_t kind = deadline.kind == SP_DEADLINE_DEFAULT ? fallback.kind : deadline.kind;
    return kind == SP_DEADLINE_NEVER;
}

/** Turn a deadline into an instant: `fallback` where it says default.
 *  Context: any. */
int64_t sp__scheduler_instant(struct sp_runtime *runtime, sp_deadline deadline,
                              sp_deadline fallback) SP_NONNULL;

/** The same for the deadline of a wait: one of a second or more from now may come out later by
 *  the granularity of the coarse clock, never earlier, and costs a fifth.
 *  Context: any. */
int64_t sp__scheduler_until(struct sp_runtime *runtime, sp_deadline deadline, sp_deadline fallback)
    SP_NONNULL;

#endif
