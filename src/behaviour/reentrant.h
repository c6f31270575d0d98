/* Reentrant servers: other messages are handled while a handler waits for an answer.
 *
 * A handler that waits in a call leaves the process with its fiber and becomes a strand. The
 * process runs on without one: its turn is reentrant_turn() until no strand is left.
 *
 *   handler 1 -> call -> strand 1 (its fiber, frame, pending)     extra.asides, oldest first
 *   reentrant_turn: an answer is there   -> go on on that strand's fiber
 *                   a message may come in -> handle it; it may become strand 2
 *                   else                 -> show the newest strand's wait, park
 *
 * Invariants: one handler runs, or waits for something that is no call, or none does; so the state is
 * never touched by two at once. Strands have their frames and pending parts put by:
 * server->frame and self->pending are those of what runs. The actor's wait is the newest
 * strand's while the process is parked ("shown"), so that answers take the short way and the
 * graph of waits has its edge; before anything of the user's runs it is closed ("hidden").
 *
 * A message is let in (reentrant_admits()) under SP_REENTRANCY_FULL always, under CALL_CHAIN if its
 * chain passes through one of the strands, else if the class's predicate says so. Those not let in
 * are saved, in order, and not looked at again before their turn.
 *
 * Threads: the server's process. Neighbours: server.c, call.c, process/aside.h.
 */
#ifndef SPAWNED_BEHAVIOUR_REENTRANT_H
#define SPAWNED_BEHAVIOUR_REENTRANT_H

#include "behaviour/server.h"
#include "process/aside.h"

struct sp__fiber;

/** A handler that waits in a call; on its own stack. */
struct sp__strand {
    struct sp__aside aside; /* first */
    int64_t until;
    int64_t since;
    int64_t handling_since; /* as of the process, while this one runs */
    struct sp__frame *frame;
    struct sp__fiber *fiber; /* while it is put aside */
    sp_err result;
};

/** Does the running server take other messages while it waits for this call? Context: the owner. */
static inline bool sp__server_reentrant(const struct sp_process *self)
{
    const struct sp_server_class *class = ((const struct sp__server *)self->data)->class;
    if (class->reentrancy == SP_REENTRANCY_NONE && class->may_interleave == NULL)
        return false;
    const struct sp__extra *extra = self->extra;
    return (self->flags & SP__PROCESS_STARTED) && self->stage == SP__EXIT_NOT &&
           (extra == NULL || !extra->aside_asks);
}

/** What such a wait needs. False: no memory. Context: the owner. */
SP_NODISCARD bool sp__reentrant_prepare(struct sp_process *self) SP_NONNULL;

/** Can a server of this class be started so? Errors: NOTSUP. Context: any. */
SP_NODISCARD sp_err sp__reentrant_check(const struct sp_server_class *server_class,
                                        const struct sp_spawn_options *options) SP_NONNULL_ARGS(1);

/** Begin a call: `to`, `until`, aside.token and aside.pending are set. Returns the chain that its
 *  requests carry. Context: the owner, its wait open. */
uint64_t sp__reentrant_begin(struct sp_process *self, struct sp__strand *strand) SP_NONNULL;

/** It is not waited for: the actor's wait is over, or the caller closes it. Context: the owner. */
void sp__reentrant_cancel(struct sp_process *self, struct sp__strand *strand) SP_NONNULL;

/** Wait for it; other messages are handled meanwhile.
 *  Errors: TIMEOUT, CANCELLED, DEADLOCK. Context: the owner; suspends. */
SP_NODISCARD sp_err sp__reentrant_wait(struct sp_process *self, struct sp__strand *strand)
    SP_NONNULL;

/** At the end of the process: callers are told, fibers given back. Context: its finish. */
void sp__reentrant_finish(struct sp_process *self, const struct sp_reason *reason) SP_NONNULL;

#endif
