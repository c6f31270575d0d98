/* What all processes share. See world.h. */
#include "world.h"

#include "spawned/process.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { WORLD_AWAIT_STEPS = 1000 }; /* of a millisecond */

static bool world_random(void *bytes, size_t size)
{
    return getrandom(bytes, size, 0) == (ssize_t)size;
}

static sp_err world_secrets(struct kv_world *world)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char id[KV_RUN_ID_LEN / 2];
    if (!world_random(&world->seed, sizeof(world->seed)) || !world_random(id, sizeof(id)))
        return SP_ERR_IO;
    for (size_t i = 0; i < sizeof(id); i++) {
        world->run_id[2 * i] = hex[id[i] >> 4];
        world->run_id[2 * i + 1] = hex[id[i] & 15];
    }
    return SP_OK;
}

static void world_config(struct kv_world *world)
{
    const struct kv_settings *settings = &world->settings;
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        { "databases", 1 },
        { "maxclients", settings->clients_max },
        { "maxmemory", 0 },
        { "port", settings->port },
        { "proto-max-bulk-len", settings->value_max },
        { "client-query-buffer-limit", settings->request_max },
        { "timeout", (uint64_t)(settings->idle_max.ns / SP_NS_PER_S) },
    };
    size_t at = 0;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        snprintf(world->config_text[i], KV_CONFIG_TEXT_MAX, "%" PRIu64, numbers[i].value);
        world->config[at++] = numbers[i].name;
        world->config[at++] = world->config_text[i];
    }
    const char *const texts[] = { "save", "", "appendonly", "no", "bind", settings->bind };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        world->config[at++] = texts[i];
    world->config[at] = NULL;
}

sp_err kv_world_init(struct kv_world *world, const struct kv_settings *settings)
{
    *world = (struct kv_world){ .settings = *settings };
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    world->started_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    kv_command_index_init(&world->index);
    world_config(world);
    sp_err err = world_secrets(world);
    if (err != SP_OK)
        return err;
    world->places = calloc(settings->shards, sizeof(*world->places));
    if (world->places == NULL)
        return SP_ERR_NOMEM;
    for (uint32_t i = 0; i < settings->shards; i++) {
        struct kv_place *place = &world->places[i];
        snprintf(place->crashed, KV_LOSS_TEXT_MAX,
                 "ERR shard %" PRIu32 " crashed: its keys are lost", i);
        snprintf(place->stuck, KV_LOSS_TEXT_MAX, "ERR shard %" PRIu32 " does not answer in time",
                 i);
    }
    return SP_OK;
}

void kv_world_finish(struct kv_world *world)
{
    free(world->places);
}

bool kv_world_shard_up(struct kv_world *world, uint32_t shard)
{
    struct kv_place *place = &world->places[shard];
    sp_pid self = sp_self();
    /* Relaxed: published by the release below, with which kv_world_shard() pairs. */
    atomic_store_explicit(&place->slot, (uint64_t)self.node << 32 | self.slot,
                          memory_order_relaxed);
    atomic_store_explicit(&place->serial, self.serial, memory_order_release);
    bool again = kv_counted(&place->starts) > 0;
    kv_count(&place->starts);
    return again;
}

void kv_world_shard_down(struct kv_world *world, uint32_t shard)
{
    /* Release: before the next shard_up() writes the slot; pairs with kv_world_shard(). */
    atomic_store_explicit(&world->places[shard].serial, 0, memory_order_release);
}

sp_pid kv_world_shard(struct kv_world *world, uint32_t shard)
{
    struct kv_place *place = &world->places[shard];
    /* Acquire: the slot that goes with it; pairs with shard_up(). Should a restart come between
     * the two loads, the pid names nobody or a process that is no shard, and the call says so. */
    uint64_t serial = atomic_load_explicit(&place->serial, memory_order_acquire);
    uint64_t slot = atomic_load_explicit(&place->slot, memory_order_relaxed);
    if (serial == 0)
        return SP_PID_NONE;
    return (sp_pid){ .serial = serial, .slot = (uint32_t)slot, .node = (uint32_t)(slot >> 32) };
}

sp_pid kv_world_shard_await(struct kv_world *world, uint32_t shard)
{
    sp_pid pid = kv_world_shard(world, shard);
    for (int i = 0; sp_pid_is_none(pid) && i < WORLD_AWAIT_STEPS; i++) {
        sp_sleep(sp_ms(1));
        pid = kv_world_shard(world, shard);
    }
    return pid;
}

int64_t kv_now_ms(void)
{
    return sp_wall_ns() / SP_NS_PER_MS;
}
