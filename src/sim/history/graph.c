#include "sim/history/graph.h"

#include "base/alloc.h"

#include <string.h>

#define GRAPH_NONE UINT32_MAX

void sim_graph_finish(struct sim_graph *graph)
{
    sp__free(graph->edges);
    sp__free(graph->first);
    sp__free(graph->component);
    sp__free(graph->index);
    sp__free(graph->low);
    sp__free(graph->stack);
    sp__free(graph->cursor);
    *graph = (struct sim_graph){ .count = 0 };
}

sp_err sim_graph_add(struct sim_graph *graph, struct sim_edge edge)
{
    if (edge.from == edge.to)
        return SP_OK;
    if (graph->count == graph->capacity) {
        size_t capacity = graph->capacity == 0 ? 256 : 2 * graph->capacity;
        struct sim_edge *edges = sp__realloc(graph->edges, capacity * sizeof(*edges));
        if (edges == NULL)
            return SP_ERR_NOMEM;
        graph->edges = edges;
        graph->capacity = capacity;
    }
    graph->edges[graph->count++] = edge;
    return SP_OK;
}

/* Edges by where they begin, in one pass of counting. */
static sp_err graph_sort(struct sim_graph *graph)
{
    struct sim_edge *sorted = sp__malloc((graph->count + 1) * sizeof(*sorted));
    if (sorted == NULL)
        return SP_ERR_NOMEM;
    for (size_t i = 0; i < graph->count; i++)
        graph->first[graph->edges[i].from + 1]++;
    for (uint32_t node = 0; node < graph->nodes; node++) {
        graph->first[node + 1] += graph->first[node];
        graph->cursor[node] = graph->first[node];
    }
    for (size_t i = 0; i < graph->count; i++)
        sorted[graph->cursor[graph->edges[i].from]++] = graph->edges[i];
    sp__free(graph->edges);
    graph->edges = sorted;
    graph->capacity = graph->count + 1;
    return SP_OK;
}

sp_err sim_graph_close(struct sim_graph *graph)
{
    size_t nodes = (size_t)graph->nodes + 1;
    graph->first = sp__calloc(nodes + 1, sizeof(*graph->first));
    graph->component = sp__calloc(nodes, sizeof(*graph->component));
    graph->index = sp__calloc(nodes, sizeof(*graph->index));
    graph->low = sp__calloc(nodes, sizeof(*graph->low));
    graph->stack = sp__calloc(2 * nodes, sizeof(*graph->stack));
    graph->cursor = sp__calloc(nodes, sizeof(*graph->cursor));
    if (graph->first == NULL || graph->component == NULL || graph->index == NULL ||
        graph->low == NULL || graph->stack == NULL || graph->cursor == NULL)
        return SP_ERR_NOMEM;
    return graph_sort(graph);
}

/* ---- components ---- */

/* Two stacks in one block: nodes that have no component yet, and the way down to here. */
struct graph_walk {
    struct sim_graph *graph;
    uint32_t *open;
    size_t open_count;
    uint32_t *way;
    size_t way_count;
    uint32_t next_index;
    uint32_t components;
    unsigned mask;
};

static void walk_enter(struct graph_walk *walk, uint32_t node)
{
    struct sim_graph *graph = walk->graph;
    graph->index[node] = graph->low[node] = ++walk->next_index;
    graph->cursor[node] = graph->first[node];
    walk->open[walk->open_count++] = node;
    walk->way[walk->way_count++] = node;
}

/* All below `node` has been seen. True: it and others are a component. */
static bool walk_leave(struct graph_walk *walk, uint32_t node)
{
    struct sim_graph *graph = walk->graph;
    size_t members = 0;
    walk->way_count--;
    if (walk->way_count > 0) {
        uint32_t above = walk->way[walk->way_count - 1];
        graph->low[above] =
            graph->low[node] < graph->low[above] ? graph->low[node] : graph->low[above];
    }
    if (graph->low[node] != graph->index[node])
        return false;
    for (uint32_t member = GRAPH_NONE; member != node; members++) {
        member = walk->open[--walk->open_count];
        graph->component[member] = walk->components;
    }
    walk->components++;
    return members > 1;
}

