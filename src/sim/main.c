/* The main function of a test program: its options, and the campaign over its tests.
 *
 * Threads: one. Neighbours: campaign.h, shrink.h, report.h.
 */
#include "base/alloc.h"
#include "sim/campaign.h"
#include "sim/memory.h"
#include "sim/report.h"
#include "sim/run.h"
#include "sim/shrink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    MAIN_RUNS = 10000,
    MAIN_SECONDS = 60,
    MAIN_PATH_MAX = 512,
};

struct options {
    const char *program;
    const char *filter;
    const char *replay;
    const char *strategy; /* NULL: all in turn */
    const char *output;   /* folder for the schedules of failures */
    uint64_t runs;
    uint64_t seconds;
    uint64_t seed;
    uint64_t depth;
    bool seed_given;
    bool list;
    bool twice; /* --check-determinism */
    bool exhaust;
    bool no_reset;
};

struct campaign {
    const struct options *options;
    const struct sp_sim_test *test;
    struct sim_campaign search;
    double seconds;
};

/* What the program under test writes would drown the report; it is shown where it fails. */
static int main_stderr = -1;

static void silence(bool on)
{
    if (main_stderr < 0)
        main_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    (void)fflush(stderr);
    if (!on) {
        (void)dup2(main_stderr, STDERR_FILENO);
        return;
    }
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null < 0)
        return;
    (void)dup2(null, STDERR_FILENO);
    (void)close(null);
}

static double main_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void main_no_memory(void)
{
    fputs("the simulation has no memory\n", stderr);
    exit(2);
}

/* ---- a failure ---- */

static const char *failure_path(const struct options *options, const struct sp_sim_test *test,
                                uint64_t hash, char path[MAIN_PATH_MAX])
{
    (void)snprintf(path, MAIN_PATH_MAX, "%s/%s-%04x.sim", options->output, test->name,
                   (unsigned)(hash >> 48));
    return path;
}

/* The run again, told step by step, and its report. */
static void failure_report(const struct campaign *campaign, const struct sim_shrink *shrink,
                           uint64_t seed, size_t choices_before)
{
    char path[MAIN_PATH_MAX];
    struct sim_trace trace = { .count = 0 };
    struct sim_result result;
    const struct options *options = campaign->options;
    struct sim_plan plan = {
        .test = campaign->test, .seed = seed, .schedule = &shrink->schedule, .trace = &trace
    };
    failure_path(options, campaign->test, shrink->result.hash, path);
    bool saved = options->replay == NULL &&
                 sim_schedule_save(path, campaign->test->name, seed, &shrink->schedule) == SP_OK;
    if (options->replay == NULL && !saved)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    silence(false);
    if (sim_run(&plan, &result) != SP_OK)
        main_no_memory();
    sim_report_print(stdout, &(struct sim_report){
                                 .test = campaign->test,
                                 .program = options->program,
                                 .file = saved ? path : options->replay,
                                 .found = options->replay != NULL
                                              ? "the file"
                                              : sim_strategy_name(campaign->search.kind),
                                 .schedules = campaign->search.runs,
                                 .choices_before = choices_before,
                                 .shrink_runs = shrink->runs,
                                 .schedule = &shrink->schedule,
                                 .result = &result,
                                 .trace = &trace,
                             });
    sim_schedule_finish(&result.schedule);
    sp__free(trace.events);
}

static void failure_found(const struct campaign *campaign, const struct sim_plan *plan,
                          const struct sim_result *failure)
{
    struct sim_shrink shrink;
    silence(true);
    sp_err err = sim_shrink(plan, failure, &shrink);
    if (err == SP_ERR_NOMEM)
        main_no_memory();
    silence(false);
    if (err != SP_OK) {
        printf("FAIL  %s (%s:%d): %s\n", campaign->test->name, campaign->test->file,
               campaign->test->line, failure->text);
        printf(
            "      and the same decisions do not lead there again: the test depends on more than "
            "its seed; try --check-determinism\n");
        return;
    }
    failure_report(campaign, &shrink, plan->seed, failure->schedule.count);
    sim_schedule_finish(&shrink.schedule);
}

/* ---- determinism ---- */

static void twice_trace(const struct sim_plan *plan, struct sim_trace *trace)
{
    struct sim_plan told = *plan;
    struct sim_result result;
    *trace = (struct sim_trace){ .count = 0 };
    told.trace = trace;
    if (sim_run(&told, &result) != SP_OK)
        main_no_memory();
    sim_schedule_finish(&result.schedule);
}

static void twice_print(const char *which, const struct sim_trace *trace, size_t index)
{
    if (index >= trace->count) {
        printf("      %s run: is over\n", which);
        return;
    }
    const struct sim_event *event = &trace->events[index];
    printf("      %s run: %.3f ms, %s, %s\n", which, (double)event->time_ns / 1e6, event->name,
           event->what[0] == '\0' ? "goes on" : event->what);
}

