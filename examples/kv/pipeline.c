/* Routing of requests and merging of replies. See pipeline.h. */
#include "pipeline.h"

#include "key_commands.h"
#include "number.h"
#include "resolve.h"

#include <assert.h>
#include <stdlib.h>

enum {
    PIPELINE_KEEP = 256, /* longer tables are given back when the pipeline is emptied */
};

sp_err kv_pipeline_init(struct kv_pipeline *pipeline, const struct kv_pipeline_options *options)
{
    *pipeline = (struct kv_pipeline){
        .session = options->session,
        .env = options->env,
        .index = options->index,
        .seed = options->seed,
        .random = options->random_seed,
        .shards = options->shards,
        .reply_max = options->reply_max,
        .batch = calloc(options->shards, sizeof(struct kv_batch *)),
        .lost = calloc(options->shards, sizeof(char *)),
        .plain = true,
    };
    resp_out_init(&pipeline->local, 2, options->reply_max);
    if (pipeline->batch != NULL && pipeline->lost != NULL)
        return SP_OK;
    free(pipeline->batch);
    free(pipeline->lost);
    return SP_ERR_NOMEM;
}

void kv_pipeline_finish(struct kv_pipeline *pipeline)
{
    for (uint32_t i = 0; i < pipeline->shards; i++)
        kv_batch_destroy(pipeline->batch[i]);
    kv_batch_destroy(pipeline->spare);
    free(pipeline->batch);
    free(pipeline->lost);
    free(pipeline->step);
    free(pipeline->part);
    resp_out_finish(&pipeline->local);
}

/* --- adding ------------------------------------------------------------------------------ */

/* A place for one more element after `used` of `size` bytes each, or NULL. */
static void *pipeline_push(void **block, size_t *cap, size_t used, size_t size)
{
    if (used == *cap) {
        size_t want = *cap == 0 ? 8 : *cap * 2;
        void *grown = realloc(*block, want * size);
        if (grown == NULL)
            return NULL;
        *block = grown;
        *cap = want;
    }
    return (char *)*block + used * size;
}

static struct kv_step *pipeline_step(struct kv_pipeline *pipeline, const struct kv_command *command)
{
    void *block = pipeline->step;
    struct kv_step *step =
        pipeline_push(&block, &pipeline->step_cap, pipeline->steps, sizeof(*step));
    pipeline->step = block;
    if (step == NULL) {
        pipeline->failed = true;
        return NULL;
    }
    enum kv_reply_mode mode = pipeline->session->reply_mode;
    *step = (struct kv_step){
        .command = command,
        .first_part = (uint32_t)pipeline->parts,
        .protocol = (uint8_t)pipeline->session->protocol,
        .silent = mode == KV_REPLY_OFF || mode == KV_REPLY_SKIP,
    };
    pipeline->plain = pipeline->plain && command != NULL && !step->silent;
    pipeline->steps++;
    return step;
}

static struct kv_batch *pipeline_batch(struct kv_pipeline *pipeline, uint32_t shard)
{
    struct kv_batch *batch = pipeline->batch[shard];
    if (batch != NULL)
        return batch;
    batch = pipeline->spare;
    pipeline->spare = NULL;
    if (batch == NULL)
        batch = kv_batch_create(pipeline->reply_max);
    pipeline->batch[shard] = batch;
    return batch;
}

/* Adds one part of the newest step to a shard's batch. */
static void pipeline_part(struct kv_pipeline *pipeline, struct kv_step *step, uint32_t shard,
                          const struct kv_item_source *source)
{
    void *block = pipeline->part;
    struct kv_part *part =
        pipeline_push(&block, &pipeline->part_cap, pipeline->parts, sizeof(*part));
    pipeline->part = block;
    struct kv_batch *batch = part == NULL ? NULL : pipeline_batch(pipeline, shard);
    if (batch == NULL || kv_batch_add(batch, source) != SP_OK) {
        pipeline->failed = true;
        return;
    }
    *part = (struct kv_part){ shard, (uint32_t)(batch->items - 1) };
    if (pipeline->parts > 0 && pipeline->part[0].shard != shard)
        pipeline->plain = false;
    pipeline->parts++;
    step->parts++;
}

