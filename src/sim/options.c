#include "sim/options.h"

#include "sim/fault.h"
#include "sim/memory.h"
#include "sim/strategy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int console_stderr = -1;

void sim_silence(bool on)
{
    if (console_stderr < 0)
        console_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    (void)fflush(stderr);
    if (on && !sim_memory_started())
        return; /* a sanitizer would say there what it found */
    if (!on) {
        (void)dup2(console_stderr, STDERR_FILENO);
        return;
    }
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null < 0)
        return;
    (void)dup2(null, STDERR_FILENO);
    (void)close(null);
}

double sim_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void sim_no_memory(void)
{
    fputs("the simulation has no memory\n", stderr);
    exit(2);
}

static const char options_help[] =
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
    "  --run SEED:N         only schedule N of the campaign with this seed, once more: a report "
    "says\n"
    "                       which it was; other options as in the campaign\n"
    "  -j N                 N processes make the runs, at most 5, one for each strategy: the same\n"
    "                       runs, failure and output as with one (default 1). One search is never\n"
    "                       divided: with --strategy and --exhaust, N does not matter\n"
    "  --strategy NAME      delays, random, pct, pos, urw (default: all in turn)\n"
    "  --depth N            changes of pct, most delays of delays (default 3)\n"
    "  --faults LIST        kinds of faults besides those of the test: net, kill, crash, stop, "
    "pause,\n"
    "                       clock, memory, all; net-cut, clock-step ... for one; -NAME without; "
    "none\n"
    "  --exhaust            every schedule, of those that differ in nothing that matters one\n"
    "  --plain              with --exhaust: those, too\n"
    "  --delays N           with --exhaust: only those with at most N delays\n"
    "  --check-determinism  every run twice, in another layout of memory, with traps for what\n"
    "                       is not determined\n"
    "  --no-traps           without them: the first runs of a test have them, too\n"
    "  --keep-going         failures are only counted: with --check-determinism, for programs "
    "that\n"
    "                       are known to fail\n"
    "  --digest             of each test, one number of all its runs: the same for every compiler\n"
    "  --replay FILE        the schedule of a failure, and its report\n"
    "  --explain FILE       the same\n"
    "  --shrink FILE        the same, after it was shrunk once more; FILE is rewritten\n"
    "  --gdb FILE           the same, and SIGTRAP at the failing step: under a debugger\n"
    "  --json FILE          of a failure: everything as JSON, one object a line\n"
    "  --svg FILE           of a failure: the time-line as a picture\n"
    "  --no-reset           keep memory from run to run; nodes are ended in good order instead\n"
    "  --output FOLDER      where schedules of failures go (default: the current one), with the\n"
    "                       picture and the JSON lines\n"
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

/* SEED:N, or N */
static bool option_run(struct sim_options *options)
{
    char seed[32];
    const char *colon = strchr(options->run_text, ':');
    const char *number = colon == NULL ? options->run_text : colon + 1;
    if (colon != NULL) {
        (void)snprintf(seed, sizeof(seed), "%.*s", (int)(colon - options->run_text),
                       options->run_text);
        if (!option_number(seed, &options->seed))
            return false;
    }
    return option_number(number, &options->run) && options->run != 0;
}

static void options_check(struct sim_options *options)
{
    uint64_t faults = 0;
    if (options->run_text != NULL && !option_run(options)) {
        fprintf(stderr, "%s: --run %s: not SEED:N; see --help\n", options->program,
                options->run_text);
        exit(2);
    }
    if (options->jobs == 0) {
        fprintf(stderr, "%s: -j 0: nobody would make the runs\n", options->program);
        exit(2);
    }
    if (options->faults != NULL && !sim_faults_parse(options->faults, &faults)) {
        fprintf(stderr, "%s: --faults %s: not a list of faults; see --help\n", options->program,
                options->faults);
        exit(2);
    }
    bool known = options->strategy == NULL;
    for (int kind = 0; kind < SIM_STRATEGIES && !known; kind++)
        known = strcmp(options->strategy, sim_strategy_name((enum sim_strategy_kind)kind)) == 0;
    if (known)
        return;
    fprintf(stderr, "%s: there is no strategy %s; see --help\n", options->program,
            options->strategy);
    exit(2);
}

void sim_options_parse(struct sim_options *options, int argc, char **argv)
{
    const struct option_place places[] = {
        { "--list", NULL, NULL, &options->list },
        { "--filter", &options->filter, NULL, NULL },
        { "--runs", NULL, &options->runs, NULL },
        { "--time", NULL, &options->seconds, NULL },
        { "--seed", NULL, &options->seed, NULL },
        { "--run", &options->run_text, NULL, NULL },
        { "-j", NULL, &options->jobs, NULL },
        { "--strategy", &options->strategy, NULL, NULL },
        { "--faults", &options->faults, NULL, NULL },
        { "--depth", NULL, &options->depth, NULL },
        { "--delays", NULL, &options->depth, NULL },
        { "--exhaust", NULL, NULL, &options->exhaust },
        { "--plain", NULL, NULL, &options->plain },
        { "--check-determinism", NULL, NULL, &options->twice },
        { "--replay", &options->replay, NULL, NULL },
        { "--explain", &options->replay, NULL, NULL },
        { "--shrink", &options->replay, NULL, NULL },
        { "--gdb", &options->replay, NULL, NULL },
        { "--json", &options->json, NULL, NULL },
        { "--svg", &options->svg, NULL, NULL },
        { "--no-traps", NULL, NULL, &options->no_traps },
        { "--keep-going", NULL, NULL, &options->keep_going },
        { "--digest", NULL, NULL, &options->digest },
        { "--no-reset", NULL, NULL, &options->no_reset },
        { "--output", &options->output, NULL, NULL },
    };
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--help") == 0) {
            printf(options_help, argv[0]);
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
        options->output_given = options->output_given || places[i].text == &options->output;
        options->shrink = options->shrink || strcmp(argv[at], "--shrink") == 0;
        options->gdb = options->gdb || strcmp(argv[at], "--gdb") == 0;
        at = option_take(&places[i], argv, at);
    }
    options_check(options);
}
