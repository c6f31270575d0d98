/* Entries in insertion order with an index beside them: see table.h. */
#include "base/table.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>

enum {
    TABLE_SMALL = 8, /* entries that need no index: one or two cache lines of keys */
};
#define TABLE_CAPACITY_MAX (UINT32_C(1) << 30)

void sp__table_init(struct sp__table *table, sp__table_hash_fn *hash, struct sp__hash_seed seed)
{
    *table = (struct sp__table){ .hash = hash, .seed = seed };
}

void sp__table_finish(struct sp__table *table)
{
    sp__free(table->entries);
    sp__free(table->slots);
    sp__table_init(table, table->hash, table->seed);
}

sp__table_probe sp__table_begin(const struct sp__table *table, uint32_t hash)
{
    uint32_t at = table->slots == NULL ? table->first : hash & table->slot_mask;
    return (sp__table_probe){ .hash = hash, .at = at };
}

static uint32_t table_find_slot(const struct sp__table *table, sp__table_probe *probe)
{
    for (;;) {
        const struct sp__table_slot *slot = &table->slots[probe->at];
        if (slot->position == SP__TABLE_NONE)
            return SP__TABLE_NONE;
        probe->at = (probe->at + 1) & table->slot_mask;
        if (slot->hash == probe->hash)
            return slot->position;
    }
}

uint32_t sp__table_find(const struct sp__table *table, sp__table_probe *probe)
{
    if (table->slots != NULL)
        return table_find_slot(table, probe);
    uint32_t position = sp__table_next(table, probe->at);
    if (position != SP__TABLE_NONE)
        probe->at = position + 1;
    return position;
}

uint32_t sp__table_next(const struct sp__table *table, uint32_t position)
{
    if (position < table->first)
        position = table->first;
    for (; position < table->used; position++) {
        if (table->entries[position].value != NULL)
            return position;
    }
    return SP__TABLE_NONE;
}

static void table_index(struct sp__table *table, uint32_t position)
{
    uint32_t hash = table->hash(table, &table->entries[position]);
    uint32_t at = hash & table->slot_mask;
    while (table->slots[at].position != SP__TABLE_NONE)
        at = (at + 1) & table->slot_mask;
    table->slots[at] = (struct sp__table_slot){ .hash = hash, .position = position };
}

/* At least 3/2 of the entries, so that a run of taken slots stays short. */
static uint32_t table_slots_for(uint32_t capacity)
{
    uint32_t slots = 16;
    while (slots - slots / 3 < capacity)
        slots *= 2;
    return slots;
}

static struct sp__table_slot *table_make_slots(uint32_t count)
{
    struct sp__table_slot *slots = sp__malloc((size_t)count * sizeof(*slots));
    if (slots != NULL)
        memset(slots, 0xff, (size_t)count * sizeof(*slots)); /* position = SP__TABLE_NONE */
    return slots;
}

/* Moves every entry to `entries`, without the holes, and indexes it. */
static void table_move(struct sp__table *table, struct sp__table_entry *entries)
{
    uint32_t to = 0;
    for (uint32_t from = table->first; from < table->used; from++) {
        if (table->entries[from].value != NULL)
            entries[to++] = table->entries[from];
    }
    sp__free(table->entries);
    table->entries = entries;
    table->first = 0;
    table->used = to;
    for (uint32_t i = 0; table->slots != NULL && i < to; i++)
        table_index(table, i);
}

static sp_err table_rebuild(struct sp__table *table, uint32_t capacity)
{
    struct sp__table_slot *slots = NULL;
    uint32_t slot_count = table_slots_for(capacity);
    struct sp__table_entry *entries = sp__malloc((size_t)capacity * sizeof(*entries));
    if (entries == NULL)
        return SP_ERR_NOMEM;
    if (capacity > TABLE_SMALL) {
        slots = table_make_slots(slot_count);
        if (slots == NULL) {
            sp__free(entries);
            return SP_ERR_NOMEM;
        }
    }
    sp__free(table->slots);
    table->slots = slots;
    table->slot_mask = slot_count - 1;
    table->capacity = capacity;
    table_move(table, entries);
    return SP_OK;
}

/* Full: closes the holes where they are many, doubles where they are few. */
static uint32_t table_next_capacity(const struct sp__table *table)
{
    if (table->capacity == 0)
        return TABLE_SMALL / 2;
    if (table->count <= table->capacity / 2)
        return table->capacity;
    return table->capacity * 2;
}

sp_err sp__table_reserve(struct sp__table *table)
{
    if (table->capacity > TABLE_SMALL && table->count < table->capacity / 8) {
        /* Not being able to shrink is no reason to fail. */
        if (table_rebuild(table, table->capacity / 2) == SP_OK)
            return SP_OK;
    }
    if (table->used < table->capacity)
        return SP_OK;
    if (table->count >= TABLE_CAPACITY_MAX)
        return SP_ERR_LIMIT;
    return table_rebuild(table, table_next_capacity(table));
}

void sp__table_add(struct sp__table *table, uint64_t key, void *value)
{
    uint32_t position = table->used;
    assert(value != NULL && position < table->capacity);
    table->entries[position] = (struct sp__table_entry){ .key = key, .value = value };
    table->used++;
    table->count++;
    if (table->slots != NULL)
        table_index(table, position);
}

/* Algorithm R: pulls back whoever is further from home than the free slot. */
static void table_unindex(struct sp__table *table, uint32_t position)
{
    uint32_t mask = table->slot_mask;
    uint32_t hole = table->hash(table, &table->entries[position]) & mask;
    while (table->slots[hole].position != position)
        hole = (hole + 1) & mask;
    for (uint32_t at = (hole + 1) & mask; table->slots[at].position != SP__TABLE_NONE;
         at = (at + 1) & mask) {
        uint32_t home = table->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    table->slots[hole].position = SP__TABLE_NONE;
}

void sp__table_remove(struct sp__table *table, uint32_t position)
{
    assert(position < table->used && table->entries[position].value != NULL);
    if (table->slots != NULL)
        table_unindex(table, position);
    table->entries[position].value = NULL;
    table->count--;
    if (table->count == 0) {
        sp__table_finish(table);
        return;
    }
    /* `first` follows, so that draining a table from its front is not quadratic. */
    if (position == table->first)
        table->first = sp__table_next(table, position);
}
