/* Dynamic supervisors: many children that come and go, known by their pids.
 *
 * One for one always. Children have no order: they are stopped at the same time, each within
 * its own budget. Starting, stopping and losing a child cost the same with ten children and
 * with a hundred thousand. A child that is restarted gets a new pid; until then it is known by
 * the old one. A child that ended and is not restarted is forgotten.
 */
#ifndef SPAWNED_DYNAMIC_SUPERVISOR_H
#define SPAWNED_DYNAMIC_SUPERVISOR_H

#include "spawned/supervisor.h"

SP_EXTERN_C_BEGIN

/** A dynamic supervisor. Zero is the default everywhere. */
struct sp_dynamic_supervisor_spec {
    const struct sp_child_spec *child; /**< the kind of child; NULL: each brings its own spec */
    uint32_t max_children;             /**< running or restarting; default: no limit */
    uint32_t max_restarts;             /**< as in sp_supervisor_spec */
    sp_duration period;                /**< default 5 s */
};

/** Start a dynamic supervisor, without children.
 *  Errors: INVALID (the spec; `id` may be missing here); otherwise as sp_server_start().
 *  Ownership: `spec` is borrowed; what it points to is copied as in sp_supervisor_start().
 *  `options` may be NULL.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_dynamic_supervisor_start(const struct sp_dynamic_supervisor_spec *spec,
                                const struct sp_server_options *options, sp_pid *out_pid);

/** One child to start. */
struct sp_dynamic_child {
    const struct sp_child_spec *spec; /**< NULL: the supervisor's `child` */
    const void *args;                 /**< not NULL: instead of those in the spec */
    size_t args_size;                 /**< of `args`, as in sp_child_spec */
};

/** Start a child.
 *  Errors: LIMIT (max_children); INVALID (the spec, or none where the supervisor has none, or a
 *  significant one); IGNORED (it declined, and is forgotten); what its start returned, INITFAILED
 *  among it; NOPROC, DIED (the supervisor), TIMEOUT (the child may be started yet), FULL,
 *  BADCALL (not a dynamic supervisor), NOMEM, NOTCONTEXT.
 *  Ownership: `child` is borrowed.
 *  Context: process, may suspend; not the supervisor's own. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_dynamic_supervisor_start_child(sp_pid supervisor, const struct sp_dynamic_child *child,
                                      sp_deadline deadline, sp_pid *out_pid);

/** Stop a child as its spec says, and forget it. `pid` is its pid, or, while it waits for its
 *  restart, the one it had.
 *  Errors: NOTFOUND; NOPROC, DIED, TIMEOUT (it is stopped yet), FULL, BADCALL, NOMEM, NOTCONTEXT.
 *  Context: process, may suspend; not the supervisor's own. Default deadline: none. */
SP_API SP_NODISCARD sp_err sp_dynamic_supervisor_terminate_child(sp_pid supervisor, sp_pid pid,
                                                                 sp_deadline deadline);

/** All children, in no promised order; `pid` of one that is restarting is the one it had.
 *  Errors: NOPROC, DIED, TIMEOUT, FULL, BADCALL, NOMEM, NOTCONTEXT.
 *  Ownership: as sp_supervisor_which_children().
 *  Context: process, may suspend; not the supervisor's own. Default deadline: 5 s. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(3, 4) sp_err
    sp_dynamic_supervisor_which_children(sp_pid supervisor, sp_deadline deadline,
                                         struct sp_child_info **out_children, size_t *out_count);

/** As sp_supervisor_info(); it visits every child.
 *  Errors: NOPROC, DIED, TIMEOUT, FULL, BADCALL, NOMEM, NOTCONTEXT.
 *  Context: process, may suspend; not the supervisor's own. Default deadline: 5 s. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(3) sp_err
    sp_dynamic_supervisor_info(sp_pid supervisor, sp_deadline deadline,
                               struct sp_supervisor_info *out_info);

SP_EXTERN_C_END

#endif
