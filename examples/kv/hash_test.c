#include "hash.h"

#include "support/test.h"

#include <stdio.h>

static const struct kv_seed test_seed = { 3, 4 };

static struct kv_arg arg(const char *text)
{
    return (struct kv_arg){ text, strlen(text) };
}

static bool set(struct kv_hash *hash, const char *field, const char *value)
{
    struct kv_arg f = arg(field), v = arg(value);
    bool created;
    CHECK_OK(kv_hash_set(hash, &f, &v, &created));
    return created;
}

static void check_value(struct kv_hash *hash, const char *field, const char *expected)
{
    struct kv_arg f = arg(field), value;
    CHECK(kv_hash_get(hash, &f, &value));
    CHECK_INT(value.len, strlen(expected));
    CHECK_MEM(value.ptr, expected, value.len);
}

static void join(const struct kv_arg *field, const struct kv_arg *value, void *text)
{
    size_t len = strlen(text);
    snprintf((char *)text + len, 200 - len, "%.*s=%.*s ", (int)field->len, field->ptr,
             (int)value->len, value->ptr);
}

static void check_all(const struct kv_hash *hash, const char *expected)
{
    char text[200] = "";
    kv_hash_each(hash, join, text);
    CHECK_STR(text, expected);
}

TEST(hash_packed_keeps_the_order_of_insertion)
{
    struct kv_heap heap;
    struct kv_hash hash;
    kv_heap_init(&heap, 0);
    kv_hash_init(&hash, &heap, &test_seed);
    CHECK(set(&hash, "z", "1"));
    CHECK(set(&hash, "a", "2"));
    CHECK(set(&hash, "m", "3"));
    CHECK(!set(&hash, "a", "longer than before"));
    check_all(&hash, "z=1 a=longer than before m=3 ");
    CHECK(!set(&hash, "a", ""));
    check_all(&hash, "z=1 a= m=3 ");
    struct kv_arg z = arg("z"), nosuch = arg("nosuch"), value;
    CHECK(kv_hash_remove(&hash, &z));
    CHECK(!kv_hash_remove(&hash, &z));
    CHECK(!kv_hash_get(&hash, &nosuch, &value));
    CHECK(set(&hash, "z", "4"));
    check_all(&hash, "a= m=3 z=4 ");
    CHECK(hash.packed);
    kv_hash_finish(&hash);
    CHECK_INT(heap.used, 0);
    kv_heap_finish(&heap);
}

TEST(hash_becomes_a_table_at_its_limits)
{
    struct kv_heap heap;
    struct kv_hash hash;
    char field[32], value[32], longest[KV_HASH_PACKED_BYTES + 2];
    kv_heap_init(&heap, 0);
    kv_hash_init(&hash, &heap, &test_seed);
    for (int i = 0; i < 2000; i++) {
        snprintf(field, sizeof(field), "field-%d", i);
        snprintf(value, sizeof(value), "value-%d", i);
        CHECK(set(&hash, field, value));
        CHECK_INT(hash.packed, i < KV_HASH_PACKED_MAX);
    }
    CHECK_INT(hash.count, 2000);
    for (int i = 0; i < 2000; i++) {
        snprintf(field, sizeof(field), "field-%d", i);
        CHECK(!set(&hash, field, i % 2 == 0 ? "same size" : "another"));
        check_value(&hash, field, i % 2 == 0 ? "same size" : "another");
    }
    kv_hash_finish(&hash);
    memset(longest, 'x', sizeof(longest));
    longest[KV_HASH_PACKED_BYTES] = '\0';
    CHECK(set(&hash, "f", longest) && hash.packed);
    longest[KV_HASH_PACKED_BYTES] = 'x';
    longest[KV_HASH_PACKED_BYTES + 1] = '\0';
    CHECK(!set(&hash, "f", longest) && !hash.packed);
    check_value(&hash, "f", longest);
    kv_hash_finish(&hash);
    CHECK_INT(heap.used, 0);
    kv_heap_finish(&heap);
}

/* At every amount of memory: what fails changes nothing, what succeeds is there. */
TEST(hash_without_memory_stays_as_it_was)
{
    for (size_t max = 16; max < 3000; max += 48) {
        struct kv_heap heap;
        struct kv_hash hash;
        char field[80];
        size_t fields = 0;
        kv_heap_init(&heap, max);
        kv_hash_init(&hash, &heap, &test_seed);
        for (int i = 0; i < 40; i++) {
            snprintf(field, sizeof(field), "%0*d", i == 20 ? 70 : 5, i);
            struct kv_arg f = arg(field);
            bool created = false;
            sp_err err = kv_hash_set(&hash, &f, &f, &created);
            CHECK(err == SP_OK || err == SP_ERR_NOMEM);
            CHECK_INT(created, err == SP_OK);
            fields += created;
            if (created)
                check_value(&hash, field, field);
        }
        CHECK_INT(hash.count, fields);
        kv_hash_finish(&hash);
        CHECK_INT(heap.used, 0);
        kv_heap_finish(&heap);
    }
}
