/* A shard. See shard.h. */
#include "shard.h"

#include "connection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SHARD_EXPIRE_BUDGET = 100, /* keys removed before requests have their turn */
    SHARD_EXPIRE_KEY = 1,      /* of the timer */
};

/* A client that waits here, and who it is. Its id is its pid's key: the shard hears of the end
 * of the process before another one can have the same. */
struct shard_waiter {
    struct dict_node node;
    uint64_t client; /* the key of the node */
    uint64_t turn;
    sp_pid pid;
    sp_monitor_ref monitor;
};

struct shard {
    struct kv_world *world;
    uint32_t index;
    struct kv_store store;
    struct kv_waiters waiters;
    struct kv_heap heap; /* of `clients` */
    struct dict clients; /* struct shard_waiter by id */
    int64_t expiry_ms;   /* what the timer is set for; INT64_MAX: it is not */
};

void kv_job_drop(struct kv_job *job)
{
    kv_batch_destroy(job->batch);
    job->batch = NULL;
}

void kv_wait_order_drop(struct kv_wait_order *order)
{
    free(order->keys);
    order->keys = NULL;
}

/* --- expiry ------------------------------------------------------------------------------ */

static void shard_set_timer(struct shard *self, int64_t next_ms, int64_t now_ms)
{
    struct sp_timer_options options = { .key = SHARD_EXPIRE_KEY };
    kv_shard_ref ref = { sp_self() };
    if (next_ms > now_ms)
        options.after = sp_ms(next_ms - now_ms);
    if (kv_shard_expire_timer(ref, &(sp_empty){ 0 }, &options, NULL) == SP_OK)
        self->expiry_ms = next_ms;
}

/* Only an earlier moment sets the timer anew; a later one is seen when it fires. */
static void shard_watch_expiry(struct shard *self, int64_t now_ms)
{
    int64_t next_ms = kv_store_next_expiry(&self->store);
    if (next_ms < self->expiry_ms)
        shard_set_timer(self, next_ms, now_ms);
}

static void kv_shard_on_expire(struct shard *self, const sp_empty *in)
{
    (void)in;
    int64_t now_ms = kv_now_ms();
    self->expiry_ms = INT64_MAX;
    kv_store_expire_some(&self->store, now_ms, SHARD_EXPIRE_BUDGET);
    shard_watch_expiry(self, now_ms);
}

/* --- requests ---------------------------------------------------------------------------- */

/* The batch stays the message's until it has run, and is freed with it after a fault. */
static sp_err kv_shard_on_run(struct shard *self, const struct kv_job *in, struct kv_job *out)
{
    int64_t now_ms = kv_now_ms();
    kv_batch_run(in->batch, &self->store, &self->waiters, now_ms);
    shard_watch_expiry(self, now_ms);
    out->batch = in->batch;
    ((struct kv_job *)(uintptr_t)in)->batch = NULL; /* moved on */
    return SP_OK;
}

static sp_err kv_shard_on_figures(struct shard *self, const sp_empty *in,
                                  struct kv_shard_figures *out)
{
    (void)in;
    const struct kv_store *store = &self->store;
    *out = (struct kv_shard_figures){ .keys = store->keys.count,
                                      .expires = store->expiry.count,
                                      .memory = store->heap.used,
                                      .expired = store->expired,
                                      .hits = store->hits,
                                      .misses = store->misses };
    return SP_OK;
}

/* --- clients that wait ------------------------------------------------------------------- */

static uint32_t shard_client_hash(const struct shard *self, uint64_t client)
{
    return (uint32_t)kv_hash(&self->world->seed, &client, sizeof(client));
}

static struct dict_node **shard_client(struct shard *self, uint64_t client)
{
    return dict_find(&self->clients, &client, sizeof(client), shard_client_hash(self, client));
}

static sp_err shard_client_add(struct shard *self, const struct kv_wait_order *order)
{
    uint64_t client = sp_pid_key(order->pid);
    if (shard_client(self, client) != NULL)
        return SP_ERR_EXISTS;
    struct shard_waiter *waiter = kv_heap_alloc(&self->heap, sizeof(*waiter));
    if (waiter == NULL)
        return SP_ERR_NOMEM;
    *waiter = (struct shard_waiter){
        .node = { .hash = shard_client_hash(self, client), .key_len = sizeof(client) },
        .client = client,
        .turn = order->turn,
        .pid = order->pid,
    };
    sp_err err = sp_monitor(order->pid, &waiter->monitor);
    if (err == SP_OK) {
        err = dict_insert(&self->clients, &waiter->node);
        if (err == SP_OK)
            return SP_OK;
        sp_demonitor(waiter->monitor, SP_DEMONITOR_FLUSH);
    }
    kv_heap_free(&self->heap, waiter, sizeof(*waiter));
    return err;
}

static void shard_client_remove(struct shard *self, uint64_t client)
{
    struct dict_node **link = shard_client(self, client);
    if (link == NULL)
        return;
    struct shard_waiter *waiter = (struct shard_waiter *)dict_remove(&self->clients, link);
    sp_demonitor(waiter->monitor, SP_DEMONITOR_FLUSH);
    kv_heap_free(&self->heap, waiter, sizeof(*waiter));
}

