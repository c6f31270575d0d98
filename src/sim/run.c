#include "sim/run.h"

#include "base/alloc.h"
#include "process/process.h"
#include "runtime/random.h"
#include "runtime/real/fault.h"
#include "runtime/slab.h"
#include "sim/inside.h"
#include "sim/memory.h"
#include "sim/net_words.h"
#include "sim/output.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    RUN_STEP_NS = 1000,
    RUN_STREAK_MAX = 64,
    RUN_STEPS_KEPT = 4096,
    RUN_BUGGIFY_ODDS = 4,
    RUN_TIMER_ODDS = 4,
};

struct sp_sim *sim_current;
static struct sp__world *run_world; /* of all runs */
static struct sp_sim_test *run_tests;
static struct sp_sim_test **run_tests_end = &run_tests;

void sp_sim__register(struct sp_sim_test *test)
{
    *run_tests_end = test;
    run_tests_end = &test->next;
}

const struct sp_sim_test *sim_tests(void)
{
    return run_tests;
}

/* ---- failing ---- */

SP_PRINTF(2, 0)
static void fail_text(struct sp_sim *s, const char *format, va_list args)
{
    struct sim_result *result = s->result;
    if (result->failed || s->draining)
        return;
    result->failed = true;
    (void)vsnprintf(result->text, sizeof(result->text), format, args);
    result->steps = sp__world_steps(s->world);
    if (s->plan->trace != NULL)
        sim_tell_failed(s);
    sp__world_stop(s->world);
    if (s->plan->stop_in_debugger)
        (void)raise(SIGTRAP); /* here the run has failed: look at the frames above */
}

void sim_fail(struct sp_sim *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_text(s, format, args);
    va_end(args);
}

/* What its nodes still do, they do while its frame is there. */
void sim_leave(struct sp_sim *s)
{
    if (!sim_memory_started())
        sim_drain(s);
    longjmp(s->out, 1);
}

void sim_halt(struct sp_sim *s)
{
    if (sp__world_running(s->world) == NULL)
        sim_leave(s);
    sp__world_halt(s->world);
    sp_exit(sp_reason_kill());
}

void sp_sim_fail(sp_sim *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_text(s, format, args);
    va_end(args);
    sim_halt(s);
    __builtin_unreachable();
}

/* ---- hooks of the world ---- */

/* Of those that are no timers: the first, if `starving`, else who ran last, else the last one. */
static size_t run_reference_abstract(const struct sp_sim *s, struct sp__task *const *tasks,
                                     size_t count, bool starving)
{
    size_t chosen = count;
    for (size_t i = 0; i < count; i++) {
        if (tasks[i]->kind == SP__TASK_TIMERS)
            continue;
        chosen = i;
        if (starving || tasks[i]->label == s->last)
            break;
    }
    return chosen < count ? chosen : 0;
}

/* As a worker does it: who ran last goes on; else who was made ready last, as long as that does
 * not starve the others; else who has been ready for longest. In abstract time a timer that is
 * not due waits until nothing else can go on, as it would on a machine. */
static size_t run_reference(const struct sp_sim *s, struct sp__task *const *tasks, size_t count)
{
    bool starving = s->streak >= RUN_STREAK_MAX;
    if (s->plan->test->options.abstract_time)
        return run_reference_abstract(s, tasks, count, starving);
    if (starving)
        return 0;
    for (size_t i = count; i-- > 0;) /* who ran last is ready last, mostly */
        if (tasks[i]->label == s->last)
            return i;
    return count - 1;
}

uint64_t sim_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0xff51afd7ed558ccd);
    return hash ^ (hash >> 32);
}

void sim_remember(struct sp_sim *s, struct sim_choice choice)
{
    bool inside = sim_memory_switch(false);
    if (sim_schedule_add(&s->result->schedule, choice) != SP_OK)
        sim_fail(s, "the simulation has no memory");
    (void)sim_memory_switch(inside);
    s->result->hash = sim_mix(s->result->hash, choice.to);
}

const struct sim_schedule *sim_followed(const struct sp_sim *s)
{
    return s->plan->schedule != NULL ? s->plan->schedule : s->plan->draws;
}

