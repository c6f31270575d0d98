/* The processes that a drawing of all begins with, and how many each of them started.
 *
 * Of a million only some can be drawn: first those that have a name or trap exits, as supervisors
 * do, then the oldest. The table is walked twice, with what is kept as the only memory: once to
 * choose, once to count whose children there are.
 *
 * Threads: any with a context. Neighbours: inspect.h, page.c; the endpoint draws it.
 */
#ifndef SPAWNED_OBSERVE_TREE_H
#define SPAWNED_OBSERVE_TREE_H

#include "spawned/inspect.h"

/** A process that is drawn. */
struct sp__tree_node {
    uint64_t weight;
    sp_pid pid;
    uint32_t children; /* that are alive */
};

/** Fill `nodes` with the `max` heaviest, the heaviest first. `*out_total`: processes looked at.
 *  Errors: NOMEM, NOTCONTEXT. Context: process; takes as long as there are processes. */
SP_NODISCARD sp_err sp__tree_read(struct sp__tree_node *nodes, size_t max, size_t *out_count,
                                  uint64_t *out_total) SP_NONNULL_ARGS(3, 4);

#endif
