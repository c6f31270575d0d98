/* spawned graph: who waits for whom, deadlocks, and with --links who is tied to whom. */
#include "commands.h"
#include "process.h"
#include "text.h"
#include "value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRAPH_LIMIT = 2000, GRAPH_NAME_MAX = 600 };

/* ---- names ---- */

static const json_t *graph_node(const json_t *names, const char *pid)
{
    return pid == NULL ? NULL : json_object_get(names, pid);
}

/* "shard 3 (kv_shard) 0.17.4", fit for a terminal. */
static const char *graph_name(const json_t *names, const char *pid, char out[GRAPH_NAME_MAX])
{
    char name[512];
    char shown[PROCESS_PID_MAX];
    text_show(shown, sizeof(shown), pid, sizeof(shown));
    const json_t *node = graph_node(names, pid);
    value_name(name, sizeof(name), node);
    snprintf(out, GRAPH_NAME_MAX, "%s%s%s%s%s", name, name[0] == '\0' ? "" : " ",
             print_sgr(PRINT_CYAN), shown, print_sgr(PRINT_PLAIN));
    return out;
}

/* {pid: node}, borrowing the nodes. Ownership: the caller's; NULL: no memory. */
static json_t *graph_names(const json_t *answer)
{
    size_t i;
    json_t *node;
    json_t *names = json_object();
    json_array_foreach(json_object_get(answer, "nodes"), i, node)
    {
        const char *pid = value_text(node, "pid");
        if (pid != NULL)
            json_object_set(names, pid, node);
    }
    return names;
}

/* ---- for people ---- */

static void graph_wait(const json_t *names, const json_t *edge)
{
    char name[2][GRAPH_NAME_MAX];
    char clean[128];
    char text[VALUE_TEXT_MAX];
    print("%s waits for %s", graph_name(names, value_text(edge, "from"), name[0]),
          graph_name(names, value_text(edge, "to"), name[1]));
    text_show(clean, sizeof(clean), value_text(edge, "wait"), 20);
    print("%s%s", clean[0] == '\0' ? "" : ": ", clean);
    text_show(clean, sizeof(clean), value_text(edge, "operation"), 40);
    print("%s%s", clean[0] == '\0' ? "" : " ", clean);
    if (!value_is_null(edge, "for_ms"))
        print(", %s", value_format_ms(text, value_number(edge, "for_ms")));
    if (json_is_true(json_object_get(edge, "deferred")))
        print(", taken");
    print("\n");
}

static void graph_edge(const json_t *names, const json_t *edge, const char *verb)
{
    char name[2][GRAPH_NAME_MAX];
    print("%s %s %s\n", graph_name(names, value_text(edge, "from"), name[0]), verb,
          graph_name(names, value_text(edge, "to"), name[1]));
}

static void graph_cycle(const json_t *names, const json_t *cycle)
{
    char name[GRAPH_NAME_MAX];
    size_t count = json_array_size(cycle);
    print("%sdeadlock:%s ", print_sgr(PRINT_RED), print_sgr(PRINT_PLAIN));
    for (size_t i = 0; i <= count && count > 0; i++)
        print("%s%s",
              i == 0           ? ""
              : text_is_utf8() ? " \u2192 "
                               : " -> ",
              graph_name(names, json_string_value(json_array_get(cycle, i % count)), name));
    print("\n");
}

static void graph_text(const struct options *options, const json_t *answer, const json_t *names)
{
    size_t i;
    const json_t *one;
    size_t waits = 0;
    json_array_foreach(json_object_get(answer, "edges"), i, one)
    {
        const char *kind = value_text(one, "kind");
        if (kind == NULL)
            continue;
        waits += strcmp(kind, "wait") == 0;
        if (strcmp(kind, "wait") == 0)
            graph_wait(names, one);
        else if (options->links)
            graph_edge(names, one, strcmp(kind, "link") == 0 ? "is linked to" : "monitors");
        if (!print_ok())
            return;
    }
    if (waits == 0)
        print("Nobody waits for another process.\n");
    json_array_foreach(json_object_get(answer, "cycles"), i, one) graph_cycle(names, one);
}

/* ---- for graphviz ---- */

/* In quotes. Control characters are gone already. */
static void graph_dot_text(const char *clean)
{
    print("\"");
    for (; *clean != '\0'; clean++)
        print(*clean == '"' || *clean == '\\' ? "\\%c" : "%c", *clean);
    print("\"");
}

static void graph_dot_pid(const char *pid)
{
    char clean[PROCESS_PID_MAX];
    text_show(clean, sizeof(clean), pid, sizeof(clean));
    graph_dot_text(clean);
}

/* Whether an edge is one of a cycle. */
static bool graph_in_cycle(const json_t *answer, const char *from, const char *to)
{
    size_t i;
    const json_t *cycle;
    json_array_foreach(json_object_get(answer, "cycles"), i, cycle)
    {
        size_t count = json_array_size(cycle);
        for (size_t k = 0; k < count; k++) {
            const char *a = json_string_value(json_array_get(cycle, k));
            const char *b = json_string_value(json_array_get(cycle, (k + 1) % count));
            if (a != NULL && b != NULL && strcmp(a, from) == 0 && strcmp(b, to) == 0)
                return true;
        }
    }
    return false;
}

static void graph_dot_edge(const struct options *options, const json_t *answer, const json_t *edge)
{
    const char *kind = value_text(edge, "kind");
    const char *from = value_text(edge, "from");
    const char *to = value_text(edge, "to");
    bool wait = kind != NULL && strcmp(kind, "wait") == 0;
    if (kind == NULL || from == NULL || to == NULL || (!wait && !options->links))
        return;
    print("  ");
    graph_dot_pid(from);
    print(" -> ");
    graph_dot_pid(to);
    if (wait)
        print(" [color=%s, label=\"waits\"];\n",
              graph_in_cycle(answer, from, to) ? "red, penwidth=2" : "black");
    else
        print(" [color=gray, %s];\n", strcmp(kind, "link") == 0 ? "dir=none" : "style=dashed");
}

static void graph_dot(const struct options *options, const json_t *answer)
{
    size_t i;
    const json_t *one;
    print("digraph spawned {\n  node [shape=box];\n");
    json_array_foreach(json_object_get(answer, "nodes"), i, one)
    {
        char name[512];
        print("  ");
        graph_dot_pid(value_text(one, "pid"));
        print(" [label=");
        value_name(name, sizeof(name), one);
        graph_dot_text(name[0] == '\0' ? "?" : name);
        print("];\n");
    }
    json_array_foreach(json_object_get(answer, "edges"), i, one)
        graph_dot_edge(options, answer, one);
    print("}\n");
}

/* ---- the command ---- */

enum status graph_run(const struct options *options, struct client *client)
{
    char path[64];
    json_t *answer = NULL;
    snprintf(path, sizeof(path), "/api/graph?limit=%llu",
             (unsigned long long)(options->limit == 0 ? GRAPH_LIMIT : options->limit));
    enum status status = client_get(client, path, &answer);
    if (status != STATUS_OK)
        return status;
    json_t *names = graph_names(answer);
    if (options->json)
        print_json_line(answer);
    else if (options->dot)
        graph_dot(options, answer);
    else
        graph_text(options, answer, names);
    bool truncated = json_is_true(json_object_get(answer, "truncated"));
    if (truncated && !options->json && print_ok())
        fprintf(stderr, "spawned: not all processes and edges are shown: --limit\n");
    json_decref(names);
    json_decref(answer);
    return STATUS_OK;
}
