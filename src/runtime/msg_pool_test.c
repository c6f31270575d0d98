/* The message pool: sizes, reuse, return of memory, and traffic between threads. */
#include "runtime/msg_pool.h"

#include "base/alloc.h"
#include "base/poison.h"
#include "support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB = 64 * 1024 };

struct object {
    void *ptr;
    uint8_t class_index;
};

static struct object object_alloc(struct sp__msg_cache *cache, struct sp__msg_pool *pool,
                                  size_t size)
{
    struct object object = { .class_index = 77 };
    object.ptr = sp__msg_alloc(cache, pool, size, &object.class_index);
    CHECK(object.ptr != NULL);
    CHECK_INT((uintptr_t)object.ptr % 16, 0);
    return object;
}

TEST(msg_alloc_gives_every_size_a_class_that_holds_it)
{
    static struct sp__msg_pool pool;
    struct sp__msg_cache cache;
    sp__msg_pool_init(&pool, NULL);
    sp__msg_cache_init(&cache, &pool);
    for (size_t size = 0; size <= SP__MSG_SIZE_MAX; size++) {
        struct object object = object_alloc(&cache, &pool, size);
        CHECK(object.class_index < SP__MSG_CLASSES);
        size_t room = sp__msg_class_bytes[object.class_index];
        CHECK(room >= size);
        CHECK(object.class_index == 0 || sp__msg_class_bytes[object.class_index - 1] < size);
        memset(object.ptr, 0x5a, room);
        sp__msg_free(&cache, &pool, object.ptr, object.class_index);
    }
    sp__msg_cache_finish(&cache);
    sp__msg_pool_finish(&pool);
}

TEST(msg_alloc_brings_a_few_objects_where_it_is_told_to)
{
    static struct sp__msg_pool pool;
    struct sp__msg_cache cache;
    sp__msg_pool_init(&pool, &(struct sp__msg_pool_options){ .fill = 3 });
    sp__msg_cache_init(&cache, &pool);
    struct object objects[4];
    for (uint32_t i = 0; i < 4; i++) {
        objects[i] = object_alloc(&cache, &pool, 64);
        CHECK_INT(cache.racks[objects[i].class_index].count, 2 - i % 3);
    }
    for (int i = 0; i < 4; i++)
        sp__msg_free(&cache, &pool, objects[i].ptr, objects[i].class_index);
    sp__msg_cache_finish(&cache);
    sp__msg_pool_finish(&pool);
}

TEST(msg_alloc_when_large_or_without_cache_is_the_heaps)
{
    static struct sp__msg_pool pool;
    struct sp__msg_cache cache;
    sp__msg_pool_init(&pool, NULL);
    sp__msg_cache_init(&cache, &pool);
    struct object large = object_alloc(&cache, &pool, SP__MSG_SIZE_MAX + 1);
    struct object foreign = object_alloc(NULL, &pool, 64);
    CHECK_INT(large.class_index, SP__MSG_CLASS_HEAP);
    CHECK_INT(foreign.class_index, SP__MSG_CLASS_HEAP);
    CHECK_INT(sp__msg_pool_bytes(&pool), 0);
    memset(large.ptr, 1, SP__MSG_SIZE_MAX + 1);
    sp__msg_free(NULL, &pool, large.ptr, large.class_index);
    sp__msg_free(&cache, &pool, foreign.ptr, foreign.class_index);
    sp__msg_cache_finish(&cache);
    sp__msg_pool_finish(&pool);
}

TEST(msg_free_then_alloc_gives_the_warm_object_again)
{
    static struct sp__msg_pool pool;
    struct sp__msg_cache cache;
    sp__msg_pool_init(&pool, NULL);
    sp__msg_cache_init(&cache, &pool);
    struct object a = object_alloc(&cache, &pool, 100);
    sp__msg_free(&cache, &pool, a.ptr, a.class_index);
    struct object b = object_alloc(&cache, &pool, 128);
    CHECK_PTR(b.ptr, a.ptr);
    sp__msg_free(&cache, &pool, b.ptr, b.class_index);
    sp__msg_cache_finish(&cache);
    sp__msg_pool_finish(&pool);
}

