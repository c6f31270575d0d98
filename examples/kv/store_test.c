#include "store.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

static const struct kv_store_options test_options = { .seed = { 5, 6 }, .random_seed = 7 };

static struct kv_key key_of(const char *text)
{
    size_t len = strlen(text);
    return (struct kv_key){ text, len, kv_hash(&test_options.seed, text, len) };
}

static void put_at(struct kv_store *store, const char *name, const char *text, int64_t expire_at)
{
    struct kv_key key = key_of(name);
    struct kv_arg value = { text, strlen(text) };
    CHECK_OK(kv_store_put(store, &key, kv_store_find(store, &key, 0), &value, false));
    if (expire_at >= 0)
        CHECK_OK(kv_expiry_set(&store->expiry, kv_store_find(store, &key, 0), expire_at));
}

static struct kv_entry *find_at(struct kv_store *store, const char *name, int64_t now_ms)
{
    struct kv_key key = key_of(name);
    return kv_store_find(store, &key, now_ms);
}

static void check_string(struct kv_store *store, const char *name, const char *expected)
{
    struct kv_entry *entry = find_at(store, name, 0);
    CHECK(entry != NULL);
    CHECK_INT(entry->string.len, strlen(expected));
    CHECK_MEM(entry->string.ptr, expected, strlen(expected));
}

TEST(store_values_of_all_sizes_replace_each_other)
{
    static const size_t sizes[] = { 0, 5, 60, 3, 500, 40, 5000, 4000, 100000, 1, 0, 70000 };
    struct kv_store store;
    char *text = calloc(1, 100001);
    kv_store_init(&store, &test_options);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            memset(text, 'a' + (int)i, sizes[i]);
            text[sizes[i]] = '\0';
            put_at(&store, "key", text, -1);
            check_string(&store, "key", text);
            memset(text, 'A' + (int)j, sizes[j]);
            text[sizes[j]] = '\0';
            put_at(&store, "key", text, -1);
            check_string(&store, "key", text);
        }
    kv_store_remove(&store, find_at(&store, "key", 0));
    kv_store_clear(&store);
    CHECK_INT(store.heap.used, 0);
    kv_store_finish(&store);
    free(text);
}

TEST(store_small_values_share_the_allocation_of_their_key)
{
    struct kv_store store;
    kv_store_init(&store, &test_options);
    put_at(&store, "key:000000000001", "xxx", -1);
    const struct kv_entry *entry = find_at(&store, "key:000000000001", 0);
    CHECK_PTR(entry->string.ptr, entry->key + entry->node.key_len);
    CHECK_INT(store.heap.used, kv_heap_round(sizeof(*entry) + 16 + 3) + 4 * sizeof(void *));
    kv_store_finish(&store);
}

TEST(store_resize_keeps_the_front_and_clears_the_rest)
{
    struct kv_store store;
    kv_store_init(&store, &test_options);
    put_at(&store, "k", "abc", -1);
    static const size_t sizes[] = { 3, 10, 100, 5000, 200000, 8000000, 5 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct kv_entry *entry = find_at(&store, "k", 0);
        size_t before = entry->string.len;
        CHECK_OK(kv_store_resize(&store, entry, sizes[i]));
        CHECK_INT(entry->string.len, sizes[i]);
        CHECK_MEM(entry->string.ptr, "abc", 3);
        for (size_t b = before; b < sizes[i]; b++)
            CHECK(entry->string.ptr[b] == '\0');
    }
    struct kv_entry *entry = find_at(&store, "k", 0);
    CHECK_ERR(kv_store_resize(&store, entry, ((size_t)512 << 20) + 1), SP_ERR_TOOBIG);
    CHECK_INT(entry->string.len, 5);
    kv_store_finish(&store);
}

TEST(store_expires_lazily_after_the_time)
{
    struct kv_store store;
    kv_store_init(&store, &test_options);
    put_at(&store, "k", "v", 1000);
    CHECK(find_at(&store, "k", 999) != NULL);
    CHECK(find_at(&store, "k", 1000) != NULL);
    CHECK(find_at(&store, "k", 1001) == NULL);
    CHECK_INT(store.keys.count, 0);
    CHECK_INT(store.expired, 1);
    CHECK_INT(kv_store_next_expiry(&store), INT64_MAX);
    kv_store_finish(&store);
}