static void pipeline_part_key(struct kv_pipeline *pipeline, struct kv_step *step,
                              const struct kv_arg *args, size_t count)
{
    uint64_t hash = kv_hash(&pipeline->seed, args[0].ptr, args[0].len);
    struct kv_item_source source = {
        .command = step->command,
        .args = args,
        .count = count,
        .hash = hash,
        .protocol = step->protocol,
    };
    pipeline_part(pipeline, step, kv_shard_of(hash, pipeline->shards), &source);
}

static void pipeline_part_all(struct kv_pipeline *pipeline, struct kv_step *step,
                              const struct kv_arg *args, size_t count)
{
    struct kv_item_source source = {
        .command = step->command, .args = args, .count = count, .protocol = step->protocol
    };
    for (uint32_t shard = 0; shard < pipeline->shards; shard++)
        pipeline_part(pipeline, step, shard, &source);
}

static void pipeline_scan(struct kv_pipeline *pipeline, struct kv_step *step,
                          const struct kv_arg *argv, size_t argc)
{
    uint64_t cursor;
    struct kv_item_source source = {
        .command = step->command, .args = argv + 1, .count = argc - 1, .protocol = step->protocol
    };
    kv_scan_begin(argv, argc, &cursor, &source.budget);
    source.cursor = cursor / pipeline->shards;
    pipeline_part(pipeline, step, (uint32_t)(cursor % pipeline->shards), &source);
}

/* Begins a reply of the connection itself. */
static struct resp_out *pipeline_local(struct kv_pipeline *pipeline)
{
    struct kv_step *step = pipeline_step(pipeline, NULL);
    if (step == NULL)
        return NULL;
    step->local_at = pipeline->local.len;
    pipeline->local.protocol = step->protocol;
    return &pipeline->local;
}

static void pipeline_local_end(struct kv_pipeline *pipeline)
{
    struct kv_step *step = &pipeline->step[pipeline->steps - 1];
    step->local_len = pipeline->local.len - step->local_at;
}

static bool pipeline_is_alone(const struct kv_command *command)
{
    return command->route == KV_ROUTE_ALONE || command->route == KV_ROUTE_SCAN ||
           command->route == KV_ROUTE_BLOCK;
}

static void pipeline_run_session(struct kv_pipeline *pipeline, const struct kv_command *command,
                                 const struct kv_arg *argv, size_t argc)
{
    struct kv_session *session = pipeline->session;
    struct resp_out *out = pipeline_local(pipeline);
    if (out == NULL)
        return;
    struct kv_session_call call = { .session = session,
                                    .env = pipeline->env,
                                    .index = pipeline->index,
                                    .command = command,
                                    .argv = argv,
                                    .argc = argc,
                                    .out = out };
    command->run_session(&call);
    pipeline_local_end(pipeline);
    /* CLIENT REPLY changes whether it is itself answered; subscriptions are always confirmed. */
    bool quiet = session->reply_mode == KV_REPLY_OFF || session->reply_mode == KV_REPLY_SKIP;
    pipeline->step[pipeline->steps - 1].silent =
        quiet && strstr(command->name, "subscribe") == NULL;
}

static void pipeline_after_command(struct kv_session *session)
{
    if (session->reply_mode == KV_REPLY_SKIP_NEXT)
        session->reply_mode = KV_REPLY_SKIP;
    else if (session->reply_mode == KV_REPLY_SKIP)
        session->reply_mode = KV_REPLY_ON;
}

