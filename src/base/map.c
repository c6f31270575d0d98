/* A hash map from 64-bit keys: the comparing half; base/table.c does the rest. */
#include "base/map.h"

static uint32_t map_hash_key(const struct sp__table *table, uint64_t key)
{
    return (uint32_t)sp__hash_u64(table->seed, key);
}

static uint32_t map_hash(const struct sp__table *table, const struct sp__table_entry *entry)
{
    return map_hash_key(table, entry->key);
}

static uint32_t map_find(const struct sp__map *map, uint64_t key)
{
    const struct sp__table *table = &map->table;
    uint32_t hash = sp__table_hashed(table) ? map_hash_key(table, key) : 0;
    sp__table_probe probe = sp__table_begin(table, hash);
    uint32_t position;
    do {
        position = sp__table_find(table, &probe);
    } while (position != SP__TABLE_NONE && table->entries[position].key != key);
    return position;
}

void sp__map_init(struct sp__map *map, struct sp__hash_seed seed)
{
    sp__table_init(&map->table, map_hash, seed);
}

void sp__map_finish(struct sp__map *map)
{
    sp__table_finish(&map->table);
}

void *sp__map_get(const struct sp__map *map, uint64_t key)
{
    uint32_t position = map_find(map, key);
    return position == SP__TABLE_NONE ? NULL : map->table.entries[position].value;
}

static sp_err map_append(struct sp__map *map, uint64_t key, void *value)
{
    sp_err err = sp__table_reserve(&map->table);
    if (err == SP_OK)
        sp__table_add(&map->table, key, value);
    return err;
}

sp_err sp__map_add(struct sp__map *map, uint64_t key, void *value)
{
    if (map_find(map, key) != SP__TABLE_NONE)
        return SP_ERR_EXISTS;
    return map_append(map, key, value);
}

sp_err sp__map_put(struct sp__map *map, uint64_t key, void *value)
{
    uint32_t position = map_find(map, key);
    if (position == SP__TABLE_NONE)
        return map_append(map, key, value);
    map->table.entries[position].value = value;
    return SP_OK;
}

void *sp__map_remove(struct sp__map *map, uint64_t key)
{
    uint32_t position = map_find(map, key);
    if (position == SP__TABLE_NONE)
        return NULL;
    void *value = map->table.entries[position].value;
    sp__table_remove(&map->table, position);
    return value;
}

bool sp__map_next(const struct sp__map *map, uint32_t *cursor, sp__map_item *out_item)
{
    uint32_t position = sp__table_next(&map->table, *cursor);
    if (position == SP__TABLE_NONE)
        return false;
    const struct sp__table_entry *entry = &map->table.entries[position];
    *out_item = (sp__map_item){ .key = entry->key, .value = entry->value };
    *cursor = position + 1;
    return true;
}
