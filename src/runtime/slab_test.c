/* Slabs: numbers, limits, stale readers' memory, and threads that take and give at once. */
#include "runtime/slab.h"

#include "base/alloc.h"
#include "support/test.h"

#include <pthread.h>
#include <string.h>

struct item {
    _Atomic uint32_t owners;
    char rest[20];
};

static struct sp__slab *slab_of(uint32_t max)
{
    struct sp__slab *slab;
    CHECK_OK(sp__slab_create(sizeof(struct item), _Alignof(struct item), max, &slab));
    return slab;
}

static uint32_t take(struct sp__slab *slab, struct item **out_item)
{
    uint32_t number = UINT32_MAX;
    void *item = NULL;
    CHECK_OK(sp__slab_take(slab, &number, &item));
    *out_item = item;
    return number;
}

TEST(slab_numbers_count_up_and_are_used_again_last_in_first_out)
{
    struct sp__slab *slab = slab_of(100);
    struct item *items[3];
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_INT(take(slab, &items[i]), i);
        CHECK_PTR(sp__slab_get(slab, i), items[i]);
    }
    CHECK_INT(sp__slab_high(slab), 3);
    sp__slab_give(slab, 0);
    sp__slab_give(slab, 2);
    struct item *again;
    CHECK_INT(take(slab, &again), 2);
    CHECK_PTR(again, items[2]);
    CHECK_INT(take(slab, &again), 0);
    CHECK_INT(take(slab, &again), 3);
    sp__slab_destroy(slab);
}

TEST(slab_memory_is_zero_at_first_and_then_as_it_was_left)
{
    struct sp__slab *slab = slab_of(10);
    static const struct item zero;
    struct item *item;
    uint32_t number = take(slab, &item);
    CHECK_MEM(item, &zero, sizeof zero);
    memset(item, 7, sizeof *item);
    sp__slab_give(slab, number);
    CHECK_INT(take(slab, &item), number);
    CHECK_INT(item->rest[5], 7);
    sp__slab_destroy(slab);
}

TEST(slab_of_many_steps_keeps_its_limit)
{
    enum { MAX = 200005 }; /* into the huge pages */
    struct sp__slab *slab = slab_of(MAX);
    struct item *item;
    for (uint32_t i = 0; i < MAX; i++) {
        CHECK_INT(take(slab, &item), i);
        CHECK_INT((uintptr_t)item % _Alignof(struct item), 0);
    }
    uint32_t number = 77;
    void *unused;
    CHECK_ERR(sp__slab_take(slab, &number, &unused), SP_ERR_LIMIT);
    CHECK_INT(number, 77);
    CHECK_PTR(sp__slab_get(slab, MAX), NULL);
    CHECK_PTR(sp__slab_get(slab, UINT32_MAX), NULL);
    sp__slab_give(slab, 1500);
    CHECK_INT(take(slab, &item), 1500);
    sp__slab_destroy(slab);
}

TEST(slab_finds_nothing_where_no_slot_is)
{
    struct sp__slab *slab = slab_of(10000);
    CHECK_PTR(sp__slab_get(slab, 0), NULL);
    struct item *item;
    CHECK_INT(take(slab, &item), 0);
    CHECK_PTR(sp__slab_get(slab, 0), item);
    CHECK_PTR(sp__slab_get(slab, 1), NULL);
    sp__slab_destroy(slab);
    sp__slab_destroy(NULL);
}

TEST(slab_refuses_more_than_it_can_number)
{
    struct sp__slab *slab = NULL;
    CHECK_ERR(sp__slab_create(8, 8, SP__SLAB_MAX + 1, &slab), SP_ERR_INVALID);
    CHECK_PTR(slab, NULL);
}

#ifdef SPAWNED_FAULT_INJECTION
TEST(slab_without_memory_can_be_asked_again)
{
    struct sp__slab *slab = NULL;
    sp__alloc_fail_after(0);
    CHECK_ERR(sp__slab_create(8, 8, 10, &slab), SP_ERR_NOMEM);
    CHECK_PTR(slab, NULL);
    slab = slab_of(10);
    uint32_t number = UINT32_MAX;
    void *item;
    sp__alloc_fail_after(0);
    CHECK_ERR(sp__slab_take(slab, &number, &item), SP_ERR_NOMEM);
    CHECK_OK(sp__slab_take(slab, &number, &item));
    CHECK_INT(number, 0);
    sp__slab_destroy(slab);
}
#endif

