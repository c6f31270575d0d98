/* /api/tree and /api/graph: who started whom, who waits for whom. See request.h,
 * docs/http-api.md. */
#include "base/alloc.h"
#include "http/cycle.h"
#include "http/request.h"
#include "http/table.h"
#include "observe/tree.h"
#include "spawned/wait_graph.h"

#include <stdlib.h>

enum {
    GRAPH_DEFAULT = 2000,
    GRAPH_NODES_MAX = 10000,
    GRAPH_EDGES_MAX = 20000,
    GRAPH_WAITS_MAX = 5000,
    GRAPH_CYCLES_MAX = 16,
    GRAPH_TIED_MAX = 100, /* links and monitors of one process */
};

/* ---- nodes ---- */

/* What is drawn. */
struct graph_nodes {
    struct sp__tree_node *nodes;
    size_t count;
    size_t max;
    uint64_t total; /* processes alive */
};

/* Ownership: the caller frees `nodes`, also when it was refused. */
static bool graph_read(struct sp__http_ask *ask, struct graph_nodes *out)
{
    *out = (struct graph_nodes){ .max = sp__http_number(ask, 0, GRAPH_DEFAULT, GRAPH_NODES_MAX) };
    if (sp__http_refused(ask))
        return false;
    out->nodes = sp__malloc((out->max + 1) * sizeof(*out->nodes));
    sp_err err = out->nodes == NULL ? SP_ERR_NOMEM
                                    : sp__tree_read(out->nodes, out->max, &out->count, &out->total);
    if (err != SP_OK)
        sp__http_refuse_err(ask, err);
    return err == SP_OK;
}

/* One that has ended since it was chosen is left out. */
static void graph_node(struct sp__json *json, const struct sp__tree_node *node)
{
    struct sp_inspect row;
    if (sp_inspect(node->pid, &row) != SP_OK)
        return;
    const struct sp_process_info *info = &row.process;
    sp__json_open(json, NULL, '{');
    sp__json_pid(json, "pid", info->pid);
    sp__json_pid(json, "parent", info->parent);
    sp__json_text(json, "name", info->name[0] == '\0' ? NULL : info->name);
    sp__json_text(json, "label", info->label);
    sp__json_text(json, "kind", sp__http_kind_text(row.kind));
    sp__json_text(json, "status", sp__http_status_text(info->status));
    sp__json_uint(json, "mailbox", info->mailbox);
    sp__json_uint(json, "children", node->children);
    sp__json_close(json, '}');
}

static void graph_nodes_write(struct sp__json *json, const struct graph_nodes *nodes)
{
    sp__json_open(json, "nodes", '[');
    for (size_t i = 0; i < nodes->count; i++)
        graph_node(json, &nodes->nodes[i]);
    sp__json_close(json, ']');
}

void sp__http_tree(struct sp__http_ask *ask, struct sp__json *json)
{
    struct graph_nodes nodes;
    if (graph_read(ask, &nodes)) {
        sp__json_bool(json, "truncated", nodes.count < nodes.total);
        sp__json_uint(json, "total", nodes.total);
        graph_nodes_write(json, &nodes);
    }
    sp__free(nodes.nodes);
}

/* ---- waits ---- */

/* All waits, by the slot of who waits. */
struct graph_waits {
    struct sp_wait *waits;
    size_t count;
    bool truncated;
};

/* Errors: NOMEM. Ownership: the caller frees `waits`. */
static sp_err graph_waits_read(struct graph_waits *out)
{
    size_t cursor = 0;
    *out = (struct graph_waits){ .waits = sp__malloc(GRAPH_WAITS_MAX * sizeof(*out->waits)) };
    if (out->waits == NULL)
        return SP_ERR_NOMEM;
    while (cursor != SIZE_MAX && out->count < GRAPH_WAITS_MAX)
        out->count += sp_wait_list(&cursor, out->waits + out->count, GRAPH_WAITS_MAX - out->count);
    out->truncated = cursor != SIZE_MAX;
    return SP_OK;
}

static int graph_compare_wait(const void *a, const void *b)
{
    uint32_t left = ((const struct sp_wait *)a)->from.slot;
    uint32_t right = ((const struct sp_wait *)b)->from.slot;
    return (left > right) - (left < right);
}

static int graph_compare_node(const void *a, const void *b)
{
    uint32_t left = ((const struct sp__tree_node *)a)->pid.slot;
    uint32_t right = ((const struct sp__tree_node *)b)->pid.slot;
    return (left > right) - (left < right);
}

/* Who waits or is waited for comes before the rest, however many there are. Errors: NOMEM. */
static sp_err graph_add_waiting(struct graph_nodes *nodes, const struct graph_waits *waits)
{
    size_t count = 0;
    size_t kept = 0;
    struct sp__tree_node *all = sp__calloc(2 * waits->count + nodes->max + 1, sizeof(*all));
    if (all == NULL)
        return SP_ERR_NOMEM;
    for (size_t i = 0; i < waits->count; i++) {
        all[count++].pid = waits->waits[i].from;
        all[count++].pid = waits->waits[i].to;
    }
    qsort(all, count, sizeof(*all), graph_compare_node);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !sp_pid_equal(all[i].pid, all[kept - 1].pid))
            all[kept++] = all[i];
    size_t waiting = kept;
    for (size_t i = 0; i < nodes->count && kept < nodes->max; i++)
        if (bsearch(&nodes->nodes[i], all, waiting, sizeof(*all), graph_compare_node) == NULL)
            all[kept++] = nodes->nodes[i];
    sp__free(nodes->nodes);
    nodes->nodes = all;
    nodes->count = kept < nodes->max ? kept : nodes->max;
    return SP_OK;
}

