/* Schedules of another build: what is stored with a schedule so that it can be followed when the
 * program was edited, and how it is made to fit.
 *
 * A schedule names tasks by their births (whose child, the how-manieth) and steps by their number.
 * An edit may shift both: one more process before the others, one more message sent. So the names
 * of the tasks are stored, too, and what the failure said. Where the schedule does not fail any
 * more, tasks are looked up by name, and steps a little before and behind are tried.
 *
 * Threads: one. Neighbours: failure.c, schedule.h.
 */
#ifndef SPAWNED_SIM_REPAIR_H
#define SPAWNED_SIM_REPAIR_H

#include "sim/run.h"

enum {
    SIM_REPAIR_RUNS = 3000, /* that are tried, at most */
};

/** Append to the file what sim_repair() needs. Errors: IO (errno says why). */
SP_NODISCARD sp_err sim_repair_note(const char *path, const struct sim_schedule *schedule,
                                    const struct sim_trace *trace, const struct sim_result *result)
    SP_NONNULL;

/** A schedule that fails as the one in the file `path` did; `plan` is how that is run now.
 *  Errors: NOTFOUND, NOMEM. Ownership: the caller's. Context: the main thread. */
SP_NODISCARD sp_err sim_repair(const char *path, const struct sim_plan *plan,
                               struct sim_schedule *out) SP_NONNULL;

#endif
