/* spawned-bench: runs workloads and prints the median of each figure.
 *
 * Each repetition is a forked child, which says "METRIC VALUE" lines on a pipe; a child that
 * fails or takes too long gives the figure `exit_status` (124: too long). This process has
 * one thread and no runtime, so it may fork.
 *
 * Neighbours: bench.h.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FIGURES_MAX = 32,
    REPS_MAX = 99,
    WORKERS_MAX = 16, /* different numbers of workers in one run */
    EXIT_TIMEOUT = 124,
};

struct bench_command {
    const char *const *names;
    int name_count;
    uint32_t workers[WORKERS_MAX];
    int workers_count;
    int reps;
    int64_t timeout_s;
    bool json;
    struct bench_options options;
};

/* One metric of a workload, over the repetitions. */
struct bench_figure {
    char metric[64];
    char word[32]; /* not empty: the value is this word */
    double values[REPS_MAX];
    int runs;
};

struct bench_figures {
    struct bench_figure list[FIGURES_MAX];
    int count;
};

static const struct bench_workload *const bench_tables[] = {
    bench_messages, bench_calls,   bench_processes, bench_timing,  bench_services, bench_scaling,
    bench_floor,    bench_echo,    bench_tasks,     bench_soak,    bench_sim,      bench_checks,
    bench_observe,  bench_traces,  bench_endpoint,  bench_routers, bench_pools,    bench_stop,
    bench_nested,   bench_readers, bench_metrics,   bench_log,
};

#define BENCH_TABLES (sizeof bench_tables / sizeof bench_tables[0])

const struct bench_workload *bench_workload_find(const char *name)
{
    for (size_t i = 0; i < BENCH_TABLES; i++)
        for (const struct bench_workload *at = bench_tables[i]; at->name; at++)
            if (strcmp(at->name, name) == 0)
                return at;
    return NULL;
}

/* ---- the child -------------------------------------------------------------------------- */

struct bench_child {
    const struct bench_workload *workload;
    const struct bench_options *options;
};

static int child_main(void *arg)
{
    const struct bench_child *child = arg;
    child->workload->run(child->options);
    return EXIT_SUCCESS;
}

static SP_NORETURN void child_run(const struct bench_workload *workload,
                                  const struct bench_options *options, int out)
{
    if (dup2(out, STDOUT_FILENO) < 0)
        bench_fail("no output");
    struct bench_child child = { workload, options };
    struct sp_runtime_options create = { .workers = options->workers,
                                         .log = { .level = SP_LOG_ERROR } };
    if (!workload->quiet)
        create.log.sink = SP_LOG_STDERR;
    int status = EXIT_SUCCESS;
    if (workload->raw)
        workload->raw(options);
    else
        status = sp_main(child_main, &child, &create);
    fflush(stdout);
    _exit(status);
}

/* ---- the figures ------------------------------------------------------------------------ */

static struct bench_figure *figure_of(struct bench_figures *figures, const char *metric)
{
    for (int i = 0; i < figures->count; i++)
        if (strcmp(figures->list[i].metric, metric) == 0)
            return &figures->list[i];
    if (figures->count == FIGURES_MAX)
        bench_fail("too many figures");
    struct bench_figure *figure = &figures->list[figures->count++];
    *figure = (struct bench_figure){ 0 };
    snprintf(figure->metric, sizeof figure->metric, "%s", metric);
    return figure;
}

static void figure_add(struct bench_figures *figures, const char *metric, const char *value)
{
    struct bench_figure *figure = figure_of(figures, metric);
    char *end = NULL;
    double number = strtod(value, &end);
    if (end == value || *end != '\0')
        snprintf(figure->word, sizeof figure->word, "%s", value);
    else
        figure->values[figure->runs] = number;
    figure->runs++;
}

static void figures_read(struct bench_figures *figures, char *text)
{
    char *next = NULL;
    for (char *line = strtok_r(text, "\n", &next); line; line = strtok_r(NULL, "\n", &next)) {
        char *space = strchr(line, ' ');
        if (!space)
            continue;
        *space = '\0';
        figure_add(figures, line, space + 1);
    }
}

