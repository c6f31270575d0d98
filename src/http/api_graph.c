/* /api/tree and /api/graph: who started whom, who waits for whom. See request.h,
 * docs/http-api.md. */
#include "http/cycle.h"
#include "http/relations.h"
#include "http/request.h"
#include "http/table.h"

enum {
    GRAPH_DEFAULT = 2000,
    GRAPH_EDGES_MAX = 20000,
    GRAPH_CYCLES_MAX = 16,
};

static bool graph_read(struct sp__http_ask *ask, struct sp__http_table *table)
{
    struct sp__http_query query = { .sort = SP__HTTP_SORT_WEIGHT,
                                    .descending = true,
                                    .limit =
                                        sp__http_number(ask, 0, GRAPH_DEFAULT, SP__HTTP_TABLE_MAX),
                                    .status = -1 };
    if (sp__http_refused(ask))
        return false;
    sp_err err = sp__http_table_read(&query, table);
    if (err != SP_OK)
        sp__http_refuse_err(ask, err);
    return err == SP_OK;
}

static void graph_node(struct sp__json *json, const struct sp_process_info *info)
{
    sp__json_open(json, NULL, '{');
    sp__json_pid(json, "pid", info->pid);
    sp__json_pid(json, "parent", info->parent);
    sp__json_text(json, "name", info->name[0] == '\0' ? NULL : info->name);
    sp__json_text(json, "label", info->label);
    sp__json_text(json, "status", sp__http_status_text(info->status));
    sp__json_uint(json, "mailbox", info->mailbox);
    sp__json_close(json, '}');
}

void sp__http_tree(struct sp__http_ask *ask, struct sp__json *json)
{
    struct sp__http_table table = { .rows = NULL };
    if (!graph_read(ask, &table))
        return;
    sp__json_bool(json, "truncated", table.count < table.matched);
    sp__json_uint(json, "total", table.total);
    sp__json_open(json, "nodes", '[');
    for (size_t i = 0; i < table.count; i++)
        graph_node(json, &table.rows[i]);
    sp__json_close(json, ']');
    sp__http_table_finish(&table);
}

/* ---- cycles ---- */

static sp_pid graph_waits_for(sp_pid pid, void *unused)
{
    struct sp_process_info info;
    (void)unused;
    return sp_process_info(pid, &info) == SP_OK ? info.waits_for : SP_PID_NONE;
}

static void graph_cycles(struct sp__json *json, const struct sp__http_table *table)
{
    sp_pid cycle[SP__HTTP_CYCLE_MAX];
    int cycles = 0;
    sp__json_open(json, "cycles", '[');
    for (size_t i = 0; i < table->count && cycles < GRAPH_CYCLES_MAX; i++) {
        if (sp_pid_is_none(table->rows[i].waits_for))
            continue;
        size_t count = sp__http_cycle(table->rows[i].pid, graph_waits_for, NULL, cycle);
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

static void graph_edge(struct graph_edges *edges, sp_pid from, sp_pid to, const char *kind)
{
    if (edges->count == GRAPH_EDGES_MAX) {
        edges->truncated = true;
        return;
    }
    edges->count++;
    sp__json_open(edges->json, NULL, '{');
    sp__json_pid(edges->json, "from", from);
    sp__json_pid(edges->json, "to", to);
    sp__json_text(edges->json, "kind", kind);
    sp__json_close(edges->json, '}');
}

static void graph_edges_of(struct graph_edges *edges, const struct sp_process_info *info)
{
    sp_pid pids[SP__HTTP_RELATIONS_MAX];
    if (!sp_pid_is_none(info->waits_for))
        graph_edge(edges, info->pid, info->waits_for, "wait");
    size_t count = info->links == 0 ? 0 : sp__http_relations_read(info->pid, SP__HTTP_LINKS, pids);
    for (size_t i = 0; i < count; i++) /* each is seen from both ends, and told once */
        if (info->pid.slot < pids[i].slot)
            graph_edge(edges, info->pid, pids[i], "link");
    count = info->monitors == 0 ? 0 : sp__http_relations_read(info->pid, SP__HTTP_MONITORS, pids);
    for (size_t i = 0; i < count; i++)
        graph_edge(edges, info->pid, pids[i], "monitor");
}

void sp__http_graph(struct sp__http_ask *ask, struct sp__json *json)
{
    struct sp__http_table table = { .rows = NULL };
    if (!graph_read(ask, &table))
        return;
    struct graph_edges edges = { .json = json };
    sp__json_bool(json, "available", true);
    sp__json_open(json, "nodes", '[');
    for (size_t i = 0; i < table.count; i++)
        graph_node(json, &table.rows[i]);
    sp__json_close(json, ']');
    sp__json_open(json, "edges", '[');
    for (size_t i = 0; i < table.count; i++)
        graph_edges_of(&edges, &table.rows[i]);
    sp__json_close(json, ']');
    sp__json_bool(json, "truncated", edges.truncated || table.count < table.matched);
    graph_cycles(json, &table);
    sp__http_table_finish(&table);
}
