/* Which node a key belongs to: consistent hashing without a ring.
 *
 *   places   0 | 1 | 2 3 | 4 5 6 7 | 8 .. 15 | ...      a node's place is its id; not all are taken
 *   level    0   1    2       3         4
 *
 * A key has a sequence of places, in which each place is as likely as any other; it belongs to the
 * first one that is taken. Each level has a sequence of its own, of places in it and of coins. The
 * sequence of all levels up to one begins with that level's next coin: heads, and the next is that
 * level's next place; tails, and it is the next of the levels below. So the levels up to half as
 * many places have the same sequence without the places of the upper half.
 *
 * Invariants: the node of a key is a function of the key and of the set of ids, the same on every
 * machine and in every run; a key changes its node only to one that came, or from one that went,
 * because places that are not taken are passed over; nodes have equal shares, whichever there are.
 *
 * A look-up takes as many steps on average as there are places up to the highest taken one, rounded
 * up to a power of two, for each node: ids should be small.
 *
 * Threads: built by one, then constant. Neighbours: router.h.
 * Source: C. Dong, F. Wang, "DxHash: A Scalable Consistent Hash Based on the Pseudo-Random
 * Sequence" (2021), for the walk; O. Ertl, "JumpBackHash" (2024), for the levels.
 */
#ifndef SPAWNED_BEHAVIOUR_ROUTER_SPREAD_H
#define SPAWNED_BEHAVIOUR_ROUTER_SPREAD_H

#include "spawned/err.h"

enum {
    SP__SPREAD_LEVELS = 16,
    SP__SPREAD_PLACES = 1 << SP__SPREAD_LEVELS, /* an id is below; so is the number of a node */
    SP__SPREAD_FREE = UINT16_MAX,
};

struct sp__spread {
    uint32_t count;
    uint32_t mask;    /* places, less one; they are a power of two */
    uint16_t nodes[]; /* of each place: index into the ids that it was built from, or FREE */
};

/** Spread keys over `count` nodes with these ids, each once, and at least one.
 *  Errors: NOMEM, LIMIT (an id, or the count, is SP__SPREAD_PLACES - 1 or more).
 *  Ownership: sp__free(). Context: any. */
SP_NODISCARD sp_err sp__spread_create(const uint32_t *ids, uint32_t count, struct sp__spread **out)
    SP_NONNULL;

/** A number, well mixed. Source: D. Stafford's mix 13 (2011). */
static inline uint64_t sp__spread_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/** Word number `n` of a key: coin and place number n of each level. */
static inline uint64_t sp__spread_word(uint64_t key, uint64_t n)
{
    return sp__spread_mix(key + (n + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

/** The place in a level that a word stands for; its coin has been looked at. */
static inline uint32_t sp__spread_place(uint64_t word, uint32_t level)
{
    if (level == 0)
        return 0;
    uint32_t half = UINT32_C(1) << (level - 1);
    return half |
           ((uint32_t)sp__spread_mix(word ^ (UINT64_C(0xd6e8feb86659fd93) * level)) & (half - 1));
}

/** The node of a key if there were only those that `fits(node, arg)`, NULL: all; UINT32_MAX: none
 *  does. Context: any. */
uint32_t sp__spread_find_where(const struct sp__spread *spread, uint64_t key,
                               bool (*fits)(uint32_t node, const void *arg), const void *arg)
    SP_NONNULL_ARGS(1);

/** The node of a key. Context: any. */
static inline uint32_t sp__spread_find(const struct sp__spread *spread, uint64_t key)
{
    /* The first coins of all levels, the top one first, as the bits of a number. */
    uint64_t word = sp__spread_word(key, 0);
    uint32_t coins = (uint32_t)word & spread->mask;
    uint32_t level = coins == 0 ? 0 : 32 - (uint32_t)__builtin_clz(coins);
    uint32_t node = spread->nodes[sp__spread_place(word, level)];
    if (__builtin_expect(node != SP__SPREAD_FREE, 1))
        return node;
    return sp__spread_find_where(spread, key, NULL, NULL);
}

#endif
