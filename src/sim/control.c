/* What the body of a test says: how long the world goes on, what must hold.
 *
 * Threads: one. Neighbours: inside.h, run.c.
 */
#include "sim/inside.h"

#include <string.h>

enum {
    CONTROL_STEPS_MAX = 1000000,
    CONTROL_DAY_S = 86400,
    /* After a failure the nodes are told to end, so that nothing is leaked. */
    CONTROL_DRAIN_STEPS = 100000,
};

/* ---- what the body says ---- */

static int64_t control_limit(const struct sp_sim *s)
{
    int64_t limit = s->plan->test->options.virtual_time.ns;
    return limit == 0 ? sp_sec(CONTROL_DAY_S).ns : limit;
}

static bool control_all_ended(const struct sp_sim *s)
{
    for (const struct sp_sim_node *node = s->nodes; node != NULL; node = node->next)
        if (sim_node_runs(node))
            return false;
    return true;
}

/* How the run came to a halt, if that is a failure. */
static void control_judge(struct sp_sim *s, enum sp__world_end end, bool all)
{
    if (end == SP__WORLD_STEPS)
        sim_fail(s, "still busy after %llu steps: a livelock, or .steps_max is too low",
                 (unsigned long long)sp__world_steps(s->world));
    if (all && (end == SP__WORLD_IDLE || control_all_ended(s)))
        sim_liveness_judge(s);
    for (struct sp_sim_node *node = s->nodes; node != NULL && all; node = node->next) {
        if (!sim_node_runs(node))
            continue;
        if (end == SP__WORLD_IDLE)
            sim_quiet(s); /* says more, where processes wait for each other */
        if (end == SP__WORLD_IDLE)
            sim_fail(s, "nothing can go on, but node %s has not ended: its main process waits",
                     node->name);
        else if (end == SP__WORLD_TIME)
            sim_fail(s, "node %s has not ended after %lld virtual seconds", node->name,
                     (long long)(sp__world_now(s->world) / SP_NS_PER_S));
    }
}

static uint64_t control_steps(const struct sp_sim *s)
{
    uint64_t max = s->plan->test->options.steps_max;
    return max == 0 ? CONTROL_STEPS_MAX : max;
}

/* Up to so many steps of the run. */
static enum sp__world_end control_go(struct sp_sim *s, uint64_t steps, int64_t until)
{
    uint64_t done = sp__world_steps(s->world);
    return sp__world_run(s->world, steps > done ? steps - done : 0, until);
}

/* By the strategy first, fair in the end; the last steps of all are kept (liveness.h). */
static enum sp__world_end control_run(struct sp_sim *s, int64_t until)
{
    uint64_t max = control_steps(s);
    uint64_t lasso = max / 8 < SIM_LASSO_MAX ? max / 8 : SIM_LASSO_MAX;
    enum sp__world_end end = SP__WORLD_STEPS;
    if (!s->live.fair)
        end = control_go(s, max - max / 4, until);
    if (end != SP__WORLD_STEPS)
        return end;
    uint64_t hot_max = s->plan->test->options.hot_max;
    s->live.hot_max = hot_max == 0 ? max / 8 : hot_max;
    s->live.fair = true;
    end = control_go(s, max - lasso, until);
    if (end != SP__WORLD_STEPS)
        return end;
    sim_lasso_begin(s);
    end = control_go(s, max, until);
    if (end == SP__WORLD_STEPS)
        sim_lasso_end(s);
    return end;
}

static void control_until(struct sp_sim *s, int64_t until, bool all)
{
    enum sp__world_end end = control_run(s, until);
    if (!s->result->failed && !s->result->cut)
        control_judge(s, end, all);
    if (s->result->failed || s->result->cut)
        sim_leave(s);
}

void sp_sim_run(sp_sim *s)
{
    control_until(s, control_limit(s), true);
}

void sp_sim_run_for(sp_sim *s, sp_duration d)
{
    int64_t until = sp_time_add(sp_sim_now(s), d).ns;
    control_until(s, until, false);
    if (sp__world_now(s->world) < until) /* nothing was left to do before */
        sp__world_advance(s->world, until - sp__world_now(s->world));
}

bool sp_sim_step(sp_sim *s)
{
    enum sp__world_end end = sp__world_run(s->world, 1, control_limit(s));
    if (s->result->failed)
        sim_leave(s);
    return end == SP__WORLD_STEPS || end == SP__WORLD_STOPPED;
}

void sp_sim_advance(sp_sim *s, sp_duration d)
{
    sp__world_advance(s->world, d.ns);
}

void sim_label(struct sp_sim *s, const char *label)
{
    if (s->stop_label == NULL || strcmp(s->stop_label, label) != 0)
        return;
    s->stop_label = NULL;
    s->stop_label_came = true;
    sp__world_halt(s->world);
}

bool sp_sim_stop_at(sp_sim *s, const char *label)
{
    s->stop_label = label;
    s->stop_label_came = false;
    control_until(s, control_limit(s), false);
    s->stop_label = NULL;
    return s->stop_label_came;
}

void sp_sim_invariant(sp_sim *s, const char *name, bool (*holds)(sp_sim *s, void *arg), void *arg)
{
    if (s->invariant_count == SIM_INVARIANTS_MAX)
        sp_sim_fail(s, "more than %d invariants", SIM_INVARIANTS_MAX);
    s->invariants[s->invariant_count++] =
        (struct sim_invariant){ .name = name, .holds = holds, .arg = arg };
}

sp_time sp_sim_now(const sp_sim *s)
{
    return (sp_time){ sp__world_now(s->world) };
}

uint64_t sp_sim_steps(const sp_sim *s)
{
    return sp__world_steps(s->world);
}

/* ---- the end ---- */

void sim_drain(struct sp_sim *s)
{
    s->draining = true;
    sp__world_set_alarm(s->world, INT64_MAX);
    for (struct sp_sim_node *node = s->nodes; node != NULL; node = node->next)
        sp__host_pause(node->host, false);
    struct sp__list *tasks = sp__world_tasks(s->world);
    for (struct sp__list *at = sp__list_first(tasks); at != NULL; at = sp__list_next(tasks, at)) {
        struct sp__task *task = sp__container_of(at, struct sp__task, link);
        if (task->kind != SP__TASK_TIMERS)
            continue;
        struct sp__context *context = sp__node_context(task->node);
        sp__context_set(context);
        sp__epoch_enter(&context->epoch);
        sim_kill_all(sp__node_runtime(task->node));
        sp__epoch_leave(&context->epoch);
        sp__context_set(NULL);
    }
    (void)sp__world_run(s->world, CONTROL_DRAIN_STEPS, INT64_MAX);
}
