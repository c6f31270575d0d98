#include "sim/failure.h"

#include "sim/repair.h"
#include "sim/report.h"
#include "sim/shrink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    FAILURE_PATH_MAX = 512,
    FAILURE_REPLAYS = 100,
    FAILURE_REPLAY_SECONDS = 2, /* of them; a long run is not repeated as often */
};

/* The names of the files next to a schedule. */
struct failure_files {
    char schedule[FAILURE_PATH_MAX];
    char svg[FAILURE_PATH_MAX];
    char lines[FAILURE_PATH_MAX];
    char pass[FAILURE_PATH_MAX];
    char history[FAILURE_PATH_MAX];
    char text[4 * FAILURE_PATH_MAX]; /* those that were written */
};

static void path_beside(char path[FAILURE_PATH_MAX], const char *schedule, const char *ending)
{
    size_t length = strlen(schedule);
    if (length > 4 && strcmp(schedule + length - 4, ".sim") == 0)
        length -= 4;
    (void)snprintf(path, FAILURE_PATH_MAX, "%.*s%s", (int)length, schedule, ending);
}

static void files_name(struct failure_files *files, const struct sim_failure *failure,
                       uint64_t hash)
{
    const struct sim_options *options = failure->options;
    *files = (struct failure_files){ .text = "" };
    if (options->replay != NULL)
        (void)snprintf(files->schedule, FAILURE_PATH_MAX, "%s", options->replay);
    else
        (void)snprintf(files->schedule, FAILURE_PATH_MAX, "%s/%s-%04x.sim", options->output,
                       failure->test->name, (unsigned)(hash >> 48));
    if (options->output_given) {
        path_beside(files->svg, files->schedule, ".svg");
        path_beside(files->lines, files->schedule, ".jsonl");
        path_beside(files->pass, files->schedule, ".pass.sim");
        path_beside(files->history, files->schedule, ".history.svg");
    }
    if (options->svg != NULL)
        (void)snprintf(files->svg, FAILURE_PATH_MAX, "%s", options->svg);
    if (options->json != NULL)
        (void)snprintf(files->lines, FAILURE_PATH_MAX, "%s", options->json);
}

static void files_wrote(struct failure_files *files, const char *path, const char *what, sp_err err)
{
    size_t length = strlen(files->text);
    if (err != SP_OK)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    else
        (void)snprintf(files->text + length, sizeof(files->text) - length, "%s%s (%s)",
                       length == 0 ? "" : ", ", path, what);
}

static sp_err file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return SP_ERR_IO;
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written ? SP_OK : SP_ERR_IO;
}

/* Before the report, which names them. */
static void files_write(struct failure_files *files, const struct sim_report *report,
                        const struct sim_plan *plan)
{
    const struct sim_races *races = report->story->races;
    if (files->svg[0] != '\0')
        files_wrote(files, files->svg, "time-line", sim_svg_write(files->svg, report));
    if (files->lines[0] != '\0')
        files_wrote(files, files->lines, "everything", sim_lines_write(files->lines, report));
    if (files->pass[0] != '\0' && races->passing != 0)
        files_wrote(files, files->pass, "nearest schedule that passes",
                    sim_schedule_save(files->pass, plan->test->name, plan->seed, &races->pass));
    if (files->history[0] != '\0' && plan->trace->picture != NULL)
        files_wrote(files, files->history, "history",
                    file_write(files->history, plan->trace->picture));
}

/* How often of `*out_replays` the same schedule did the same. */
static unsigned failure_agrees(const struct sim_plan *plan, const struct sim_result *result,
                               unsigned *out_replays)
{
    struct sim_plan again = *plan;
    unsigned agreed = 0;
    double since = sim_seconds();
    again.trace = NULL;
    *out_replays = 0;
    while (*out_replays < FAILURE_REPLAYS && sim_seconds() - since < FAILURE_REPLAY_SECONDS) {
        struct sim_result one;
        if (sim_run(&again, &one) != SP_OK)
            sim_no_memory();
        agreed += one.hash == result->hash && one.failed == result->failed;
        ++*out_replays;
        sim_schedule_finish(&one.schedule);
    }
    return agreed;
}

/* The run again, told step by step, and its report. */
static void failure_report(const struct sim_failure *failure, const struct sim_shrink *shrink,
                           uint64_t seed, size_t choices_before)
{
    struct sim_trace trace = { .count = 0 };
    struct sim_result result;
    struct sim_races races;
    struct sim_story story;
    struct failure_files files;
    struct sim_plan plan = {
        .test = failure->test, .seed = seed, .schedule = &shrink->schedule, .trace = &trace
    };
    files_name(&files, failure, shrink->result.hash);
    if (sim_run(&plan, &result) != SP_OK) /* what the program writes then is seen */
        sim_no_memory();
    if ((failure->options->replay == NULL || failure->options->shrink) &&
        (sim_schedule_save(files.schedule, failure->test->name, seed, &shrink->schedule) != SP_OK ||
         sim_repair_note(files.schedule, &shrink->schedule, &trace, &result) != SP_OK))
        fprintf(stderr, "%s: %s\n", files.schedule, strerror(errno));
    sim_silence(true);
    struct sim_report report = { .test = failure->test,
                                 .program = failure->options->program,
                                 .file = files.schedule,
                                 .found = failure->found,
                                 .schedules = failure->schedules,
                                 .seed = failure->options->seed,
                                 .choices_before = choices_before,
                                 .shrink_runs = shrink->runs,
                                 .schedule = &shrink->schedule,
                                 .result = &result,
                                 .story = &story,
                                 .detail = trace.detail };
    report.agreed = failure_agrees(&plan, &result, &report.replays);
    if (sim_races_find(&plan, &trace, &races) != SP_OK ||
        sim_story_make(&trace, &races, &story) != SP_OK)
        sim_no_memory();
    sim_silence(false);
    files_write(&files, &report, &plan);
    report.also = files.text[0] == '\0' ? NULL : files.text;
    sim_report_print(stdout, &report);
    sim_story_finish(&story);
    sim_races_finish(&races);
    sim_schedule_finish(&result.schedule);
    sim_trace_finish(&trace);
}

