/* The phases of a shutdown, one after another; what fails or is late holds up nobody.
 *
 * Threads: the coordinator's process; each task has one of its own. Neighbours: shutdown.c.
 */
#include "behaviour/shutdown.h"

#include "base/text.h"
#include "behaviour/deadline.h"
#include "process/process.h"
#include "runtime/log.h"
#include "spawned/application.h"

#include <string.h>

/* Key of the budget's timer. */
#define RUN_BUDGET_KEY 1
/* For the library's own task to kill what is late: it has a deadline, and goes on from there. */
#define RUN_GRACE sp_sec(10)

static struct sp__shutdown_phase *run_phase(struct sp__shutdown *self)
{
    return &self->plan.phases[self->plan.order[self->at]];
}

/* ---- what went wrong ---- */

static void run_problem(struct sp__shutdown *self, const char *task, bool killed, const char *text)
{
    struct sp_shutdown_problem one = { .killed = killed };
    struct sp__text out;
    memcpy(one.phase, run_phase(self)->name, sizeof(one.phase));
    sp__text_init(&out, one.task, sizeof(one.task));
    sp__text_add(&out, "%s", task);
    sp__text_init(&out, one.text, sizeof(one.text));
    sp__text_add(&out, "%s", text);
    sp__log(sp_runtime_current(), SP_LOG_WARNING, "shutdown, phase %s: %s%s%s", one.phase, one.task,
            task[0] == '\0' ? "" : ": ", one.text);
    struct sp_shutdown_report *report = &self->report;
    report->killed += killed;
    if (report->problem_count < SP_SHUTDOWN_PROBLEMS_MAX)
        report->problems[report->problem_count] = one;
    report->problem_count++;
}

/* ---- a task's process ---- */

struct run_worker {
    sp_shutdown_fn run;
    void *arg;
    sp_pid drain;
    sp_deadline deadline;
};

static void run_worker_main(void *arg)
{
    const struct run_worker *worker = arg;
    sp_err err = worker->run != NULL ? worker->run(worker->arg, worker->deadline)
                                     : sp_drain(worker->drain, sp_never());
    if (err != SP_OK && (worker->run != NULL || err != SP_ERR_NOPROC))
        sp_exit_error(err, "%s", sp_err_text(err));
}

sp_err sp__shutdown_stop_applications(void *arg, sp_deadline deadline)
{
    (void)arg;
    return sp_application_stop_all(deadline);
}

static void run_start(struct sp__shutdown *self, struct sp__shutdown_task *task,
                      sp_deadline deadline)
{
    struct run_worker worker = {
        .run = task->run, .arg = task->arg, .drain = task->pid, .deadline = deadline
    };
    const struct sp_spawn_options options = { .label = "shutdown task",
                                              .arg_size = sizeof(worker),
                                              .out_monitor = &task->monitor };
    self->report.tasks++;
    sp_err err = sp_spawn(run_worker_main, &worker, &options, &task->worker);
    if (err == SP_OK) {
        self->running++;
        return;
    }
    task->monitor.id = 0;
    run_problem(self, task->name, false, sp_err_text(err));
}

/* ---- phases ---- */

/* How long the phase may take; negative: no time is left. */
static sp_duration run_budget(const struct sp__shutdown *self, sp_duration budget)
{
    if (self->total.ns == 0)
        return budget;
    int64_t left = self->begun.ns + self->total.ns - sp_now().ns;
    return sp_ns(left < budget.ns ? left : budget.ns);
}

static void run_arm(struct sp__shutdown *self, sp_duration after)
{
    const struct sp_timer_options options = { .after = after, .key = RUN_BUDGET_KEY };
    const struct sp__shutdown_late late = { .at = self->at };
    sp__shutdown_ref me = { sp_self() };
    while (sp__shutdown_late_timer(me, &late, &options, NULL) == SP_ERR_NOMEM)
        sp__deadline_pause();
}

