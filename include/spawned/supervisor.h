/* Supervisors: processes that start other processes, watch them, and start them again.
 *
 *     static const struct sp_child_spec children[] = {
 *         { .id = "store", .server = &store_class, .options.spawn.name = "store" },
 *         { .id = "front", .server = &front_class, .restart = SP_RESTART_TRANSIENT },
 *     };
 *     const struct sp_supervisor_spec spec = {
 *         .strategy = SP_REST_FOR_ONE, .children = children, .child_count = 2,
 *     };
 *     sp_err err = sp_supervisor_start(&spec, NULL, &supervisor);
 *
 * The semantics are Erlang's; docs/supervision.md tells them with a drawing. Children start in
 * order and stop in reverse, each fully dead before the next is touched. A supervisor that has
 * to restart too often gives up: it stops its children and ends with `shutdown`, which is for
 * its own supervisor to deal with. A restarted child is a new process with a new pid.
 *
 * Everything a spec points to is copied by the call it is given to, except server classes,
 * start functions, and arguments with an `args_size` of 0.
 */
#ifndef SPAWNED_SUPERVISOR_H
#define SPAWNED_SUPERVISOR_H

#include "spawned/server.h"

SP_EXTERN_C_BEGIN

/** Who is restarted when a child has ended. */
enum sp_strategy {
    SP_ONE_FOR_ONE = 0, /**< that child */
    SP_ONE_FOR_ALL,     /**< all: the others are stopped first */
    SP_REST_FOR_ONE,    /**< that child and those after it */
};

/** Which ends of a child lead to a restart. */
enum sp_restart {
    SP_RESTART_PERMANENT = 0, /**< every one */
    SP_RESTART_TRANSIENT,     /**< abnormal ones: not normal, shutdown, shutdown(x) */
    SP_RESTART_TEMPORARY,     /**< none; its spec goes with it */
};

/** Whether a supervisor ends when its significant children have ended by themselves. */
enum sp_auto_shutdown {
    SP_AUTO_SHUTDOWN_NEVER = 0,
    SP_AUTO_SHUTDOWN_ANY, /**< with the first one */
    SP_AUTO_SHUTDOWN_ALL, /**< with the last one that is left */
};

/** What a child is; it decides the default of its shutdown budget. */
enum sp_child_type {
    SP_CHILD_WORKER = 0,
    SP_CHILD_SUPERVISOR,
};

/** `max_restarts`: no restart at all, the first one is too many. */
#define SP_RESTARTS_NONE UINT32_MAX
/** `max_restarts`: never give up. */
#define SP_RESTARTS_UNLIMITED (UINT32_MAX - 1)
/** Largest number for `max_restarts`. */
#define SP_RESTARTS_MAX UINT32_C(100000)
/** `stash_max`: no stash, the name is free during the delay. */
#define SP_STASH_NONE UINT32_MAX
/** Longest id of a child, in bytes. */
#define SP_CHILD_ID_MAX 63

/** A delay before each restart, growing from `min` to `max`, so that what is down for a minute
 *  is not started a thousand times in it. On if `min` is not zero. */
struct sp_backoff {
    sp_duration min;         /**< before the first restart */
    sp_duration max;         /**< longest; default 30 s, or `min` if that is more */
    double factor;           /**< from one delay to the next, 1 to 1000; default 2 */
    double jitter;           /**< 0 to 1: random lengthening of each delay by up to this part of
                                  it, above `max` too; default 0, none */
    sp_duration reset_after; /**< a child that ran this long begins with `min` again; default
                                  (min + max) / 2 */
    uint32_t stash_max;      /**< messages kept for a child with a name while it is down; default
                                  1000; more are dropped and counted; or SP_STASH_NONE */
    bool count_restarts;     /**< such restarts count towards `max_restarts`; default: not */
};

struct sp_supervisor_spec;
struct sp_dynamic_supervisor_spec;

/** Starts a child that is neither a server nor a supervisor: spawns it, linked, and gives its pid.
 *  Runs in the supervisor's process, which does nothing else meanwhile; a fault or an exit in it
 *  ends the supervisor. SP_ERR_IGNORED: the child declines. */