TEST(msg_objects_in_use_do_not_overlap)
{
    enum { COUNT = 3000 };
    static struct sp__msg_pool pool;
    static struct object objects[SP__MSG_CLASSES][COUNT];
    struct sp__msg_cache cache;
    sp__msg_pool_init(&pool, NULL);
    sp__msg_cache_init(&cache, &pool);
    for (uint8_t c = 0; c < SP__MSG_CLASSES; c++) {
        for (int i = 0; i < COUNT; i++) {
            objects[c][i] = object_alloc(&cache, &pool, sp__msg_class_bytes[c]);
            CHECK_INT(objects[c][i].class_index, c);
            memset(objects[c][i].ptr, (c * 31 + i) & 0xff, sp__msg_class_bytes[c]);
        }
    }
    for (uint8_t c = 0; c < SP__MSG_CLASSES; c++) {
        for (int i = 0; i < COUNT; i++) {
            unsigned char *bytes = objects[c][i].ptr;
            size_t size = sp__msg_class_bytes[c];
            for (size_t at = 0; at < size; at++)
                CHECK_INT(bytes[at], (c * 31 + i) & 0xff);
            sp__msg_free(&cache, &pool, bytes, c);
        }
    }
    sp__msg_cache_finish(&cache);
    sp__msg_pool_finish(&pool);
}

TEST(msg_pool_after_a_burst_gives_the_memory_back)
{
    enum { COUNT = 100000 };
    static struct sp__msg_pool pool;
    static void *objects[COUNT];
    struct sp__msg_cache cache;
    struct sp__msg_pool_options few = { .batches_max = 2 };
    sp__msg_pool_init(&pool, &few);
    sp__msg_cache_init(&cache, &pool);
    for (int i = 0; i < COUNT; i++)
        objects[i] = object_alloc(&cache, &pool, 64).ptr;
    CHECK(sp__msg_pool_bytes(&pool) >= (size_t)COUNT * 64);
    CHECK(sp__msg_pool_bytes(&pool) < (size_t)COUNT * 64 * 102 / 100 + SLAB);
    for (int i = 0; i < COUNT; i++)
        sp__msg_free(&cache, &pool, objects[i], 0);
    /* 2 batches in the pool and 2 in the cache, of 64 objects, from as few slabs as they had */
    CHECK(sp__msg_pool_bytes(&pool) <= 4 * SLAB);
    CHECK(sp__msg_pool_bytes(&pool) > 0);
    sp__msg_cache_finish(&cache);
    sp__msg_pool_finish(&pool);
    CHECK_INT(sp__msg_pool_bytes(&pool), 0);
}

TEST(msg_free_without_cache_returns_to_the_slab)
{
    static struct sp__msg_pool pool;
    struct sp__msg_cache cache;
    sp__msg_pool_init(&pool, NULL);
    sp__msg_cache_init(&cache, &pool);
    struct object a = object_alloc(&cache, &pool, 1024);
    sp__msg_cache_finish(&cache);
    CHECK_INT(sp__msg_pool_bytes(&pool), SLAB);
    sp__msg_free(NULL, &pool, a.ptr, a.class_index);
    CHECK_INT(sp__msg_pool_bytes(&pool), 0);
    sp__msg_pool_finish(&pool);
}

/* A slab that was full and got an object back has something to give again. */
TEST(msg_alloc_reuses_what_came_back_to_a_full_slab)
{
    enum { COUNT = 2 * (SLAB - 64) / 1024 };
    static struct sp__msg_pool pool;
    static void *objects[COUNT];
    struct sp__msg_cache cache;
    sp__msg_pool_init(&pool, NULL);
    sp__msg_cache_init(&cache, &pool);
    for (int i = 0; i < COUNT; i++)
        objects[i] = object_alloc(&cache, &pool, 1024).ptr;
    sp__msg_cache_finish(&cache);
    size_t bytes = sp__msg_pool_bytes(&pool);
    for (int round = 0; round < 10; round++) {
        for (int i = round % 2; i < COUNT; i += 2)
            sp__msg_free(NULL, &pool, objects[i], 8);
        for (int i = round % 2; i < COUNT; i += 2)
            objects[i] = object_alloc(&cache, &pool, 1024).ptr;
        sp__msg_cache_finish(&cache);
        CHECK_INT(sp__msg_pool_bytes(&pool), bytes);
    }
    for (int i = 0; i < COUNT; i++)
        sp__msg_free(NULL, &pool, objects[i], 8);
    sp__msg_pool_finish(&pool);
}