/* Who has been ready for longest; a timer that is not due when nobody else is. */
static size_t run_fair(const struct sp_sim *s, struct sp__task *const *tasks, size_t count)
{
    bool abstract = s->plan->test->options.abstract_time;
    for (size_t i = 0; i < count; i++)
        if (!abstract || tasks[i]->kind != SP__TASK_TIMERS)
            return i;
    return 0;
}

static size_t run_decide(struct sp_sim *s, struct sp__task *const *tasks, size_t count)
{
    size_t reference = run_reference(s, tasks, count);
    s->left = false;
    s->streak = reference == 0 ? 0 : s->streak + 1;
    if (count == 1 || s->draining)
        return reference;
    if (s->live.fair)
        return run_fair(s, tasks, count);
    size_t index = reference;
    if (s->plan->strategy != NULL)
        index = sim_strategy_choose(s->plan->strategy, tasks, count, reference);
    else if (s->plan->script != NULL)
        index = sim_script_choose(s->plan->script, tasks, count, reference);
    else if (s->plan->schedule != NULL)
        index = sim_follower_choose(&s->follower, tasks, count, reference);
    s->result->choices++;
    s->left = index != reference;
    if (s->left)
        sim_remember(s, (struct sim_choice){ .at = tasks[reference]->label,
                                             .step = tasks[reference]->steps,
                                             .to = tasks[index]->label });
    return index;
}

/* What the harness allocates outlives the run. */
static size_t run_choose(void *arg, struct sp__task *const *tasks, size_t count)
{
    bool inside = sim_memory_switch(false);
    size_t index = run_decide(arg, tasks, count);
    (void)sim_memory_switch(inside);
    return index;
}

/* Of each decision a hash, so that one more or less leaves all others as they were. */
static uint64_t run_draw_random(const struct sp_sim *s, enum sp__choice kind, uint64_t at,
                                uint64_t nth)
{
    uint64_t state = sp__random_start(s->plan->seed, kind + 16U);
    state = sim_mix(sim_mix(state, at), nth);
    return sp__random_next(&state);
}

static uint32_t run_draw_value(struct sp_sim *s, enum sp__choice kind, uint64_t at, uint64_t nth,
                               uint32_t count)
{
    bool program =
        kind == SP__CHOICE_DATA || kind == SP__CHOICE_BUGGIFY || kind == SP__CHOICE_TIMER;
    if (sim_followed(s) != NULL)
        return sim_follower_draw(&s->follower, kind, at, nth, count);
    if (program && s->plan->strategy != NULL && sim_strategy_draws(s->plan->strategy))
        return sim_strategy_draw(s->plan->strategy, count);
    if (!s->plan->chance)
        return 0;
    if (kind == SP__CHOICE_MEMORY)
        return sim_faults_memory(s);
    uint64_t random = run_draw_random(s, kind, at, nth);
    if (kind == SP__CHOICE_BUGGIFY)
        return s->armed && random % RUN_BUGGIFY_ODDS == 0;
    if (kind == SP__CHOICE_TIMER)
        return random % RUN_TIMER_ODDS == 0 ? (uint32_t)((random >> 8) % count) : 0;
    if (kind == SP__CHOICE_DATA)
        return (uint32_t)(random % count);
    return sim_faults_net(s, kind, random, count);
}

static uint32_t run_draw(void *arg, enum sp__choice kind, uint64_t at, uint64_t nth, uint32_t count)
{
    struct sp_sim *s = arg;
    if (s->draining)
        return 0;
    bool asking = s->asking;
    s->asking = true;
    bool inside = sim_memory_switch(false);
    uint32_t value = run_draw_value(s, kind, at, nth, count);
    if (value != 0)
        sim_remember(s, (struct sim_choice){ .kind = kind, .at = at, .step = nth, .to = value });
    (void)sim_memory_switch(inside);
    s->asking = asking;
    if (value != 0 && kind == SP__CHOICE_MEMORY)
        sim_tell_allocation(s, at, nth);
    else if (value != 0 && sim_is_of_network(kind))
        sim_tell_network(s, &(struct sim_choice){ kind, at, nth, value });
    return value;
}