static void pipeline_route(struct kv_pipeline *pipeline, const struct kv_command *command,
                           const struct kv_arg *argv, size_t argc)
{
    if (command->route == KV_ROUTE_SESSION || command->route == KV_ROUTE_ALONE) {
        pipeline_run_session(pipeline, command, argv, argc);
        return;
    }
    struct kv_step *step = pipeline_step(pipeline, command);
    if (step == NULL)
        return;
    pipeline->plain = pipeline->plain && command->route == KV_ROUTE_KEY;
    switch (command->route) {
    case KV_ROUTE_KEY:
        pipeline_part_key(pipeline, step, argv + 1, argc - 1);
        break;
    case KV_ROUTE_KEYS: {
        size_t width = (size_t)command->key_step;
        for (size_t i = 1; i + width <= argc; i += width)
            pipeline_part_key(pipeline, step, argv + i, width);
        break;
    }
    case KV_ROUTE_BLOCK:
        /* The first key; whether the next is tried is decided after each round. */
        pipeline_part_key(pipeline, step, argv + 1, 1);
        break;
    case KV_ROUTE_SCAN:
        pipeline_scan(pipeline, step, argv, argc);
        break;
    default:
        pipeline_part_all(pipeline, step, argv + 1, argc - 1);
        break;
    }
}

enum kv_added kv_pipeline_add(struct kv_pipeline *pipeline, const struct kv_arg *argv, size_t argc)
{
    /* An error is replied where a reply of the connection itself would go; without one the
     * place is not used. */
    size_t before = pipeline->local.len;
    pipeline->local.protocol = (uint8_t)pipeline->session->protocol;
    const struct kv_command *command =
        kv_command_resolve(pipeline->session, pipeline->index, argv, argc, &pipeline->local);
    if (command == NULL) {
        struct kv_step *step = pipeline_step(pipeline, NULL);
        if (step != NULL) {
            step->local_at = before;
            step->local_len = pipeline->local.len - before;
        }
    } else if (pipeline->steps > 0 && pipeline_is_alone(command)) {
        return KV_ALONE;
    } else {
        pipeline->argv = argv;
        pipeline->argc = argc;
        pipeline->session->last = command;
        pipeline_route(pipeline, command, argv, argc);
    }
    pipeline_after_command(pipeline->session);
    return KV_ADDED;
}

/* --- rounds ------------------------------------------------------------------------------ */

struct kv_batch *kv_pipeline_take(struct kv_pipeline *pipeline, uint32_t shard)
{
    struct kv_batch *batch = pipeline->batch[shard];
    if (batch == NULL || batch->ran == batch->items)
        return NULL;
    pipeline->batch[shard] = NULL;
    return batch;
}

void kv_pipeline_done(struct kv_pipeline *pipeline, uint32_t shard, struct kv_batch *moved_batch)
{
    pipeline->batch[shard] = moved_batch;
}

void kv_pipeline_lose(struct kv_pipeline *pipeline, uint32_t shard, const char *error)
{
    pipeline->lost[shard] = error;
    pipeline->plain = false;
}

static struct kv_item *pipeline_item(const struct kv_pipeline *pipeline, const struct kv_part *part)
{
    struct kv_batch *batch = pipeline->batch[part->shard];
    return batch == NULL || pipeline->lost[part->shard] != NULL ? NULL : &batch->item[part->item];
}

static const struct kv_part *pipeline_last_part(const struct kv_pipeline *pipeline,
                                                const struct kv_step *step)
{
    return &pipeline->part[step->first_part + step->parts - 1];
}

/* SCAN: the next shard, if this one is through and more keys are wanted. */
static bool pipeline_next_scan(struct kv_pipeline *pipeline, struct kv_step *step)
{
    const struct kv_part *part = pipeline_last_part(pipeline, step);
    const struct kv_item *item = pipeline_item(pipeline, part);
    uint32_t shard = part->shard;
    if (item == NULL)
        return false;
    if (item->cursor != 0) {
        step->cursor = item->cursor * pipeline->shards + shard;
        return false;
    }
    if (++shard == pipeline->shards)
        return false;
    if (item->budget <= 0) {
        step->cursor = shard;
        return false;
    }
    struct kv_item_source source = { .command = step->command,
                                     .args = pipeline->argv + 1,
                                     .count = pipeline->argc - 1,
                                     .budget = item->budget,
                                     .protocol = step->protocol };
    pipeline_part(pipeline, step, shard, &source);
    return !pipeline->failed;
}

