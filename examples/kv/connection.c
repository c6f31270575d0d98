/* A connection. See connection.h. */
#include "connection_state.h"

#include "resp_codec.h"
#include "shard.h"

#include <stdlib.h>

enum {
    CONNECTION_STEPS_MAX = 1024,       /* requests answered together */
    CONNECTION_ARGS_FEW = 16,          /* a request with more needs an allocation */
    CONNECTION_DIRECT = 64 * 1024,     /* replies over this are not copied into the queue */
    CONNECTION_KEEP = 1024,            /* a larger buffer is given back after use */
    CONNECTION_HELD_MAX = 1024 * 1024, /* requests kept while the client waits */
    CONNECTION_REPLY_MAX = 1 << 30,    /* replies of one round trip to a shard */
    CONNECTION_IDLE_KEY = 2,           /* of the timer */
};

#define CONNECTION_CLOSE_TIME sp_after_sec(2)
#define CONNECTION_WRITE_TIME sp_after_sec(60)

/* --- notes ------------------------------------------------------------------------------- */

struct kv_note *kv_note_create(const struct kv_arg *pattern, const struct kv_arg *channel,
                               const struct kv_arg *message)
{
    size_t pattern_len = pattern != NULL ? pattern->len : 0;
    struct kv_note *note = malloc(sizeof(*note) + pattern_len + channel->len + message->len);
    if (note == NULL)
        return NULL;
    note->by_pattern = pattern != NULL;
    note->pattern_len = pattern_len;
    note->channel_len = channel->len;
    note->message_len = message->len;
    atomic_init(&note->refs, 1);
    if (pattern_len > 0)
        memcpy(note->bytes, pattern->ptr, pattern_len);
    if (channel->len > 0)
        memcpy(note->bytes + pattern_len, channel->ptr, channel->len);
    if (message->len > 0)
        memcpy(note->bytes + pattern_len + channel->len, message->ptr, message->len);
    return note;
}

struct kv_delivery kv_note_share(struct kv_note *note)
{
    /* Relaxed: the caller holds a reference. */
    atomic_fetch_add_explicit(&note->refs, 1, memory_order_relaxed);
    return (struct kv_delivery){ note };
}

void kv_delivery_drop(struct kv_delivery *delivery)
{
    /* Acquire-release: with the same of the other holders, whose reads come before the free. */
    if (delivery->note != NULL &&
        atomic_fetch_sub_explicit(&delivery->note->refs, 1, memory_order_acq_rel) == 1)
        free(delivery->note);
    delivery->note = NULL;
}

void kv_woken_drop(struct kv_woken *woken)
{
    free(woken->bytes);
    woken->bytes = NULL;
}

/* --- the end ----------------------------------------------------------------------------- */

static void connection_stop(struct connection *self)
{
    if (!self->stopping)
        sp_server_stop_self(sp_reason_normal());
    self->stopping = true;
}

void connection_cut(struct connection *self)
{
    if (self->stream != NULL)
        sp_stream_abort(self->stream);
    self->stream = NULL;
    connection_stop(self);
}

/* The client gets what was sent so far. */
static void connection_close(struct connection *self)
{
    struct sp_stream *stream = self->stream;
    self->stream = NULL;
    if (stream != NULL)
        sp_ignore(sp_stream_close(stream, CONNECTION_CLOSE_TIME));
    connection_stop(self);
}

/* --- replies ----------------------------------------------------------------------------- */

static void connection_send_failed(struct connection *self, sp_err err)
{
    if (err == SP_ERR_FULL || err == SP_ERR_TIMEOUT)
        kv_count(&self->world->counters.slow_readers);
    connection_cut(self);
}

