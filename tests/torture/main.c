/* Counts the points of each program and fails them one by one; see torture.h.
 *
 *   torture [--short] [--jobs N] [--program NAME] [--point PHASE:CALL:ERROR:NUMBER:COUNT]
 *
 * Each run is a child process: the runtime starts, the program runs with its point failing and once
 * more with nothing failing, the runtime stops, no descriptor is left; under the address sanitizer
 * no memory either. --point makes one run, which can be debugged. Exit status 0: nothing was wrong.
 */
#include "torture.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    COUNT_RUNS = 3,      /* that count; the most of each kind */
    RUN_SECONDS = 120,   /* then it hangs */
    BURST = 12,          /* calls in a row */
    SETTLE_LOOKS = 300,  /* a millisecond apart, for processes of the lap before */
    SHORT_PER_ERROR = 2, /* points of a kind with one error, in a short run */
    SHORT_PER_MALLOC = 24,
    SHOWN_MAX = 20,
    JOBS_MAX = 64,
};

static const char *const phase_names[PHASES] = { "start", "lap", "stop" };

/* ---- one run, in a child ------------------------------------------------------------------ */

static struct torture_shared *shared;

void torture_failed(const char *file, int line, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (shared == NULL) /* not in a run */
        (void)fprintf(stderr, "%s:%d: %s\n", file, line, text);
    else
        (void)snprintf(shared->text, sizeof(shared->text), "%s:%d: %s", file, line, text);
    _exit(1);
}

bool torture_did(sp_err err, const char *what, const char *file, int line)
{
    if (err == SP_ERR_TIMEOUT)
        torture_failed(file, line, "%s: timed out", what);
    if (err != SP_OK && torture_strict())
        torture_failed(file, line, "%s: %s, and nothing fails now", what, sp_err_name(err));
    return err == SP_OK;
}

static int open_files(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        (void)closedir(folder);
    return count;
}

/* The body in a process of its own. False: it was ended, and did not return. */
static bool run_body(const struct torture_program *program)
{
    sp_monitor_ref ref;
    sp_pid pid;
    struct sp_message *message;
    struct sp_spawn_options options = { .out_monitor = &ref, .label = program->name };
    if (!DID(sp_spawn(program->body, NULL, &options, &pid)))
        return true;
    if (!DID(sp_receive(sp_after_sec(60), &message)))
        return false;
    const struct sp_down *down = sp_message_down(message);
    if (down == NULL)
        torture_failed(__FILE__, __LINE__, "a message that is no DOWN");
    bool returned = sp_reason_is_normal(down->reason);
    if (torture_strict() && !returned)
        torture_failed(__FILE__, __LINE__, "ended by %s, and nothing fails now",
                       sp_reason_text(down->reason));
    sp_message_free(message);
    return returned;
}

/* Where the body was ended at once, those linked with it may still be at work, and would find in the
 * next lap, where nothing may fail, that what they use is gone. Not for ever: what a program left
 * behind may be stuck. */
static void run_settle(struct sp_runtime *runtime, uint64_t before)
{
    struct sp_stats stats;
    for (int i = 0; i < SETTLE_LOOKS; i++) {
        sp_runtime_stats(runtime, &stats);
        if (stats.processes <= before)
            break;
        sp_sleep(sp_ms(1));
    }
}

static void run_lap(const struct torture_program *program, struct sp_runtime *runtime)
{
    struct sp_stats before;
    if (!DID(sp_thread_attach(runtime)))
        return;
    sp_runtime_stats(runtime, &before);
    if (!run_body(program))
        run_settle(runtime, before.processes);
    sp_thread_detach();
}

static void run_in_child(const struct torture_program *program, const struct torture_point *point)
{
    struct sp_runtime *runtime;
    struct sp_stop_report report;
    int files = open_files();
    torture_prepare(shared, point, &program->always);
    torture_enter(PHASE_START);
    sp_err err = sp_runtime_create(&program->options, &runtime);
    torture_enter(PHASE_NONE);
    if (err != SP_OK && !shared->fired)
        torture_failed(__FILE__, __LINE__, "no runtime: %s, and nothing failed", sp_err_name(err));
    if (err != SP_OK && sp_runtime_create(&program->options, &runtime) != SP_OK)
        torture_failed(__FILE__, __LINE__, "no runtime at the second try");
    torture_enter(PHASE_LAP);
    run_lap(program, runtime);
    torture_enter(PHASE_NONE);
    run_lap(program, runtime);
    torture_enter(PHASE_STOP);
    err = sp_runtime_destroy(runtime, program->stops_in_time ? sp_never() : sp_after_sec(40),
                             &report);
    torture_enter(PHASE_NONE);
    if (err != SP_OK)
        torture_failed(__FILE__, __LINE__, "the runtime did not stop: %s, stuck %u %s, killed %u",
                       sp_err_name(err), report.stuck, report.stuck_name, report.killed);
    if (open_files() != files)
        torture_failed(__FILE__, __LINE__, "%d descriptors more than before", open_files() - files);
    exit(0);
}

