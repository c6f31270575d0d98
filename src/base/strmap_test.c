/* The map of byte strings: keys are copied, may hold zeros, and keep their order. */
#include "base/strmap.h"

#include "base/alloc.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

static const struct sp__hash_seed seed = { .k0 = 3, .k1 = 4 };
static char values[4096];

static size_t key_of(char *buffer, size_t size, int i)
{
    return (size_t)snprintf(buffer, size, "key-%d", i);
}

TEST(strmap_when_empty_finds_nothing)
{
    struct sp__strmap map;
    sp__strmap_item item;
    uint32_t cursor = 0;
    sp__strmap_init(&map, seed);
    CHECK_PTR(sp__strmap_get(&map, "a", 1), NULL);
    CHECK_PTR(sp__strmap_remove(&map, "a", 1), NULL);
    CHECK(!sp__strmap_next(&map, &cursor, &item));
    CHECK_INT(sp__strmap_count(&map), 0);
    sp__strmap_finish(&map);
}

TEST(strmap_keys_are_copied_and_may_hold_any_byte)
{
    struct sp__strmap map;
    char key[4] = { 'a', '\0', 'b', '\0' };
    sp__strmap_init(&map, seed);
    CHECK_OK(sp__strmap_add(&map, key, 3, &values[1]));
    CHECK_OK(sp__strmap_add(&map, key, 1, &values[2]));
    CHECK_OK(sp__strmap_add(&map, key, 0, &values[3]));
    memset(key, 'z', sizeof(key));
    CHECK_PTR(sp__strmap_get(&map, "a\0b", 3), &values[1]);
    CHECK_PTR(sp__strmap_get(&map, "a", 1), &values[2]);
    CHECK_PTR(sp__strmap_get(&map, "", 0), &values[3]);
    CHECK_PTR(sp__strmap_get(&map, "a\0c", 3), NULL);
    sp__strmap_finish(&map);
}

TEST(strmap_add_when_key_is_there_keeps_the_old_value)
{
    struct sp__strmap map;
    sp__strmap_init(&map, seed);
    CHECK_OK(sp__strmap_add(&map, "k", 1, &values[1]));
    CHECK_ERR(sp__strmap_add(&map, "k", 1, &values[2]), SP_ERR_EXISTS);
    CHECK_PTR(sp__strmap_get(&map, "k", 1), &values[1]);
    CHECK_OK(sp__strmap_put(&map, "k", 1, &values[2]));
    CHECK_PTR(sp__strmap_remove(&map, "k", 1), &values[2]);
    CHECK_INT(sp__strmap_count(&map), 0);
    sp__strmap_finish(&map);
}

TEST(strmap_add_when_key_is_too_long_says_so)
{
    struct sp__strmap map;
    sp__strmap_init(&map, seed);
    /* Too long to be read, let alone hashed: a small map compares lengths first. */
    CHECK_ERR(sp__strmap_add(&map, "k", (size_t)1 << 31, &values[1]), SP_ERR_TOOBIG);
    CHECK_INT(sp__strmap_count(&map), 0);
    sp__strmap_finish(&map);
}

TEST(strmap_iterates_in_insertion_order_with_printable_keys)
{
    struct sp__strmap map;
    sp__strmap_item item;
    uint32_t cursor = 0;
    char key[32];
    sp__strmap_init(&map, seed);
    for (int i = 0; i < 500; i++)
        CHECK_OK(sp__strmap_put(&map, key, key_of(key, sizeof(key), i * 31 % 997), &values[i]));
    for (int i = 0; i < 500; i += 2)
        CHECK_PTR(sp__strmap_remove(&map, key, key_of(key, sizeof(key), i * 31 % 997)), &values[i]);
    for (int i = 1; i < 500; i += 2) {
        size_t size = key_of(key, sizeof(key), i * 31 % 997);
        CHECK(sp__strmap_next(&map, &cursor, &item));
        CHECK_STR(item.key, key);
        CHECK_INT(item.key_size, size);
        CHECK_PTR(item.value, &values[i]);
    }
    CHECK(!sp__strmap_next(&map, &cursor, &item));
    sp__strmap_finish(&map);
}

TEST(strmap_grows_shrinks_and_finds_throughout)
{
    struct sp__strmap map;
    char key[32];
    sp__strmap_init(&map, seed);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3000; i++)
            CHECK_OK(sp__strmap_add(&map, key, key_of(key, sizeof(key), i), &values[i]));
        for (int i = 0; i < 3000; i++)
            CHECK_PTR(sp__strmap_get(&map, key, key_of(key, sizeof(key), i)), &values[i]);
        for (int i = 2999; i >= 0; i--) {
            CHECK_PTR(sp__strmap_remove(&map, key, key_of(key, sizeof(key), i)), &values[i]);
            CHECK_PTR(sp__strmap_get(&map, key, key_of(key, sizeof(key), i)), NULL);
        }
        CHECK_PTR(map.table.entries, NULL);
    }
    sp__strmap_finish(&map);
}

#ifdef SPAWNED_FAULT_INJECTION

TEST(strmap_add_when_memory_is_out_changes_nothing)
{
    struct sp__strmap map;
    char key[32];
    sp__strmap_init(&map, seed);
    for (int i = 0; i < 100; i++) {
        sp_err err = SP_ERR_NOMEM;
        for (long n = 0; err != SP_OK; n++) {
            size_t size = key_of(key, sizeof(key), i);
            sp__alloc_fail_after(n);
            err = sp__strmap_put(&map, key, size, &values[i]);
            CHECK(err == SP_OK || err == SP_ERR_NOMEM);
            CHECK_INT(sp__strmap_count(&map), err == SP_OK ? i + 1 : i);
            CHECK_PTR(sp__strmap_get(&map, key, size), err == SP_OK ? &values[i] : NULL);
        }
        sp__alloc_fail_after(-1);
    }
    sp__strmap_finish(&map);
}

#endif
