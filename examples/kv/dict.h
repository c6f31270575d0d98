/* A hash table that grows and shrinks a bucket at a time, and whose scan survives it.
 *
 *     table[0] (old)   [ ][ ][x][x]        buckets below `moved` are already empty
 *     table[1] (new)   [x][ ][x][ ][ ][ ][x][ ]
 *                       |
 *                       node -> node       chains through struct dict_node
 *
 * The table does not own its nodes. A node is the first member of its owner's struct, and
 * the key bytes lie `key_offset` bytes after the node, so that key and value are one
 * allocation. While a resize runs, every operation moves one bucket; a table doubles when
 * it has as many nodes as buckets, so the move is done long before the next one begins.
 *
 * Threads: one user at a time. Neighbours: heap.h gives the memory, siphash.h the hashes.
 */
#ifndef KV_DICT_H
#define KV_DICT_H

#include "heap.h"

#include "spawned/err.h"

/** What the owner's struct begins with. */
struct dict_node {
    struct dict_node *next;
    uint32_t hash; /**< low half of the key's hash */
    uint32_t key_len;
};

struct dict_table {
    struct dict_node **bucket;
    size_t size; /**< a power of two, or 0 before the first insert */
};

struct dict {
    struct kv_heap *heap;
    size_t count;
    struct dict_table table[2]; /**< [1] is used only while a resize runs */
    size_t moved;               /**< buckets of table[0] moved so far */
    uint32_t key_offset;
};

/** Sees one node; must not change the table. */
typedef void (*dict_visit_fn)(struct dict_node *node, void *arg);

/** An empty table; allocates nothing yet. Context: any. */
void dict_init(struct dict *dict, struct kv_heap *heap, size_t key_offset) SP_NONNULL;

/** Frees the buckets. Ownership: nodes are the caller's (dict_clear()). Context: any. */
void dict_finish(struct dict *dict) SP_NONNULL;

/** Gives every node to `release` and frees the buckets. Context: any. */
void dict_clear(struct dict *dict, dict_visit_fn release, void *arg) SP_NONNULL_ARGS(1, 2);

/** The link that points to the node of `key`, or NULL. Valid until the next call that
 *  finds, inserts or removes. Context: any. */
struct dict_node **dict_find(struct dict *dict, const void *key, size_t len, uint32_t hash)
    SP_NONNULL_ARGS(1);

/** Adds a node whose `hash`, `key_len` and key bytes are set and whose key is absent.
 *  Errors: NOMEM (only the first node can fail: a table that cannot grow stays denser).
 *  Ownership: the node stays the caller's memory. Context: any. */
SP_NODISCARD sp_err dict_insert(struct dict *dict, struct dict_node *node) SP_NONNULL;

/** Takes out the node behind `link` and returns it. Context: any. */
struct dict_node *dict_remove(struct dict *dict, struct dict_node **link) SP_NONNULL;

/** Puts `node`, which has the same key, in the place of the one behind `link`, which may
 *  already be freed (its successor was copied with it). Context: any. */
void dict_relink(struct dict_node **link, struct dict_node *node) SP_NONNULL;

/** A node chosen by `random` from all nodes; NULL when empty. Fair up to the length of
 *  chains. Context: any. */
struct dict_node *dict_pick(struct dict *dict, uint64_t (*random)(void *arg), void *arg)
    SP_NONNULL_ARGS(1, 2);

/** Visits the bucket at `cursor` (0 to begin) and returns the next cursor, 0 at the end.
 *  Every node present during the whole scan is visited at least once, whatever resizes
 *  happen between the calls.
 *  Context: any. Source: the cursor counts up from its highest bit (reverse binary), so a
 *  bucket's descendants after a resize are neighbours in scan order. */
uint64_t dict_scan(struct dict *dict, uint64_t cursor, dict_visit_fn visit, void *arg)
    SP_NONNULL_ARGS(1, 3);

/** Visits every node once. Context: any. */
void dict_each(const struct dict *dict, dict_visit_fn visit, void *arg) SP_NONNULL_ARGS(1, 2);

/** Moves up to `buckets` buckets of a running resize; true while more are left.
 *  Context: any. */
bool dict_step(struct dict *dict, size_t buckets) SP_NONNULL;

#endif
