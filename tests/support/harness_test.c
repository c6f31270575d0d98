/* The harness, seen from outside: runs fixture/harness_cases.c and reads its report. */
#include "support/run.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

static const char harness_cases[] = SP_TEST_BIN_DIR "/harness_cases";

static void run_case(const char *filter, struct sp_test_output *out)
{
    sp_test_run(
        &(struct sp_test_command){ .program = harness_cases,
                                   .args = (const char *const[]){ "--filter", filter, NULL } },
        out);
}

/* Runs one case that must fail and say `message`. */
static void expect_failure(const char *filter, const char *message)
{
    struct sp_test_output out;
    run_case(filter, &out);
    CHECK_CONTAINS(out.out, message);
    CHECK_CONTAINS(out.out, "\n0 passed, 1 failed\n");
    CHECK_INT(out.status, 1);
    sp_test_output_free(&out);
}

TEST(harness_passing_case_is_counted)
{
    struct sp_test_output out;
    run_case("passes", &out);
    CHECK_CONTAINS(out.out, "ok   passes");
    CHECK_CONTAINS(out.out, "\n1 passed, 0 failed\n");
    CHECK(!strstr(out.out, "output of a case"));
    CHECK_INT(out.status, 0);
    sp_test_output_free(&out);
}

TEST(harness_verbose_shows_output_of_a_passing_case)
{
    struct sp_test_output out;
    sp_test_run(&(struct sp_test_command){ .program = harness_cases,
                                           .args = (const char *const[]){ "--verbose", "--filter",
                                                                          "passes", NULL } },
                &out);
    CHECK_CONTAINS(out.out, "output of a case that passes");
    sp_test_output_free(&out);
}

TEST(harness_failed_check_shows_place_and_values)
{
    expect_failure("fails_check", "harness_cases.c:28: CHECK(1 + 1 == 3): it is false");
    expect_failure("fails_int", "CHECK_INT(-3, 4): got -3 (0xfffffffffffffffd), expected 4 (0x4)");
    expect_failure("fails_str", "CHECK_STR(\"abc\", \"abd\"): got \"abc\", expected \"abd\"");
    expect_failure("fails_null", "got NULL, expected \"abd\"");
    expect_failure("fails_contains", "got \"abc\", which does not contain \"bd\"");
    expect_failure("fails_mem", "byte 2 of 3 is 0x63, expected 0x64");
    expect_failure("fails_ptr", ", expected 0");
    expect_failure("fails_err", "got SP_ERR_FULL (5), expected SP_ERR_OK (0)");
    expect_failure("fails_with_message", "FAIL: the number is 42");
    expect_failure("fails_with_message", "stdio is flushed");
}

TEST(harness_failed_check_stands_in_the_line_of_the_case)
{
    struct sp_test_output out;
    run_case("fails_check", &out);
    const char *line = strstr(out.out, "FAIL fails_check");
    CHECK(line != NULL);
    char copy[512];
    snprintf(copy, sizeof copy, "%.*s", (int)strcspn(line, "\n"), line);
    CHECK_CONTAINS(copy, "harness_cases.c:28: CHECK(1 + 1 == 3): it is false");
    sp_test_output_free(&out);
}

TEST(harness_check_may_fail_on_thread_and_fiber)
{
    expect_failure("fails_on_thread", "got \"thread\", expected \"main\"");
    expect_failure("fails_on_fiber", "got \"fiber\", expected \"main\"");
}

TEST(harness_crash_fails_one_case)
{
    expect_failure("crashes", "killed by signal 6");
}

TEST(harness_exit_inside_a_case_is_not_success)
{
    expect_failure("exits_early", "exited with status 0 before the case was over");
    expect_failure("fails_at_exit", "then its process exited with status 7");
}

TEST(harness_hang_is_aborted_and_reported)
{
    struct sp_test_output out;
    sp_test_run(
        &(struct sp_test_command){ .program = harness_cases,
                                   .args = (const char *const[]){ "--filter", "hangs", NULL },
                                   .env = (const char *const[]){ "SP_TEST_TIMEOUT=0.2", NULL } },
        &out);
    CHECK_CONTAINS(out.out, "FAIL hangs");
    CHECK_CONTAINS(out.out, "hung: aborted after 0.2 s");
    CHECK_INT(out.status, 1);
    sp_test_output_free(&out);
}

TEST(harness_skip_is_counted_with_its_reason)
{
    struct sp_test_output out;
    run_case("skips", &out);
    CHECK_CONTAINS(out.out, "skip skips: no such device");
    CHECK_CONTAINS(out.out, "0 passed, 0 failed, 1 skipped\n");
    CHECK_INT(out.status, 0);
    sp_test_output_free(&out);
}

/* The child holds the pipe that sp_test_run() reads: were it left alive, this would hang. */
TEST(harness_kills_what_a_case_leaves_behind)
{
    struct sp_test_output out;
    run_case("leaves_a_child", &out);
    CHECK_INT(out.status, 0);
    sp_test_output_free(&out);
}

TEST(harness_runs_everything_in_parallel_and_totals)
{
    struct sp_test_output out;
    sp_test_run(
        &(struct sp_test_command){ .program = harness_cases,
                                   .args = (const char *const[]){ "--jobs", "4", NULL },
                                   .env = (const char *const[]){ "SP_TEST_TIMEOUT=5", NULL } },
        &out);
    CHECK_CONTAINS(out.out, "\n2 passed, 15 failed, 1 skipped\n");
    CHECK_INT(out.status, 1);
    sp_test_output_free(&out);
}

TEST(harness_no_fork_stops_at_the_first_failure)
{
    struct sp_test_output out;
    sp_test_run(&(struct sp_test_command){ .program = harness_cases,
                                           .args = (const char *const[]){ "--no-fork", NULL } },
                &out);
    CHECK_CONTAINS(out.out, "1 passed, 1 failed\n");
    CHECK_INT(out.status, 1);
    sp_test_output_free(&out);
}

TEST(harness_lists_and_filters)
{
    struct sp_test_output out;
    sp_test_run(&(struct sp_test_command){ .program = harness_cases,
                                           .args = (const char *const[]){ "--list", "--filter",
                                                                          "on_", NULL } },
                &out);
    CHECK_STR(out.out, "fails_on_thread\nfails_on_fiber\n");
    sp_test_output_free(&out);
}

TEST(harness_wrong_options_and_empty_filters_are_errors)
{
    struct sp_test_output out;
    run_case("no case has this name", &out);
    CHECK_INT(out.status, 2);
    sp_test_output_free(&out);
    sp_test_run(&(struct sp_test_command){ .program = harness_cases,
                                           .args = (const char *const[]){ "--frobnicate", NULL } },
                &out);
    CHECK_INT(out.status, 2);
    CHECK_CONTAINS(out.err, "Usage:");
    sp_test_output_free(&out);
}
