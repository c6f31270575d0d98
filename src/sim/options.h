/* The command line of a test program, and its console.
 *
 * Threads: one. Neighbours: main.c, failure.c, detect.c.
 */
#ifndef SPAWNED_SIM_OPTIONS_H
#define SPAWNED_SIM_OPTIONS_H

#include "spawned/base.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_options {
    const char *program;
    const char *filter;
    const char *replay;   /* file of a schedule, or NULL; --explain, --shrink, --gdb too */
    const char *strategy; /* NULL: all in turn */
    const char *output;   /* folder for the schedules of failures */
    const char *faults;   /* changes of what tests allow, or NULL */
    const char *json;     /* or NULL */
    const char *svg;      /* or NULL */
    uint64_t runs;
    uint64_t seconds;
    uint64_t seed;
    uint64_t depth;
    uint64_t jobs;        /* processes that make runs */
    const char *run_text; /* --run, or NULL */
    uint64_t run;         /* only this one, from 1; 0: all */
    bool seed_given;
    bool output_given;
    bool list;
    bool twice; /* --check-determinism */
    bool exhaust;
    bool plain; /* see --plain */
    bool no_reset;
    bool no_traps;
    bool keep_going; /* failures are counted, and nothing else */
    bool digest;
    bool shrink; /* the schedule of `replay`, once more */
    bool gdb;    /* stop at the failing step */
};

/** Read the command line; ends the program where it is wrong or asks for help. */
void sim_options_parse(struct sim_options *options, int argc, char **argv) SP_NONNULL;

/** What the program under test writes to stderr would drown the report: `on` drops it. The first
 *  call, with false, finds out where it goes. */
void sim_silence(bool on);

/** The simulation itself has no memory: says so and ends the program. */
SP_NORETURN void sim_no_memory(void);

/** Seconds of real time, from anywhere. */
double sim_seconds(void);

#endif
