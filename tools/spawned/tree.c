/* spawned tree: who started whom, drawn.
 *
 * The nodes form a forest: the parent of each is at most one other. What a node says otherwise (a circle of
 * parents) is drawn from wherever it is met first, and each node once.
 */
#include "commands.h"
#include "process.h"
#include "text.h"
#include "value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TREE_DEPTH_MAX = 64 }; /* deeper ones are drawn as if they were so deep */

#define TREE_NONE SIZE_MAX

struct tree_node {
    const json_t *process;
    const char *pid;
    size_t parent;
    size_t first; /* child, in the node's order */
    size_t last;
    size_t next; /* sibling */
    size_t children;
    bool drawn;
};

struct tree {
    struct tree_node *nodes; /* as the node told them */
    size_t *by_pid;          /* the same, sorted */
    size_t count;
    size_t columns;
    bool bars[TREE_DEPTH_MAX]; /* of these depths there are more to come */
};

/* ---- building ---- */

static int tree_compare(const void *a, const void *b, void *arg)
{
    const struct tree_node *nodes = arg;
    return strcmp(nodes[*(const size_t *)a].pid, nodes[*(const size_t *)b].pid);
}

static size_t tree_index(const struct tree *tree, const char *pid)
{
    size_t low = 0;
    size_t high = tree->count;
    while (pid != NULL && low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(pid, tree->nodes[tree->by_pid[middle]].pid);
        if (order == 0)
            return tree->by_pid[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return TREE_NONE;
}

static void tree_adopt(struct tree *tree, size_t child)
{
    struct tree_node *node = &tree->nodes[child];
    node->parent = tree_index(tree, value_text(node->process, "parent"));
    if (node->parent == child)
        node->parent = TREE_NONE;
    if (node->parent == TREE_NONE)
        return;
    struct tree_node *parent = &tree->nodes[node->parent];
    if (parent->first == TREE_NONE)
        parent->first = child;
    else
        tree->nodes[parent->last].next = child;
    parent->last = child;
    parent->children++;
}

static bool tree_build(struct tree *tree, const json_t *list)
{
    tree->count = json_array_size(list);
    tree->nodes = calloc(tree->count + 1, sizeof(*tree->nodes));
    tree->by_pid = calloc(tree->count + 1, sizeof(*tree->by_pid));
    if (tree->nodes == NULL || tree->by_pid == NULL)
        return false;
    for (size_t i = 0; i < tree->count; i++) {
        const json_t *process = json_array_get(list, i);
        const char *pid = value_text(process, "pid");
        tree->nodes[i] = (struct tree_node){
            .process = process, .pid = pid == NULL ? "" : pid, .first = TREE_NONE, .next = TREE_NONE
        };
        tree->by_pid[i] = i;
    }
    qsort_r(tree->by_pid, tree->count, sizeof(size_t), tree_compare, tree->nodes);
    for (size_t i = 0; i < tree->count; i++)
        tree_adopt(tree, i);
    return true;
}

/* ---- drawing ---- */

static const char *tree_part(const char *utf8, const char *ascii)
{
    return text_is_utf8() ? utf8 : ascii;
}

static void tree_bars(const struct tree *tree, size_t depth)
{
    for (size_t i = 0; i < depth; i++)
        print("%s", tree->bars[i] ? tree_part("\u2502  ", "|  ") : "   ");
}

/* What the limit left out. */
static void tree_more(const struct tree *tree, const struct tree_node *node, size_t depth)
{
    double all = value_number(node->process, "children");
    if (all <= (double)node->children)
        return;
    tree_bars(tree, depth);
    print("%s%s%.0f more%s\n", tree_part("\u2514\u2500 ", "`- "), print_sgr(PRINT_DIM),
          all - (double)node->children, print_sgr(PRINT_PLAIN));
}

static void tree_line(const struct tree *tree, const struct tree_node *node, size_t depth,
                      bool last)
{
    char name[1024];
    char pid[PROCESS_PID_MAX];
    char text[VALUE_TEXT_MAX];
    value_name(name, sizeof(name), node->process);
    text_show(pid, sizeof(pid), node->pid, sizeof(pid));
    size_t indent = 3 * depth;
    if (depth > 0) {
        tree_bars(tree, depth - 1);
        print("%s", last ? tree_part("\u2514\u2500 ", "`- ") : tree_part("\u251c\u2500 ", "|- "));
    }
    size_t wide = text_columns(name);
    size_t rest = strlen(pid) + 1 + 20; /* the status, and the mailbox */
    if (tree->columns > indent + rest + 8 && wide + indent + rest > tree->columns)
        wide = tree->columns - indent - rest;
    print_cell(PRINT_BOLD, name, wide);
    print("%s%s%s%s ", wide == 0 ? "" : " ", print_sgr(PRINT_CYAN), pid, print_sgr(PRINT_PLAIN));
    const char *status = value_text(node->process, "status");
    print_cell(process_color(node->process), status, status == NULL ? 0 : strnlen(status, 10));
    if (value_number(node->process, "mailbox") > 0)
        print(" [%s]", value_format_count(text, value_number(node->process, "mailbox")));
    print("\n");
}

/* The node after `at` in the drawing, and its depth; children before siblings. */
static size_t tree_next(struct tree *tree, size_t at, size_t top, size_t *depth)
{
    const struct tree_node *node = &tree->nodes[at];
    if (node->first != TREE_NONE && !tree->nodes[node->first].drawn) {
        *depth += 1;
        return node->first;
    }
    for (;;) {
        tree_more(tree, &tree->nodes[at], *depth < TREE_DEPTH_MAX ? *depth : TREE_DEPTH_MAX);
        if (at == top)
            return TREE_NONE;
        size_t next = tree->nodes[at].next;
        if (next != TREE_NONE && !tree->nodes[next].drawn)
            return next;
        at = tree->nodes[at].parent;
        *depth -= 1;
    }
}

static void tree_draw(struct tree *tree, size_t top)
{
    size_t depth = 0;
    for (size_t at = top; at != TREE_NONE; at = tree_next(tree, at, top, &depth)) {
        struct tree_node *node = &tree->nodes[at];
        size_t shown = depth < TREE_DEPTH_MAX ? depth : TREE_DEPTH_MAX;
        bool left_out = false;
        if (node->parent != TREE_NONE) {
            const struct tree_node *parent = &tree->nodes[node->parent];
            left_out = value_number(parent->process, "children") > (double)parent->children;
        }
        bool last = node->next == TREE_NONE && !left_out;
        if (shown > 0)
            tree->bars[shown - 1] = !last;
        node->drawn = true;
        tree_line(tree, node, shown, last);
        if (!print_ok())
            return;
    }
}

static void tree_draw_all(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        if (tree->nodes[i].parent == TREE_NONE)
            tree_draw(tree, i);
    for (size_t i = 0; i < tree->count; i++)
        if (!tree->nodes[i].drawn)
            tree_draw(tree, i);
}

/* ---- the command ---- */

/* The one that `target` names, as a registered name or a pid. */
static size_t tree_target(struct client *client, const struct tree *tree, const char *target,
                          enum status *out_status)
{
    json_t *process = NULL;
    *out_status = process_find(client, target, &process);
    size_t at = TREE_NONE;
    if (*out_status == STATUS_OK)
        at = tree_index(tree, value_text(process, "pid"));
    if (*out_status == STATUS_OK && at == TREE_NONE)
        *out_status = client_fail(client, STATUS_NOTFOUND,
                                  "%s is not among the %zu processes of the tree: --limit", target,
                                  tree->count);
    json_decref(process);
    return at;
}

static enum status tree_show(const struct options *options, struct client *client,
                             const json_t *answer)
{
    struct tree tree = { .columns = print_columns() };
    enum status status = STATUS_OK;
    if (!tree_build(&tree, json_object_get(answer, "nodes")))
        status = client_fail(client, STATUS_LOCAL, "out of memory");
    if (status == STATUS_OK && options->target == NULL)
        tree_draw_all(&tree);
    else if (status == STATUS_OK) {
        size_t top = tree_target(client, &tree, options->target, &status);
        if (status == STATUS_OK)
            tree_draw(&tree, top);
    }
    if (status == STATUS_OK && json_is_true(json_object_get(answer, "truncated")) && print_ok())
        fprintf(stderr, "spawned: %zu of %.0f processes are shown: --limit\n", tree.count,
                value_number(answer, "total"));
    free(tree.nodes);
    free(tree.by_pid);
    return status;
}

enum status tree_run(const struct options *options, struct client *client)
{
    char path[PROCESS_PATH_MAX];
    json_t *answer = NULL;
    snprintf(path, sizeof(path), "/api/tree?limit=%llu",
             (unsigned long long)(options->limit == 0 ? 2000 : options->limit));
    enum status status = client_get(client, path, &answer);
    if (status == STATUS_OK && options->json)
        print_json_line(answer);
    else if (status == STATUS_OK)
        status = tree_show(options, client, answer);
    json_decref(answer);
    return status;
}
