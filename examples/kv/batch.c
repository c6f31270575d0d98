/* Requests and replies between a connection and a shard. See batch.h. */
#include "batch.h"

#include <stdlib.h>

enum {
    BATCH_KEEP_BYTES = 4096, /* larger buffers are given back when a batch is emptied */
    BATCH_KEEP_ITEMS = 64,
    BATCH_KEEP_SPANS = 256,
    BATCH_FEW_ARGS = 32, /* an item with more needs an allocation to run */
};

struct kv_batch *kv_batch_create(size_t reply_max)
{
    struct kv_batch *batch = calloc(1, sizeof(*batch));
    if (batch != NULL)
        resp_out_init(&batch->out, 2, reply_max);
    return batch;
}

void kv_batch_destroy(struct kv_batch *batch)
{
    if (batch == NULL)
        return;
    free(batch->item);
    free(batch->span);
    free(batch->bytes);
    resp_out_finish(&batch->out);
    free(batch);
}

void kv_batch_reset(struct kv_batch *batch)
{
    if (batch->item_cap > BATCH_KEEP_ITEMS) {
        free(batch->item);
        batch->item = NULL;
        batch->item_cap = 0;
    }
    if (batch->span_cap > BATCH_KEEP_SPANS) {
        free(batch->span);
        batch->span = NULL;
        batch->span_cap = 0;
    }
    if (batch->bytes_cap > BATCH_KEEP_BYTES) {
        free(batch->bytes);
        batch->bytes = NULL;
        batch->bytes_cap = 0;
    }
    if (batch->out.cap > BATCH_KEEP_BYTES)
        resp_out_finish(&batch->out);
    batch->out.len = 0;
    batch->out.failed = false;
    batch->items = 0;
    batch->ran = 0;
    batch->spans = 0;
    batch->bytes_len = 0;
}

/* Makes room for `more` elements of `size` bytes after `used`. */
static bool batch_reserve(void **block, size_t *cap, size_t used, size_t more, size_t size)
{
    if (more <= *cap - used)
        return true;
    size_t want = *cap * 2 > used + more ? *cap * 2 : used + more;
    if (want > SIZE_MAX / 2 / size)
        return false;
    void *grown = realloc(*block, want * size);
    if (grown == NULL)
        return false;
    *block = grown;
    *cap = want;
    return true;
}

static size_t batch_source_bytes(const struct kv_item_source *source)
{
    size_t len = 0;
    for (size_t i = 0; i < source->count; i++)
        len += source->args[i].len;
    return len;
}

static bool batch_make_room(struct kv_batch *batch, const struct kv_item_source *source)
{
    void *item = batch->item, *span = batch->span, *bytes = batch->bytes;
    /* One byte more, so that empty arguments have an address, too. */
    size_t len = batch_source_bytes(source) + 1;
    bool ok = batch_reserve(&item, &batch->item_cap, batch->items, 1, sizeof(*batch->item));
    batch->item = item;
    ok = ok &&
         batch_reserve(&span, &batch->span_cap, batch->spans, source->count, sizeof(*batch->span));
    batch->span = span;
    ok = ok && batch_reserve(&bytes, &batch->bytes_cap, batch->bytes_len, len, 1);
    batch->bytes = bytes;
    return ok;
}

sp_err kv_batch_add(struct kv_batch *batch, const struct kv_item_source *source)
{
    if (source->count > UINT32_MAX - batch->spans)
        return SP_ERR_TOOBIG;
    if (!batch_make_room(batch, source))
        return SP_ERR_NOMEM;
    batch->item[batch->items++] = (struct kv_item){
        .command = source->command,
        .hash = source->hash,
        .cursor = source->cursor,
        .budget = source->budget,
        .first_span = (uint32_t)batch->spans,
        .spans = (uint32_t)source->count,
        .protocol = (uint8_t)source->protocol,
    };
    for (size_t i = 0; i < source->count; i++) {
        const struct kv_arg *arg = &source->args[i];
        batch->span[batch->spans++] = (struct resp_span){ batch->bytes_len, arg->len };
        if (arg->len != 0)
            memcpy(batch->bytes + batch->bytes_len, arg->ptr, arg->len);
        batch->bytes_len += arg->len;
    }
    return SP_OK;
}

static void batch_run_args(struct kv_batch *batch, struct kv_item *item, struct kv_call *call,
                           struct kv_arg *argv)
{
    argv[0] = (struct kv_arg){ item->command->name, strlen(item->command->name) };
    for (uint32_t i = 0; i < item->spans; i++) {
        struct resp_span span = batch->span[item->first_span + i];
        argv[i + 1] = (struct kv_arg){ batch->bytes + span.offset, span.len };
    }
    call->argv = argv;
    if (item->command->first_key != 0)
        call->key = (struct kv_key){ argv[1].ptr, argv[1].len, item->hash };
    kv_call_run(call);
}

static void batch_run_item(struct kv_batch *batch, struct kv_item *item, struct kv_call *call)
{
    call->command = item->command;
    call->argc = item->spans + (size_t)1;
    call->number = 0;
    call->cursor = item->cursor;
    call->budget = item->budget;
    item->reply_at = batch->out.len;
    batch->out.protocol = item->protocol;
    if (item->spans < BATCH_FEW_ARGS) {
        struct kv_arg few[BATCH_FEW_ARGS];
        batch_run_args(batch, item, call, few);
    } else {
        struct kv_arg *many = malloc(call->argc * sizeof(*many));
        if (many != NULL)
            batch_run_args(batch, item, call, many);
        else
            kv_reply_failure(call->out, SP_ERR_NOMEM);
        free(many);
    }
    item->reply_len = batch->out.len - item->reply_at;
    item->number = call->number;
    item->cursor = call->cursor;
    item->budget = call->budget;
}

void kv_batch_run(struct kv_batch *batch, struct kv_store *store, int64_t now_ms)
{
    struct kv_call call = { .store = store, .now_ms = now_ms, .out = &batch->out };
    for (; batch->ran < batch->items; batch->ran++)
        batch_run_item(batch, &batch->item[batch->ran], &call);
}
