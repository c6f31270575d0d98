#include "sim/shrink.h"

#include "runtime/real/fault.h"
#include "sim/campaign.h"
#include "spawned/process.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

enum {
    ROUNDS = 3,
};

static struct {
    int value;
    int noise;
} shared;

/* Reads and writes with a point in between: an update may be lost. */
static void adder_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        int seen = shared.value;
        sp_yield();
        shared.value = seen + 1;
    }
}

static void busy_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        sp_yield();
        shared.noise++;
    }
}

static void adding_main(void *arg)
{
    (void)arg;
    sp_pid pids[4];
    for (int i = 0; i < 4; i++)
        sp_ignore(sp_spawn(i < 2 ? adder_main : busy_main, NULL, NULL, &pids[i]));
    for (int i = 0; i < 4; i++)
        sp_ignore(sp_join(pids[i], sp_never(), NULL));
}

SP_SIM_TEST(adding)
{
    shared.value = 0;
    sp_sim_start(s, "node", adding_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, shared.value == 2 * ROUNDS, "%d of %d", shared.value, 2 * ROUNDS);
}

/* The first failure of a random walk. */
static void find_failure(struct sim_plan *out_plan, struct sim_result *out_failure)
{
    struct sim_campaign campaign;
    sim_campaign_init(&campaign, &(struct sim_campaign_options){
                                     .test = sim_tests(), .strategy = "random", .seed = 3 });
    for (;;) {
        CHECK_OK(sim_campaign_next(&campaign, out_plan, out_failure));
        if (out_failure->failed)
            break;
        sim_schedule_finish(&out_failure->schedule);
        CHECK(campaign.runs < 1000);
    }
    sim_campaign_finish(&campaign);
    out_plan->strategy = NULL;
}

TEST(shrunk_schedule_fails_in_the_same_way_and_needs_every_decision)
{
    struct sim_plan plan;
    struct sim_result failure;
    struct sim_shrink shrink;
    CHECK_OK(sp__fault_install());
    CHECK_OK(sim_run_start(false));
    find_failure(&plan, &failure);
    CHECK_OK(sim_shrink(&plan, &failure, &shrink));
    CHECK(shrink.schedule.count >= 1);
    CHECK(shrink.schedule.count < failure.schedule.count);
    CHECK(sim_same_failure(&shrink.result, &failure));
    for (size_t i = 0; i < shrink.schedule.count; i++) {
        struct sim_schedule less;
        struct sim_result result;
        CHECK_OK(sim_schedule_without(&shrink.schedule, i, 1, &less));
        struct sim_plan again = { .test = plan.test, .seed = plan.seed, .schedule = &less };
        CHECK_OK(sim_run(&again, &result));
        CHECK(!sim_same_failure(&result, &failure));
        sim_schedule_finish(&result.schedule);
        sim_schedule_finish(&less);
    }
    sim_schedule_finish(&shrink.schedule);
    sim_schedule_finish(&failure.schedule);
    sim_run_finish();
    sp__fault_uninstall();
}

TEST(shrink_of_what_does_not_fail_again_gives_invalid)
{
    struct sim_result failure = { .failed = true, .text = "something else" };
    struct sim_plan plan = { .test = sim_tests(), .seed = 1 };
    struct sim_shrink shrink;
    CHECK_OK(sp__fault_install());
    CHECK_OK(sim_run_start(false));
    CHECK_ERR(sim_shrink(&plan, &failure, &shrink), SP_ERR_INVALID);
    sim_run_finish();
    sp__fault_uninstall();
}

static bool same(const char *a, const char *b)
{
    struct sim_result x = { .failed = true };
    struct sim_result y = { .failed = true };
    (void)snprintf(x.text, sizeof(x.text), "%s", a);
    (void)snprintf(y.text, sizeof(y.text), "%s", b);
    return sim_same_failure(&x, &y);
}

TEST(failures_are_the_same_but_for_their_numbers)
{
    CHECK(same("3 of 10", "12 of 9"));
    CHECK(same("", ""));
    CHECK(!same("3 of 10", "3 off 10"));
    CHECK(!same("lost 3", "lost 3 times"));
    struct sim_result passed = { .failed = false };
    CHECK(!sim_same_failure(&passed, &passed));
}
