/* How a router chooses: the strategies that look at mailboxes or keys.
 *
 * Source of the choice of two: M. Mitzenmacher, "The Power of Two Choices in Randomized Load
 * Balancing" (2001); of bounded load: V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing
 * with Bounded Loads" (2018).
 */
#include "behaviour/router.h"

/* What it has to do: a message counts more than being in a handler. The dead come last. */
static inline uint64_t choose_load(const struct sp__routee *routee)
{
    struct sp__actor *actor = &routee->process->actor;
    /* acquire: in the order of sp__mailbox_length(), whose state is looked at for more. */
    uint32_t taken = atomic_load_explicit(&actor->taken, memory_order_acquire);
    uint64_t state = atomic_load_explicit(&actor->state, memory_order_acquire);
    uint64_t length = (uint32_t)(state >> 32) - taken;
    uint64_t busy = (state & SP__ACTOR_RECEIVING) ? 0 : 1;
    return sp__routee_lives(routee) ? 2 * length + busy : UINT64_MAX;
}

static uint32_t choose_of_two(struct sp__context *context, const struct sp__router_table *table)
{
    uint64_t random = sp__random_next(&context->random);
    uint32_t a = (uint32_t)((random >> 32) * table->count >> 32);
    if (table->count == 1)
        return a;
    uint32_t b = (uint32_t)((uint64_t)(uint32_t)random * (table->count - 1) >> 32);
    b += b >= a;
    return choose_load(&table->routees[b]) < choose_load(&table->routees[a]) ? b : a;
}

/* What choose_of_all() compares, so that the least number tells the least loaded as well: `state` less
 * what was taken, with a bit turned round and the place between the bits that count and those that
 * do not.
 *
 *     63 ........ 32 | 30               | 29 ........ 14 | 13 ....... 0 |
 *     length         | not waiting for  | place in       | other bits   |
 *                    | a message        | this scan      | of `state`   |
 */
enum { CHOOSE_PLACE_SHIFT = 14 };

/* As choose_load(), also of the dead. `place` is shifted, and has the bit that is turned round. */
static inline uint64_t choose_weight(const struct sp__actor *actor, uint64_t place)
{
    /* acquire: as in choose_load(). */
    uint64_t taken = atomic_load_explicit(&actor->taken, memory_order_acquire);
    uint64_t state = atomic_load_explicit(&actor->state, memory_order_acquire);
    return (state - (taken << 32)) ^ place;
}

/* The least of those from `at` to before `end`, and of `least`. Without a branch on what is found: which
 * one is the least so far is not to be guessed. */
static inline uint64_t choose_scan(struct sp__actor *const *actors, uint32_t at, uint32_t end,
                                   uint64_t least)
{
    uint64_t place = SP__ACTOR_RECEIVING | (uint64_t)at << CHOOSE_PLACE_SHIFT;
    for (; at + 1 < end; at += 2) {
        uint64_t one = choose_weight(actors[at], place);
        uint64_t two = choose_weight(actors[at + 1], place + (1 << CHOOSE_PLACE_SHIFT));
        one = two < one ? two : one;
        least = one < least ? one : least;
        place += 2 << CHOOSE_PLACE_SHIFT;
    }
    if (at < end) {
        uint64_t last = choose_weight(actors[at], place);
        least = last < least ? last : least;
    }
    return least;
}

/* The same where one that is dead looked best. */
static SP_NOINLINE uint32_t choose_of_living(const struct sp__router_table *table, uint32_t first)
{
    uint32_t best = first;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t at = first + i < table->count ? first + i : first + i - table->count;
        uint64_t load = choose_load(&table->routees[at]);
        if (load < least) {
            least = load;
            best = at;
        }
    }
    return best;
}

/* From a random one on, so that equal ones have equal shares; none is better than an idle one. The
 * first ones are looked at one by one: with idle ones about, one of them will do. */
