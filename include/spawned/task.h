/* Tasks: processes with a result, and groups of them that none outlives.
 *
 *     word_count.h     SP_TASK(word_count, struct file_name, struct counts);
 *
 *     word_count.c     static sp_err word_count_run(const struct file_name *in, struct counts *out)
 *                      { ... }
 *                      SP_ON_TASK(word_count);
 *
 *     anyone           word_count_task task;
 *                      err = word_count_spawn(&name, NULL, &task);
 *                      ...
 *                      err = word_count_join(task, &counts, sp_after_sec(5));
 *
 * A task is an ordinary process: it has a pid, may call, receive and spawn, and its faults are
 * its own. What its function returns, or why the process ended, reaches whoever joins it. It
 * belongs to the process that spawned it, its owner: when that ends, its tasks are killed.
 *
 * A group keeps tasks together. It is a process itself, with its tasks beneath it. With SP_SCOPE()
 * it is a variable that cannot be left while its tasks live, whatever the way out, so that they
 * may use what lies in the owner's frame.
 */
#ifndef SPAWNED_TASK_H
#define SPAWNED_TASK_H

#include "spawned/process.h"
#include "spawned/server.h"

SP_EXTERN_C_BEGIN

/** What a kind of tasks does. Made by SP_ON_TASK(). */
struct sp_task_type {
    const char *name;
    uint32_t in_size;
    uint32_t out_size;
    sp_err (*run)(const void *in, void *out);
    void (*out_destroy)(void *out); /**< frees a result that nobody takes, or NULL */
};

/** A task, for as long as it is not joined by its owner. A stale one is refused (NOPROC). */
typedef struct sp_task {
    uint64_t serial;
    uint32_t slot;
} sp_task;

/** How a task starts. Zero is the default everywhere. */
struct sp_task_options {
    const char *label; /**< for inspection; default: the type's name; static */
    bool own_thread;   /**< runs on a thread of its own: may block, spin, use any API */
    size_t memory_max; /**< bytes of sp_alloc() memory; 0: no limit */
};

/** Start a task that runs `type` on a copy of `*in`; the typed name_spawn() uses it.
 *  Errors: NOMEM, LIMIT (processes_max), SHUTDOWN, NOTCONTEXT.
 *  Ownership: the running process owns the task: joins it, detaches it, or takes it with it when
 *  it ends.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 2, 4) sp_err
    sp_task_spawn(const struct sp_task_type *type, const void *in,
                  const struct sp_task_options *options, sp_task *out_task);

/** Wait until it has ended and take its result. Any number of processes may wait; the owner's join
 *  is the last: after it the task is gone. `out_reason` may be NULL.
 *  Errors: what the task's function returned; DIED (it ended otherwise: *out_reason says
 *  why); TIMEOUT, CANCELLED (the caller's deadline, the caller was cancelled: the task goes on,
 *  and *out_reason is not written); NOPROC (joined, detached, or its owner has ended); INVALID
 *  (not of this type); DEADLOCK (itself, or a task that waits for the caller); NOTCONTEXT.
 *  Ownership: the result is the owner's; others get a copy, and none (SP_ERR_NOTSUP) where the
 *  type's results own something. The caller holds a reference of `*out_reason`.
 *  Context: process, may suspend. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2, 3) sp_err
    sp_task_join(sp_task task, const struct sp_task_type *type, void *out, sp_deadline deadline,
                 const struct sp_reason **out_reason);

/** Give it up: it goes on by itself, and its result is dropped. Not in a group.
 *  Errors: NOPROC, NOTCONTEXT (not its owner). Context: process. */
SP_API SP_NODISCARD sp_err sp_task_detach(sp_task task);

/** Ask it to give up, see sp_cancel(); its join tells what came of it.
 *  Errors: NOPROC, NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD sp_err sp_task_cancel(sp_task task);

/** Its process; SP_PID_NONE: it is gone. The process may have ended. Context: process. */
SP_API sp_pid sp_task_pid(sp_task task);

/* ---- groups ---- */

/** A group, for the process that opened it. */
typedef struct sp_task_group {
    uint64_t serial;
    uint32_t slot;
} sp_task_group;

/** How a group works. Zero is the default everywhere. */
struct sp_task_group_options {
    const char *name;     /**< its process is registered under; copied */
    uint32_t running_max; /**< tasks at a time; more wait in sp_task_group_spawn(); 0: no bound */
    /** Then its tasks are cancelled; default: never. */
    sp_deadline deadline;
    /** Cancelled with this group, also; default: with the group whose task opens it. */
    const sp_task_group *parent;
};

/** Open a group.
 *  Errors: NOMEM, LIMIT, NOPROC (no such parent), EXISTS (the name is taken), INVALID (name),
 *  CANCELLED (the caller), SHUTDOWN, NOTCONTEXT.
 *  Ownership: the running process's, sp_task_group_close(); at its end the tasks are killed.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_task_group_open(const struct sp_task_group_options *options, sp_task_group *out_group);

/** Cancel what still runs, and wait until all its tasks are dead and their results dropped; a task
 *  that does not come to a wait is waited for. A stale group is ignored.
 *  Context: the owner, may suspend; not ended by a cancellation or by an exit signal. */
