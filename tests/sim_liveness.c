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

/* What the failure and its detail say. */
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
};

/* Up to the first failure; 0: none. */
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
        sim_schedule_finish(&result->schedule);
    }
    runs = failed ? campaign.runs : 0;
    sim_campaign_finish(&campaign);
    return runs;
}

static bool liveness_bug(const struct sp_sim_test *test, size_t bug, uint64_t runs)
{
    struct sim_result result;
    uint64_t found = liveness_search(test, runs, &result);
    bool good = found != 0 && strstr(result.text, liveness_bugs[bug].text) != NULL &&
                strstr(result.detail, liveness_bugs[bug].detail) != NULL;
    printf("%s  %s: schedule %llu: %s\n%s", good ? "ok  " : "FAIL", test->name,
           (unsigned long long)found, found == 0 ? "" : result.text,
           found == 0 ? "" : result.detail);
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
            good = false;
        }
    }
    sim_run_finish();
    printf("%s\n", good ? "all five are found, and no twin" : "not as it should be");
    return good ? 0 : 1;
}
