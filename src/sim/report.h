/* The report of a failure: the verdict, how to have it again, the story, the two steps that are
 * the bug, where in the source; and the other files it is in.
 *
 * Threads: one. Neighbours: story.h (what is told), failure.c (when), svg.c and lines.c (twins).
 */
#ifndef SPAWNED_SIM_REPORT_H
#define SPAWNED_SIM_REPORT_H

#include "sim/run.h"
#include "sim/story.h"

#include <stdio.h>

/** What a report is made of. */
struct sim_report {
    const struct sp_sim_test *test;
    const char *program;   /* as it was called */
    const char *file;      /* the schedule was written to, or NULL */
    const char *found;     /* name of the strategy */
    uint64_t schedules;    /* until it was found; 0: it was not searched for */
    uint64_t seed;         /* of the campaign */
    size_t choices_before; /* of the schedule before it was shrunk */
    uint64_t shrink_runs;
    unsigned replays; /* how often it was run again, */
    unsigned agreed;  /* and how often that was the same */
    const struct sim_schedule *schedule;
    const struct sim_result *result;
    const struct sim_story *story;
    const char *detail; /* of a history that was judged, or NULL */
    const char *also;   /* names of the files with the rest, or NULL */
};

/** Print it. */
void sim_report_print(FILE *out, const struct sim_report *report) SP_NONNULL;

/** Write the time-line as an SVG picture. Errors: IO (errno says why). */
SP_NODISCARD sp_err sim_svg_write(const char *path, const struct sim_report *report) SP_NONNULL;

/** Write everything as JSON, one object a line. Errors: IO (errno says why). */
SP_NODISCARD sp_err sim_lines_write(const char *path, const struct sim_report *report) SP_NONNULL;

#endif
