/* Running programs from a case. */
#include "support/run.h"
#include "support/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void run_shell(const char *script, struct sp_test_output *out)
{
    sp_test_run(&(struct sp_test_command){ .program = "/bin/sh",
                                           .args = (const char *const[]){ "-c", script, NULL } },
                out);
}

TEST(run_collects_output_errors_and_status)
{
    struct sp_test_output out;
    run_shell("echo one; echo two >&2; exit 3", &out);
    CHECK_STR(out.out, "one\n");
    CHECK_STR(out.err, "two\n");
    CHECK_INT(out.status, 3);
    CHECK_INT(out.signal, 0);
    sp_test_output_free(&out);
}

TEST(run_reports_the_signal_that_ended_a_program)
{
    struct sp_test_output out;
    run_shell("kill -TERM $$", &out);
    CHECK_INT(out.status, -1);
    CHECK_INT(out.signal, SIGTERM);
    sp_test_output_free(&out);
}

TEST(run_feeds_more_than_a_pipe_holds_both_ways)
{
    enum { SIZE = 1 << 20 };
    char *input = malloc(SIZE);
    CHECK(input);
    for (int i = 0; i < SIZE; i++)
        input[i] = (char)('a' + i % 26);
    struct sp_test_output out;
    sp_test_run(&(struct sp_test_command){ .program = "cat", .input = input, .input_len = SIZE },
                &out);
    CHECK_INT(out.out_len, SIZE);
    CHECK_MEM(out.out, input, SIZE);
    sp_test_output_free(&out);
    free(input);
}

TEST(run_survives_a_program_that_does_not_read)
{
    enum { SIZE = 1 << 20 };
    char *input = calloc(1, SIZE);
    struct sp_test_output out;
    sp_test_run(&(struct sp_test_command){ .program = "true", .input = input, .input_len = SIZE },
                &out);
    CHECK_INT(out.status, 0);
    sp_test_output_free(&out);
    free(input);
}

TEST(run_sets_environment_and_directory)
{
    struct sp_test_output out;
    sp_test_run(
        &(struct sp_test_command){ .program = "sh",
                                   .args = (const char *const[]){ "-c", "echo $COLOUR; pwd", NULL },
                                   .env = (const char *const[]){ "COLOUR=green", NULL },
                                   .dir = "/" },
        &out);
    CHECK_STR(out.out, "green\n/\n");
    sp_test_output_free(&out);
}

TEST(program_is_talked_to_while_it_runs)
{
    struct sp_test_program *cat =
        sp_test_program_start(&(struct sp_test_command){ .program = "cat" });
    sp_test_program_write(cat, "hello\n", 6);
    sp_test_program_await(cat, "hello\n");
    CHECK_STR(sp_test_program_out(cat), "hello\n");
    sp_test_program_write(cat, "again\n", 6);
    sp_test_program_await(cat, "again\n");
    struct sp_test_output out;
    sp_test_program_finish(cat, &out);
    CHECK_STR(out.out, "hello\nagain\n");
    CHECK_INT(out.status, 0);
    sp_test_output_free(&out);
}

TEST(program_is_ended_by_a_signal)
{
    struct sp_test_program *cat =
        sp_test_program_start(&(struct sp_test_command){ .program = "cat" });
    CHECK(sp_test_program_pid(cat) > 0);
    sp_test_program_signal(cat, SIGINT);
    struct sp_test_output out;
    sp_test_program_finish(cat, &out);
    CHECK_INT(out.signal, SIGINT);
    sp_test_output_free(&out);
}
