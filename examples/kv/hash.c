/* Packed and tabled hashes. See hash.h. */
#include "hash.h"

#include <assert.h>

enum { HASH_CAP_MIN = 48 };

/* A field of the tabled form: name and value follow in one allocation. */
struct hash_field {
    struct dict_node node;
    uint32_t value_len;
    char bytes[];
};

void kv_hash_init(struct kv_hash *hash, struct kv_heap *heap, const struct kv_seed *seed)
{
    *hash = (struct kv_hash){ .heap = heap, .seed = seed, .packed = true };
}

static size_t hash_field_size(size_t name_len, size_t value_len)
{
    return sizeof(struct hash_field) + name_len + value_len;
}

static void hash_field_free(struct dict_node *node, void *arg)
{
    struct kv_heap *heap = arg;
    const struct hash_field *field = (const struct hash_field *)node;
    kv_heap_free(heap, node, hash_field_size(node->key_len, field->value_len));
}

void kv_hash_finish(struct kv_hash *hash)
{
    if (hash->packed)
        kv_heap_free(hash->heap, hash->bytes, hash->cap);
    else
        dict_clear(&hash->table, hash_field_free, hash->heap);
    kv_hash_init(hash, hash->heap, hash->seed);
}

/* One pair of the packed form; `at` is its offset, `size` its bytes. */
struct hash_pair {
    uint32_t at;
    uint32_t size;
    struct kv_arg name;
    struct kv_arg value;
};

static bool hash_pair_read(const struct kv_hash *hash, uint32_t at, struct hash_pair *pair)
{
    if (at == hash->used)
        return false;
    const uint8_t *p = hash->bytes + at;
    pair->at = at;
    pair->name = (struct kv_arg){ (const char *)p + 1, p[0] };
    p += 1 + p[0];
    pair->value = (struct kv_arg){ (const char *)p + 1, p[0] };
    pair->size = (uint32_t)(pair->name.len + pair->value.len + 2);
    return true;
}

static bool hash_pair_find(const struct kv_hash *hash, const struct kv_arg *name,
                           struct hash_pair *pair)
{
    for (uint32_t at = 0; hash_pair_read(hash, at, pair); at += pair->size)
        if (pair->name.len == name->len && memcmp(pair->name.ptr, name->ptr, name->len) == 0)
            return true;
    return false;
}

static uint32_t hash_of(const struct kv_hash *hash, const struct kv_arg *name)
{
    return (uint32_t)kv_hash(hash->seed, name->ptr, name->len);
}

static struct dict_node **hash_table_find(struct kv_hash *hash, const struct kv_arg *name)
{
    return dict_find(&hash->table, name->ptr, name->len, hash_of(hash, name));
}

static struct kv_arg hash_field_value(const struct dict_node *node)
{
    const struct hash_field *field = (const struct hash_field *)node;
    return (struct kv_arg){ field->bytes + node->key_len, field->value_len };
}

bool kv_hash_get(struct kv_hash *hash, const struct kv_arg *field, struct kv_arg *out_value)
{
    if (hash->packed) {
        struct hash_pair pair;
        if (!hash_pair_find(hash, field, &pair))
            return false;
        *out_value = pair.value;
        return true;
    }
    struct dict_node **link = hash_table_find(hash, field);
    if (link == NULL)
        return false;
    *out_value = hash_field_value(*link);
    return true;
}

static bool hash_packed_reserve(struct kv_hash *hash, uint32_t size)
{
    if (size <= hash->cap)
        return true;
    size_t want = hash->cap * (size_t)2 > size ? hash->cap * (size_t)2 : size;
    size_t cap = kv_heap_round(want < HASH_CAP_MIN ? HASH_CAP_MIN : want);
    uint8_t *bytes = kv_heap_resize(hash->heap, hash->bytes, hash->cap, cap);
    if (bytes == NULL)
        return false;
    hash->bytes = bytes;
    hash->cap = (uint32_t)cap;
    return true;
}

static uint8_t *hash_packed_put(uint8_t *to, const struct kv_arg *text)
{
    to[0] = (uint8_t)text->len;
    memcpy(to + 1, text->ptr, text->len);
    return to + 1 + text->len;
}

static sp_err hash_packed_append(struct kv_hash *hash, const struct kv_arg *field,
                                 const struct kv_arg *value)
{
    uint32_t size = (uint32_t)(field->len + value->len + 2);
    if (!hash_packed_reserve(hash, hash->used + size))
        return SP_ERR_NOMEM;
    hash_packed_put(hash_packed_put(hash->bytes + hash->used, field), value);
    hash->used += size;
    hash->count++;
    return SP_OK;
}

static sp_err hash_packed_replace(struct kv_hash *hash, const struct hash_pair *pair,
                                  const struct kv_arg *value)
{
    uint32_t value_at = pair->at + 1 + (uint32_t)pair->name.len;
    uint32_t next = pair->at + pair->size;
    uint32_t used = hash->used - pair->size + 2 + (uint32_t)(pair->name.len + value->len);
    if (!hash_packed_reserve(hash, used))
        return SP_ERR_NOMEM;
    memmove(hash->bytes + value_at + 1 + value->len, hash->bytes + next, hash->used - next);
    hash_packed_put(hash->bytes + value_at, value);
    hash->used = used;
    return SP_OK;
}

