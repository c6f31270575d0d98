#include "sim/shrink.h"

#include "sim/fault.h"

#include <ctype.h>

enum {
    SHRINK_RUNS_MAX = 20000,
    SHRINK_ANCHORS_MAX = 256, /* places where a fault is tried alone */
    /* Steps of the schedules with few decisions that are tried, too: about a second at most. */
    SHRINK_DELAYS_STEPS = 1000000,
    SHRINK_SWITCHES_STEPS = 8000000,
};

bool sim_same_failure(const struct sim_result *a, const struct sim_result *b)
{
    if (!a->failed || !b->failed)
        return false;
    const char *x = a->text;
    const char *y = b->text;
    for (;;) {
        while (isdigit((unsigned char)*x))
            x++;
        while (isdigit((unsigned char)*y))
            y++;
        if (*x != *y)
            return false;
        if (*x == '\0')
            return true;
        x++;
        y++;
    }
}

/* Run `schedule`; if it fails as it should, it becomes the present one. */
static sp_err shrink_try(const struct sim_plan *plan, const struct sim_result *failure,
                         struct sim_schedule *moved_schedule, struct sim_shrink *shrink,
                         bool *out_kept)
{
    struct sim_plan again = { .test = plan->test, .seed = plan->seed, .schedule = moved_schedule };
    struct sim_result result;
    sp_err err = sim_run(&again, &result);
    shrink->runs++;
    *out_kept = err == SP_OK && sim_same_failure(&result, failure);
    if (*out_kept) {
        sim_schedule_finish(&shrink->schedule);
        shrink->schedule = *moved_schedule;
        shrink->result = result;
        shrink->result.schedule = (struct sim_schedule){ 0 };
    } else {
        sim_schedule_finish(moved_schedule);
    }
    sim_schedule_finish(&result.schedule);
    return err;
}

/* Leave out pieces of `size`, wherever that works. True: something was left out. */
static sp_err shrink_pass(const struct sim_plan *plan, const struct sim_result *failure,
                          size_t size, struct sim_shrink *shrink, bool *out_any)
{
    sp_err err = SP_OK;
    *out_any = false;
    for (size_t from = 0; err == SP_OK && from < shrink->schedule.count;) {
        struct sim_schedule candidate;
        bool kept = false;
        err = sim_schedule_without(&shrink->schedule, from, size, &candidate);
        if (err == SP_OK)
            err = shrink_try(plan, failure, &candidate, shrink, &kept);
        *out_any = *out_any || kept;
        if (!kept)
            from += size;
        if (shrink->runs >= SHRINK_RUNS_MAX)
            break;
    }
    return err;
}

/* Without any fault at all, or else without each of them: what is left is easier to read. */
static sp_err shrink_faults(const struct sim_plan *plan, const struct sim_result *failure,
                            struct sim_shrink *shrink)
{
    struct sim_schedule without = { 0 };
    sp_err err = SP_OK;
    for (size_t i = 0; err == SP_OK && i < shrink->schedule.count; i++)
        if (!sim_choice_is_fault(shrink->schedule.choices[i].kind))
            err = sim_schedule_add(&without, shrink->schedule.choices[i]);
    bool kept = false;
    if (err != SP_OK || without.count == shrink->schedule.count) {
        sim_schedule_finish(&without);
        return err;
    }
    err = shrink_try(plan, failure, &without, shrink, &kept);
    for (size_t i = 0; err == SP_OK && !kept && i < shrink->schedule.count;) {
        bool gone = false;
        if (sim_choice_is_fault(shrink->schedule.choices[i].kind)) {
            err = sim_schedule_without(&shrink->schedule, i, 1, &without);
            if (err == SP_OK)
                err = shrink_try(plan, failure, &without, shrink, &gone);
        }
        i += !gone;
    }
    return err;
}

/* The reference and nothing but `fault`, before each of the first steps, or some of many. */
static sp_err shrink_one_fault(const struct sim_plan *plan, const struct sim_result *failure,
                               struct sim_choice fault, const struct sim_schedule *steps,
                               struct sim_shrink *shrink, bool *out_kept)
{
    size_t stride = 1 + steps->count / SHRINK_ANCHORS_MAX;
    sp_err err = SP_OK;
    for (size_t i = 0; err == SP_OK && i < steps->count && !*out_kept; i += stride) {
        struct sim_schedule one = { 0 };
        fault.at = steps->choices[i].at;
        fault.step = steps->choices[i].step;
        err = sim_schedule_add(&one, fault);
        if (err == SP_OK)
            err = shrink_try(plan, failure, &one, shrink, out_kept);
    }
    return err;
}

