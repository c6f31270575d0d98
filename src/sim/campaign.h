/* A campaign: a test run again and again, each time under another schedule, until one fails.
 *
 * Which strategy makes the next schedule, and from which seed, follows from the campaign's seed
 * and the runs before, so a campaign with the same seed goes the same way. Where strategies take
 * turns, each turn is a lane: what it learns, it learns from its own runs and from the first one
 * of all. So lanes can be made by different processes (jobs.h), and a run of one needs no other.
 *
 * Threads: one. Neighbours: main.c and tests/sim_suite.c run campaigns; run.h, strategy.h.
 */
#ifndef SPAWNED_SIM_CAMPAIGN_H
#define SPAWNED_SIM_CAMPAIGN_H

#include "sim/run.h"
#include "sim/strategy.h"

enum { SIM_LANES = 5 };

/** What runs taught that were made in one of the turns. */
struct sim_turn {
    struct sim_strategy *strategy; /* or NULL, before its first run */
    bool spent;                    /* its own has tried everything: it goes on with random */
    uint64_t length;               /* usual steps of a run while faults are allowed; 0: none yet */
    uint64_t allocations;          /* usual ones of a run */
};

struct sim_campaign_options {
    const struct sp_sim_test *test;
    const char *strategy; /* only this one; NULL: all in turn */
    unsigned depth;       /* of sim_strategy_create(); with `exhaust`: most delays, 0: no bound */
    uint64_t seed;
    bool seed_of_run; /* `seed` is that of the first run itself */
    bool exhaust;
    bool plain;         /* with `exhaust`: schedules that differ in nothing that matters, too */
    const char *faults; /* --faults: changes of those that the test allows; or NULL */
};

struct sim_campaign {
    struct sim_campaign_options options;
    struct sim_turn lanes[SIM_LANES];
    enum sim_strategy_kind kind; /* of the present run */
    uint64_t runs;
    uint64_t cuts; /* runs that were left because their like was made before */
    uint64_t steps;
    uint64_t first_length; /* of the first run */
    uint64_t first_allocations;
    int64_t time_ns;     /* on the worlds' clocks */
    bool complete;       /* everything there is was tried */
    const char *refused; /* why not, where that was wanted; or NULL */
};

/** Begin. Ownership: the caller's, sim_campaign_finish(). */
void sim_campaign_init(struct sim_campaign *campaign, const struct sim_campaign_options *options)
    SP_NONNULL;
void sim_campaign_finish(struct sim_campaign *campaign) SP_NONNULL;

/** Make the next run; `*out_plan` is how it was made.
 *  Errors: NOMEM; NOTFOUND (there is nothing left to try). Ownership: as sim_run().
 *  Context: the main thread. */
SP_NODISCARD sp_err sim_campaign_next(struct sim_campaign *campaign, struct sim_plan *out_plan,
                                      struct sim_result *out_result) SP_NONNULL;

/** The lane of the next run; the only one where strategies do not take turns. */
SP_NODISCARD unsigned sim_campaign_lane(const struct sim_campaign *campaign) SP_NONNULL;

/** Leave the next run to somebody else; not the first. */
void sim_campaign_skip(struct sim_campaign *campaign) SP_NONNULL;

#endif