static int number_compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double figure_median(struct bench_figure *figure)
{
    qsort(figure->values, (size_t)figure->runs, sizeof figure->values[0], number_compare);
    int middle = figure->runs / 2;
    return figure->runs % 2 ? figure->values[middle]
                            : (figure->values[middle - 1] + figure->values[middle]) / 2;
}

static void figure_print_json(const char *workload, uint32_t workers, struct bench_figure *figure)
{
    printf("{\"peer\":\"spawned\",\"version\":\"%s\",\"workload\":\"%s\",\"schedulers\":%u,"
           "\"metric\":\"%s\",\"value\":",
           SPAWNED_VERSION, workload, workers, figure->metric);
    if (figure->word[0]) {
        printf("\"%s\"", figure->word);
    } else {
        double median = figure_median(figure);
        printf("%.3f,\"min\":%.3f,\"max\":%.3f", median, figure->values[0],
               figure->values[figure->runs - 1]);
    }
    printf(",\"runs\":%d}\n", figure->runs);
}

static void figure_print_text(const char *workload, uint32_t workers, struct bench_figure *figure)
{
    printf("%-20s %2u workers  %-24s ", workload, workers, figure->metric);
    if (figure->word[0]) {
        printf("%14s\n", figure->word);
    } else {
        double median = figure_median(figure);
        printf("%14.3f  (%.3f to %.3f, %d runs)\n", median, figure->values[0],
               figure->values[figure->runs - 1], figure->runs);
    }
}

/* ---- the repetitions -------------------------------------------------------------------- */

/* All that the child says, until it is done or `deadline_ns`. False: the latter. */
static bool output_read(int in, char *text, size_t size, int64_t deadline_ns)
{
    size_t used = 0;
    for (;;) {
        int64_t left_ms = (deadline_ns - bench_now_ns()) / 1000000;
        struct pollfd wait = { .fd = in, .events = POLLIN };
        int ready = left_ms > 0 ? poll(&wait, 1, (int)left_ms) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0) {
            text[used] = '\0';
            return false;
        }
        ssize_t n = read(in, text + used, size - 1 - used);
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    text[used] = '\0';
    return true;
}

static int child_status(pid_t child, bool timed_out)
{
    if (timed_out)
        kill(child, SIGKILL);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (timed_out)
        return EXIT_TIMEOUT;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* One repetition. Returns its exit status. */
static int workload_once(const struct bench_workload *workload, const struct bench_command *command,
                         struct bench_figures *figures)
{
    int pipes[2];
    if (pipe(pipes) != 0)
        bench_fail("no pipe");
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        bench_fail("no process");
    if (child == 0) {
        close(pipes[0]);
        child_run(workload, &command->options, pipes[1]);
    }
    close(pipes[1]);
    static char text[16384];
    int64_t deadline_ns = bench_now_ns() + command->timeout_s * SP_NS_PER_S;
    bool ended = output_read(pipes[0], text, sizeof text, deadline_ns);
    close(pipes[0]);
    int status = child_status(child, !ended);
    figures_read(figures, text);
    if (status != 0) {
        snprintf(text, sizeof text, "%d", status);
        figure_add(figures, "exit_status", text);
    }
    return status;
}

/* All repetitions with one number of workers. Returns the worst exit status. */
static int workload_run(const struct bench_workload *workload, const struct bench_command *command)
{
    static struct bench_figures figures;
    figures.count = 0;
    int worst = 0;
    for (int i = 0; i < command->reps; i++) {
        int status = workload_once(workload, command, &figures);
        worst = status > worst ? status : worst;
    }
    for (int i = 0; i < figures.count; i++)
        (command->json ? figure_print_json : figure_print_text)(
            workload->name, command->options.workers, &figures.list[i]);
    fflush(stdout);
    return worst;
}

static int command_run_one(const struct bench_workload *workload, struct bench_command *command)
{
    int worst = 0;
    int count = workload->alone ? 1 : command->workers_count;
    for (int i = 0; i < count; i++) {
        command->options.workers = workload->alone ? 1 : command->workers[i];
        int status = workload_run(workload, command);
        worst = status > worst ? status : worst;
    }
    return worst;
}

static int command_run_all(struct bench_command *command)
{
    int worst = 0;
    for (size_t i = 0; i < BENCH_TABLES; i++) {
        for (const struct bench_workload *at = bench_tables[i]; at->name; at++) {
            int status = at->apart ? 0 : command_run_one(at, command);
            worst = status > worst ? status : worst;
        }
    }
    return worst;
}

static int command_run(struct bench_command *command)
{
    int worst = 0;
    for (int i = 0; i < command->name_count; i++) {
        const char *name = command->names[i];
        const struct bench_workload *workload = bench_workload_find(name);
        bool all = strcmp(name, "all") == 0;
        if (!all && !workload) {
            fprintf(stderr, "spawned-bench: no workload \"%s\"; --list shows them\n", name);
            return EXIT_FAILURE;
        }
        int status = all ? command_run_all(command) : command_run_one(workload, command);
        worst = status > worst ? status : worst;
    }
    return worst;
}

/* ---- the command line -------------------------------------------------------------------- */

static void usage(FILE *out)
{
    fprintf(out, "usage: spawned-bench [options] WORKLOAD... | all\n"
                 "  --list          the workloads\n"
                 "  --workers N,N   numbers of workers, one run after another (1,2)\n"
                 "  --reps N        repetitions; the median counts (3)\n"
                 "  --size N        amount of work, instead of the workload's own\n"
                 "  --seconds N     duration of soak (60), fairness and its floor (3)\n"
                 "  --connect PORT  tcp_echo: measure the server there, on 127.0.0.1\n"
                 "  --timeout N     seconds after which a run is ended (60, plus --seconds)\n"
                 "  --json          one JSON object a line\n");
}

static void list(void)
{
    for (size_t i = 0; i < BENCH_TABLES; i++)
        for (const struct bench_workload *at = bench_tables[i]; at->name; at++)
            printf("%-20s %s\n", at->name, at->about);
}

/* A positive number that fits, or the end of the program. */
static uint64_t number_of(const char *option, const char *text, uint64_t max)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number == 0 || number > max) {
        fprintf(stderr, "spawned-bench: --%s %s: a number from 1 to %llu is wanted\n", option, text,
                (unsigned long long)max);
        exit(EXIT_FAILURE);
    }
    return number;
}

