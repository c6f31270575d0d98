/* One run of a test in a world: the body's view of it, and the campaign's.
 *
 *   campaign (main.c) -> run (run.c) -> world (runtime/sim/) -> program
 *                         |  asks: which task next?
 *                         +-> strategy (strategy.c), or a stored schedule (schedule.c)
 *
 * The reference schedule is that of one worker: who ran last goes on, else who was woken last.
 * A run is its seed and the decisions at which it left the reference, so a schedule that is
 * nearly the reference is short, and what is short can be read.
 *
 * Threads: one. Neighbours: runtime/sim/world.h, shrink.c, report.c.
 */
#ifndef SPAWNED_SIM_RUN_H
#define SPAWNED_SIM_RUN_H

#include "runtime/sim/world.h"
#include "sim/schedule.h"
#include "sim/script.h"
#include "sim/strategy.h"
#include "sim/trace.h"
#include "spawned/sim.h"

#include <setjmp.h>

enum {
    SIM_TEXT_MAX = 512,
    SIM_DETAIL_MAX = 2048,
};

/** How a run is to be made. */
struct sim_plan {
    const struct sp_sim_test *test;
    uint64_t seed;
    struct sim_strategy *strategy;       /* or NULL: `schedule` */
    const struct sim_schedule *schedule; /* or NULL: the reference */
    const struct sim_script *script;     /* or NULL; with it, `schedule` has only draws */
    const struct sim_schedule *draws; /* or NULL; with a strategy: of this, all but who goes on */
    bool chance;                      /* draws are by chance, and there may be faults */
    bool faults_given;                /* else those of the test's options: */
    uint64_t faults;                  /* bits of enum sp_sim_fault */
    uint64_t length;                  /* usual steps of a run; 0: no fault before a step */
    uint64_t allocations;             /* usual number; 0: none of them fails */
    struct sim_schedule *steps;       /* or NULL: `at` and `step` of each step, the first ones */
    struct sim_trace *trace;          /* or NULL; not with a strategy */
    unsigned char scribble;           /* not 0: on stacks, before they are used */
    bool stop_in_debugger;            /* SIGTRAP where the run fails */
};

/** What came of it. */
struct sim_result {
    bool failed;
    bool cut; /* not run to its end: nothing was to be learnt from it */
    int line;
    uint64_t window;      /* steps in which faults were allowed */
    uint64_t allocations; /* of the nodes, where they were counted */
    uint64_t hash;        /* of all that happened */
    uint64_t order;       /* of who did what to whom in which order, and nothing else */
    uint64_t steps;
    uint64_t choices; /* decisions between several */
    int64_t time_ns;
    struct sim_schedule schedule; /* what was decided; sim_schedule_finish() */
    char text[SIM_TEXT_MAX];
    char file[SIM_TEXT_MAX];
    char detail[SIM_DETAIL_MAX]; /* more lines about it, or "" */
};

/** Make a run. `*out_result` is written in any case.
 *  Errors: NOMEM. Ownership: the schedule in it is the caller's. Context: the main thread. */
SP_NODISCARD sp_err sim_run(const struct sim_plan *plan, struct sim_result *out_result) SP_NONNULL;

/** What all runs share. `reset`: take memory back after each run, where that is possible; else
 *  runs end their nodes. Errors: NOMEM, NOTSUP. Context: the main thread, before the first run. */
SP_NODISCARD sp_err sim_run_start(bool reset);

/** Free what is kept from run to run. Context: the main thread, at its end. */
void sim_run_finish(void);

/** The registered tests, in the order of their definition. */
const struct sp_sim_test *sim_tests(void);

/** Counts of sp_sometimes() over the campaign. */
void sim_sometimes_each(void (*fn)(void *arg, const char *what, uint64_t count), void *arg)
    SP_NONNULL_ARGS(1);

/** Add counts of another process. Ownership: `what` stays, a constant of the program. */
void sim_sometimes_add(const char *what, uint64_t count) SP_NONNULL;

/** All counts are 0; what is counted stays known. */
void sim_sometimes_clear(void);

#endif