static struct hash_field *hash_field_create(struct kv_hash *hash, const struct kv_arg *name,
                                            const struct kv_arg *value)
{
    struct hash_field *field = kv_heap_alloc(hash->heap, hash_field_size(name->len, value->len));
    if (field == NULL)
        return NULL;
    field->node = (struct dict_node){ .hash = hash_of(hash, name), .key_len = (uint32_t)name->len };
    field->value_len = (uint32_t)value->len;
    memcpy(field->bytes, name->ptr, name->len);
    memcpy(field->bytes + name->len, value->ptr, value->len);
    return field;
}

static sp_err hash_table_add(struct kv_hash *hash, const struct kv_arg *name,
                             const struct kv_arg *value)
{
    struct hash_field *field = hash_field_create(hash, name, value);
    if (field == NULL)
        return SP_ERR_NOMEM;
    sp_err err = dict_insert(&hash->table, &field->node);
    if (err != SP_OK)
        hash_field_free(&field->node, hash->heap);
    return err;
}

/* Turns the packed form into a table, or leaves it as it was when memory runs out. */
static sp_err hash_unpack(struct kv_hash *hash)
{
    dict_init(&hash->table, hash->heap, offsetof(struct hash_field, bytes));
    struct hash_pair pair;
    for (uint32_t at = 0; hash_pair_read(hash, at, &pair); at += pair.size) {
        sp_err err = hash_table_add(hash, &pair.name, &pair.value);
        if (err != SP_OK) {
            dict_clear(&hash->table, hash_field_free, hash->heap);
            return err;
        }
    }
    kv_heap_free(hash->heap, hash->bytes, hash->cap);
    hash->bytes = NULL;
    hash->used = 0;
    hash->cap = 0;
    hash->packed = false;
    return SP_OK;
}

static sp_err hash_table_set(struct kv_hash *hash, const struct kv_arg *name,
                             const struct kv_arg *value, bool *out_created)
{
    struct dict_node **link = hash_table_find(hash, name);
    if (link == NULL) {
        sp_err err = hash_table_add(hash, name, value);
        if (err == SP_OK) {
            hash->count++;
            *out_created = true;
        }
        return err;
    }
    *out_created = false;
    struct hash_field *old = (struct hash_field *)*link;
    if (old->value_len == value->len) {
        memcpy(old->bytes + name->len, value->ptr, value->len);
        return SP_OK;
    }
    struct hash_field *field = hash_field_create(hash, name, value);
    if (field == NULL)
        return SP_ERR_NOMEM;
    field->node.next = old->node.next;
    dict_relink(link, &field->node);
    hash_field_free(&old->node, hash->heap);
    return SP_OK;
}

static sp_err hash_packed_set(struct kv_hash *hash, const struct kv_arg *name,
                              const struct kv_arg *value, bool *out_created)
{
    struct hash_pair pair;
    bool found = hash_pair_find(hash, name, &pair);
    sp_err err =
        found ? hash_packed_replace(hash, &pair, value) : hash_packed_append(hash, name, value);
    if (err == SP_OK)
        *out_created = !found;
    return err;
}

sp_err kv_hash_set(struct kv_hash *hash, const struct kv_arg *field, const struct kv_arg *value,
                   bool *out_created)
{
    if (field->len > UINT32_MAX || value->len > UINT32_MAX)
        return SP_ERR_TOOBIG;
    struct kv_arg unused;
    bool fits = field->len <= KV_HASH_PACKED_BYTES && value->len <= KV_HASH_PACKED_BYTES;
    if (hash->packed && fits && hash->count == KV_HASH_PACKED_MAX)
        fits = kv_hash_get(hash, field, &unused);
    if (hash->packed && !fits) {
        sp_err err = hash_unpack(hash);
        if (err != SP_OK)
            return err;
    }
    return hash->packed ? hash_packed_set(hash, field, value, out_created)
                        : hash_table_set(hash, field, value, out_created);
}

bool kv_hash_remove(struct kv_hash *hash, const struct kv_arg *field)
{
    if (hash->packed) {
        struct hash_pair pair;
        if (!hash_pair_find(hash, field, &pair))
            return false;
        uint32_t next = pair.at + pair.size;
        memmove(hash->bytes + pair.at, hash->bytes + next, hash->used - next);
        hash->used -= pair.size;
    } else {
        struct dict_node **link = hash_table_find(hash, field);
        if (link == NULL)
            return false;
        hash_field_free(dict_remove(&hash->table, link), hash->heap);
    }
    hash->count--;
    return true;
}

struct hash_visit {
    kv_hash_visit_fn visit;
    void *arg;
};

static void hash_visit_node(struct dict_node *node, void *arg)
{
    const struct hash_visit *visit = arg;
    struct kv_arg name = { ((const struct hash_field *)node)->bytes, node->key_len };
    struct kv_arg value = hash_field_value(node);
    visit->visit(&name, &value, visit->arg);
}

void kv_hash_each(const struct kv_hash *hash, kv_hash_visit_fn visit, void *arg)
{
    if (!hash->packed) {
        struct hash_visit all = { visit, arg };
        dict_each(&hash->table, hash_visit_node, &all);
        return;
    }
    struct hash_pair pair;
    for (uint32_t at = 0; hash_pair_read(hash, at, &pair); at += pair.size)
        visit(&pair.name, &pair.value, arg);
}