static void run_phase_start(struct sp__shutdown *self)
{
    struct sp__shutdown_phase *phase = run_phase(self);
    sp_duration budget = run_budget(self, phase->budget);
    struct sp_runtime *runtime = sp_runtime_current();
    bool stops = strcmp(phase->name, "stop") == 0;
    self->report.phases++;
    if (strcmp(phase->name, "unready") == 0) {
        /* relaxed: who looks at them looks again. */
        atomic_store_explicit(&runtime->unready, true, memory_order_relaxed);
        atomic_store_explicit(&runtime->draining, true, memory_order_relaxed);
    }
    if (budget.ns <= 0) {
        run_problem(self, "", false, "skipped: no time is left");
        return;
    }
    sp_deadline deadline = sp_at(sp_time_add(sp_now(), budget));
    for (struct sp__list *at = sp__list_first(&self->tasks); at != NULL;
         at = sp__list_next(&self->tasks, at)) {
        struct sp__shutdown_task *task = sp__container_of(at, struct sp__shutdown_task, link);
        if (&self->plan.phases[task->phase] == phase)
            run_start(self, task, deadline);
    }
    if (self->running > 0)
        run_arm(self, stops ? sp_ns(budget.ns + RUN_GRACE.ns) : budget);
}

static void run_over(struct sp__shutdown *self)
{
    struct sp_shutdown_report *report = &self->report;
    self->stage = SP__SHUTDOWN_OVER;
    report->took = sp_ns(sp_now().ns - self->begun.ns);
    sp__log(sp_runtime_current(), report->problem_count == 0 ? SP_LOG_INFO : SP_LOG_WARNING,
            "shutdown (%s): %u phases, %u tasks, %u problems, %u killed, %lld ms", report->reason,
            report->phases, report->tasks, report->problem_count, report->killed,
            (long long)(report->took.ns / SP_NS_PER_MS));
    for (struct sp__list *link; (link = sp__list_pop_front(&self->waiters)) != NULL;) {
        struct sp__shutdown_waiter *waiter =
            sp__container_of(link, struct sp__shutdown_waiter, link);
        sp_ignore(sp__shutdown_wait_reply(waiter->request, report));
        sp_free(waiter);
    }
}

/* From the phase `at` on, up to one that has something to wait for. */
static void run_from(struct sp__shutdown *self, size_t at)
{
    for (self->at = at; self->at < self->plan.count; self->at++) {
        run_phase_start(self);
        if (self->running > 0)
            return;
    }
    run_over(self);
}

static void run_next(struct sp__shutdown *self)
{
    sp_ignore(sp_timer_cancel_key(RUN_BUDGET_KEY, NULL));
    run_from(self, self->at + 1);
}

static struct sp__shutdown_task *run_task(struct sp__shutdown *self, sp_monitor_ref monitor)
{
    for (struct sp__list *at = sp__list_first(&self->tasks); at != NULL;
         at = sp__list_next(&self->tasks, at)) {
        struct sp__shutdown_task *task = sp__container_of(at, struct sp__shutdown_task, link);
        if (task->monitor.id == monitor.id && monitor.id != 0)
            return task;
    }
    return NULL;
}

void sp__shutdown_task_ended(struct sp__shutdown *self, const struct sp_down *down)
{
    struct sp__shutdown_task *task = run_task(self, down->ref);
    if (task == NULL)
        return;
    task->monitor.id = 0;
    if (sp_reason_kind(down->reason) != SP_REASON_NORMAL)
        run_problem(self, task->name, sp_reason_code(down->reason) == SP_ERR_TIMEOUT,
                    sp_reason_text(down->reason));
    if (--self->running == 0)
        run_next(self);
}

void sp__shutdown_phase_late(struct sp__shutdown *self, size_t at)
{
    if (self->stage != SP__SHUTDOWN_RUNS || at != self->at)
        return;
    for (struct sp__list *link = sp__list_first(&self->tasks); link != NULL;
         link = sp__list_next(&self->tasks, link)) {
        struct sp__shutdown_task *task = sp__container_of(link, struct sp__shutdown_task, link);
        if (task->monitor.id == 0)
            continue;
        /* Not waited for: one that computes would hold up all others. */
        (void)sp_demonitor(task->monitor, SP_DEMONITOR_FLUSH);
        task->monitor.id = 0;
        while (sp_kill(task->worker) == SP_ERR_NOMEM)
            sp__deadline_pause();
        run_problem(self, task->name, true, "not done in time");
    }
    self->running = 0;
    run_next(self);
}

void sp__shutdown_run(struct sp__shutdown *self, const char *reason)
{
    struct sp__text text;
    if (self->stage != SP__SHUTDOWN_IDLE)
        return;
    self->stage = SP__SHUTDOWN_RUNS;
    self->begun = sp_now();
    sp__text_init(&text, self->report.reason, sizeof(self->report.reason));
    sp__text_add(&text, "%s", reason);
    sp__log(sp_runtime_current(), SP_LOG_INFO, "shutdown: %s", self->report.reason);
    run_from(self, 0);
}
