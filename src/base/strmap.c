/* A hash map from byte strings: copies and compares keys; base/table.c does the rest.
 *
 * The key of a table entry is the address of a strmap_key, which remembers the hash.
 */
#include "base/strmap.h"

#include "base/alloc.h"

#include <string.h>

#define STRMAP_KEY_MAX (UINT32_C(1) << 31)

struct strmap_key {
    uint32_t hash;
    uint32_t size;
    char bytes[]; /* size bytes and a zero */
};

static struct strmap_key *strmap_key(const struct sp__table_entry *entry)
{
    return (struct strmap_key *)(uintptr_t)entry->key;
}

static uint32_t strmap_hash(const struct sp__table *table, const struct sp__table_entry *entry)
{
    (void)table;
    return strmap_key(entry)->hash;
}

static uint32_t strmap_hash_key(const struct sp__strmap *map, const char *key, size_t size)
{
    return (uint32_t)sp__hash_bytes(map->table.seed, key, size);
}

static bool strmap_equal(const struct sp__table_entry *entry, const char *key, size_t size)
{
    const struct strmap_key *own = strmap_key(entry);
    return own->size == size && memcmp(own->bytes, key, size) == 0;
}

static uint32_t strmap_find(const struct sp__strmap *map, const char *key, size_t size)
{
    const struct sp__table *table = &map->table;
    uint32_t hash = sp__table_hashed(table) ? strmap_hash_key(map, key, size) : 0;
    sp__table_probe probe = sp__table_begin(table, hash);
    uint32_t position;
    do {
        position = sp__table_find(table, &probe);
    } while (position != SP__TABLE_NONE && !strmap_equal(&table->entries[position], key, size));
    return position;
}

void sp__strmap_init(struct sp__strmap *map, struct sp__hash_seed seed)
{
    sp__table_init(&map->table, strmap_hash, seed);
}

void sp__strmap_finish(struct sp__strmap *map)
{
    const struct sp__table *table = &map->table;
    for (uint32_t at = sp__table_next(table, 0); at != SP__TABLE_NONE;
         at = sp__table_next(table, at + 1))
        sp__free(strmap_key(&table->entries[at]));
    sp__table_finish(&map->table);
}

void *sp__strmap_get(const struct sp__strmap *map, const char *key, size_t size)
{
    uint32_t position = strmap_find(map, key, size);
    return position == SP__TABLE_NONE ? NULL : map->table.entries[position].value;
}

static sp_err strmap_append(struct sp__strmap *map, const char *key, size_t size, void *value)
{
    if (size >= STRMAP_KEY_MAX)
        return SP_ERR_TOOBIG;
    sp_err err = sp__table_reserve(&map->table);
    if (err != SP_OK)
        return err;
    struct strmap_key *copy = sp__malloc(sizeof(*copy) + size + 1);
    if (copy == NULL)
        return SP_ERR_NOMEM;
    copy->hash = strmap_hash_key(map, key, size);
    copy->size = (uint32_t)size;
    memcpy(copy->bytes, key, size);
    copy->bytes[size] = '\0';
    sp__table_add(&map->table, (uintptr_t)copy, value);
    return SP_OK;
}

sp_err sp__strmap_add(struct sp__strmap *map, const char *key, size_t size, void *value)
{
    if (strmap_find(map, key, size) != SP__TABLE_NONE)
        return SP_ERR_EXISTS;
    return strmap_append(map, key, size, value);
}

sp_err sp__strmap_put(struct sp__strmap *map, const char *key, size_t size, void *value)
{
    uint32_t position = strmap_find(map, key, size);
    if (position == SP__TABLE_NONE)
        return strmap_append(map, key, size, value);
    map->table.entries[position].value = value;
    return SP_OK;
}

void *sp__strmap_remove(struct sp__strmap *map, const char *key, size_t size)
{
    uint32_t position = strmap_find(map, key, size);
    if (position == SP__TABLE_NONE)
        return NULL;
    struct sp__table_entry entry = map->table.entries[position];
    sp__table_remove(&map->table, position);
    sp__free(strmap_key(&entry)); /* after the table, which asks it for its hash */
    return entry.value;
}

bool sp__strmap_next(const struct sp__strmap *map, uint32_t *cursor, sp__strmap_item *out_item)
{
    uint32_t position = sp__table_next(&map->table, *cursor);
    if (position == SP__TABLE_NONE)
        return false;
    const struct sp__table_entry *entry = &map->table.entries[position];
    const struct strmap_key *key = strmap_key(entry);
    *out_item = (sp__strmap_item){
        .key = key->bytes,
        .key_size = key->size,
        .value = entry->value,
    };
    *cursor = position + 1;
    return true;
}