static bool walk_from(struct graph_walk *walk, uint32_t start)
{
    struct sim_graph *graph = walk->graph;
    bool any = false;
    walk_enter(walk, start);
    while (walk->way_count > 0) {
        uint32_t node = walk->way[walk->way_count - 1];
        if (graph->cursor[node] == graph->first[node + 1]) {
            any = walk_leave(walk, node) || any;
            continue;
        }
        const struct sim_edge *edge = &graph->edges[graph->cursor[node]++];
        if (!(edge->kind & walk->mask))
            continue;
        if (graph->index[edge->to] == 0)
            walk_enter(walk, edge->to);
        else if (graph->component[edge->to] == GRAPH_NONE &&
                 graph->index[edge->to] < graph->low[node])
            graph->low[node] = graph->index[edge->to];
    }
    return any;
}

bool sim_graph_components(struct sim_graph *graph, unsigned mask)
{
    struct graph_walk walk = {
        .graph = graph, .open = graph->stack, .way = graph->stack + graph->nodes, .mask = mask
    };
    bool any = false;
    memset(graph->index, 0, graph->nodes * sizeof(*graph->index));
    memset(graph->component, 0xff, graph->nodes * sizeof(*graph->component));
    for (uint32_t node = 0; node < graph->nodes; node++)
        if (graph->index[node] == 0)
            any = walk_from(&walk, node) || any;
    return any;
}

/* ---- circles ---- */

/* From the end of `start` back to its begin, as short as possible: `low` is the number of the
 * search that reached a node, `cursor` the edge it came by. False: there is no way. */
static bool circle_search(struct sim_graph *graph, const struct sim_edge *start, unsigned mask,
                          uint32_t search, uint64_t *visits)
{
    size_t head = 0;
    size_t tail = 0;
    uint32_t component = graph->component[start->from];
    graph->stack[tail++] = start->to;
    graph->low[start->to] = search;
    while (head < tail) {
        uint32_t node = graph->stack[head++];
        for (size_t i = graph->first[node]; i < graph->first[node + 1]; i++) {
            const struct sim_edge *edge = &graph->edges[i];
            ++*visits;
            if (!(edge->kind & mask) || graph->component[edge->to] != component ||
                graph->low[edge->to] == search)
                continue;
            graph->low[edge->to] = search;
            graph->cursor[edge->to] = i;
            if (edge->to == start->from)
                return true;
            graph->stack[tail++] = edge->to;
        }
    }
    return false;
}

/* The circle just found, as edges from `start` on. */
static size_t circle_take(const struct sim_graph *graph, size_t start, size_t *list)
{
    size_t count = 1;
    uint32_t node = graph->edges[start].from;
    for (; node != graph->edges[start].to; node = graph->edges[graph->cursor[node]].from)
        count++;
    size_t at = count;
    for (node = graph->edges[start].from; node != graph->edges[start].to;) {
        list[--at] = graph->cursor[node];
        node = graph->edges[graph->cursor[node]].from;
    }
    list[0] = start;
    return count;
}

static unsigned circle_rw(const struct sim_graph *graph, const size_t *list, size_t count)
{
    unsigned rw = 0;
    for (size_t i = 0; i < count; i++)
        rw += graph->edges[list[i]].kind == SIM_EDGE_RW;
    return rw;
}

sp_err sim_graph_circle(struct sim_graph *graph, const struct sim_circle *wanted,
                        uint64_t visits_max, size_t **out_edges, size_t *out_count)
{
    uint64_t visits = 0;
    uint32_t search = 0;
    size_t best = 0;
    size_t *list = sp__malloc(2 * ((size_t)graph->nodes + 1) * sizeof(*list));
    if (list == NULL)
        return SP_ERR_NOMEM;
    size_t *kept = list + graph->nodes + 1;
    memset(graph->low, 0, graph->nodes * sizeof(*graph->low));
    for (size_t i = 0; i < graph->count && visits < visits_max && best != 2; i++) {
        const struct sim_edge *edge = &graph->edges[i];
        if (!(edge->kind & wanted->through) ||
            graph->component[edge->from] != graph->component[edge->to] ||
            !circle_search(graph, edge, wanted->mask, ++search, &visits))
            continue;
        size_t count = circle_take(graph, i, list);
        if ((best == 0 || count < best) && circle_rw(graph, list, count) >= wanted->rw_min) {
            best = count;
            memcpy(kept, list, count * sizeof(*list));
        }
    }
    memmove(list, kept, best * sizeof(*list));
    *out_edges = list;
    *out_count = best;
    return SP_OK;
}
