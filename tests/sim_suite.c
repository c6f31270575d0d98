/* sim-suite: how well planted bugs are found (tests/sim), as a test and as a benchmark of the
 * strategies.
 *
 * Each test is searched in some trials with different seeds; what fails is shrunk and replayed,
 * from its schedule and from its seed. The reference schedule must pass, so no failure consists of less
 * than one decision; what it is shrunk to may be one more. Tests called NAME_fixed are corrected
 * twins, which must pass every schedule.
 *
 * Threads: one. Neighbours: src/sim/campaign.h.
 */
#include "base/alloc.h"
#include "sim/campaign.h"
#include "sim/shrink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SUITE_TRIALS = 20,
    SUITE_TRIALS_MAX = 1000,
    SUITE_RUNS = 10000,
    SUITE_REPLAYS = 100,
    SUITE_DECISIONS_MAX = 2, /* of a shrunk schedule: one is the least there can be */
};

struct suite_options {
    const char *filter;
    const char *strategy;
    uint64_t trials;
    uint64_t runs;
    uint64_t twin_runs;
    uint64_t replays; /* of a bug, over all its trials */
    uint64_t seed;
    bool json;
};

/* What the trials of one test came to. */
struct suite_row {
    const struct sp_sim_test *test;
    bool twin;
    bool passes; /* the reference schedule */
    uint64_t trials;
    uint64_t found;
    uint64_t schedules[SUITE_TRIALS_MAX]; /* of the trials that found it, sorted in the end */
    uint64_t decisions[SUITE_TRIALS_MAX]; /* of their shrunk schedules */
    uint64_t by[SIM_STRATEGIES];
    uint64_t replays; /* asked for, of each kind */
    uint64_t replays_same;
    uint64_t seeds_same;
    uint64_t runs; /* of all trials */
    double cpu_worst;
    double cpu_sum;
    char text[SIM_TEXT_MAX]; /* of a failure */
};

