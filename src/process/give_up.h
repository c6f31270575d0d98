/* Processes that are given up: their handler does not return, and everybody else goes on.
 *
 * See docs/decisions/0037-giving-up.md. For all others the process has ended; its owner learns of it at
 * the next look at the control lane, and then goes through what is left of its exit.
 *
 * Threads: as marked. Neighbours: scheduling.c decides and holds the owner's exit back meanwhile; exit.c,
 * signal.c, send.c look at the bit.
 */
#ifndef SPAWNED_PROCESS_GIVE_UP_H
#define SPAWNED_PROCESS_GIVE_UP_H

#include "process/process.h"

/** Was it given up? Context: any. */
static inline bool sp__process_given_up(const struct sp_process *process)
{
    /* relaxed: what the owner must not miss comes through the control lane. */
    return (atomic_load_explicit(&process->shared, memory_order_relaxed) & SP__SHARED_GIVEN_UP) !=
           0;
}

/** Is the running process one that was given up, so that what it asks for is refused? Then it ends
 *  here, unless it is in its exit already. Context: the owner; a point. */
SP_NODISCARD bool sp__process_refused(struct sp_process *self) SP_NONNULL;

/** The owner has learned of it: how it ends. A reference. Context: the owner. */
const struct sp_reason *sp__process_given_up_reason(struct sp_process *self) SP_NONNULL;

/** Give it up, because of its handler of `operation`; does not suspend.
 *  Context: any thread with a context, inside an epoch section, who keeps its owner from ending. */
void sp__process_give_up(struct sp_process *process, const char *operation) SP_NONNULL;

/** It has ended as any other does: the threads it ran on are as others again. Context: the owner. */
void sp__process_given_up_end(struct sp_process *self) SP_NONNULL;

#endif
