/* Keys and values of one shard. See store.h. */
#include "store.h"

#include <assert.h>

#define STORE_STRING_MAX ((size_t)512 << 20)
/* A separate string grows by doubling up to this step, then by the step. */
#define STORE_GROW_STEP ((size_t)1 << 20)

static_assert(KV_HEAP_SMALL_MAX <= UINT16_MAX, "inline_cap has 16 bits");

void kv_store_init(struct kv_store *store, const struct kv_store_options *options)
{
    *store = (struct kv_store){ .seed = options->seed, .random = options->random_seed };
    bool within = options->string_max != 0 && options->string_max < STORE_STRING_MAX;
    store->string_max = within ? options->string_max : STORE_STRING_MAX;
    kv_heap_init(&store->heap, options->memory_max);
    dict_init(&store->keys, &store->heap, offsetof(struct kv_entry, key));
    kv_expiry_init(&store->expiry, &store->heap);
}

void kv_store_finish(struct kv_store *store)
{
    kv_heap_finish(&store->heap);
    dict_init(&store->keys, &store->heap, offsetof(struct kv_entry, key));
    kv_expiry_init(&store->expiry, &store->heap);
}

/* --- entries ------------------------------------------------------------------------- */

static size_t store_entry_size(const struct kv_entry *entry)
{
    return offsetof(struct kv_entry, key) + entry->node.key_len + entry->inline_cap;
}

static char *store_entry_inline(struct kv_entry *entry)
{
    return entry->key + entry->node.key_len;
}

/* A string entry with its key, not yet in the table, and with room for `len` bytes behind the
 * key if that makes a small object. */
static struct kv_entry *store_entry_create(struct kv_store *store, const struct kv_key *key,
                                           size_t len)
{
    if (key->len > UINT32_MAX)
        return NULL;
    size_t base = offsetof(struct kv_entry, key) + key->len;
    size_t size = kv_heap_round(base + len <= KV_HEAP_SMALL_MAX ? base + len : base);
    struct kv_entry *entry = kv_heap_alloc(&store->heap, size);
    if (entry == NULL)
        return NULL;
    entry->node = (struct dict_node){ .hash = (uint32_t)key->hash, .key_len = (uint32_t)key->len };
    entry->expiry = 0;
    entry->inline_cap = (uint16_t)(size - base);
    entry->type = KV_STRING;
    memcpy(entry->key, key->ptr, key->len);
    entry->string.ptr = store_entry_inline(entry);
    entry->string.len = 0;
    entry->string.cap = entry->inline_cap;
    return entry;
}

/* Frees the value and leaves an empty string that uses the room behind the key. */
static void store_value_free(struct kv_store *store, struct kv_entry *entry)
{
    if (entry->type == KV_LIST) {
        kv_list_finish(entry->list);
        kv_heap_free(&store->heap, entry->list, sizeof(*entry->list));
    } else if (entry->type == KV_HASH) {
        kv_hash_finish(entry->hash);
        kv_heap_free(&store->heap, entry->hash, sizeof(*entry->hash));
    } else if (entry->string.ptr != store_entry_inline(entry)) {
        kv_heap_free(&store->heap, entry->string.ptr, entry->string.cap);
    }
    entry->type = KV_STRING;
    entry->string.ptr = store_entry_inline(entry);
    entry->string.len = 0;
    entry->string.cap = entry->inline_cap;
}

static void store_entry_free(struct kv_store *store, struct kv_entry *entry)
{
    store_value_free(store, entry);
    kv_heap_free(&store->heap, entry, store_entry_size(entry));
}

/* --- look up ------------------------------------------------------------------------- */

static struct dict_node **store_link(struct kv_store *store, const struct kv_entry *entry)
{
    return dict_find(&store->keys, entry->key, entry->node.key_len, entry->node.hash);
}

static bool store_is_expired(const struct kv_store *store, const struct kv_entry *entry,
                             int64_t now_ms)
{
    return entry->expiry != 0 && kv_expiry_at(&store->expiry, entry) < now_ms;
}

void kv_store_remove(struct kv_store *store, struct kv_entry *entry)
{
    kv_expiry_remove(&store->expiry, entry);
    dict_remove(&store->keys, store_link(store, entry));
    store_entry_free(store, entry);
}

