/* Histograms: where values go, how wide a bucket is, what many threads add. */
#include "runtime/histogram.h"

#include "base/alloc.h"
#include "support/test.h"

#include <pthread.h>

TEST(buckets_follow_each_other_without_a_gap)
{
    CHECK_INT(sp__histogram_low(0), 0);
    for (uint32_t i = 0; i + 1 < SP__HISTOGRAM_BUCKETS; i++) {
        CHECK(sp__histogram_low(i + 1) == sp__histogram_high(i) + 1);
        CHECK(sp__histogram_low(i) <= sp__histogram_high(i));
        CHECK_INT(sp__histogram_bucket(sp__histogram_low(i)), i);
        CHECK_INT(sp__histogram_bucket(sp__histogram_high(i)), i);
    }
    CHECK_INT(sp__histogram_bucket(UINT64_MAX), SP__HISTOGRAM_BUCKETS - 1);
    CHECK(sp__histogram_high(SP__HISTOGRAM_BUCKETS - 1) == UINT64_MAX);
}

TEST(a_bucket_is_no_wider_than_a_32nd_of_its_values)
{
    for (uint32_t i = 1; i < SP__HISTOGRAM_BUCKETS; i++) {
        uint64_t width = sp__histogram_high(i) - sp__histogram_low(i) + 1;
        CHECK(width == 1 || width * SP__HISTOGRAM_PAGE <= sp__histogram_low(i));
    }
}

static uint64_t count_at(struct sp__histogram *histogram, uint64_t value)
{
    uint32_t bucket = sp__histogram_bucket(value);
    struct sp__histogram_page *page = histogram->pages[bucket / SP__HISTOGRAM_PAGE];
    return page == NULL ? 0 : page->counts[bucket % SP__HISTOGRAM_PAGE];
}

TEST(values_are_counted_with_their_weight)
{
    struct sp__histogram histogram = { .sum = 0 };
    sp__histogram_add(&histogram, 7, 1);
    sp__histogram_add(&histogram, 1000000, 3);
    sp__histogram_add_shared(&histogram, 1000000, 2);
    CHECK_INT(count_at(&histogram, 7), 1);
    CHECK_INT(count_at(&histogram, 1000000), 5);
    CHECK_INT(count_at(&histogram, 8), 0);
    CHECK_INT(histogram.sum, 5000007);
    CHECK_INT(histogram.max, 1000000);
    sp__histogram_finish(&histogram);
}

#ifdef SPAWNED_FAULT_INJECTION
TEST(without_memory_a_value_is_lost_and_that_is_counted)
{
    struct sp__histogram histogram = { .sum = 0 };
    sp__alloc_fail_from(0);
    sp__histogram_add(&histogram, 7, 2);
    sp__histogram_add_shared(&histogram, 7, 1);
    CHECK(sp__alloc_failed());
    sp__alloc_fail_from(-1);
    CHECK_INT(histogram.lost, 3);
    CHECK_INT(histogram.sum, 0);
    sp__histogram_finish(&histogram);
}
#endif

enum { THREADS = 4, VALUES = 20000 };

static void *adder(void *arg)
{
    for (uint64_t i = 0; i < VALUES; i++)
        sp__histogram_add_shared(arg, i * i, 1);
    return NULL;
}

TEST(many_threads_lose_nothing)
{
    struct sp__histogram histogram = { .sum = 0 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, adder, &histogram), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint64_t count = 0;
    for (uint32_t i = 0; i < SP__HISTOGRAM_BUCKETS; i++)
        count += count_at(&histogram, sp__histogram_low(i));
    CHECK_INT(count, THREADS * VALUES);
    CHECK_INT(histogram.max, (uint64_t)(VALUES - 1) * (VALUES - 1));
    sp__histogram_finish(&histogram);
}
