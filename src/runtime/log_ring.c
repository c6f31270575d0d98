#include "runtime/log_ring.h"

#include "base/alloc.h"

#include <string.h>

/* What is left of a slot for copies. */
struct ring_room {
    char *at;
    size_t left;
    bool cut;
};

static struct sp__log_slot *ring_slot(const struct sp__log_ring *ring, uint64_t position)
{
    return (struct sp__log_slot *)(void *)(ring->slots + (position & ring->mask) * ring->stride);
}

sp_err sp__log_ring_init(struct sp__log_ring *ring, uint32_t lines, uint32_t line_size)
{
    uint64_t count = 1;
    while (count < lines)
        count *= 2;
    ring->stride = ((size_t)line_size + SP__CACHE_LINE - 1) & ~(size_t)(SP__CACHE_LINE - 1);
    ring->slots = sp__aligned_alloc(SP__CACHE_LINE, count * ring->stride);
    if (ring->slots == NULL)
        return SP_ERR_NOMEM;
    ring->mask = count - 1;
    for (uint64_t i = 0; i < count; i++)
        atomic_init(&ring_slot(ring, i)->turn, i);
    return SP_OK;
}

void sp__log_ring_finish(struct sp__log_ring *ring)
{
    sp__free(ring->slots);
    ring->slots = NULL;
}

/* ---- copying ---- */

/* A text that ends in zero. */
static const char *room_bytes(struct ring_room *room, const char *bytes, size_t size,
                              size_t *out_size)
{
    if (room->left == 0) {
        room->cut = true;
        *out_size = 0;
        return "";
    }
    if (size >= room->left) {
        size = room->left - 1;
        room->cut = true;
    }
    char *copy = room->at;
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    room->at += size + 1;
    room->left -= size + 1;
    *out_size = size;
    return copy;
}

static const char *room_text(struct ring_room *room, const char *text)
{
    size_t size;
    return room_bytes(room, text, strlen(text), &size);
}

/* The pairs that there is room for; their texts still are the user's. */
static struct sp_kv *room_pairs(struct ring_room *room, const struct sp_kv *pairs)
{
    struct sp_kv *copy = (struct sp_kv *)(void *)room->at;
    size_t fit = room->left / sizeof(*copy);
    size_t count = 0;
    while (pairs[count].type != SP_KV_END && count < SP__LOG_PAIRS_MAX && count + 1 < fit) {
        copy[count] = pairs[count];
        count++;
    }
    room->cut |= pairs[count].type != SP_KV_END;
    copy[count] = (struct sp_kv){ .type = SP_KV_END };
    room->at += (count + 1) * sizeof(*copy);
    room->left -= (count + 1) * sizeof(*copy);
    return copy;
}

static void ring_copy(struct sp__log_slot *slot, size_t stride, const struct sp_log_record *record)
{
    struct ring_room room = { .at = (char *)(slot + 1), .left = stride - sizeof(*slot) };
    slot->record = *record;
    struct sp_kv *pairs = room_pairs(&room, record->pairs);
    /* The short ones first, so that a long text leaves them whole. */
    slot->record.process = room_text(&room, record->process);
    slot->record.module = room_text(&room, record->module);
    for (struct sp_kv *pair = pairs; pair->type != SP_KV_END; pair++)
        pair->key = room_text(&room, pair->key);
    slot->record.text = room_text(&room, record->text);
    for (struct sp_kv *pair = pairs; pair->type != SP_KV_END; pair++)
        if (pair->type == SP_KV_STR && pair->value.text.bytes != NULL)
            pair->value.text.bytes = room_bytes(&room, pair->value.text.bytes,
                                                pair->value.text.size, &pair->value.text.size);
    slot->record.pairs = pairs;
    slot->record.cut |= room.cut;
}

/* ---- putting ---- */

/* Positions that may be taken, ahead of the reader. */
static int64_t ring_limit(const struct sp__log_ring *ring, enum sp_log_level level)
{
    int64_t count = (int64_t)ring->mask + 1;
    return level >= SP_LOG_WARNING ? count : count - count / 4;
}

static bool ring_take(struct sp__log_ring *ring, enum sp_log_level level, uint64_t *out_position)
{
    int64_t limit = ring_limit(ring, level);
    /* relaxed: the turn of the slot decides. */
    uint64_t position = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    for (;;) {
        /* relaxed: how full it is may be a little old; the turn guards the slot itself. It may also
         * be ahead of an old position. */
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
        if ((int64_t)(position - head) >= limit)
            return false;
        /* acquire: pairs with release(), which is done with what was in the slot. */
        uint64_t turn =
            atomic_load_explicit(&ring_slot(ring, position)->turn, memory_order_acquire);
        if (turn == position) {
            /* relaxed: the turn publishes, this only says whose the slot is. */
            if (atomic_compare_exchange_weak_explicit(&ring->tail, &position, position + 1,
                                                      memory_order_relaxed, memory_order_relaxed))
                break;
        } else if (turn < position) {
            return false;
        } else {
            position = atomic_load_explicit(&ring->tail, memory_order_relaxed);
        }
    }
    *out_position = position;
    return true;
}

bool sp__log_ring_put(struct sp__log_ring *ring, const struct sp_log_record *record)
{
    uint64_t position;
    if (!ring_take(ring, record->level, &position)) {
        /* relaxed: a count. */
        atomic_fetch_add_explicit(&ring->lost, 1, memory_order_relaxed);
        return false;
    }
    struct sp__log_slot *slot = ring_slot(ring, position);
    ring_copy(slot, ring->stride, record);
    slot->lost = 0;
    if (atomic_load_explicit(&ring->lost, memory_order_relaxed) != 0)
        slot->lost = atomic_exchange_explicit(&ring->lost, 0, memory_order_relaxed);
    /* seq_cst: publishes the line, and comes before the look whether the reader sleeps; pairs with
     * peek(), and with the reader's going to sleep. */
    atomic_store_explicit(&slot->turn, position + 1, memory_order_seq_cst);
    return true;
}

bool sp__log_ring_half(const struct sp__log_ring *ring)
{
    /* relaxed, both: when it is time to wake somebody who wakes anyhow. */
    return atomic_load_explicit(&ring->tail, memory_order_relaxed) -
               atomic_load_explicit(&ring->head, memory_order_relaxed) >
           ring->mask / 2;
}

/* ---- reading ---- */

const struct sp__log_slot *sp__log_ring_peek(const struct sp__log_ring *ring, uint64_t position)
{
    const struct sp__log_slot *slot = ring_slot(ring, position);
    /* seq_cst: pairs with put(). */
    return atomic_load_explicit(&slot->turn, memory_order_seq_cst) == position + 1 ? slot : NULL;
}

void sp__log_ring_release(struct sp__log_ring *ring, uint64_t count)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    for (uint64_t i = 0; i < count; i++)
        /* release: pairs with take(). */
        atomic_store_explicit(&ring_slot(ring, head + i)->turn, head + i + ring->mask + 1,
                              memory_order_release);
    /* release: pairs with a flush, for which it is written. */
    atomic_store_explicit(&ring->head, head + count, memory_order_release);
}
