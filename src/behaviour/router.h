/* Routers from inside: what senders read, and what the owner writes.
 *
 *   pid -> struct sp_process -> extra -> struct sp__router -> table -> routees: process, serial
 *                                          | strategy        | spread
 *                                          | counters        | ids
 *                                          | stash, busy keys
 *
 * A table is never changed: the owner makes another, puts it in its place, and retires the old one.
 * The router itself is retired when its process ends. So a sender that is inside an epoch section
 * reads both without a lock. A routee's slot stays what it is; its serial tells whether it lives.
 *
 * Threads: senders are any with a context; the owner is the router's process (router_owner.c).
 * Neighbours: router.c (routing), router_choose.c, router_stash.c, router_sticky.c, router_spread.h.
 */
#ifndef SPAWNED_BEHAVIOUR_ROUTER_H
#define SPAWNED_BEHAVIOUR_ROUTER_H

#include "behaviour/router_spread.h"
#include "behaviour/router_stash.h"
#include "behaviour/router_sticky.h"
#include "process/process.h"
#include "spawned/router.h"

enum {
    SP__ROUTEES_MAX = 65535,
    SP__ROUTER_NONE = UINT32_MAX,
    SP__ROUTER_STASH_MAX = 1000,
    /* Counters that are written by different threads: a power of two. */
    SP__ROUTER_STRIPES = 8,
};

struct sp__routee {
    struct sp_process *process;
    uint64_t serial;
};

struct sp__router_table {
    struct sp__epoch_node retired;
    uint32_t count;
    uint64_t fraction;         /* 2^64 / count, rounded up: for remainders */
    struct sp__spread *spread; /* of keys, or NULL */
    uint32_t *ids;             /* of the routees, for that; behind them */
    struct sp__actor **actors; /* SMALLEST_OF_ALL: of the routees, twice, to scan from any one on */
    struct sp__routee routees[];
};

struct sp__router_stripe {
    SP__CACHE_ALIGNED _Atomic uint64_t routed;
};

struct sp__router {
    _Atomic(struct sp__router_table *) table; /* NULL: not listed yet */
    const struct sp_server_class *class;
    struct sp_runtime *runtime;
    sp_pid pid;
    struct sp__epoch_node retired;
    enum sp_router_strategy strategy;
    uint32_t load_percent;
    struct sp__router_stash stash;
    struct sp__sticky *sticky; /* or NULL */
    _Atomic uint64_t queued;   /* bounded load: messages at all routees, a while ago */
    _Atomic uint64_t to_all;   /* messages of broadcasts and scatter-gather */
    _Atomic uint64_t refused;
    _Atomic uint64_t no_routee;
    _Atomic uint32_t foreign;
    struct sp__router_stripe stripes[SP__ROUTER_STRIPES]; /* round robin: only the first */
};

/** The router whose process has this pid, or NULL. Context: any with a context, inside a section. */
static inline struct sp__router *sp__router_find(struct sp_runtime *runtime, sp_pid pid)
{
    struct sp_process *process = sp__process_lookup(runtime, pid);
    /* acquire: pairs with the release of who made it. */
    struct sp__extra *extra =
        process == NULL ? NULL : atomic_load_explicit(&process->extra, memory_order_acquire);
    return extra == NULL ? NULL : atomic_load_explicit(&extra->router, memory_order_acquire);
}

/** Whom there is, or NULL: not listed. Context: inside a section. */
static inline struct sp__router_table *sp__router_table(struct sp__router *router)
{
    /* acquire: pairs with the release in sp__router_publish(). */
    return atomic_load_explicit(&router->table, memory_order_acquire);
}

/** Does it live? Context: inside a section. */
static inline bool sp__routee_lives(const struct sp__routee *routee)
{
    /* acquire: as in sp__process_lookup(). */
    return atomic_load_explicit(&routee->process->serial, memory_order_acquire) == routee->serial;
}

static inline sp_pid sp__routee_pid(const struct sp__routee *routee)
{
    return (sp_pid){ routee->serial, routee->process->slot, 0 };
}