static char *shard_copy(char *to, const struct kv_arg *arg)
{
    if (arg != NULL && arg->len > 0)
        memcpy(to, arg->ptr, arg->len);
    return to;
}

/* False: the client is gone, or cannot be told; it gets nothing. */
static bool shard_wake(void *arg, uint64_t client, const struct kv_arg *key,
                       const struct kv_arg *value)
{
    struct shard *self = arg;
    struct dict_node **link = shard_client(self, client);
    if (link == NULL)
        return false;
    const struct shard_waiter *waiter = (const struct shard_waiter *)*link;
    struct kv_woken woken = { .turn = waiter->turn,
                              .shard = self->index,
                              .served = value != NULL,
                              .key_len = key->len,
                              .value_len = value != NULL ? value->len : 0 };
    woken.bytes = malloc(woken.key_len + woken.value_len + 1);
    if (woken.bytes == NULL)
        return false;
    shard_copy(woken.bytes, key);
    shard_copy(woken.bytes + woken.key_len, value);
    kv_connection_ref connection = { waiter->pid };
    bool told = kv_connection_woken(connection, &woken) == SP_OK;
    if (!told) /* its mailbox is full, or it is dead: its DOWN ends the wait */
        sp_ignore(sp_kill(waiter->pid));
    if (woken.served)
        shard_client_remove(self, client);
    return told;
}

static sp_err kv_shard_on_wait(struct shard *self, const struct kv_wait_order *in,
                               struct kv_job *out)
{
    (void)out;
    struct kv_wait wait = { .client = sp_pid_key(in->pid),
                            .keys = in->keys,
                            .key_count = in->key_count,
                            .front = in->front,
                            .shared = in->shared };
    sp_err err = shard_client_add(self, in);
    if (err != SP_OK)
        return err;
    err = kv_waiters_add(&self->waiters, &wait, kv_now_ms());
    if (err != SP_OK)
        shard_client_remove(self, wait.client);
    return err;
}

static sp_err kv_shard_on_unwait(struct shard *self, const struct kv_wait_end *in, sp_empty *out)
{
    (void)out;
    uint64_t client = sp_pid_key(in->pid);
    if (in->rearm)
        return kv_waiters_rearm(&self->waiters, client, kv_now_ms());
    sp_err err = kv_waiters_remove(&self->waiters, client, kv_now_ms());
    shard_client_remove(self, client);
    return err;
}

/* A client hung up while it waited. */
static void kv_shard_down(struct shard *self, const struct sp_down *down)
{
    uint64_t client = sp_pid_key(down->pid);
    sp_ignore(kv_waiters_remove(&self->waiters, client, kv_now_ms()));
    shard_client_remove(self, client);
}

/* --- trouble on demand ------------------------------------------------------------------- */

/* A pointer the compiler knows nothing about. */
static int *volatile shard_nowhere = NULL;

/* A sanitizer is not to be asked: the fault is wanted. */
__attribute__((noinline, no_sanitize("undefined"))) static void shard_fault(void)
{
    *shard_nowhere = 1;
}

static sp_err kv_shard_on_crash(struct shard *self, const sp_empty *in, sp_empty *out)
{
    (void)self, (void)in, (void)out;
    shard_fault();
    return SP_OK;
}

static void kv_shard_on_spin(struct shard *self, const sp_duration *in)
{
    (void)self;
    sp_time until = sp_time_add(sp_now(), *in);
    while (sp_now().ns < until.ns)
        ;
}

/* --- life -------------------------------------------------------------------------------- */

/* Runs on every way out, after a fault too: frees without a look at the data. */
static void shard_release(void *arg)
{
    struct shard *self = arg;
    kv_world_shard_down(self->world, self->index);
    kv_store_finish(&self->store);
    kv_heap_finish(&self->heap);
}

static sp_err kv_shard_init(struct shard *self, const struct kv_shard_args *args)
{
    struct kv_store_options store = { .seed = args->world->seed,
                                      .random_seed = sp_random(),
                                      .string_max = args->world->settings.value_max };
    self->world = args->world;
    self->index = args->shard;
    self->expiry_ms = INT64_MAX;
    kv_store_init(&self->store, &store);
    kv_waiters_init(&self->waiters, &self->store, shard_wake, self);
    kv_heap_init(&self->heap, 0);
    dict_init(&self->clients, &self->heap, offsetof(struct shard_waiter, client));
    sp_err err = sp_defer(shard_release, self);
    if (err != SP_OK) {
        shard_release(self);
        return err;
    }
    if (kv_world_shard_up(self->world, self->index)) {
        kv_count(&self->world->counters.shard_crashes);
        fprintf(stderr,
                "spawned-kv: shard %" PRIu32 " was restarted after a crash: its keys are lost\n",
                self->index);
    }
    return SP_OK;
}

SP_STATE(kv_shard, struct shard);
SP_ON_INIT(kv_shard);
SP_ON_DOWN(kv_shard);
SP_ON_CALL(kv_shard, run);
SP_ON_CALL(kv_shard, figures);
SP_ON_CALL(kv_shard, wait);
SP_ON_CALL(kv_shard, unwait);
SP_ON_CALL(kv_shard, crash);
SP_ON_CAST(kv_shard, spin);
SP_ON_CAST(kv_shard, expire);
SP_CLASS(kv_shard, .init = kv_shard__init, .on_down = kv_shard__down);
