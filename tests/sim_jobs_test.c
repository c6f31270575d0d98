/* Runs made by several processes are those that one makes, and a run that a report names can be
 * had again by that name. */
#include "support/run.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES SP_TEST_BIN_DIR "/sim_cases"
#define NET SP_TEST_BIN_DIR "/sim_net_bugs"

static char folder[64];

static char *jobs_run(const char *program, const char *const *args, int status)
{
    struct sp_test_output output;
    sp_test_run(&(struct sp_test_command){ .program = program, .args = args, .dir = folder },
                &output);
    if (output.status != status)
        fprintf(stderr, "%s\n", output.out);
    CHECK_INT(output.status, status);
    char *text = strdup(output.out);
    CHECK(text != NULL);
    sp_test_output_free(&output);
    return text;
}

static void folder_make(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/sim_jobs.XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
}

static void folder_remove(void)
{
    struct sp_test_output output;
    sp_test_run(&(struct sp_test_command){ .program = "rm",
                                           .args = (const char *const[]){ "-r", folder, NULL } },
                &output);
    sp_test_output_free(&output);
}

/* The real seconds at the end of a line differ. */
static void without_seconds(char *text)
{
    static const char before[] = " virtual seconds, ";
    char *at = text;
    while ((at = strstr(at, before)) != NULL) {
        at += sizeof(before) - 1;
        size_t length = strcspn(at, "\n");
        memmove(at, at + length, strlen(at + length) + 1);
    }
}

static void same_with(const char *program, const char *const *more, int status)
{
    static const char *const counts[] = { "1", "2", "64" };
    char *first = NULL;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        const char *args[16] = { "-j", counts[i] };
        for (size_t k = 0; k < 13 && more[k] != NULL; k++)
            args[k + 2] = more[k];
        char *text = jobs_run(program, args, status);
        without_seconds(text);
        if (first == NULL)
            first = text;
        CHECK_STR(text, first);
        if (text != first)
            free(text);
    }
    free(first);
}

TEST(as_many_processes_as_you_like_find_the_same_failures)
{
    folder_make();
    same_with(CASES, (const char *const[]){ "--runs", "300", "--digest", "--filter", "lost", NULL },
              1);
    same_with(CASES,
              (const char *const[]){ "--runs", "1001", "--digest", "--keep-going", "--seed", "9",
                                     "--filter", "lost", NULL },
              0);
    folder_remove();
}

/* Where faults come depends on how long the runs before were. */
TEST(faults_come_at_the_same_places_in_all_processes)
{
    folder_make();
    same_with(NET, (const char *const[]){ "--runs", "100", "--digest", "--keep-going", NULL }, 0);
    folder_remove();
}

/* A line, from `what` on. */
static void line_of(const char *text, const char *what, char line[512])
{
    const char *at = strstr(text, what);
    CHECK(at != NULL);
    (void)snprintf(line, 512, "%.*s", (int)strcspn(at, "\n"), at);
}

TEST(the_run_that_a_report_names_is_had_again)
{
    static const char *const filters[] = { "race_ok", "lost_update", "call_cycle", "oversell",
                                           "writer_starvation" };
    folder_make();
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        char found[512];
        char again[512];
        char name[128];
        char token[64];
        char *report = jobs_run(
            CASES,
            (const char *const[]){ "--filter", filters[i], "--seed", "77", "--runs", "500", NULL },
            1);
        CHECK_INT(sscanf(strstr(report, "FAIL"), "FAIL  %127s", name), 1);
        line_of(strstr(report, "FAIL"), "found by", found);
        CHECK_INT(sscanf(strstr(found, "--run "), "--run %63[0-9:]", token), 1);
        char *once =
            jobs_run(CASES, (const char *const[]){ "--filter", name, "--run", token, NULL }, 1);
        line_of(strstr(once, name), "found by", again);
        CHECK_STR(again, found);
        free(report);
        free(once);
    }
    folder_remove();
}

TEST(a_run_that_passes_is_the_same_each_time)
{
    folder_make();
    const char *const args[] = { "--filter", "lost_update_fixed", "--run", "5:14", NULL };
    char *one = jobs_run(CASES, args, 0);
    char *other = jobs_run(CASES, args, 0);
    CHECK_CONTAINS(one, "schedule 14 by pos passes; hash ");
    CHECK_STR(one, other);
    free(one);
    free(other);
    free(jobs_run(CASES, (const char *const[]){ "--run", "5:", NULL }, 2));
    free(jobs_run(CASES, (const char *const[]){ "--run", "0", NULL }, 2));
    free(jobs_run(CASES, (const char *const[]){ "-j", "0", NULL }, 2));
    folder_remove();
}