/* ---- a table of runs under way ---------------------------------------------------------------- */

struct run {
    pid_t pid; /* 0: free */
    const struct torture_program *program;
    struct torture_point point;
    struct torture_shared *shared;
    time_t started;
};

static struct run runs[JOBS_MAX];
static size_t jobs = 2;
static uint64_t failed_points, missed_points, wrong_points;
static uint64_t reached[CALLS];
static uint32_t most[PHASES][CALLS];

static time_t seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static const char *point_text(const struct run *run, char *out, size_t size)
{
    const struct torture_point *point = &run->point;
    if (point->phase == PHASE_NONE)
        (void)snprintf(out, size, "--program %s", run->program->name);
    else
        (void)snprintf(out, size, "--program %s --point %s:%s:%d:%u:%u", run->program->name,
                       phase_names[point->phase], torture_kinds[point->call].name, point->error,
                       point->number, point->count);
    return out;
}

static void run_judge(struct run *run, int status, bool late)
{
    char text[200];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    wrong_points++;
    if (wrong_points > SHOWN_MAX)
        return;
    (void)printf("WRONG torture %s\n      ", point_text(run, text, sizeof(text)));
    if (late)
        (void)printf("it hangs\n");
    else if (run->shared->text[0] != '\0')
        (void)printf("%s\n", run->shared->text);
    else if (WIFSIGNALED(status))
        (void)printf("signal %d\n", WTERMSIG(status));
    else
        (void)printf("exit status %d\n", WEXITSTATUS(status));
    (void)fflush(stdout);
}

static void run_ended(struct run *run, int status, bool late)
{
    run_judge(run, status, late);
    run->pid = 0;
    for (int phase = 0; phase < PHASES; phase++)
        for (int call = 0; call < CALLS; call++) {
            uint32_t count = run->shared->calls[phase][call];
            if (run->point.phase == PHASE_NONE && count > most[phase][call])
                most[phase][call] = count;
        }
    if (run->point.phase == PHASE_NONE)
        return;
    if (!run->shared->fired) {
        missed_points++;
        return;
    }
    failed_points++;
    reached[run->point.call]++;
}

/* Wait until one has ended. */
static void runs_wait(void)
{
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    for (size_t i = 0; i < jobs; i++)
        if (runs[i].pid != 0 && runs[i].pid == pid)
            run_ended(&runs[i], status,
                      WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM &&
                          seconds_now() - runs[i].started >= RUN_SECONDS - 1);
}

static bool runs_under_way(void)
{
    for (size_t i = 0; i < jobs; i++)
        if (runs[i].pid != 0)
            return true;
    return false;
}

static struct run *runs_free(void)
{
    for (;;) {
        for (size_t i = 0; i < jobs; i++)
            if (runs[i].pid == 0)
                return &runs[i];
        runs_wait();
    }
}

static void runs_start(const struct torture_program *program, const struct torture_point *point)
{
    struct run *run = runs_free();
    struct torture_shared *memory = run->shared;
    *run = (struct run){
        .program = program, .point = *point, .shared = memory, .started = seconds_now()
    };
    memset(memory, 0, sizeof(*memory));
    (void)fflush(stdout);
    run->pid = fork();
    if (run->pid != 0)
        return;
    shared = memory;
    (void)alarm(RUN_SECONDS);
    run_in_child(program, point);
}

/* ---- the points of a program --------------------------------------------------------------------- */

static bool is_short;

static void points_of(const struct torture_program *program, struct torture_point point)
{
    uint32_t count = most[point.phase][point.call];
    uint32_t wanted = point.call == CALL_MALLOC ? SHORT_PER_MALLOC : SHORT_PER_ERROR;
    uint32_t step = is_short && count > wanted ? (count + wanted - 1) / wanted : 1;
    point.count = 1;
    for (point.number = 0; point.number < count; point.number += step)
        runs_start(program, &point);
    /* And several in a row, as when something has run out. */
    point.count = BURST;
    for (point.number = 0; point.number < count; point.number += step * BURST)
        runs_start(program, &point);
}