TEST(msg_cache_holds_two_batches_at_most)
{
    static struct sp__msg_pool pool;
    static void *objects[1000];
    struct sp__msg_cache cache;
    sp__msg_pool_init(&pool, NULL);
    sp__msg_cache_init(&cache, &pool);
    for (int i = 0; i < 1000; i++)
        objects[i] = object_alloc(&cache, &pool, 64).ptr;
    sp__msg_cache_finish(&cache);
    for (int i = 0; i < 1000; i++) {
        sp__msg_free(&cache, &pool, objects[i], 0);
        CHECK_INT(cache.racks[0].count, i % 64 + 1);
        CHECK(i < 64 ? cache.racks[0].spare == NULL : cache.racks[0].spare->count == 64);
    }
    CHECK_INT(pool.depots[0].full_count, 1000 / 64 - 1);
    sp__msg_cache_finish(&cache);
    sp__msg_pool_finish(&pool);
}

static int batches_empty(const struct sp__msg_depot *depot)
{
    int count = 0;
    for (struct sp__msg_batch *batch = depot->empty; batch != NULL; batch = batch->next)
        count++;
    return count;
}

/* What one worker allocates and another frees goes round through the pool, not up. */
TEST(msg_one_way_traffic_between_caches_does_not_grow)
{
    static struct sp__msg_pool pool;
    struct sp__msg_cache from;
    struct sp__msg_cache to;
    sp__msg_pool_init(&pool, NULL);
    sp__msg_cache_init(&from, &pool);
    sp__msg_cache_init(&to, &pool);
    for (int i = 0; i < 100000; i++) {
        struct object object = object_alloc(&from, &pool, 200);
        sp__msg_free(&to, &pool, object.ptr, object.class_index);
    }
    CHECK(sp__msg_pool_bytes(&pool) <= 2 * SLAB);
    CHECK(batches_empty(&pool.depots[4]) <= 2);
    sp__msg_cache_finish(&from);
    sp__msg_cache_finish(&to);
    sp__msg_pool_finish(&pool);
}

TEST(msg_pool_passthrough_leaves_everything_to_the_heap)
{
    static struct sp__msg_pool pool;
    struct sp__msg_cache cache;
    struct sp__msg_pool_options options = { .passthrough = true };
    sp__msg_pool_init(&pool, &options);
    sp__msg_cache_init(&cache, &pool);
    struct object object = object_alloc(&cache, &pool, 64);
    CHECK_INT(object.class_index, SP__MSG_CLASS_HEAP);
    sp__msg_free(&cache, &pool, object.ptr, object.class_index);
    sp__msg_cache_finish(&cache);
    sp__msg_pool_finish(&pool);
}

#if SP__ASAN
TEST(msg_free_object_is_poisoned)
{
    static struct sp__msg_pool pool;
    struct sp__msg_cache cache;
    sp__msg_pool_init(&pool, NULL);
    sp__msg_cache_init(&cache, &pool);
    struct object a = object_alloc(&cache, &pool, 256);
    struct object b = object_alloc(&cache, &pool, 256);
    CHECK_PTR(__asan_region_is_poisoned(a.ptr, 256), NULL);
    sp__msg_free(&cache, &pool, a.ptr, a.class_index);
    sp__msg_free(&cache, &pool, b.ptr, b.class_index);
    for (int i = 0; i < 256; i += 8) {
        CHECK(__asan_address_is_poisoned((char *)a.ptr + i));
        CHECK(__asan_address_is_poisoned((char *)b.ptr + i));
    }
    sp__msg_cache_finish(&cache);
    sp__msg_pool_finish(&pool);
}
#endif

