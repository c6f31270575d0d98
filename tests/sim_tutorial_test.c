/* The program of docs/testing.md: it fails, says why, and its schedule fails again. */
#include "support/run.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TUTORIAL SP_TEST_BIN_DIR "/sim_tutorial"

/* The file that the report names after `again`; the caller removes it. */
static void schedule_path(const char *report, char path[512])
{
    const char *at = strstr(report, "--replay ");
    CHECK(at != NULL);
    CHECK_INT(sscanf(at, "--replay %511s", path), 1);
}

static void tutorial_run(const char *const *args, struct sp_test_output *out_output)
{
    sp_test_run(&(struct sp_test_command){ .program = TUTORIAL, .args = args }, out_output);
    CHECK_INT(out_output->status, 1);
    CHECK_CONTAINS(out_output->out, "2 visitors came, 1 were counted");
    CHECK_CONTAINS(out_output->out, "read --> counter");
}

TEST(the_tutorial_finds_its_race_and_finds_it_again)
{
    struct sp_test_output output;
    char path[512];
    tutorial_run((const char *const[]){ "--output", "/tmp", NULL }, &output);
    CHECK_CONTAINS(output.out, "0 passed, 1 failed");
    schedule_path(output.out, path);
    sp_test_output_free(&output);
    tutorial_run((const char *const[]){ "--replay", path, NULL }, &output);
    CHECK_INT(unlink(path), 0);
    sp_test_output_free(&output);
}

TEST(a_file_that_is_no_schedule_is_refused_by_name)
{
    struct sp_test_output output;
    sp_test_run(
        &(struct sp_test_command){ .program = TUTORIAL,
                                   .args = (const char *const[]){ "--replay", "/dev/null", NULL } },
        &output);
    CHECK_INT(output.status, 2);
    CHECK_CONTAINS(output.err, "/dev/null");
    sp_test_output_free(&output);
}