typedef sp_err (*sp_child_start_fn)(void *args, sp_pid *out_pid);

/** How one child starts, restarts and stops. Zero is the default everywhere. */
struct sp_child_spec {
    const char *id; /**< unique in its supervisor; 1 to SP_CHILD_ID_MAX bytes */

    /* What it is: exactly one of these four. */
    const struct sp_server_class *server;             /**< a server of this class */
    const struct sp_supervisor_spec *supervisor;      /**< a supervisor */
    const struct sp_dynamic_supervisor_spec *dynamic; /**< a dynamic supervisor */
    sp_child_start_fn start;                          /**< anything else */

    const void *args;                 /**< for init of `server`, or for `start` */
    size_t args_size;                 /**< bytes of `args`, copied; 0: the pointer is kept as it
                                           is and must outlive the supervisor */
    struct sp_server_options options; /**< of all but `start`; `link` is implied, `out_monitor`
                                           is not allowed */

    enum sp_restart restart;   /**< default: permanent */
    enum sp_child_type type;   /**< default: worker; `supervisor` and `dynamic` imply the other */
    bool significant;          /**< see sp_auto_shutdown; not for permanent children */
    sp_deadline shutdown;      /**< how long it may take to end after the exit signal `shutdown`
                                    before it is killed; default 5 s, supervisors sp_never();
                                    sp_nowait(): killed at once, without that signal */
    struct sp_backoff backoff; /**< default: restarted at once */
};

/** A supervisor. Zero is the default everywhere. */
struct sp_supervisor_spec {
    enum sp_strategy strategy;            /**< default: one for one */
    uint32_t max_restarts;                /**< in any `period`; one more and it gives up; default 1;
                                               at most SP_RESTARTS_MAX, or SP_RESTARTS_NONE, or
                                               SP_RESTARTS_UNLIMITED */
    sp_duration period;                   /**< default 5 s */
    enum sp_auto_shutdown auto_shutdown;  /**< default: never */
    const struct sp_child_spec *children; /**< started in this order */
    size_t child_count;
};

/** Start a supervisor and its children, in order. When a child fails to start, those before it
 *  are stopped in reverse order and nothing is left; sp_call_outcome() then has the reason
 *  `shutdown(failed_to_start_child(ID, WHY))`. Ends with sp_stop(), or with its parent when
 *  linked.
 *  Errors: INVALID (a spec: id missing, too long or twice; not exactly one kind of start; a
 *  significant child that is permanent or whose supervisor never shuts down by itself; a number
 *  out of range); INITFAILED (a child failed); otherwise as sp_server_start().
 *  Ownership: `spec` is borrowed until it returns. `options` may be NULL; its mailbox default is
 *  the runtime's, `trap_exit` and `notices_first` are always on.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_supervisor_start(const struct sp_supervisor_spec *spec,
                        const struct sp_server_options *options, sp_pid *out_pid);

/** Add a child and start it. SP_ERR_IGNORED: it declined; its spec is kept (if not temporary),
 *  without a process. Whatever else fails leaves the supervisor and the other children as they
 *  were, and counts no restart.
 *  Errors: EXISTS (a child of this id runs: its pid is written to `spec->options.out_existing`
 *  if that is set); PRESENT (one is specified, but does not run); INVALID (the spec); what its
 *  start returned, INITFAILED among it; NOPROC, DIED (the supervisor), TIMEOUT (the child may
 *  be started yet), FULL, BADCALL (not a supervisor), NOMEM, NOTCONTEXT.
 *  Ownership: `spec` is borrowed.
 *  Context: process, may suspend; not the supervisor's own. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_supervisor_start_child(sp_pid supervisor, const struct sp_child_spec *spec,
                              sp_deadline deadline, sp_pid *out_pid);

/** Stop a child as its spec says, and keep the spec (a temporary child's goes). One that waits
 *  for its restart is not restarted; its siblings that wait with it stay stopped, too. Counts no
 *  restart. A child that is stopped already: SP_OK.
 *  Errors: NOTFOUND; NOPROC, DIED, TIMEOUT (it is stopped yet), FULL, BADCALL, NOMEM, NOTCONTEXT.
 *  Context: process, may suspend; not the supervisor's own. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_supervisor_terminate_child(sp_pid supervisor, const char *id, sp_deadline deadline);

/** Start a child that is stopped again. Counts no restart.
 *  Errors: NOTFOUND; RUNNING (it runs, or waits for its restart); IGNORED (it declined; the spec
 *  is kept); what its start returned (the spec is kept); NOPROC, DIED, TIMEOUT, FULL, BADCALL,
 *  NOMEM, NOTCONTEXT.
 *  Context: process, may suspend; not the supervisor's own. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_supervisor_restart_child(sp_pid supervisor, const char *id, sp_deadline deadline,
                                sp_pid *out_pid);

/** Forget the spec of a child that is stopped.
 *  Errors: NOTFOUND; RUNNING (it runs, or waits for its restart); NOPROC, DIED, TIMEOUT, FULL,
 *  BADCALL, NOMEM, NOTCONTEXT.
 *  Context: process, may suspend; not the supervisor's own. Default deadline: 5 s. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_supervisor_delete_child(sp_pid supervisor, const char *id, sp_deadline deadline);

/** What a child is doing. */
enum sp_child_status {
    SP_CHILD_RUNNING = 0,
    SP_CHILD_RESTARTING, /**< ended, and to be started again */
    SP_CHILD_STOPPED,    /**< ended or declined, and left alone */
};

