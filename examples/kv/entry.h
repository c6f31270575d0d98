/* A key with its value, as the shard's table holds it.
 *
 *     +-------------+---------------------------+----------+-------------------+
 *     | table node  | type, expiry, value fields | key ...  | room for a string |
 *     +-------------+---------------------------+----------+-------------------+
 *                              string.ptr ---------------->
 *
 * A string that fits lies behind its key, in the same allocation; a longer one has its own.
 * Lists and hashes are separate objects.
 *
 * Neighbours: store.h owns entries, expiry.h orders those that expire.
 */
#ifndef KV_ENTRY_H
#define KV_ENTRY_H

#include "dict.h"
#include "hash.h"
#include "list.h"

enum kv_type { KV_STRING, KV_LIST, KV_HASH };

struct kv_entry {
    struct dict_node node;
    uint32_t expiry;     /**< place in the expiry order, 0: never expires */
    uint16_t inline_cap; /**< bytes behind the key */
    uint8_t type;        /**< enum kv_type */
    union {
        struct {
            char *ptr;
            uint32_t len;
            uint32_t cap;
        } string;
        struct kv_list *list;
        struct kv_hash *hash;
    };
    char key[];
};

/** The string that `entry` holds. Borrowed until the entry changes. Context: any. */
static inline struct kv_arg kv_entry_string(const struct kv_entry *entry)
{
    return (struct kv_arg){ entry->string.ptr, entry->string.len };
}

#endif
