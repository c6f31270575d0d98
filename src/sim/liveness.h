/* What must happen at some time: obligations of the program, and what the body demands.
 *
 * Whether something never happens shows only where nobody is kept from it. So the last quarter
 * of .steps_max is fair, whatever the strategy: who has been ready for longest goes on. There, an
 * obligation that is open for too many steps fails the run, and a run that is still busy
 * in the end is a livelock; its last steps are looked through for what they repeat.
 * Somebody whom an unfair schedule starves is therefore no finding.
 *
 * Threads: one. Neighbours: inside.h, control.c, property.c.
 * Source: P. Deligiannis et al., "Uncovering Bugs in Distributed Storage Systems during Testing
 * (not in Production!)" (2016), for hot and cold.
 */
#ifndef SPAWNED_SIM_LIVENESS_H
#define SPAWNED_SIM_LIVENESS_H

#include "runtime/sim/world.h"
#include "sim/trace.h"
#include "spawned/sim.h"

enum {
    SIM_OWED_MAX = 64,
    SIM_EVENTUALLY_MAX = 16,
    SIM_LASSO_MAX = 2048, /* steps of which the repeating part is looked for */
};

/** sp_eventually_begin() of a text in a node. */
struct sim_owed {
    const char *what;
    const char *file;
    int line;
    uint64_t count; /* begins without their ends; 0: the place is free */
    const struct sp__host *host;
    int64_t since;
    uint64_t fair_since; /* fair steps when it was begun */
    char name[SIM_NAME_MAX];
};

/** sp_sim_eventually(). */
struct sim_eventually {
    const char *name;
    bool (*holds)(struct sp_sim *s, void *arg);
    void *arg;
    int64_t within;
    bool held; /* since the last fault was mended */
};

/** One of the last steps. */
struct sim_lap {
    uint64_t hash;
    char name[SIM_NAME_MAX];
    char what[SIM_NAME_MAX];
};

struct sim_liveness {
    bool fair;
    uint64_t fair_steps;
    uint64_t hot_max;
    size_t owed_count; /* places that were used */
    size_t eventually_count;
    struct sim_lap *laps; /* NULL: they are not wanted yet */
    size_t lap_count;
    struct sim_owed owed[SIM_OWED_MAX];
    struct sim_eventually eventually[SIM_EVENTUALLY_MAX];
};

/** sp_eventually_begin() and _end(). */
void sim_owed(struct sp_sim *s, const char *what, bool begin, const char *file, int line);

/** A crash: nobody is left who owes it. */
void sim_owed_void(struct sp_sim *s, const struct sp__host *host);

/** The run has come to its end: fails if something is owed, or did not come true. */
void sim_liveness_judge(struct sp_sim *s);

/** After each step. */
void sim_liveness_stepped(struct sp_sim *s);

/** A fault happens: what held before need not hold any more. */
void sim_eventually_again(struct sp_sim *s);

/** Keep the steps from here on. */
void sim_lasso_begin(struct sp_sim *s);

/** A step of them. */
void sim_lasso_step(struct sp_sim *s, const struct sp__task *task);

/** What they repeat, to the run's result. */
void sim_lasso_end(struct sp_sim *s);

#endif
