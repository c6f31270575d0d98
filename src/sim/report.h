/* The report of a failure: the verdict, how to have it again, the story, the decisions.
 *
 * Threads: one. Neighbours: run.h, shrink.h.
 */
#ifndef SPAWNED_SIM_REPORT_H
#define SPAWNED_SIM_REPORT_H

#include "sim/run.h"

#include <stdio.h>

/** What a report is made of. */
struct sim_report {
    const struct sp_sim_test *test;
    const char *program;   /* as it was called */
    const char *file;      /* the schedule was written to, or NULL */
    const char *found;     /* name of the strategy */
    uint64_t schedules;    /* until it was found */
    size_t choices_before; /* of the schedule before it was shrunk */
    uint64_t shrink_runs;
    const struct sim_schedule *schedule;
    const struct sim_result *result;
    const struct sim_trace *trace;
};

/** Print it. */
void sim_report_print(FILE *out, const struct sim_report *report) SP_NONNULL;

#endif
