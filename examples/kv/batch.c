/* Requests and replies between a connection and a shard. See batch.h. */
#include "batch.h"

#include <stdlib.h>

enum {
    /* What a batch begins with: a command of the usual size. An idle connection that sent one
     * at a time holds no more. */
    BATCH_ITEMS = 4,
    BATCH_SPANS = 12,
    BATCH_BYTES = 256,
    /* What it keeps at most when it is emptied: 16 commands, because who sent so many together
     * will do so again. */
    BATCH_KEEP_ITEMS = 16,
    BATCH_KEEP_SPANS = 48,
    BATCH_KEEP_BYTES = 1024,
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

/* A growing array: `used` of `cap` elements of `size` bytes; at first there will be `first`. */
struct batch_array {
    void *block;
    size_t cap;
    size_t used;
    size_t size;
    size_t first;
};

/* Makes room for `more` elements. */
static bool batch_reserve(struct batch_array *array, size_t more)
{
    if (more <= array->cap - array->used)
        return true;
    size_t want = array->cap == 0 ? array->first : array->cap * 2;
    want = want > array->used + more ? want : array->used + more;
    if (want > SIZE_MAX / 2 / array->size)
        return false;
    void *grown = realloc(array->block, want * array->size);
    if (grown == NULL)
        return false;
    array->block = grown;
    array->cap = want;
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
    struct batch_array item = { batch->item, batch->item_cap, batch->items, sizeof(*batch->item),
                                BATCH_ITEMS };
    struct batch_array span = { batch->span, batch->span_cap, batch->spans, sizeof(*batch->span),
                                BATCH_SPANS };
    struct batch_array bytes = { batch->bytes, batch->bytes_cap, batch->bytes_len, 1, BATCH_BYTES };
    /* One byte more, so that empty arguments have an address, too. */
    bool ok = batch_reserve(&item, 1) && batch_reserve(&span, source->count) &&
              batch_reserve(&bytes, batch_source_bytes(source) + 1);
    batch->item = item.block;
    batch->item_cap = item.cap;
    batch->span = span.block;
    batch->span_cap = span.cap;
    batch->bytes = bytes.block;
    batch->bytes_cap = bytes.cap;
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
    call->fed = false;
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

void kv_batch_run(struct kv_batch *batch, struct kv_store *store, struct kv_waiters *waiters,
                  int64_t now_ms)
{
    struct kv_call call = { .store = store, .now_ms = now_ms, .out = &batch->out };
    for (; batch->ran < batch->items; batch->ran++) {
        batch_run_item(batch, &batch->item[batch->ran], &call);
        if (call.fed && waiters != NULL)
            kv_waiters_serve(waiters, &call.key, now_ms);
    }
}
