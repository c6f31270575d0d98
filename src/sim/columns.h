/* The columns in which a story is told: one for each process, or, where bytes go between machines,
 * one for each machine. With more than five it has none, and is told as a list.
 *
 * Threads: one. Neighbours: story.h (what is told), report.c (prints it).
 */
#ifndef SPAWNED_SIM_COLUMNS_H
#define SPAWNED_SIM_COLUMNS_H

#include "sim/story.h"

#include <stdio.h>

enum {
    SIM_COLUMNS_MAX = 5,
    SIM_COLUMNS_LEFT = 18, /* before the columns: time and step */
    SIM_COLUMNS_LINE = 200,
};

struct sim_columns {
    const struct sim_story *story;
    size_t count; /* 0: a list */
    size_t width;
    bool machines;
    const char *machine[SIM_COLUMNS_MAX];
};

/** Which columns the story has. */
void sim_columns_make(const struct sim_story *story, struct sim_columns *out) SP_NONNULL;

/** Print the line with their names. */
void sim_columns_head(FILE *out, const struct sim_columns *columns) SP_NONNULL;

/** What the event does, and to whom, below the names. Context: `count` is not 0. */
void sim_columns_line(const struct sim_columns *columns, uint32_t event,
                      char line[SIM_COLUMNS_LINE]) SP_NONNULL;

#endif
