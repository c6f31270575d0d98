/* The main function of a test program: its options, and the campaign over its tests.
 *
 * Threads: one. Neighbours: options.h, campaign.h, failure.h, detect.h.
 */
#include "sim/main.h"

#include "sim/campaign.h"
#include "sim/crash.h"
#include "sim/detect.h"
#include "sim/failure.h"
#include "sim/inside.h"
#include "sim/jobs.h"
#include "sim/memory.h"
#include "sim/options.h"
#include "sim/summary.h"
#include "sim/traps.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    MAIN_RUNS = 10000,
    MAIN_SECONDS = 60,
    MAIN_CHECKED = 2, /* runs of each test that are checked for what is not determined */
};

struct campaign {
    const struct sim_options *options;
    const struct sp_sim_test *test;
    struct sim_campaign search;
    struct sim_jobs jobs;
    struct sim_summary *summary; /* of all tests */
    struct sim_seen seen;
    double seconds;
    uint64_t digest; /* of all runs */
    uint64_t failures;
    bool noted; /* that it asks for what is not determined */
};

/* ---- the campaign ---- */

static bool campaign_goes_on(const struct campaign *campaign, double since)
{
    return campaign->search.runs < campaign->options->runs &&
           sim_seconds() - since < (double)campaign->options->seconds;
}

/* Is the run determined? The first ones are looked at in any case. */
static bool campaign_determined(struct campaign *campaign, const struct sim_plan *plan,
                                const struct sim_result *result)
{
    const struct sim_options *options = campaign->options;
    bool first = campaign->search.runs <= MAIN_CHECKED;
    if (!sim_memory_started() || (!first && !options->twice))
        return true;
    if (first && !options->no_traps && !campaign->noted &&
        !sim_detect_trap(plan, result, !options->twice)) {
        campaign->noted = true;
        if (options->twice)
            return false;
        sim_silence(true);
    }
    return sim_detect_twin(plan, result, campaign->search.runs);
}

/* The first runs are made here: they are looked at, and teach what others start from. */
static bool campaign_divides(const struct campaign *campaign)
{
    const struct sim_options *options = campaign->options;
    return options->jobs > 1 && campaign->jobs.count == 0 &&
           campaign->search.runs == MAIN_CHECKED && options->strategy == NULL && !options->exhaust;
}

static sp_err campaign_next(struct campaign *campaign, struct sim_plan *plan,
                            struct sim_result *result)
{
    const struct sim_options *options = campaign->options;
    if (campaign_divides(campaign)) {
        sp_err err = sim_jobs_start(
            &campaign->jobs, &campaign->search,
            &(struct sim_jobs_options){
                .count = options->jobs > SIM_LANES ? SIM_LANES : (unsigned)options->jobs,
                .runs = options->runs,
                .twice = options->twice && sim_memory_started(),
            });
        if (err != SP_OK)
            return err;
    }
    if (campaign->jobs.count != 0)
        return sim_jobs_next(&campaign->jobs, &campaign->search, plan, result);
    return sim_campaign_next(&campaign->search, plan, result);
}

/* A worker died of a run that killed it, or was ended from outside. */
static void campaign_lost(const struct campaign *campaign)
{
    sim_silence(false);
    printf("FAIL  %s (%s:%d): the process that made schedule %" PRIu64
           " or one soon after it died: try without -j\n",
           campaign->test->name, campaign->test->file, campaign->test->line,
           campaign->search.runs + 1);
}

static void campaign_failed(const struct campaign *campaign, const struct sim_plan *plan,
                            const struct sim_result *result)
{
    sim_failure_found(&(struct sim_failure){ .options = campaign->options,
                                             .test = campaign->test,
                                             .found = sim_strategy_name(campaign->search.kind),
                                             .schedules = campaign->search.runs },
                      plan, result);
}

