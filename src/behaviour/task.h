/* Tasks and groups inside: what task.c, task_group.c and task_map.c share.
 *
 * What is left of a task when its process has ended, and what a group holds, lies in slots of
 * one slab, so that a handle is a number and a serial, and a stale one finds out:
 *
 *     sp_task {slot, serial} -> struct sp__task         its process has a pointer to it
 *     sp_task_group          -> struct sp__task_group   running -> task, task ...
 *                                                       finished -> task, task ...
 *
 * A task's slot is given back by whoever comes last: its process, which has ended, or its
 * owner, who has joined, detached or ended; of a task in a group, the group. A group is given back
 * by the last of: its owner, its process, its running tasks.
 *
 * Locks: runtime.task_lock (who is beneath whom), then a group's, then a task's. Nothing suspends
 * and no destructor runs under any of them. A task in a group is found through the group alone, as
 * nobody has a handle of it: its own lock is not used, what it has is under the group's.
 *
 * The owner finds its group without a lock: only itself makes itself the owner, and not any more.
 *
 * Threads: any. Neighbours: process/cancel.c; spawned/task.h.
 */
#ifndef SPAWNED_BEHAVIOUR_TASK_H
#define SPAWNED_BEHAVIOUR_TASK_H

#include "base/list.h"
#include "process/process.h"
#include "process/resource.h"
#include "process/signal.h"
#include "spawned/task.h"

enum sp__task_kind {
    SP__TASK_NOTHING, /* the slot is free */
    SP__TASK_RUNNING,
    SP__TASK_ENDED,
    SP__TASK_GROUP,
};

/** The beginning of every slot. The lock is never made anew: who has a stale handle may hold it. */
struct sp__task_slot {
    struct sp__lock lock;
    uint32_t number;
    _Atomic uint64_t
        serial; /* of the handle; counted up when it is taken and when it is given back,
                                where there is a handle under the lock */
    _Atomic(struct sp_process *) owner; /* of a group, written by itself; or NULL */
    enum sp__task_kind kind;            /* under the lock */
};

/* Functions pass a locked slot on, which the compiler's analysis of locks cannot follow. */
static inline void sp__task_slot_lock(struct sp__task_slot *slot) SP__NO_THREAD_SAFETY
{
    sp__lock_lock(&slot->lock);
}
static inline void sp__task_slot_unlock(struct sp__task_slot *slot) SP__NO_THREAD_SAFETY
{
    sp__lock_unlock(&slot->lock);
}

struct sp__task_group;

struct sp__task {
    struct sp__task_slot slot; /* first */
    const struct sp_task_type *type;
    const char *label;
    const void *in;
    void *out;
    void *block; /* in which both lie, or NULL: they are the owner's */
    uint8_t block_class;
    bool returned; /* its function has; written by the task */
    bool kept;     /* its owner, or its group, has not taken it */
    bool killed;   /* `kill` was sent */
    sp_err err;
    const struct sp_reason *reason; /* where it did not return; a reference */
    sp_pid pid;
    sp_pid owner;
    struct sp__list waiters;      /* struct task_waiter */
    struct sp__resource resource; /* the owner's, where it is in no group */
    struct sp__process_signal kill;
    struct sp__task_group *group;
    struct sp__list link; /* of the group's running or finished ones */
    uint64_t number;
    uint64_t told; /* round of telling in which it was told */
};

struct sp__task_group {
    struct sp__task_slot slot; /* first; its lock guards all that follows */
    sp_pid pid;
    uint32_t running_max; /* constant */
    uint32_t references;
    _Atomic bool cancelled; /* written under the lock, never taken back */
    bool scope;
    bool for_all;  /* its owner takes results until none are left */
    bool for_last; /* its owner waits until nothing runs: nothing else wakes it */
    size_t running_count;
    uint64_t started;
    uint64_t ended;         /* and went to `finished` */
    _Atomic uint64_t taken; /* of those; the owner's */
    uint64_t rounds;        /* of telling */
    struct sp__list running;
    struct sp__list finished; /* oldest first */
    struct sp__list fetched;  /* the owner's, without a lock: finished before those */
    struct sp__actor *waiter; /* the owner, while it waits with `token`; or NULL */
    uint64_t token;
    struct sp__resource owned;      /* by the owner */
    struct sp__resource shown;      /* by its process */
    struct sp__process_signal kill; /* of its process */
    /* under runtime.task_lock */
    struct sp__task_group *parent;
    struct sp__list beneath;
    struct sp__list link; /* of the parent's */
};

/** What to run. */
struct sp__task_start {
    const struct sp_task_type *type;
    const struct sp_task_options *options; /* or NULL */
    const void *in;
    void *out;                    /* not NULL: the owner's, and `in` is not copied */
    struct sp__task_group *group; /* or NULL */
    const void *site;             /* where in the program, or NULL */
};

/** What to take of a task that has ended. */
struct sp__task_want {
    const struct sp_task_type *type; /* or NULL */
    void *out;                       /* or NULL */
    int64_t until;                   /* 0: do not wait */
    bool at_once;                    /* each result counts: do not wait for others to come, too */
};

