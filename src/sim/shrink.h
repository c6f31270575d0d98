/* Shrinking: from a schedule that fails to one in which every decision is needed.
 *
 * Entries are left out, in halves, quarters and so on and at last one by one, as long as the run
 * still fails in the same way; until no single one can be left out any more. What is left need
 * not be the shortest there is, so schedules with few decisions are looked through, too, and
 * a shorter one that fails in the same way takes its place.
 *
 * Threads: one. Neighbours: run.h, schedule.h.
 * Source: A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002).
 */
#ifndef SPAWNED_SIM_SHRINK_H
#define SPAWNED_SIM_SHRINK_H

#include "sim/run.h"

struct sim_shrink {
    struct sim_schedule schedule; /* the caller's, sim_schedule_finish() */
    struct sim_result result;     /* of a run with it; its schedule is empty */
    uint64_t runs;                /* it took */
};

/** Shrink the schedule of `failure`, which came of `plan`.
 *  Errors: NOMEM; INVALID (it does not fail again: the program is not deterministic).
 *  Context: the main thread. */
SP_NODISCARD sp_err sim_shrink(const struct sim_plan *plan, const struct sim_result *failure,
                               struct sim_shrink *out) SP_NONNULL;

/** Do two runs fail in the same way? Numbers in the texts do not count. */
bool sim_same_failure(const struct sim_result *a, const struct sim_result *b) SP_NONNULL;

#endif
