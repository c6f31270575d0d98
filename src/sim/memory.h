/* Memory of the world, given back as a whole after each run.
 *
 * While a run is inside, malloc() and anonymous mmap() of the whole program, the library's
 * included, come from one arena, and the next run finds the arena empty and the program's
 * writable data as they were before the first run. So nothing leaks from run to run, not even a
 * static variable or a process that hangs, and a run needs no clean end.
 *
 *   arena   | small blocks, side by side -> | maps and large blocks ->    64 GiB of addresses |
 *   pages   clean: zero, read-only; a write faults and makes the page dirty
 *   begin   all dirty pages are zeroed again, the data are copied back; a page that many runs
 *           in turn did not write to is clean again
 *
 * So a run costs what it touches. Under sanitizers and Valgrind, which have an allocator of
 * their own, there is no arena, and runs end their nodes in good order instead.
 *
 * Limits: the program's own threads, files and other libraries' data are not restored; memory
 * that a run got from an allocator inside another library is not either.
 *
 * Threads: one. Neighbours: run.c.
 */
#ifndef SPAWNED_SIM_MEMORY_H
#define SPAWNED_SIM_MEMORY_H

#include "spawned/base.h"

/** Set the arena up and remember the program's data. False: there is none here. Once, before the
 *  first run, after what is to stay was allocated. */
bool sim_memory_start(void);

/** Is there an arena? */
bool sim_memory_started(void);

/** Take everything back, to begin a run. */
void sim_memory_reset(void);

/** Is the arena on? NULL: there is none. Only for the function below. */
extern bool *sim__memory_on;

/** Switch the arena on or off; returns what it was. Some times in each step, so it is not called. */
static inline bool sim_memory_switch(bool on)
{
    bool *flag = sim__memory_on;
    bool before = flag != NULL && *flag;
    if (flag != NULL)
        *flag = on;
    return before;
}

/** The sanitizer that the program is built with, and this library not: their allocators cannot
 *  both be there. NULL: none. */
const char *sim_memory_foreign(void);

/** Is it on? True where there is none. */
bool sim_memory_inside(void);

/** Where blocks lie, and what is in them before the program has written there: what no program
 *  may depend on. Zero is how it is otherwise. */
struct sim_layout {
    size_t shift;     /* bytes by which all addresses differ */
    uint64_t scatter; /* not 0: blocks are in no order, with gaps, by this number */
    /* Not 0: what the first 4 KiB of a new block hold; one that was freed, its complement. */
    unsigned char fill;
};

/** The layout of the runs from here on; NULL: the usual one. */
void sim_memory_set_layout(const struct sim_layout *layout);

#endif
