#include "sim/repair.h"

#include "base/alloc.h"
#include "sim/shrink.h"
#include "sim/story.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    REPAIR_NAMES_MAX = 256,
    REPAIR_LINE_MAX = 1024,
    REPAIR_OFFSETS = 9, /* 0, 1, -1, 2, -2 ... */
};

/* A task of the stored run. */
struct repair_name {
    uint64_t label;
    unsigned nth; /* of those with the same name, from 0 */
    char name[2 * SIM_STORY_TEXT];
};

struct repair {
    struct repair_name names[REPAIR_NAMES_MAX];
    size_t count;
    struct sim_result stored; /* only its text */
    unsigned runs;
};

/* ---- what is stored ---- */

static unsigned lane_nth(const struct sim_trace *trace, uint32_t lane)
{
    char mine[2 * SIM_STORY_TEXT];
    char other[2 * SIM_STORY_TEXT];
    unsigned nth = 0;
    (void)sim_story_stored_name(trace, lane, mine);
    for (uint32_t i = 0; i < lane; i++)
        nth += strcmp(sim_story_stored_name(trace, i, other), mine) == 0;
    return nth;
}

static bool schedule_names(const struct sim_schedule *schedule, uint64_t label)
{
    for (size_t i = 0; i < schedule->count; i++)
        if (schedule->choices[i].at == label ||
            (schedule->choices[i].kind == SP__CHOICE_TASK && schedule->choices[i].to == label))
            return true;
    return false;
}

sp_err sim_repair_note(const char *path, const struct sim_schedule *schedule,
                       const struct sim_trace *trace, const struct sim_result *result)
{
    char name[2 * SIM_STORY_TEXT];
    FILE *file = fopen(path, "ae");
    if (file == NULL)
        return SP_ERR_IO;
    bool ok = fprintf(file, "fails %s\n", result->text) > 0;
    for (uint32_t lane = 0; lane < trace->lane_count && ok; lane++)
        if (schedule_names(schedule, trace->lanes[lane].task))
            ok = fprintf(file, "name %016" PRIx64 " %u %s\n", trace->lanes[lane].task,
                         lane_nth(trace, lane), sim_story_stored_name(trace, lane, name)) > 0;
    return fclose(file) == 0 && ok ? SP_OK : SP_ERR_IO;
}

static void repair_line(struct repair *repair, const char *line)
{
    struct repair_name *name = &repair->names[repair->count];
    if (strncmp(line, "fails ", 6) == 0) {
        repair->stored.failed = true;
        (void)snprintf(repair->stored.text, sizeof(repair->stored.text), "%.*s", SIM_TEXT_MAX - 1,
                       line + 6);
    }
    if (repair->count < REPAIR_NAMES_MAX &&
        sscanf(line, "name %" SCNx64 " %u %191[^\n]", &name->label, &name->nth, name->name) == 3)
        repair->count++;
}

static void repair_load(struct repair *repair, const char *path)
{
    char line[REPAIR_LINE_MAX];
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        repair_line(repair, line);
    }
    if (file != NULL)
        (void)fclose(file);
}

/* ---- tasks by name ---- */

/* The task of this run that is called as `label` was in the stored one; 0: nobody. */
static uint64_t repair_label(const struct repair *repair, const struct sim_trace *trace,
                             uint64_t label)
{
    char name[2 * SIM_STORY_TEXT];
    for (size_t i = 0; i < repair->count; i++) {
        const struct repair_name *stored = &repair->names[i];
        unsigned nth = 0;
        if (stored->label != label)
            continue;
        for (uint32_t lane = 0; lane < trace->lane_count; lane++)
            if (strcmp(sim_story_stored_name(trace, lane, name), stored->name) == 0 &&
                nth++ == stored->nth)
                return trace->lanes[lane].task;
    }
    return 0;
}

/* The reference run of this build shows who is there. */
static sp_err repair_names(const struct repair *repair, const struct sim_plan *plan,
                           struct sim_schedule *schedule)
{
    struct sim_trace trace = { .count = 0 };
    struct sim_plan told = { .test = plan->test, .seed = plan->seed, .trace = &trace };
    struct sim_result result;
    sp_err err = sim_run(&told, &result);
    sim_schedule_finish(&result.schedule);
    for (size_t i = 0; i < schedule->count && err == SP_OK; i++) {
        struct sim_choice *choice = &schedule->choices[i];
        uint64_t at = repair_label(repair, &trace, choice->at);
        uint64_t to =
            choice->kind == SP__CHOICE_TASK ? repair_label(repair, &trace, choice->to) : 0;
        choice->at = at != 0 ? at : choice->at;
        choice->to = to != 0 ? to : choice->to;
    }
    sim_trace_finish(&trace);
    return err;
}

/* ---- steps ---- */

static sp_err repair_try(struct repair *repair, const struct sim_plan *plan,
                         const struct sim_schedule *schedule, bool *out_fails)
{
    struct sim_plan again = { .test = plan->test, .seed = plan->seed, .schedule = schedule };
    struct sim_result result;
    sp_err err = sim_run(&again, &result);
    repair->runs++;
    *out_fails = err == SP_OK && result.failed &&
                 (!repair->stored.failed || sim_same_failure(&result, &repair->stored));
    sim_schedule_finish(&result.schedule);
    return err;
}

static int64_t repair_offset(unsigned which)
{
    int64_t distance = (which + 1) / 2;
    return which % 2 == 1 ? distance : -distance;
}

/* Shift entry `index` and those behind it by all offsets, in turn. */
static sp_err repair_shift(struct repair *repair, const struct sim_plan *plan,
                           struct sim_schedule *schedule, size_t index, bool *out_fails)
{
    if (index == schedule->count)
        return repair_try(repair, plan, schedule, out_fails);
    struct sim_choice *choice = &schedule->choices[index];
    uint64_t step = choice->step;
    sp_err err = SP_OK;
    for (unsigned which = 0; which < REPAIR_OFFSETS && err == SP_OK && !*out_fails; which++) {
        int64_t offset = repair_offset(which);
        if (repair->runs >= SIM_REPAIR_RUNS || (offset < 0 && step < (uint64_t)-offset))
            continue;
        choice->step = step + (uint64_t)offset;
        err = repair_shift(repair, plan, schedule, index + 1, out_fails);
    }
    if (!*out_fails)
        choice->step = step;
    return err;
}

sp_err sim_repair(const char *path, const struct sim_plan *plan, struct sim_schedule *out)
{
    bool fails = false;
    struct repair *repair = sp__calloc(1, sizeof(*repair));
    if (repair == NULL)
        return SP_ERR_NOMEM;
    repair_load(repair, path);
    sp_err err = sim_schedule_without(plan->schedule, 0, 0, out);
    if (err == SP_OK)
        err = repair_names(repair, plan, out);
    if (err == SP_OK)
        err = repair_shift(repair, plan, out, 0, &fails);
    sp__free(repair);
    if (err == SP_OK && !fails)
        err = SP_ERR_NOTFOUND;
    if (err != SP_OK)
        sim_schedule_finish(out);
    return err;
}
