#include "sim/schedule.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

sp_err sim_schedule_grow(struct sim_schedule *schedule)
{
    size_t capacity = schedule->capacity == 0 ? 32 : 2 * schedule->capacity;
    struct sim_choice *choices = sp__realloc(schedule->choices, capacity * sizeof(*choices));
    if (choices == NULL)
        return SP_ERR_NOMEM;
    schedule->choices = choices;
    schedule->capacity = capacity;
    return SP_OK;
}

void sim_schedule_finish(struct sim_schedule *schedule)
{
    sp__free(schedule->choices);
    *schedule = (struct sim_schedule){ 0 };
}

sp_err sim_schedule_without(const struct sim_schedule *schedule, size_t from, size_t count,
                            struct sim_schedule *out)
{
    *out = (struct sim_schedule){ 0 };
    for (size_t i = 0; i < schedule->count; i++) {
        if (i >= from && i < from + count)
            continue;
        sp_err err = sim_schedule_add(out, schedule->choices[i]);
        if (err != SP_OK) {
            sim_schedule_finish(out);
            return err;
        }
    }
    return SP_OK;
}

/* ---- following ---- */

static size_t follower_bucket(const struct sim_follower *follower, enum sp__choice kind,
                              uint64_t at, uint64_t step)
{
    uint64_t hash = (at ^ kind) * UINT64_C(0x9e3779b97f4a7c15) + step;
    hash = (hash ^ (hash >> 32)) * UINT64_C(0xff51afd7ed558ccd);
    return (size_t)(hash >> 32) & (follower->buckets - 1);
}

sp_err sim_follower_init(struct sim_follower *follower, const struct sim_schedule *schedule)
{
    size_t count = schedule->count;
    *follower = (struct sim_follower){ .schedule = schedule, .buckets = 16 };
    while (follower->buckets < 2 * count)
        follower->buckets *= 2;
    follower->first = sp__calloc(follower->buckets, sizeof(uint32_t));
    follower->next = sp__calloc(count, sizeof(uint32_t));
    follower->used = sp__calloc(count, sizeof(bool));
    if (follower->first == NULL || follower->next == NULL || follower->used == NULL) {
        sim_follower_finish(follower);
        return SP_ERR_NOMEM;
    }
    for (size_t i = count; i-- > 0;) {
        const struct sim_choice *choice = &schedule->choices[i];
        size_t bucket = follower_bucket(follower, choice->kind, choice->at, choice->step);
        follower->next[i] = follower->first[bucket];
        follower->first[bucket] = (uint32_t)i + 1;
    }
    return SP_OK;
}

void sim_follower_finish(struct sim_follower *follower)
{
    sp__free(follower->first);
    sp__free(follower->next);
    sp__free(follower->used);
    *follower = (struct sim_follower){ .schedule = NULL };
}

static size_t follower_find(struct sp__task *const *tasks, size_t count, uint64_t label)
{
    for (size_t i = 0; i < count; i++)
        if (tasks[i]->label == label)
            return i;
    return SIZE_MAX;
}

/* The next unused entry of the same place, from `entry` on; 0: there is none. */
static uint32_t follower_entry(const struct sim_follower *follower, uint32_t entry,
                               enum sp__choice kind, uint64_t at, uint64_t step)
{
    for (; entry != 0; entry = follower->next[entry - 1]) {
        const struct sim_choice *choice = &follower->schedule->choices[entry - 1];
        if (!follower->used[entry - 1] && choice->kind == kind && choice->at == at &&
            choice->step == step)
            return entry;
    }
    return 0;
}

size_t sim_follower_choose(struct sim_follower *follower, struct sp__task *const *tasks,
                           size_t count, size_t reference)
{
    const struct sp__task *at = tasks[reference];
    uint32_t entry =
        follower->first[follower_bucket(follower, SP__CHOICE_TASK, at->label, at->steps)];
    while ((entry = follower_entry(follower, entry, SP__CHOICE_TASK, at->label, at->steps)) != 0) {
        size_t index = follower_find(tasks, count, follower->schedule->choices[entry - 1].to);
        if (index != SIZE_MAX) {
            follower->used[entry - 1] = true;
            return index;
        }
        entry = follower->next[entry - 1];
    }
    return reference;
}

bool sim_follower_fault(struct sim_follower *follower, enum sp__choice kind, uint64_t at,
                        uint64_t step, uint64_t *out_to)
{
    uint32_t entry = follower->first[follower_bucket(follower, kind, at, step)];
    entry = follower_entry(follower, entry, kind, at, step);
    if (entry == 0)
        return false;
    follower->used[entry - 1] = true;
    *out_to = follower->schedule->choices[entry - 1].to;
    return true;
}

uint32_t sim_follower_draw(struct sim_follower *follower, enum sp__choice kind, uint64_t at,
                           uint64_t nth, uint32_t count)
{
    uint32_t entry = follower->first[follower_bucket(follower, kind, at, nth)];
    entry = follower_entry(follower, entry, kind, at, nth);
    if (entry == 0)
        return 0;
    follower->used[entry - 1] = true;
    uint64_t value = follower->schedule->choices[entry - 1].to;
    return value < count ? (uint32_t)value : 0;
}

/* ---- files ---- */

#define SCHEDULE_MAGIC "spawned schedule 1"
#define SCHEDULE_BUILD "build "