/** A child as its supervisor sees it; the spec's defaults filled in. */
struct sp_child_info {
    char id[SP_CHILD_ID_MAX + 1];
    sp_pid pid; /**< SP_PID_NONE unless running */
    enum sp_child_status status;
    enum sp_child_type type;
    enum sp_restart restart;
    bool significant;
    sp_deadline shutdown;
    struct sp_backoff backoff;
    uint32_t restarts;    /**< done so far by the supervisor, the failed ones not */
    sp_duration retry_in; /**< restarting: until the next attempt */
};

/** One child, by id.
 *  Errors: NOTFOUND; NOPROC, DIED, TIMEOUT, FULL, BADCALL, NOMEM, NOTCONTEXT.
 *  Context: process, may suspend; not the supervisor's own. Default deadline: 5 s. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2, 4) sp_err
    sp_supervisor_get_child(sp_pid supervisor, const char *id, sp_deadline deadline,
                            struct sp_child_info *out_child);

/** All children, in start order.
 *  Errors: NOPROC, DIED, TIMEOUT, FULL, BADCALL, NOMEM, NOTCONTEXT.
 *  Ownership: the array is memory of the running process, see sp_alloc(); early with sp_free().
 *  NULL when there are none.
 *  Context: process, may suspend; not the supervisor's own. Default deadline: 5 s. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(3, 4) sp_err
    sp_supervisor_which_children(sp_pid supervisor, sp_deadline deadline,
                                 struct sp_child_info **out_children, size_t *out_count);

/** Counts and settings of a supervisor. */
struct sp_supervisor_info {
    size_t specs;       /**< children it knows */
    size_t active;      /**< of these, running */
    size_t restarting;  /**< of these, waiting for a restart */
    size_t supervisors; /**< of `specs`, the supervisors ... */
    size_t workers;     /**< ... and the others */
    enum sp_strategy strategy;
    enum sp_auto_shutdown auto_shutdown;
    uint32_t max_restarts; /**< 0: SP_RESTARTS_NONE */
    sp_duration period;
    uint32_t restarts_in_period; /**< `max_restarts` of these, and one more ends it; not counted
                                      with SP_RESTARTS_UNLIMITED */
    sp_duration oldest_restart;  /**< age of the oldest of these; zero without any */
    uint64_t restarts;           /**< counted ones since its start */
};

/** Count the children, and see how full the restart window is.
 *  Errors: NOPROC, DIED, TIMEOUT, FULL, BADCALL, NOMEM, NOTCONTEXT.
 *  Context: process, may suspend; not the supervisor's own. Default deadline: 5 s. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(3) sp_err
    sp_supervisor_info(sp_pid supervisor, sp_deadline deadline,
                       struct sp_supervisor_info *out_info);

SP_EXTERN_C_END

#endif