static double suite_cpu(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void suite_expect(sp_err err)
{
    if (err == SP_OK)
        return;
    fprintf(stderr, "sim-suite: %s\n", sp_err_text(err));
    exit(2);
}

/* ---- a trial ---- */

/* One campaign, to its first failure. False: none in so many runs. */
static bool trial_search(const struct suite_options *options, const struct sp_sim_test *test,
                         uint64_t seed, uint64_t runs, struct sim_campaign *campaign,
                         struct sim_plan *out_plan, struct sim_result *out_result)
{
    sim_campaign_init(campaign, &(struct sim_campaign_options){
                                    .test = test, .strategy = options->strategy, .seed = seed });
    bool failed = false;
    while (!failed && campaign->runs < runs) {
        sp_err err = sim_campaign_next(campaign, out_plan, out_result);
        if (err == SP_ERR_NOTFOUND)
            break;
        suite_expect(err);
        failed = out_result->failed;
        if (!failed)
            sim_schedule_finish(&out_result->schedule);
    }
    sim_campaign_finish(campaign);
    return failed;
}

static void trial_replay(const struct suite_options *options, struct suite_row *row, uint64_t seed,
                         const struct sim_plan *plan, const struct sim_shrink *shrink,
                         const struct sim_result *failure)
{
    uint64_t replays = (options->replays + row->trials - 1) / row->trials;
    row->replays += replays;
    for (uint64_t i = 0; i < replays; i++) {
        struct sim_plan again = { .test = plan->test,
                                  .seed = plan->seed,
                                  .schedule = &shrink->schedule };
        struct sim_result result;
        suite_expect(sim_run(&again, &result));
        row->replays_same += result.failed && result.hash == shrink->result.hash;
        sim_schedule_finish(&result.schedule);
        struct sim_campaign campaign;
        if (!trial_search(options, row->test, seed, options->runs, &campaign, &again, &result))
            continue;
        row->seeds_same += result.hash == failure->hash;
        sim_schedule_finish(&result.schedule);
    }
}

static void trial(const struct suite_options *options, struct suite_row *row, uint64_t number)
{
    struct sim_campaign campaign;
    struct sim_plan plan;
    struct sim_result failure;
    uint64_t seed = options->seed + number;
    double since = suite_cpu();
    bool found =
        trial_search(options, row->test, seed, row->twin ? options->twin_runs : options->runs,
                     &campaign, &plan, &failure);
    double cpu = suite_cpu() - since;
    row->cpu_sum += cpu;
    row->cpu_worst = cpu > row->cpu_worst ? cpu : row->cpu_worst;
    row->runs += campaign.runs;
    if (!found)
        return;
    (void)snprintf(row->text, sizeof(row->text), "%s", failure.text);
    row->by[campaign.kind]++;
    row->schedules[row->found] = campaign.runs;
    row->decisions[row->found] = UINT64_MAX;
    struct sim_shrink shrink;
    plan.strategy = NULL;
    sp_err err = sim_shrink(&plan, &failure, &shrink);
    if (err == SP_OK) {
        row->decisions[row->found] = shrink.schedule.count;
        trial_replay(options, row, seed, &plan, &shrink, &failure);
        sim_schedule_finish(&shrink.schedule);
    } else if (err == SP_ERR_INVALID) {
        row->replays++; /* and none of them is the same */
    } else {
        suite_expect(err);
    }
    row->found++;
    sim_schedule_finish(&failure.schedule);
}

/* ---- a row ---- */

static int row_compare(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return (*x > *y) - (*x < *y);
}

/* Of a sorted row. */
static bool row_good(const struct suite_row *row)
{
    if (row->twin)
        return row->found == 0;
    return row->passes && row->found == row->trials && row->replays_same == row->replays &&
           row->seeds_same == row->replays &&
           (row->found == 0 || row->decisions[row->found - 1] <= SUITE_DECISIONS_MAX);
}

/* No decision at all: is it as it should be? */
static bool reference_passes(const struct sp_sim_test *test, uint64_t seed)
{
    struct sim_schedule none = { 0 };
    struct sim_plan plan = { .test = test, .seed = seed, .schedule = &none };
    struct sim_result result;
    suite_expect(sim_run(&plan, &result));
    sim_schedule_finish(&result.schedule);
    return !result.failed;
}

static uint64_t row_median(const uint64_t *values, uint64_t count)
{
    return count == 0 ? 0 : values[count / 2];
}

static uint64_t row_worst(const uint64_t *values, uint64_t count)
{
    return count == 0 ? 0 : values[count - 1];
}

static void row_print_text(const struct suite_row *row)
{
    if (row->twin) {
        printf("%-34s %s in %" PRIu64 " schedules, %.2f s%s%s\n", row->test->name,
               row->found == 0 ? "clean" : "FAILS", row->runs, row->cpu_sum,
               row->found == 0 ? "" : ": ", row->text);
        return;
    }
    printf("%-34s %3" PRIu64 "/%-3" PRIu64 " %6" PRIu64 " %6" PRIu64 " %4" PRIu64 " %4" PRIu64
           " %5" PRIu64 " %5" PRIu64 " %7.3f %s",
           row->test->name, row->found, row->trials, row_median(row->schedules, row->found),
           row_worst(row->schedules, row->found), row_median(row->decisions, row->found),
           row_worst(row->decisions, row->found), row->replays_same, row->seeds_same,
           row->cpu_worst, row_good(row) ? "" : "FAILS ");
    for (int kind = 0; kind < SIM_STRATEGIES; kind++)
        if (row->by[kind] != 0)
            printf(" %s %" PRIu64, sim_strategy_name((enum sim_strategy_kind)kind), row->by[kind]);
    printf("\n");
}

static void json_text(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text >= ' ')
            putchar(*text);
}

