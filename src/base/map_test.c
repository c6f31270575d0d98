/* The map of 64-bit keys: every operation against a model, order, shrinking, out of memory. */
#include "base/map.h"

#include "base/alloc.h"
#include "support/test.h"

static const struct sp__hash_seed seed = { .k0 = 1, .k1 = 2 };

static uint64_t rng_state = 88172645463325252;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

/* Values are addresses in here; which one says what was stored. */
static char values[4096];

TEST(map_when_empty_finds_nothing)
{
    struct sp__map map;
    sp__map_item item;
    uint32_t cursor = 0;
    sp__map_init(&map, seed);
    CHECK_PTR(sp__map_get(&map, 1), NULL);
    CHECK_PTR(sp__map_remove(&map, 1), NULL);
    CHECK(!sp__map_next(&map, &cursor, &item));
    CHECK_INT(sp__map_count(&map), 0);
    sp__map_finish(&map);
}

TEST(map_add_when_key_is_there_keeps_the_old_value)
{
    struct sp__map map;
    sp__map_init(&map, seed);
    CHECK_OK(sp__map_add(&map, 7, &values[1]));
    CHECK_ERR(sp__map_add(&map, 7, &values[2]), SP_ERR_EXISTS);
    CHECK_PTR(sp__map_get(&map, 7), &values[1]);
    CHECK_OK(sp__map_put(&map, 7, &values[2]));
    CHECK_PTR(sp__map_get(&map, 7), &values[2]);
    CHECK_INT(sp__map_count(&map), 1);
    CHECK_PTR(sp__map_remove(&map, 7), &values[2]);
    CHECK_PTR(sp__map_get(&map, 7), NULL);
    sp__map_finish(&map);
}

TEST(map_extreme_keys_are_keys)
{
    struct sp__map map;
    sp__map_init(&map, seed);
    CHECK_OK(sp__map_add(&map, 0, &values[1]));
    CHECK_OK(sp__map_add(&map, UINT64_MAX, &values[2]));
    CHECK_PTR(sp__map_get(&map, 0), &values[1]);
    CHECK_PTR(sp__map_get(&map, UINT64_MAX), &values[2]);
    sp__map_finish(&map);
}

TEST(map_iterates_in_insertion_order_whatever_the_seed)
{
    for (uint64_t k = 0; k < 20; k++) {
        struct sp__map map;
        sp__map_item item;
        uint32_t cursor = 0;
        sp__map_init(&map, (struct sp__hash_seed){ .k0 = k, .k1 = ~k });
        for (uint64_t i = 0; i < 100; i++)
            CHECK_OK(sp__map_add(&map, i * 7919 % 101, &values[i]));
        for (uint64_t i = 0; i < 100; i += 3)
            CHECK_PTR(sp__map_remove(&map, i * 7919 % 101), &values[i]);
        for (uint64_t i = 0; i < 100; i++) {
            if (i % 3 == 0)
                continue;
            CHECK(sp__map_next(&map, &cursor, &item));
            CHECK_INT(item.key, i * 7919 % 101);
            CHECK_PTR(item.value, &values[i]);
        }
        CHECK(!sp__map_next(&map, &cursor, &item));
        sp__map_finish(&map);
    }
}

TEST(map_iteration_may_remove_anything)
{
    struct sp__map map;
    sp__map_item item;
    uint32_t cursor = 0;
    int seen = 0;
    sp__map_init(&map, seed);
    for (uint64_t i = 0; i < 50; i++)
        CHECK_OK(sp__map_add(&map, i, &values[i]));
    while (sp__map_next(&map, &cursor, &item)) {
        seen++;
        CHECK_PTR(sp__map_remove(&map, item.key), item.value);
        (void)sp__map_remove(&map, item.key + 1);
    }
    CHECK_INT(seen, 25);
    CHECK_INT(sp__map_count(&map), 0);
    sp__map_finish(&map);
}

/* A queue's life: added at the end, removed at the front; neither memory nor time may grow. */
TEST(map_used_as_a_queue_stays_small)
{
    struct sp__map map;
    sp__map_init(&map, seed);
    for (uint64_t i = 0; i < 10; i++)
        CHECK_OK(sp__map_add(&map, i, &values[0]));
    for (uint64_t i = 10; i < 100000; i++) {
        sp__map_item item;
        uint32_t cursor = 0;
        CHECK_OK(sp__map_add(&map, i, &values[0]));
        CHECK(sp__map_next(&map, &cursor, &item));
        CHECK_INT(item.key, i - 10);
        CHECK(sp__map_remove(&map, item.key) != NULL);
    }
    CHECK(map.table.capacity <= 32);
    sp__map_finish(&map);
}

/* What makes draining from the front, or iterating what is left, linear. */
TEST(map_remove_at_the_front_is_not_looked_at_again)
{
    struct sp__map map;
    sp__map_init(&map, seed);
    for (uint64_t i = 0; i < 100; i++)
        CHECK_OK(sp__map_add(&map, i, &values[i]));
    CHECK(sp__map_remove(&map, 1) != NULL);
    CHECK_INT(map.table.first, 0);
    CHECK(sp__map_remove(&map, 0) != NULL);
    CHECK_INT(map.table.first, 2);
    sp__map_finish(&map);
}

