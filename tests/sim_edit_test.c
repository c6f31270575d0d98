/* Schedules that were stored before an edit that has nothing to do with the bug: at least four in
 * five still fail afterwards. */
#include "support/run.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A hundred programs that each run thousands of schedules: too slow when instrumented. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static void command(const char *program, const char *const *args, const char *dir,
                    struct sp_test_output *out_output)
{
    sp_test_run(&(struct sp_test_command){ .program = program, .args = args, .dir = dir },
                out_output);
}

/* Replays each schedule that `report` names with `program`: how many of how many fail. */
static int still_fail(const char *program, const char *report, const char *dir, int *out_all)
{
    int failed = 0;
    *out_all = 0;
    for (const char *at = report; (at = strstr(at, "--replay ")) != NULL; at++) {
        struct sp_test_output output;
        char path[512];
        CHECK_INT(sscanf(at, "--replay %511s", path), 1);
        command(program, (const char *const[]){ "--replay", path, NULL }, dir, &output);
        if (output.status != 1)
            fprintf(stderr, "%s passes with %s\n", path, program);
        else
            CHECK_CONTAINS(output.out, "was written by another build");
        failed += output.status == 1;
        ++*out_all;
        sp_test_output_free(&output);
    }
    return failed;
}

TEST(stored_schedules_survive_an_unrelated_edit)
{
    static const char *const programs[] = { SP_TEST_BIN_DIR "/sim_cases_edited1",
                                            SP_TEST_BIN_DIR "/sim_cases_edited2" };
    struct sp_test_output found;
    struct sp_test_output removed;
    char folder[] = "/tmp/sim_edit.XXXXXX";
    if (SANITIZED)
        return;
    CHECK(mkdtemp(folder) != NULL);
    command(SP_TEST_BIN_DIR "/sim_cases", (const char *const[]){ "--runs", "500", NULL }, folder,
            &found);
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        int all;
        int failed = still_fail(programs[i], found.out, folder, &all);
        fprintf(stderr, "%s: %d of %d still fail\n", programs[i], failed, all);
        CHECK(all >= 40);
        CHECK(failed * 100 >= all * 80);
    }
    sp_test_output_free(&found);
    command("rm", (const char *const[]){ "-r", folder, NULL }, NULL, &removed);
    sp_test_output_free(&removed);
}