/* Where the two runs part. */
static void twice_report(const struct campaign *campaign, const struct sim_plan *plan)
{
    struct sim_trace first;
    struct sim_trace second;
    twice_trace(plan, &first);
    sim_memory_shift(12345);
    twice_trace(plan, &second);
    sim_memory_shift(0);
    size_t index = 0;
    while (index < first.count && index < second.count &&
           first.events[index].task == second.events[index].task &&
           first.events[index].object == second.events[index].object &&
           first.events[index].time_ns == second.events[index].time_ns)
        index++;
    printf("FAIL  %s (%s:%d): two runs of the same schedule are not the same\n",
           campaign->test->name, campaign->test->file, campaign->test->line);
    printf("      they part at step %zu:\n", index + 1);
    twice_print("first ", &first, index);
    twice_print("second", &second, index);
    sp__free(first.events);
    sp__free(second.events);
}

/* The schedule of a run again, with other addresses. */
static bool twice_same(const struct campaign *campaign, const struct sim_plan *plan,
                       const struct sim_result *result)
{
    struct sim_plan again = { .test = plan->test,
                              .seed = plan->seed,
                              .schedule = &result->schedule };
    struct sim_result second;
    sim_memory_shift(1 + (size_t)(campaign->search.runs * 4099 % 65536));
    sp_err err = sim_run(&again, &second);
    sim_memory_shift(0);
    if (err != SP_OK)
        main_no_memory();
    sim_schedule_finish(&second.schedule);
    if (second.hash == result->hash && second.failed == result->failed)
        return true;
    silence(false);
    twice_report(campaign, &again);
    return false;
}

/* ---- the campaign ---- */

static bool campaign_goes_on(const struct campaign *campaign, double since)
{
    return campaign->search.runs < campaign->options->runs &&
           main_now() - since < (double)campaign->options->seconds;
}

/* True: no run failed. */
static bool campaign_run(struct campaign *campaign)
{
    double since = main_now();
    bool good = true;
    silence(true);
    while (good && campaign_goes_on(campaign, since)) {
        struct sim_plan plan;
        struct sim_result result;
        sp_err err = sim_campaign_next(&campaign->search, &plan, &result);
        if (err == SP_ERR_NOTFOUND)
            break;
        if (err != SP_OK)
            main_no_memory();
        good = !campaign->options->twice || twice_same(campaign, &plan, &result);
        if (good && result.failed) {
            good = false;
            failure_found(campaign, &plan, &result);
        }
        sim_schedule_finish(&result.schedule);
    }
    silence(false);
    campaign->seconds = main_now() - since;
    return good;
}

static void campaign_print(const struct campaign *campaign)
{
    printf("ok    %s: %" PRIu64 " schedules%s, %" PRIu64 " steps, %.1f virtual seconds, %.2f s\n",
           campaign->test->name, campaign->search.runs,
           campaign->search.complete ? ", complete" : "", campaign->search.steps,
           (double)campaign->search.time_ns / 1e9, campaign->seconds);
}

static bool main_test(const struct options *options, const struct sp_sim_test *test)
{
    struct campaign campaign = { .options = options, .test = test };
    sim_campaign_init(&campaign.search,
                      &(struct sim_campaign_options){
                          .test = test,
                          .strategy = options->strategy,
                          .depth = (unsigned)options->depth,
                          .seed = options->seed,
                          .seed_of_run = options->seed_given && options->runs == 1,
                          .exhaust = options->exhaust,
                      });
    bool good = campaign_run(&campaign);
    if (good)
        campaign_print(&campaign);
    sim_campaign_finish(&campaign.search);
    (void)fflush(stdout);
    return good;
}

/* ---- a stored schedule ---- */

static const struct sp_sim_test *main_find(const char *name)
{
    const struct sp_sim_test *test = sim_tests();
    while (test != NULL && strcmp(test->name, name) != 0)
        test = test->next;
    return test;
}

static int main_replay(const struct options *options)
{
    char name[256];
    int line = 0;
    uint64_t seed;
    struct sim_schedule schedule;
    sp_err err = sim_schedule_load(options->replay, name, &seed, &schedule, &line);
    if (err != SP_OK) {
        fprintf(stderr, err == SP_ERR_INVALID ? "%s:%d: not a schedule\n" : "%s: cannot be read\n",
                options->replay, line);
        return 2;
    }
    struct campaign campaign = { .options = options, .test = main_find(name), .search.runs = 1 };
    if (campaign.test == NULL) {
        fprintf(stderr, "%s: there is no test %s in this program\n", options->replay, name);
        sim_schedule_finish(&schedule);
        return 2;
    }
    struct sim_plan plan = { .test = campaign.test, .seed = seed, .schedule = &schedule };
    struct sim_shrink same = { .schedule = schedule };
    if (sim_run(&plan, &same.result) != SP_OK)
        main_no_memory();
    bool failed = same.result.failed;
    sim_schedule_finish(&same.result.schedule);
    if (failed)
        failure_report(&campaign, &same, seed, schedule.count);
    else
        printf("ok    %s: the schedule passes\n", name);
    sim_schedule_finish(&schedule);
    return failed ? 1 : 0;
}

