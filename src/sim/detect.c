#include "sim/detect.h"

#include "sim/memory.h"
#include "sim/options.h"
#include "sim/story.h"
#include "sim/traps.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    DETECT_FILL = 0xaa,
    DETECT_LAYOUTS = 4,
    DETECT_SHIFT = 4096 + 48,
    DETECT_PATH_MAX = 4096,
    DETECT_VARIABLES = 4,
};

/* ---- another environment ---- */

static const char *const detect_variables[DETECT_VARIABLES][2] = {
    { "TZ", "ABC-13:37" },
    { "LC_ALL", "tr_TR.UTF-8" },
    { "HOME", "/nonexistent" },
    { "SPAWNED_SIM_TWIN", "an environment of another size, so that what lies behind it moves" },
};

struct detect_world {
    char folder[DETECT_PATH_MAX];
    char *variables[DETECT_VARIABLES]; /* as they were; NULL: not set */
};

static void twin_enter(struct detect_world *before, uint64_t nth)
{
    /* Few of them: every page that was written once is zeroed before each run from then on. */
    uint64_t which = 1 + nth % DETECT_LAYOUTS;
    const struct sim_layout layout = { .shift = (size_t)which * DETECT_SHIFT,
                                       .scatter = which,
                                       .fill = DETECT_FILL };
    sim_memory_set_layout(&layout);
    if (getcwd(before->folder, sizeof(before->folder)) == NULL || chdir("/") != 0)
        before->folder[0] = '\0';
    for (size_t i = 0; i < DETECT_VARIABLES; i++) {
        const char *value = getenv(detect_variables[i][0]);
        before->variables[i] = value == NULL ? NULL : strdup(value);
        (void)setenv(detect_variables[i][0], detect_variables[i][1], 1);
    }
}

static void twin_leave(struct detect_world *before)
{
    sim_memory_set_layout(NULL);
    if (before->folder[0] != '\0' && chdir(before->folder) != 0)
        fprintf(stderr, "%s: it is gone\n", before->folder);
    for (size_t i = 0; i < DETECT_VARIABLES; i++) {
        if (before->variables[i] == NULL)
            (void)unsetenv(detect_variables[i][0]);
        else
            (void)setenv(detect_variables[i][0], before->variables[i], 1);
        free(before->variables[i]);
    }
}

static void twin_run(const struct sim_plan *plan, uint64_t nth, struct sim_result *out_result)
{
    struct detect_world before;
    struct sim_plan twin = *plan;
    twin.scribble = DETECT_FILL;
    twin_enter(&before, nth);
    sp_err err = sim_run(&twin, out_result);
    twin_leave(&before);
    if (err != SP_OK)
        sim_no_memory();
}

/* ---- where two runs part ---- */

static bool event_same(const struct sim_event *a, const struct sim_event *b)
{
    return a->task == b->task && a->object == b->object && a->point == b->point &&
           a->time_ns == b->time_ns;
}

static uint32_t traces_part(const struct sim_trace *a, const struct sim_trace *b)
{
    uint32_t index = 0;
    while (index < a->count && index < b->count && event_same(&a->events[index], &b->events[index]))
        index++;
    return index;
}

static void part_stack(const struct sim_trace *trace, uint32_t index)
{
    const struct sim_event *event = &trace->events[index];
    struct sim_sources sources = { .count = 0 };
    char text[512];
    sim_sources_find(&sources, event->frames, (size_t)event->frame_count);
    for (int frame = 0; frame < event->frame_count; frame++) {
        const struct sim_place *place = sim_sources_place(&sources, &event->frames[frame], 1);
        if (place != NULL)
            printf("                in %s\n", sim_place_text(place, text, sizeof(text)));
    }
    sim_sources_finish(&sources);
}

static void part_print(const char *which, const struct sim_trace *trace, uint32_t index)
{
    char name[2 * SIM_STORY_TEXT];
    char sentence[2 * SIM_STORY_TEXT];
    if (index >= trace->count) {
        printf("      %s: is over\n", which);
        return;
    }
    const struct sim_event *event = &trace->events[index];
    printf("      %s: %.3f ms, %s, %s\n", which, (double)event->time_ns / 1e6,
           sim_story_name(trace, event->lane, name), sim_story_sentence(trace, index, sentence));
    part_stack(trace, index);
}

