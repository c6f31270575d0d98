#include "runtime/timers.h"

#include "base/alloc.h"
#include "runtime/scheduler.h"
#include "runtime/watch.h"

enum {
    /* Nodes touched per hold of the lock: up to 10 us, where all of them are misses. */
    TIMERS_BATCH = 128,
    TIMERS_ROUNDS = 8, /* holds per shard and call */
    /* Where so many were due at once, the next look is so much later at the earliest. */
    TIMERS_DENSE = 8,
    TIMERS_PACE_NS = 100000,
    TIMERS_KIND_BITS = 2,
    TIMERS_KIND_MASK = 3,
};

sp_err sp__timers_create(uint32_t count, int64_t now_ns, struct sp__timers **out)
{
    size_t size = sizeof(struct sp__timers) + count * sizeof(struct sp__timer_shard);
    struct sp__timers *timers = sp__aligned_alloc(_Alignof(struct sp__timer_shard), size);
    if (timers == NULL)
        return SP_ERR_NOMEM;
    timers->shard_count = count;
    for (uint32_t i = 0; i < count; i++) {
        sp__lock_init(&timers->shards[i].lock);
        atomic_init(&timers->shards[i].next, INT64_MAX);
        timers->shards[i].entries = 0;
        sp__wheel_init(&timers->shards[i].wheel, now_ns);
    }
    *out = timers;
    return SP_OK;
}

void sp__timers_destroy(struct sp__timers *timers)
{
    sp__free(timers);
}

static struct sp__timer_shard *timers_shard(struct sp_runtime *runtime,
                                            const struct sp__timer_node *node)
{
    return &runtime->timers->shards[node->owner_bits >> TIMERS_KIND_BITS];
}

static void timers_set_next(struct sp__timer_shard *shard, int64_t next)
{
    /* seq_cst: pairs with the sleeper, who writes until when he sleeps and then reads this. */
    if (next != atomic_load_explicit(&shard->next, memory_order_relaxed))
        atomic_store_explicit(&shard->next, next, memory_order_seq_cst);
}

void sp__timers_arm(struct sp_runtime *runtime, struct sp__timer_node *node, unsigned kind,
                    int64_t expiry_ns)
{
    uint32_t index = sp__context()->shard;
    struct sp__timer_shard *shard = &runtime->timers->shards[index];
    sp__lock_lock(&shard->lock);
    node->owner_bits = (index << TIMERS_KIND_BITS) | kind;
    sp__wheel_arm(&shard->wheel, node, expiry_ns);
    shard->entries += kind != SP__TIMER_ACTOR;
    bool earlier = expiry_ns < atomic_load_explicit(&shard->next, memory_order_relaxed);
    if (earlier)
        timers_set_next(shard, expiry_ns);
    sp__lock_unlock(&shard->lock);
    if (earlier)
        runtime->ops->timer_earlier(runtime, index, expiry_ns);
}

bool sp__timers_cancel(struct sp_runtime *runtime, struct sp__timer_node *node, int64_t *out_expiry)
{
    struct sp__timer_shard *shard = timers_shard(runtime, node);
    sp__lock_lock(&shard->lock);
    bool armed = sp__wheel_armed(node);
    if (armed && out_expiry != NULL)
        *out_expiry = node->expiry_ns;
    if (armed) {
        sp__wheel_cancel(&shard->wheel, node);
        shard->entries -= (node->owner_bits & TIMERS_KIND_MASK) != SP__TIMER_ACTOR;
    }
    /* `next` stays: a lower bound; one wake-up too many is cheaper than a search here. */
    sp__lock_unlock(&shard->lock);
    return armed;
}

int64_t sp__timers_next(struct sp__timers *timers)
{
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < timers->shard_count; i++) {
        /* seq_cst: see timers_set_next(). */
        int64_t one = atomic_load_explicit(&timers->shards[i].next, memory_order_seq_cst);
        if (one < next)
            next = one;
    }
    return next;
}

/* Nodes that are due. The owner of a wait may arm its node again, which writes the node, before it
 * is fired: hence the kinds. */
struct timers_due {
    struct sp__timer_node *nodes[TIMERS_BATCH];
    uint8_t kinds[TIMERS_BATCH];
    size_t count;
};