/* Keys set to expire in a random order, some moved, some made permanent, some replaced. */
TEST(store_expires_actively_in_order_and_in_bounds)
{
    enum { KEYS = 3000 };
    struct kv_store store;
    char name[32];
    kv_store_init(&store, &test_options);
    for (int i = 0; i < KEYS; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        put_at(&store, name, "v", 1000 + i * 7919 % KEYS);
    }
    for (int i = 0; i < KEYS; i += 3) {
        snprintf(name, sizeof(name), "k%d", i);
        if (i % 2 == 0)
            kv_expiry_remove(&store.expiry, find_at(&store, name, 0));
        else
            put_at(&store, name, "a value that makes the entry move to a larger one", 9000 + i);
    }
    CHECK_INT(kv_store_next_expiry(&store), 1002);
    CHECK_INT(kv_store_expire_some(&store, 1001, 100), 0);
    CHECK_INT(kv_store_expire_some(&store, 5000, 10), 10);
    size_t removed = 10;
    for (int64_t next = kv_store_next_expiry(&store), later; next < 5000; next = later) {
        CHECK_INT(kv_store_expire_some(&store, next, 1), 1);
        removed++;
        later = kv_store_next_expiry(&store);
        CHECK(later >= next);
    }
    CHECK_INT(removed, KEYS - KEYS / 3);
    CHECK_INT(store.keys.count, KEYS / 3);
    for (int i = 0; i < KEYS; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        struct kv_entry *entry = find_at(&store, name, 8000);
        CHECK_INT(entry != NULL, i % 3 == 0);
        if (entry != NULL)
            CHECK_INT(kv_expiry_at(&store.expiry, entry), i % 2 == 0 ? -1 : 9000 + i);
    }
    kv_store_clear(&store);
    CHECK_INT(store.heap.used, 0);
    kv_store_finish(&store);
}

/* Whatever the limit, a put that fails leaves the old value, and the memory counts come out. */
TEST(store_without_memory_keeps_the_old_value)
{
    char big[300];
    memset(big, 'x', sizeof(big));
    for (size_t max = 100; max < 4000; max += 60) {
        struct kv_store_options options = test_options;
        struct kv_store store;
        char name[32];
        options.memory_max = max;
        kv_store_init(&store, &options);
        for (int i = 0; i < 30; i++) {
            snprintf(name, sizeof(name), "k%d", i % 10);
            struct kv_key key = key_of(name);
            struct kv_entry *entry = kv_store_find(&store, &key, 0);
            struct kv_arg value = { big, (size_t)i * 10 };
            size_t before = entry == NULL ? 0 : entry->string.len;
            sp_err err = kv_store_put(&store, &key, entry, &value, false);
            entry = kv_store_find(&store, &key, 0);
            if (err == SP_OK)
                CHECK_INT(entry->string.len, value.len);
            else
                CHECK_INT(entry == NULL ? 0 : entry->string.len, before);
        }
        CHECK(store.heap.used <= max);
        kv_store_clear(&store);
        CHECK_INT(store.heap.used, 0);
        kv_store_finish(&store);
    }
}

TEST(store_picks_the_same_keys_from_the_same_seed)
{
    struct kv_store a, b;
    char name[32];
    kv_store_init(&a, &test_options);
    kv_store_init(&b, &test_options);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        put_at(&a, name, "v", i % 2 == 0 ? 10 : -1);
        put_at(&b, name, "v", i % 2 == 0 ? 10 : -1);
    }
    for (int i = 0; i < 100; i++) {
        const struct kv_entry *x = kv_store_pick(&a, 11), *y = kv_store_pick(&b, 11);
        CHECK_INT(x->node.key_len, y->node.key_len);
        CHECK_MEM(x->key, y->key, x->node.key_len);
        CHECK_INT(x->expiry, 0);
    }
    kv_store_finish(&a);
    kv_store_finish(&b);
}