/* BLPOP: the next key, if this one had nothing. */
static bool pipeline_next_block(struct kv_pipeline *pipeline, struct kv_step *step)
{
    const struct kv_item *item = pipeline_item(pipeline, pipeline_last_part(pipeline, step));
    if (item == NULL || item->number != 0)
        return false;
    size_t keys = pipeline->argc - 2;
    if (step->parts == keys) {
        step->unserved = true;
        return false;
    }
    pipeline_part_key(pipeline, step, pipeline->argv + 1 + step->parts, 1);
    return !pipeline->failed;
}

bool kv_pipeline_next(struct kv_pipeline *pipeline)
{
    /* Only a request that is alone can need another round. */
    if (pipeline->steps != 1 || pipeline->failed)
        return false;
    struct kv_step *step = &pipeline->step[0];
    if (step->command == NULL)
        return false;
    if (step->command->route == KV_ROUTE_SCAN)
        return pipeline_next_scan(pipeline, step);
    return step->command->route == KV_ROUTE_BLOCK && pipeline_next_block(pipeline, step);
}

bool kv_pipeline_blocks(const struct kv_pipeline *pipeline)
{
    return pipeline->steps == 1 && pipeline->step[0].unserved;
}

/* --- merging ----------------------------------------------------------------------------- */

static const char *pipeline_loss(const struct kv_pipeline *pipeline, const struct kv_step *step)
{
    for (uint32_t i = 0; i < step->parts; i++) {
        const char *error = pipeline->lost[pipeline->part[step->first_part + i].shard];
        if (error != NULL)
            return error;
    }
    return NULL;
}

static void pipeline_copy(const struct kv_pipeline *pipeline, const struct kv_part *part,
                          struct resp_out *out)
{
    const struct kv_batch *batch = pipeline->batch[part->shard];
    const struct kv_item *item = &batch->item[part->item];
    if (item->reply_len > 0)
        resp_raw(out, batch->out.data + item->reply_at, item->reply_len);
}

static void pipeline_copy_local(const struct kv_pipeline *pipeline, const struct kv_step *step,
                                struct resp_out *out)
{
    if (step->local_len > 0)
        resp_raw(out, pipeline->local.data + step->local_at, step->local_len);
}

static int64_t pipeline_sum(const struct kv_pipeline *pipeline, const struct kv_step *step)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < step->parts; i++)
        sum += pipeline_item(pipeline, &pipeline->part[step->first_part + i])->number;
    return sum;
}

static void pipeline_merge_array(const struct kv_pipeline *pipeline, const struct kv_step *step,
                                 struct resp_out *out)
{
    resp_array(out, (size_t)pipeline_sum(pipeline, step));
    for (uint32_t i = 0; i < step->parts; i++)
        pipeline_copy(pipeline, &pipeline->part[step->first_part + i], out);
}

/* +OK, or the first error that a part replied. */
static void pipeline_merge_ok(const struct kv_pipeline *pipeline, const struct kv_step *step,
                              struct resp_out *out)
{
    for (uint32_t i = 0; i < step->parts; i++) {
        const struct kv_part *part = &pipeline->part[step->first_part + i];
        if (pipeline_item(pipeline, part)->reply_len != 0) {
            pipeline_copy(pipeline, part, out);
            return;
        }
    }
    resp_simple(out, "OK");
}

static void pipeline_merge_pick(struct kv_pipeline *pipeline, const struct kv_step *step,
                                struct resp_out *out)
{
    int64_t sum = pipeline_sum(pipeline, step);
    if (sum == 0) {
        resp_null(out);
        return;
    }
    /* Knuth's MMIX generator; its high bits are the good ones. */
    pipeline->random =
        pipeline->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    int64_t at = (int64_t)((pipeline->random >> 33) % (uint64_t)sum);
    const struct kv_part *part = &pipeline->part[step->first_part];
    while (at >= pipeline_item(pipeline, part)->number)
        at -= pipeline_item(pipeline, part++)->number;
    pipeline_copy(pipeline, part, out);
}