static void program_run(const struct torture_program *program)
{
    struct torture_point point = { .phase = PHASE_NONE };
    uint64_t before[3] = { failed_points, missed_points, wrong_points };
    memset(most, 0, sizeof(most));
    for (int i = 0; i < COUNT_RUNS; i++)
        runs_start(program, &point);
    while (runs_under_way())
        runs_wait();
    for (int phase = 0; phase < PHASES; phase++)
        for (int call = 0; call < CALLS; call++)
            for (int i = 0; i < TORTURE_ERRORS_MAX && torture_kinds[call].errors[i] != 0; i++)
                points_of(program,
                          (struct torture_point){ .phase = (enum torture_phase)phase,
                                                  .call = (enum torture_call)call,
                                                  .error = torture_kinds[call].errors[i] });
    while (runs_under_way())
        runs_wait();
    (void)printf("%-16s %6llu points failed, %llu not reached, %llu wrong\n", program->name,
                 (unsigned long long)(failed_points - before[0]),
                 (unsigned long long)(missed_points - before[1]),
                 (unsigned long long)(wrong_points - before[2]));
}

/* ---- arguments ---------------------------------------------------------------------------------------- */

static const struct torture_program *program_named(const char *name)
{
    for (size_t i = 0; i < torture_program_count; i++)
        if (strcmp(torture_programs[i].name, name) == 0)
            return &torture_programs[i];
    (void)fprintf(stderr, "no program %s\n", name);
    exit(2);
}

static struct torture_point point_parse(const char *text)
{
    char phase[16];
    char call[32];
    struct torture_point point = { .phase = PHASE_NONE };
    if (sscanf(text, "%15[^:]:%31[^:]:%d:%u:%u", phase, call, &point.error, &point.number,
               &point.count) != 5)
        exit(2);
    for (int i = 0; i < PHASES; i++)
        if (strcmp(phase_names[i], phase) == 0)
            point.phase = (enum torture_phase)i;
    for (int i = 0; i < CALLS; i++)
        if (strcmp(torture_kinds[i].name, call) == 0)
            point.call = (enum torture_call)i;
    return point;
}

/* Every kind of call failed in some program, or this was no complete run. */
static bool all_reached(void)
{
    bool all = true;
    for (int i = 0; i < CALLS; i++)
        if (reached[i] == 0) {
            (void)printf("never reached: %s\n", torture_kinds[i].name);
            all = false;
        }
    return all;
}

static int run_all(const struct torture_program *only)
{
    for (size_t i = 0; i < torture_program_count; i++)
        if (only == NULL || only == &torture_programs[i])
            program_run(&torture_programs[i]);
    bool complete = only == NULL && all_reached() && !is_short;
    (void)printf("%llu points failed, %llu not reached, %llu wrong%s\n",
                 (unsigned long long)failed_points, (unsigned long long)missed_points,
                 (unsigned long long)wrong_points,
                 wrong_points == 0 && complete ? "; complete" : "");
    return wrong_points != 0 || (only == NULL && !is_short && !complete);
}

static void *share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        exit(2);
    return memory;
}

static void run_point(const struct torture_program *program, const char *text)
{
    struct torture_point point = point_parse(text);
    shared = share(sizeof(*shared));
    torture_crashes_make();
    (void)setvbuf(stdout, NULL, _IONBF, 0);
    pid_t child = getenv("TORTURE_NO_FORK") != NULL ? 0 : fork();
    if (child == 0)
        run_in_child(program, &point);
    int status;
    (void)waitpid(child, &status, 0);
    (void)printf("%s %s (status %#x)\n", shared->fired ? "failed" : "not reached", shared->text,
                 (unsigned)status);
    torture_crashes_drop();
    exit(status != 0);
}

int main(int argc, char **argv)
{
    const struct torture_program *only = NULL;
    const char *point = NULL;
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--short") == 0)
            is_short = true;
        else if (strcmp(argv[i], "--jobs") == 0 && has_value)
            jobs = (size_t)atoi(argv[++i]);
        else if (strcmp(argv[i], "--program") == 0 && has_value)
            only = program_named(argv[++i]);
        else if (strcmp(argv[i], "--point") == 0 && has_value)
            point = argv[++i];
        else
            return 2;
    }
    if (point != NULL && only != NULL)
        run_point(only, point);
    jobs = jobs < 1 ? 1 : jobs > JOBS_MAX ? JOBS_MAX : jobs;
    for (size_t i = 0; i < jobs; i++)
        runs[i].shared = share(sizeof(struct torture_shared));
    torture_crashes_make();
    int status = run_all(only);
    torture_crashes_drop();
    return status;
}
