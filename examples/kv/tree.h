/* The tree of processes:
 *
 *     spawned-kv (rest for one)
 *       ├── clients: who is connected
 *       ├── pubsub: who listens to what
 *       ├── shards (one for one): shard 0, shard 1, ...
 *       └── listener: a process per connection
 *
 * Neighbours: main.c runs it.
 */
#ifndef KV_TREE_H
#define KV_TREE_H

#include "resp_writer.h"
#include "world.h"

#include "spawned/application.h"
#include "spawned/listener.h"

/** Name of the application. */
#define KV_APPLICATION "spawned-kv"

/** What a tree is made of: one allocation, all of it to outlive the application. */
struct kv_tree;

/** The tree for `world`. `out_error` is written when it cannot listen. NULL when out of memory.
 *  Ownership: freed with kv_tree_destroy(), when the application has ended. Context: startup. */
struct kv_tree *kv_tree_create(struct kv_world *world, struct sp_io_error *out_error)
    SP_NONNULL SP_NODISCARD;

/** NULL is accepted. Context: startup. */
void kv_tree_destroy(struct kv_tree *tree);

/** The application. Context: startup. */
const struct sp_application_spec *kv_tree_application(const struct kv_tree *tree) SP_NONNULL;

/** Appends what runs, a line each. Errors: as sp_supervisor_which_children().
 *  Context: process, may suspend. */
SP_NODISCARD sp_err kv_tree_write(struct resp_out *lines) SP_NONNULL;

#endif
