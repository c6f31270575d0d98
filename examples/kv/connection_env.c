/* What commands ask of the world. See connection_state.h. */
#include "connection_state.h"

#include "shard.h"
#include "tree.h"

#include "spawned/application.h"

static int64_t env_now_ms(void *arg)
{
    (void)arg;
    return kv_now_ms();
}

static sp_err env_subscribe(void *arg, const struct kv_arg *name, bool pattern, bool on)
{
    (void)arg, (void)name, (void)pattern, (void)on;
    return SP_ERR_NOTSUP;
}

static int64_t env_publish(void *arg, const struct kv_arg *channel, const struct kv_arg *message)
{
    (void)arg, (void)channel, (void)message;
    return 0;
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
    *out_info = info;
    return SP_OK;
}

/* --- clients ----------------------------------------------------------------------------- */

static sp_err env_clients(void *arg, struct resp_out *lines)
{
    struct connection *self = arg;
    kv_session_describe(&self->session, kv_now_ms(), lines);
    resp_raw(lines, "\n", 1);
    return SP_OK;
}

static sp_err env_kill_client(void *arg, uint64_t id)
{
    (void)arg, (void)id;
    return SP_ERR_NOTFOUND;
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
                                 .config = self->world->config };
}
