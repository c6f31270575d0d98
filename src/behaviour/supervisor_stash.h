/* The stash: who answers to a child's name while it waits for its restart.
 *
 *     child dies ── open ── messages to the name wait ── child starts, nameless ── deliver
 *                   stand-in takes the name                    │
 *                                   messages forwarded in order, then the name changes hands
 *
 * The stand-in is a plain process, linked to the supervisor, that never looks at what is sent to
 * it. It keeps up to its maximum; what comes then is dropped and counted by its mailbox. Typed
 * look-ups find it as if it were the child. A call waits in it within its own deadline.
 *
 * Order: a sender that looks the name up before each message sees its messages handled in order.
 * Before the stand-in takes the name, and between its last message and the child's registration,
 * the name is free for a moment: a look-up then says NOTFOUND, and nothing can overtake.
 *
 * Threads: the supervisor's process. Neighbours: supervisor_child.c.
 */
#ifndef SP_BEHAVIOUR_SUPERVISOR_STASH_H
#define SP_BEHAVIOUR_SUPERVISOR_STASH_H

#include "spawned/server.h"

/** A stand-in; zero is none. */
struct sp__stash {
    sp_pid pid;
};

/** Start the stand-in for the child of class `server_class` called `name`. It ends by itself if
 *  somebody else takes the name.
 *  Errors: NOMEM, LIMIT, INVALID (no name).
 *  Ownership: ended by sp__stash_deliver() or sp__stash_drop().
 *  Context: process (the supervisor). */
sp_err sp__stash_open(const char *name, const struct sp_server_class *server_class, uint32_t max,
                      struct sp__stash *out_stash) SP_NONNULL SP_NODISCARD;

/** Forward everything to `child`, then give it `name`. The stash is none afterwards, whatever
 *  the result.
 *  Errors: EXISTS (somebody took the name, or the child took another), NOPROC (the child is dead),
 *  NOMEM; the messages are forwarded all the same, or counted as dead.
 *  Context: process (the supervisor), may suspend. */
sp_err sp__stash_deliver(struct sp__stash *stash, const char *name, sp_pid child)
    SP_NONNULL SP_NODISCARD;

/** End the stand-in; what it holds is counted as dead, calls fail. None is accepted.
 *  Context: process (the supervisor), may suspend. */
void sp__stash_drop(struct sp__stash *stash) SP_NONNULL;

#endif
