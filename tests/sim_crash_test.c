/* A run that kills the test program is named, and stored, before it does. */
#include "support/run.h"
#include "support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CRASH SP_TEST_BIN_DIR "/sim_crash"

static char folder[64];

static void crash_run(const char *const *args, int signo, struct sp_test_output *out_output)
{
    static const char *const plain[] = {
        "ASAN_OPTIONS=handle_abort=0:handle_segv=0:handle_sigill=0",
        "TSAN_OPTIONS=handle_abort=0:handle_segv=0", NULL
    };
    sp_test_run(
        &(struct sp_test_command){ .program = CRASH, .args = args, .dir = folder, .env = plain },
        out_output);
    if (out_output->signal != signo)
        fprintf(stderr, "%d: %s\n%s\n", out_output->status, out_output->out, out_output->err);
    CHECK_INT(out_output->signal, signo);
}

static void crash_check(const char *test, int signo)
{
    struct sp_test_output output;
    char again[128];
    char token[64];
    char path[128];
    (void)snprintf(folder, sizeof(folder), "/tmp/sim_crash.XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    crash_run((const char *const[]){ "--filter", test, "--seed", "3", NULL }, signo, &output);
    CHECK_CONTAINS(output.out, "it kills the test program");
    (void)snprintf(again, sizeof(again), "--filter %s --run 3:", test);
    const char *at = strstr(output.out, again);
    CHECK(at != NULL);
    CHECK_INT(sscanf(strstr(at, "--run "), "--run %63s", token), 1);
    at = strstr(output.out, "--replay ");
    CHECK(at != NULL);
    CHECK_INT(sscanf(at, "--replay %127s", path), 1);
    sp_test_output_free(&output);

    crash_run((const char *const[]){ "--replay", path, NULL }, signo, &output);
    CHECK_CONTAINS(output.out, "it kills the test program");
    sp_test_output_free(&output);
    crash_run((const char *const[]){ "--filter", test, "--run", token, NULL }, signo, &output);
    CHECK_CONTAINS(output.out, token);
    sp_test_output_free(&output);

    /* With workers the program itself goes on, and ends with a failure. */
    crash_run((const char *const[]){ "--filter", test, "-j", "2", "--seed", "12", NULL }, 0,
              &output);
    CHECK_INT(output.status, 1);
    CHECK_CONTAINS(output.out, "it kills the test program");
    sp_test_output_free(&output);
    sp_test_run(&(struct sp_test_command){ .program = "rm",
                                           .args = (const char *const[]){ "-r", folder, NULL } },
                &output);
    sp_test_output_free(&output);
}

TEST(an_abort_in_the_body_of_a_test_is_told_before_it_kills)
{
    crash_check("dies_in_the_body", SIGABRT);
}

TEST(a_fault_in_the_library_is_told_before_it_kills)
{
    crash_check("dies_in_the_library", SIGSEGV);
}