/* ---- options ---- */

static const char main_help[] =
    "usage: %s [option]...\n"
    "\n"
    "Runs each simulated test again and again, each time under another schedule. A schedule that\n"
    "fails is shrunk, printed, and written to a file.\n"
    "\n"
    "  --list               the tests\n"
    "  --filter TEXT        only tests whose name contains TEXT\n"
    "  --runs N             schedules per test, at most (default 10000)\n"
    "  --time SECONDS       per test, at most (default 60)\n"
    "  --seed N             of the campaign; with --runs 1, of the run (default 1)\n"
    "  --strategy NAME      delays, random, pct, pos, urw (default: all in turn)\n"
    "  --depth N            changes of pct, most delays of delays (default 3)\n"
    "  --exhaust            every schedule; with --delays N those with at most N delays\n"
    "  --delays N           see --exhaust\n"
    "  --check-determinism  every run twice, at other addresses\n"
    "  --replay FILE        the schedule of a failure\n"
    "  --no-reset           keep memory from run to run; nodes are ended in good order instead\n"
    "  --output FOLDER      where schedules of failures go (default: the current one)\n"
    "  --help               this text\n"
    "\n"
    "Exit status: 0 no test failed, 1 some did, 2 it could not be tried.\n";

static bool option_number(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0' || *text == '-')
        return false;
    *out = number;
    return true;
}

struct option_place {
    const char *name;
    const char **text;
    uint64_t *number;
    bool *flag;
};

static int option_take(const struct option_place *place, char **argv, int at)
{
    if (place->flag != NULL) {
        *place->flag = true;
        return at;
    }
    const char *value = argv[at + 1];
    if (value == NULL || (place->number != NULL && !option_number(value, place->number))) {
        fprintf(stderr, "%s: %s needs %s\n", argv[0], place->name,
                place->number != NULL ? "a number" : "a value");
        exit(2);
    }
    if (place->text != NULL)
        *place->text = value;
    return at + 1;
}

static void options_parse(struct options *options, int argc, char **argv)
{
    const struct option_place places[] = {
        { "--list", NULL, NULL, &options->list },
        { "--filter", &options->filter, NULL, NULL },
        { "--runs", NULL, &options->runs, NULL },
        { "--time", NULL, &options->seconds, NULL },
        { "--seed", NULL, &options->seed, NULL },
        { "--strategy", &options->strategy, NULL, NULL },
        { "--depth", NULL, &options->depth, NULL },
        { "--delays", NULL, &options->depth, NULL },
        { "--exhaust", NULL, NULL, &options->exhaust },
        { "--check-determinism", NULL, NULL, &options->twice },
        { "--replay", &options->replay, NULL, NULL },
        { "--no-reset", NULL, NULL, &options->no_reset },
        { "--output", &options->output, NULL, NULL },
    };
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--help") == 0) {
            printf(main_help, argv[0]);
            exit(0);
        }
        size_t i = 0;
        while (i < sizeof(places) / sizeof(places[0]) && strcmp(argv[at], places[i].name) != 0)
            i++;
        if (i == sizeof(places) / sizeof(places[0])) {
            fprintf(stderr, "%s: unknown option %s; see --help\n", argv[0], argv[at]);
            exit(2);
        }
        options->seed_given = options->seed_given || places[i].number == &options->seed;
        at = option_take(&places[i], argv, at);
    }
}

static void options_check(const struct options *options)
{
    bool known = options->strategy == NULL;
    for (int kind = 0; kind < SIM_STRATEGIES && !known; kind++)
        known = strcmp(options->strategy, sim_strategy_name((enum sim_strategy_kind)kind)) == 0;
    if (known)
        return;
    fprintf(stderr, "%s: there is no strategy %s; see --help\n", options->program,
            options->strategy);
    exit(2);
}

static void sometimes_print(void *arg, const char *what, uint64_t count)
{
    (void)arg;
    printf("sometimes \"%s\": %" PRIu64 " times\n", what, count);
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = argv[0], .output = ".", .runs = MAIN_RUNS, .seconds = MAIN_SECONDS, .seed = 1
    };
    options_parse(&options, argc, argv);
    options_check(&options);
    silence(false); /* finds out where errors go, which runs must not take back */
    if (sim_run_start(!options.no_reset) != SP_OK)
        main_no_memory();
    if (options.replay != NULL)
        return main_replay(&options);
    int passed = 0;
    int failed = 0;
    for (const struct sp_sim_test *test = sim_tests(); test != NULL; test = test->next) {
        if (options.filter != NULL && strstr(test->name, options.filter) == NULL)
            continue;
        if (options.list)
            printf("%s\n", test->name);
        else if (main_test(&options, test))
            passed++;
        else
            failed++;
    }
    if (options.list)
        return 0;
    sim_sometimes_each(sometimes_print, NULL);
    sim_run_finish();
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
