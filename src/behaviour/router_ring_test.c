/* Properties of the hash ring: what it moves, what it restores, how even it is. */
#include "behaviour/router_ring.h"

#include "base/alloc.h"
#include "support/test.h"

#include <stdlib.h>

static struct sp__ring *ring_of(const uint32_t *ids, uint32_t count, uint32_t points)
{
    struct sp__ring *ring = NULL;
    CHECK_ERR(sp__ring_create(ids, count, points, &ring), SP_OK);
    return ring;
}

/* The id that a key belongs to. */
static uint32_t owner_of(const struct sp__ring *ring, const uint32_t *ids, uint64_t key)
{
    return ids[ring->points[sp__ring_find(ring, key)].node];
}

static void numbers(uint32_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        ids[i] = i;
}

/* Adding one of n + 1 moves about 1/(n+1) of the keys, all of them to it. */
TEST(a_new_node_takes_its_share_and_nothing_else_moves)
{
    enum { KEYS = 20000 };
    uint32_t ids[64];
    numbers(ids, 64);
    for (uint32_t n = 1; n < 64; n += n < 8 ? 1 : 11) {
        struct sp__ring *before = ring_of(ids, n, SP__RING_POINTS);
        struct sp__ring *after = ring_of(ids, n + 1, SP__RING_POINTS);
        uint32_t moved = 0;
        for (uint64_t key = 0; key < KEYS; key++) {
            uint32_t was = owner_of(before, ids, key);
            uint32_t is = owner_of(after, ids, key);
            CHECK(is == was || is == n);
            moved += is == n;
        }
        double share = (double)moved * (n + 1) / KEYS;
        CHECK(share > 0.75 && share < 1.25);
        sp__free(before);
        sp__free(after);
    }
}

/* The ring does not know in which order its nodes came, nor who was there in between. */
TEST(the_ring_follows_from_the_set_of_ids_alone)
{
    const uint32_t one[] = { 3, 17, 4, 90000, 1 };
    const uint32_t other[] = { 90000, 4, 1, 3, 17 };
    struct sp__ring *a = ring_of(one, 5, SP__RING_POINTS);
    struct sp__ring *b = ring_of(other, 5, SP__RING_POINTS);
    for (uint64_t key = 0; key < 20000; key++)
        CHECK(owner_of(a, one, key) == owner_of(b, other, key));
    CHECK(a->count == b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        CHECK(a->points[i].at == b->points[i].at);
        CHECK(one[a->points[i].node] == other[b->points[i].node]);
    }
    sp__free(a);
    sp__free(b);
}

static bool is_not(uint32_t node, const void *arg)
{
    return node != *(const uint32_t *)arg;
}

/* Who is passed over leaves its keys to whom they will belong without it. */
TEST(passing_over_one_is_the_ring_without_it)
{
    uint32_t ids[9];
    numbers(ids, 9);
    struct sp__ring *with = ring_of(ids, 9, SP__RING_POINTS);
    struct sp__ring *without = ring_of(ids, 8, SP__RING_POINTS);
    uint32_t dead = 8;
    for (uint64_t key = 0; key < 20000; key++)
        CHECK(sp__ring_find_where(with, key, is_not, &dead) == owner_of(without, ids, key));
    sp__free(with);
    sp__free(without);
}

static bool is_none(uint32_t node, const void *arg)
{
    (void)node;
    (void)arg;
    return false;
}

TEST(where_none_fits_none_is_found)
{
    struct sp__ring *ring = ring_of(&(uint32_t){ 1 }, 1, 1);
    CHECK(sp__ring_find(ring, 77) == 0);
    CHECK(sp__ring_find_where(ring, 77, is_none, NULL) == UINT32_MAX);
    sp__free(ring);
}

/* Points in order, each stretch begins where it says, and a look-up agrees with a plain search. */
TEST(a_look_up_finds_what_a_search_finds)
{
    uint32_t ids[7];
    numbers(ids, 7);
    struct sp__ring *ring = ring_of(ids, 7, 33);
    CHECK(ring->count == 7 * 33);
    for (uint32_t i = 1; i < ring->count; i++)
        CHECK(ring->points[i - 1].at <= ring->points[i].at);
    for (uint64_t i = 0; i < 5000; i++) {
        uint32_t position = (uint32_t)sp__ring_mix(i);
        uint32_t found = 0;
        while (found < ring->count && ring->points[found].at < position)
            found++;
        CHECK(sp__ring_behind(ring, position) == found % ring->count);
    }
    CHECK(sp__ring_behind(ring, UINT32_MAX) < ring->count);
    CHECK(sp__ring_behind(ring, 0) == 0);
    sp__free(ring);
}

/* The most loaded of n has at most so much more than the average. */
static double imbalance(uint32_t n, uint64_t keys)
{
    uint32_t *ids = calloc(n, sizeof(*ids));
    uint64_t *counts = calloc(n, sizeof(*counts));
    uint64_t most = 0;
    CHECK(ids != NULL && counts != NULL);
    numbers(ids, n);
    struct sp__ring *ring = ring_of(ids, n, SP__RING_POINTS);
    for (uint64_t key = 0; key < keys; key++)
        counts[ring->points[sp__ring_find(ring, key)].node]++;
    for (uint32_t i = 0; i < n; i++)
        most = counts[i] > most ? counts[i] : most;
    sp__free(ring);
    free(counts);
    free(ids);
    return (double)most * n / (double)keys - 1;
}

TEST(the_load_is_even)
{
    CHECK(imbalance(2, 1000000) < 0.10);
    CHECK(imbalance(10, 1000000) < 0.10);
    CHECK(imbalance(100, 4000000) < 0.10);
    CHECK(imbalance(1000, 20000000) < 0.10);
}

/* Keys that are small numbers, as ids and numbers of points are. */
TEST(small_keys_are_spread_as_others)
{
    uint32_t ids[5];
    uint32_t counts[5] = { 0 };
    numbers(ids, 5);
    struct sp__ring *ring = ring_of(ids, 5, SP__RING_POINTS);
    for (uint64_t key = 0; key < 250; key++)
        counts[owner_of(ring, ids, key)]++;
    for (int i = 0; i < 5; i++)
        CHECK(counts[i] > 20 && counts[i] < 90);
    sp__free(ring);
}

TEST(too_many_points_are_refused)
{
    uint32_t ids[1] = { 0 };
    struct sp__ring *ring;
    CHECK_ERR(sp__ring_create(ids, UINT32_C(1) << 20, 4096, &ring), SP_ERR_LIMIT);
}
