/* The arithmetic of the restart window, on a clock of the test's own. */
#include "behaviour/restart_window.h"

#include "support/test.h"

static sp_time at_ms(int64_t ms)
{
    return (sp_time){ ms * SP_NS_PER_MS };
}

static uint32_t count_at(struct sp__restart_window *window, int64_t ms)
{
    sp_duration oldest;
    return sp__restart_window_count(window, at_ms(ms), &oldest);
}

/* case 53, case 58: one restart in five seconds is the default, the second is too many. */
TEST(restart_window_default_admits_one_restart_in_five_seconds)
{
    struct sp__restart_window window;
    CHECK_OK(sp__restart_window_init(&window, 0, sp_ns(0)));
    CHECK_INT(window.max, 1);
    CHECK_INT(window.period.ns, sp_sec(5).ns);
    CHECK(sp__restart_window_add(&window, at_ms(0)));
    CHECK(!sp__restart_window_add(&window, at_ms(4999)));
    sp__restart_window_finish(&window);
}

/* case 58: intensity 0. */
TEST(restart_window_of_none_refuses_the_first)
{
    struct sp__restart_window window;
    CHECK_OK(sp__restart_window_init(&window, SP_RESTARTS_NONE, sp_sec(5)));
    CHECK_INT(window.max, 0);
    CHECK(!sp__restart_window_add(&window, at_ms(0)));
    sp__restart_window_finish(&window);
}

/* case 58: intensity 3 in 10 s refuses the fourth. */
TEST(restart_window_of_three_refuses_the_fourth)
{
    struct sp__restart_window window;
    CHECK_OK(sp__restart_window_init(&window, 3, sp_sec(10)));
    for (int64_t i = 0; i < 3; i++)
        CHECK(sp__restart_window_add(&window, at_ms(i * 3000)));
    CHECK(!sp__restart_window_add(&window, at_ms(9999)));
    sp__restart_window_finish(&window);
}

TEST(restart_window_counts_an_age_of_exactly_the_period)
{
    struct sp__restart_window window;
    CHECK_OK(sp__restart_window_init(&window, 1, sp_sec(5)));
    CHECK(sp__restart_window_add(&window, at_ms(1000)));
    CHECK_INT(count_at(&window, 6000), 1);
    CHECK(!sp__restart_window_add(&window, at_ms(6000)));
    sp__restart_window_finish(&window);
}

TEST(restart_window_forgets_just_behind_the_period)
{
    struct sp__restart_window window;
    CHECK_OK(sp__restart_window_init(&window, 1, sp_sec(5)));
    CHECK(sp__restart_window_add(&window, at_ms(1000)));
    sp_time just_after = { at_ms(6000).ns + 1 };
    CHECK(sp__restart_window_add(&window, just_after));
    sp__restart_window_finish(&window);
}

/* A window that starts anew every period would admit these; a sliding one does not. */
TEST(restart_window_slides)
{
    struct sp__restart_window window;
    CHECK_OK(sp__restart_window_init(&window, 2, sp_sec(10)));
    CHECK(sp__restart_window_add(&window, at_ms(0)));
    CHECK(sp__restart_window_add(&window, at_ms(9000)));
    CHECK(sp__restart_window_add(&window, at_ms(11000)));
    CHECK_INT(count_at(&window, 11000), 2);
    CHECK(!sp__restart_window_add(&window, at_ms(18000)));
    sp__restart_window_finish(&window);
}

TEST(restart_window_goes_round_its_ring_for_ever)
{
    struct sp__restart_window window;
    CHECK_OK(sp__restart_window_init(&window, 3, sp_sec(1)));
    for (int64_t i = 0; i < 1000; i++)
        CHECK(sp__restart_window_add(&window, at_ms(i * 400)));
    CHECK_INT(count_at(&window, 999 * 400), 3);
    CHECK_INT(window.total, 1000);
    sp__restart_window_finish(&window);
}

TEST(restart_window_reports_how_full_it_is_and_the_oldest_age)
{
    struct sp__restart_window window;
    sp_duration oldest;
    CHECK_OK(sp__restart_window_init(&window, 5, sp_sec(10)));
    CHECK_INT(sp__restart_window_count(&window, at_ms(0), &oldest), 0);
    CHECK_INT(oldest.ns, 0);
    CHECK(sp__restart_window_add(&window, at_ms(1000)));
    CHECK(sp__restart_window_add(&window, at_ms(4000)));
    CHECK_INT(sp__restart_window_count(&window, at_ms(5000), &oldest), 2);
    CHECK_INT(oldest.ns, sp_sec(4).ns);
    CHECK_INT(sp__restart_window_count(&window, at_ms(12000), &oldest), 1);
    CHECK_INT(oldest.ns, sp_sec(8).ns);
    sp__restart_window_finish(&window);
}

TEST(restart_window_report_says_it_all)
{
    struct sp__restart_window window;
    struct sp_supervisor_info info = { 0 };
    CHECK_OK(sp__restart_window_init(&window, 3, sp_sec(10)));
    CHECK(sp__restart_window_add(&window, at_ms(1000)));
    CHECK(sp__restart_window_add(&window, at_ms(9000)));
    sp__restart_window_report(&window, at_ms(12000), &info);
    CHECK_INT(info.max_restarts, 3);
    CHECK_INT(info.period.ns, sp_sec(10).ns);
    CHECK_INT(info.restarts_in_period, 1);
    CHECK_INT(info.oldest_restart.ns, sp_sec(3).ns);
    CHECK_INT(info.restarts, 2);
    sp__restart_window_finish(&window);
}

TEST(restart_window_stays_exceeded_without_overrunning_its_ring)
{
    struct sp__restart_window window;
    CHECK_OK(sp__restart_window_init(&window, 2, sp_sec(10)));
    for (int i = 0; i < 20; i++)
        CHECK_INT(sp__restart_window_add(&window, at_ms(i)), i < 2);
    CHECK_INT(count_at(&window, 20), 3);
    sp__restart_window_finish(&window);
}

TEST(restart_window_unlimited_admits_all)
{
    struct sp__restart_window window;
    CHECK_OK(sp__restart_window_init(&window, SP_RESTARTS_UNLIMITED, sp_ns(0)));
    for (int i = 0; i < 100000; i++)
        CHECK(sp__restart_window_add(&window, at_ms(0)));
    CHECK_INT(window.total, 100000);
    sp__restart_window_finish(&window);
}

TEST(restart_window_refuses_numbers_out_of_range)
{
    struct sp__restart_window window;
    CHECK_ERR(sp__restart_window_init(&window, SP_RESTARTS_MAX + 1, sp_sec(5)), SP_ERR_INVALID);
    CHECK_ERR(sp__restart_window_init(&window, 1, sp_ns(-1)), SP_ERR_INVALID);
    CHECK_OK(sp__restart_window_init(&window, SP_RESTARTS_MAX, sp_sec(5)));
    sp__restart_window_finish(&window);
}