static void row_print_json(const struct suite_row *row)
{
    printf("{\"test\":\"%s\",\"twin\":%s,\"good\":%s,\"trials\":%" PRIu64 ",\"found\":%" PRIu64
           ",\"runs\":%" PRIu64,
           row->test->name, row->twin ? "true" : "false", row_good(row) ? "true" : "false",
           row->trials, row->found, row->runs);
    if (!row->twin)
        printf(",\"schedules_median\":%" PRIu64 ",\"schedules_worst\":%" PRIu64
               ",\"decisions_median\":%" PRIu64 ",\"decisions_worst\":%" PRIu64
               ",\"replays\":%" PRIu64 ",\"replays_same\":%" PRIu64 ",\"seeds_same\":%" PRIu64,
               row_median(row->schedules, row->found), row_worst(row->schedules, row->found),
               row_median(row->decisions, row->found), row_worst(row->decisions, row->found),
               row->replays, row->replays_same, row->seeds_same);
    printf(",\"cpu_s_worst\":%.6f,\"cpu_s\":%.6f,\"failure\":\"", row->cpu_worst, row->cpu_sum);
    json_text(row->text);
    printf("\"}\n");
}

static bool suite_is_twin(const struct sp_sim_test *test)
{
    static const char end[] = "_fixed";
    size_t length = strlen(test->name);
    return length >= sizeof(end) && strcmp(test->name + length - (sizeof(end) - 1), end) == 0;
}

/* Search one test; true: as it should be. `*out_median` is its median, where it is a bug. */
static bool suite_row(const struct suite_options *options, const struct sp_sim_test *test,
                      uint64_t *out_median)
{
    struct suite_row *row = sp__calloc(1, sizeof(*row));
    if (row == NULL)
        suite_expect(SP_ERR_NOMEM);
    row->test = test;
    row->twin = suite_is_twin(test);
    row->trials = row->twin ? 1 : options->trials;
    row->passes = reference_passes(test, options->seed);
    for (uint64_t number = 0; number < row->trials; number++)
        trial(options, row, number);
    qsort(row->schedules, (size_t)row->found, sizeof(uint64_t), row_compare);
    qsort(row->decisions, (size_t)row->found, sizeof(uint64_t), row_compare);
    if (options->json)
        row_print_json(row);
    else
        row_print_text(row);
    (void)fflush(stdout);
    *out_median = row->found == row->trials ? row_median(row->schedules, row->found) : UINT64_MAX;
    bool good = row_good(row);
    sp__free(row);
    return good;
}

/* ---- the whole ---- */

/* Of the tests that are bugs (`twins` false) or twins, how many were not as they should be. */
static uint64_t suite_part(const struct suite_options *options, bool twins, uint64_t *medians,
                           uint64_t *count)
{
    uint64_t bad = 0;
    for (const struct sp_sim_test *test = sim_tests(); test != NULL; test = test->next) {
        if (suite_is_twin(test) != twins ||
            (options->filter != NULL && strstr(test->name, options->filter) == NULL))
            continue;
        bad += !suite_row(options, test, &medians[*count]);
        ++*count;
    }
    return bad;
}

static int suite(const struct suite_options *options)
{
    size_t tests = 1;
    for (const struct sp_sim_test *test = sim_tests(); test != NULL; test = test->next)
        tests++;
    uint64_t *medians = sp__calloc(tests, sizeof(uint64_t));
    uint64_t bugs = 0;
    uint64_t twins = 0;
    if (medians == NULL)
        suite_expect(SP_ERR_NOMEM);
    if (!options->json)
        printf("%-34s %7s %6s %6s %4s %4s %5s %5s %7s  found by\n", "bug", "found", "median",
               "worst", "size", "max", "again", "seed", "cpu s");
    uint64_t missed = suite_part(options, false, medians, &bugs);
    qsort(medians, (size_t)bugs, sizeof(uint64_t), row_compare);
    uint64_t median = row_median(medians, bugs);
    uint64_t failing = suite_part(options, true, medians, &twins);
    sp__free(medians);
    if (options->json)
        printf("{\"bugs\":%" PRIu64 ",\"bugs_bad\":%" PRIu64 ",\"bugs_median\":%" PRIu64
               ",\"twins\":%" PRIu64 ",\"twins_bad\":%" PRIu64 "}\n",
               bugs, missed, median, twins, failing);
    else
        printf("%" PRIu64 " bugs, %" PRIu64
               " missed, not replayed or not short, median of their medians "
               "%" PRIu64 " schedules; %" PRIu64 " twins, %" PRIu64 " fail\n",
               bugs, missed, median, twins, failing);
    return missed + failing == 0 && bugs + twins > 0 ? 0 : 1;
}

