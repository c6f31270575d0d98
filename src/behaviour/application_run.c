/* Several applications: their order, and the whole of a program's main.
 *
 * Threads: the caller's process. Neighbours: application.c, shutdown.c.
 */
#include "behaviour/application.h"
#include "behaviour/deadline.h"
#include "runtime/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_SHUTDOWN_DEFAULT sp_after_sec(30)
#define RUN_FOREVER sp_sec(INT64_C(100) * 365 * 86400)
#define RUN_NONE SIZE_MAX

/* ---- order ---- */

/* Applications in the order of their start, and what is known of each. */
struct run_plan {
    const struct sp_application_spec *specs;
    size_t count;
    size_t *order;            /* places in specs */
    bool *placed;             /* by place in specs */
    sp_monitor_ref *monitors; /* by place in specs */
};

static size_t run_place_of(const struct run_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->specs[i].name != NULL && strcmp(plan->specs[i].name, name) == 0)
            return i;
    return RUN_NONE;
}

/* May this one come next? What it depends on outside the plan is looked at when it starts. */
static bool run_is_next(const struct run_plan *plan, size_t place)
{
    const char *const *depends_on = plan->specs[place].depends_on;
    if (plan->placed[place])
        return false;
    for (; depends_on != NULL && *depends_on != NULL; depends_on++) {
        size_t other = run_place_of(plan, *depends_on);
        if (other != RUN_NONE && !plan->placed[other])
            return false;
    }
    return true;
}

static bool run_names_valid(const struct run_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->specs[i].name == NULL || run_place_of(plan, plan->specs[i].name) != i)
            return false;
    return true;
}

/* Each after what it depends on, otherwise as given. INVALID: a cycle, or a name twice. */
static sp_err run_sort(struct run_plan *plan)
{
    if (!run_names_valid(plan))
        return SP_ERR_INVALID;
    for (size_t done = 0; done < plan->count; done++) {
        size_t place = 0;
        while (place < plan->count && !run_is_next(plan, place))
            place++;
        if (place == plan->count)
            return SP_ERR_INVALID;
        plan->placed[place] = true;
        plan->order[done] = place;
    }
    return SP_OK;
}

/* Memory of the calling process. */
static sp_err run_plan_init(struct run_plan *plan, const struct sp_application_spec *specs,
                            size_t count)
{
    *plan = (struct run_plan){ .specs = specs, .count = count };
    plan->order = sp_try_alloc((count + 1) * sizeof(*plan->order));
    plan->placed = sp_try_alloc((count + 1) * sizeof(*plan->placed));
    plan->monitors = sp_try_alloc((count + 1) * sizeof(*plan->monitors));
    if (plan->order == NULL || plan->placed == NULL || plan->monitors == NULL)
        return SP_ERR_NOMEM;
    memset(plan->placed, 0, count * sizeof(*plan->placed));
    memset(plan->monitors, 0, count * sizeof(*plan->monitors));
    return run_sort(plan);
}

static void run_plan_finish(struct run_plan *plan)
{
    sp_free(plan->order);
    sp_free(plan->placed);
    sp_free(plan->monitors);
}

static void run_unwatch(struct run_plan *plan, size_t place)
{
    if (plan->monitors[place].id != 0)
        sp_ignore(sp_demonitor(plan->monitors[place], SP_DEMONITOR_FLUSH));
}

/* Stops the first `started` of the plan, the youngest first. */
static void run_undo(struct run_plan *plan, size_t started)
{
    while (started > 0) {
        size_t place = plan->order[--started];
        run_unwatch(plan, place);
        /* NOTFOUND: it has ended by itself meanwhile. */
        sp_ignore(sp_application_stop(plan->specs[place].name, sp_never()));
    }
}

static sp_err run_start(struct run_plan *plan, sp_deadline until, size_t *out_failed)
{
    for (size_t i = 0; i < plan->count; i++) {
        size_t place = plan->order[i];
        sp_err err =
            sp__application_start_watched(&plan->specs[place], until, &plan->monitors[place]);
        if (err == SP_OK)
            continue;
        run_unwatch(plan, place);
        run_undo(plan, i);
        *out_failed = place;
        return err;
    }
    return SP_OK;
}

sp_err sp_application_start_all(const struct sp_application_spec *specs, size_t count,
                                sp_deadline deadline, size_t *out_failed)
{
    struct run_plan plan;
    size_t failed = 0;
    if (sp_runtime_current() == NULL)
        return SP_ERR_NOTCONTEXT;
    sp_deadline until = sp__deadline_fix(deadline, sp_never());
    sp_err err = run_plan_init(&plan, specs, count);
    if (err == SP_OK)
        err = run_start(&plan, until, &failed);
    for (size_t i = 0; err == SP_OK && i < count; i++)
        run_unwatch(&plan, i);
    run_plan_finish(&plan);
    if (err != SP_OK && out_failed != NULL)
        *out_failed = failed;
    return err;
}

/* ---- main ---- */

struct run_main {
    const struct sp_application_spec *specs;
    size_t count;
    struct sp_application_run_options options;
};

static const struct sp_application_spec *run_watched(const struct run_plan *plan,
                                                     sp_monitor_ref ref)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->monitors[i].id == ref.id)
            return &plan->specs[i];
    return NULL;
}

/* The status an ended application leaves; a `shutdown` that has a cause is a supervisor that gave
 * up. */