SP_API void sp_task_group_close(sp_task_group group);

/** Start a task in the group; `*out_number` (or NULL) is how many were started before it.
 *  Errors: as sp_task_spawn(); CANCELLED (the group, or the caller while it waits for room);
 *  NOPROC (closed); NOTCONTEXT (not the owner).
 *  Context: the owner, may suspend: where `running_max` tasks run, until one ends. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2, 3) sp_err
    sp_task_group_spawn(sp_task_group group, const struct sp_task_type *type, const void *in,
                        const struct sp_task_options *options, uint64_t *out_number);

/** How a task of a group ended. */
struct sp_task_done {
    uint64_t number; /**< how many were started before it */
    const struct sp_task_type *type;
    sp_err err;                     /**< what its function returned; DIED: it ended otherwise, */
    const struct sp_reason *reason; /**< because of this: a reference of the caller's; or NULL */
};

/** Wait for the next task to end, in the order in which they end, and take its result: written to
 *  `out` if it is of `type` and returned SP_OK, else dropped. Both may be NULL.
 *  Errors: NOTFOUND (there is none any more), TIMEOUT, CANCELLED (the caller; the group's tasks
 *  are cancelled with it), NOPROC, NOTCONTEXT (not the owner).
 *  Ownership: the result and the reason are the caller's.
 *  Context: the owner, may suspend. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(4) sp_err
    sp_task_group_next(sp_task_group group, const struct sp_task_type *type, void *out,
                       struct sp_task_done *out_done, sp_deadline deadline);

/** Wait until all have ended; drops their results. `*out_failed` (or NULL) is the first to fail, if
 *  one does.
 *  Errors: that of the first task to fail; TIMEOUT, CANCELLED, NOPROC, NOTCONTEXT as above: then
 *  `*out_failed` has no type.
 *  Ownership: the reason in it is the caller's. Context: the owner, may suspend. */
SP_API SP_NODISCARD sp_err sp_task_group_join_all(sp_task_group group,
                                                  struct sp_task_done *out_failed,
                                                  sp_deadline deadline);

/** As sp_task_group_join_all(), but when one fails the others are cancelled; returns when all are
 *  dead.
 *  Errors: as sp_task_group_join_all(). Ownership: as there. Context: the owner, may suspend. */
SP_API SP_NODISCARD sp_err sp_task_group_join_all_ok(sp_task_group group,
                                                     struct sp_task_done *out_failed,
                                                     sp_deadline deadline);

/** Failures of a quorum, in the order in which they came. */
struct sp_task_failures {
    struct sp_task_done *list; /**< in: room for `max` */
    size_t max;
    size_t count; /**< out: how many failed; at most `max` are in the list */
};

/** Wait until `count` tasks have succeeded; then the others are cancelled, and dead when it returns.
 *  Their results are written to `outs`, one after another, in the order in which they ended, and
 *  their numbers to `numbers` (or NULL). `failures` may be NULL.
 *  Errors: LIMIT (so many cannot succeed any more: the rest is cancelled and dead); INVALID (a task
 *  of another type succeeded); TIMEOUT, CANCELLED (all are cancelled and dead); NOPROC,
 *  NOTCONTEXT. On any of them no result is given.
 *  Ownership: results, and reasons in the list of failures, are the caller's.
 *  Context: the owner, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(3, 4) sp_err
    sp_task_group_quorum(sp_task_group group, size_t count, const struct sp_task_type *type,
                         void *outs, uint64_t *numbers, struct sp_task_failures *failures,
                         sp_deadline deadline);

/** Ask all its tasks to give up, and those of the groups beneath it; no new ones start.
 *  Errors: NOPROC, NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD sp_err sp_task_group_cancel(sp_task_group group);

/** What a group holds. */
struct sp_task_group_info {
    sp_pid pid;       /**< its own process */
    uint64_t started; /**< tasks, so far */
    size_t running;
    size_t finished; /**< whose results nobody has taken yet */
    bool cancelled;
};

/** Look at it. Errors: NOPROC, NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_task_group_info(sp_task_group group,
                                                         struct sp_task_group_info *out_info);

/* ---- many inputs ---- */

/** How sp_task_map() works. Zero is the default everywhere. */
struct sp_task_map_options {
    uint32_t running_max; /**< tasks at a time; default: twice the runtime's workers */
    bool stop_on_failure; /**< the first failure cancels the others, and no more start */
    /** Called by the owner for each that has ended, in the order in which they end; may suspend.
     *  `*done` is its own only for the call. */
    void (*on_done)(const struct sp_task_done *done, void *arg);
    void *arg;
};

