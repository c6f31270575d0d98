/* Values and operations as they are collected: spawned/history.h, its container.
 *
 * Bytes are copied into chunks that never move; the array of operations grows and does.
 *
 * Threads: none of its own. Neighbours: model.c, check.c, draw.c.
 */
#include "spawned/history.h"

#include "base/alloc.h"

#include <string.h>

enum {
    HISTORY_CHUNK = 4096,
};

struct history_chunk {
    struct history_chunk *next;
    size_t used;
    size_t size;
    unsigned char bytes[];
};

struct sp_history {
    struct sp_operation *operations;
    size_t count;
    size_t capacity;
    struct history_chunk *chunks;
};

/* ---- values ---- */

sp_value sp_value_none(void)
{
    return (sp_value){ .kind = SP_VALUE_NONE };
}

sp_value sp_value_int(int64_t number)
{
    return (sp_value){ .kind = SP_VALUE_INT, .number = number };
}

sp_value sp_value_text(const char *text)
{
    return sp_value_bytes(text, strlen(text));
}

sp_value sp_value_bytes(const void *bytes, size_t size)
{
    return (sp_value){ .kind = SP_VALUE_BYTES, .size = (uint32_t)size, .bytes = bytes };
}

bool sp_value_equal(sp_value a, sp_value b)
{
    if (a.kind != b.kind)
        return false;
    if (a.kind == SP_VALUE_INT)
        return a.number == b.number;
    return a.kind == SP_VALUE_NONE ||
           (a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0));
}

/* ---- collecting ---- */

static unsigned char *chunk_take(struct sp_history *history, size_t size)
{
    struct history_chunk *chunk = history->chunks;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        size_t room = size > HISTORY_CHUNK ? size : HISTORY_CHUNK;
        chunk = sp__malloc(sizeof(*chunk) + room);
        if (chunk == NULL)
            return NULL;
        *chunk = (struct history_chunk){ .next = history->chunks, .size = room };
        history->chunks = chunk;
    }
    chunk->used += size;
    return chunk->bytes + chunk->used - size;
}

static sp_err value_copy(struct sp_history *history, sp_value *value)
{
    if (value->kind != SP_VALUE_BYTES || value->size == 0)
        return SP_OK;
    unsigned char *bytes = chunk_take(history, value->size);
    if (bytes == NULL)
        return SP_ERR_NOMEM;
    memcpy(bytes, value->bytes, value->size);
    value->bytes = bytes;
    return SP_OK;
}

sp_err sp_history_create(sp_history **out_history)
{
    struct sp_history *history = sp__calloc(1, sizeof(*history));
    if (history == NULL)
        return SP_ERR_NOMEM;
    *out_history = history;
    return SP_OK;
}

void sp_history_destroy(sp_history *history)
{
    if (history == NULL)
        return;
    while (history->chunks != NULL) {
        struct history_chunk *chunk = history->chunks;
        history->chunks = chunk->next;
        sp__free(chunk);
    }
    sp__free(history->operations);
    sp__free(history);
}

static sp_err history_grow(struct sp_history *history)
{
    if (history->count < history->capacity)
        return SP_OK;
    size_t capacity = history->capacity == 0 ? 64 : 2 * history->capacity;
    struct sp_operation *operations =
        sp__realloc(history->operations, capacity * sizeof(*operations));
    if (operations == NULL)
        return SP_ERR_NOMEM;
    history->operations = operations;
    history->capacity = capacity;
    return SP_OK;
}

sp_err sp_history_invoke(sp_history *history, const struct sp_operation *operation, uint64_t at,
                         size_t *out_id)
{
    struct sp_operation copy = *operation;
    copy.outcome = SP_OUTCOME_UNKNOWN;
    copy.out = sp_value_none();
    copy.invoked = at;
    copy.returned = SP_HISTORY_OPEN;
    sp_err err = history_grow(history);
    if (err == SP_OK)
        err = value_copy(history, &copy.key);
    for (int i = 0; i < 2 && err == SP_OK; i++)
        err = value_copy(history, &copy.in[i]);
    if (err != SP_OK)
        return err;
    *out_id = history->count;
    history->operations[history->count++] = copy;
    return SP_OK;
}

sp_err sp_history_return(sp_history *history, size_t id, enum sp_outcome outcome, sp_value out,
                         uint64_t at)
{
    if (id >= history->count)
        return SP_ERR_NOTFOUND;
    struct sp_operation *operation = &history->operations[id];
    if (operation->returned != SP_HISTORY_OPEN)
        return SP_ERR_EXISTS;
    if (outcome == SP_OUTCOME_UNKNOWN)
        return SP_OK;
    sp_err err = value_copy(history, &out);
    if (err != SP_OK)
        return err;
    operation->out = out;
    operation->outcome = outcome;
    operation->returned = at;
    return SP_OK;
}

const struct sp_operation *sp_history_operations(const sp_history *history, size_t *out_count)
{
    *out_count = history->count;
    return history->operations;
}