static void twin_report(const struct sim_plan *plan, uint64_t nth)
{
    struct sim_trace first = { .count = 0 };
    struct sim_trace second = { .count = 0 };
    struct sim_plan told = *plan;
    struct sim_result one;
    struct sim_result other;
    told.trace = &first;
    if (sim_run(&told, &one) != SP_OK)
        sim_no_memory();
    told.trace = &second;
    twin_run(&told, nth, &other);
    sim_silence(false);
    uint32_t index = traces_part(&first, &second);
    printf("FAIL  %s (%s:%d): two runs of the same schedule are not the same\n", plan->test->name,
           plan->test->file, plan->test->line);
    printf("      the second had other addresses, other bytes in memory that was not written, and "
           "another environment\n");
    if (index == first.count && index == second.count) {
        printf("      they make the same %" PRIu32 " steps, and end as: %s\n", index,
               one.failed ? one.text : "passed");
        printf("      %45s and: %s\n", "", other.failed ? other.text : "passed");
    } else {
        printf("      they part at step %" PRIu32 ":\n", index + 1);
        part_print("first run ", &first, index);
        part_print("second run", &second, index);
    }
    sim_schedule_finish(&one.schedule);
    sim_schedule_finish(&other.schedule);
    sim_trace_finish(&first);
    sim_trace_finish(&second);
}

bool sim_detect_twin(const struct sim_plan *plan, const struct sim_result *result, uint64_t nth)
{
    struct sim_plan again = { .test = plan->test,
                              .seed = plan->seed,
                              .schedule = &result->schedule };
    struct sim_result second;
    twin_run(&again, nth, &second);
    sim_schedule_finish(&second.schedule);
    if (second.hash == result->hash && second.failed == result->failed)
        return true;
    twin_report(&again, nth);
    return false;
}

/* ---- traps ---- */

static void trap_child(const struct sim_plan *plan, int fd)
{
    struct sim_result result;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0) { /* what it prints was printed before */
        (void)dup2(null, STDOUT_FILENO);
        (void)dup2(null, STDERR_FILENO);
    }
    sp_err err = sim_traps_arm(fd);
    if (err == SP_ERR_NOTSUP)
        _exit(SIM_NO_TRAPS);
    sp_ignore(sim_run(plan, &result));
    _exit(err == SP_OK ? 0 : SIM_NO_COUNTER);
}

static void trap_report(const struct sim_plan *plan, const struct sim_trap *trap, bool note)
{
    struct sim_sources sources = { .count = 0 };
    char text[512];
    sim_silence(false);
    printf("%s  %s (%s:%d): it asks for %s: %s\n", note ? "note" : "FAIL", plan->test->name,
           plan->test->file, plan->test->line, trap->call, sim_trap_reason(trap));
    sim_sources_find(&sources, trap->frames, (size_t)trap->frame_count);
    for (int frame = 0; frame < trap->frame_count; frame++) {
        const struct sim_place *place = sim_sources_place(&sources, &trap->frames[frame], 1);
        if (place != NULL)
            printf("      in %s\n", sim_place_text(place, text, sizeof(text)));
    }
    if (trap->frame_count == 0)
        printf("      where, cannot be told\n");
    sim_sources_finish(&sources);
}

/* What nobody looked for must not be taken for what is not there. */
static void trap_refused(const struct sim_plan *plan, int status)
{
    if (!WIFEXITED(status) ||
        (WEXITSTATUS(status) != SIM_NO_TRAPS && WEXITSTATUS(status) != SIM_NO_COUNTER))
        return;
    bool counter = WEXITSTATUS(status) == SIM_NO_COUNTER;
    sim_silence(false);
    printf(
        "note  %s (%s:%d): the system refuses the trap for %s: such calls of the program are not "
        "noticed\n",
        plan->test->name, plan->test->file, plan->test->line,
        counter ? "the time stamp counter (PR_SET_TSC)" : "clocks and system calls (seccomp)");
    sim_silence(true);
}

bool sim_detect_trap(const struct sim_plan *plan, const struct sim_result *result, bool note)
{
    struct sim_plan again = { .test = plan->test,
                              .seed = plan->seed,
                              .schedule = &result->schedule };
    int ends[2];
    (void)fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return true;
    pid_t child = fork();
    if (child == 0)
        trap_child(&again, ends[1]);
    (void)close(ends[1]);
    struct sim_trap trap = { .frame_count = 0 };
    int status = 0;
    bool told = child > 0 && read(ends[0], &trap, sizeof(trap)) == sizeof(trap);
    (void)close(ends[0]);
    if (child > 0)
        (void)waitpid(child, &status, 0);
    if (!told && child > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        (void)strcpy(trap.call, "clone"); /* with signals blocked, as fork() does */
    else if (!told || !WIFEXITED(status) || WEXITSTATUS(status) != SIM_TRAPPED) {
        trap_refused(&again, child < 0 ? 0 : status);
        return true;
    }
    trap_report(&again, &trap, note);
    return false;
}