void connection_send(struct connection *self)
{
    struct resp_out *out = &self->out;
    sp_err err = SP_OK;
    if (self->stream == NULL)
        out->len = 0;
    if (out->failed) {
        connection_cut(self); /* without memory, or over the limit: there is no right reply */
    } else if (out->len > CONNECTION_DIRECT) {
        err = sp_stream_write(self->stream, out->data, out->len, CONNECTION_WRITE_TIME);
    } else if (out->len > 0) {
        err = sp_stream_send(self->stream, out->data, out->len);
    }
    out->len = 0;
    if (out->cap > CONNECTION_KEEP)
        resp_out_finish(out);
    if (err != SP_OK)
        connection_send_failed(self, err);
    else if (self->session.closing && self->stream != NULL)
        connection_close(self);
}

/* --- rounds ------------------------------------------------------------------------------ */

static void connection_back(struct connection *self, uint32_t shard, sp_err err,
                            const struct kv_job *job)
{
    const struct kv_place *place = &self->world->places[shard];
    if (err == SP_OK)
        kv_pipeline_done(&self->pipeline, shard, job->batch);
    else if (err == SP_ERR_TIMEOUT || err == SP_ERR_FULL)
        kv_pipeline_lose(&self->pipeline, shard, place->stuck);
    else
        kv_pipeline_lose(&self->pipeline, shard, place->crashed);
}

static sp_pid connection_shard(struct connection *self, uint32_t shard)
{
    sp_pid pid = kv_world_shard(self->world, shard);
    return sp_pid_is_none(pid) ? kv_world_shard_await(self->world, shard) : pid;
}

static void connection_call(struct connection *self, uint32_t shard, struct kv_batch *moved_batch)
{
    struct kv_job in = { moved_batch };
    struct kv_job out = { NULL };
    kv_shard_ref ref = { connection_shard(self, shard) };
    sp_err err = kv_shard_run(ref, &in, &out, sp_after(self->world->settings.shard_time));
    connection_back(self, shard, err, &out);
}

/* The batches of one round. */
struct connection_round {
    size_t count;
    uint32_t shard[KV_SHARDS_MAX];
    struct kv_job in[KV_SHARDS_MAX];
    struct kv_job out[KV_SHARDS_MAX];
    struct sp_multi target[KV_SHARDS_MAX];
};

static SP_NOINLINE void connection_multi_call(struct connection *self, uint32_t first_shard,
                                              struct kv_batch *moved_first)
{
    struct connection_round round;
    round.count = 0;
    for (uint32_t shard = first_shard; shard < self->pipeline.shards; shard++) {
        struct kv_batch *batch =
            shard == first_shard ? moved_first : kv_pipeline_take(&self->pipeline, shard);
        if (batch == NULL)
            continue;
        size_t i = round.count++;
        round.shard[i] = shard;
        round.in[i].batch = batch;
        round.out[i].batch = NULL;
        round.target[i] = (struct sp_multi){ .server = connection_shard(self, shard),
                                             .in = &round.in[i],
                                             .out = &round.out[i] };
    }
    sp_ignore(sp_server_multi_call(&kv_shard_run_op, NULL, round.target, round.count,
                                   sp_after(self->world->settings.shard_time)));
    for (size_t i = 0; i < round.count; i++)
        connection_back(self, round.shard[i], round.target[i].err, &round.out[i]);
}

static bool connection_more(const struct kv_pipeline *pipeline, uint32_t shard)
{
    for (shard++; shard < pipeline->shards; shard++)
        if (pipeline->batch[shard] != NULL)
            return true;
    return false;
}

void connection_rounds(struct connection *self)
{
    struct kv_pipeline *pipeline = &self->pipeline;
    do {
        uint32_t shard = 0;
        struct kv_batch *batch = NULL;
        while (shard < pipeline->shards && (batch = kv_pipeline_take(pipeline, shard)) == NULL)
            shard++;
        if (batch == NULL)
            continue;
        if (connection_more(pipeline, shard))
            connection_multi_call(self, shard, batch);
        else
            connection_call(self, shard, batch);
    } while (kv_pipeline_next(pipeline));
}

void connection_answer(struct connection *self)
{
    if (self->pipeline.steps == 0)
        return;
    /* Relaxed: see kv_count(). */
    atomic_fetch_add_explicit(&self->world->counters.commands, self->pipeline.steps,
                              memory_order_relaxed);
    self->session.active_ms = kv_now_ms();
    connection_rounds(self);
    if (kv_pipeline_blocks(&self->pipeline)) {
        connection_wait_begin(self);
        return;
    }
    kv_pipeline_merge(&self->pipeline, &self->out);
    connection_send(self);
}

