/* Where in the program's source a code address lies: file, line, function, calls that were
 * inlined included.
 *
 * The debugging information is read by addr2line, which comes with the compiler's binutils; it
 * is started once for all addresses of a report. Without it, or without that information,
 * places are unknown and reports say so.
 *
 * Threads: one. Neighbours: story.c, traps.c.
 */
#ifndef SPAWNED_SIM_SOURCE_H
#define SPAWNED_SIM_SOURCE_H

#include "spawned/base.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    SIM_PLACE_MAX = 96,
};

struct sim_place {
    const void *address;
    int line; /* 0: unknown */
    char function[SIM_PLACE_MAX];
    char file[4 * SIM_PLACE_MAX]; /* as the compiler was told */
};

/** Places of addresses; an address with inlined calls has several in a row, innermost first. */
struct sim_sources {
    struct sim_place *places;
    size_t count;
    size_t capacity;
    bool no_tool; /* addr2line is not there */
};

/** Look up return addresses, all at once; those that cannot be found are left out.
 *  Ownership: sim_sources_finish(). Context: the main thread, outside of a run. */
void sim_sources_find(struct sim_sources *sources, void *const *addresses, size_t count)
    SP_NONNULL_ARGS(1);
void sim_sources_finish(struct sim_sources *sources) SP_NONNULL;

/** The program's own line, given return addresses of a stack, innermost first: what the headers
 *  of the library put there (S_op() of SP_CALL ...) is passed over. NULL: unknown. */
const struct sim_place *sim_sources_place(const struct sim_sources *sources, void *const *frames,
                                          int count) SP_NONNULL_ARGS(1);

/** "function at file.c:12", or "" for NULL. Returns `text`. */
const char *sim_place_text(const struct sim_place *place, char *text, size_t size)
    SP_NONNULL_ARGS(2);

/** The file's name without folders. */
const char *sim_place_file(const struct sim_place *place) SP_NONNULL;

#endif