static void timers_wake(struct sp__timer_node *node)
{
    struct sp__wait_timer *timer = sp__container_of(node, struct sp__wait_timer, node);
    /* seq_cst: pairs with set_deadline, which writes `deadline` and then reads `armed_for`; we
     * cleared `armed_for` under the lock before. One of us sees the other. An actor that waits
     * for something later by now is woken too, and arms its timer again itself. */
    if (atomic_load_explicit(&timer->deadline, memory_order_seq_cst) != INT64_MAX)
        sp__actor_wake(timer->actor);
}

/* All of one kind. */
static void timers_fire(struct sp_runtime *runtime, struct sp__timer_node *const *nodes,
                        size_t count, unsigned kind)
{
    if (kind == SP__TIMER_MESSAGE) {
        runtime->on_timers(nodes, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (kind == SP__TIMER_ACTOR) {
            timers_wake(nodes[i]);
        } else {
            struct sp__timer_entry *entry =
                sp__container_of(nodes[i], struct sp__timer_entry, node);
            entry->fire(entry);
        }
    }
}

static void timers_fire_all(struct sp_runtime *runtime, const struct timers_due *due)
{
    for (size_t begin = 0, end; begin < due->count; begin = end) {
        unsigned kind = due->kinds[begin];
        for (end = begin + 1; end < due->count && due->kinds[end] == kind; end++)
            continue;
        timers_fire(runtime, &due->nodes[begin], end - begin, kind);
    }
}

/* It is on no list any more. Context: with the shard's lock. */
static unsigned timers_taken(struct sp__timer_shard *shard, struct sp__timer_node *node)
{
    unsigned kind = node->owner_bits & TIMERS_KIND_MASK;
    if (kind == SP__TIMER_ACTOR) {
        struct sp__wait_timer *timer = sp__container_of(node, struct sp__wait_timer, node);
        atomic_store_explicit(&timer->armed_for, INT64_MAX, memory_order_seq_cst);
    } else {
        shard->entries--;
    }
    return kind;
}

/* Takes what is due off one shard, up to a batch; true: there is more. They are on no list
 * afterwards, because the owner of an actor may arm its node again as soon as the lock is free. */
static bool timers_take(struct sp__timer_shard *shard, int64_t now_ns, int64_t pace_ns,
                        struct timers_due *due)
{
    struct sp__list expired;
    sp__list_init(&expired);
    due->count = 0;
    sp__lock_lock(&shard->lock);
    bool more = sp__wheel_advance(&shard->wheel, now_ns, TIMERS_BATCH, &expired);
    for (struct sp__list *at; (at = sp__list_pop_front(&expired)) != NULL; due->count++) {
        struct sp__timer_node *node = sp__container_of(at, struct sp__timer_node, link);
        due->nodes[due->count] = node;
        due->kinds[due->count] = (uint8_t)timers_taken(shard, node);
        /* Most waits end before their deadline: theirs is not looked at. */
        if (sp__watched(sp__context()) && due->kinds[due->count] != SP__TIMER_ACTOR)
            sp__watch_timer(sp__context(), node->expiry_ns, now_ns);
    }
    int64_t next = more ? now_ns : sp__wheel_next(&shard->wheel);
    if (!more && due->count >= TIMERS_DENSE && next < now_ns + pace_ns)
        next = now_ns + pace_ns;
    timers_set_next(shard, next);
    sp__lock_unlock(&shard->lock);
    return more;
}

size_t sp__timers_expire(struct sp_runtime *runtime, int64_t now_ns)
{
    size_t fired = 0;
    struct sp__context *context = sp__context();
    /* Simulated time is exact. */
    int64_t pace_ns = runtime->real ? TIMERS_PACE_NS : 0;
    for (uint32_t i = 0; i < runtime->timers->shard_count; i++) {
        struct sp__timer_shard *shard = &runtime->timers->shards[i];
        /* acquire: a recent value; what is due is looked for under the lock. */
        bool more = atomic_load_explicit(&shard->next, memory_order_acquire) <= now_ns;
        for (int round = 0; more && round < TIMERS_ROUNDS; round++) {
            struct timers_due due;
            /* The section keeps the actors and entries until we are through with them. */
            sp__epoch_enter(&context->epoch);
            more = timers_take(shard, now_ns, pace_ns, &due);
            timers_fire_all(runtime, &due);
            fired += due.count;
            sp__epoch_leave(&context->epoch);
        }
    }
    return fired;
}

/* ---- out of order ---- */

struct timers_armed {
    struct sp_runtime *runtime;
    struct sp__timer_armed *out;
    size_t count;
    size_t max;
};

/* False: of a wait that is over. */
static bool timers_read(struct sp_runtime *runtime, struct sp__timer_node *node,
                        struct sp__timer_armed *out)
{
    unsigned kind = node->owner_bits & TIMERS_KIND_MASK;
    *out = (struct sp__timer_armed){ .node = node, .owner = node, .due_ns = node->expiry_ns };
    if (kind == SP__TIMER_MESSAGE) {
        out->owner = runtime->timer_actor(node);
    } else if (kind == SP__TIMER_ACTOR) {
        struct sp__wait_timer *timer = sp__container_of(node, struct sp__wait_timer, node);
        out->owner = timer->actor;
        /* relaxed: one thread. */
        out->due_ns = atomic_load_explicit(&timer->deadline, memory_order_relaxed);
    }
    return out->due_ns != INT64_MAX;
}

/* The earliest so far, sorted; of those due at one instant, who was seen first. */
static void timers_see(void *arg, struct sp__timer_node *node)
{
    struct timers_armed *armed = arg;
    struct sp__timer_armed one;
    if (!timers_read(armed->runtime, node, &one))
        return;
    size_t at = armed->count < armed->max ? armed->count++ : armed->max;
    for (; at > 0 && armed->out[at - 1].due_ns > one.due_ns; at--)
        if (at < armed->max)
            armed->out[at] = armed->out[at - 1];
    if (at < armed->max)
        armed->out[at] = one;
}

static bool timers_owned(const struct timers_armed *armed, size_t before, const void *owner)
{
    for (size_t i = 0; i < before; i++)
        if (armed->out[i].owner == owner)
            return true;
    return false;
}

struct timers_each {
    struct sp_runtime *runtime;
    void (*see)(void *arg, const void *owner);
    void *arg;
};

static void timers_each_see(void *arg, struct sp__timer_node *node)
{
    struct timers_each *each = arg;
    struct sp__timer_armed one;
    if (timers_read(each->runtime, node, &one))
        each->see(each->arg, one.owner);
}

void sp__timers_each(struct sp_runtime *runtime, void (*see)(void *arg, const void *owner),
                     void *arg)
{
    struct timers_each each = { .runtime = runtime, .see = see, .arg = arg };
    struct sp__timers *timers = runtime->timers;
    for (uint32_t i = 0; i < timers->shard_count; i++) {
        sp__lock_lock(&timers->shards[i].lock);
        sp__wheel_each(&timers->shards[i].wheel, timers_each_see, &each);
        sp__lock_unlock(&timers->shards[i].lock);
    }
}

size_t sp__timers_armed(struct sp_runtime *runtime, struct sp__timer_armed *out, size_t max)
{
    struct timers_armed armed = { .runtime = runtime, .out = out, .max = max };
    struct sp__timers *timers = runtime->timers;
    for (uint32_t i = 0; i < timers->shard_count; i++) {
        sp__lock_lock(&timers->shards[i].lock);
        sp__wheel_each(&timers->shards[i].wheel, timers_see, &armed);
        sp__lock_unlock(&timers->shards[i].lock);
    }
    size_t first = 0;
    for (size_t i = 0; i < armed.count; i++)
        if (!timers_owned(&armed, first, out[i].owner))
            out[first++] = out[i];
    return first;
}

void sp__timers_fire_one(struct sp_runtime *runtime, struct sp__timer_node *node)
{
    struct sp__context *context = sp__context();
    struct sp__timer_shard *shard = timers_shard(runtime, node);
    sp__epoch_enter(&context->epoch);
    sp__lock_lock(&shard->lock);
    (void)sp__wheel_cancel(&shard->wheel, node);
    unsigned kind = timers_taken(shard, node);
    sp__lock_unlock(&shard->lock);
    timers_fire(runtime, &node, 1, kind);
    sp__epoch_leave(&context->epoch);
}

size_t sp__timers_count(struct sp__timers *timers)
{
    size_t count = 0;
    for (uint32_t i = 0; i < timers->shard_count; i++) {
        sp__lock_lock(&timers->shards[i].lock);
        count += timers->shards[i].entries;
        sp__lock_unlock(&timers->shards[i].lock);
    }
    return count;
}