/* --- requests ---------------------------------------------------------------------------- */

static void connection_request(struct connection *self, const struct kv_arg *argv, size_t argc)
{
    struct kv_pipeline *pipeline = &self->pipeline;
    if (kv_pipeline_add(pipeline, argv, argc) == KV_ALONE) {
        connection_answer(self);
        if (self->stopping || kv_pipeline_add(pipeline, argv, argc) != KV_ADDED)
            return;
    }
    enum kv_route route = KV_ROUTE_SESSION;
    if (pipeline->steps == 1 && pipeline->step[0].command != NULL)
        route = pipeline->step[0].command->route;
    /* These look at the request until they are answered. */
    if (route == KV_ROUTE_SCAN || route == KV_ROUTE_BLOCK || self->session.closing ||
        pipeline->steps >= CONNECTION_STEPS_MAX)
        connection_answer(self);
}

static void connection_take(struct connection *self, const struct kv_arg *argv, size_t argc)
{
    if (self->wait != NULL || self->held_at < self->held.len)
        connection_hold(self, argv, argc);
    else
        connection_request(self, argv, argc);
}

/* Hands the request of a reader, whose bytes begin at `data`, to `take`. */
static void connection_read(struct connection *self, const struct resp_reader *reader,
                            const char *data,
                            void (*take)(struct connection *, const struct kv_arg *, size_t))
{
    struct kv_arg few[CONNECTION_ARGS_FEW] = { { NULL, 0 } };
    struct kv_arg *argv = few;
    if (reader->argc > CONNECTION_ARGS_FEW)
        argv = sp_alloc(reader->argc * sizeof(*argv));
    for (size_t i = 0; i < reader->argc; i++)
        argv[i] = (struct kv_arg){ data + reader->span[i].offset, reader->span[i].len };
    take(self, argv, reader->argc);
    if (argv != few)
        sp_free(argv);
}

void connection_hold(struct connection *self, const struct kv_arg *argv, size_t argc)
{
    resp_array(&self->held, argc);
    for (size_t i = 0; i < argc; i++)
        resp_bulk(&self->held, argv[i].ptr, argv[i].len);
    if (self->held.failed)
        connection_cut(self);
    else if (self->held.len - self->held_at > CONNECTION_HELD_MAX)
        sp_stream_pause(self->stream);
}

void connection_go_on(struct connection *self)
{
    while (self->held_at < self->held.len && self->wait == NULL && !self->stopping) {
        struct resp_reader reader;
        char *data = self->held.data + self->held_at;
        resp_reader_init(&reader, NULL);
        if (resp_read(&reader, data, self->held.len - self->held_at) == RESP_REQUEST) {
            self->held_at += reader.used;
            connection_read(self, &reader, data, connection_request);
        } else {
            connection_cut(self); /* no memory for a long request */
        }
        resp_reader_finish(&reader);
    }
    if (self->stopping || self->wait != NULL)
        return;
    resp_out_finish(&self->held);
    resp_out_init(&self->held, 2, 0);
    self->held_at = 0;
    connection_answer(self);
    if (self->stream != NULL && self->wait == NULL)
        sp_stream_resume(self->stream);
}

/* --- the stream -------------------------------------------------------------------------- */

static void connection_on_frame(void *arg, struct sp_stream *stream, const struct sp_frame *frame)
{
    struct connection *self = arg;
    (void)stream;
    if (!self->stopping)
        connection_read(self, frame->value, frame->bytes, connection_take);
}

static void connection_on_batch(void *arg, struct sp_stream *stream)
{
    struct connection *self = arg;
    (void)stream;
    if (!self->stopping && self->wait == NULL)
        connection_answer(self);
}