/** Run `type` on each of `count` inputs, so many at a time. Result number i is written to place i
 *  of `outs`, which is zeroed before, and its error to `errs` (or NULL); what was not started has
 *  CANCELLED. Inputs are not copied.
 *  Errors: the first failure of a task; TIMEOUT (the deadline; the rest is cancelled and dead),
 *  CANCELLED (the caller), NOMEM, LIMIT, NOTCONTEXT. `errs` is written whatever comes.
 *  Ownership: results are the caller's, also those of a map that failed.
 *  Context: process, may suspend. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_task_map(const struct sp_task_type *type, const void *ins, size_t count, void *outs,
                sp_err *errs, const struct sp_task_map_options *options, sp_deadline deadline);

/* ---- scopes ---- */

/** Used by SP_SCOPE(). A group that could not be opened refuses all tasks (NOPROC).
 *  Context: process, may suspend. */
SP_API sp_task_group sp__scope_enter(const struct sp_task_group_options *options);
/** Used by SP_SCOPE(). Context: the owner, may suspend. */
SP_API SP_NONNULL void sp__scope_leave(sp_task_group *group);

/** Declare the group `name` for the rest of the block, which is left only when all its tasks are
 *  dead: at its end and on a return, after they have ended by themselves; on an exit of the owner
 *  they are killed first. So they may use what the frame declares before it. `options` is
 *  NULL or a pointer. */
#define SP_SCOPE(name, options) \
    sp_task_group name __attribute__((cleanup(sp__scope_leave))) = sp__scope_enter(options)

/* ---- declarations ---- */

/** Declare the task `name`, for headers: name_task, name_spawn(), name_join(), and for groups
 *  name_add(), name_next(), name_race(), name_map(). */
#define SP_TASK(name, In, Out)                                                                   \
    typedef In name##__in_type;                                                                  \
    typedef Out name##__out_type;                                                                \
    typedef struct name##_task {                                                                 \
        sp_task task;                                                                            \
    } name##_task;                                                                               \
    extern const struct sp_task_type name##_task_type;                                           \
    SP_NODISCARD SP__INLINE sp_err name##_spawn(                                                 \
        const name##__in_type *in, const struct sp_task_options *options, name##_task *out_task) \
    {                                                                                            \
        return sp_task_spawn(&name##_task_type, in, options, &out_task->task);                   \
    }                                                                                            \
    SP_NODISCARD SP__INLINE sp_err name##_join(name##_task task, name##__out_type *out,          \
                                               sp_deadline deadline)                             \
    {                                                                                            \
        return sp_task_join(task.task, &name##_task_type, out, deadline, 0);                     \
    }                                                                                            \
    SP_NODISCARD SP__INLINE sp_err name##_add(sp_task_group group, const name##__in_type *in)    \
    {                                                                                            \
        return sp_task_group_spawn(group, &name##_task_type, in, 0, 0);                          \
    }                                                                                            \
    SP_NODISCARD SP__INLINE sp_err name##_next(sp_task_group group, name##__out_type *out,       \
                                               struct sp_task_done *out_done,                    \
                                               sp_deadline deadline)                             \
    {                                                                                            \
        return sp_task_group_next(group, &name##_task_type, out, out_done, deadline);            \
    }                                                                                            \
    SP_NODISCARD SP__INLINE sp_err name##_race(sp_task_group group, name##__out_type *out,       \
                                               struct sp_task_failures *failures,                \
                                               sp_deadline deadline)                             \
    {                                                                                            \
        return sp_task_group_quorum(group, 1, &name##_task_type, out, 0, failures, deadline);    \
    }                                                                                            \
    SP_NODISCARD SP__INLINE sp_err name##_map(                                                   \
        const name##__in_type *ins, size_t count, name##__out_type *outs, sp_err *errs,          \
        const struct sp_task_map_options *options, sp_deadline deadline)                         \
    {                                                                                            \
        return sp_task_map(&name##_task_type, ins, count, outs, errs, options, deadline);        \
    }                                                                                            \
    struct name##__task_declared

#define SP__ON_TASK(task_name, destroy_fn)                                                         \
    static sp_err task_name##__run(const void *in, void *out)                                      \
    {                                                                                              \
        return task_name##_run((const task_name##__in_type *)in, (task_name##__out_type *)out);    \
    }                                                                                              \
    const struct sp_task_type task_name##_task_type = { .name = #task_name,                        \
                                                        .in_size = sizeof(task_name##__in_type),   \
                                                        .out_size = sizeof(task_name##__out_type), \
                                                        .run = task_name##__run,                   \
                                                        .out_destroy = (destroy_fn) }

/** The task `name`, done by `static sp_err name_run(const In *, Out *)`, for one source file.
 *  `*out` starts zeroed and reaches the joiner on SP_OK only. */
#define SP_ON_TASK(name) SP__ON_TASK(name, 0)

/** The same for results that own something: `void out_destroy(Out *)` frees one nobody takes, of a
 *  function that returned SP_OK. */
#define SP_ON_TASK_MOVED(name, destroy_fn)     \
    static void name##__out_destroy(void *out) \
    {                                          \
        destroy_fn((name##__out_type *)out);   \
    }                                          \
    SP__ON_TASK(name, name##__out_destroy)

SP_EXTERN_C_END

#endif
