/* One client and its shards in one thread. See local.h. */
#include "local.h"

#include "glob.h"

#include <stdlib.h>

enum { LOCAL_STEPS_MAX = 1024 }; /* requests answered together */

/* --- environment ------------------------------------------------------------------------- */

static int64_t local_now(void *arg)
{
    return ((struct kv_local *)arg)->now_ms;
}

static sp_err local_subscribe(void *arg, const struct kv_arg *name, bool pattern, bool on)
{
    (void)arg, (void)name, (void)pattern, (void)on;
    return SP_OK;
}

struct local_message {
    struct kv_local *local;
    const struct kv_arg *channel;
    const struct kv_arg *message;
    int64_t heard;
};

static void local_match(struct dict_node *node, void *arg)
{
    struct local_message *sent = arg;
    struct kv_arg pattern = { (const char *)(node + 1), node->key_len };
    if (!kv_glob_match(pattern.ptr, pattern.len, sent->channel->ptr, sent->channel->len, false))
        return;
    kv_session_message(&sent->local->session, &pattern, sent->channel, sent->message,
                       &sent->local->pushed);
    sent->heard++;
}

static int64_t local_publish(void *arg, const struct kv_arg *channel, const struct kv_arg *message)
{
    struct kv_local *local = arg;
    struct local_message sent = { local, channel, message, 0 };
    if (kv_session_hears(&local->session, channel)) {
        kv_session_message(&local->session, NULL, channel, message, &local->pushed);
        sent.heard++;
    }
    dict_each(&local->session.patterns, local_match, &sent);
    return sent.heard;
}

static sp_err local_info(void *arg, struct kv_info *out_info)
{
    const struct kv_local *local = arg;
    struct kv_info info = { .connected_clients = 1, .shards = local->shards, .run_id = "" };
    for (uint32_t i = 0; i < local->shards; i++) {
        const struct kv_store *store = &local->store[i];
        info.keys += store->keys.count;
        info.expires += store->expiry.count;
        info.used_memory += store->heap.used;
        info.expired_keys += store->expired;
        info.hits += store->hits;
        info.misses += store->misses;
    }
    *out_info = info;
    return SP_OK;
}

static sp_err local_clients(void *arg, struct resp_out *lines)
{
    struct kv_local *local = arg;
    kv_session_describe(&local->session, local->now_ms, lines);
    resp_raw(lines, "\n", 1);
    return SP_OK;
}

static sp_err local_kill_client(void *arg, uint64_t id)
{
    (void)arg, (void)id;
    return SP_ERR_NOTFOUND;
}

static sp_err local_shutdown(void *arg)
{
    (void)arg;
    return SP_OK;
}

static sp_err local_crash_shard(void *arg, uint64_t shard)
{
    (void)arg, (void)shard;
    return SP_ERR_NOTFOUND;
}

static sp_err local_spin_shard(void *arg, uint64_t shard, int64_t ms)
{
    (void)arg, (void)shard, (void)ms;
    return SP_ERR_NOTFOUND;
}

static const char *const local_config[] = {
    "save", "", "appendonly", "no", "databases", "1", "maxmemory", "0", NULL,
};

static bool local_switched(void *arg, enum kv_switch which)
{
    const struct kv_local *local = arg;
    return local->switched[which];
}

static sp_err local_set_switch(void *arg, enum kv_switch which, bool on)
{
    struct kv_local *local = arg;
    local->switched[which] = on;
    return SP_OK;
}

static void local_env_init(struct kv_local *local)
{
    local->env = (struct kv_env){ .arg = local,
                                  .now_ms = local_now,
                                  .subscribe = local_subscribe,
                                  .publish = local_publish,
                                  .info = local_info,
                                  .clients = local_clients,
                                  .kill_client = local_kill_client,
                                  .shutdown = local_shutdown,
                                  .crash_shard = local_crash_shard,
                                  .spin_shard = local_spin_shard,
                                  .config = local_config,
                                  .switched = local_switched,
                                  .set_switch = local_set_switch };
}

/* --- life -------------------------------------------------------------------------------- */

static sp_err local_connect(struct kv_local *local, const struct resp_limits *limits)
{
    struct kv_session_options session = { .id = 1, .now_ms = local->now_ms };
    struct kv_pipeline_options pipeline = { .session = &local->session,
                                            .env = &local->env,
                                            .index = &local->index,
                                            .seed = local->store[0].seed,
                                            .shards = local->shards };
    sp_err err = kv_session_init(&local->session, &session);
    if (err != SP_OK)
        return err;
    err = kv_pipeline_init(&local->pipeline, &pipeline);
    if (err != SP_OK) {
        kv_session_finish(&local->session);
        return err;
    }
    resp_reader_init(&local->reader, limits);
    local->input_len = 0;
    local->closed = false;
    return SP_OK;
}

static void local_disconnect(struct kv_local *local)
{
    resp_reader_finish(&local->reader);
    kv_pipeline_finish(&local->pipeline);
    kv_session_finish(&local->session);
}

