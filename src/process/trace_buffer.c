#include "process/trace_buffer.h"

#include "base/alloc.h"

#include <string.h>

sp_err sp__trace_buffer_init(struct sp__trace_buffer *buffer, uint32_t size)
{
    buffer->size = (size + SP__TRACE_SHARDS - 1) / SP__TRACE_SHARDS;
    for (unsigned i = 0; i < SP__TRACE_SHARDS; i++) {
        struct sp__trace_shard *shard = &buffer->shards[i];
        sp__lock_lock(&shard->lock);
        shard->ring = sp__calloc(buffer->size, sizeof(*shard->ring));
        bool made = shard->ring != NULL;
        sp__lock_unlock(&shard->lock);
        if (!made) {
            sp__trace_buffer_finish(buffer);
            return SP_ERR_NOMEM;
        }
    }
    return SP_OK;
}

void sp__trace_buffer_finish(struct sp__trace_buffer *buffer)
{
    for (unsigned i = 0; i < SP__TRACE_SHARDS; i++) {
        struct sp__trace_shard *shard = &buffer->shards[i];
        sp__lock_lock(&shard->lock);
        for (; shard->count > 0; shard->count--) {
            sp_trace_release(&shard->ring[shard->first], 1);
            shard->first = (shard->first + 1) % buffer->size;
        }
        sp__free(shard->ring);
        shard->ring = NULL;
        sp__lock_unlock(&shard->lock);
    }
}

static void buffer_some(struct sp__trace_buffer *buffer, bool much)
{
    sp__lock_lock(&buffer->sink_lock);
    if (buffer->sink.some != NULL)
        buffer->sink.some(buffer->sink.arg, much);
    sp__lock_unlock(&buffer->sink_lock);
}

void sp__trace_buffer_put(struct sp__trace_buffer *buffer, uint32_t shard_number,
                          const struct sp_trace_record *moved, bool failed)
{
    struct sp__trace_shard *shard = &buffer->shards[shard_number % SP__TRACE_SHARDS];
    sp__lock_lock(&shard->lock);
    bool room = shard->count < buffer->size;
    if (room) {
        shard->ring[(shard->first + shard->count) % buffer->size] = *moved;
        shard->count++;
        shard->recorded++;
        shard->failed += failed ? 1 : 0;
    } else {
        shard->lost++;
    }
    bool half = room && shard->count == buffer->size / 2;
    /* relaxed: who is told takes the locks; one that is told too often finds nothing. */
    uint32_t before =
        room ? atomic_fetch_add_explicit(&buffer->waiting, 1, memory_order_relaxed) : 1;
    sp__lock_unlock(&shard->lock);
    if (!room) {
        struct sp_trace_record lost = *moved;
        sp_trace_release(&lost, 1);
    }
    if (before == 0 || half)
        buffer_some(buffer, half);
}

void sp__trace_buffer_lose(struct sp__trace_buffer *buffer, uint32_t shard_number)
{
    struct sp__trace_shard *shard = &buffer->shards[shard_number % SP__TRACE_SHARDS];
    sp__lock_lock(&shard->lock);
    shard->lost++;
    sp__lock_unlock(&shard->lock);
}

static size_t shard_take(struct sp__trace_shard *shard, uint32_t size,
                         struct sp_trace_record *records, size_t max)
{
    size_t taken = 0;
    sp__lock_lock(&shard->lock);
    for (; taken < max && shard->count > 0; shard->count--) {
        records[taken++] = shard->ring[shard->first];
        shard->first = (shard->first + 1) % size;
    }
    sp__lock_unlock(&shard->lock);
    return taken;
}

size_t sp__trace_buffer_take(struct sp__trace_buffer *buffer, struct sp_trace_record *records,
                             size_t max)
{
    size_t taken = 0;
    for (unsigned i = 0; i < SP__TRACE_SHARDS; i++)
        taken += shard_take(&buffer->shards[i], buffer->size, records + taken, max - taken);
    atomic_fetch_sub_explicit(&buffer->waiting, (uint32_t)taken, memory_order_relaxed);
    atomic_fetch_add_explicit(&buffer->taken, taken, memory_order_relaxed); /* a statistic */
    return taken;
}

void sp__trace_buffer_stats(struct sp__trace_buffer *buffer, struct sp_trace_stats *out)
{
    *out = (struct sp_trace_stats){ .taken = atomic_load_explicit(&buffer->taken,
                                                                  memory_order_relaxed) };
    for (unsigned i = 0; i < SP__TRACE_SHARDS; i++) {
        struct sp__trace_shard *shard = &buffer->shards[i];
        sp__lock_lock(&shard->lock);
        out->recorded += shard->recorded;
        out->failed += shard->failed;
        out->lost += shard->lost;
        sp__lock_unlock(&shard->lock);
    }
}

sp_err sp__trace_buffer_tell(struct sp__trace_buffer *buffer, const struct sp__trace_sink *sink)
{
    sp__lock_lock(&buffer->sink_lock);
    sp_err err = sink != NULL && buffer->sink.some != NULL ? SP_ERR_EXISTS : SP_OK;
    if (err == SP_OK)
        buffer->sink = sink == NULL ? (struct sp__trace_sink){ NULL, NULL, NULL } : *sink;
    sp__lock_unlock(&buffer->sink_lock);
    return err;
}

void sp__trace_buffer_end(struct sp__trace_buffer *buffer)
{
    sp__lock_lock(&buffer->sink_lock);
    struct sp__trace_sink sink = buffer->sink;
    buffer->sink = (struct sp__trace_sink){ NULL, NULL, NULL };
    sp__lock_unlock(&buffer->sink_lock);
    if (sink.end != NULL)
        sink.end(sink.arg);
}

/* ---- records ---- */

void sp_trace_release(struct sp_trace_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (struct sp_trace_attribute *next; records[i].attributes != NULL;
             records[i].attributes = next) {
            next = records[i].attributes->next;
            sp__free(records[i].attributes);
        }
        sp__free(records[i].state);
        records[i].state = NULL;
    }
}

const char *sp_trace_outcome_name(enum sp_trace_outcome outcome)
{
    static const char *const names[] = { "ok", "error", "fault", "expired" };
    return outcome >= SP_TRACE_OK && outcome <= SP_TRACE_EXPIRED ? names[outcome] : "unknown";
}
