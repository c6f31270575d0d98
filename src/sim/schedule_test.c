#include "sim/schedule.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void path_new(char path[64])
{
    (void)snprintf(path, 64, "/tmp/spawned-schedule-XXXXXX");
    int file = mkstemp(path);
    CHECK(file >= 0);
    (void)close(file);
}

static struct sim_schedule schedule_of(size_t count)
{
    struct sim_schedule schedule = { .count = 0 };
    for (size_t i = 0; i < count; i++)
        CHECK_OK(sim_schedule_add(
            &schedule, (struct sim_choice){ .kind = (enum sp__choice)(i % SP__CHOICE_COUNT),
                                            .at = UINT64_MAX - i,
                                            .step = i,
                                            .to = 7 * i }));
    return schedule;
}

TEST(schedule_saved_and_loaded_is_the_same)
{
    char path[64];
    char test[256];
    uint64_t seed = 0;
    int line = 0;
    struct sim_schedule out;
    struct sim_schedule schedule = schedule_of(100);
    path_new(path);
    CHECK_OK(sim_schedule_save(path, "some_test", UINT64_MAX - 1, &schedule));
    CHECK_OK(sim_schedule_load(path, test, &seed, &out, &line));
    CHECK_STR(test, "some_test");
    CHECK(seed == UINT64_MAX - 1);
    CHECK_INT(out.count, 100);
    for (size_t i = 0; i < 100; i++) {
        CHECK_INT(out.choices[i].kind, schedule.choices[i].kind);
        CHECK(out.choices[i].at == UINT64_MAX - i && out.choices[i].step == i);
        CHECK_INT(out.choices[i].to, 7 * i);
    }
    sim_schedule_finish(&out);
    sim_schedule_finish(&schedule);
    (void)unlink(path);
}

TEST(schedule_save_where_no_file_can_be_gives_io)
{
    struct sim_schedule schedule = { .count = 0 };
    CHECK_ERR(sim_schedule_save("/nowhere/at/all.sim", "t", 1, &schedule), SP_ERR_IO);
}

TEST(schedule_load_without_a_file_gives_io)
{
    char test[256];
    uint64_t seed = 0;
    int line = 0;
    struct sim_schedule out;
    CHECK_ERR(sim_schedule_load("/nowhere/at/all.sim", test, &seed, &out, &line), SP_ERR_IO);
}

static void malformed(const char *text, int expected_line)
{
    char path[64];
    char test[256];
    uint64_t seed = 0;
    int line = 0;
    struct sim_schedule out;
    path_new(path);
    FILE *file = fopen(path, "we");
    CHECK(file != NULL);
    CHECK(fputs(text, file) >= 0);
    CHECK(fclose(file) == 0);
    CHECK_ERR(sim_schedule_load(path, test, &seed, &out, &line), SP_ERR_INVALID);
    CHECK_INT(line, expected_line);
    CHECK_INT(out.count, 0);
    (void)unlink(path);
}

TEST(schedule_load_of_a_malformed_file_says_which_line)
{
    malformed("", 1);
    malformed("something else\n", 1);
    malformed("spawned schedule 2\ntest t\nseed 0x1\n", 1);
    malformed("spawned schedule 1\n", 2);
    malformed("spawned schedule 1\nrest t\nseed 0x1\n", 2);
    malformed("spawned schedule 1\ntest t\n", 3);
    malformed("spawned schedule 1\ntest t\nseed x\n", 3);
    malformed("spawned schedule 1\ntest t\nseed 0x1\nafter 1 2 let 3\n", 4);
    malformed("spawned schedule 1\ntest t\nseed 0x1\nbefore 1 2 let 3\nbefore 1 2\n", 5);
    malformed("spawned schedule 1\ntest t\nseed 0x1\ndata 1 2 is 3\nnothing 1 2 is 3\n", 5);
    malformed("spawned schedule 1\ntest t\nseed 0x1\ndata 1 2 was 3\n", 4);
}

