/* The tree of processes. See tree.h. */
#include "tree.h"

#include "clients.h"
#include "connection.h"
#include "observe.h"
#include "pubsub.h"
#include "shard.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TREE_SPARE_CONNECTIONS = 32, /* over the limit of clients, to be told so */
    TREE_CHILDREN_MAX = 5,
    TREE_MAILBOX_MAX = 2 * 1000 * 1000, /* of the registry: each client may tell it something */
    TREE_LINE_MAX = 192,
    TREE_DEPTH_MAX = 8,
    TREE_ADDRESS_MAX = 128,
};

struct kv_tree {
    struct kv_clients_args clients;
    struct kv_pubsub_args pubsub;
    struct sp_serve_options serve;
    char address[TREE_ADDRESS_MAX];
    struct sp_child_spec shard[KV_SHARDS_MAX];
    struct kv_shard_args shard_args[KV_SHARDS_MAX];
    char shard_name[KV_SHARDS_MAX][24];
    struct sp_supervisor_spec shards;
    struct sp_child_spec child[TREE_CHILDREN_MAX];
    size_t children;
    struct sp_http_options http;
    struct sp_supervisor_spec top;
    struct sp_application_spec application;
};

static void tree_shards(struct kv_tree *tree, struct kv_world *world)
{
    uint32_t count = world->settings.shards;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(tree->shard_name[i], sizeof(tree->shard_name[i]), "shard %" PRIu32, i);
        tree->shard_args[i] = (struct kv_shard_args){ world, i };
        tree->shard[i] = (struct sp_child_spec){
            .id = tree->shard_name[i],
            .server = &kv_shard_class,
            .args = &tree->shard_args[i],
            .options.spawn = { .name = tree->shard_name[i], .notices_first = true },
        };
    }
    tree->shards = (struct sp_supervisor_spec){
        .max_restarts = 100, .period = sp_sec(10), .children = tree->shard, .child_count = count
    };
}

static void tree_listener(struct kv_tree *tree, struct kv_world *world,
                          struct sp_io_error *out_error)
{
    const struct kv_settings *settings = &world->settings;
    bool brackets = strchr(settings->bind, ':') != NULL;
    snprintf(tree->address, sizeof(tree->address), "%s%s%s:%u", brackets ? "[" : "", settings->bind,
             brackets ? "]" : "", (unsigned)settings->port);
    tree->serve = (struct sp_serve_options){
        .address = tree->address,
        .socket.out_error = out_error,
        .server = &kv_connection_class,
        .arg = world,
        .connections_max = settings->clients_max + TREE_SPARE_CONNECTIONS,
        .shutdown = sp_sec(2),
    };
}

static void tree_children(struct kv_tree *tree, struct kv_world *world,
                          struct sp_io_error *out_error)
{
    tree->clients = (struct kv_clients_args){ world };
    tree->pubsub = (struct kv_pubsub_args){ world };
    tree->child[0] = (struct sp_child_spec){
        .id = "clients",
        .server = &kv_clients_class,
        .args = &tree->clients,
        .options.spawn = { .name = KV_CLIENTS_NAME, .mailbox_max = TREE_MAILBOX_MAX },
    };
    tree->child[1] = (struct sp_child_spec){
        .id = "pubsub",
        .server = &kv_pubsub_class,
        .args = &tree->pubsub,
        .options.spawn.name = KV_PUBSUB_NAME,
    };
    tree->child[2] = (struct sp_child_spec){ .id = "shards",
                                             .supervisor = &tree->shards,
                                             .options.spawn.name = "shards" };
    tree->child[3] = (struct sp_child_spec){ .id = "listener",
                                             .server = &sp_serve_class,
                                             .args = &tree->serve,
                                             .options.spawn.name = "listener",
                                             .shutdown = sp_after_sec(5) };
    tree->children = 4;
    if (world->settings.http != NULL)
        tree->child[tree->children++] = kv_observe_child(&world->settings, &tree->http, out_error);
}

struct kv_tree *kv_tree_create(struct kv_world *world, struct sp_io_error *out_error)
{
    struct kv_tree *tree = calloc(1, sizeof(*tree));
    if (tree == NULL)
        return NULL;
    tree_shards(tree, world);
    tree_listener(tree, world, out_error);
    tree_children(tree, world, out_error);
    tree->top = (struct sp_supervisor_spec){ .strategy = SP_REST_FOR_ONE,
                                             .max_restarts = 10,
                                             .period = sp_sec(10),
                                             .children = tree->child,
                                             .child_count = tree->children };
    tree->application =
        (struct sp_application_spec){ .name = KV_APPLICATION, .supervisor = &tree->top };
    return tree;
}

void kv_tree_destroy(struct kv_tree *tree)
{
    free(tree);
}

const struct sp_application_spec *kv_tree_application(const struct kv_tree *tree)
{
    return &tree->application;
}

/* --- what runs --------------------------------------------------------------------------- */

static void tree_line(struct resp_out *lines, int depth, const struct sp_child_info *child)
{
    static const char *const states[] = { "running", "restarting", "stopped" };
    char pid[SP_PID_TEXT_MAX];
    char line[TREE_LINE_MAX];
    int len = snprintf(line, sizeof(line), "%*s%s %s %s, restarts by its supervisor: %" PRIu32 "\n",
                       2 * depth, "", child->id, sp_pid_format(child->pid, pid),
                       states[child->status], child->restarts);
    if (len > 0)
        resp_raw(lines, line, (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1);
}

static void tree_connections(struct resp_out *lines, int depth)
{
    sp_serve_ref listener;
    struct sp_serve_info info;
    char line[TREE_LINE_MAX];
    if (sp_serve_whereis("listener", &listener) != SP_OK ||
        sp_serve_info(listener, &(sp_empty){ 0 }, &info, (sp_deadline){ 0 }) != SP_OK)
        return;
    int len =
        snprintf(line, sizeof(line), "%*s%" PRIu32 " connections\n", 2 * depth, "", info.open);
    resp_raw(lines, line, (size_t)len);
}

/* The supervisors on the way down, and where each is. */
struct tree_walk {
    struct sp_child_info *children;
    size_t count;
    size_t at;
};

static sp_err tree_enter(sp_pid supervisor, struct tree_walk *level)
{
    level->at = 0;
    return sp_supervisor_which_children(supervisor, (sp_deadline){ 0 }, &level->children,
                                        &level->count);
}

sp_err kv_tree_write(struct resp_out *lines)
{
    struct tree_walk level[TREE_DEPTH_MAX];
    sp_pid top;
    sp_err err = sp_application_whereis(KV_APPLICATION, (sp_deadline){ 0 }, &top);
    if (err == SP_OK)
        err = tree_enter(top, &level[0]);
    if (err != SP_OK)
        return err;
    resp_raw(lines, KV_APPLICATION "\n", sizeof(KV_APPLICATION));
    for (int depth = 0; depth >= 0;) {
        struct tree_walk *here = &level[depth];
        if (here->at == here->count) {
            sp_free(here->children);
            depth--;
            continue;
        }
        const struct sp_child_info *child = &here->children[here->at++];
        tree_line(lines, depth + 1, child);
        if (strcmp(child->id, "listener") == 0)
            tree_connections(lines, depth + 2);
        if (child->type == SP_CHILD_SUPERVISOR && depth + 1 < TREE_DEPTH_MAX &&
            tree_enter(child->pid, &level[depth + 1]) == SP_OK)
            depth++;
    }
    return SP_OK;
}
