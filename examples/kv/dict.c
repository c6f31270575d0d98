/* Hash table with incremental resize. See dict.h. */
#include "dict.h"

#include <string.h>

enum {
    DICT_SIZE_MIN = 4,
    DICT_SHRINK = 8,        /* shrink when fewer than one node per this many buckets */
    DICT_EMPTY_VISITS = 10, /* empty buckets a single step may pass */
};
/* Hashes have 32 bits, so more buckets would stay empty. */
#define DICT_SIZE_MAX ((size_t)1 << 32)

void dict_init(struct dict *dict, struct kv_heap *heap, size_t key_offset)
{
    *dict = (struct dict){ .heap = heap, .key_offset = (uint32_t)key_offset };
}

static void dict_table_free(struct dict *dict, struct dict_table *table)
{
    kv_heap_free(dict->heap, table->bucket, table->size * sizeof(*table->bucket));
    *table = (struct dict_table){ 0 };
}

void dict_finish(struct dict *dict)
{
    dict_table_free(dict, &dict->table[0]);
    dict_table_free(dict, &dict->table[1]);
    dict->count = 0;
    dict->moved = 0;
}

static bool dict_resizing(const struct dict *dict)
{
    return dict->table[1].size != 0;
}

static bool dict_table_alloc(struct dict *dict, struct dict_table *table, size_t size)
{
    struct dict_node **bucket = kv_heap_alloc_zero(dict->heap, size * sizeof(*bucket));
    if (bucket == NULL)
        return false;
    *table = (struct dict_table){ .bucket = bucket, .size = size };
    return true;
}

static void dict_move_bucket(struct dict *dict, struct dict_node **from)
{
    struct dict_table *to = &dict->table[1];
    struct dict_node *node = *from;
    *from = NULL;
    while (node != NULL) {
        struct dict_node *next = node->next;
        struct dict_node **link = &to->bucket[node->hash & (to->size - 1)];
        node->next = *link;
        *link = node;
        node = next;
    }
}

static void dict_resize_begin(struct dict *dict, size_t size)
{
    /* Out of memory: the table works on at its old size. */
    if (!dict_resizing(dict) && size <= DICT_SIZE_MAX)
        (void)dict_table_alloc(dict, &dict->table[1], size);
}

static void dict_shrink(struct dict *dict)
{
    size_t size = dict->table[0].size;
    if (dict_resizing(dict) || size <= DICT_SIZE_MIN || dict->count >= size / DICT_SHRINK)
        return;
    size_t want = DICT_SIZE_MIN;
    while (want < dict->count * 2)
        want *= 2;
    dict_resize_begin(dict, want);
}

static void dict_resize_done(struct dict *dict)
{
    dict_table_free(dict, &dict->table[0]);
    dict->table[0] = dict->table[1];
    dict->table[1] = (struct dict_table){ 0 };
    dict->moved = 0;
    /* Nodes removed meanwhile may have left the new table too large already. */
    dict_shrink(dict);
}

bool dict_step(struct dict *dict, size_t buckets)
{
    if (!dict_resizing(dict))
        return false;
    struct dict_table *from = &dict->table[0];
    size_t empty = buckets * DICT_EMPTY_VISITS;
    while (buckets > 0 && dict->moved < from->size) {
        struct dict_node **link = &from->bucket[dict->moved++];
        if (*link != NULL) {
            dict_move_bucket(dict, link);
            buckets--;
        } else if (--empty == 0) {
            break;
        }
    }
    if (dict->moved == from->size)
        dict_resize_done(dict);
    return dict_resizing(dict);
}

static struct dict_node **dict_chain_find(const struct dict *dict, struct dict_node **link,
                                          const void *key, size_t len, uint32_t hash)
{
    for (; *link != NULL; link = &(*link)->next) {
        const struct dict_node *node = *link;
        if (node->hash == hash && node->key_len == len &&
            memcmp((const char *)node + dict->key_offset, key, len) == 0)
            return link;
    }
    return NULL;
}

struct dict_node **dict_find(struct dict *dict, const void *key, size_t len, uint32_t hash)
{
    if (dict->count == 0)
        return NULL;
    if (dict_resizing(dict))
        dict_step(dict, 1);
    for (int i = 0; i < 2 && dict->table[i].size != 0; i++) {
        struct dict_table *table = &dict->table[i];
        struct dict_node **link =
            dict_chain_find(dict, &table->bucket[hash & (table->size - 1)], key, len, hash);
        if (link != NULL)
            return link;
    }
    return NULL;
}

