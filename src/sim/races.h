/* Which two steps are the bug: pairs that raced in a failing run, and what if they had come the
 * other way round.
 *
 *   before    program order, and causes (sent -> taken, answered, spawned, woke): vector clocks
 *   race      two steps that touch the same thing, one of them changing it, neither before the
 *             other
 *             other; also a message, and the turn of a process that takes it, if that process had
 *             its turn due before
 *   flip      the run again, with the second one and all it needs ahead of the first; what
 *             followed from the first follows later
 *
 * A pair whose flip makes the run pass is what the bug consists of. Of several the one is named
 * whose flip disturbs least.
 *
 * Threads: one. Neighbours: trace.h; report.c prints it.
 * Source: C. Fidge, "Timestamps in Message-Passing Systems That Preserve the Partial Ordering"
 * (1988); C. Flanagan, P. Godefroid, "Dynamic Partial-Order Reduction" (2005), for what races.
 */
#ifndef SPAWNED_SIM_RACES_H
#define SPAWNED_SIM_RACES_H

#include "sim/run.h"

enum {
    SIM_RACES_FLIPS_MAX = 2000, /* pairs that are tried, at most */
    SIM_RACES_EARLY_MAX = 256,  /* steps between a message and who took it late */
    SIM_RACES_BACK_MAX =
        2000, /* steps that touched something, from one back to what it races with */
    SIM_RACES_CLOCKS_MAX = 64 * 1024 * 1024, /* numbers in all clocks; longer stories have none */
};

struct sim_race {
    uint32_t first; /* events of the trace */
    uint32_t second;
    uint32_t turned; /* pairs of touching steps that its flip turns round, this one included */
    bool passes;     /* flipped, the run does */
    bool early;      /* the second takes what the first sent, and could have gone before */
    uint8_t rank;    /* how much the two say by themselves; less is more */
};

struct sim_races {
    struct sim_race *pairs; /* the bug first */
    size_t count;
    size_t passing; /* so many at the front pass when flipped */
    size_t untried; /* more than could be tried */
    uint64_t runs;
    bool too_long;            /* to be looked at */
    struct sim_schedule pass; /* of the nearest run that passes, where there is one */
    uint32_t *clocks; /* of event e and lane l at [e * lanes + l]: how many of l's are before */
    size_t lanes;
};

/** The races of the failing run that `trace` tells; `plan` is how it was made.
 *  Errors: NOMEM. Ownership: sim_races_finish(). Context: the main thread. */
SP_NODISCARD sp_err sim_races_find(const struct sim_plan *plan, const struct sim_trace *trace,
                                   struct sim_races *out) SP_NONNULL;
void sim_races_finish(struct sim_races *races) SP_NONNULL;

/** Is event `a` before event `b`, by program order and causes? False where clocks are missing. */
bool sim_races_before(const struct sim_races *races, const struct sim_trace *trace, uint32_t a,
                      uint32_t b) SP_NONNULL;

#endif
