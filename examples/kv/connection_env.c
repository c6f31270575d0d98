/* What commands ask of the world. See connection_state.h. */
#include "connection_state.h"

#include "clients.h"
#include "glob.h"
#include "pubsub.h"
#include "shard.h"
#include "tree.h"

#include "spawned/application.h"
#include "spawned/metrics.h"
#include "spawned/trace.h"

#include <stdlib.h>

static int64_t env_now_ms(void *arg)
{
    (void)arg;
    return kv_now_ms();
}

/* --- publish and subscribe --------------------------------------------------------------- */

static sp_err env_pubsub(kv_pubsub_ref *out_pubsub)
{
    sp_err err = kv_pubsub_whereis(KV_PUBSUB_NAME, out_pubsub);
    return err == SP_ERR_NOTFOUND ? SP_ERR_NOPROC : err;
}

static sp_err env_subscribe(void *arg, const struct kv_arg *name, bool pattern, bool on)
{
    (void)arg;
    kv_pubsub_ref pubsub;
    struct kv_listen_result out;
    struct kv_listen order = { .pid = sp_self(),
                               .pattern = pattern,
                               .on = on,
                               .name_len = name->len,
                               .name = malloc(name->len + 1) };
    if (order.name == NULL)
        return SP_ERR_NOMEM;
    if (name->len > 0)
        memcpy(order.name, name->ptr, name->len);
    sp_err err = env_pubsub(&pubsub);
    if (err == SP_OK)
        return kv_pubsub_listen(pubsub, &order, &out, (sp_deadline){ 0 });
    kv_listen_drop(&order);
    return err;
}

/* What the client publishes to itself comes before the reply. */
struct env_own {
    struct connection *self;
    const struct kv_arg *channel;
    const struct kv_arg *message;
    int64_t heard;
};

static void env_own_pattern(struct dict_node *node, void *arg)
{
    struct env_own *own = arg;
    struct kv_arg pattern = { (const char *)(node + 1), node->key_len };
    if (!kv_glob_match(pattern.ptr, pattern.len, own->channel->ptr, own->channel->len, false))
        return;
    kv_session_message(&own->self->session, &pattern, own->channel, own->message, &own->self->out);
    own->heard++;
}

static int64_t env_publish_own(struct connection *self, const struct kv_arg *channel,
                               const struct kv_arg *message)
{
    struct env_own own = { self, channel, message, 0 };
    if (kv_session_subscriptions(&self->session) == 0)
        return 0;
    if (kv_session_hears(&self->session, channel)) {
        kv_session_message(&self->session, NULL, channel, message, &self->out);
        own.heard++;
    }
    dict_each(&self->session.patterns, env_own_pattern, &own);
    return own.heard;
}

static int64_t env_publish(void *arg, const struct kv_arg *channel, const struct kv_arg *message)
{
    kv_pubsub_ref pubsub;
    struct kv_published out = { 0 };
    struct kv_publish_order order = { .from = sp_self(),
                                      .channel_len = channel->len,
                                      .message_len = message->len,
                                      .bytes = malloc(channel->len + message->len + 1) };
    if (order.bytes == NULL)
        return 0;
    if (channel->len > 0)
        memcpy(order.bytes, channel->ptr, channel->len);
    if (message->len > 0)
        memcpy(order.bytes + channel->len, message->ptr, message->len);
    if (env_pubsub(&pubsub) != SP_OK)
        kv_publish_order_drop(&order);
    else
        sp_ignore(kv_pubsub_publish(pubsub, &order, &out, (sp_deadline){ 0 }));
    return (int64_t)out.heard + env_publish_own(arg, channel, message);
}

/* --- INFO -------------------------------------------------------------------------------- */

