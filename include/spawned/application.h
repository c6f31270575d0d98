/* Applications: a tree of processes with a name, started and stopped as one.
 *
 *     static const struct sp_application_spec shop = {
 *         .name = "shop", .supervisor = &shop_tree, .prep_stop = shop_refuse_new_orders,
 *     };
 *     int main(void)
 *     {
 *         return sp_application_run(&shop, 1, NULL);
 *     }
 *
 * Starting one starts its top supervisor, and with it everything below. Stopping runs
 * `prep_stop`, stops the tree in order, runs `stopped`. Applications may depend on others: those
 * are started before and stopped after them.
 */
#ifndef SPAWNED_APPLICATION_H
#define SPAWNED_APPLICATION_H

#include "spawned/shutdown.h"
#include "spawned/supervisor.h"

SP_EXTERN_C_BEGIN

/** Longest name of an application, in bytes. */
#define SP_APPLICATION_NAME_MAX 200

/** A setting: text by key. */
struct sp_application_setting {
    const char *key;
    const char *value;
};

/** An application. Zero is the default everywhere. */
struct sp_application_spec {
    const char *name; /**< 1 to SP_APPLICATION_NAME_MAX bytes */

    /* The top of the tree: exactly one of these two. */
    const struct sp_supervisor_spec *supervisor;
    sp_child_start_fn start; /**< anything else, linked; as in sp_child_spec */
    void *start_args;        /**< not copied */

    const char *const *depends_on; /**< names of applications that must run; ends with NULL */
    const struct sp_application_setting *settings; /**< for sp_application_setting() */
    size_t setting_count;

    void (*prep_stop)(void *arg); /**< before the tree is stopped: refuse new work */
    void (*stopped)(void *arg);   /**< after it has ended, for whatever reason */
    void *hook_arg;               /**< not copied */

    sp_deadline shutdown; /**< for the tree to end, `prep_stop` not included; then it is killed;
                               default sp_never(): the budgets in the tree are the limit */
};

/** Start an application and wait until its tree runs.
 *  Errors: EXISTS (it runs, or is starting or stopping); NOTFOUND (one that it depends on does not
 *  run); INVALID (the spec); what the start of its top returned, INITFAILED among it; TIMEOUT
 *  (what had started is killed: an init that is running ends when it next looks); NOMEM, LIMIT,
 *  NOTCONTEXT.
 *  Ownership: `spec` is copied with what it points to, except functions and their arguments; what
 *  it points to must be there until the copy is made, also when the caller is killed meanwhile:
 *  best static.
 *  Context: process, may suspend. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_application_start(const struct sp_application_spec *spec,
                                                           sp_deadline deadline);

/** Stop an application: its prep_stop, its tree, its stopped. Others that depend on it are not
 *  looked at.
 *  Errors: NOTFOUND, TIMEOUT (it goes on stopping), NOMEM, NOTCONTEXT.
 *  Context: process, may suspend; not of that application. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_application_stop(const char *name, sp_deadline deadline);

/** Start several, each after those it depends on, otherwise in the order given. When one fails,
 *  those started here are stopped again, in reverse, and `*out_failed` (may be NULL) is its place.
 *  Errors: INVALID (a cycle of dependencies, a name twice), otherwise as sp_application_start().
 *  Context: process, may suspend. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_application_start_all(const struct sp_application_spec *specs, size_t count,
                             sp_deadline deadline, size_t *out_failed);

/** Stop all applications of the runtime, the youngest first. What has not ended by the deadline is
 *  killed: then the error is TIMEOUT.
 *  Errors: TIMEOUT, NOMEM, NOTCONTEXT.
 *  Context: process, may suspend; not of an application. Default deadline: none. */
SP_API SP_NODISCARD sp_err sp_application_stop_all(sp_deadline deadline);

/** The pid of an application's top.
 *  Errors: NOTFOUND (it does not run yet, or not any more), TIMEOUT, NOMEM, NOTCONTEXT.
 *  Context: process, may suspend. Default deadline: 5 s. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_application_whereis(const char *name, sp_deadline deadline,
                                                             sp_pid *out_top);

/** Copy a setting of an application into `value` of `size` bytes. Works from its first process on,
 *  in its init, too.
 *  Errors: NOTFOUND (the application, or the key), TOOBIG (for `value`), TIMEOUT, NOMEM, NOTCONTEXT.
 *  Context: process, may suspend. Default deadline: 5 s. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_application_setting(const char *name, const char *key,
                                                             char *value, size_t size);

/** Called for each application; may not suspend. False ends the walk. */
typedef bool (*sp_application_fn)(const char *name, void *arg);

/** Call `fn` for each application of the runtime, the oldest first.
 *  Errors: NOMEM, NOTCONTEXT.
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err sp_application_each(sp_application_fn fn, void *arg);

/** How a program runs. Zero is the default everywhere. */
struct sp_application_run_options {
    struct sp_runtime_options runtime;
    sp_deadline shutdown; /**< for all applications to stop, the phase "stop"; then they
                                        are killed; default 30 s */
    const struct sp_shutdown_options *plan; /**< of the coordinated shutdown; default: the standard
                                                 phases; with a phase "stop", `shutdown` is not
                                                 looked at */
    void (*on_started)(void *arg);          /**< all run: say that the program is ready */
    void *on_started_arg;
};

/** The whole of a `main`: make a runtime, start the applications, wait for SIGTERM, SIGINT,
 *  sp_shutdown_begin() or the end of one of them, shut down in phases (spawned/shutdown.h), in the
 *  last of which all are stopped in order, and give the program's exit status. That is EXIT_SUCCESS
 *  when they ended in time, after a signal or because a top ended with a reason that is not
 *  abnormal; EXIT_FAILURE when one failed to start, died, gave up restarting, or had to be killed,
 *  and when a phase had a problem.
 *  A second signal ends the program at once. `options` may be NULL.
 *  Context: any thread that is not a process. */
SP_API SP_NONNULL_ARGS(1) int sp_application_run(const struct sp_application_spec *specs,
                                                 size_t count,
                                                 const struct sp_application_run_options *options);

SP_EXTERN_C_END

#endif