static void workers_parse(struct bench_command *command, char *text)
{
    char *next = NULL;
    command->workers_count = 0;
    for (char *one = strtok_r(text, ",", &next); one; one = strtok_r(NULL, ",", &next)) {
        if (command->workers_count == WORKERS_MAX) {
            fprintf(stderr, "spawned-bench: --workers: at most %d numbers\n", WORKERS_MAX);
            exit(EXIT_FAILURE);
        }
        command->workers[command->workers_count++] = (uint32_t)number_of("workers", one, 1024);
    }
}

static void option_take(struct bench_command *command, int option, char *value)
{
    switch (option) {
    case 'w':
        workers_parse(command, value);
        break;
    case 'r':
        command->reps = (int)number_of("reps", value, REPS_MAX);
        break;
    case 's':
        command->options.size = number_of("size", value, INT64_MAX / 1000);
        break;
    case 'c':
        command->options.connect = (uint16_t)number_of("connect", value, UINT16_MAX);
        break;
    case 'd':
        command->options.seconds = number_of("seconds", value, 1000000);
        break;
    case 't':
        command->timeout_s = (int64_t)number_of("timeout", value, 1000000);
        break;
    case 'j':
        command->json = true;
        break;
    case 'l':
        list();
        exit(EXIT_SUCCESS);
    case 'h':
        usage(stdout);
        exit(EXIT_SUCCESS);
    default:
        usage(stderr);
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "list", no_argument, NULL, 'l' },          { "workers", required_argument, NULL, 'w' },
        { "reps", required_argument, NULL, 'r' },    { "size", required_argument, NULL, 's' },
        { "seconds", required_argument, NULL, 'd' }, { "connect", required_argument, NULL, 'c' },
        { "timeout", required_argument, NULL, 't' }, { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },          { 0 },
    };
    struct bench_command command = { .workers = { 1, 2 }, .workers_count = 2, .reps = 3 };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        option_take(&command, option, optarg);
    if (command.timeout_s == 0)
        command.timeout_s = 60 + (int64_t)command.options.seconds;
    if (optind == argc) {
        usage(stderr);
        return EXIT_FAILURE;
    }
    command.names = (const char *const *)argv + optind;
    command.name_count = argc - optind;
    return command_run(&command);
}