static void env_info_counters(struct kv_world *world, struct kv_info *info)
{
    struct kv_counters *counters = &world->counters;
    info->connected_clients = kv_counted(&counters->clients);
    info->blocked_clients = kv_counted(&counters->blocked);
    info->total_connections = kv_counted(&counters->connections);
    info->rejected_connections = kv_counted(&counters->rejected);
    info->total_commands = kv_counted(&counters->commands);
    info->protocol_errors = kv_counted(&counters->protocol_errors);
    info->slow_requests = kv_counted(&counters->slow_requests);
    info->slow_readers = kv_counted(&counters->slow_readers);
    info->idle_clients = kv_counted(&counters->idle_clients);
    info->shard_crashes = kv_counted(&counters->shard_crashes);
}

/* A shard that does not answer in time is left out. */
static void env_info_shards(struct kv_world *world, struct kv_info *info)
{
    struct kv_shard_figures figures[KV_SHARDS_MAX];
    struct sp_multi target[KV_SHARDS_MAX];
    const sp_empty nothing = { 0 };
    uint32_t shards = world->settings.shards;
    for (uint32_t i = 0; i < shards; i++)
        target[i] = (struct sp_multi){ .server = kv_world_shard(world, i), .out = &figures[i] };
    sp_ignore(sp_server_multi_call(&kv_shard_figures_op, &nothing, target, shards,
                                   sp_after(world->settings.shard_time)));
    for (uint32_t i = 0; i < shards; i++) {
        if (target[i].err != SP_OK)
            continue;
        info->keys += figures[i].keys;
        info->expires += figures[i].expires;
        info->used_memory += figures[i].memory;
        info->expired_keys += figures[i].expired;
        info->hits += figures[i].hits;
        info->misses += figures[i].misses;
    }
}

static void env_info_pubsub(struct kv_info *info)
{
    kv_pubsub_ref pubsub;
    struct kv_pubsub_figures figures = { 0 };
    if (env_pubsub(&pubsub) == SP_OK)
        sp_ignore(kv_pubsub_figures(pubsub, &(sp_empty){ 0 }, &figures, (sp_deadline){ 0 }));
    info->pubsub_channels = figures.channels;
    info->pubsub_patterns = figures.patterns;
}

static sp_err env_info(void *arg, struct kv_info *out_info)
{
    const struct connection *self = arg;
    struct kv_world *world = self->world;
    struct kv_info info = {
        /* Relaxed: set before anybody could connect. */
        .port = (int)atomic_load_explicit(&world->port, memory_order_relaxed),
        .uptime_ms = kv_now_ms() - world->started_ms,
        .max_clients = world->settings.clients_max,
        .shards = world->settings.shards,
        .workers = (int)world->settings.workers,
        .run_id = world->run_id,
    };
    env_info_counters(world, &info);
    env_info_shards(world, &info);
    env_info_pubsub(&info);
    *out_info = info;
    return SP_OK;
}

/* --- clients ----------------------------------------------------------------------------- */

static sp_err env_registry(kv_clients_ref *out_clients)
{
    sp_err err = kv_clients_whereis(KV_CLIENTS_NAME, out_clients);
    return err == SP_ERR_NOTFOUND ? SP_ERR_NOPROC : err;
}

/* Errors: NOMEM. */
static sp_err env_own_line(struct connection *self, uint64_t round, struct kv_client_line *out)
{
    struct resp_out line;
    resp_out_init(&line, 2, 0);
    kv_session_describe(&self->session, kv_now_ms(), &line);
    if (line.failed) {
        resp_out_finish(&line);
        return SP_ERR_NOMEM;
    }
    *out = (struct kv_client_line){
        .id = self->session.id, .pid = sp_self(), .round = round, .len = line.len, .line = line.data
    };
    return SP_OK;
}

void connection_describe(struct connection *self, uint64_t round)
{
    struct kv_client_line line;
    kv_clients_ref clients;
    if (env_registry(&clients) == SP_OK && env_own_line(self, round, &line) == SP_OK)
        sp_ignore(kv_clients_described(clients, &line));
}