TEST(schedule_without_leaves_a_range_out)
{
    struct sim_schedule schedule = schedule_of(5);
    struct sim_schedule out;
    CHECK_OK(sim_schedule_without(&schedule, 1, 3, &out));
    CHECK_INT(out.count, 2);
    CHECK_INT(out.choices[0].step, 0);
    CHECK_INT(out.choices[1].step, 4);
    sim_schedule_finish(&out);
    CHECK_OK(sim_schedule_without(&schedule, 3, 100, &out));
    CHECK_INT(out.count, 3);
    sim_schedule_finish(&out);
    sim_schedule_finish(&schedule);
}

TEST(schedule_followed_uses_each_entry_once_and_passes_over_what_does_not_arise)
{
    struct sp__task a = { .label = 1, .steps = 4 };
    struct sp__task b = { .label = 2 };
    struct sp__task c = { .label = 3 };
    struct sp__task *const all[] = { &a, &b, &c };
    struct sp__task *const without_c[] = { &a, &b };
    struct sim_schedule schedule = { .count = 0 };
    struct sim_follower follower;
    CHECK_OK(sim_schedule_add(&schedule, (struct sim_choice){ .at = 1, .step = 4, .to = 3 }));
    CHECK_OK(sim_schedule_add(&schedule, (struct sim_choice){ .at = 1, .step = 9, .to = 2 }));
    CHECK_OK(sim_follower_init(&follower, &schedule));
    CHECK_INT(sim_follower_choose(&follower, all, 3, 1), 1);       /* not what `at` says */
    CHECK_INT(sim_follower_choose(&follower, without_c, 2, 0), 0); /* `to` is not there */
    CHECK_INT(sim_follower_choose(&follower, all, 3, 0), 2);
    CHECK_INT(sim_follower_choose(&follower, all, 3, 0), 0); /* used */
    a.steps = 9;
    CHECK_INT(sim_follower_choose(&follower, all, 3, 0), 1);
    sim_follower_finish(&follower);
    sim_schedule_finish(&schedule);
}

TEST(schedule_followed_says_what_is_drawn)
{
    struct sim_schedule schedule = { .count = 0 };
    struct sim_follower follower;
    struct sim_choice data = { .kind = SP__CHOICE_DATA, .at = 8, .step = 2, .to = 5 };
    struct sim_choice large = { .kind = SP__CHOICE_DATA, .at = 8, .step = 3, .to = 90 };
    CHECK_OK(sim_schedule_add(&schedule, data));
    CHECK_OK(sim_schedule_add(&schedule, large));
    CHECK_OK(sim_follower_init(&follower, &schedule));
    CHECK_INT(sim_follower_draw(&follower, SP__CHOICE_BUGGIFY, 8, 2, 10), 0); /* another kind */
    CHECK_INT(sim_follower_draw(&follower, SP__CHOICE_DATA, 9, 2, 10), 0);
    CHECK_INT(sim_follower_draw(&follower, SP__CHOICE_DATA, 8, 2, 10), 5);
    CHECK_INT(sim_follower_draw(&follower, SP__CHOICE_DATA, 8, 2, 10), 0); /* used */
    CHECK_INT(sim_follower_draw(&follower, SP__CHOICE_DATA, 8, 3, 10), 0); /* too large now */
    sim_follower_finish(&follower);
    sim_schedule_finish(&schedule);
}

TEST(schedule_followed_finds_each_of_many)
{
    enum { MANY = 5000 };
    struct sim_schedule schedule = { .count = 0 };
    struct sim_follower follower;
    for (uint64_t i = 0; i < MANY; i++)
        CHECK_OK(sim_schedule_add(
            &schedule,
            (struct sim_choice){ .kind = SP__CHOICE_DATA, .at = i % 7, .step = i, .to = i + 1 }));
    CHECK_OK(sim_follower_init(&follower, &schedule));
    for (uint64_t i = MANY; i-- > 0;)
        CHECK_INT(sim_follower_draw(&follower, SP__CHOICE_DATA, i % 7, i, MANY + 1), i + 1);
    sim_follower_finish(&follower);
    sim_schedule_finish(&schedule);
}
