/* The core of an illegal history: few operations that are illegal by themselves.
 *
 * What began after the last of them had ended is of no account. Another operation is left out by letting it happen at any time, once or not at all (first: as often as
 * wanted, which is easier to search). What a history without it allows is allowed then, too,
 * so what is left is illegal whatever the others did: a read of a stale value keeps the
 * write that it missed. Merely taking operations away would end at a read of something that
 * nobody wrote.
 *
 * Threads: none of its own. Neighbours: search.h, check.c.
 * Source: A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002).
 */
#ifndef SPAWNED_SIM_HISTORY_CORE_H
#define SPAWNED_SIM_HISTORY_CORE_H

#include "sim/history/search.h"

/** What is to be shrunk. */
struct sim_core {
    const struct sp_model *model;
    const struct sim_search_op *ops; /* by call; `ret` SP_HISTORY_OPEN: open */
    size_t count;
    uint64_t last;   /* no order gets past this stamp */
    uint64_t states; /* that the search took */
    size_t memory_max;
};

/** Indices of the core's operations, by call.
 *  Errors: NOMEM. Ownership: the list is the caller's, sp__free(). Context: any. */
SP_NODISCARD sp_err sim_core_find(const struct sim_core *input, size_t **out_list,
                                  size_t *out_count) SP_NONNULL;

#endif
