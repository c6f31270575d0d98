/* Properties of consistent hashing: what moves, what is restored, how even it is. */
#include "behaviour/router_spread.h"

#include "base/alloc.h"
#include "support/test.h"

#include <stdlib.h>

static struct sp__spread *spread_of(const uint32_t *ids, uint32_t count)
{
    struct sp__spread *spread = NULL;
    CHECK_ERR(sp__spread_create(ids, count, &spread), SP_OK);
    return spread;
}

static void numbers(uint32_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        ids[i] = i;
}

/* No more than five deviations of a fair one from what is expected? */
static bool is_fair(double count, double expected)
{
    double off = count - expected;
    return off * off <= 25 * expected;
}

static bool are_fair(const uint64_t *counts, uint32_t n)
{
    double total = 0;
    bool fair = true;
    for (uint32_t i = 0; i < n; i++)
        total += (double)counts[i];
    for (uint32_t i = 0; i < n; i++)
        fair = fair && is_fair((double)counts[i], total / n);
    return fair;
}

/* Adding one of n + 1 moves about 1/(n+1) of the keys, all of them to it. */
TEST(a_new_node_takes_its_share_and_nothing_else_moves)
{
    enum { KEYS = 20000, MOST = 260 };
    uint32_t ids[MOST];
    numbers(ids, MOST);
    for (uint32_t n = 1; n < MOST; n += n < 70 ? 1 : 11) {
        struct sp__spread *before = spread_of(ids, n);
        struct sp__spread *after = spread_of(ids, n + 1);
        double moved = 0;
        for (uint64_t key = 0; key < KEYS; key++) {
            uint32_t was = sp__spread_find(before, key);
            uint32_t is = sp__spread_find(after, key);
            CHECK(is == was || is == n);
            moved += is == n;
        }
        CHECK(is_fair(moved, (double)KEYS / (n + 1)));
        sp__free(before);
        sp__free(after);
    }
}

/* Whoever goes, and also where that makes the range smaller: only its keys move, to all others
 * alike. */
TEST(the_keys_of_one_that_goes_are_shared_by_the_others)
{
    enum { NODES = 37, KEYS = 200000 };
    uint32_t ids[NODES];
    for (uint32_t gone = 0; gone < NODES; gone += 4) {
        numbers(ids, NODES);
        struct sp__spread *before = spread_of(ids, NODES);
        ids[gone] = ids[NODES - 1];
        struct sp__spread *after = spread_of(ids, NODES - 1);
        uint64_t heirs[NODES] = { 0 };
        for (uint64_t key = 0; key < KEYS; key++) {
            uint32_t was = sp__spread_find(before, key);
            uint32_t is = ids[sp__spread_find(after, key)];
            CHECK(is == was || was == gone);
            if (was == gone)
                heirs[is]++;
        }
        CHECK(heirs[gone] == 0);
        heirs[gone] = heirs[NODES - 1];
        if (gone != NODES - 1)
            CHECK(are_fair(heirs, NODES - 1));
        sp__free(before);
        sp__free(after);
    }
}

/* It does not matter in which order nodes came, nor who was there in between. */
TEST(all_follows_from_the_set_of_ids_alone)
{
    const uint32_t one[] = { 3, 17, 4, 900, 1 };
    const uint32_t other[] = { 900, 4, 1, 3, 17 };
    struct sp__spread *a = spread_of(one, 5);
    struct sp__spread *b = spread_of(other, 5);
    for (uint64_t key = 0; key < 20000; key++)
        CHECK(one[sp__spread_find(a, key)] == other[sp__spread_find(b, key)]);
    sp__free(a);
    sp__free(b);
}

static bool is_not(uint32_t node, const void *arg)
{
    return node != *(const uint32_t *)arg;
}

/* Who is passed over leaves its keys to whom they will belong without it. */
TEST(passing_over_one_is_as_if_it_were_not_there)
{
    uint32_t ids[9];
    numbers(ids, 9); /* without the last one there are half as many places */
    struct sp__spread *with = spread_of(ids, 9);
    struct sp__spread *without = spread_of(ids, 8);
    uint32_t dead = 8;
    for (uint64_t key = 0; key < 20000; key++) {
        CHECK(sp__spread_find_where(with, key, is_not, &dead) == sp__spread_find(without, key));
        CHECK(sp__spread_find_where(with, key, NULL, NULL) == sp__spread_find(with, key));
    }
    sp__free(with);
    sp__free(without);
}

