/* BLPOP and BRPOP: a client that waits. See connection_state.h.
 *
 * The client waits in every shard in which it has a key. Where that is one, the shard pops for
 * it and sends the element. Where there are several, a shard sends that its turn has come; the
 * connection makes the request again, and if somebody was faster, waits on in its place.
 *
 * Each wait has a number, its turn; a wake-up with another number is of an earlier wait, and
 * is dropped. A shard that is asked to end a wait and knows nothing of it has served it: the
 * element is in the mailbox already.
 */
#include "connection_state.h"

#include "list_commands.h"
#include "shard.h"

#include <stdlib.h>

enum { WAIT_TIMEOUT_KEY = 1 }; /* of the timer */

void connection_wait_free(struct connection_wait *wait)
{
    if (wait != NULL)
        free(wait->argv);
    free(wait);
}

static struct connection_wait *wait_create(const struct kv_arg *argv, size_t argc)
{
    struct connection_wait *wait = calloc(1, sizeof(*wait));
    size_t size = argc * sizeof(*argv);
    for (size_t i = 0; i < argc; i++)
        size += argv[i].len;
    if (wait == NULL || (wait->argv = malloc(size)) == NULL) {
        free(wait);
        return NULL;
    }
    char *bytes = (char *)(wait->argv + argc);
    for (size_t i = 0; i < argc; i++) {
        if (argv[i].len > 0)
            memcpy(bytes, argv[i].ptr, argv[i].len);
        wait->argv[i] = (struct kv_arg){ bytes, argv[i].len };
        bytes += argv[i].len;
    }
    wait->argc = argc;
    return wait;
}

static uint32_t wait_shard_of(struct connection *self, const struct kv_arg *key, uint64_t *out_hash)
{
    *out_hash = kv_hash(&self->world->seed, key->ptr, key->len);
    return kv_shard_of(*out_hash, self->pipeline.shards);
}

/* --- the end of a wait ------------------------------------------------------------------- */

static sp_err wait_leave_shard(struct connection *self, uint32_t shard)
{
    struct kv_wait_end end = { .pid = sp_self() };
    kv_shard_ref ref = { kv_world_shard(self->world, shard) };
    sp_empty out;
    return kv_shard_unwait(ref, &end, &out, sp_after(self->world->settings.shard_time));
}

static void wait_leave_shards(struct connection *self)
{
    for (uint32_t shard = 0; shard < self->pipeline.shards; shard++)
        if (self->wait->in[shard])
            sp_ignore(wait_leave_shard(self, shard));
}

void connection_wait_hang_up(struct connection *self)
{
    if (self->wait != NULL)
        wait_leave_shards(self);
}

/* The client waits no more: its reply is in `out`. */
static void wait_finish(struct connection *self)
{
    struct connection_wait *wait = self->wait;
    for (uint32_t shard = 0; shard < self->pipeline.shards; shard++)
        if (wait->in[shard])
            sp_demonitor(wait->monitor[shard], SP_DEMONITOR_FLUSH);
    sp_ignore(sp_timer_cancel_key(WAIT_TIMEOUT_KEY, NULL));
    self->wait = NULL;
    kv_uncount(&self->world->counters.blocked);
    if (wait->silent)
        self->out.len = 0;
    connection_wait_free(wait);
    connection_send(self);
    connection_go_on(self);
}

static void wait_fail(struct connection *self, const char *error)
{
    self->out.protocol = (uint8_t)self->session.protocol;
    wait_leave_shards(self);
    resp_error(&self->out, error);
    wait_finish(self);
}

/* --- the beginning ----------------------------------------------------------------------- */

/* The part of the request that concerns a shard; false without memory. */
static bool wait_order(struct connection *self, uint32_t shard, struct kv_wait_order *order)
{
    const struct connection_wait *wait = self->wait;
    size_t keys = wait->argc - 2;
    size_t size = 0;
    uint64_t hash;
    for (size_t i = 1; i <= keys; i++)
        size += sizeof(struct kv_key) + wait->argv[i].len;
    *order = (struct kv_wait_order){ .pid = sp_self(),
                                     .turn = wait->turn,
                                     .keys = malloc(size),
                                     .front = kv_arg_is(&wait->argv[0], "blpop"),
                                     .shared = wait->shared };
    if (order->keys == NULL)
        return false;
    char *bytes = (char *)(order->keys + keys);
    for (size_t i = 1; i <= keys; i++) {
        const struct kv_arg *key = &wait->argv[i];
        if (wait_shard_of(self, key, &hash) != shard)
            continue;
        if (key->len > 0)
            memcpy(bytes, key->ptr, key->len);
        order->keys[order->key_count++] = (struct kv_key){ bytes, key->len, hash };
        bytes += key->len;
    }
    return true;
}

static sp_err wait_enter_shard(struct connection *self, uint32_t shard)
{
    struct kv_wait_order order;
    struct kv_job unused;
    kv_shard_ref ref = { kv_world_shard_await(self->world, shard) };
    if (!wait_order(self, shard, &order))
        return SP_ERR_NOMEM;
    sp_err err = sp_monitor(ref.pid, &self->wait->monitor[shard]);
    if (err != SP_OK) {
        kv_wait_order_drop(&order);
        return err;
    }
    self->wait->in[shard] = true;
    return kv_shard_wait(ref, &order, &unused, sp_after(self->world->settings.shard_time));
}

