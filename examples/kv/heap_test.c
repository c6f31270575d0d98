#include "heap.h"

#include "support/test.h"

#include <string.h>

TEST(heap_round_gives_the_classes)
{
    CHECK_INT(kv_heap_round(0), 16);
    CHECK_INT(kv_heap_round(1), 16);
    CHECK_INT(kv_heap_round(16), 16);
    CHECK_INT(kv_heap_round(17), 32);
    CHECK_INT(kv_heap_round(256), 256);
    CHECK_INT(kv_heap_round(257), 320);
    CHECK_INT(kv_heap_round(320), 320);
    CHECK_INT(kv_heap_round(321), 384);
    CHECK_INT(kv_heap_round(512), 512);
    CHECK_INT(kv_heap_round(513), 640);
    CHECK_INT(kv_heap_round(4096), 4096);
    CHECK_INT(kv_heap_round(4097), 4112);
    for (size_t size = 1; size < 6000; size++) {
        CHECK(kv_heap_round(size) >= size);
        CHECK_INT(kv_heap_round(kv_heap_round(size)), kv_heap_round(size));
    }
}

/* Many objects of all sizes, each filled with its own byte, freed in another order. */
TEST(heap_objects_do_not_overlap)
{
    enum { COUNT = 6000 };
    static unsigned char *object[COUNT];
    struct kv_heap heap;
    kv_heap_init(&heap, 0);
    for (size_t i = 0; i < COUNT; i++) {
        object[i] = kv_heap_alloc(&heap, i);
        CHECK(object[i] != NULL);
        CHECK_INT((uintptr_t)object[i] % 16, 0);
        memset(object[i], (int)(i % 251), i);
    }
    for (size_t step = 0; step < COUNT; step++) {
        size_t i = step * 4001 % COUNT;
        for (size_t b = 0; b < i; b++)
            if (object[i][b] != i % 251)
                FAIL("object %zu was overwritten at %zu", i, b);
        kv_heap_free(&heap, object[i], i);
    }
    CHECK_INT(heap.used, 0);
    kv_heap_finish(&heap);
}

TEST(heap_freed_objects_are_used_again)
{
    struct kv_heap heap;
    kv_heap_init(&heap, 0);
    void *first = kv_heap_alloc(&heap, 40);
    kv_heap_free(&heap, first, 40);
    void *second = kv_heap_alloc(&heap, 48);
    CHECK_PTR(second, first);
    kv_heap_finish(&heap);
}

TEST(heap_over_its_limit_gives_nothing)
{
    struct kv_heap heap;
    kv_heap_init(&heap, 1000);
    void *small = kv_heap_alloc(&heap, 500);
    CHECK(small != NULL);
    CHECK(kv_heap_alloc(&heap, 600) == NULL);
    CHECK(kv_heap_alloc(&heap, 100000) == NULL);
    CHECK(kv_heap_alloc_zero(&heap, SIZE_MAX) == NULL);
    CHECK(kv_heap_resize(&heap, small, 500, 5000) == NULL);
    kv_heap_free(&heap, small, 500);
    CHECK(kv_heap_alloc(&heap, 900) != NULL);
    kv_heap_finish(&heap);
}

TEST(heap_resize_keeps_the_bytes)
{
    struct kv_heap heap;
    kv_heap_init(&heap, 0);
    static const size_t sizes[] = { 10, 16, 300, 5000, 4096, 100000, 9000, 20, 1 };
    size_t size = 3;
    char *p = kv_heap_resize(&heap, NULL, 0, size);
    memcpy(p, "abc", 3);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        p = kv_heap_resize(&heap, p, size, sizes[i]);
        size = sizes[i];
        CHECK_MEM(p, "abc", size < 3 ? size : 3);
        CHECK_INT(heap.used, kv_heap_round(size));
    }
    kv_heap_finish(&heap);
}

TEST(heap_alloc_zero_clears_what_was_used)
{
    struct kv_heap heap;
    kv_heap_init(&heap, 0);
    static const char zero[100] = { 0 };
    void *p = kv_heap_alloc(&heap, 100);
    memset(p, 0xff, 100);
    kv_heap_free(&heap, p, 100);
    CHECK_MEM(kv_heap_alloc_zero(&heap, 100), zero, 100);
    kv_heap_finish(&heap);
}

/* What a crashed shard leaves behind: everything goes without being freed one by one. */
TEST(heap_finish_releases_everything)
{
    struct kv_heap heap;
    kv_heap_init(&heap, 0);
    for (size_t i = 0; i < 3000; i++)
        CHECK(kv_heap_alloc(&heap, i * 3) != NULL);
    kv_heap_finish(&heap);
    CHECK_INT(heap.used, 0);
}