TEST(map_shrinks_and_gives_all_back_when_empty)
{
    struct sp__map map;
    sp__map_init(&map, seed);
    for (uint64_t i = 0; i < 4096; i++)
        CHECK_OK(sp__map_add(&map, i, &values[i]));
    CHECK(map.table.capacity >= 4096);
    for (uint64_t i = 10; i < 4096; i++)
        CHECK_PTR(sp__map_remove(&map, i), &values[i]);
    for (uint64_t i = 10; i < 40; i++) {
        CHECK_OK(sp__map_add(&map, i, &values[i]));
        CHECK_PTR(sp__map_remove(&map, i), &values[i]);
    }
    CHECK(map.table.capacity <= 128);
    for (uint64_t i = 0; i < 10; i++)
        CHECK_PTR(sp__map_remove(&map, i), &values[i]);
    CHECK_PTR(map.table.entries, NULL);
    CHECK_PTR(map.table.slots, NULL);
    sp__map_finish(&map);
}

/* Keys of a small range, so that hits, misses, replacing and removing all happen often. */
static void map_run_model(uint64_t keys, int steps)
{
    struct sp__map map;
    static char *model[4096];
    size_t count = 0;
    for (uint64_t key = 0; key < keys; key++)
        model[key] = NULL;
    sp__map_init(&map, seed);
    for (int step = 0; step < steps; step++) {
        uint64_t key = rng() % keys;
        char *value = &values[rng() % sizeof(values)];
        bool grow = step / 1000 % 2 == 0; /* phases, so that it becomes full and empty */
        CHECK_PTR(sp__map_get(&map, key), model[key]);
        if (rng() % 4 < (grow ? 1 : 3)) {
            CHECK_PTR(sp__map_remove(&map, key), model[key]);
            count -= model[key] != NULL;
            model[key] = NULL;
        } else if (rng() % 2 == 0) {
            CHECK_ERR(sp__map_add(&map, key, value), model[key] == NULL ? SP_OK : SP_ERR_EXISTS);
            count += model[key] == NULL;
            model[key] = model[key] == NULL ? value : model[key];
        } else {
            CHECK_OK(sp__map_put(&map, key, value));
            count += model[key] == NULL;
            model[key] = value;
        }
        CHECK_INT(sp__map_count(&map), count);
    }
    for (uint64_t key = 0; key < keys; key++)
        CHECK_PTR(sp__map_get(&map, key), model[key]);
    sp__map_finish(&map);
}

TEST(map_random_operations_agree_with_a_model)
{
    map_run_model(6, 20000);
    map_run_model(40, 50000);
    map_run_model(4096, 100000);
}

#ifdef SPAWNED_FAULT_INJECTION

TEST(map_add_when_memory_is_out_changes_nothing)
{
    struct sp__map map;
    sp__map_init(&map, seed);
    for (uint64_t i = 0; i < 200; i++) {
        sp_err err = SP_ERR_NOMEM;
        for (long n = 0; err != SP_OK; n++) {
            sp__alloc_fail_after(n);
            err = sp__map_add(&map, i, &values[i]);
            CHECK(err == SP_OK || err == SP_ERR_NOMEM);
            CHECK_INT(sp__map_count(&map), err == SP_OK ? i + 1 : i);
            for (uint64_t k = 0; k < i; k++)
                CHECK_PTR(sp__map_get(&map, k), &values[k]);
        }
        sp__alloc_fail_after(-1);
    }
    sp__map_finish(&map);
}

/* Shrinking is a favour: it may not turn an insertion that needs no memory into a failure. */
TEST(map_add_when_shrinking_has_no_memory_succeeds)
{
    struct sp__map map;
    sp__map_init(&map, seed);
    for (uint64_t i = 0; i < 100; i++)
        CHECK_OK(sp__map_add(&map, i, &values[i]));
    for (uint64_t i = 1; i < 100; i++)
        CHECK_PTR(sp__map_remove(&map, i), &values[i]);
    sp__alloc_fail_from(0);
    CHECK_OK(sp__map_add(&map, 500, &values[5]));
    CHECK(sp__alloc_failed());
    sp__alloc_fail_from(-1);
    CHECK_PTR(sp__map_get(&map, 500), &values[5]);
    CHECK_PTR(sp__map_get(&map, 0), &values[0]);
    sp__map_finish(&map);
}

TEST(map_add_when_full_of_holes_and_shrinking_fails_still_makes_room)
{
    struct sp__map map;
    sp__map_init(&map, seed);
    for (uint64_t i = 0; i < 128; i++)
        CHECK_OK(sp__map_add(&map, i, &values[i]));
    CHECK_INT(map.table.used, map.table.capacity);
    for (uint64_t i = 1; i < 128; i++)
        CHECK_PTR(sp__map_remove(&map, i), &values[i]);
    sp__alloc_fail_from(0);
    CHECK_ERR(sp__map_add(&map, 500, &values[5]), SP_ERR_NOMEM);
    sp__alloc_fail_after(0);
    CHECK_OK(sp__map_add(&map, 500, &values[5]));
    CHECK(sp__alloc_failed());
    CHECK_PTR(sp__map_get(&map, 500), &values[5]);
    CHECK_PTR(sp__map_get(&map, 0), &values[0]);
    sp__map_finish(&map);
}

#endif