/* A fault may stand before a step that only another fault has made possible, as of a process of a
 * node that was started again. Then each of them is tried alone, elsewhere. */
static sp_err shrink_anchors(const struct sim_plan *plan, const struct sim_result *failure,
                             struct sim_shrink *shrink)
{
    struct sim_schedule steps = { 0 };
    struct sim_schedule before = { 0 };
    struct sim_plan reference = { .test = plan->test, .seed = plan->seed, .steps = &steps };
    struct sim_result result;
    bool kept = false;
    if (shrink->schedule.count < 2)
        return SP_OK;
    sp_err err = sim_run(&reference, &result);
    sim_schedule_finish(&result.schedule);
    if (err == SP_OK)
        err = sim_schedule_without(&shrink->schedule, 0, 0, &before);
    for (size_t i = 0; err == SP_OK && i < before.count && !kept; i++)
        if (sim_choice_is_fault(before.choices[i].kind))
            err = shrink_one_fault(plan, failure, before.choices[i], &steps, shrink, &kept);
    sim_schedule_finish(&before);
    sim_schedule_finish(&steps);
    return err;
}

/* Leave out what can be, until no single decision can. */
static sp_err shrink_down(const struct sim_plan *plan, const struct sim_result *failure,
                          struct sim_shrink *shrink)
{
    sp_err err = SP_OK;
    bool any = true;
    for (size_t size = (shrink->schedule.count + 1) / 2; size > 0 && err == SP_OK;) {
        err = shrink_pass(plan, failure, size, shrink, &any);
        if (shrink->runs >= SHRINK_RUNS_MAX)
            break;
        if (size > 1)
            size = (size + 1) / 2;
        else if (!any)
            break;
    }
    return err;
}

/* Look among the first schedules of a strategy for one with fewer decisions. */
static sp_err shrink_search(const struct sim_plan *plan, const struct sim_result *failure,
                            struct sim_strategy *strategy, uint64_t steps_max,
                            struct sim_shrink *shrink)
{
    bool found = false;
    sp_err err = SP_OK;
    for (uint64_t steps = 0; steps < steps_max && !found && err == SP_OK;) {
        struct sim_plan again = {
            .test = plan->test, .seed = plan->seed, .strategy = strategy, .draws = &shrink->schedule
        };
        struct sim_result result;
        if (!sim_strategy_begin(strategy, plan->seed))
            break;
        err = sim_run(&again, &result);
        sim_strategy_end(strategy, result.choices);
        shrink->runs++;
        steps += result.steps + 1;
        if (err == SP_OK && result.schedule.count < shrink->schedule.count &&
            sim_same_failure(&result, failure)) {
            struct sim_schedule copy;
            err = sim_schedule_without(&result.schedule, 0, 0, &copy);
            if (err == SP_OK)
                err = shrink_try(plan, failure, &copy, shrink, &found);
        }
        sim_schedule_finish(&result.schedule);
    }
    return err;
}

static sp_err shrink_better(const struct sim_plan *plan, const struct sim_result *failure,
                            enum sim_strategy_kind kind, uint64_t steps_max,
                            struct sim_shrink *shrink)
{
    if (shrink->schedule.count < 2)
        return SP_OK;
    struct sim_strategy *strategy = sim_strategy_create(kind, (unsigned)shrink->schedule.count - 1);
    if (strategy == NULL)
        return SP_ERR_NOMEM;
    sp_err err = shrink_search(plan, failure, strategy, steps_max, shrink);
    sim_strategy_destroy(strategy);
    return err == SP_OK ? shrink_down(plan, failure, shrink) : err;
}

sp_err sim_shrink(const struct sim_plan *plan, const struct sim_result *failure,
                  struct sim_shrink *out)
{
    *out = (struct sim_shrink){ .runs = 0 };
    struct sim_schedule whole;
    bool kept = false;
    sp_err err = sim_schedule_without(&failure->schedule, 0, 0, &whole);
    if (err == SP_OK)
        err = shrink_try(plan, failure, &whole, out, &kept);
    if (err != SP_OK)
        return err;
    if (!kept)
        return SP_ERR_INVALID;
    err = shrink_faults(plan, failure, out);
    if (err == SP_OK)
        err = shrink_down(plan, failure, out);
    if (err == SP_OK)
        err = shrink_anchors(plan, failure, out);
    if (err == SP_OK)
        err = shrink_better(plan, failure, SIM_DELAYS, SHRINK_DELAYS_STEPS, out);
    if (err == SP_OK)
        err = shrink_better(plan, failure, SIM_SWITCHES, SHRINK_SWITCHES_STEPS, out);
    if (err != SP_OK)
        sim_schedule_finish(&out->schedule);
    return err;
}