static const char *const choice_names[SP__CHOICE_COUNT] = {
    [SP__CHOICE_TASK] = "task",           [SP__CHOICE_DATA] = "data",
    [SP__CHOICE_BUGGIFY] = "buggify",     [SP__CHOICE_TIMER] = "timer",
    [SP__CHOICE_NET_LATENCY] = "latency", [SP__CHOICE_NET_READ] = "read",
    [SP__CHOICE_NET_WRITE] = "write",     [SP__CHOICE_NET_STRETCH] = "stretch",
    [SP__CHOICE_NET_SLOW] = "slow",       [SP__CHOICE_NET_CLOG] = "clog",
    [SP__CHOICE_NET_CUT] = "cut",         [SP__CHOICE_NET_BREAK] = "break",
    [SP__CHOICE_NET_REFUSE] = "refuse",   [SP__CHOICE_NET_NOFILE] = "nofile",
    [SP__CHOICE_KILL] = "kill",           [SP__CHOICE_CRASH] = "crash",
    [SP__CHOICE_STOP] = "stop",           [SP__CHOICE_PAUSE] = "pause",
    [SP__CHOICE_STEP] = "step",           [SP__CHOICE_DRIFT] = "drift",
    [SP__CHOICE_FREEZE] = "freeze",       [SP__CHOICE_MEMORY] = "memory",
};

const char *sim_choice_name(enum sp__choice kind)
{
    return choice_names[kind];
}

static int choice_print(FILE *file, const struct sim_choice *choice)
{
    if (choice->kind == SP__CHOICE_TASK)
        return fprintf(file, "before %016" PRIx64 " %" PRIu64 " let %016" PRIx64 "\n", choice->at,
                       choice->step, choice->to);
    return fprintf(file, "%s %016" PRIx64 " %" PRIu64 " is %" PRIu64 "\n",
                   choice_names[choice->kind], choice->at, choice->step, choice->to);
}

static bool choice_parse(const char *line, struct sim_choice *out)
{
    char name[16];
    *out = (struct sim_choice){ .kind = SP__CHOICE_TASK };
    if (sscanf(line, "before %" SCNx64 " %" SCNu64 " let %" SCNx64, &out->at, &out->step,
               &out->to) == 3)
        return true;
    if (sscanf(line, "%15s %" SCNx64 " %" SCNu64 " is %" SCNu64, name, &out->at, &out->step,
               &out->to) != 4)
        return false;
    for (int kind = SP__CHOICE_TASK + 1; kind < SP__CHOICE_COUNT; kind++)
        if (strcmp(name, choice_names[kind]) == 0) {
            out->kind = (enum sp__choice)kind;
            return true;
        }
    return false;
}

sp_err sim_schedule_save(const char *path, const char *test, uint64_t seed,
                         const struct sim_schedule *schedule)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return SP_ERR_IO;
    bool ok = fprintf(file, SCHEDULE_MAGIC "\ntest %s\nseed 0x%" PRIx64 "\nbuild %s\n", test, seed,
                      sim_build_id()) > 0;
    for (size_t i = 0; ok && i < schedule->count; i++)
        ok = choice_print(file, &schedule->choices[i]) > 0;
    return (fclose(file) == 0) && ok ? SP_OK : SP_ERR_IO;
}

void sim_schedule_build(const char *path, char build[SIM_BUILD_MAX])
{
    char line[512];
    FILE *file = fopen(path, "re");
    build[0] = '\0';
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, SCHEDULE_BUILD, strlen(SCHEDULE_BUILD)) == 0)
            (void)sscanf(line, SCHEDULE_BUILD "%63s", build);
    if (file != NULL)
        (void)fclose(file);
}

/* Lines that say where the schedule comes from. */
static bool line_is_remark(const char *line)
{
    static const char *const words[] = { SCHEDULE_BUILD, "name ", "fails " };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strncmp(line, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

static sp_err load_lines(FILE *file, char *test, uint64_t *out_seed, struct sim_schedule *out,
                         int *out_line)
{
    char line[512];
    sp_err err = SP_OK;
    for (*out_line = 1; err == SP_OK && fgets(line, sizeof(line), file) != NULL; ++*out_line) {
        struct sim_choice choice;
        line[strcspn(line, "\n")] = '\0';
        bool ok = false;
        if (*out_line == 1)
            ok = strcmp(line, SCHEDULE_MAGIC) == 0;
        else if (*out_line == 2)
            ok = sscanf(line, "test %255s", test) == 1;
        else if (*out_line == 3)
            ok = sscanf(line, "seed 0x%" SCNx64, out_seed) == 1;
        else if (line_is_remark(line))
            continue;
        else
            ok = choice_parse(line, &choice);
        if (!ok)
            return SP_ERR_INVALID;
        if (*out_line > 3)
            err = sim_schedule_add(out, choice);
    }
    return err == SP_OK && *out_line <= 3 ? SP_ERR_INVALID : err;
}

sp_err sim_schedule_load(const char *path, char *test, uint64_t *out_seed, struct sim_schedule *out,
                         int *out_line)
{
    *out = (struct sim_schedule){ 0 };
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return SP_ERR_IO;
    sp_err err = load_lines(file, test, out_seed, out, out_line);
    (void)fclose(file);
    if (err != SP_OK)
        sim_schedule_finish(out);
    return err;
}