static void wait_set_timeout(struct connection *self)
{
    const struct connection_wait *wait = self->wait;
    struct sp_timer_options options = { .key = WAIT_TIMEOUT_KEY };
    int64_t ms = 0;
    kv_connection_ref ref = { sp_self() };
    /* It was looked at before the request was sent to any shard. */
    if (!kv_block_timeout(&wait->argv[wait->argc - 1], &self->out, &ms) || ms <= 0)
        return;
    options.after = sp_ms(ms);
    if (kv_connection_give_up_timer(ref, &wait->turn, &options, NULL) != SP_OK)
        connection_cut(self);
}

static void wait_enter_shards(struct connection *self)
{
    const struct connection_wait *wait = self->wait;
    bool wanted[KV_SHARDS_MAX] = { false };
    uint32_t count = 0;
    uint64_t hash;
    for (size_t i = 1; i + 1 < wait->argc; i++) {
        uint32_t shard = wait_shard_of(self, &wait->argv[i], &hash);
        count += !wanted[shard];
        wanted[shard] = true;
    }
    self->wait->shared = count > 1;
    for (uint32_t shard = 0; shard < self->pipeline.shards; shard++) {
        if (!wanted[shard])
            continue;
        sp_err err = wait_enter_shard(self, shard);
        if (err != SP_OK) {
            const struct kv_place *place = &self->world->places[shard];
            wait_fail(self, err == SP_ERR_NOMEM     ? "ERR out of memory"
                            : err == SP_ERR_TIMEOUT ? place->stuck
                                                    : place->crashed);
            return;
        }
    }
}

void connection_wait_begin(struct connection *self)
{
    struct kv_pipeline *pipeline = &self->pipeline;
    enum kv_reply_mode mode = self->session.reply_mode;
    bool silent = pipeline->step[0].silent;
    (void)mode;
    self->wait = wait_create(pipeline->argv, pipeline->argc);
    kv_pipeline_merge(pipeline, &self->out); /* nothing to say yet */
    if (self->wait == NULL || self->out.failed) {
        connection_wait_free(self->wait);
        self->wait = NULL;
        connection_cut(self);
        return;
    }
    kv_count(&self->world->counters.blocked);
    self->wait->turn = ++self->turns;
    self->wait->silent = silent;
    wait_set_timeout(self);
    wait_enter_shards(self);
}

/* --- wake-ups ---------------------------------------------------------------------------- */

static void wait_served(struct connection *self, const struct kv_woken *woken)
{
    struct resp_out *out = &self->out;
    out->protocol = (uint8_t)self->session.protocol;
    resp_array(out, 2);
    resp_bulk(out, woken->bytes, woken->key_len);
    resp_bulk(out, woken->bytes + woken->key_len, woken->value_len);
    wait_finish(self);
}

/* Tries the request once more. */
static void wait_try(struct connection *self, uint32_t shard)
{
    struct connection_wait *wait = self->wait;
    struct kv_wait_end again = { .pid = sp_self(), .rearm = true };
    kv_shard_ref ref = { kv_world_shard(self->world, shard) };
    sp_empty out;
    if (kv_pipeline_add(&self->pipeline, wait->argv, wait->argc) != KV_ADDED)
        return;
    connection_rounds(self);
    bool served = !kv_pipeline_blocks(&self->pipeline);
    kv_pipeline_merge(&self->pipeline, &self->out);
    if (served) {
        wait_leave_shards(self);
        wait_finish(self);
        return;
    }
    sp_err err = kv_shard_unwait(ref, &again, &out, sp_after(self->world->settings.shard_time));
    if (err == SP_ERR_TIMEOUT || err == SP_ERR_FULL)
        wait_fail(self, self->world->places[shard].stuck);
    /* Any other failure: the shard died, and its DOWN comes. */
}

void connection_wait_woken(struct connection *self, const struct kv_woken *woken)
{
    if (self->wait == NULL || self->wait->turn != woken->turn || self->stopping)
        return;
    if (woken->served)
        wait_served(self, woken);
    else
        wait_try(self, woken->shard);
}

void connection_wait_give_up(struct connection *self, uint64_t turn)
{
    struct connection_wait *wait = self->wait;
    if (wait == NULL || wait->turn != turn || self->stopping)
        return;
    if (!wait->shared) {
        uint32_t shard = 0;
        while (!wait->in[shard])
            shard++;
        if (wait_leave_shard(self, shard) == SP_ERR_NOTFOUND)
            return; /* it was served: the element is in the mailbox */
    } else {
        wait_leave_shards(self);
    }
    self->out.protocol = (uint8_t)self->session.protocol;
    resp_null_array(&self->out);
    wait_finish(self);
}

void connection_wait_down(struct connection *self, const struct sp_down *down)
{
    struct connection_wait *wait = self->wait;
    for (uint32_t shard = 0; wait != NULL && shard < self->pipeline.shards; shard++) {
        if (!wait->in[shard] || wait->monitor[shard].id != down->ref.id)
            continue;
        wait->in[shard] = false;
        wait_fail(self, self->world->places[shard].crashed);
        return;
    }
}
