#include "sim/schedule.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

sp_err sim_schedule_add(struct sim_schedule *schedule, struct sim_choice choice)
{
    if (schedule->count == schedule->capacity) {
        size_t capacity = schedule->capacity == 0 ? 32 : 2 * schedule->capacity;
        struct sim_choice *choices = sp__realloc(schedule->choices, capacity * sizeof(*choices));
        if (choices == NULL)
            return SP_ERR_NOMEM;
        schedule->choices = choices;
        schedule->capacity = capacity;
    }
    schedule->choices[schedule->count++] = choice;
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

sp_err sim_follower_init(struct sim_follower *follower, const struct sim_schedule *schedule)
{
    *follower = (struct sim_follower){ .schedule = schedule,
                                       .used = sp__calloc(schedule->count, sizeof(bool)) };
    return follower->used == NULL ? SP_ERR_NOMEM : SP_OK;
}

void sim_follower_finish(struct sim_follower *follower)
{
    sp__free(follower->used);
    follower->used = NULL;
}

static size_t follower_find(struct sp__task *const *tasks, size_t count, uint64_t label)
{
    for (size_t i = 0; i < count; i++)
        if (tasks[i]->label == label)
            return i;
    return SIZE_MAX;
}

size_t sim_follower_choose(struct sim_follower *follower, struct sp__task *const *tasks,
                           size_t count, size_t reference)
{
    const struct sp__task *at = tasks[reference];
    for (size_t i = 0; i < follower->schedule->count; i++) {
        const struct sim_choice *choice = &follower->schedule->choices[i];
        if (follower->used[i] || choice->at != at->label || choice->step != at->steps)
            continue;
        size_t index = follower_find(tasks, count, choice->to);
        if (index == SIZE_MAX)
            continue;
        follower->used[i] = true;
        return index;
    }
    return reference;
}

/* ---- files ---- */

#define SCHEDULE_MAGIC "spawned schedule 1"

sp_err sim_schedule_save(const char *path, const char *test, uint64_t seed,
                         const struct sim_schedule *schedule)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return SP_ERR_IO;
    bool ok = fprintf(file, SCHEDULE_MAGIC "\ntest %s\nseed 0x%" PRIx64 "\n", test, seed) > 0;
    for (size_t i = 0; ok && i < schedule->count; i++) {
        const struct sim_choice *choice = &schedule->choices[i];
        ok = fprintf(file, "before %016" PRIx64 " %" PRIu64 " let %016" PRIx64 "\n", choice->at,
                     choice->step, choice->to) > 0;
    }
    return (fclose(file) == 0) && ok ? SP_OK : SP_ERR_IO;
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
        else
            ok = sscanf(line, "before %" SCNx64 " %" SCNu64 " let %" SCNx64, &choice.at,
                        &choice.step, &choice.to) == 3;
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
