#include "observe/tree.h"

#include "base/alloc.h"
#include "observe/inspect.h"

#include <stdlib.h>

/* A process's bit for "has a name, or traps exits"; below it is its age. */
#define TREE_HEAVY (UINT64_C(1) << 63)

struct tree_walk {
    struct sp_runtime *runtime;
    int64_t now_ns;
    struct sp__tree_node *heap; /* the root is the lightest */
    size_t count;
    size_t max;
    uint64_t total;
    uint32_t *places; /* by a hash of the slot: index of a node + 1; 0: empty */
    size_t mask;
};

/* ---- choosing ---- */

/* Equal ones in the order of the table. */
static bool tree_lighter(const struct sp__tree_node *a, const struct sp__tree_node *b)
{
    return a->weight != b->weight ? a->weight < b->weight : a->pid.slot > b->pid.slot;
}

static void tree_swap(struct sp__tree_node *a, struct sp__tree_node *b)
{
    struct sp__tree_node c = *a;
    *a = *b;
    *b = c;
}

static void tree_sift_up(struct tree_walk *walk)
{
    size_t at = walk->count - 1;
    while (at > 0 && tree_lighter(&walk->heap[at], &walk->heap[(at - 1) / 2])) {
        tree_swap(&walk->heap[at], &walk->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void tree_sift_down(struct tree_walk *walk)
{
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < walk->count; child++)
            if (tree_lighter(&walk->heap[child], &walk->heap[least]))
                least = child;
        if (least == at)
            return;
        tree_swap(&walk->heap[at], &walk->heap[least]);
        at = least;
    }
}

static void tree_keep(struct tree_walk *walk, const struct sp__tree_node *node)
{
    if (walk->count < walk->max) {
        walk->heap[walk->count++] = *node;
        tree_sift_up(walk);
    } else if (walk->max != 0 && tree_lighter(&walk->heap[0], node)) {
        walk->heap[0] = *node;
        tree_sift_down(walk);
    }
}

/* Inside an epoch section. */
static void tree_choose(struct tree_walk *walk, struct sp_process *process, sp_pid pid)
{
    struct sp__tree_node node = { .pid = pid };
    sp__lock_lock(&process->lock);
    bool closed = process->closed;
    if (!closed) {
        const struct sp__extra *extra = process->extra;
        /* relaxed: a hint of what to draw. */
        uint32_t shared = atomic_load_explicit(&process->shared, memory_order_relaxed);
        node.weight = (uint64_t)(walk->now_ns - sp__process_started(process)) & ~TREE_HEAVY;
        if ((extra != NULL && extra->name != NULL) || (shared & SP__SHARED_TRAPS))
            node.weight |= TREE_HEAVY;
    }
    sp__lock_unlock(&process->lock);
    if (closed)
        return;
    walk->total++;
    tree_keep(walk, &node);
}

/* ---- counting ---- */

static size_t tree_place(const struct tree_walk *walk, uint32_t slot)
{
    return (size_t)((slot * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & walk->mask;
}

static sp_err tree_index(struct tree_walk *walk)
{
    size_t size = 16;
    while (size < 2 * walk->count)
        size *= 2;
    walk->mask = size - 1;
    walk->places = sp__calloc(size, sizeof(*walk->places));
    if (walk->places == NULL)
        return SP_ERR_NOMEM;
    for (size_t i = 0; i < walk->count; i++) {
        size_t at = tree_place(walk, walk->heap[i].pid.slot);
        while (walk->places[at] != 0)
            at = (at + 1) & walk->mask;
        walk->places[at] = (uint32_t)i + 1;
    }
    return SP_OK;
}

/* Inside an epoch section. */
static void tree_count(struct tree_walk *walk, struct sp_process *process, sp_pid pid)
{
    sp_pid parent = sp__process_parent(process);
    (void)pid;
    if (sp_pid_is_none(parent))
        return;
    for (size_t at = tree_place(walk, parent.slot); walk->places[at] != 0;
         at = (at + 1) & walk->mask) {
        struct sp__tree_node *node = &walk->heap[walk->places[at] - 1];
        if (sp_pid_equal(node->pid, parent)) {
            node->children++;
            return;
        }
    }
}

/* ---- the whole ---- */

typedef void (*tree_visit_fn)(struct tree_walk *walk, struct sp_process *process, sp_pid pid);

/* In parts, so that no epoch section is long. */
static void tree_walk_all(struct tree_walk *walk, tree_visit_fn visit)
{
    sp_pid pids[SP__INSPECT_BATCH];
    for (size_t cursor = 0; cursor != SIZE_MAX;) {
        size_t count = sp_process_list(&cursor, pids, SP__INSPECT_BATCH);
        sp__process_enter();
        for (size_t i = 0; i < count; i++) {
            struct sp_process *process = sp__process_lookup(walk->runtime, pids[i]);
            if (process != NULL)
                visit(walk, process, pids[i]);
        }
        sp__process_leave();
    }
}

static int tree_compare(const void *a, const void *b)
{
    return tree_lighter(a, b) ? 1 : tree_lighter(b, a) ? -1 : 0;
}

sp_err sp__tree_read(struct sp__tree_node *nodes, size_t max, size_t *out_count,
                     uint64_t *out_total)
{
    struct tree_walk walk = { .runtime = sp_runtime_current(), .heap = nodes, .max = max };
    if (walk.runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    walk.now_ns = sp__now(walk.runtime);
    tree_walk_all(&walk, tree_choose);
    qsort(nodes, walk.count, sizeof(*nodes), tree_compare);
    sp_err err = tree_index(&walk);
    if (err != SP_OK)
        return err;
    tree_walk_all(&walk, tree_count);
    sp__free(walk.places);
    *out_count = walk.count;
    *out_total = walk.total;
    return SP_OK;
}