sp_err dict_insert(struct dict *dict, struct dict_node *node)
{
    if (dict->table[0].size == 0 && !dict_table_alloc(dict, &dict->table[0], DICT_SIZE_MIN))
        return SP_ERR_NOMEM;
    if (dict_resizing(dict))
        dict_step(dict, 1);
    else if (dict->count >= dict->table[0].size)
        dict_resize_begin(dict, dict->table[0].size * 2);
    struct dict_table *table = &dict->table[dict_resizing(dict) ? 1 : 0];
    struct dict_node **link = &table->bucket[node->hash & (table->size - 1)];
    node->next = *link;
    *link = node;
    dict->count++;
    return SP_OK;
}

struct dict_node *dict_remove(struct dict *dict, struct dict_node **link)
{
    struct dict_node *node = *link;
    *link = node->next;
    node->next = NULL;
    dict->count--;
    dict_shrink(dict);
    return node;
}

void dict_relink(struct dict_node **link, struct dict_node *node)
{
    *link = node;
}

/* The bucket with number `at`, counted over what is in use: the rest of the old table, then
 * the new one. */
static struct dict_node *dict_bucket_at(const struct dict *dict, size_t at)
{
    size_t rest = dict->table[0].size - dict->moved;
    return at < rest ? dict->table[0].bucket[dict->moved + at] : dict->table[1].bucket[at - rest];
}

struct dict_node *dict_pick(struct dict *dict, uint64_t (*random)(void *arg), void *arg)
{
    if (dict->count == 0)
        return NULL;
    size_t buckets = dict->table[0].size - dict->moved + dict->table[1].size;
    struct dict_node *chain;
    do
        chain = dict_bucket_at(dict, random(arg) % buckets);
    while (chain == NULL);
    size_t length = 0;
    for (struct dict_node *node = chain; node != NULL; node = node->next)
        length++;
    for (size_t skip = random(arg) % length; skip > 0; skip--)
        chain = chain->next;
    return chain;
}

static uint64_t dict_reverse(uint64_t v)
{
    v = __builtin_bswap64(v);
    v = (v >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f)) | (v & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4;
    v = (v >> 2 & UINT64_C(0x3333333333333333)) | (v & UINT64_C(0x3333333333333333)) << 2;
    return (v >> 1 & UINT64_C(0x5555555555555555)) | (v & UINT64_C(0x5555555555555555)) << 1;
}

/* Adds one at the highest bit of `mask` and carries downwards. */
static uint64_t dict_cursor_next(uint64_t cursor, uint64_t mask)
{
    return dict_reverse(dict_reverse(cursor | ~mask) + 1);
}

static void dict_chain_each(struct dict_node *node, dict_visit_fn visit, void *arg)
{
    while (node != NULL) {
        struct dict_node *next = node->next;
        visit(node, arg);
        node = next;
    }
}

uint64_t dict_scan(struct dict *dict, uint64_t cursor, dict_visit_fn visit, void *arg)
{
    if (dict->count == 0)
        return 0;
    const struct dict_table *small = &dict->table[0];
    const struct dict_table *large = &dict->table[1];
    if (!dict_resizing(dict)) {
        dict_chain_each(small->bucket[cursor & (small->size - 1)], visit, arg);
        return dict_cursor_next(cursor, small->size - 1);
    }
    if (small->size > large->size) {
        small = &dict->table[1];
        large = &dict->table[0];
    }
    uint64_t small_mask = small->size - 1;
    uint64_t large_mask = large->size - 1;
    dict_chain_each(small->bucket[cursor & small_mask], visit, arg);
    /* And all buckets of the larger table that fold onto this one. */
    do {
        dict_chain_each(large->bucket[cursor & large_mask], visit, arg);
        cursor = dict_cursor_next(cursor, large_mask);
    } while (cursor & (small_mask ^ large_mask));
    return cursor;
}

void dict_each(const struct dict *dict, dict_visit_fn visit, void *arg)
{
    for (int i = 0; i < 2; i++)
        for (size_t b = 0; b < dict->table[i].size; b++)
            dict_chain_each(dict->table[i].bucket[b], visit, arg);
}

void dict_clear(struct dict *dict, dict_visit_fn release, void *arg)
{
    dict_each(dict, release, arg);
    dict_finish(dict);
}
