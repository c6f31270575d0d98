/* The columns in which a story is told: one for each process, or, where bytes go between machines,
 * one for each machine. In text, more than five are none: then it is told as a list.
 *
 * Threads: one. Neighbours: story.h (what is told); report.c prints it, svg.c draws it.
 */
#ifndef SPAWNED_SIM_COLUMNS_H
#define SPAWNED_SIM_COLUMNS_H

#include "sim/story.h"

#include <stdio.h>

enum {
    SIM_COLUMNS_MAX = 5, /* in text */
    SIM_COLUMNS_MACHINES_MAX = 24,
    SIM_COLUMNS_LEFT = 18, /* before the columns: time and step */
    SIM_COLUMNS_LINE = 200,
};

struct sim_columns {
    const struct sim_story *story;
    size_t count; /* 0: a list */
    size_t width; /* in text */
    bool machines;
    const char *machine[SIM_COLUMNS_MACHINES_MAX];
};

/** Columns for machines, from what is told, or from `all` that happened. False: bytes do not go
 *  between machines, or these are too many. */
bool sim_columns_machines(const struct sim_story *story, bool all, struct sim_columns *out)
    SP_NONNULL;

/** Which columns the story has in text. */
void sim_columns_make(const struct sim_story *story, struct sim_columns *out) SP_NONNULL;

/** The column of a lane, or SIZE_MAX. */
size_t sim_columns_of(const struct sim_columns *columns, uint32_t lane) SP_NONNULL;

/** The one that the event's arrow goes to, or SIZE_MAX. */
size_t sim_columns_to(const struct sim_columns *columns, uint32_t event) SP_NONNULL;

/** What the event does, as it stands in its column. */
void sim_columns_text(const struct sim_columns *columns, uint32_t event,
                      char text[2 * SIM_STORY_TEXT]) SP_NONNULL;

/** Print the line with their names. */
void sim_columns_head(FILE *out, const struct sim_columns *columns) SP_NONNULL;

/** What the event does, and to whom, below the names. Context: `count` is not 0. */
void sim_columns_line(const struct sim_columns *columns, uint32_t event,
                      char line[SIM_COLUMNS_LINE]) SP_NONNULL;

#endif
