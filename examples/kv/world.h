/* What all processes of the program share: settings, where the shards are, and counts.
 *
 * Settings are written before the first process starts and only read afterwards. The place of
 * a shard is written by the shard itself, when it starts and when it ends, and read by every
 * connection before each request:
 *
 *     shard 0   [ serial 7 | slot 12, node 0 ]     runs
 *     shard 1   [ serial 0 |        -        ]     is down: its supervisor starts it again
 *
 * Threads: any; what changes is atomic. Neighbours: everything in this directory that is a
 * process: shard, connection, pubsub, clients.
 */
#ifndef KV_WORLD_H
#define KV_WORLD_H

#include "command.h"
#include "resp_reader.h"

#include "spawned/address.h"
#include "spawned/log.h"
#include "spawned/pid.h"
#include "spawned/time.h"

#include <stdatomic.h>

enum {
    KV_SHARDS_MAX = 64,
    KV_RUN_ID_LEN = 40,
    KV_CONFIG_ITEMS = 10,
    KV_CONFIG_TEXT_MAX = 24,
    KV_LOSS_TEXT_MAX = 64,
};

/** Settings; see options.h. */
struct kv_settings {
    const char *bind;       /**< an IP address */
    uint16_t port;          /**< 0: one that the system chooses */
    const char *http;       /**< where the dashboard is; NULL: nowhere */
    const char *http_token; /**< of the dashboard; NULL: none */
    enum sp_log_level log_level;
    enum sp_log_format log_format;
    uint32_t shards;
    uint32_t workers;
    uint32_t clients_max;
    uint64_t value_max;       /**< bytes of one argument */
    uint64_t request_max;     /**< bytes of one request */
    uint64_t output_max;      /**< bytes of replies that wait for one client */
    sp_duration idle_max;     /**< a client that sends nothing is disconnected; 0: never */
    sp_duration request_time; /**< half a request for so long: disconnected */
    sp_duration shard_time;   /**< a shard that does not answer for so long counts as stuck */
};

/** Where a shard is. */
struct kv_place {
    _Atomic uint64_t serial;        /**< 0: it does not run */
    _Atomic uint64_t slot;          /**< slot and node */
    _Atomic uint64_t starts;        /**< how often it has started */
    char crashed[KV_LOSS_TEXT_MAX]; /**< replies to those who had a request in it */
    char stuck[KV_LOSS_TEXT_MAX];
};

/** What INFO counts. */
struct kv_counters {
    _Atomic uint64_t clients;     /**< connected now */
    _Atomic uint64_t blocked;     /**< of these, in a BLPOP or BRPOP */
    _Atomic uint64_t connections; /**< ever */
    _Atomic uint64_t rejected;    /**< over the limit of clients */
    _Atomic uint64_t commands;
    _Atomic uint64_t protocol_errors; /**< cut off: not the protocol, or a limit of it */
    _Atomic uint64_t slow_requests;   /**< cut off: half a request for too long */
    _Atomic uint64_t slow_readers;    /**< cut off: did not take its replies */
    _Atomic uint64_t idle_clients;    /**< cut off: sent nothing for too long */
    _Atomic uint64_t shard_crashes;
};

struct kv_world {
    struct kv_settings settings;
    struct kv_command_index index;
    struct kv_seed seed;
    struct kv_place *places; /**< of the shards */
    struct kv_counters counters;
    _Atomic uint64_t next_client; /**< ids of clients */
    _Atomic uint32_t port;        /**< where it listens */
    int64_t started_ms;
    char run_id[KV_RUN_ID_LEN + 1];
    char config_text[KV_CONFIG_ITEMS][KV_CONFIG_TEXT_MAX];
    const char *config[2 * KV_CONFIG_ITEMS + 1]; /**< for CONFIG GET */
};

/** Fills `world`, which must not be moved afterwards. Errors: NOMEM, IO (no random numbers).
 *  Ownership: `settings` is copied; what it points to must outlive the world.
 *  Context: startup. */
SP_NODISCARD sp_err kv_world_init(struct kv_world *world, const struct kv_settings *settings)
    SP_NONNULL;

/** Context: any thread, when no process runs any more. */
void kv_world_finish(struct kv_world *world) SP_NONNULL;

/** The calling process is shard `shard` from now on. True: it was so before, and what it knew
 *  is lost. Context: process. */
bool kv_world_shard_up(struct kv_world *world, uint32_t shard) SP_NONNULL;

/** The shard ends. Context: process. */
void kv_world_shard_down(struct kv_world *world, uint32_t shard) SP_NONNULL;

/** The process of a shard; SP_PID_NONE while it is down. Context: any. */
sp_pid kv_world_shard(struct kv_world *world, uint32_t shard) SP_NONNULL;

/** As kv_world_shard(), but waits up to a second for a shard that is being restarted.
 *  Context: process, may suspend. */
sp_pid kv_world_shard_await(struct kv_world *world, uint32_t shard) SP_NONNULL;

/** Wall-clock time. Units: milliseconds since 1970. Context: process. */
int64_t kv_now_ms(void);

/** Counts one more. Context: any. */
static inline void kv_count(_Atomic uint64_t *counter)
{
    /* Relaxed: a figure for people, ordered with nothing. */
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/** Counts one less. Context: any. */
static inline void kv_uncount(_Atomic uint64_t *counter)
{
    /* Relaxed: as kv_count(). */
    atomic_fetch_sub_explicit(counter, 1, memory_order_relaxed);
}

/** Reads a count. Context: any. */
static inline uint64_t kv_counted(_Atomic uint64_t *counter)
{
    /* Relaxed: as kv_count(). */
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
