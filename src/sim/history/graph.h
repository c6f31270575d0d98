/* A graph of transactions: edges by kind, strongly connected components, short circles.
 *
 * Threads: none of its own. Neighbours: infer.h (makes the edges), transaction.c (asks).
 */
#ifndef SPAWNED_SIM_HISTORY_GRAPH_H
#define SPAWNED_SIM_HISTORY_GRAPH_H

#include "spawned/err.h"

/** Kinds of edges, as bits. */
enum sim_edge_kind {
    SIM_EDGE_WW = 1,
    SIM_EDGE_WR = 2,
    SIM_EDGE_RW = 4,
    SIM_EDGE_PROCESS = 8,
    SIM_EDGE_TIME = 16,
};

struct sim_edge {
    uint32_t from;
    uint32_t to;
    enum sim_edge_kind kind;
    bool none; /* the version before `value` is nothing */
    uint64_t key;
    int64_t value; /* that was written by `to` (ww, rw) or by `from` (wr) */
};

struct sim_graph {
    struct sim_edge *edges;
    size_t count;
    size_t capacity;
    uint32_t nodes;
    /* From sim_graph_close() on: edges are by `from`. */
    size_t *first;       /* of each node, and one behind */
    uint32_t *component; /* of each node, by the last sim_graph_components() */
    uint32_t *index;     /* scratch of searches, as the next three */
    uint32_t *low;
    uint32_t *stack;
    size_t *cursor;
};

/** Free all. Context: any. */
void sim_graph_finish(struct sim_graph *graph) SP_NONNULL;

/** Add an edge, unless it is a loop. Errors: NOMEM. Context: any. */
SP_NODISCARD sp_err sim_graph_add(struct sim_graph *graph, struct sim_edge edge) SP_NONNULL;

/** All edges are there. Errors: NOMEM. Context: any. */
SP_NODISCARD sp_err sim_graph_close(struct sim_graph *graph) SP_NONNULL;

/** Find the strongly connected components over edges of the kinds in `mask`. False: each is one
 *  node, so there is no circle.
 *  Context: any. Source: R. Tarjan, "Depth-First Search and Linear Graph Algorithms" (1972). */
bool sim_graph_components(struct sim_graph *graph, unsigned mask) SP_NONNULL;

/** What circle is wanted: it goes through an edge of kind `through`, and on over `mask`. */
struct sim_circle {
    unsigned through;
    unsigned mask;
    unsigned rw_min; /* edges of RW in it, at least */
};

/** A short one, among the components that were found last. At most `visits_max` edges are looked
 *  at, so in a huge component it need not be the shortest. `*out_edges` is its edges in order, each
 *  an index of `edges`; none where there is no such circle.
 *  Errors: NOMEM. Ownership: the list is the caller's, sp__free(). Context: any. */
SP_NODISCARD sp_err sim_graph_circle(struct sim_graph *graph, const struct sim_circle *wanted,
                                     uint64_t visits_max, size_t **out_edges, size_t *out_count)
    SP_NONNULL;

#endif