static void run_keep(struct sp_sim *s, const struct sp__task *task)
{
    bool inside = sim_memory_switch(false);
    struct sim_choice step = { .at = task->label, .step = task->steps };
    sp_ignore(sim_schedule_add(s->plan->steps, step)); /* without memory there are fewer */
    (void)sim_memory_switch(inside);
}

static uint64_t *run_order(struct sp_sim *s, uint64_t object)
{
    uint64_t mixed = object * UINT64_C(0x9e3779b97f4a7c15);
    return &s->orders[(mixed >> 32) & (SIM_ORDERS - 1)];
}

static int64_t run_step(void *arg, struct sp__task *task)
{
    struct sp_sim *s = arg;
    struct sim_result *result = s->result;
    s->last = task->label;
    if (s->draining)
        return RUN_STEP_NS;
    result->hash = sim_mix(result->hash, task->label);
    result->hash = sim_mix(result->hash, task->object + task->point);
    result->hash = sim_mix(result->hash, (uint64_t)sp__world_now(s->world));
    uint64_t *order = run_order(s, task->object);
    uint64_t before = *order;
    *order = sim_mix(before, task->label + task->steps);
    s->order += *order - before;
    if (s->counts) {
        bool inside = sim_memory_switch(false);
        sim_strategy_step(s->plan->strategy, task);
        (void)sim_memory_switch(inside);
    }
    if (s->plan->steps != NULL && s->plan->steps->count < RUN_STEPS_KEPT)
        run_keep(s, task);
    if (s->live.laps != NULL)
        sim_lasso_step(s, task);
    if (s->plan->trace != NULL)
        sim_tell_step(s, task);
    return RUN_STEP_NS;
}

/* The strategy looks at what the step did. */
static void run_search(struct sp_sim *s)
{
    bool inside = sim_memory_switch(false);
    sim_strategy_stepped(s->plan->strategy, s->world);
    (void)sim_memory_switch(inside);
    if (!sim_strategy_cut(s->plan->strategy) || s->result->failed)
        return;
    s->result->cut = true;
    sp__world_stop(s->world);
}

static void run_stepped(void *arg)
{
    struct sp_sim *s = arg;
    uint64_t faults = sp__world_faults(s->world);
    s->crashed = s->crashed || (faults > s->faults && !s->plan->test->options.crashes);
    s->faults = faults;
    if (s->looks && !s->draining)
        run_search(s);
    if (s->plan->trace != NULL)
        sim_tell_stepped(s);
    for (size_t i = 0; i < s->invariant_count && !s->result->failed; i++)
        if (!s->invariants[i].holds(s, s->invariants[i].arg))
            sim_fail(s, "invariant \"%s\" is false", s->invariants[i].name);
    if (!s->draining && (s->live.fair || s->live.eventually_count > 0))
        sim_liveness_stepped(s);
}

static void run_life(void *arg, struct sp__task *task, bool born)
{
    struct sp_sim *s = arg;
    if (born && s->plan->strategy != NULL && !s->draining)
        sim_strategy_born(s->plan->strategy, task);
}

static void run_entropy(void *arg, struct sp__node *node, void *bytes, size_t size)
{
    (void)node;
    sim_entropy(arg, bytes, size);
}

void sim_entropy(struct sp_sim *s, void *bytes, size_t size)
{
    unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++)
        at[i] = (unsigned char)(sp__random_next(&s->chance) >> 56);
}

static void run_deadlock(void *arg, const char *text)
{
    struct sp_sim *s = arg;
    if (!s->draining && !s->plan->test->options.deadlocks)
        sim_fail(s, "deadlock: %s", text);
}

static void run_quiet(void *arg)
{
    struct sp_sim *s = arg;
    if (s->plan->strategy != NULL && !s->draining)
        sim_strategy_quiet(s->plan->strategy);
    sim_quiet(s);
}

/* ---- a run ---- */