struct kv_entry *kv_store_find(struct kv_store *store, const struct kv_key *key, int64_t now_ms)
{
    struct dict_node **link = dict_find(&store->keys, key->ptr, key->len, (uint32_t)key->hash);
    if (link == NULL)
        return NULL;
    struct kv_entry *entry = (struct kv_entry *)*link;
    if (store_is_expired(store, entry, now_ms)) {
        kv_store_remove(store, entry);
        store->expired++;
        return NULL;
    }
    return entry;
}

struct kv_entry *kv_store_read(struct kv_store *store, const struct kv_key *key, int64_t now_ms)
{
    struct kv_entry *entry = kv_store_find(store, key, now_ms);
    if (entry != NULL)
        store->hits++;
    else
        store->misses++;
    return entry;
}

/* splitmix64: one addition and a mix per number. */
static uint64_t store_random(void *arg)
{
    uint64_t *state = arg;
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

struct kv_entry *kv_store_pick(struct kv_store *store, int64_t now_ms)
{
    for (;;) {
        struct dict_node *node = dict_pick(&store->keys, store_random, &store->random);
        struct kv_entry *entry = (struct kv_entry *)node;
        if (entry == NULL || !store_is_expired(store, entry, now_ms))
            return entry;
        kv_store_remove(store, entry);
        store->expired++;
    }
}

/* --- changes ------------------------------------------------------------------------- */

/* Gives `entry` a string buffer of its own of at least `cap` bytes with the first `keep` bytes
 * of the present string. */
static sp_err store_string_move(struct kv_store *store, struct kv_entry *entry, size_t cap,
                                size_t keep)
{
    cap = kv_heap_round(cap);
    char *ptr = kv_heap_alloc(&store->heap, cap);
    if (ptr == NULL)
        return SP_ERR_NOMEM;
    uint32_t len = 0;
    if (entry->type == KV_STRING && keep > 0) {
        memcpy(ptr, entry->string.ptr, keep);
        len = (uint32_t)keep;
    }
    store_value_free(store, entry);
    entry->string.ptr = ptr;
    entry->string.len = len;
    entry->string.cap = (uint32_t)cap;
    return SP_OK;
}

/* Puts a larger entry, with room for `len` bytes behind the key, in the place of `*inout`. */
static sp_err store_entry_enlarge(struct kv_store *store, struct kv_entry **inout, size_t len)
{
    struct kv_entry *old = *inout;
    struct kv_key key = { old->key, old->node.key_len, old->node.hash };
    struct kv_entry *entry = store_entry_create(store, &key, len);
    if (entry == NULL)
        return SP_ERR_NOMEM;
    struct dict_node **link = store_link(store, old);
    entry->node.next = old->node.next;
    entry->expiry = old->expiry;
    dict_relink(link, &entry->node);
    kv_expiry_moved(&store->expiry, entry);
    store_entry_free(store, old);
    *inout = entry;
    return SP_OK;
}

/* Makes room for a new string of `len` bytes in `*inout`, whose old value is given up. */
static sp_err store_make_room(struct kv_store *store, struct kv_entry **inout, size_t len)
{
    struct kv_entry *entry = *inout;
    if (len <= entry->inline_cap) {
        store_value_free(store, entry);
        return SP_OK;
    }
    /* A separate buffer is used again unless most of it would be wasted. */
    if (entry->type == KV_STRING && len <= entry->string.cap && len >= entry->string.cap / 4)
        return SP_OK;
    if (offsetof(struct kv_entry, key) + entry->node.key_len + len <= KV_HEAP_SMALL_MAX)
        return store_entry_enlarge(store, inout, len);
    return store_string_move(store, entry, len, 0);
}

static sp_err store_add(struct kv_store *store, const struct kv_key *key, size_t room,
                        struct kv_entry **out_entry)
{
    struct kv_entry *entry = store_entry_create(store, key, room);
    if (entry == NULL)
        return SP_ERR_NOMEM;
    sp_err err = SP_OK;
    if (room > entry->inline_cap)
        err = store_string_move(store, entry, room, 0);
    if (err == SP_OK)
        err = dict_insert(&store->keys, &entry->node);
    if (err != SP_OK) {
        store_entry_free(store, entry);
        return err;
    }
    *out_entry = entry;
    return SP_OK;
}

sp_err kv_store_put(struct kv_store *store, const struct kv_key *key, struct kv_entry *entry,
                    const struct kv_arg *value, bool keep_expiry)
{
    if (value->len > store->string_max)
        return SP_ERR_TOOBIG;
    sp_err err = entry == NULL ? store_add(store, key, value->len, &entry)
                               : store_make_room(store, &entry, value->len);
    if (err != SP_OK)
        return err;
    memcpy(entry->string.ptr, value->ptr, value->len);
    entry->string.len = (uint32_t)value->len;
    if (!keep_expiry && entry->expiry != 0)
        kv_expiry_remove(&store->expiry, entry);
    return SP_OK;
}

static sp_err store_container_create(struct kv_store *store, struct kv_entry *entry,
                                     enum kv_type type)
{
    size_t size = type == KV_LIST ? sizeof(struct kv_list) : sizeof(struct kv_hash);
    void *container = kv_heap_alloc(&store->heap, size);
    if (container == NULL)
        return SP_ERR_NOMEM;
    if (type == KV_LIST) {
        entry->list = container;
        kv_list_init(entry->list, &store->heap);
    } else {
        entry->hash = container;
        kv_hash_init(entry->hash, &store->heap, &store->seed);
    }
    entry->type = (uint8_t)type;
    return SP_OK;
}

sp_err kv_store_create(struct kv_store *store, const struct kv_key *key, enum kv_type type,
                       struct kv_entry **out_entry)
{
    struct kv_entry *entry;
    sp_err err = store_add(store, key, 0, &entry);
    if (err != SP_OK)
        return err;
    if (type != KV_STRING) {
        err = store_container_create(store, entry, type);
        if (err != SP_OK) {
            kv_store_remove(store, entry);
            return err;
        }
    }
    *out_entry = entry;
    return SP_OK;
}

static size_t store_grown_cap(const struct kv_store *store, size_t len)
{
    size_t cap = len < STORE_GROW_STEP ? len * 2 : len + STORE_GROW_STEP;
    return cap < store->string_max ? cap : store->string_max;
}

/* Grows the separate buffer of `entry` in place where the allocator can. */
static sp_err store_string_regrow(struct kv_store *store, struct kv_entry *entry, size_t cap)
{
    cap = kv_heap_round(cap);
    char *ptr = kv_heap_resize(&store->heap, entry->string.ptr, entry->string.cap, cap);
    if (ptr == NULL)
        return SP_ERR_NOMEM;
    entry->string.ptr = ptr;
    entry->string.cap = (uint32_t)cap;
    return SP_OK;
}

sp_err kv_store_resize(struct kv_store *store, struct kv_entry *entry, size_t len)
{
    if (len > store->string_max)
        return SP_ERR_TOOBIG;
    if (len > entry->string.cap) {
        size_t cap = store_grown_cap(store, len);
        bool is_inline = entry->string.ptr == store_entry_inline(entry);
        sp_err err = is_inline ? store_string_move(store, entry, cap, entry->string.len)
                               : store_string_regrow(store, entry, cap);
        if (err != SP_OK)
            return err;
    }
    if (len > entry->string.len)
        memset(entry->string.ptr + entry->string.len, 0, len - entry->string.len);
    entry->string.len = (uint32_t)len;
    return SP_OK;
}

static void store_release_node(struct dict_node *node, void *arg)
{
    store_entry_free(arg, (struct kv_entry *)node);
}

void kv_store_clear(struct kv_store *store)
{
    kv_expiry_finish(&store->expiry);
    dict_clear(&store->keys, store_release_node, store);
}

/* --- expiry -------------------------------------------------------------------------- */

size_t kv_store_expire_some(struct kv_store *store, int64_t now_ms, size_t budget)
{
    size_t removed = 0;
    for (; removed < budget; removed++) {
        struct kv_entry *first = kv_expiry_first(&store->expiry);
        if (first == NULL || !store_is_expired(store, first, now_ms))
            break;
        kv_store_remove(store, first);
    }
    store->expired += removed;
    return removed;
}

int64_t kv_store_next_expiry(const struct kv_store *store)
{
    const struct kv_entry *first = kv_expiry_first(&store->expiry);
    if (first == NULL)
        return INT64_MAX;
    int64_t at = kv_expiry_at(&store->expiry, first);
    /* A key lives through the millisecond of its time. */
    return at == INT64_MAX ? at : at + 1;
}
