/* What a campaign did: how many of its runs were different, which strategies made those, which
 * faults there were.
 *
 * Two runs are the same if each task made the same steps, and the same tasks came to each mailbox,
 * name and life in the same order: schedules that differ in nothing else are counted once.
 *
 * Threads: one. Neighbours: main.c; run.c makes sim_result.order.
 */
#ifndef SPAWNED_SIM_SUMMARY_H
#define SPAWNED_SIM_SUMMARY_H

#include "sim/run.h"
#include "sim/strategy.h"

enum {
    SIM_SEEN_MAX = 1 << 22, /* different runs of a test that are told apart */
    SIM_SEEN_WINDOW = 1000, /* runs over which "how many are new lately" is asked */
};

/** The runs of one test. */
struct sim_seen {
    uint64_t *slots; /* open addressing; 0: empty */
    size_t capacity; /* a power of two, or 0 */
    uint64_t count;
    uint64_t runs;
    uint64_t window; /* new ones since the last full window, */
    uint64_t lately; /* and in it */
};

/** Of all tests. */
struct sim_summary {
    uint64_t runs[SIM_STRATEGIES];
    uint64_t fresh[SIM_STRATEGIES]; /* not seen before */
    uint64_t found[SIM_STRATEGIES]; /* failures */
    uint64_t draws[SP__CHOICE_COUNT];
    uint64_t steps;
    int64_t time_ns;
};

/** One more run, found by `kind`. Without memory the count of different ones stops. */
void sim_summary_add(struct sim_summary *summary, struct sim_seen *seen,
                     enum sim_strategy_kind kind, const struct sim_result *result) SP_NONNULL;

/** Of the last runs, how many were new: in percent. */
unsigned sim_seen_rate(const struct sim_seen *seen) SP_NONNULL;
void sim_seen_finish(struct sim_seen *seen) SP_NONNULL;

/** Print it, on standard output. */
void sim_summary_print(const struct sim_summary *summary) SP_NONNULL;

#endif
