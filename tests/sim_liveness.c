/* sim-liveness: things that never end (tests/sim_liveness) are found, with what goes round or what is
 * owed; their corrected twins, and everything that an unfair schedule only delays, are not.
 *
 * Threads: one. Neighbours: src/sim/campaign.h.
 */
#include "sim/campaign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIVENESS_RUNS = 1000,
};

/* What the failure says, and its detail, or what is told when it is made again. */
static const struct {
    const char *test;
    const char *text;
    const char *detail;
} liveness_bugs[] = {
    { "after_you", "livelock", "yield" },
    { "hot_potato", "livelock", "sends parcel" },
    { "never_named", "livelock", "whereis" },
    { "starved_writer", "\"the writer writes\" was begun by writer", "" },
    { "forgotten_order", "\"an order is answered\" was begun by shop", "" },
    { "taken_and_asked_back",
      "deadlock: anna waits for bert (ask, taken), bert waits for anna (ask)", "" },
    { "taken_and_asked_back_in_time",
      "deadlock: anna waits for bert (ask, taken), bert waits for anna (ask)", "" },
    { "adopted_and_asked_back",
      "deadlock: anna waits for carl (ask, taken), carl waits for anna (ask)", "" },
    { "taken_and_forgotten", "nothing can go on", "anna for bert, who took ask" },
};

/* Up to the first failure, whose schedule is the caller's; 0: none. */
static uint64_t liveness_search(const struct sp_sim_test *test, uint64_t runs,
                                struct sim_result *result)
{
    struct sim_campaign campaign;
    struct sim_plan plan;
    bool failed = false;
    sim_campaign_init(&campaign, &(struct sim_campaign_options){ .test = test, .seed = 1 });
    while (!failed && campaign.runs < runs) {
        if (sim_campaign_next(&campaign, &plan, result) != SP_OK)
            exit(2);
        failed = result->failed;
        if (!failed)
            sim_schedule_finish(&result->schedule);
    }
    runs = failed ? campaign.runs : 0;
    sim_campaign_finish(&campaign);
    return runs;
}

/* Is it said of somebody who still waited, as a report does: "anna for bert, who took ask"? */
static bool liveness_waits(const struct sim_trace *trace, const char *detail)
{
    char line[256];
    for (size_t i = 0; i < trace->lane_count; i++) {
        const struct sim_lane *lane = &trace->lanes[i];
        if (lane->taken[0] == '\0')
            continue;
        snprintf(line, sizeof(line), "%s for %s, who took %s", lane->name,
                 trace->lanes[lane->waits_for].name, lane->taken);
        if (strcmp(line, detail) == 0)
            return true;
    }
    return false;
}

/* The failing run once more, told. */
static bool liveness_told(const struct sp_sim_test *test, const struct sim_schedule *schedule,
                          const char *detail)
{
    struct sim_trace trace = { .count = 0 };
    struct sim_result result;
    struct sim_plan plan = { .test = test, .seed = 1, .schedule = schedule, .trace = &trace };
    if (sim_run(&plan, &result) != SP_OK)
        exit(2);
    bool told = strstr(result.detail, detail) != NULL || liveness_waits(&trace, detail);
    sim_trace_finish(&trace);
    sim_schedule_finish(&result.schedule);
    return told;
}

static bool liveness_bug(const struct sp_sim_test *test, size_t bug, uint64_t runs)
{
    struct sim_result result;
    uint64_t found = liveness_search(test, runs, &result);
    bool good = found != 0 && strstr(result.text, liveness_bugs[bug].text) != NULL &&
                liveness_told(test, &result.schedule, liveness_bugs[bug].detail);
    printf("%s  %s: schedule %llu: %s\n%s", good ? "ok  " : "FAIL", test->name,
           (unsigned long long)found, found == 0 ? "" : result.text,
           found == 0 ? "" : result.detail);
    if (found != 0)
        sim_schedule_finish(&result.schedule);
    return good;
}

int main(int argc, char **argv)
{
    uint64_t runs = argc > 1 ? strtoull(argv[1], NULL, 10) : LIVENESS_RUNS;
    bool good = true;
    if (sim_run_start(true) != SP_OK)
        return 2;
    for (const struct sp_sim_test *test = sim_tests(); test != NULL; test = test->next) {
        struct sim_result result;
        size_t bug = 0;
        size_t bugs = sizeof(liveness_bugs) / sizeof(liveness_bugs[0]);
        while (bug < bugs && strcmp(liveness_bugs[bug].test, test->name) != 0)
            bug++;
        if (bug < bugs) {
            good = liveness_bug(test, bug, runs) && good;
        } else if (liveness_search(test, runs, &result) != 0) {
            printf("FAIL  %s: %s\n", test->name, result.text);
            sim_schedule_finish(&result.schedule);
            good = false;
        }
    }
    sim_run_finish();
    printf("%s\n", good ? "all are found, and no twin" : "not as it should be");
    return good ? 0 : 1;
}