/* Up and down around the edge of a batch: the spare saves the trip to the pool each time. */
TEST(msg_cache_at_the_edge_of_a_batch_leaves_the_pool_alone)
{
    static struct sp__msg_pool pool;
    struct object objects[70];
    struct sp__msg_cache cache;
    sp__msg_pool_init(&pool, NULL);
    sp__msg_cache_init(&cache, &pool);
    for (int i = 0; i < 70; i++)
        objects[i] = object_alloc(&cache, &pool, 64);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 70; i++)
            sp__msg_free(&cache, &pool, objects[i].ptr, 0);
        CHECK_INT(pool.depots[0].full_count, 0);
        for (int i = 0; i < 70; i++)
            objects[i] = object_alloc(&cache, &pool, 64);
    }
    CHECK_INT(sp__msg_pool_bytes(&pool), SLAB);
    for (int i = 0; i < 70; i++)
        sp__msg_free(&cache, &pool, objects[i].ptr, 0);
    sp__msg_cache_finish(&cache);
    sp__msg_pool_finish(&pool);
}

#ifdef SPAWNED_FAULT_INJECTION

TEST(msg_alloc_when_memory_is_out_is_null_and_recovers)
{
    static struct sp__msg_pool pool;
    static void *objects[5000];
    struct sp__msg_cache cache;
    uint8_t class_index = 77;
    int count = 0;
    sp__msg_pool_init(&pool, NULL);
    sp__msg_cache_init(&cache, &pool);
    sp__alloc_fail_from(2); /* one batch, one slab, and no more */
    while ((objects[count] = sp__msg_alloc(&cache, &pool, 64, &class_index)) != NULL)
        count++;
    CHECK_INT(count, (SLAB - 64) / 64);
    CHECK_PTR(sp__msg_alloc(NULL, &pool, 64, &class_index), NULL);
    CHECK_PTR(sp__msg_alloc(&cache, &pool, 5000, &class_index), NULL);
    sp__alloc_fail_from(-1);
    objects[count++] = object_alloc(&cache, &pool, 64).ptr;
    while (count > 0)
        sp__msg_free(&cache, &pool, objects[--count], 0);
    sp__msg_cache_finish(&cache);
    sp__msg_pool_finish(&pool);
}

/* Freeing never needs memory, and allocating makes do without a cache. */
TEST(msg_pool_works_whichever_allocation_fails)
{
    static void *objects[2000];
    for (long n = 0; n < 80; n++) {
        static struct sp__msg_pool pool;
        struct sp__msg_cache from;
        struct sp__msg_cache to;
        uint8_t class_index;
        sp__msg_pool_init(&pool, NULL);
        sp__msg_cache_init(&from, &pool);
        sp__msg_cache_init(&to, &pool);
        sp__alloc_fail_after(n);
        for (int i = 0; i < 2000; i++) {
            objects[i] = sp__msg_alloc(&from, &pool, 100, &class_index);
            if (objects[i] == NULL) /* a slab was refused; the next attempt gets it */
                objects[i] = object_alloc(&from, &pool, 100).ptr;
            memset(objects[i], i & 0xff, 100);
        }
        for (int i = 0; i < 2000; i++) {
            CHECK_INT(*(unsigned char *)objects[i], i & 0xff);
            sp__msg_free(&to, &pool, objects[i], 2);
        }
        CHECK(n > 30 || sp__alloc_failed());
        sp__alloc_fail_after(-1);
        sp__msg_cache_finish(&from);
        sp__msg_cache_finish(&to);
        sp__msg_pool_finish(&pool);
    }
}

