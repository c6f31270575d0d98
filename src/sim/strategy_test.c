#include "sim/strategy.h"

#include "support/test.h"

#include <string.h>

enum {
    MODEL_TASKS = 4,
    MODEL_STEPS = 64,
    MODEL_ORDERS = 2000,
};

/* Tasks that make so many steps each and do not notice each other. */
struct model {
    struct sp__task tasks[MODEL_TASKS];
    int steps[MODEL_TASKS];
    int count;
    unsigned char order[MODEL_STEPS]; /* who made which step */
    int length;
    uint64_t decisions;
};

static size_t model_ready(struct model *model, struct sp__task **ready)
{
    size_t count = 0;
    for (int i = 0; i < model->count; i++)
        if ((int)model->tasks[i].steps < model->steps[i])
            ready[count++] = &model->tasks[i];
    return count;
}

static void model_run(struct model *model, struct sim_strategy *strategy)
{
    struct sp__task *ready[MODEL_TASKS];
    size_t count;
    model->length = 0;
    model->decisions = 0;
    for (int i = 0; i < model->count; i++) {
        enum sp__task_kind kind = model->tasks[i].kind;
        model->tasks[i] =
            (struct sp__task){ .label = (uint64_t)i + 1, .object = (uint64_t)i, .kind = kind };
        sim_strategy_born(strategy, &model->tasks[i]);
    }
    while ((count = model_ready(model, ready)) > 0) {
        size_t index = 0;
        if (count > 1) {
            index = sim_strategy_choose(strategy, ready, count, 0);
            model->decisions++;
        }
        CHECK(index < count);
        ready[index]->steps++;
        sim_strategy_step(strategy, ready[index]);
        model->order[model->length++] = (unsigned char)(ready[index] - model->tasks);
    }
    sim_strategy_end(strategy, model->decisions);
}

static struct sim_strategy *strategy_new(enum sim_strategy_kind kind, unsigned depth)
{
    struct sim_strategy *strategy = sim_strategy_create(kind, depth);
    CHECK(strategy != NULL);
    return strategy;
}

/* Runs until nothing is left to try; `*out_distinct` of them had an order of their own. */
static int run_all(struct model *model, struct sim_strategy *strategy, int *out_distinct)
{
    static unsigned char orders[MODEL_ORDERS][MODEL_STEPS];
    int runs = 0;
    *out_distinct = 0;
    while (sim_strategy_begin(strategy, 1)) {
        int i = 0;
        model_run(model, strategy);
        while (i < *out_distinct && memcmp(orders[i], model->order, (size_t)model->length) != 0)
            i++;
        CHECK(i < MODEL_ORDERS);
        memcpy(orders[i], model->order, (size_t)model->length);
        *out_distinct += i == *out_distinct;
        runs++;
    }
    return runs;
}

TEST(exhaust_makes_every_interleaving_of_independent_tasks_once)
{
    static const struct {
        int count;
        int steps;
        int interleavings;
    } cases[] = { { 2, 1, 2 }, { 2, 3, 20 }, { 3, 2, 90 }, { 4, 1, 24 }, { 3, 3, 1680 } };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct model model = { .count = cases[i].count };
        struct sim_strategy *strategy = strategy_new(SIM_EXHAUST, 0);
        int distinct;
        for (int k = 0; k < model.count; k++)
            model.steps[k] = cases[i].steps;
        CHECK_INT(run_all(&model, strategy, &distinct), cases[i].interleavings);
        CHECK_INT(distinct, cases[i].interleavings);
        sim_strategy_destroy(strategy);
    }
}

/* Tasks that never end within `decisions` decisions, so that all runs have as many. */
static int runs_count(enum sim_strategy_kind kind, unsigned depth, int decisions, size_t count)
{
    struct sp__task tasks[3] = { { .label = 1 }, { .label = 2 }, { .label = 3 } };
    struct sp__task *const ready[] = { &tasks[0], &tasks[1], &tasks[2] };
    struct sim_strategy *strategy = strategy_new(kind, depth);
    int runs = 0;
    for (; sim_strategy_begin(strategy, 1); runs++) {
        for (int i = 0; i < decisions; i++)
            (void)sim_strategy_choose(strategy, ready, count, 0);
        sim_strategy_end(strategy, (uint64_t)decisions);
    }
    sim_strategy_destroy(strategy);
    return runs;
}

TEST(delays_places_so_many_delays_at_so_many_decisions_in_every_way)
{
    CHECK_INT(runs_count(SIM_DELAYS, 1, 5, 2), 1 + 5);
    CHECK_INT(runs_count(SIM_DELAYS, 2, 4, 2), 1 + 4 + 10);
    CHECK_INT(runs_count(SIM_DELAYS, 3, 6, 2), 1 + 6 + 21 + 56);
}

TEST(switches_goes_to_every_other_task_at_so_many_decisions)
{
    CHECK_INT(runs_count(SIM_SWITCHES, 1, 5, 2), 1 + 5);
    CHECK_INT(runs_count(SIM_SWITCHES, 2, 5, 2), 1 + 5 + 10);
    CHECK_INT(runs_count(SIM_SWITCHES, 2, 4, 3), 1 + 4 * 2 + 6 * 4);
    CHECK_INT(runs_count(SIM_SWITCHES, 8, 3, 3), 27);
}