/** n modulo the number of routees.
 *  Source: D. Lemire, O. Kaser, N. Kurz, "Faster remainder by direct computation" (2019). */
static inline uint32_t sp__router_modulo(const struct sp__router_table *table, uint32_t n)
{
    return (uint32_t)(((unsigned __int128)(table->fraction * n) * table->count) >> 64);
}

/** Count a choice; returns how many there were before, of this stripe. */
static inline uint64_t sp__router_count(struct sp__router *router, uint32_t stripe)
{
    /* relaxed: a statistic, and for round robin only a number that nobody else gets. */
    return atomic_fetch_add_explicit(&router->stripes[stripe & (SP__ROUTER_STRIPES - 1)].routed, 1,
                                     memory_order_relaxed);
}

/* ---- router_choose.c ---- */

/** Every strategy but round robin and random. A routee that may have died meanwhile; the table is not
 *  empty. Context: any with a context, inside a section. */
uint32_t sp__router_choose_slow(struct sp__context *context, struct sp__router *router,
                                const struct sp__router_table *table, uint64_t key) SP_NONNULL;

/** A living one to take instead of the dead `index`, or SP__ROUTER_NONE. Context: as above. */
uint32_t sp__router_instead(const struct sp__router *router, const struct sp__router_table *table,
                            uint32_t index, uint64_t key) SP_NONNULL;

/** Choose, and count. Context: as above. */
static inline uint32_t sp__router_choose(struct sp__context *context, struct sp__router *router,
                                         const struct sp__router_table *table, uint64_t key)
{
    if (router->strategy == SP_ROUTE_ROUND_ROBIN)
        return sp__router_modulo(table, (uint32_t)sp__router_count(router, 0));
    (void)sp__router_count(router, context->shard);
    if (router->strategy == SP_ROUTE_RANDOM)
        return (uint32_t)((sp__random_next(&context->random) >> 32) * table->count >> 32);
    return sp__router_choose_slow(context, router, table, key);
}

/** A living routee; SP__ROUTER_NONE: there is none. Counts. Context: as above. */
static inline uint32_t sp__router_choose_living(struct sp__context *context,
                                                struct sp__router *router,
                                                const struct sp__router_table *table, uint64_t key)
{
    if (table->count == 0)
        return SP__ROUTER_NONE;
    uint32_t index = sp__router_choose(context, router, table, key);
    if (__builtin_expect(sp__routee_lives(&table->routees[index]), 1))
        return index;
    return sp__router_instead(router, table, index, key);
}

/** Does the strategy need a key? */
static inline bool sp__router_keyed(const struct sp__router *router)
{
    return router->strategy == SP_ROUTE_HASH || router->strategy == SP_ROUTE_STICKY;
}

/* ---- router_table.c ---- */

/** A table of these routees; with a spread, if the router needs one. `ids` are the places in it.
 *  Errors: NOMEM, LIMIT. Ownership: the caller's. Context: the owner. */
SP_NODISCARD sp_err sp__router_table_create(const struct sp__router *router,
                                            const struct sp__routee *routees, const uint32_t *ids,
                                            uint32_t count, struct sp__router_table **out)
    SP_NONNULL_ARGS(1, 5);

/** Free one that nobody reads; NULL is accepted. Context: any. */
void sp__router_table_free(struct sp__router_table *table);

/** Let senders use `moved_table` from now on, and retire the one before. Context: the owner. */
void sp__router_publish(struct sp__router *router, struct sp__router_table *moved_table) SP_NONNULL;

/** A router without a table. Errors: NOMEM. Ownership: the caller's. Context: the owner. */
SP_NODISCARD sp_err sp__router_create(const struct sp_router_options *options,
                                      struct sp__router **out) SP_NONNULL;

/** Nobody finds it any more: free it when nobody reads it either. Context: the owner. */
void sp__router_retire(struct sp__router *moved_router) SP_NONNULL;

#endif
