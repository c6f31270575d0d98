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

/** One more. False: processes_max live (not for `always`, which is counted whatever the limit).
 *  Context: any with a context. */
SP_NODISCARD bool sp__living_add(struct sp__context *context, bool always) SP_NONNULL;

/** One less. Context: any with a context. */
void sp__living_remove(struct sp__context *context) SP_NONNULL;

/** The same for a process that was counted as exited; tells the stop when the last is gone.
 *  Context: any with a context. */
void sp__living_exited(struct sp__context *context) SP_NONNULL;

/** How many live now: those counted as spawned and not as exited. Never too few: all that were alive
 *  at one instant of the call are in. Context: any. */
uint64_t sp__living_count(struct sp_runtime *runtime) SP_NONNULL;

#endif
