/* The hash ring of a router: which node a key belongs to.
 *
 *   positions  0 ........................................ 2^32
 *   points        a   b  c    a  b       c   a      b        each node stands at many places,
 *   key                 ^ the next point behind it is its     which follow from its id alone
 *   start      | 0 | 1 | 3 | 3 | ...                          first point of each stretch
 *
 * A key has several positions too, and goes to the point that is nearest to one of them: that
 * evens out the arcs, whose lengths vary, better than more points would, and in less memory. For k
 * positions and v points a node's share deviates by sqrt(1 / ((2k - 1) v)): 2.1 % here.
 *
 * Invariants: the ring is a function of the set of ids and of nothing else, so that removing what
 * was added restores it; a key changes its node only to one that came, or from one that went,
 * because the nearest point can only be replaced by a nearer one. Points are in order of position,
 * then id.
 *
 * Threads: built by one, then constant. Neighbours: router_table.h.
 * Source: D. Karger et al., "Consistent Hashing and Random Trees" (1997); B. Appleton, M. O'Reilly,
 * "Multi-probe consistent hashing" (2015).
 */
#ifndef SPAWNED_BEHAVIOUR_ROUTER_RING_H
#define SPAWNED_BEHAVIOUR_ROUTER_RING_H

#include "spawned/err.h"

enum {
    SP__RING_PROBES = 5,
    SP__RING_POINTS = 256, /* of a node, by default */
    SP__RING_POINTS_MAX = 4096,
};

struct sp__ring_point {
    uint32_t at;
    uint32_t node; /* index into the ids that the ring was built from */
};

struct sp__ring {
    uint32_t count; /* points */
    uint32_t shift; /* position >> shift: its stretch */
    struct sp__ring_point *points;
    uint32_t start[]; /* one more than there are stretches */
};

/** A ring of `count` nodes, each once and at least one, with `points` points each.
 *  Errors: NOMEM, LIMIT (more than 2^31 points). Ownership: sp__free().
 *  Context: any. */
SP_NODISCARD sp_err sp__ring_create(const uint32_t *ids, uint32_t count, uint32_t points,
                                    struct sp__ring **out) SP_NONNULL;

/** A number, well mixed. Source: D. Stafford's mix 13 (2011). */
static inline uint64_t sp__ring_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/** A key's positions: the lower half, and so many times the upper half, made odd, behind it. */
static inline uint64_t sp__ring_hash(uint64_t key)
{
    return sp__ring_mix(key + UINT64_C(0x9e3779b97f4a7c15));
}

/** The first point at or behind a position. */
static inline uint32_t sp__ring_behind(const struct sp__ring *ring, uint32_t position)
{
    uint32_t i = ring->start[position >> ring->shift];
    /* Without a branch that would be guessed wrong half the time: the array ends in a point that
     * is never passed, and a stretch has half a point. */
    i += ring->points[i].at < position;
    while (ring->points[i].at < position)
        i++;
    return i == ring->count ? 0 : i;
}

/** The point of a key. Context: any. */
static inline uint32_t sp__ring_find(const struct sp__ring *ring, uint64_t key)
{
    uint64_t hash = sp__ring_hash(key);
    uint32_t position = (uint32_t)hash;
    uint32_t step = (uint32_t)(hash >> 32) | 1;
    uint32_t best = 0;
    uint32_t nearest = UINT32_MAX;
    for (unsigned probe = 0; probe < SP__RING_PROBES; probe++, position += step) {
        uint32_t i = sp__ring_behind(ring, position);
        uint32_t distance = ring->points[i].at - position;
        bool nearer = distance < nearest;
        nearest = nearer ? distance : nearest;
        best = nearer ? i : best;
    }
    return best;
}

/** The node of a key if there were only those that `fits(node, arg)`; UINT32_MAX: none does.
 *  Context: any. */
uint32_t sp__ring_find_where(const struct sp__ring *ring, uint64_t key,
                             bool (*fits)(uint32_t node, const void *arg), const void *arg)
    SP_NONNULL_ARGS(1, 3);

#endif
