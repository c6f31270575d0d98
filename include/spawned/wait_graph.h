/* Who waits for whom: the edges that make a deadlock when they form a circle.
 *
 * A wait for another process (a call, a join, a stop, ...) is an edge. The wait that would close a
 * circle fails at once with SP_ERR_DEADLOCK; sp_call_outcome() then has a reason that names
 * the circle. docs/reentrancy.md says what is seen and what is not.
 */
#ifndef SPAWNED_WAIT_GRAPH_H
#define SPAWNED_WAIT_GRAPH_H

#include "spawned/pid.h"
#include "spawned/time.h"

#include <stdbool.h>
#include <stddef.h>

SP_EXTERN_C_BEGIN

/** What one process waits for another to do. */
enum sp_wait_kind {
    SP_WAIT_CALL,  /**< answer */
    SP_WAIT_START, /**< be done with its init */
    SP_WAIT_JOIN,  /**< end */
    SP_WAIT_STOP,  /**< end, because it was told to */
    SP_WAIT_ROOM,  /**< have room in its mailbox */
    SP_WAIT_TASK,  /**< end, with a result */
    SP_WAIT_GROUP, /**< have all its tasks ended; `to` is the group's process */
    SP_WAIT_SYS,   /**< do what a function of spawned/sys.h asks */
};

/** One edge. */
struct sp_wait {
    sp_pid from;
    sp_pid to;
    enum sp_wait_kind kind;
    const char
        *operation; /**< of a call, else the kind's name; NULL: it had just begun, or ended */
    sp_time since;  /**< within 10 ms; 0: not known (a call without end, or until an instant) */
    bool deferred; /**< a call whose request was taken: others may answer; never part of a circle */
};

/** The edges of the runtime, each true at the moment it was read: from `*cursor` (0 to begin;
 *  SIZE_MAX at the end), up to `max`; returns how many. Looks at a bounded number of processes
 *  each time, so it may return 0 before the end.
 *  Context: process (also an attached thread). */
SP_API SP_NONNULL size_t sp_wait_list(size_t *cursor, struct sp_wait *waits, size_t max);

SP_EXTERN_C_END

#endif
