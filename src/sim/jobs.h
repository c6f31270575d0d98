/* The runs of a campaign, made by several processes.
 *
 *   worker 0   lanes 0, n, 2n ...   ---pipe---+
 *   worker 1   lanes 1, n+1 ...     ---pipe---+--> the program, in the order of run numbers
 *
 * A run depends on runs of its own lane only (campaign.h), so whoever makes it, it is the same;
 * and as results are taken in order, so is everything that is printed. Workers are forked after
 * the first runs, have the same world in memory of their own, and print nothing. They get ahead by
 * what a pipe holds.
 *
 * Threads: one in each process. Neighbours: main.c, campaign.h.
 */
#ifndef SPAWNED_SIM_JOBS_H
#define SPAWNED_SIM_JOBS_H

#include "sim/campaign.h"

#include <stdio.h>
#include <sys/types.h>

struct sim_jobs {
    unsigned count; /* 0: not started */
    struct sim_worker {
        pid_t pid;
        FILE *results;
        int status; /* of waitpid(), where it died */
    } workers[SIM_LANES];
    bool differs; /* the last run and its twin, where that was asked */
};

struct sim_jobs_options {
    unsigned count; /* at most SIM_LANES of them are of use */
    uint64_t runs;  /* where the campaign ends */
    bool twice;     /* each run is compared with its twin */
};

/** Fork the workers, which go on where `campaign` is.
 *  Errors: NOMEM (no processes, no pipes). Ownership: the caller's, sim_jobs_finish(). */
SP_NODISCARD sp_err sim_jobs_start(struct sim_jobs *jobs, const struct sim_campaign *campaign,
                                   const struct sim_jobs_options *options) SP_NONNULL;

/** The next run, as sim_campaign_next(), without a strategy in `*out_plan`.
 *  Errors: NOMEM; RESET (its worker died, and `status` of it says how). */
SP_NODISCARD sp_err sim_jobs_next(struct sim_jobs *jobs, struct sim_campaign *campaign,
                                  struct sim_plan *out_plan, struct sim_result *out_result)
    SP_NONNULL;

/** End the workers, whatever they are doing; also where nothing was started. */
void sim_jobs_finish(struct sim_jobs *jobs) SP_NONNULL;

#endif
