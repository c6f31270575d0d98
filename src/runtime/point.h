/* Points: the operations of a process at which a simulated world may let others go first.
 *
 * Whoever is about to do something that others can tell the order of (send, look a name up,
 * link, exit ...) says so first. On threads that is one test of a pointer; in simulation the
 * process stands aside and goes on when the world chooses it.
 *
 * A point is outside of epoch sections and locks, and may suspend: fetch the context anew.
 * Threads: any. Neighbours: runtime/sim/world.h chooses, runtime/core.h has sp__point().
 */
#ifndef SPAWNED_RUNTIME_POINT_H
#define SPAWNED_RUNTIME_POINT_H

#include "spawned/pid.h"

/** What is about to happen, and so what `object` is. Two operations race only if they are on the
 *  same object, and one of them changes it. */
enum sp__point {
    SP__POINT_TURN,    /* a process goes on, with what is in its mailbox; object: its pid */
    SP__POINT_SEND,    /* object: the receiver's pid */
    SP__POINT_REPLY,   /* object: the caller's pid */
    SP__POINT_PROCESS, /* link, monitor, exit signal, look at its life; object: the other's pid */
    SP__POINT_EXIT,    /* object: the own pid */
    SP__POINT_SPAWN,   /* object: the own pid */
    SP__POINT_NAME,    /* object: hash of the name */
    SP__POINT_TIMERS,  /* what is due fires; object: the node */
    SP__POINT_JOB,     /* blocking work begins, or its end is told */
    SP__POINT_YIELD,   /* object: the own pid */
    SP__POINT_MAIN,    /* a thread of the program goes on */
    SP__POINT_NET,     /* a socket is used, or something arrives; object: who it arrives for */
    SP__POINT_COUNT
};

/** A pid as an object. */
static inline uint64_t sp__point_pid(sp_pid pid)
{
    return ((uint64_t)pid.slot << 40) ^ pid.serial;
}

/** A name as an object. Source: G. Fowler, L. Noll, K.-P. Vo, the hash FNV-1a. */
static inline uint64_t sp__point_name_hash(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *at = name; at != NULL && *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    return hash;
}

#endif