/* ---- task.c ---- */

/** A slot whose handle nobody has yet. Errors: NOMEM, LIMIT. Context: process. */
SP_NODISCARD sp_err sp__task_slot_take(struct sp_runtime *runtime, struct sp__task_slot **out)
    SP_NONNULL;

/** Give it back; its lock is held, and let go, but for a slot of which there is no handle: there it
 *  is not. Context: any with a context. */
void sp__task_slot_give(struct sp_runtime *runtime, struct sp__task_slot *moved_slot, bool locked)
    SP_NONNULL;

/** The number of uses of the slot that its handle has, too. */
static inline uint64_t sp__task_slot_serial(const struct sp__task_slot *slot)
{
    /* relaxed: what lies behind it is under the lock, or the reader's own. */
    return atomic_load_explicit(&slot->serial, memory_order_relaxed);
}

/** The slot of a number, whatever it holds; NULL: there is none. Context: any with a context. */
struct sp__task_slot *sp__task_slot_get(struct sp_runtime *runtime, uint32_t number) SP_NONNULL;

/** The slot of a handle, its lock held; NULL: stale. Context: any with a context. */
struct sp__task_slot *sp__task_slot_find(struct sp_runtime *runtime, uint32_t number,
                                         uint64_t serial) SP_NONNULL;

/** Start a task. In a group it is on the group's running list before it runs.
 *  Errors: as sp_task_spawn(). Context: process. */
SP_NODISCARD sp_err sp__task_start(struct sp_process *self, const struct sp__task_start *start,
                                   struct sp__task **out) SP_NONNULL;

/** Kill its process, with what lies ready for that. Context: any, its lock, or its group's, held. */
void sp__task_kill(struct sp_runtime *runtime, struct sp__task *task) SP_NONNULL;

/** The same, also where it was killed before: its exit goes on with what comes next. Context: as
 *  above. */
void sp__task_kill_again(struct sp_runtime *runtime, struct sp__task *task) SP_NONNULL;

/** Send a signal that is its sender's memory. Context: any, the memory stays until the process ends.
 */
void sp__task_signal(struct sp_runtime *runtime, sp_pid pid, struct sp__process_signal *signal)
    SP_NONNULL;

/** The same, unless the one before is still to be seen: of memory that was zeroed. Context: as
 *  above, one at a time. */
void sp__task_signal_again(struct sp_runtime *runtime, sp_pid pid,
                           struct sp__process_signal *signal) SP_NONNULL;

/** What a task that has ended leaves goes: to `out` and `*out_done` (or NULL), else it is destroyed;
 *  then its slot. Nobody else knows it any more. Context: process; may run a destructor. */
void sp__task_take(struct sp_runtime *runtime, struct sp__task *moved_task,
                   const struct sp_task_type *type, void *out, struct sp_task_done *out_done)
    SP_NONNULL_ARGS(1, 2);

/** The task that `process` is, or NULL. Context: the owner. */
struct sp__task *sp__task_of(const struct sp_process *process) SP_NONNULL;

/* ---- task_group.c ---- */

/** It is about to run, of its group, for whom it counts from now on. Context: the spawner. */
void sp__task_group_began(struct sp_runtime *runtime, struct sp__task *task) SP_NONNULL;

/** It does not run after all. Context: the spawner. */
void sp__task_group_failed(struct sp__task *task) SP_NONNULL;

/** Its process has ended. Context: the task's process, at its very end. */
void sp__task_group_ended(struct sp_runtime *runtime, struct sp__task *task) SP_NONNULL;

/** As sp_task_group_open(); a scope's tasks are waited for when the owner ends. */
SP_NODISCARD sp_err sp__task_group_open(const struct sp_task_group_options *options, bool scope,
                                        sp_task_group *out) SP_NONNULL_ARGS(3);

/** Start a task as sp_task_group_spawn() does; `start` without its group.
 *  Errors: as that. Context: the owner; may suspend. */
SP_NODISCARD sp_err sp__task_group_start(sp_task_group handle, struct sp__task_start *start,
                                         uint64_t *out_number) SP_NONNULL_ARGS(2);

/** As sp_task_group_next(), of what `want` says. */
SP_NODISCARD sp_err sp__task_group_take(sp_task_group handle, const struct sp__task_want *want,
                                        struct sp_task_done *out_done) SP_NONNULL;

/** From now on, or no longer, the owner waits for all tasks when it waits for one.
 *  Errors: DEADLOCK (one of them waits for it), NOPROC, NOTCONTEXT. Context: the owner. */
SP_NODISCARD sp_err sp__task_group_for_all(sp_task_group group, bool on);

/** Wait until all that run have ended. Errors: TIMEOUT, CANCELLED, NOPROC, NOTCONTEXT. */
SP_NODISCARD sp_err sp__task_group_drain(sp_task_group handle, int64_t until);

#endif