/* Of a run that a worker made, only what differs is looked at once more, and told. */
static bool campaign_same(struct campaign *campaign, const struct sim_plan *plan,
                          const struct sim_result *result)
{
    if (campaign->jobs.count == 0)
        return campaign_determined(campaign, plan, result);
    if (!campaign->jobs.differs)
        return true;
    if (sim_detect_twin(plan, result, campaign->search.runs)) {
        sim_silence(false);
        printf("FAIL  %s (%s:%d): two runs of schedule %" PRIu64
               " were not the same, and in another process they are\n",
               campaign->test->name, campaign->test->file, campaign->test->line,
               campaign->search.runs);
    }
    return false;
}

/* False: it is what the campaign ends with. */
static bool campaign_took(struct campaign *campaign, const struct sim_plan *plan,
                          const struct sim_result *result)
{
    sim_summary_add(campaign->summary, &campaign->seen, campaign->search.kind, result);
    bool good = campaign_same(campaign, plan, result);
    campaign->digest = sim_mix(campaign->digest, result->hash);
    campaign->failures += result->failed;
    if (!good || !result->failed || campaign->options->keep_going)
        return good;
    sim_jobs_finish(&campaign->jobs);
    campaign_failed(campaign, plan, result);
    return false;
}

/* True: no run failed. */
static bool campaign_run(struct campaign *campaign)
{
    double since = sim_seconds();
    bool good = true;
    sim_silence(true);
    while (good && campaign_goes_on(campaign, since)) {
        struct sim_plan plan;
        struct sim_result result;
        sp_err err = campaign_next(campaign, &plan, &result);
        if (err == SP_ERR_NOTFOUND)
            break;
        if (err == SP_ERR_RESET) {
            campaign_lost(campaign);
            good = false;
            break;
        }
        if (err != SP_OK)
            sim_no_memory();
        good = result.cut || campaign_took(campaign, &plan, &result);
        sim_schedule_finish(&result.schedule);
    }
    sim_jobs_finish(&campaign->jobs);
    sim_silence(false);
    campaign->seconds = sim_seconds() - since;
    return good;
}

/* --run: runs of other lanes than that one's teach it nothing, but for the first. */
static bool campaign_needs(const struct campaign *campaign)
{
    const struct sim_campaign *search = &campaign->search;
    struct sim_campaign wanted = *search;
    wanted.runs = campaign->options->run - 1;
    return search->runs == 0 || sim_campaign_lane(search) == sim_campaign_lane(&wanted);
}

/* True: it passes. */
static bool campaign_single(struct campaign *campaign)
{
    struct sim_result result = { .hash = 0 };
    const struct sim_options *options = campaign->options;
    bool failed = false;
    sim_silence(true);
    while (campaign->search.runs < options->run) {
        struct sim_plan plan;
        if (!campaign_needs(campaign)) {
            sim_campaign_skip(&campaign->search);
            continue;
        }
        sp_err err = sim_campaign_next(&campaign->search, &plan, &result);
        if (err == SP_ERR_NOTFOUND)
            break;
        if (err != SP_OK)
            sim_no_memory();
        failed = result.failed && campaign->search.runs == options->run;
        if (failed)
            campaign_failed(campaign, &plan, &result);
        sim_schedule_finish(&result.schedule);
    }
    sim_silence(false);
    if (campaign->search.runs < options->run)
        printf("ok    %s: there is no schedule %" PRIu64 "\n", campaign->test->name, options->run);
    else if (!failed)
        printf("ok    %s: schedule %" PRIu64 " by %s passes; hash %016" PRIx64 "\n",
               campaign->test->name, options->run, sim_strategy_name(campaign->search.kind),
               result.hash);
    return !failed;
}