static uint32_t choose_of_all(struct sp__context *context, const struct sp__router_table *table)
{
    enum { PART_MAX = 16 };
    uint32_t count = table->count;
    uint32_t first = (uint32_t)((sp__random_next(&context->random) >> 32) * count >> 32);
    struct sp__actor *const *actors = &table->actors[first];
    uint64_t least = UINT64_MAX;
    uint32_t part = 1;
    for (uint32_t at = 0; at < count && least >= SP__ACTOR_RECEIVING;) {
        uint32_t end = count - at < part ? count : at + part;
        least = choose_scan(actors, at, end, least);
        part = part < PART_MAX ? 2 * part : part;
        at = end;
    }
    uint32_t best = first + ((uint32_t)(least & (SP__ACTOR_RECEIVING - 1)) >> CHOOSE_PLACE_SHIFT);
    best = best < count ? best : best - count;
    return sp__routee_lives(&table->routees[best]) ? best : choose_of_living(table, first);
}

/* ---- by hash ---- */

static uint32_t choose_queue(const struct sp__routee *routee)
{
    return sp__mailbox_length(&routee->process->actor);
}

/* All that is queued, counted anew once in as many choices as there are routees. */
static uint64_t choose_queued(struct sp__router *router, const struct sp__router_table *table,
                              uint64_t random)
{
    /* relaxed: an estimate; whoever counts last is as right as any. */
    if ((random >> 32) * table->count >> 32 != 0)
        return atomic_load_explicit(&router->queued, memory_order_relaxed);
    uint64_t queued = 0;
    for (uint32_t i = 0; i < table->count; i++)
        queued += choose_queue(&table->routees[i]);
    atomic_store_explicit(&router->queued, queued, memory_order_relaxed);
    return queued;
}

struct choose_bound {
    const struct sp__router_table *table;
    uint64_t share;
};

static bool choose_has_room(uint32_t node, const void *arg)
{
    const struct choose_bound *bound = arg;
    const struct sp__routee *routee = &bound->table->routees[node];
    return choose_queue(routee) < bound->share && sp__routee_lives(routee);
}

/* The one of the key if those with more than their share were not there; all have more: as without
 * a bound. */
static uint32_t choose_bounded(struct sp__context *context, struct sp__router *router,
                               const struct sp__router_table *table, uint64_t key)
{
    uint64_t queued = choose_queued(router, table, sp__random_next(&context->random));
    uint64_t all = 100 * (uint64_t)table->count;
    /* The table is not empty. */
    uint64_t share = ((queued + 1) * router->load_percent + all - 1) / all; /* NOLINT */
    struct choose_bound bound = { table, share };
    uint32_t node = sp__spread_find_where(table->spread, key, choose_has_room, &bound);
    return node != UINT32_MAX ? node : sp__spread_find(table->spread, key);
}

static uint32_t choose_by_hash(struct sp__context *context, struct sp__router *router,
                               const struct sp__router_table *table, uint64_t key)
{
    if (__builtin_expect(router->load_percent != 0, 0))
        return choose_bounded(context, router, table, key);
    return sp__spread_find(table->spread, key);
}

/* ---- all ---- */

uint32_t sp__router_choose_slow(struct sp__context *context, struct sp__router *router,
                                const struct sp__router_table *table, uint64_t key)
{
    if (router->strategy == SP_ROUTE_HASH)
        return choose_by_hash(context, router, table, key);
    if (router->strategy == SP_ROUTE_SMALLEST_OF_ALL)
        return choose_of_all(context, table);
    return choose_of_two(context, table);
}

static bool choose_lives(uint32_t node, const void *arg)
{
    const struct sp__router_table *table = arg;
    return sp__routee_lives(&table->routees[node]);
}

uint32_t sp__router_instead(const struct sp__router *router, const struct sp__router_table *table,
                            uint32_t index, uint64_t key)
{
    /* A dead one's keys go where they will go without it. */
    if (router->strategy == SP_ROUTE_HASH)
        return sp__spread_find_where(table->spread, key, choose_lives, table);
    for (uint32_t i = 1; i < table->count; i++) {
        uint32_t at = index + i < table->count ? index + i : index + i - table->count;
        if (sp__routee_lives(&table->routees[at]))
            return at;
    }
    return SP__ROUTER_NONE;
}
