#include "sim/history/configs.h"

#include "base/alloc.h"
#include "sim/history/model.h"

#include <string.h>

enum {
    CONFIGS_MIN = 64,
};

void sim_configs_finish(struct sim_configs *configs)
{
    sp__free(configs->states.slots);
    sp__free(configs->configs.slots);
    sp__free(configs->list);
    sp__free(configs->bytes);
    sp__free(configs->words);
    *configs = (struct sim_configs){ .model = NULL };
}

/* Room for `more` elements of `size` bytes behind `used`, doubling. */
static void *configs_grow(struct sim_configs *configs, void *block, size_t *capacity, size_t used,
                          size_t more, size_t size)
{
    if (more <= *capacity - used)
        return block;
    size_t wanted = *capacity < CONFIGS_MIN ? CONFIGS_MIN : 2 * *capacity;
    while (wanted - used < more)
        wanted *= 2;
    void *grown = sp__realloc(block, wanted * size);
    if (grown == NULL)
        return NULL;
    configs->memory += (wanted - *capacity) * size;
    *capacity = wanted;
    return grown;
}

static sp_err table_grow(struct sim_configs *configs, struct sim_table *table)
{
    if (table->count < table->capacity / 2)
        return SP_OK;
    size_t capacity = table->capacity == 0 ? CONFIGS_MIN : 2 * table->capacity;
    struct sim_slot *slots = sp__calloc(capacity, sizeof(*slots));
    if (slots == NULL)
        return SP_ERR_NOMEM;
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].place == 0)
            continue;
        size_t at = table->slots[i].hash & (capacity - 1);
        while (slots[at].place != 0)
            at = (at + 1) & (capacity - 1);
        slots[at] = table->slots[i];
    }
    configs->memory += (capacity - table->capacity) * sizeof(*slots);
    sp__free(table->slots);
    table->slots = slots;
    table->capacity = capacity;
    return SP_OK;
}

/* ---- states ---- */

struct sp_state sim_configs_state_get(const struct sim_configs *configs, uint32_t id)
{
    const struct sim_state *state = &configs->list[id];
    return (struct sp_state){ .bytes = state->size == 0 ? NULL : configs->bytes + state->offset,
                              .size = state->size };
}

static bool state_equal(const struct sim_configs *configs, const struct sp_state *a,
                        const struct sp_state *b)
{
    if (configs->model->equal != NULL)
        return configs->model->equal(a, b);
    return a->size == b->size && (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

static sp_err state_add(struct sim_configs *configs, const struct sp_state *state)
{
    size_t count = configs->states.count;
    void *list = configs_grow(configs, configs->list, &configs->list_capacity, count, 1,
                              sizeof(*configs->list));
    if (list == NULL)
        return SP_ERR_NOMEM;
    configs->list = list;
    void *bytes = configs_grow(configs, configs->bytes, &configs->bytes_capacity,
                               configs->bytes_used, state->size + 1, 1);
    if (bytes == NULL)
        return SP_ERR_NOMEM;
    configs->bytes = bytes;
    configs->list[count] = (struct sim_state){ .offset = configs->bytes_used, .size = state->size };
    if (state->size > 0)
        memcpy(configs->bytes + configs->bytes_used, state->bytes, state->size);
    configs->bytes_used += state->size;
    return SP_OK;
}

sp_err sim_configs_state(struct sim_configs *configs, const struct sp_state *state,
                         uint32_t *out_id)
{
    struct sim_table *table = &configs->states;
    uint64_t hash = configs->model->hash != NULL ? configs->model->hash(state)
                                                 : sim__hash(state->bytes, state->size);
    sp_err err = table_grow(configs, table);
    if (err != SP_OK)
        return err;
    size_t at = hash & (table->capacity - 1);
    for (; table->slots[at].place != 0; at = (at + 1) & (table->capacity - 1)) {
        if (table->slots[at].hash != hash)
            continue;
        struct sp_state there =
            sim_configs_state_get(configs, (uint32_t)(table->slots[at].place - 1));
        if (state_equal(configs, &there, state)) {
            *out_id = (uint32_t)(table->slots[at].place - 1);
            return SP_OK;
        }
    }
    err = state_add(configs, state);
    if (err != SP_OK)
        return err;
    *out_id = (uint32_t)table->count++;
    table->slots[at] = (struct sim_slot){ .hash = hash, .place = table->count };
    return SP_OK;
}

/* ---- configurations: how many words, then these ---- */

static bool config_equal(const struct sim_configs *configs, uint64_t place, const uint64_t *words,
                         size_t count)
{
    const uint64_t *there = configs->words + place - 1;
    return there[0] == count && memcmp(there + 1, words, count * sizeof(*words)) == 0;
}

sp_err sim_configs_add(struct sim_configs *configs, uint64_t hash, const uint64_t *words,
                       size_t count, bool *out_new)
{
    struct sim_table *table = &configs->configs;
    sp_err err = table_grow(configs, table);
    if (err != SP_OK)
        return err;
    *out_new = false;
    size_t at = hash & (table->capacity - 1);
    for (; table->slots[at].place != 0; at = (at + 1) & (table->capacity - 1))
        if (table->slots[at].hash == hash &&
            config_equal(configs, table->slots[at].place, words, count))
            return SP_OK;
    void *grown = configs_grow(configs, configs->words, &configs->words_capacity,
                               configs->words_used, count + 1, sizeof(*words));
    if (grown == NULL)
        return SP_ERR_NOMEM;
    configs->words = grown;
    table->slots[at] = (struct sim_slot){ .hash = hash, .place = configs->words_used + 1 };
    table->count++;
    configs->words[configs->words_used] = count;
    memcpy(configs->words + configs->words_used + 1, words, count * sizeof(*words));
    configs->words_used += count + 1;
    *out_new = true;
    return SP_OK;
}
