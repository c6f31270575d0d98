/* What transactions saw of each other, as edges of a graph; and what is wrong without any circle.
 *
 *   lists       the longest read of a key is the order of its elements: writers follow each
 *               other (ww), a reader follows who wrote its last element (wr) and comes before
 *               who wrote the next one (rw)
 *   registers   a transaction that reads a version and writes the key wrote the next one
 *   clients     one transaction after the other
 *   clocks      who ended before another began, over a chain of nodes between the transactions
 *
 * Threads: none of its own. Neighbours: graph.h, transaction.c.
 */
#ifndef SPAWNED_SIM_HISTORY_INFER_H
#define SPAWNED_SIM_HISTORY_INFER_H

#include "sim/history/graph.h"
#include "spawned/transaction.h"

/** Make the graph, not closed yet, and count anomalies that are no circles.
 *  Errors: NOMEM, INVALID. Ownership: the graph is the caller's in any case. Context: any. */
SP_NODISCARD sp_err sim_infer(const struct sp_txn *txns, size_t count, struct sim_graph *graph,
                              struct sp_txn_verdict *verdict) SP_NONNULL_ARGS(3, 4);

#endif