static bool is_below(uint32_t node, const void *arg)
{
    return node < *(const uint32_t *)arg;
}

TEST(where_none_fits_none_is_found_and_where_one_does_it_is)
{
    uint32_t ids[1000];
    numbers(ids, 1000);
    uint32_t few = 0;
    struct sp__spread *many = spread_of(ids, 1000);
    struct sp__spread *single = spread_of(&(uint32_t){ 65534 - 1 }, 1);
    CHECK(sp__spread_find(single, 77) == 0);
    CHECK(sp__spread_find_where(single, 77, is_below, &few) == UINT32_MAX);
    CHECK(sp__spread_find_where(many, 77, is_below, &few) == UINT32_MAX);
    few = 1;
    CHECK(sp__spread_find_where(single, 77, is_below, &few) == 0);
    for (uint64_t key = 0; key < 20; key++)
        CHECK(sp__spread_find_where(many, key, is_below, &few) == 0);
    sp__free(single);
    sp__free(many);
}

/* Keys are taken as they come: small numbers, as ids are. */
static void check_even(const uint32_t *ids, uint32_t n, uint64_t keys)
{
    uint64_t *counts = calloc(n, sizeof(*counts));
    CHECK(counts != NULL);
    struct sp__spread *spread = spread_of(ids, n);
    for (uint64_t key = 0; key < keys; key++)
        counts[sp__spread_find(spread, key)]++;
    CHECK(are_fair(counts, n));
    sp__free(spread);
    free(counts);
}

TEST(shares_are_equal)
{
    uint32_t ids[1000];
    numbers(ids, 1000);
    const uint32_t counts[] = { 2, 3, 5, 8, 9, 10, 64, 65, 100, 513, 1000 };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        check_even(ids, counts[i], 2000 * (uint64_t)counts[i]);
    for (uint32_t i = 0; i < 100; i++)
        ids[i] = i * i / 9 + i; /* with gaps */
    check_even(ids, 100, 200000);
}

/* 10 % over the average at most, among 1,000: with so many keys that chance is not more. */
TEST(the_fullest_of_a_thousand_has_no_tenth_more)
{
    uint32_t ids[1000];
    uint64_t counts[1000] = { 0 };
    numbers(ids, 1000);
    struct sp__spread *spread = spread_of(ids, 1000);
    for (uint64_t key = 0; key < 5000000; key++)
        counts[sp__spread_find(spread, key << 20)]++;
    for (uint32_t i = 0; i < 1000; i++)
        CHECK(counts[i] < 5500);
    sp__free(spread);
}

/* Programs may rely on it from one run to the next, and from one version. */
TEST(keys_keep_their_nodes_from_one_version_to_the_next)
{
    uint32_t ids[1000];
    const uint32_t of_ten[] = { 6, 5, 1, 0, 2, 2, 9, 8 };
    const uint32_t of_thousand[] = { 406, 417, 638, 212, 505, 354, 610, 100 };
    numbers(ids, 1000);
    struct sp__spread *ten = spread_of(ids, 10);
    struct sp__spread *thousand = spread_of(ids, 1000);
    for (uint64_t i = 0; i < 8; i++) {
        CHECK_INT(sp__spread_find(ten, i * 1000003), of_ten[i]);
        CHECK_INT(sp__spread_find(thousand, i * 1000003), of_thousand[i]);
    }
    sp__free(ten);
    sp__free(thousand);
}

TEST(what_has_no_place_is_refused)
{
    struct sp__spread *spread;
    CHECK_ERR(sp__spread_create(&(uint32_t){ 65535 }, 1, &spread), SP_ERR_LIMIT);
    CHECK_ERR(sp__spread_create(&(uint32_t){ 65534 }, 1, &spread), SP_OK);
    sp__free(spread);
}