TEST(msg_free_when_memory_is_out_goes_to_the_slab)
{
    static struct sp__msg_pool pool;
    static void *objects[1000];
    struct sp__msg_cache from;
    struct sp__msg_cache to;
    sp__msg_pool_init(&pool, NULL);
    sp__msg_cache_init(&from, &pool);
    sp__msg_cache_init(&to, &pool);
    for (int i = 0; i < 1000; i++)
        objects[i] = object_alloc(&from, &pool, 1024).ptr;
    sp__msg_cache_finish(&from);
    sp__alloc_fail_from(0);
    for (int i = 0; i < 1000; i++)
        sp__msg_free(&to, &pool, objects[i], 8);
    CHECK_INT(sp__msg_pool_bytes(&pool), 0);
    sp__alloc_fail_from(-1);
    sp__msg_pool_finish(&pool);
}

#endif

/* --- stress: a ring of threads, each allocating, checking and passing on ---------------------- */

enum { THREADS = 4, LANE = 64 };

/* A bounded lane from one thread to the next. */
struct lane {
    SP__CACHE_ALIGNED _Atomic long head;
    SP__CACHE_ALIGNED _Atomic long tail;
    struct object objects[LANE];
};

struct ring {
    struct sp__msg_pool pool;
    struct lane lanes[THREADS];
    long rounds;
};

struct member {
    struct ring *ring;
    int self;
};

static bool lane_push(struct lane *lane, struct object object)
{
    long tail = atomic_load_explicit(&lane->tail, memory_order_relaxed);
    /* acquire / release: pair with those of lane_pop() on the other side. */
    if (tail - atomic_load_explicit(&lane->head, memory_order_acquire) == LANE)
        return false;
    lane->objects[tail % LANE] = object;
    atomic_store_explicit(&lane->tail, tail + 1, memory_order_release);
    return true;
}

static bool lane_pop(struct lane *lane, struct object *out_object)
{
    long head = atomic_load_explicit(&lane->head, memory_order_relaxed);
    /* acquire / release: pair with those of lane_push() on the other side. */
    if (atomic_load_explicit(&lane->tail, memory_order_acquire) == head)
        return false;
    *out_object = lane->objects[head % LANE];
    atomic_store_explicit(&lane->head, head + 1, memory_order_release);
    return true;
}

static void member_drain(struct member *member, struct sp__msg_cache *cache, long *received)
{
    struct object object;
    while (lane_pop(&member->ring->lanes[member->self], &object)) {
        size_t size = sp__msg_class_bytes[object.class_index];
        unsigned char *bytes = object.ptr;
        CHECK_INT(bytes[0], bytes[size - 1]);
        memset(bytes, 0, size);
        sp__msg_free(*received % 50 == 0 ? NULL : cache, &member->ring->pool, bytes,
                     object.class_index);
        ++*received;
    }
}

static void *member_main(void *arg)
{
    struct member *member = arg;
    struct ring *ring = member->ring;
    struct lane *next = &ring->lanes[(member->self + 1) % THREADS];
    struct sp__msg_cache cache;
    long received = 0;
    sp__msg_cache_init(&cache, &ring->pool);
    for (long sent = 0; sent < ring->rounds; sent++) {
        struct object object = object_alloc(&cache, &ring->pool, (size_t)(sent * 37 % 1025));
        memset(object.ptr, (int)(sent & 0xff), sp__msg_class_bytes[object.class_index]);
        while (!lane_push(next, object)) {
            member_drain(member, &cache, &received);
            sched_yield();
        }
        member_drain(member, &cache, &received);
    }
    while (received < ring->rounds) {
        member_drain(member, &cache, &received);
        sched_yield();
    }
    sp__msg_cache_finish(&cache);
    return NULL;
}

TEST(msg_stress_ring_of_threads_loses_and_mixes_nothing)
{
    static struct ring ring;
    struct member members[THREADS];
    pthread_t threads[THREADS];
    struct sp__msg_pool_options few = { .batches_max = 1 };
    ring.rounds = sp_test_slow() ? 20000 : 200000;
    sp__msg_pool_init(&ring.pool, &few);
    for (int i = 0; i < THREADS; i++) {
        members[i] = (struct member){ .ring = &ring, .self = i };
        CHECK_INT(pthread_create(&threads[i], NULL, member_main, &members[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    sp__msg_pool_finish(&ring.pool);
    CHECK_INT(sp__msg_pool_bytes(&ring.pool), 0);
}
