/* The program of tests/sim_history: its stale reads are found, shrunk, drawn and found again; its
 * corrected twin has none. */
#include "support/run.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM SP_TEST_BIN_DIR "/sim_history"
#define PLANTED "a_value_is_said_to_be_written_before_it_can_be_read"
#define CORRECTED "a_value_can_be_read_before_it_is_said_to_be_written"

static void planted_run(const char *folder, const char *const *args,
                        struct sp_test_output *out_output)
{
    sp_test_run(&(struct sp_test_command){ .program = PROGRAM, .args = args, .dir = folder },
                out_output);
    CHECK_INT(out_output->status, 1);
    CHECK_CONTAINS(out_output->out, "the history is not linearizable (register)");
    CHECK_CONTAINS(out_output->out, "these have no order that explains them:\n\nclient ");
    CHECK_CONTAINS(out_output->out, "| write ");
    CHECK_CONTAINS(out_output->out, "| read: ");
    CHECK_CONTAINS(out_output->out, "does not fit, and no other order gets further");
}

static void folder_remove(const char *folder)
{
    struct sp_test_output output;
    sp_test_run(&(struct sp_test_command){ .program = "rm",
                                           .args = (const char *const[]){ "-r", folder, NULL } },
                &output);
    sp_test_output_free(&output);
}

TEST(a_stale_read_is_found_drawn_and_found_again)
{
    struct sp_test_output output;
    char path[512];
    char folder[] = "/tmp/sim_history.XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    planted_run(folder, (const char *const[]){ "--filter", PLANTED, "--output", ".", NULL },
                &output);
    CHECK_CONTAINS(output.out, ".history.svg (history)");
    const char *at = strstr(output.out, "--replay ");
    CHECK(at != NULL);
    CHECK_INT(sscanf(at, "--replay %511s", path), 1);
    sp_test_output_free(&output);
    planted_run(folder, (const char *const[]){ "--replay", path, NULL }, &output);
    sp_test_output_free(&output);
    folder_remove(folder);
}

TEST(without_the_bug_every_history_is_linearizable)
{
    struct sp_test_output output;
    const char *runs = sp_test_slow() ? "200" : "10000";
    sp_test_run(
        &(struct sp_test_command){ .program = PROGRAM,
                                   .args =
                                       (const char *const[]){ "--filter", CORRECTED, "--runs", runs,
                                                              "--check-determinism", NULL } },
        &output);
    if (output.status != 0)
        FAIL("%s", output.out);
    sp_test_output_free(&output);
}

/* Of the program, in a folder of its own: its status, and its output, which is the caller's. */
static int history_run(const char *filter, const char *runs, struct sp_test_output *out_output)
{
    char folder[] = "/tmp/sim_history.XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    sp_test_run(&(struct sp_test_command){ .program = PROGRAM,
                                           .dir = folder,
                                           .args = (const char *const[]){ "--filter", filter,
                                                                          "--runs", runs, NULL } },
                out_output);
    folder_remove(folder);
    return out_output->status;
}

TEST(transactions_that_see_halves_are_found_and_told)
{
    struct sp_test_output output;
    CHECK_INT(history_run("halves", "1000", &output), 1);
    CHECK_CONTAINS(output.out, "the transactions rule out: ");
    CHECK_CONTAINS(output.out, "100/100 replays agree");
    CHECK_CONTAINS(output.out, "so T");
    CHECK_CONTAINS(output.out, "comes before itself\n      T");
    CHECK_CONTAINS(output.out, "append ");
    /* Nor are the steps folded away in which the lists got what they should not have. */
    CHECK_CONTAINS(output.out, "takes append ");
    sp_test_output_free(&output);
}

TEST(transactions_in_a_row_and_unknown_ones_are_serializable)
{
    struct sp_test_output output;
    if (history_run("one_after_the_other", sp_test_slow() ? "200" : "10000", &output) != 0)
        FAIL("%s", output.out);
    sp_test_output_free(&output);
    if (history_run("unknown_transactions", "10", &output) != 0)
        FAIL("%s", output.out);
    sp_test_output_free(&output);
}

/* The run has 220,017 steps. */
TEST(a_report_says_that_it_does_not_have_the_end_of_a_long_run)
{
    struct sp_test_output output;
    if (sp_test_slow())
        return;
    CHECK_INT(history_run("longer_than", "1", &output), 1);
    CHECK_CONTAINS(output.out, "steps that are not kept: of a run the first 200000 are)");
    sp_test_output_free(&output);
}

TEST(a_transaction_that_ends_twice_fails_its_test)
{
    struct sp_test_output output;
    CHECK_INT(history_run("ends_twice", "1", &output), 1);
    CHECK_CONTAINS(output.out, "transaction 0 has ended before");
    sp_test_output_free(&output);
}
