/* The tree of processes. See tree.h. */
#include "tree.h"

#include "connection.h"
#include "shard.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TREE_SPARE_CONNECTIONS = 32, /* over the limit of clients, to be told so */
    TREE_CHILDREN = 2,
    TREE_ADDRESS_MAX = 128,
};

struct kv_tree {
    struct sp_serve_options serve;
    char address[TREE_ADDRESS_MAX];
    struct sp_child_spec shard[KV_SHARDS_MAX];
    struct kv_shard_args shard_args[KV_SHARDS_MAX];
    char shard_name[KV_SHARDS_MAX][16];
    struct sp_supervisor_spec shards;
    struct sp_child_spec child[TREE_CHILDREN];
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

struct kv_tree *kv_tree_create(struct kv_world *world, struct sp_io_error *out_error)
{
    struct kv_tree *tree = calloc(1, sizeof(*tree));
    if (tree == NULL)
        return NULL;
    tree_shards(tree, world);
    tree_listener(tree, world, out_error);
    tree->child[0] = (struct sp_child_spec){ .id = "shards", .supervisor = &tree->shards };
    tree->child[1] = (struct sp_child_spec){ .id = "listener",
                                             .server = &sp_serve_class,
                                             .args = &tree->serve,
                                             .options.spawn.name = "listener",
                                             .shutdown = sp_after_sec(5) };
    tree->top = (struct sp_supervisor_spec){ .strategy = SP_REST_FOR_ONE,
                                             .max_restarts = 10,
                                             .period = sp_sec(10),
                                             .children = tree->child,
                                             .child_count = TREE_CHILDREN };
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