TEST(slab_cache_fetches_and_gives_back_in_batches)
{
    enum { MAX = 3 * SP__SLAB_CACHE_MAX };
    struct sp__slab *slab = slab_of(MAX);
    struct sp__slab_cache cache;
    sp__slab_cache_init(&cache, slab);
    uint32_t number = UINT32_MAX;
    void *item = NULL;
    for (uint32_t i = 0; i < MAX; i++) {
        CHECK_OK(sp__slab_cache_take(&cache, &number, &item));
        CHECK_INT(number, i);
        CHECK_PTR(item, sp__slab_get(slab, i));
    }
    CHECK_ERR(sp__slab_cache_take(&cache, &number, &item), SP_ERR_LIMIT);
    for (uint32_t i = 0; i < MAX; i++)
        sp__slab_cache_give(&cache, i);
    CHECK_INT(cache.count, SP__SLAB_CACHE_MAX);
    CHECK_OK(sp__slab_cache_take(&cache, &number, &item));
    CHECK_INT(number, MAX - 1); /* the one that came back last */
    sp__slab_cache_give(&cache, number);
    sp__slab_cache_finish(&cache);
    for (uint32_t i = 0; i < MAX; i++)
        CHECK_OK(sp__slab_take(slab, &number, &item));
    CHECK_ERR(sp__slab_take(slab, &number, &item), SP_ERR_LIMIT);
    sp__slab_destroy(slab);
}

static void *take_and_give(void *arg)
{
    struct sp__slab *slab = arg;
    int rounds = sp_test_slow() ? 2000 : 20000;
    for (int i = 0; i < rounds; i++) {
        struct item *item;
        uint32_t number = take(slab, &item);
        /* relaxed: only a count; the lock orders the rest. */
        CHECK_INT(atomic_fetch_add_explicit(&item->owners, 1, memory_order_relaxed), 0);
        item->rest[0] = (char)i;
        CHECK_PTR(sp__slab_get(slab, number), item);
        atomic_fetch_sub_explicit(&item->owners, 1, memory_order_relaxed);
        sp__slab_give(slab, number);
    }
    return NULL;
}

TEST(slab_caches_take_a_few_at_once_where_they_are_told_to)
{
    struct sp__slab *slab = slab_of(100);
    struct sp__slab_cache cache;
    uint32_t number = UINT32_MAX;
    void *item;
    sp__slab_set_fill(slab, 3);
    sp__slab_cache_init(&cache, slab);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_OK(sp__slab_cache_take(&cache, &number, &item));
        CHECK_INT(number, i);
    }
    CHECK_INT(sp__slab_high(slab), 6);
    sp__slab_set_fill(slab, 10 * SP__SLAB_BATCH);
    CHECK_INT(slab->fill, SP__SLAB_BATCH);
    sp__slab_cache_finish(&cache);
    sp__slab_destroy(slab);
}

/* What one thread's cache takes, another's gives back. */
struct exchange {
    struct sp__slab *slab;
    _Atomic uint32_t handed; /* number + 1; 0: taken over */
};

static void *give_what_comes(void *arg)
{
    struct exchange *exchange = arg;
    struct sp__slab_cache cache;
    sp__slab_cache_init(&cache, exchange->slab);
    uint32_t handed;
    /* acquire: pairs with the release of the taker; the item is ours. */
    while ((handed = atomic_exchange_explicit(&exchange->handed, 0, memory_order_acquire)) !=
           UINT32_MAX) {
        if (handed == 0)
            continue;
        struct item *item = sp__slab_get(exchange->slab, handed - 1);
        CHECK_INT(item->rest[0], 1);
        item->rest[0] = 0;
        sp__slab_cache_give(&cache, handed - 1);
    }
    sp__slab_cache_finish(&cache);
    return NULL;
}

static void exchange_hand(struct exchange *exchange, uint32_t handed)
{
    uint32_t expected;
    do {
        expected = 0;
        /* release: pairs with the acquire of the giver. */
    } while (!atomic_compare_exchange_weak_explicit(&exchange->handed, &expected, handed,
                                                    memory_order_release, memory_order_relaxed));
}

TEST(slab_caches_pass_slots_from_thread_to_thread)
{
    struct exchange exchange = { .slab = slab_of(4 * SP__SLAB_CACHE_MAX) };
    struct sp__slab_cache cache;
    sp__slab_cache_init(&cache, exchange.slab);
    pthread_t giver;
    CHECK_INT(pthread_create(&giver, NULL, give_what_comes, &exchange), 0);
    for (int i = 0; i < (sp_test_slow() ? 1000 : 5000); i++) {
        uint32_t number = UINT32_MAX;
        void *item = NULL;
        CHECK_OK(sp__slab_cache_take(&cache, &number, &item));
        CHECK_INT(((struct item *)item)->rest[0], 0);
        ((struct item *)item)->rest[0] = 1;
        exchange_hand(&exchange, number + 1);
    }
    exchange_hand(&exchange, UINT32_MAX);
    CHECK_INT(pthread_join(giver, NULL), 0);
    sp__slab_cache_finish(&cache);
    CHECK(sp__slab_high(exchange.slab) <= 4 * SP__SLAB_BATCH);
    sp__slab_destroy(exchange.slab);
}

TEST(slab_gives_each_slot_to_one_thread_at_a_time)
{
    pthread_t threads[3];
    struct sp__slab *slab = slab_of(3);
    for (int i = 0; i < 3; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, take_and_give, slab), 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK(sp__slab_high(slab) <= 3);
    sp__slab_destroy(slab);
}
