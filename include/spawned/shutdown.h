/* Coordinated shutdown: a program ends in phases, once, whoever asks for it.
 *
 *     if (sp_shutdown_start(NULL, NULL) != SP_OK)            // SIGTERM and SIGINT begin it
 *         return EXIT_FAILURE;
 *     ... start servers ...
 *     err = sp_shutdown_add_drain("drain", "front", front.pid);
 *     err = sp_shutdown_add("flush", "journal", journal_flush, journal);
 *     return sp_shutdown_wait(sp_never(), &report) == SP_OK && report.problem_count == 0 ? 0 : 1;
 *
 * sp_application_run() does the first and the last line itself.
 *
 * Phases run one after another, each after those it names; the tasks of a phase run side by side,
 * each in a process of its own. A task that fails, dies, or is not done within the budget of its
 * phase is reported, the late one killed, and the next phase begins. These are always there:
 *
 *     unready   readiness is off from here on (/readyz, spawned/http.h), sp_draining() is true
 *     drain     refuse new work, finish what was accepted
 *     handover  what must live on goes to somebody else
 *     flush     what must be kept is written
 *     stop      applications are stopped, the youngest first
 *
 * docs/shutdown.md is the chapter.
 */
#ifndef SPAWNED_SHUTDOWN_H
#define SPAWNED_SHUTDOWN_H

#include "spawned/server.h"

SP_EXTERN_C_BEGIN

/** Longest name of a phase or a task, in bytes. */
#define SP_SHUTDOWN_NAME_MAX 63
/** Phases of a plan, those that are always there included. */
#define SP_SHUTDOWN_PHASES_MAX 64
/** Tasks of a plan. */
#define SP_SHUTDOWN_TASKS_MAX 4096
/** Bytes of a text here, with the zero. */
#define SP_SHUTDOWN_TEXT_MAX 160
/** Problems that a report names; more are only counted. */
#define SP_SHUTDOWN_PROBLEMS_MAX 16

/** A phase. One of a name that is always there changes that. */
struct sp_shutdown_phase {
    const char *name;          /**< 1 to SP_SHUTDOWN_NAME_MAX bytes */
    const char *const *after;  /**< phases that come before this one; ends with NULL */
    const char *const *before; /**< phases that come after it; ends with NULL */
    sp_duration budget;        /**< of its tasks; default 5 s */
};

/** How a program shuts down. Zero is the default everywhere. */
struct sp_shutdown_options {
    const struct sp_shutdown_phase *phases; /**< besides those that are always there */
    size_t phase_count;
    sp_duration total; /**< of all phases: a budget is cut to what is left, and where nothing is,
                            the phase is skipped, which is a problem; default: no limit */
    bool no_signals;   /**< SIGTERM and SIGINT do not begin it */
};

/** What is wrong with a plan. */
struct sp_shutdown_fault {
    char text[SP_SHUTDOWN_TEXT_MAX]; /**< "cycle: a after b after a" */
};

/** Set up the shutdown of this runtime: a process that begins it when it is told to. Signals as of
 *  sp_os_signal_subscribe(): a second one ends the program at once.
 *  Errors: INVALID (a cycle, an unknown phase, a name twice or of a wrong length, too many; then
 *  `out_fault`, which may be NULL, says which); EXISTS (it is set up already); LIMIT (another
 *  runtime of the program has the signals); NOMEM, SHUTDOWN, NOTCONTEXT.
 *  Ownership: `options` (NULL: defaults) is copied.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD sp_err sp_shutdown_start(const struct sp_shutdown_options *options,
                                             struct sp_shutdown_fault *out_fault);

/** What a task of a phase does, in a process of its own. At `deadline` it is killed. */
typedef sp_err (*sp_shutdown_fn)(void *arg, sp_deadline deadline);

/** Let `run(arg)` be done in `phase`. A task whose name is taken replaces that one, so that a
 *  server that is restarted may add itself again in its init.
 *  Errors: NOTFOUND (no such phase; nothing was set up), INVALID (the name), LIMIT, SHUTDOWN (it
 *  has begun), NOMEM, TIMEOUT, NOTCONTEXT.
 *  Ownership: names are copied; `arg` must live until the shutdown.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 2, 3) sp_err
    sp_shutdown_add(const char *phase, const char *name, sp_shutdown_fn run, void *arg);

/** Let `pid` be drained (sp_drain()) in `phase`: servers, acceptors (spawned/serve.h), pools. One
 *  that has ended by then is no problem.
 *  Errors: as sp_shutdown_add(). Context: as sp_shutdown_add(). */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 2) sp_err
    sp_shutdown_add_drain(const char *phase, const char *name, sp_pid pid);

/** Take a task out again. Errors: NOTFOUND, SHUTDOWN, NOMEM, TIMEOUT, NOTCONTEXT.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_shutdown_remove(const char *phase, const char *name);

/** One line of what a shutdown does. */
struct sp_shutdown_step {
    char phase[SP_SHUTDOWN_NAME_MAX + 1];
    char task[SP_SHUTDOWN_NAME_MAX + 1]; /**< empty: the phase has none */
    sp_duration budget;                  /**< of the phase */
};

/** What a shutdown would do, in order, without doing it: a line for each task, one for each phase
 *  without any. Writes up to `max`; `*out_count` is how many there are.
 *  Errors: NOTFOUND (nothing was set up), NOMEM, TIMEOUT, NOTCONTEXT.
 *  Context: process, may suspend. Default deadline: 5 s. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(4) sp_err
    sp_shutdown_list(struct sp_shutdown_step *steps, size_t max, sp_deadline deadline,
                     size_t *out_count);

/** Begin. Whoever comes later changes nothing: the first reason is kept. Does not wait.
 *  Errors: NOTFOUND (nothing was set up), NOMEM, TIMEOUT, NOTCONTEXT.
 *  Ownership: `reason` is copied, and cut to SP_SHUTDOWN_TEXT_MAX - 1 bytes.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_shutdown_begin(const char *reason);

/** A task that did not do what it should. */
struct sp_shutdown_problem {
    char phase[SP_SHUTDOWN_NAME_MAX + 1];
    char task[SP_SHUTDOWN_NAME_MAX + 1]; /**< empty: the phase was skipped */
    bool killed;                         /**< it was not done in time */
    char text[SP_SHUTDOWN_TEXT_MAX];     /**< how it ended */
};

/** How a shutdown went. */
struct sp_shutdown_report {
    char reason[SP_SHUTDOWN_TEXT_MAX]; /**< the first one */
    sp_duration took;
    uint32_t phases;
    uint32_t tasks;
    uint32_t killed;        /**< tasks that were not done in time */
    uint32_t problem_count; /**< tasks that failed, died or were killed, and phases skipped */
    struct sp_shutdown_problem problems[SP_SHUTDOWN_PROBLEMS_MAX]; /**< the first of them */
};

/** Wait for the end of the last phase; any number may. Does not begin it.
 *  Errors: NOTFOUND (nothing was set up), DIED, TIMEOUT, NOMEM, NOTCONTEXT.
 *  Ownership: `out_report` may be NULL.
 *  Context: process, may suspend; not a task of a phase. Default deadline: none. */
SP_API SP_NODISCARD sp_err sp_shutdown_wait(sp_deadline deadline,
                                            struct sp_shutdown_report *out_report);

SP_EXTERN_C_END

#endif
