/* Who waits for whom, and the circle that such edges close.
 *
 *   edge of p:  p.waits_token = token of p's open wait  ->  slot waits_slot, serial waits_serial
 *
 * An edge exists while the wait is open that it names: it needs no clearing, and one that is left
 * over from an earlier wait is never taken for a new one. A call writes its edge, sends its
 * request, and then looks where its target's edge leads; every other wait does it in one go.
 *
 * Who looks: whoever adds an edge, if somebody may wait for it: a server always, any other process
 * once it is marked with SHARED_JOINED or SHARED_WAITED_FOR, by who waits for it. So of the
 * processes in a circle each one looks after it has written its own edge. All edges and marks
 * are written and read in one total order: loads are sequentially consistent, stores too,
 * except for the edge of a call on x86-64, which is a plain store with a locked instruction
 * behind it, the push of the request, before the looking. So the one whose edge comes last in that
 * order sees all others. Two that come at once may both see the circle; both then fail.
 *
 * A circle is certain: it is walked twice, and every wait in it must be the same one both times.
 * Each was then open from its first look to its second, all of them at the instant between the
 * two walks, and none of those who wait for each other at one instant can go on by itself. One who
 * was told to end can: so who has a signal counts for nothing, and looks itself once it has dealt
 * with that. All others must be parked, or be looking too; who is on the way to either is waited
 * for, which is some instructions.
 *
 * A server that waits for its readers judges its circles: it may let in what one of them asks of
 * it, so that there is none any more. Whoever else sees such a circle wakes it, and does not count it.
 *
 * Threads: the edge is its owner's, but for WAITS_DEFERRED and for a redirected call, which are written
 * by who has claimed the wait; anybody reads. Neighbours: wait.c, control.c, reply.h, behaviour/call.c.
 */
#ifndef SPAWNED_PROCESS_DEADLOCK_H
#define SPAWNED_PROCESS_DEADLOCK_H

#include "process/process.h"
#include "process/reply.h"

/* Bits of sp_process.waits_slot, above the slot. */
#define SP__WAITS_DEFERRED UINT32_C(0x80000000) /* somebody else may answer */
#define SP__WAITS_GROUP UINT32_C(0x40000000)    /* for all children of the process */
#define SP__WAITS_LOOKING UINT32_C(0x20000000)  /* it is looking for a circle just now */
#define SP__WAITS_JUDGES UINT32_C(0x10000000)   /* it decides itself who of its circles gives way */
#define SP__WAITS_SLOT UINT32_C(0x0fffffff)

/* The store that must be over before a call looks at others; see the top. */
#if defined(__x86_64__)
#define SP__EDGE_STORE memory_order_release
#else
#define SP__EDGE_STORE memory_order_seq_cst
#endif

/** A call's edge; its request is pushed next. Context: the owner, `token` of its open wait. */
static inline void sp__edge_of_call(struct sp_process *self, sp_pid to, uint64_t token)
{
    /* release: pair with the acquire in edge_read(): who sees one of them and then finds the wait
     * as before, sees those of the same wait. */
    atomic_store_explicit(&self->waits_slot, to.slot, memory_order_release);
    atomic_store_explicit(&self->waits_serial, (uint32_t)to.serial, memory_order_release);
    atomic_store_explicit(&self->waits_token, (uint32_t)token, SP__EDGE_STORE);
}

/** Any other wait's edge; its pending part is filled in and made the process's. `group`: for all
 *  children of `to`. Not inside of another wait. Context: the owner, `token` of its open wait. */
void sp__edge_begin(struct sp_process *self, struct sp__pending *pending, sp_pid to, uint64_t token,
                    enum sp_wait_kind kind) SP_NONNULL;

/** The wait is over. Context: the owner. */
static inline void sp__edge_end(struct sp_process *self)
{
    self->pending = NULL;
}

/** Somebody else may answer the request of this caller. Context: any with a context. */
void sp__edge_loosen(const struct sp__reply_to *to) SP_NONNULL;

/** The request of this caller is `to`'s now, which has done nothing for it yet. Context: any with a
 *  context. */
void sp__edge_redirect(const struct sp__reply_to *request, sp_pid to) SP_NONNULL;

/** May an edge to `to` close a circle: does it wait itself? Context: any with a context. */
static inline bool sp__edge_may_close(struct sp_runtime *runtime, sp_pid to)
{
    const struct sp_process *target = sp__slab_get(runtime->processes, to.slot);
    /* seq_cst: see the top. The slot's memory is a process's for good. OPEN or BUSY. */
    return target != NULL &&
           (atomic_load_explicit(&target->actor.wait, memory_order_seq_cst) + 1) % 4 >= 2;
}

/** Has the running process's wait `token` closed a circle? Then the outcome names it, and so does
 *  the log. Context: the owner; a point. */
SP_NODISCARD bool sp__deadlock_closed(struct sp_process *self, uint64_t token) SP_NONNULL;

/** The same, but nobody is told yet: `*out_last` is who waits for us in it. */
SP_NODISCARD bool sp__deadlock_found(struct sp_process *self, uint64_t token, sp_pid *out_last)
    SP_NONNULL;

/** We, who judge, do not help `last` with this circle: it is to look for itself. Context: the owner. */
void sp__deadlock_leave_to(struct sp_process *self, sp_pid last) SP_NONNULL;

/** The same for a wait for several, of which `to` is one. */
SP_NODISCARD bool sp__deadlock_closed_by(struct sp_process *self, sp_pid to) SP_NONNULL;

enum sp__circle {
    SP__CIRCLE_NONE,
    SP__CIRCLE_UNSURE, /* one of it runs just now, or we have something to do: look again soon */
    SP__CIRCLE_CLOSED, /* the outcome names it, and so does the log */
};

/** As sp__deadlock_closed(), of a process that takes messages while it waits and is about to park:
 *  one look, and it does not count as looking for others. Context: the owner. */
SP_NODISCARD enum sp__circle sp__deadlock_glance(struct sp_process *self) SP_NONNULL;

/** Whom the process waits for, or NULL. Context: any, inside an epoch section. */
struct sp_process *sp__wait_target(struct sp_process *process) SP_NONNULL;

#endif
