/* The relations of all processes, as edges: for drawings of the whole.
 *
 * Threads: any with a context. Neighbours: inspect.c reads those of one.
 */
#include "observe/inspect.h"

enum {
    EDGES_OF_ONE = 64, /* collected on the stack at once */
};

struct edges_walk {
    uint32_t relations;
    struct sp_inspect_edge *edges;
    size_t max;
    size_t count;
    size_t left_out; /* of the process looked at */
};

static bool edges_wants(const struct edges_walk *walk, enum sp_relation relation)
{
    return walk->relations == 0 || (walk->relations & (1U << relation));
}

static void edges_add(struct edges_walk *walk, sp_pid from, sp_pid to, enum sp_relation relation)
{
    if (sp_pid_is_none(from) || sp_pid_is_none(to))
        return;
    if (walk->count == walk->max)
        walk->left_out++;
    else
        walk->edges[walk->count++] = (struct sp_inspect_edge){ from, to, relation };
}

/* Links and monitors. What is more than fits on the stack is left out, and counted. */
static void edges_tied(struct edges_walk *walk, sp_pid pid, enum sp_relation relation)
{
    sp_pid pids[EDGES_OF_ONE];
    size_t total = 0;
    if (!edges_wants(walk, relation) ||
        sp_inspect_relations(pid, relation, pids, EDGES_OF_ONE, &total) != SP_OK)
        return;
    size_t count = total < EDGES_OF_ONE ? total : EDGES_OF_ONE;
    walk->left_out += total - count;
    for (size_t i = 0; i < count; i++)
        if (relation != SP_RELATION_LINK || pid.slot < pids[i].slot)
            edges_add(walk, pid, pids[i], relation);
}

static void edges_of(struct edges_walk *walk, sp_pid pid)
{
    struct sp_process_info info;
    if (sp_process_info(pid, &info) != SP_OK)
        return;
    if (edges_wants(walk, SP_RELATION_CHILD))
        edges_add(walk, info.parent, pid, SP_RELATION_CHILD);
    if (edges_wants(walk, SP_RELATION_WAIT))
        edges_add(walk, pid, info.waits_for, SP_RELATION_WAIT);
    if (info.links != 0)
        edges_tied(walk, pid, SP_RELATION_LINK);
    if (info.monitors != 0)
        edges_tied(walk, pid, SP_RELATION_MONITOR);
}

size_t sp_inspect_edges(size_t *cursor, uint32_t relations, struct sp_inspect_edge *edges,
                        size_t max, bool *out_cut)
{
    struct edges_walk walk = { .relations = relations, .edges = edges, .max = max };
    bool cut = false;
    while (sp_runtime_current() != NULL && *cursor != SIZE_MAX) {
        size_t before = *cursor;
        size_t count = walk.count;
        sp_pid pid;
        if (sp_process_list(cursor, &pid, 1) == 0)
            continue;
        walk.left_out = 0;
        edges_of(&walk, pid);
        if (walk.left_out != 0 && count > 0 && walk.count == max) {
            walk.count = count; /* it is the first of the next part */
            *cursor = before;
            break;
        }
        cut |= walk.left_out != 0;
        if (walk.count == max)
            break;
    }
    *out_cut = cut;
    return walk.count;
}