TEST(delays_begins_with_the_reference)
{
    struct model model = { .count = 3, .steps = { 2, 2, 2 } };
    struct sim_strategy *strategy = strategy_new(SIM_DELAYS, 1);
    CHECK(sim_strategy_begin(strategy, 5));
    model_run(&model, strategy);
    CHECK_MEM(model.order, ((const unsigned char[]){ 0, 0, 1, 1, 2, 2 }), 6);
    sim_strategy_destroy(strategy);
}

TEST(sampling_from_the_same_seed_goes_the_same_way)
{
    static const enum sim_strategy_kind kinds[] = { SIM_RANDOM, SIM_PCT, SIM_POS, SIM_URW };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct model first = { .count = 4, .steps = { 8, 8, 8, 8 } };
        struct model second = first;
        bool differs = false;
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct sim_strategy *strategy = strategy_new(kinds[i], 3);
            CHECK(sim_strategy_begin(strategy, seed));
            model_run(&first, strategy);
            sim_strategy_destroy(strategy);
            strategy = strategy_new(kinds[i], 3);
            CHECK(sim_strategy_begin(strategy, seed));
            differs = differs ||
                      (seed > 1 && memcmp(first.order, second.order, (size_t)first.length) != 0);
            model_run(&second, strategy);
            sim_strategy_destroy(strategy);
            CHECK_MEM(second.order, first.order, (size_t)first.length);
        }
        CHECK(differs);
    }
}

TEST(pct_without_changes_runs_one_task_after_the_other)
{
    struct model model = { .count = 3, .steps = { 5, 5, 5 } };
    struct sim_strategy *strategy = strategy_new(SIM_PCT, 1);
    for (uint64_t seed = 0; seed < 50; seed++) {
        int changes = 0;
        CHECK(sim_strategy_begin(strategy, seed));
        model_run(&model, strategy);
        for (int i = 1; i < model.length; i++)
            changes += model.order[i] != model.order[i - 1];
        CHECK_INT(changes, 2);
    }
    sim_strategy_destroy(strategy);
}

/* A task of 16 steps before one of a single step: 1 of 17 where all places are equally likely, 1
 * of 65,536 where all tasks are. */
TEST(urw_gives_a_long_task_its_chance)
{
    struct model model = { .count = 2, .steps = { 16, 1 } };
    struct sim_strategy *strategy = strategy_new(SIM_URW, 0);
    int last = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        CHECK(sim_strategy_begin(strategy, seed));
        model_run(&model, strategy);
        last += model.order[16] == 1;
    }
    CHECK(last > 20);
    CHECK(last < 150);
    sim_strategy_destroy(strategy);
}

TEST(timers_in_abstract_time_go_first_a_few_times_only)
{
    static const enum sim_strategy_kind kinds[] = { SIM_RANDOM, SIM_PCT, SIM_POS, SIM_URW };
    struct model model = { .count = 2, .steps = { 16, 16 } };
    model.tasks[0].kind = SP__TASK_TIMERS;
    model.tasks[1].kind = SP__TASK_ACTOR;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct sim_strategy *strategy = strategy_new(kinds[i], 3);
        int most = 0;
        sim_strategy_set_abstract(strategy, true);
        for (uint64_t seed = 0; seed < 200; seed++) {
            int early = 0;
            CHECK(sim_strategy_begin(strategy, seed));
            model_run(&model, strategy);
            for (int k = 0; k < 16; k++)
                early += model.order[k] == 0;
            most = early > most ? early : most;
        }
        CHECK(most >= 1);
        CHECK(most <= 3);
        sim_strategy_destroy(strategy);
    }
}

TEST(in_abstract_time_the_timers_of_any_node_may_go_first)
{
    struct model model = { .count = 3, .steps = { 8, 8, 8 } };
    struct sim_strategy *strategy = strategy_new(SIM_RANDOM, 3);
    int early[2] = { 0, 0 };
    model.tasks[0].kind = SP__TASK_TIMERS;
    model.tasks[1].kind = SP__TASK_TIMERS;
    model.tasks[2].kind = SP__TASK_ACTOR;
    sim_strategy_set_abstract(strategy, true);
    for (uint64_t seed = 0; seed < 200; seed++) {
        CHECK(sim_strategy_begin(strategy, seed));
        model_run(&model, strategy);
        if (model.order[0] < 2)
            early[model.order[0]]++;
    }
    CHECK(early[0] > 0);
    CHECK(early[1] > 0);
    sim_strategy_destroy(strategy);
}

TEST(names_are_of_every_strategy_and_of_nothing_else)
{
    CHECK_STR(sim_strategy_name(SIM_DELAYS), "delays");
    CHECK_STR(sim_strategy_name(SIM_EXHAUST), "exhaust");
    CHECK(sim_strategy_name(SIM_STRATEGIES) == NULL);
}

TEST(delays_that_are_exact_try_each_draw_with_each_set_of_delays)
{
    struct model model = { .count = 2, .steps = { 1, 2 } };
    bool seen[3][2] = { { false } };
    int runs = 0;
    struct sim_strategy *strategy = strategy_new(SIM_DELAYS, 1);
    sim_strategy_set_exact(strategy);
    CHECK(sim_strategy_draws(strategy));
    for (; sim_strategy_begin(strategy, 1); runs++) {
        uint32_t drawn = sim_strategy_draw(strategy, 3);
        model_run(&model, strategy);
        CHECK(drawn < 3);
        seen[drawn][model.order[0]] = true;
    }
    for (int drawn = 0; drawn < 3; drawn++)
        CHECK(seen[drawn][0] && seen[drawn][1]);
    CHECK_INT(runs % 3, 0);
    sim_strategy_destroy(strategy);
}
