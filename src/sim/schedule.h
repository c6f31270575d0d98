/* Schedules: where a run left the reference, by labels that survive an unrelated edit.
 *
 *     before task A makes its 7th step, B goes first
 *     the 3rd number that A chooses is 5
 *     before task A makes its 7th step, B is killed
 *
 * A label is made of the task's birth (whose child, the how-manieth), so it is the same when
 * other processes come and go. Followed, each entry is used once; one whose situation does not
 * arise is passed over. A file holds the seed and the entries, one a line.
 *
 * Threads: one. Neighbours: run.h, shrink.c.
 */
#ifndef SPAWNED_SIM_SCHEDULE_H
#define SPAWNED_SIM_SCHEDULE_H

#include "runtime/sim/world.h"

enum {
    SIM_BUILD_MAX = 64,
};

/** TASK: the reference would have let `at` make its step number `step`; `to` went instead.
 *  A fault: it befell `to` before `at` made its step number `step`.
 *  Else: draw number `step` of `at` was `to`, and not 0. */
struct sim_choice {
    enum sp__choice kind;
    uint64_t at;
    uint64_t step;
    uint64_t to;
};

struct sim_schedule {
    struct sim_choice *choices;
    size_t count;
    size_t capacity;
};

/** Room for more than there is. Errors: NOMEM. */
SP_NODISCARD sp_err sim_schedule_grow(struct sim_schedule *schedule) SP_NONNULL;

/** Append. Errors: NOMEM. */
SP_NODISCARD static inline sp_err sim_schedule_add(struct sim_schedule *schedule,
                                                   struct sim_choice choice)
{
    sp_err err = SP_OK;
    if (schedule->count == schedule->capacity)
        err = sim_schedule_grow(schedule);
    if (err == SP_OK)
        schedule->choices[schedule->count++] = choice;
    return err;
}

/** Free what it holds. */
void sim_schedule_finish(struct sim_schedule *schedule) SP_NONNULL;

/** Copy all but the entries [from, from + count). Errors: NOMEM. */
SP_NODISCARD sp_err sim_schedule_without(const struct sim_schedule *schedule, size_t from,
                                         size_t count, struct sim_schedule *out) SP_NONNULL;

/** Somebody who follows a schedule. Entries are found by kind, `at` and `step`; several of the
 *  same are used in their order. */
struct sim_follower {
    const struct sim_schedule *schedule;
    uint32_t *first; /* by hash: number of the first entry and 1, or 0 */
    uint32_t *next;  /* by entry: the next one of the same hash, likewise */
    bool *used;
    size_t buckets; /* a power of two */
};

/** Begin to follow. Errors: NOMEM. Ownership: sim_follower_finish(). */
SP_NODISCARD sp_err sim_follower_init(struct sim_follower *follower,
                                      const struct sim_schedule *schedule) SP_NONNULL;
void sim_follower_finish(struct sim_follower *follower) SP_NONNULL;

/** Which of the ready tasks goes on, where the reference would take `reference`. */
size_t sim_follower_choose(struct sim_follower *follower, struct sp__task *const *tasks,
                           size_t count, size_t reference) SP_NONNULL;

/** A fault of this kind before that step, which was not asked for yet: whom it befalls.
 *  False: there is none. */
bool sim_follower_fault(struct sim_follower *follower, enum sp__choice kind, uint64_t at,
                        uint64_t step, uint64_t *out_to) SP_NONNULL;

/** What is drawn: as the schedule says, or 0. */
uint32_t sim_follower_draw(struct sim_follower *follower, enum sp__choice kind, uint64_t at,
                           uint64_t nth, uint32_t count) SP_NONNULL;

/** "task", "data", ...: as in files. Never NULL. */
const char *sim_choice_name(enum sp__choice kind);

/** What tells this build of the program from others. Never NULL. Context: the main thread. */
const char *sim_build_id(void);

/** The build that wrote the file, or "". */
void sim_schedule_build(const char *path, char build[SIM_BUILD_MAX]) SP_NONNULL;

/** Write `test`, `seed`, the build and the schedule to a file. Errors: IO (errno says why). */
SP_NODISCARD sp_err sim_schedule_save(const char *path, const char *test, uint64_t seed,
                                      const struct sim_schedule *schedule) SP_NONNULL;

/** Read it. `test` has room for 256 bytes. Errors: IO, INVALID (not such a file; `*out_line` is
 *  where), NOMEM. */
SP_NODISCARD sp_err sim_schedule_load(const char *path, char *test, uint64_t *out_seed,
                                      struct sim_schedule *out, int *out_line) SP_NONNULL;

#endif
