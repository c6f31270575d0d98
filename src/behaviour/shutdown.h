/* The coordinator of a shutdown from inside: its state, and the run of its phases.
 *
 *     idle ──begin──> phase: tasks start ──all ended, or late──> next ... ──> over: waiters are told
 *
 * Everything it allocates is memory of its process. Threads: the coordinator's process.
 * Neighbours: shutdown.c (the server), shutdown_run.c (the phases), shutdown_plan.h.
 */
#ifndef SP_BEHAVIOUR_SHUTDOWN_H
#define SP_BEHAVIOUR_SHUTDOWN_H

#include "base/list.h"
#include "behaviour/shutdown_plan.h"

/** What runs in a phase. */
struct sp__shutdown_task {
    struct sp__list link; /* sp__shutdown.tasks, in the order of their addition */
    size_t phase;         /* place in the plan */
    char name[SP_SHUTDOWN_NAME_MAX + 1];
    sp_shutdown_fn run; /* NULL: drain `pid` */
    void *arg;
    sp_pid pid;
    sp_pid worker;
    sp_monitor_ref monitor; /* of the worker; 0: it does not run */
};

/** Who waits for the end. */
struct sp__shutdown_waiter {
    struct sp__list link;
    sp_request request;
};

enum sp__shutdown_stage {
    SP__SHUTDOWN_IDLE,
    SP__SHUTDOWN_RUNS,
    SP__SHUTDOWN_OVER,
};

struct sp__shutdown {
    struct sp__shutdown_plan plan;
    struct sp__list tasks;
    struct sp__list waiters;
    size_t task_count;
    enum sp__shutdown_stage stage;
    size_t at;      /* the phase that runs, in plan.order */
    size_t running; /* tasks of it */
    sp_time begun;
    sp_duration total;
    struct sp_shutdown_report report;
};

/** A phase's budget is over. */
struct sp__shutdown_late {
    size_t at;
};

SP_SERVER(sp__shutdown, struct sp_shutdown_options);
SP_CAST(sp__shutdown, late, struct sp__shutdown_late);
SP_CALL(sp__shutdown, wait, sp_empty, struct sp_shutdown_report);

/** The library's own task of the phase "stop". */
sp_err sp__shutdown_stop_applications(void *arg, sp_deadline deadline);

/** Begin, unless it has. Context: the coordinator. */
void sp__shutdown_run(struct sp__shutdown *self, const char *reason) SP_NONNULL;

/** A task of the phase that runs has ended, or not in time. Context: the coordinator. */
void sp__shutdown_task_ended(struct sp__shutdown *self, const struct sp_down *down) SP_NONNULL;
void sp__shutdown_phase_late(struct sp__shutdown *self, size_t at) SP_NONNULL;

#endif