static int run_status_of(const struct sp_application_spec *spec, const struct sp_reason *reason)
{
    bool good = sp_reason_is_normal(reason) && sp_reason_cause(reason) == NULL;
    sp__log(sp_runtime_current(), good ? SP_LOG_INFO : SP_LOG_ERROR, "application %s ended: %s",
            spec->name, sp_reason_text(reason));
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The end of the shutdown, for a process that waits for it beside main. */
struct run_over {
    sp_err err;
    struct sp_shutdown_report report;
};

static void run_over_main(void *arg)
{
    struct run_over *over = arg;
    over->err = sp_shutdown_wait(sp_never(), &over->report);
}

/* Applications and the shutdown as main waits for them. */
struct run_end {
    struct run_over over;
    sp_monitor_ref over_monitor;
    int status;
};

/* An application ended by itself, and with it the program. */
static void run_ended(struct run_end *end, const struct sp_application_spec *spec,
                      const struct sp_reason *reason)
{
    char text[SP_SHUTDOWN_TEXT_MAX];
    int status = run_status_of(spec, reason);
    if (sp_draining())
        return;
    end->status = status;
    (void)snprintf(text, sizeof(text), "application %s ended: %s", spec->name,
                   sp_reason_text(reason));
    while (sp_shutdown_begin(text) == SP_ERR_NOMEM)
        sp__deadline_pause();
}

/* Until the shutdown is over. */
static void run_wait(const struct run_plan *plan, struct run_end *end)
{
    for (bool over = false; !over;) {
        struct sp_message *message;
        if (sp_receive(sp_never(), &message) != SP_OK)
            return;
        const struct sp_down *down = sp_message_down(message);
        const struct sp_application_spec *spec = down == NULL ? NULL : run_watched(plan, down->ref);
        over = down != NULL && down->ref.id == end->over_monitor.id;
        if (spec != NULL)
            run_ended(end, spec, down->reason);
        sp_message_free(message);
    }
}

static int run_started(const struct run_main *run, const struct run_plan *plan)
{
    struct run_end end = { .over.err = SP_ERR_DIED, .status = EXIT_SUCCESS };
    const struct sp_spawn_options options = { .label = "shutdown waiter",
                                              .out_monitor = &end.over_monitor };
    while (sp_spawn(run_over_main, &end.over, &options, NULL) == SP_ERR_NOMEM)
        sp__deadline_pause();
    if (run->options.on_started != NULL)
        run->options.on_started(run->options.on_started_arg);
    run_wait(plan, &end);
    if (end.over.err == SP_OK)
        return end.over.report.problem_count == 0 ? end.status : EXIT_FAILURE;
    /* The coordinator was killed: without phases, then. */
    sp__log(sp_runtime_current(), SP_LOG_ERROR, "no coordinated shutdown: %s",
            sp_err_text(end.over.err));
    sp_ignore(
        sp_application_stop_all(sp__deadline_fix(run->options.shutdown, RUN_SHUTDOWN_DEFAULT)));
    return EXIT_FAILURE;
}

/* How long the applications may take. */
static sp_duration run_stop_budget(const struct run_main *run)
{
    sp_deadline until = sp__deadline_fix(run->options.shutdown, RUN_SHUTDOWN_DEFAULT);
    if (until.kind == SP_DEADLINE_NEVER)
        return RUN_FOREVER;
    int64_t left = until.ns - sp_now().ns;
    return sp_ns(until.kind == SP_DEADLINE_AT && left > 0 ? left : 1);
}

/* The plan that was given, or the standard one, with the budget of the stop. */
static sp_err run_shutdown_start(const struct run_main *run)
{
    struct sp_shutdown_phase phases[SP_SHUTDOWN_PHASES_MAX];
    struct sp_shutdown_options options = { 0 };
    struct sp_shutdown_fault fault = { "" };
    bool stop = false;
    if (run->options.plan != NULL)
        options = *run->options.plan;
    for (size_t i = 0; i < options.phase_count && i < SP_SHUTDOWN_PHASES_MAX; i++) {
        phases[i] = options.phases[i];
        stop = stop || (phases[i].name != NULL && strcmp(phases[i].name, "stop") == 0);
    }
    if (!stop && options.phase_count < SP_SHUTDOWN_PHASES_MAX) {
        phases[options.phase_count++] =
            (struct sp_shutdown_phase){ .name = "stop", .budget = run_stop_budget(run) };
        options.phases = phases;
    }
    sp_err err = sp_shutdown_start(&options, &fault);
    if (err != SP_OK)
        sp__log(sp_runtime_current(), SP_LOG_ERROR, "cannot set up the shutdown: %s %s",
                sp_err_text(err), fault.text);
    return err;
}

static int run_main(void *arg)
{
    const struct run_main *run = arg;
    struct run_plan plan;
    size_t failed = 0;
    sp_err err = run_shutdown_start(run);
    if (err != SP_OK)
        return EXIT_FAILURE;
    err = run_plan_init(&plan, run->specs, run->count);
    if (err == SP_OK)
        err = run_start(&plan, sp_never(), &failed);
    if (err != SP_OK) {
        const char *name = failed < run->count ? run->specs[failed].name : NULL;
        sp__log(sp_runtime_current(), SP_LOG_ERROR, "application %s did not start: %s",
                name == NULL ? "?" : name, sp_err_text(err));
        return EXIT_FAILURE;
    }
    return run_started(run, &plan);
}

int sp_application_run(const struct sp_application_spec *specs, size_t count,
                       const struct sp_application_run_options *options)
{
    struct run_main run = { .specs = specs, .count = count };
    if (options != NULL)
        run.options = *options;
    return sp_main(run_main, &run, &run.options.runtime);
}
