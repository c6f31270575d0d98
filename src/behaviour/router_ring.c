#include "behaviour/router_ring.h"

#include "base/alloc.h"

#include <string.h>

/* Where point number `point` of a node stands: not the half of the hash that positions of keys begin
 * with, or small keys would be where the points of small ids are. */
static uint32_t ring_position(uint32_t id, uint32_t point)
{
    return (uint32_t)(sp__ring_hash(((uint64_t)id << 32) | point) >> 32);
}

/* Stretches: a power of two, twice the points or more. */
static uint32_t ring_bits(uint64_t points)
{
    uint32_t bits = 1;
    while ((UINT64_C(1) << bits) < 2 * points)
        bits++;
    return bits;
}

/* start[i]: how many points are in the stretches before. */
static void ring_count(struct sp__ring *ring, const uint32_t *ids, uint32_t count, uint32_t points)
{
    uint32_t stretches = UINT32_C(1) << (32 - ring->shift);
    memset(ring->start, 0, (stretches + 1) * sizeof(ring->start[0]));
    for (uint32_t node = 0; node < count; node++)
        for (uint32_t i = 0; i < points; i++)
            ring->start[(ring_position(ids[node], i) >> ring->shift) + 1]++;
    for (uint32_t i = 0; i < stretches; i++)
        ring->start[i + 1] += ring->start[i];
}

static bool ring_before(const uint32_t *ids, struct sp__ring_point a, struct sp__ring_point b)
{
    return a.at != b.at ? a.at < b.at : ids[a.node] < ids[b.node];
}

/* Into its stretch, which has the points that came before in order; `end` behind them. */
static void ring_insert(struct sp__ring *ring, const uint32_t *ids, uint32_t end,
                        struct sp__ring_point point)
{
    uint32_t first = ring->start[point.at >> ring->shift];
    uint32_t i = end;
    for (; i > first && ring_before(ids, point, ring->points[i - 1]); i--)
        ring->points[i] = ring->points[i - 1];
    ring->points[i] = point;
}

/* `filled`: how many each stretch has so far. */
static void ring_fill(struct sp__ring *ring, const uint32_t *ids, uint32_t count, uint32_t points,
                      uint32_t *filled)
{
    for (uint32_t node = 0; node < count; node++)
        for (uint32_t i = 0; i < points; i++) {
            struct sp__ring_point point = { .at = ring_position(ids[node], i), .node = node };
            uint32_t stretch = point.at >> ring->shift;
            ring_insert(ring, ids, ring->start[stretch] + filled[stretch]++, point);
        }
    ring->points[ring->count] = (struct sp__ring_point){ .at = UINT32_MAX };
}

sp_err sp__ring_create(const uint32_t *ids, uint32_t count, uint32_t points, struct sp__ring **out)
{
    uint64_t total = (uint64_t)count * points;
    if (total > UINT32_C(1) << 30)
        return SP_ERR_LIMIT;
    uint32_t bits = ring_bits(total);
    size_t starts = ((size_t)1 << bits) + 2; /* even, for the alignment of what follows */
    size_t size = sizeof(struct sp__ring) + starts * sizeof(uint32_t) +
                  (total + 1) * sizeof(struct sp__ring_point);
    struct sp__ring *ring = sp__malloc(size);
    uint32_t *filled = sp__calloc((size_t)1 << bits, sizeof(*filled));
    if (ring == NULL || filled == NULL) {
        sp__free(ring);
        sp__free(filled);
        return SP_ERR_NOMEM;
    }
    ring->count = (uint32_t)total;
    ring->shift = 32 - bits;
    ring->points = (struct sp__ring_point *)(void *)(ring->start + starts);
    ring_count(ring, ids, count, points);
    ring_fill(ring, ids, count, points, filled);
    sp__free(filled);
    *out = ring;
    return SP_OK;
}

/* The first point of one that fits at or behind number `i`, or the number of points. */
static uint32_t ring_next(const struct sp__ring *ring, uint32_t i,
                          bool (*fits)(uint32_t node, const void *arg), const void *arg)
{
    for (uint32_t n = 0; n < ring->count; n++) {
        if (fits(ring->points[i].node, arg))
            return i;
        i = i + 1 == ring->count ? 0 : i + 1;
    }
    return ring->count;
}

uint32_t sp__ring_find_where(const struct sp__ring *ring, uint64_t key,
                             bool (*fits)(uint32_t node, const void *arg), const void *arg)
{
    uint64_t hash = sp__ring_hash(key);
    uint32_t position = (uint32_t)hash;
    uint32_t step = (uint32_t)(hash >> 32) | 1;
    uint32_t best = UINT32_MAX;
    uint32_t nearest = UINT32_MAX;
    for (unsigned probe = 0; probe < SP__RING_PROBES; probe++, position += step) {
        uint32_t i = ring_next(ring, sp__ring_behind(ring, position), fits, arg);
        if (i == ring->count)
            return UINT32_MAX;
        uint32_t distance = ring->points[i].at - position;
        if (best != UINT32_MAX && distance >= nearest)
            continue;
        nearest = distance;
        best = ring->points[i].node;
    }
    return best;
}
