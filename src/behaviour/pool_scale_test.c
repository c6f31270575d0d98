/* The arithmetic of pools, on a clock of the test's own. */
#include "behaviour/pool_scale.h"

#include "support/test.h"

static sp_time at_ms(int64_t ms)
{
    return (sp_time){ 1000 * SP_NS_PER_S + ms * SP_NS_PER_MS };
}

/* A resizer, the bounds 1 and 100, and the size it has come to. */
struct bench {
    struct sp__resizer resizer;
    struct sp_pool_scaling scaling;
    uint32_t size;
    int64_t look_at;
};

static struct bench bench_make(struct sp_pool_scaling scaling, uint32_t size)
{
    return (struct bench){ .scaling = sp__scaling_complete(&scaling), .size = size };
}

static uint32_t judge(struct bench *bench, uint64_t jobs, int64_t ms)
{
    struct sp__pool_load load = { .size = bench->size, .min = 1, .max = 100, .jobs = jobs };
    bench->size =
        sp__resizer_judge(&bench->resizer, &bench->scaling, &load, at_ms(ms), &bench->look_at);
    return bench->size;
}

TEST(defaults_are_completed_and_valid)
{
    struct sp_pool_scaling all = sp__scaling_complete(&(struct sp_pool_scaling){ 0 });
    CHECK(sp__scaling_valid(&all));
    CHECK_INT(all.grow_above, 150);
    CHECK_INT(all.shrink_below, 50);
    CHECK_INT(all.cooldown.ns, SP_NS_PER_S);
    all.shrink_below = all.grow_above;
    CHECK(!sp__scaling_valid(&all));
    all.shrink_below = 0;
    all.cooldown = sp_ns(-1);
    CHECK(!sp__scaling_valid(&all));
}

TEST(between_the_thresholds_nothing_changes)
{
    struct bench bench = bench_make((struct sp_pool_scaling){ 0 }, 10);
    for (uint64_t jobs = 5; jobs <= 15; jobs++) {
        CHECK_INT(judge(&bench, jobs, (int64_t)jobs * 60000), 10);
        CHECK_INT(bench.look_at, INT64_MAX);
    }
}

/* 20 % rounded up: 1, 2, 3, 4, 5, 6, 8; never twice within the cooldown. */
TEST(a_high_load_grows_it_once_for_each_cooldown)
{
    static const uint32_t sizes[] = { 2, 3, 4, 5, 6, 8, 10, 12 };
    struct bench bench = bench_make((struct sp_pool_scaling){ 0 }, 1);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int64_t now = (int64_t)i * 1000;
        CHECK_INT(judge(&bench, 1000, now), sizes[i]);
        CHECK_INT(bench.look_at, at_ms(now + 1000).ns);
        CHECK_INT(judge(&bench, 1000, now + 999), sizes[i]);
        CHECK_INT(bench.look_at, at_ms(now + 1000).ns);
    }
}

TEST(it_does_not_grow_over_the_maximum)
{
    struct bench bench = bench_make((struct sp_pool_scaling){ .grow_by = 1000 }, 70);
    CHECK_INT(judge(&bench, 100000, 0), 100);
    CHECK_INT(judge(&bench, 100000, 60000), 100);
    CHECK_INT(bench.look_at, INT64_MAX);
}

TEST(a_low_load_must_last)
{
    struct bench bench = bench_make((struct sp_pool_scaling){ 0 }, 10);
    CHECK_INT(judge(&bench, 4, 0), 10);
    CHECK_INT(bench.look_at, at_ms(10000).ns);
    CHECK_INT(judge(&bench, 5, 9999), 10); /* not low: from the beginning */
    CHECK_INT(judge(&bench, 4, 10000), 10);
    CHECK_INT(judge(&bench, 4, 19999), 10);
    CHECK_INT(judge(&bench, 4, 20000), 9);
    CHECK_INT(bench.look_at, at_ms(21000).ns);
    CHECK_INT(judge(&bench, 4, 21000), 8); /* it is low still: on with each cooldown */
    CHECK_INT(judge(&bench, 4, 22000), 8); /* 4 of 8 is not below one half */
}

/* 140 jobs of 100 workers are no reason to grow, and must not become one. */
TEST(it_never_shrinks_to_where_it_would_grow)
{
    struct sp_pool_scaling scaling = { .shrink_below = 149,
                                       .shrink_by = 90,
                                       .shrink_after = sp_ms(1) };
    struct bench bench = bench_make(scaling, 100);
    CHECK_INT(judge(&bench, 140, 0), 100);
    CHECK_INT(judge(&bench, 140, 2), 94);
    CHECK_INT(judge(&bench, 140, 5000), 94);
    CHECK_INT(judge(&bench, 140, 500000), 94);
    CHECK_INT(bench.look_at, INT64_MAX);
}

TEST(it_shrinks_to_the_minimum_and_stays)
{
    struct bench bench = bench_make((struct sp_pool_scaling){ .shrink_by = 100 }, 10);
    CHECK_INT(judge(&bench, 0, 0), 10);
    CHECK_INT(judge(&bench, 0, 10000), 1);
    CHECK_INT(judge(&bench, 0, 100000), 1);
    CHECK_INT(bench.look_at, INT64_MAX);
}

TEST(no_load_overflows)
{
    struct bench bench = bench_make((struct sp_pool_scaling){ 0 }, 10);
    CHECK_INT(judge(&bench, UINT32_MAX, 0), 12);
}

static int64_t taken_until(struct sp__bucket *bucket, int64_t ms)
{
    int64_t at;
    int64_t count = 0;
    while (sp__bucket_take(bucket, at_ms(ms), &at))
        count++;
    CHECK(at > at_ms(ms).ns);
    return count;
}

TEST(a_bucket_gives_its_burst_and_then_its_rate)
{
    struct sp__bucket bucket = sp__bucket_make(&(struct sp_pool_rate){ .jobs = 10, .burst = 3 });
    CHECK_INT(taken_until(&bucket, 0), 3);
    CHECK_INT(taken_until(&bucket, 99), 0);
    CHECK_INT(taken_until(&bucket, 100), 1);
    CHECK_INT(taken_until(&bucket, 350), 2); /* those of 200 and 300, */
    CHECK_INT(taken_until(&bucket, 400), 1); /* and no drift */
    CHECK_INT(taken_until(&bucket, 60000), 3);
}

TEST(a_bucket_says_when_to_come_again)
{
    struct sp__bucket bucket =
        sp__bucket_make(&(struct sp_pool_rate){ .jobs = 1, .per = sp_sec(60) });
    int64_t at = 0;
    CHECK(sp__bucket_take(&bucket, at_ms(0), &at));
    CHECK(!sp__bucket_take(&bucket, at_ms(1), &at));
    CHECK_INT(at, at_ms(60000).ns);
    CHECK(sp__bucket_take(&bucket, (sp_time){ at }, &at));
}

TEST(without_a_rate_there_is_no_limit)
{
    struct sp__bucket bucket = sp__bucket_make(&(struct sp_pool_rate){ 0 });
    int64_t at;
    for (int i = 0; i < 1000; i++)
        CHECK(sp__bucket_take(&bucket, at_ms(0), &at));
}

TEST(the_largest_burst_does_not_overflow)
{
    struct sp__bucket bucket = sp__bucket_make(
        &(struct sp_pool_rate){ .jobs = 1, .per = sp_sec(1000000), .burst = UINT32_MAX });
    int64_t at;
    for (int i = 0; i < 1000; i++)
        CHECK(sp__bucket_take(&bucket, at_ms(0), &at));
}