static sp_err env_clients(void *arg, struct resp_out *lines)
{
    kv_clients_ref clients;
    struct kv_client_line own;
    struct kv_client_lines all = { 0 };
    sp_err err = env_registry(&clients);
    if (err == SP_OK)
        err = env_own_line(arg, 0, &own);
    if (err == SP_OK)
        err = kv_clients_list(clients, &own, &all, (sp_deadline){ 0 });
    if (err == SP_OK)
        resp_raw(lines, all.text, all.len);
    kv_client_lines_drop(&all);
    return err;
}

/* The client's own end comes after the reply. */
static sp_err env_kill_client(void *arg, uint64_t id)
{
    struct connection *self = arg;
    kv_clients_ref clients;
    sp_empty out;
    if (id == self->session.id) {
        self->session.closing = true;
        return SP_OK;
    }
    sp_err err = env_registry(&clients);
    return err == SP_OK ? kv_clients_kill(clients, &id, &out, (sp_deadline){ 0 }) : err;
}

/* --- the program ------------------------------------------------------------------------- */

/* Asks the top of the tree to end, and does not wait: this process is below it. */
static sp_err env_shutdown(void *arg)
{
    (void)arg;
    sp_pid top;
    sp_err err = sp_application_whereis(KV_APPLICATION, sp_after_sec(5), &top);
    if (err != SP_OK)
        return err;
    err = sp_stop(top, sp_reason_shutdown(), sp_nowait());
    return err == SP_ERR_TIMEOUT ? SP_OK : err;
}

static sp_err env_crash_shard(void *arg, uint64_t shard)
{
    const struct connection *self = arg;
    sp_empty in = { 0 }, out;
    if (shard >= self->world->settings.shards)
        return SP_ERR_NOTFOUND;
    kv_shard_ref ref = { kv_world_shard(self->world, (uint32_t)shard) };
    sp_err err = kv_shard_crash(ref, &in, &out, sp_after(self->world->settings.shard_time));
    if (err != SP_ERR_DIED && err != SP_ERR_NOPROC)
        return err;
    return sp_pid_is_none(kv_world_shard_await(self->world, (uint32_t)shard)) ? SP_ERR_TIMEOUT
                                                                              : SP_OK;
}

static sp_err env_spin_shard(void *arg, uint64_t shard, int64_t ms)
{
    const struct connection *self = arg;
    sp_duration time = sp_ms(ms);
    if (shard >= self->world->settings.shards)
        return SP_ERR_NOTFOUND;
    kv_shard_ref ref = { kv_world_shard_await(self->world, (uint32_t)shard) };
    return kv_shard_spin(ref, &time);
}

static sp_err env_tree(void *arg, struct resp_out *lines)
{
    (void)arg;
    return kv_tree_write(lines);
}

static bool env_switched(void *arg, enum kv_switch which)
{
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    return which == KV_SWITCH_METRICS ? sp_metrics_started(runtime) : sp_trace_started(runtime);
}

static sp_err env_set_switch(void *arg, enum kv_switch which, bool on)
{
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    if (on)
        return which == KV_SWITCH_METRICS
                   ? sp_metrics_start(runtime, NULL)
                   : sp_trace_start(runtime, &(struct sp_trace_options){ .ratio = 0 });
    if (which == KV_SWITCH_METRICS)
        sp_metrics_stop(runtime);
    else
        sp_trace_stop(runtime);
    return SP_OK;
}

void connection_env_init(struct connection *self)
{
    self->env = (struct kv_env){ .arg = self,
                                 .now_ms = env_now_ms,
                                 .subscribe = env_subscribe,
                                 .publish = env_publish,
                                 .info = env_info,
                                 .clients = env_clients,
                                 .kill_client = env_kill_client,
                                 .shutdown = env_shutdown,
                                 .crash_shard = env_crash_shard,
                                 .spin_shard = env_spin_shard,
                                 .tree = env_tree,
                                 .config = self->world->config,
                                 .switched = env_switched,
                                 .set_switch = env_set_switch };
}