static void campaign_print(const struct campaign *campaign)
{
    const char *refused = campaign->search.refused;
    if (campaign->options->exhaust && refused != NULL)
        printf("      %s: not every schedule: %s\n", campaign->test->name, refused);
    printf("ok    %s: %" PRIu64 " schedules%s, %" PRIu64 " different (%u %% of the last), %" PRIu64
           " steps, %.1f virtual seconds, %.2f s\n",
           campaign->test->name, campaign->search.runs,
           campaign->search.complete ? ", complete" : "", campaign->seen.count,
           sim_seen_rate(&campaign->seen), campaign->search.steps,
           (double)campaign->search.time_ns / 1e9, campaign->seconds);
    if (campaign->failures != 0)
        printf("      %" PRIu64 " of them failed\n", campaign->failures);
    if (campaign->options->digest)
        printf("digest %s %016" PRIx64 "\n", campaign->test->name, campaign->digest);
}

static bool main_test(const struct sim_options *options, const struct sp_sim_test *test,
                      struct sim_summary *summary)
{
    struct campaign campaign = { .options = options, .test = test, .summary = summary };
    sim_campaign_init(&campaign.search,
                      &(struct sim_campaign_options){
                          .test = test,
                          .strategy = options->strategy,
                          .depth = (unsigned)options->depth,
                          .seed = options->seed,
                          .seed_of_run = options->seed_given && options->runs == 1,
                          .exhaust = options->exhaust,
                          .plain = options->plain,
                          .faults = options->faults,
                      });
    sim_crash_campaign(&campaign.search);
    bool good = options->run != 0 ? campaign_single(&campaign) : campaign_run(&campaign);
    if (good && options->run == 0)
        campaign_print(&campaign);
    sim_crash_campaign(NULL);
    sim_campaign_finish(&campaign.search);
    sim_seen_finish(&campaign.seen);
    (void)fflush(stdout);
    return good;
}

static void sometimes_print(void *arg, const char *what, uint64_t count)
{
    (void)arg;
    printf(count == 0 ? "sometimes \"%s\": NEVER\n" : "sometimes \"%s\": %" PRIu64 " times\n", what,
           count);
}

static bool main_wants(const struct sim_options *options, const struct sp_sim_test *test)
{
    return options->filter == NULL || strstr(test->name, options->filter) != NULL;
}

static bool main_has_work(const struct sim_options *options)
{
    const struct sp_sim_test *test = sim_tests();
    while (test != NULL && !main_wants(options, test))
        test = test->next;
    return test != NULL;
}

int sim_main(int argc, char **argv)
{
    struct sim_summary summary = { .steps = 0 };
    struct sim_options options = { .program = argv[0],
                                   .output = ".",
                                   .runs = MAIN_RUNS,
                                   .seconds = MAIN_SECONDS,
                                   .seed = 1,
                                   .jobs = 1 };
    sim_options_parse(&options, argc, argv);
    if (sim_memory_foreign() != NULL) {
        fprintf(stderr,
                "%s: built with the %s sanitizer, and libspawned-sim is not: build Spawned with "
                "-DSPAWNED_SANITIZE=%s\n",
                argv[0], sim_memory_foreign(), sim_memory_foreign());
        return 2;
    }
    sim_silence(false); /* finds out where errors go, which runs must not take back */
    sim_crash_start(&options);
    sim_traps_prepare();
    if (sim_run_start(!options.no_reset) != SP_OK)
        sim_no_memory();
    if (options.replay != NULL)
        return sim_failure_replay(&options);
    if (options.filter != NULL && !options.list && !main_has_work(&options)) {
        fprintf(stderr, "%s: no test's name contains %s; see --list\n", argv[0], options.filter);
        return 2;
    }
    int passed = 0;
    int failed = 0;
    for (const struct sp_sim_test *test = sim_tests(); test != NULL; test = test->next) {
        if (!main_wants(&options, test))
            continue;
        if (options.list)
            printf("%s\n", test->name);
        else if (main_test(&options, test, &summary))
            passed++;
        else
            failed++;
    }
    if (options.list)
        return 0;
    sim_summary_print(&summary);
    sim_sometimes_each(sometimes_print, NULL);
    sim_run_finish();
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