static void connection_end_with_error(struct connection *self, const char *text)
{
    kv_count(&self->world->counters.protocol_errors);
    resp_errorf(&self->out, "ERR %s", text);
    self->session.closing = true;
    connection_send(self);
}

static void connection_on_end(void *arg, struct sp_stream *stream, const struct sp_stream_end *end)
{
    struct connection *self = arg;
    (void)stream;
    if (self->stopping)
        return;
    connection_wait_hang_up(self);
    if (end->err == SP_ERR_EOF) {
        connection_close(self);
    } else if (end->err == SP_ERR_PROTOCOL || end->err == SP_ERR_TOOBIG) {
        connection_end_with_error(self, end->text != NULL ? end->text : sp_err_text(end->err));
    } else {
        if (end->err == SP_ERR_TIMEOUT)
            kv_count(&self->world->counters.slow_requests);
        connection_cut(self);
    }
}

static sp_err connection_attach(struct connection *self)
{
    const struct kv_settings *settings = &self->world->settings;
    struct resp_limits limits = { .bulk_max = settings->value_max,
                                  .request_max = settings->request_max };
    struct sp_attach attach = { .codec = &kv_resp_codec,
                                .codec_options = &limits,
                                .arg = self,
                                .on_frame = connection_on_frame,
                                .on_batch = connection_on_batch,
                                .on_end = connection_on_end,
                                .input_max = settings->request_max + CONNECTION_DIRECT,
                                .frame_time = settings->request_time };
    sp_stream_set_output_max(self->stream, settings->output_max);
    return sp_stream_attach(self->stream, &attach);
}

/* --- operations -------------------------------------------------------------------------- */

static void kv_connection_on_woken(struct connection *self, const struct kv_woken *in)
{
    connection_wait_woken(self, in);
}

static void kv_connection_on_give_up(struct connection *self, const uint64_t *in)
{
    connection_wait_give_up(self, *in);
}

static void kv_connection_on_describe(struct connection *self, const uint64_t *in)
{
    connection_describe(self, *in);
}

static bool connection_listens(struct connection *self, const struct kv_note *note)
{
    static const struct kv_seed seed = { 0 }; /* of a session's sets */
    struct kv_arg channel = { note->bytes + note->pattern_len, note->channel_len };
    if (!note->by_pattern)
        return kv_session_hears(&self->session, &channel);
    return dict_find(&self->session.patterns, note->bytes, note->pattern_len,
                     (uint32_t)kv_hash(&seed, note->bytes, note->pattern_len)) != NULL;
}

static void kv_connection_on_deliver(struct connection *self, const struct kv_delivery *in)
{
    const struct kv_note *note = in->note;
    if (self->stopping || !connection_listens(self, note))
        return;
    struct kv_arg pattern = { note->bytes, note->pattern_len };
    struct kv_arg channel = { pattern.ptr + pattern.len, note->channel_len };
    struct kv_arg message = { channel.ptr + channel.len, note->message_len };
    kv_session_message(&self->session, note->by_pattern ? &pattern : NULL, &channel, &message,
                       &self->out);
    connection_send(self);
}

static void connection_watch_idle(struct connection *self, int64_t after_ms)
{
    struct sp_timer_options options = { .after = sp_ms(after_ms), .key = CONNECTION_IDLE_KEY };
    kv_connection_ref ref = { sp_self() };
    if (kv_connection_check_idle_timer(ref, &(sp_empty){ 0 }, &options, NULL) != SP_OK)
        connection_cut(self);
}

/* Subscribers and clients in BLPOP may be silent as long as they like. */
static void kv_connection_on_check_idle(struct connection *self, const sp_empty *in)
{
    (void)in;
    int64_t max_ms = self->world->settings.idle_max.ns / SP_NS_PER_MS;
    int64_t idle_ms = kv_now_ms() - self->session.active_ms;
    if (self->stopping)
        return;
    if (self->wait != NULL || kv_session_subscriptions(&self->session) > 0) {
        connection_watch_idle(self, max_ms);
    } else if (idle_ms < max_ms) {
        connection_watch_idle(self, max_ms - (idle_ms > 0 ? idle_ms : 0));
    } else {
        kv_count(&self->world->counters.idle_clients);
        connection_close(self);
    }
}

