/* The arithmetic of backoff, on a clock and random numbers of the test's own. */
#include "behaviour/backoff.h"

#include "support/test.h"

static sp_time at_sec(int64_t sec)
{
    return (sp_time){ sec * SP_NS_PER_S };
}

static struct sp_backoff resolved(struct sp_backoff settings)
{
    struct sp_backoff out;
    CHECK_OK(sp__backoff_resolve(&settings, &out));
    return out;
}

static int64_t next_sec(struct sp__backoff *backoff, const struct sp_backoff *settings, int64_t sec)
{
    return sp__backoff_next(backoff, settings, at_sec(sec), 0).ns / SP_NS_PER_S;
}

/* case 79: 1, 2, 4, 8, 16, 30, 30 s while each start fails. */
TEST(backoff_doubles_from_min_to_max)
{
    static const int64_t expected[] = { 1, 2, 4, 8, 16, 30, 30 };
    struct sp_backoff settings =
        resolved((struct sp_backoff){ .min = sp_sec(1), .max = sp_sec(30) });
    struct sp__backoff backoff = { 0 };
    int64_t now = 0;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        CHECK_INT(next_sec(&backoff, &settings, now), expected[i]);
        now += expected[i];
    }
}

/* case 79: (min + max) / 2 of running, and the next failure waits 1 s. */
TEST(backoff_begins_again_after_the_quiet_time)
{
    struct sp_backoff settings =
        resolved((struct sp_backoff){ .min = sp_sec(1), .max = sp_sec(30) });
    struct sp__backoff backoff = { 0 };
    CHECK_INT(settings.reset_after.ns, sp_ms(15500).ns);
    CHECK_INT(next_sec(&backoff, &settings, 0), 1);
    CHECK_INT(next_sec(&backoff, &settings, 1), 2);

    sp__backoff_started(&backoff, at_sec(10));
    CHECK_INT(next_sec(&backoff, &settings, 25), 4); /* ran 15 s: not long enough */
    sp__backoff_started(&backoff, at_sec(30));
    sp_time exactly = { at_sec(30).ns + sp_ms(15500).ns };
    CHECK_INT(sp__backoff_next(&backoff, &settings, exactly, 0).ns, sp_sec(1).ns);
}

/* Time spent waiting and failing to start is not time spent running. */
TEST(backoff_does_not_count_failed_starts_as_quiet)
{
    struct sp_backoff settings =
        resolved((struct sp_backoff){ .min = sp_sec(1), .max = sp_sec(4) });
    struct sp__backoff backoff = { 0 };
    sp__backoff_started(&backoff, at_sec(0));
    CHECK_INT(next_sec(&backoff, &settings, 1), 1);
    CHECK_INT(next_sec(&backoff, &settings, 1000), 2);
    CHECK_INT(next_sec(&backoff, &settings, 2000), 4);
}

TEST(backoff_first_failure_after_a_long_run_waits_min)
{
    struct sp_backoff settings = resolved((struct sp_backoff){ .min = sp_sec(2) });
    struct sp__backoff backoff = { 0 };
    sp__backoff_started(&backoff, at_sec(0));
    CHECK_INT(next_sec(&backoff, &settings, 100000), 2);
    CHECK_INT(next_sec(&backoff, &settings, 100001), 4);
}

TEST(backoff_jitter_lengthens_by_up_to_its_part)
{
    struct sp_backoff settings =
        resolved((struct sp_backoff){ .min = sp_sec(10), .max = sp_sec(10), .jitter = 0.5 });
    struct sp__backoff backoff = { 0 };
    CHECK_INT(sp__backoff_next(&backoff, &settings, at_sec(0), 0).ns, sp_sec(10).ns);
    int64_t most = sp__backoff_next(&backoff, &settings, at_sec(0), UINT64_MAX).ns;
    CHECK(most > sp_ms(14999).ns && most < sp_sec(15).ns);
    int64_t half = sp__backoff_next(&backoff, &settings, at_sec(0), UINT64_C(1) << 63).ns;
    CHECK_INT(half, sp_ms(12500).ns);
}

TEST(backoff_jitter_is_not_carried_on)
{
    struct sp_backoff settings =
        resolved((struct sp_backoff){ .min = sp_sec(1), .max = sp_sec(30), .jitter = 1.0 });
    struct sp__backoff backoff = { 0 };
    CHECK(sp__backoff_next(&backoff, &settings, at_sec(0), UINT64_MAX).ns > sp_ms(1999).ns);
    CHECK_INT(sp__backoff_next(&backoff, &settings, at_sec(0), 0).ns, sp_sec(2).ns);
}

TEST(backoff_factor_one_keeps_the_delay)
{
    struct sp_backoff settings = resolved((struct sp_backoff){ .min = sp_sec(3), .factor = 1.0 });
    struct sp__backoff backoff = { 0 };
    for (int i = 0; i < 50; i++)
        CHECK_INT(next_sec(&backoff, &settings, 0), 3);
}

TEST(backoff_never_overflows)
{
    struct sp_backoff settings = resolved((struct sp_backoff){
        .min = sp_sec(1), .max = sp_ns(INT64_MAX / 4), .factor = 1000.0, .jitter = 1.0 });
    struct sp__backoff backoff = { 0 };
    for (int i = 0; i < 100; i++)
        CHECK(sp__backoff_next(&backoff, &settings, at_sec(0), UINT64_MAX).ns > 0);
}

TEST(backoff_defaults)
{
    struct sp_backoff settings = resolved((struct sp_backoff){ .min = sp_ms(100) });
    CHECK_INT(settings.max.ns, sp_sec(30).ns);
    CHECK(settings.factor == 2.0);
    CHECK(settings.jitter == 0.0);
    CHECK_INT(settings.reset_after.ns, sp_ms(15050).ns);
    CHECK_INT(settings.stash_max, 1000);
    CHECK(!settings.count_restarts);
    CHECK_INT(resolved((struct sp_backoff){ .min = sp_sec(60) }).max.ns, sp_sec(60).ns);
    CHECK_INT(resolved((struct sp_backoff){ .max = sp_sec(60) }).max.ns, 0);
}

TEST(backoff_resolving_twice_changes_nothing)
{
    struct sp_backoff once = resolved((struct sp_backoff){ .min = sp_ms(100), .jitter = 0.2 });
    struct sp_backoff twice = resolved(once);
    CHECK_INT(once.max.ns, twice.max.ns);
    CHECK_INT(once.reset_after.ns, twice.reset_after.ns);
    CHECK(once.factor == twice.factor && once.jitter == twice.jitter);
    CHECK_INT(once.stash_max, twice.stash_max);
}

TEST(backoff_refuses_numbers_out_of_range)
{
    static const struct sp_backoff bad[] = {
        { .min = { -1 } },
        { .min = { 1 }, .max = { -1 } },
        { .min = { 2 }, .max = { 1 } },
        { .min = { 1 }, .reset_after = { -1 } },
        { .min = { 1 }, .factor = 0.5 },
        { .min = { 1 }, .factor = 1001.0 },
        { .min = { 1 }, .factor = -2.0 },
        { .min = { 1 }, .factor = __builtin_nan("") },
        { .min = { 1 }, .jitter = -0.1 },
        { .min = { 1 }, .jitter = 1.1 },
        { .min = { 1 }, .jitter = __builtin_nan("") },
        { .min = { 1 }, .max = { INT64_MAX } },
    };
    struct sp_backoff out;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(sp__backoff_resolve(&bad[i], &out), SP_ERR_INVALID);
}