static const char suite_help[] =
    "usage: %s [option]...\n"
    "\n"
    "Looks for planted bugs, and for failures of their corrected twins.\n"
    "\n"
    "  --trials N       searches of each bug, each from another seed (default 20)\n"
    "  --runs N         schedules per search, at most (default 10000)\n"
    "  --twin-runs N    schedules of each twin (default as --runs)\n"
    "  --replays N      of each bug, of schedule and seed (default 100)\n"
    "  --filter TEXT    only tests whose name contains TEXT\n"
    "  --strategy NAME  only this one (default: all in turn)\n"
    "  --seed N         of the first trial (default 1)\n"
    "  --json           a line of JSON for each test and one for all\n"
    "\n"
    "Columns: trials that found it; schedules until then, median and worst; decisions of the\n"
    "shrunk schedule, median and most; replays that were the same, of the schedule and of the\n"
    "seed; CPU seconds of the longest search.\n"
    "Exit status: 0 all bugs found and twins clean, 1 not so, 2 it could not be tried.\n";

static uint64_t option_number(const char *name, const char *value)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = value == NULL ? 0 : strtoull(value, &end, 0);
    if (value == NULL || errno != 0 || end == value || *end != '\0' || *value == '-') {
        fprintf(stderr, "sim-suite: %s needs a number\n", name);
        exit(2);
    }
    return number;
}

/* Takes argv[at] and its value; returns the index of the last it took. */
static int option_take(struct suite_options *options, char **argv, int at)
{
    const struct {
        const char *name;
        uint64_t *number;
        const char **text;
    } places[] = {
        { "--trials", &options->trials, NULL },       { "--runs", &options->runs, NULL },
        { "--twin-runs", &options->twin_runs, NULL }, { "--seed", &options->seed, NULL },
        { "--filter", NULL, &options->filter },       { "--strategy", NULL, &options->strategy },
        { "--replays", &options->replays, NULL },
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (strcmp(argv[at], places[i].name) != 0)
            continue;
        if (places[i].number != NULL)
            *places[i].number = option_number(argv[at], argv[at + 1]);
        else
            *places[i].text = argv[at + 1];
        return at + 1;
    }
    if (strcmp(argv[at], "--json") == 0) {
        options->json = true;
        return at;
    }
    printf(suite_help, argv[0]);
    exit(strcmp(argv[at], "--help") == 0 ? 0 : 2);
}

int main(int argc, char **argv)
{
    struct suite_options options = {
        .trials = SUITE_TRIALS, .runs = SUITE_RUNS, .replays = SUITE_REPLAYS, .seed = 1
    };
    for (int at = 1; at < argc; at++)
        at = option_take(&options, argv, at);
    if (options.trials == 0 || options.trials > SUITE_TRIALS_MAX) {
        fprintf(stderr, "sim-suite: --trials: 1 to %d\n", SUITE_TRIALS_MAX);
        return 2;
    }
    options.twin_runs = options.twin_runs == 0 ? options.runs : options.twin_runs;
    suite_expect(sim_run_start(true));
    int status = suite(&options);
    sim_run_finish();
    return status;
}