static void kv_connection_down(struct connection *self, const struct sp_down *down)
{
    connection_wait_down(self, down);
}

/* --- life -------------------------------------------------------------------------------- */

static void connection_release(void *arg)
{
    struct connection *self = arg;
    kv_uncount(&self->world->counters.clients);
    if (self->wait != NULL)
        kv_uncount(&self->world->counters.blocked);
    connection_wait_free(self->wait);
    kv_pipeline_finish(&self->pipeline);
    kv_session_finish(&self->session);
    resp_out_finish(&self->out);
    resp_out_finish(&self->held);
}

static sp_err connection_open_session(struct connection *self)
{
    sp_address address;
    char peer[SP_ADDRESS_TEXT_MAX] = "?:0";
    char local[SP_ADDRESS_TEXT_MAX] = "?:0";
    if (sp_stream_peer(self->stream, &address) == SP_OK)
        sp_address_format(&address, peer);
    if (sp_stream_address(self->stream, &address) == SP_OK)
        sp_address_format(&address, local);
    /* Relaxed: any order will do. */
    uint64_t id = atomic_fetch_add_explicit(&self->world->next_client, 1, memory_order_relaxed);
    struct kv_session_options options = {
        .id = id + 1, .now_ms = kv_now_ms(), .address = peer, .local = local
    };
    return kv_session_init(&self->session, &options);
}

static sp_err connection_open(struct connection *self)
{
    struct kv_pipeline_options options = { .session = &self->session,
                                           .env = &self->env,
                                           .index = &self->world->index,
                                           .seed = self->world->seed,
                                           .random_seed = sp_random(),
                                           .shards = self->world->settings.shards,
                                           .reply_max = CONNECTION_REPLY_MAX };
    connection_env_init(self);
    resp_out_init(&self->out, 2, 0);
    resp_out_init(&self->held, 2, 0);
    sp_err err = connection_open_session(self);
    if (err != SP_OK)
        return err;
    err = kv_pipeline_init(&self->pipeline, &options);
    if (err != SP_OK)
        kv_session_finish(&self->session);
    return err;
}

static sp_err connection_refuse(struct kv_world *world, struct sp_stream *stream)
{
    static const char text[] = "-ERR max number of clients reached\r\n";
    kv_uncount(&world->counters.clients);
    kv_count(&world->counters.rejected);
    sp_ignore(sp_stream_send(stream, text, sizeof(text) - 1));
    sp_stream_drop(stream);
    return SP_ERR_IGNORED;
}

static sp_err kv_connection_init(struct connection *self, const struct sp_connection *args)
{
    struct kv_world *world = args->arg;
    /* Relaxed: see kv_count(). */
    uint64_t clients = atomic_fetch_add_explicit(&world->counters.clients, 1, memory_order_relaxed);
    kv_count(&world->counters.connections);
    if (clients >= world->settings.clients_max)
        return connection_refuse(world, args->stream);
    self->world = world;
    self->stream = args->stream;
    sp_err err = connection_open(self);
    if (err != SP_OK) {
        kv_uncount(&world->counters.clients);
        return err;
    }
    err = sp_defer(connection_release, self);
    if (err != SP_OK) {
        connection_release(self);
        return err;
    }
    connection_describe(self, 0);
    if (world->settings.idle_max.ns > 0)
        connection_watch_idle(self, world->settings.idle_max.ns / SP_NS_PER_MS);
    return connection_attach(self);
}

SP_STATE(kv_connection, struct connection);
SP_ON_INIT(kv_connection);
SP_ON_DOWN(kv_connection);
SP_ON_CAST(kv_connection, woken);
SP_ON_CAST(kv_connection, give_up);
SP_ON_CAST(kv_connection, describe);
SP_ON_CAST(kv_connection, deliver);
SP_ON_CAST(kv_connection, check_idle);
SP_CLASS(kv_connection, .init = kv_connection__init, .on_down = kv_connection__down);