static void run_finish(struct sp_sim *s)
{
    bool ended = true;
    for (struct sp_sim_node *node = s->nodes; node != NULL; node = node->next)
        ended = ended && !sim_node_runs(node);
    if (!ended && !sim_memory_started())
        sim_drain(s);
    s->world = NULL;
    while (s->nodes != NULL) {
        struct sp_sim_node *node = s->nodes;
        s->nodes = node->next;
        if (!sim_memory_started())
            sim_program_free(node); /* else it is gone with the world's memory */
        sp__free(node);
    }
    sim_histories_finish(s);
    sim_txns_finish(s);
    s->result->window = s->swarm.window;
    s->result->allocations = s->swarm.allocations;
    sim_faults_finish(s);
    sim_later_finish(s);
    sp__free(s->live.laps);
    if (sim_followed(s) != NULL)
        sim_follower_finish(&s->follower);
    sp__properties = NULL;
    sim_current = NULL;
}

static sp_err run_prepare(struct sp_sim *s)
{
    static const struct sp__world_hooks hooks = { .choose = run_choose,
                                                  .before = sim_faults_before,
                                                  .alarm = sim_later_run,
                                                  .draw = run_draw,
                                                  .step = run_step,
                                                  .stepped = run_stepped,
                                                  .quiet = run_quiet,
                                                  .life = run_life,
                                                  .circle = run_deadlock,
                                                  .entropy = run_entropy };
    struct sp__world_hooks mine = hooks;
    mine.arg = s;
    mine.aside = s->plan->trace == NULL ? NULL : sim_tell_aside;
    sp_err err = SP_OK;
    if (sim_followed(s) != NULL)
        err = sim_follower_init(&s->follower, sim_followed(s));
    if (err == SP_OK && !sp__world_restart(run_world, &mine, sim_memory_started())) {
        sp__world_destroy(run_world); /* tasks of a run that did not come to its end */
        err = sp__world_create(&mine, &run_world);
    }
    s->world = run_world;
    if (err != SP_OK) {
        sim_follower_finish(&s->follower);
        return err;
    }
    sp__world_set_forgets(s->world, sim_memory_started());
    sp__world_set_abstract(s->world, s->plan->test->options.abstract_time);
    sp__world_set_scribble(s->world, s->plan->scribble);
    sim_current = s;
    sp__properties = &sim_properties;
    sim_faults_begin(s);
    return SP_OK;
}

/* The body comes back, or a failure jumps here. */
static void run_body(struct sp_sim *s)
{
    s->real_stdout = stdout;
    stdout = sim_output();
    (void)sim_memory_switch(true);
    if (setjmp(s->out) == 0)
        s->plan->test->body(s);
    (void)sim_memory_switch(false);
    stdout = s->real_stdout;
    if (!s->result->failed)
        s->result->steps = sp__world_steps(s->world);
    s->result->time_ns = sp__world_now(s->world);
}

sp_err sim_run_start(bool reset)
{
    /* Once for all runs: it reads what the program consists of. */
    sp_err err = sp__fault_install();
    if (err != SP_OK)
        return err;
    err = sim_property_start();
    if (err == SP_OK)
        err = sim_output_start();
    if (err != SP_OK)
        return err;
    err = sp__world_create(&(struct sp__world_hooks){ 0 }, &run_world);
    if (err == SP_OK && reset)
        sp_ignore(sim_memory_start());
    return err;
}

void sim_run_finish(void)
{
    sp__world_destroy(run_world);
    sp__fault_uninstall();
    run_world = NULL;
    sim_property_finish();
    sim_output_finish();
}

sp_err sim_run(const struct sim_plan *plan, struct sim_result *out_result)
{
    memset(out_result, 0, offsetof(struct sim_result, text));
    out_result->text[0] = out_result->file[0] = out_result->detail[0] = '\0';
    sim_memory_reset();
    struct sp_sim *s = sp__malloc(sizeof(*s));
    if (s == NULL)
        return SP_ERR_NOMEM;
    memset(s, 0, offsetof(struct sp_sim, out)); /* as large again, and not read: see there */
    memset(&s->live, 0, offsetof(struct sim_liveness, owed));
    s->plan = plan;
    s->looks = plan->strategy != NULL && sim_strategy_looks(plan->strategy);
    s->counts = plan->strategy != NULL && sim_strategy_counts(plan->strategy);
    s->result = out_result;
    s->chance = sp__random_start(plan->seed, 3);
    sp_err err = run_prepare(s);
    if (err == SP_OK) {
        run_body(s);
        run_finish(s);
    }
    out_result->order = s->order;
    sp__free(s);
    return err;
}