sp_err kv_local_init(struct kv_local *local, const struct kv_local_options *options)
{
    *local = (struct kv_local){ .shards = options->shards };
    local->store = calloc(options->shards, sizeof(*local->store));
    if (local->store == NULL)
        return SP_ERR_NOMEM;
    for (uint32_t i = 0; i < options->shards; i++) {
        struct kv_store_options store = { .seed = options->seed,
                                          .random_seed = options->seed.k0 + i,
                                          .memory_max = options->memory_max };
        kv_store_init(&local->store[i], &store);
    }
    kv_command_index_init(&local->index);
    local_env_init(local);
    resp_out_init(&local->pushed, 2, 0);
    sp_err err = local_connect(local, &options->limits);
    if (err != SP_OK)
        free(local->store);
    return err;
}

void kv_local_finish(struct kv_local *local)
{
    local_disconnect(local);
    for (uint32_t i = 0; i < local->shards; i++)
        kv_store_finish(&local->store[i]);
    free(local->store);
    free(local->argv);
    free(local->input);
    resp_out_finish(&local->pushed);
}

sp_err kv_local_reconnect(struct kv_local *local)
{
    struct resp_limits limits = local->reader.limits;
    local_disconnect(local);
    return local_connect(local, &limits);
}

/* --- requests ---------------------------------------------------------------------------- */

static void local_rounds(struct kv_local *local)
{
    do {
        for (uint32_t shard = 0; shard < local->shards; shard++) {
            struct kv_batch *batch = kv_pipeline_take(&local->pipeline, shard);
            if (batch == NULL)
                continue;
            kv_batch_run(batch, &local->store[shard], NULL, local->now_ms);
            kv_pipeline_done(&local->pipeline, shard, batch);
        }
    } while (kv_pipeline_next(&local->pipeline));
}

static void local_answer(struct kv_local *local, struct resp_out *out)
{
    local_rounds(local);
    if (kv_pipeline_blocks(&local->pipeline)) {
        out->protocol = (uint8_t)local->session.protocol;
        resp_null_array(out);
    }
    /* What was published comes before the reply to PUBLISH. */
    resp_raw(out, local->pushed.data, local->pushed.len);
    local->pushed.len = 0;
    kv_pipeline_merge(&local->pipeline, out);
    local->closed = local->closed || local->session.closing;
}

static sp_err local_args(struct kv_local *local, const char *data)
{
    const struct resp_reader *reader = &local->reader;
    if (reader->argc > local->argv_max) {
        struct kv_arg *argv = realloc(local->argv, reader->argc * sizeof(*argv));
        if (argv == NULL)
            return SP_ERR_NOMEM;
        local->argv = argv;
        local->argv_max = reader->argc;
    }
    for (size_t i = 0; i < reader->argc; i++)
        local->argv[i] = (struct kv_arg){ data + reader->span[i].offset, reader->span[i].len };
    return SP_OK;
}

static void local_request(struct kv_local *local, struct resp_out *out)
{
    size_t argc = local->reader.argc;
    if (kv_pipeline_add(&local->pipeline, local->argv, argc) == KV_ALONE) {
        local_answer(local, out);
        if (kv_pipeline_add(&local->pipeline, local->argv, argc) != KV_ADDED)
            abort();
    }
    enum kv_route route = KV_ROUTE_SESSION;
    if (local->pipeline.steps == 1 && local->pipeline.step[0].command != NULL)
        route = local->pipeline.step[0].command->route;
    /* These look at the request until they are answered. */
    if (route == KV_ROUTE_SCAN || route == KV_ROUTE_BLOCK || local->session.closing ||
        local->pipeline.steps >= LOCAL_STEPS_MAX)
        local_answer(local, out);
}

/* Reads requests from the input; returns how many bytes they took. */
static size_t local_consume(struct kv_local *local, struct resp_out *out, sp_err *out_err)
{
    size_t at = 0;
    while (!local->closed) {
        char *data = local->input + at;
        enum resp_result result = resp_read(&local->reader, data, local->input_len - at);
        if (result == RESP_MORE)
            break;
        if (result == RESP_BROKEN) {
            local_answer(local, out);
            resp_errorf(out, "ERR %s", local->reader.error);
            local->closed = true;
            break;
        }
        if (result == RESP_NOMEM || local_args(local, data) != SP_OK) {
            *out_err = SP_ERR_NOMEM;
            break;
        }
        if (local->reader.argc > 0)
            local_request(local, out);
        at += local->reader.used;
    }
    return at;
}

sp_err kv_local_feed(struct kv_local *local, const void *data, size_t len, struct resp_out *out)
{
    if (local->closed)
        return SP_ERR_CLOSED;
    if (len > local->input_cap - local->input_len) {
        size_t cap = (local->input_len + len) * 2;
        char *input = realloc(local->input, cap);
        if (input == NULL)
            return SP_ERR_NOMEM;
        local->input = input;
        local->input_cap = cap;
    }
    if (len > 0)
        memcpy(local->input + local->input_len, data, len);
    local->input_len += len;
    sp_err err = SP_OK;
    size_t used = local->input_len > 0 ? local_consume(local, out, &err) : 0;
    local_answer(local, out);
    memmove(local->input, local->input + used, local->input_len - used);
    local->input_len -= used;
    return err == SP_OK && out->failed ? SP_ERR_NOMEM : err;
}