static void pipeline_merge_scan(const struct kv_pipeline *pipeline, const struct kv_step *step,
                                struct resp_out *out)
{
    char cursor[KV_INT_TEXT_MAX];
    resp_array(out, 2);
    resp_bulk(out, cursor, kv_uint_format(cursor, step->cursor));
    pipeline_merge_array(pipeline, step, out);
}

static void pipeline_merge_step(struct kv_pipeline *pipeline, const struct kv_step *step,
                                struct resp_out *out)
{
    if (step->silent || step->unserved)
        return;
    out->protocol = step->protocol;
    const char *error = pipeline_loss(pipeline, step);
    if (error != NULL)
        resp_error(out, error);
    else if (step->command == NULL)
        pipeline_copy_local(pipeline, step, out);
    else if (step->command->route == KV_ROUTE_SCAN)
        pipeline_merge_scan(pipeline, step, out);
    else if (step->command->merge == KV_MERGE_ARRAY)
        pipeline_merge_array(pipeline, step, out);
    else if (step->command->merge == KV_MERGE_SUM)
        resp_int(out, pipeline_sum(pipeline, step));
    else if (step->command->merge == KV_MERGE_OK)
        pipeline_merge_ok(pipeline, step, out);
    else if (step->command->merge == KV_MERGE_PICK)
        pipeline_merge_pick(pipeline, step, out);
    else
        pipeline_copy(pipeline, pipeline_last_part(pipeline, step), out);
}

/* All replies are those of one batch, in order: give its buffer away instead of copying. */
static void pipeline_merge_plain(struct kv_pipeline *pipeline, struct resp_out *out)
{
    struct resp_out *from = &pipeline->batch[pipeline->part[0].shard]->out;
    if (out->len != 0) {
        resp_raw(out, from->data, from->len);
        return;
    }
    struct resp_out swap = *out;
    out->data = from->data;
    out->len = from->len;
    out->cap = from->cap;
    from->data = swap.data;
    from->len = 0;
    from->cap = swap.cap;
}

static void pipeline_reset(struct kv_pipeline *pipeline)
{
    for (uint32_t i = 0; i < pipeline->shards; i++) {
        struct kv_batch *batch = pipeline->batch[i];
        pipeline->batch[i] = NULL;
        pipeline->lost[i] = NULL;
        if (batch != NULL && pipeline->spare == NULL) {
            kv_batch_reset(batch);
            pipeline->spare = batch;
        } else {
            kv_batch_destroy(batch);
        }
    }
    if (pipeline->step_cap > PIPELINE_KEEP || pipeline->part_cap > PIPELINE_KEEP) {
        free(pipeline->step);
        free(pipeline->part);
        pipeline->step = NULL;
        pipeline->part = NULL;
        pipeline->step_cap = 0;
        pipeline->part_cap = 0;
    }
    if (pipeline->local.cap > (size_t)PIPELINE_KEEP * 16)
        resp_out_finish(&pipeline->local);
    pipeline->local.len = 0;
    pipeline->steps = 0;
    pipeline->parts = 0;
    pipeline->plain = true;
}

void kv_pipeline_merge(struct kv_pipeline *pipeline, struct resp_out *out)
{
    for (uint32_t i = 0; i < pipeline->shards; i++)
        if (pipeline->batch[i] != NULL && pipeline->batch[i]->out.failed)
            pipeline->failed = true;
    if (pipeline->failed || pipeline->local.failed)
        out->failed = true;
    else if (pipeline->plain && pipeline->steps > 0)
        pipeline_merge_plain(pipeline, out);
    else
        for (size_t i = 0; i < pipeline->steps; i++)
            pipeline_merge_step(pipeline, &pipeline->step[i], out);
    pipeline_reset(pipeline);
}