/* ---- cycles ---- */

/* Of a deferred call others may answer, so it closes no circle. Looks twice: what was read, and
 * what is. */
static sp_pid graph_waits_for(sp_pid pid, void *arg)
{
    const struct graph_waits *waits = arg;
    const struct sp_wait key = { .from = pid };
    const struct sp_wait *wait =
        bsearch(&key, waits->waits, waits->count, sizeof(key), graph_compare_wait);
    struct sp_process_info info;
    if (wait == NULL || wait->deferred || !sp_pid_equal(wait->from, pid) ||
        sp_process_info(pid, &info) != SP_OK || !sp_pid_equal(info.waits_for, wait->to))
        return SP_PID_NONE;
    return wait->to;
}

static void graph_cycles(struct sp__json *json, struct graph_waits *waits)
{
    sp_pid cycle[SP__HTTP_CYCLE_MAX];
    int cycles = 0;
    sp__json_open(json, "cycles", '[');
    for (size_t i = 0; i < waits->count && cycles < GRAPH_CYCLES_MAX; i++) {
        size_t count = sp__http_cycle(waits->waits[i].from, graph_waits_for, waits, cycle);
        if (count == 0)
            continue;
        cycles++;
        sp__json_open(json, NULL, '[');
        for (size_t k = 0; k < count; k++)
            sp__json_pid(json, NULL, cycle[k]);
        sp__json_close(json, ']');
    }
    sp__json_close(json, ']');
}

/* ---- edges ---- */

/* The edges written so far, and whether there were more. */
struct graph_edges {
    struct sp__json *json;
    size_t count;
    bool truncated;
};

/* False: no more. The caller closes it. */
static bool graph_edge_open(struct graph_edges *edges, sp_pid from, sp_pid to, const char *kind)
{
    if (edges->count == GRAPH_EDGES_MAX) {
        edges->truncated = true;
        return false;
    }
    edges->count++;
    sp__json_open(edges->json, NULL, '{');
    sp__json_pid(edges->json, "from", from);
    sp__json_pid(edges->json, "to", to);
    sp__json_text(edges->json, "kind", kind);
    return true;
}

static void graph_wait_edges(struct graph_edges *edges, const struct graph_waits *waits)
{
    static const char *const kinds[] = { "call", "start", "join", "stop", "room", "task", "group" };
    int64_t now_ns = sp_now().ns;
    for (size_t i = 0; i < waits->count; i++) {
        const struct sp_wait *wait = &waits->waits[i];
        if (!graph_edge_open(edges, wait->from, wait->to, "wait"))
            return;
        sp__json_text(edges->json, "wait", kinds[wait->kind]);
        sp__json_text(edges->json, "operation", wait->operation);
        if (wait->since.ns == 0)
            sp__json_null(edges->json, "for_ms");
        else
            sp__json_ms(edges->json, "for_ms",
                        now_ns > wait->since.ns ? now_ns - wait->since.ns : 0);
        sp__json_bool(edges->json, "deferred", wait->deferred);
        sp__json_close(edges->json, '}');
    }
}

static void graph_tied_edges(struct graph_edges *edges, sp_pid pid, enum sp_relation relation)
{
    sp_pid pids[GRAPH_TIED_MAX];
    size_t total = 0;
    bool link = relation == SP_RELATION_LINK;
    if (sp_inspect_relations(pid, relation, pids, GRAPH_TIED_MAX, &total) != SP_OK)
        return;
    edges->truncated |= total > GRAPH_TIED_MAX;
    for (size_t i = 0; i < total && i < GRAPH_TIED_MAX; i++)
        /* A link is seen from both ends, and told once. */
        if ((!link || pid.slot < pids[i].slot) &&
            graph_edge_open(edges, pid, pids[i], link ? "link" : "monitor"))
            sp__json_close(edges->json, '}');
}

static void graph_write(struct sp__json *json, const struct graph_nodes *nodes,
                        struct graph_waits *waits)
{
    struct graph_edges edges = { .json = json, .truncated = waits->truncated };
    sp__json_bool(json, "available", true);
    graph_nodes_write(json, nodes);
    sp__json_open(json, "edges", '[');
    graph_wait_edges(&edges, waits);
    for (size_t i = 0; i < nodes->count; i++) {
        graph_tied_edges(&edges, nodes->nodes[i].pid, SP_RELATION_LINK);
        graph_tied_edges(&edges, nodes->nodes[i].pid, SP_RELATION_MONITOR);
    }
    sp__json_close(json, ']');
    sp__json_bool(json, "truncated", edges.truncated || nodes->count < nodes->total);
    graph_cycles(json, waits);
}

void sp__http_graph(struct sp__http_ask *ask, struct sp__json *json)
{
    struct graph_nodes nodes;
    struct graph_waits waits = { .waits = NULL };
    if (graph_read(ask, &nodes)) {
        sp_err err = graph_waits_read(&waits);
        if (err == SP_OK)
            err = graph_add_waiting(&nodes, &waits);
        if (err == SP_OK)
            graph_write(json, &nodes, &waits);
        else
            sp__http_refuse_err(ask, err);
    }
    sp__free(waits.waits);
    sp__free(nodes.nodes);
}