void sim_failure_found(const struct sim_failure *failure, const struct sim_plan *plan,
                       const struct sim_result *result)
{
    struct sim_shrink shrink;
    sim_silence(true);
    sp_err err = sim_shrink(plan, result, &shrink);
    if (err == SP_ERR_NOMEM)
        sim_no_memory();
    sim_silence(false);
    if (err != SP_OK) {
        printf("FAIL  %s (%s:%d): %s\n", failure->test->name, failure->test->file,
               failure->test->line, result->text);
        printf(
            "      and the same decisions do not lead there again: the test depends on more than "
            "its seed; try --check-determinism\n");
        return;
    }
    failure_report(failure, &shrink, plan->seed, result->schedule.count);
    sim_schedule_finish(&shrink.schedule);
}

/* ---- a stored schedule ---- */

static const struct sp_sim_test *replay_test(const char *name)
{
    const struct sp_sim_test *test = sim_tests();
    while (test != NULL && strcmp(test->name, name) != 0)
        test = test->next;
    return test;
}

static void replay_compare_builds(const char *path, const char *build)
{
    if (build[0] == '\0' || strcmp(build, sim_build_id()) == 0)
        return;
    printf("note  %s was written by another build of this program (%.12s, this is %.12s); its "
           "schedule is tried all the same\n",
           path, build, sim_build_id());
}

/* Its run, as it is or shrunk. True: it failed, and was reported. */
static bool replay_run(const struct sim_failure *failure, uint64_t seed,
                       const struct sim_schedule *schedule)
{
    struct sim_plan plan = { .test = failure->test, .seed = seed, .schedule = schedule };
    struct sim_result result;
    struct sim_shrink same = { .schedule = *schedule };
    plan.stop_in_debugger = failure->options->gdb;
    if (sim_run(&plan, &result) != SP_OK)
        sim_no_memory();
    plan.stop_in_debugger = false;
    bool failed = result.failed;
    bool shrunk = failed && failure->options->shrink;
    if (shrunk && sim_shrink(&plan, &result, &same) != SP_OK)
        sim_no_memory();
    if (!shrunk)
        same.result = result;
    if (failed)
        failure_report(failure, &same, seed, schedule->count);
    if (shrunk)
        sim_schedule_finish(&same.schedule);
    sim_schedule_finish(&result.schedule);
    return failed;
}

/* The same with what makes it fit a program that was edited. */
static bool replay_repaired(const struct sim_failure *failure, uint64_t seed,
                            const struct sim_schedule *schedule)
{
    struct sim_plan plan = { .test = failure->test, .seed = seed, .schedule = schedule };
    struct sim_schedule repaired;
    sp_err err = sim_repair(failure->options->replay, &plan, &repaired);
    if (err == SP_ERR_NOMEM)
        sim_no_memory();
    if (err != SP_OK)
        return false;
    printf("note  as it stands it passes; with its steps looked up again in this build it fails "
           "(--shrink writes it as it is now)\n");
    bool failed = replay_run(failure, seed, &repaired);
    sim_schedule_finish(&repaired);
    return failed;
}

int sim_failure_replay(const struct sim_options *options)
{
    char name[256];
    char build[SIM_BUILD_MAX];
    int line = 0;
    uint64_t seed;
    struct sim_schedule schedule;
    sp_err err = sim_schedule_load(options->replay, name, &seed, &schedule, &line);
    if (err != SP_OK) {
        fprintf(stderr, err == SP_ERR_INVALID ? "%s:%d: not a schedule\n" : "%s: cannot be read\n",
                options->replay, line);
        return 2;
    }
    struct sim_failure failure = { .options = options,
                                   .test = replay_test(name),
                                   .found = "the file" };
    sim_schedule_build(options->replay, build);
    replay_compare_builds(options->replay, build);
    if (failure.test == NULL) {
        fprintf(stderr, "%s: there is no test %s in this program\n", options->replay, name);
        sim_schedule_finish(&schedule);
        return 2;
    }
    bool failed = replay_run(&failure, seed, &schedule);
    if (!failed && strcmp(build, sim_build_id()) != 0)
        failed = replay_repaired(&failure, seed, &schedule);
    if (!failed)
        printf("ok    %s: the schedule passes\n", name);
    sim_schedule_finish(&schedule);
    return failed ? 1 : 0;
}
