/* sim-faults: each kind of fault has a planted bug (tests/sim_faults) that only it reveals.
 *
 * Per bug: it is found with all kinds allowed; it shrinks to that one fault; the schedule fails again
 * 100 times of 100; without its kind it is not found; its corrected twin passes.
 *
 * Threads: one. Neighbours: src/sim/campaign.h.
 */
#include "sim/campaign.h"
#include "sim/fault.h"
#include "sim/shrink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FAULTS_RUNS = 10000,
    FAULTS_REPLAYS = 100,
};

/* NAME of NAME_test: the kind's name on the command line, and in a schedule. */
static const struct {
    const char *test;
    const char *without;
    enum sp__choice kind;
} faults_bugs[] = {
    { "kill", "-kill", SP__CHOICE_KILL },
    { "crash", "-crash,-stop", SP__CHOICE_CRASH },
    { "stop", "-stop", SP__CHOICE_STOP },
    { "pause", "-pause", SP__CHOICE_PAUSE },
    { "clock_step", "-clock-step", SP__CHOICE_STEP },
    { "clock_drift", "-clock-drift", SP__CHOICE_DRIFT },
    { "clock_freeze", "-clock-freeze", SP__CHOICE_FREEZE },
    { "memory", "-memory", SP__CHOICE_MEMORY },
};

static void faults_expect(sp_err err)
{
    if (err == SP_OK)
        return;
    fprintf(stderr, "sim-faults: %s\n", sp_err_text(err));
    exit(2);
}

static const struct sp_sim_test *faults_test(const char *name, const char *suffix)
{
    char full[64];
    (void)snprintf(full, sizeof(full), "%s%s", name, suffix);
    const struct sp_sim_test *test = sim_tests();
    while (test != NULL && strcmp(test->name, full) != 0)
        test = test->next;
    if (test == NULL) {
        fprintf(stderr, "sim-faults: there is no test %s\n", full);
        exit(2);
    }
    return test;
}

/* Up to the first failure; how many runs that took, 0: none failed. */
static uint64_t faults_search(const struct sp_sim_test *test, const char *kinds, uint64_t runs,
                              struct sim_plan *plan, struct sim_result *result)
{
    struct sim_campaign campaign;
    bool failed = false;
    sim_campaign_init(&campaign,
                      &(struct sim_campaign_options){ .test = test, .seed = 1, .faults = kinds });
    while (!failed && campaign.runs < runs) {
        faults_expect(sim_campaign_next(&campaign, plan, result));
        failed = result->failed;
        if (!failed)
            sim_schedule_finish(&result->schedule);
    }
    runs = failed ? campaign.runs : 0;
    sim_campaign_finish(&campaign);
    return runs;
}

static bool faults_clean(const struct sp_sim_test *test, const char *kinds, uint64_t runs)
{
    struct sim_plan plan;
    struct sim_result result;
    uint64_t found = faults_search(test, kinds, runs, &plan, &result);
    if (found == 0)
        return true;
    printf("FAIL  %s%s%s: fails in schedule %llu: %s\n", test->name, kinds == NULL ? "" : " with ",
           kinds == NULL ? "" : kinds, (unsigned long long)found, result.text);
    for (size_t i = 0; i < result.schedule.count; i++)
        if (sim_choice_is_fault(result.schedule.choices[i].kind))
            printf("      there was a %s\n", sim_choice_name(result.schedule.choices[i].kind));
    sim_schedule_finish(&result.schedule);
    return false;
}

static unsigned faults_replay(const struct sim_plan *plan, const struct sim_shrink *shrink)
{
    unsigned same = 0;
    for (int i = 0; i < FAULTS_REPLAYS; i++) {
        struct sim_plan again = { .test = plan->test,
                                  .seed = plan->seed,
                                  .schedule = &shrink->schedule };
        struct sim_result result;
        faults_expect(sim_run(&again, &result));
        same += result.failed && result.hash == shrink->result.hash;
        sim_schedule_finish(&result.schedule);
    }
    return same;
}

static bool faults_found(const struct sp_sim_test *test, enum sp__choice kind, uint64_t runs)
{
    struct sim_plan plan;
    struct sim_result result;
    struct sim_shrink shrink;
    uint64_t found = faults_search(test, NULL, runs, &plan, &result);
    if (found == 0) {
        printf("FAIL  %s: not found in %llu schedules\n", test->name, (unsigned long long)runs);
        return false;
    }
    plan.strategy = NULL;
    sp_err err = sim_shrink(&plan, &result, &shrink);
    if (err != SP_OK) {
        printf("FAIL  %s: %s, and the same schedule does not: %s\n", test->name, result.text,
               sp_err_text(err));
        sim_schedule_finish(&result.schedule);
        return false;
    }
    unsigned same = faults_replay(&plan, &shrink);
    bool alone = shrink.schedule.count == 1 && shrink.schedule.choices[0].kind == kind;
    bool good = alone && same == FAULTS_REPLAYS;
    printf("%s  %s: schedule %llu, %zu decisions, shrunk to %zu in %llu runs (%s), %u/%d replays: "
           "%s\n",
           good ? "ok  " : "FAIL", test->name, (unsigned long long)found, result.schedule.count,
           shrink.schedule.count, (unsigned long long)shrink.runs,
           shrink.schedule.count == 0 ? "none" : sim_choice_name(shrink.schedule.choices[0].kind),
           same, FAULTS_REPLAYS, result.text);
    sim_schedule_finish(&result.schedule);
    sim_schedule_finish(&shrink.schedule);
    return good;
}

int main(int argc, char **argv)
{
    uint64_t runs = argc > 1 ? strtoull(argv[1], NULL, 10) : FAULTS_RUNS;
    bool good = true;
    if (sim_run_start(true) != SP_OK)
        return 2;
    for (size_t i = 0; i < sizeof(faults_bugs) / sizeof(faults_bugs[0]); i++) {
        const char *name = faults_bugs[i].test;
        good = faults_found(faults_test(name, ""), faults_bugs[i].kind, FAULTS_RUNS) && good;
        good = faults_clean(faults_test(name, ""), faults_bugs[i].without, runs) && good;
        good = faults_clean(faults_test(name, "_fixed"), NULL, runs) && good;
        (void)fflush(stdout);
    }
    sim_run_finish();
    printf("%s\n", good ? "every kind reveals its bug, and no other does" : "not as it should be");
    return good ? 0 : 1;
}
