/* Reports of failures: as they stand in tests/sim_golden, and whether they name the two steps that
 * are the bug of each planted program.
 *
 * After a change of the report: replay the schedule as here and write what is printed over the
 * .txt (SPAWNED_GOLDEN=write does). */
#include "support/run.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOLDEN SP_TEST_SOURCE_DIR "/tests/sim_golden/"

/* What the pair that is named must be, in either order. */
static const struct pair {
    const char *bug;
    const char *one;
    const char *other;
} pairs[] = {
    { "call_cycle", "work --> desk", "help --> desk" },
    { "double_activation", "look_up --> identities", "enter --> identities" },
    { "duplicate_by_retry", "time is up --> client", "answers --> client" },
    { "late_reply", "time is up --> client", "late_answer" },
    { "lost_update", "get 0 --> counter", "set 1 --> counter" },
    { "lost_wakeup", "poll --> queue", "put 1 --> queue" },
    { "name_before_register", "whereis parent", "register parent" },
    { "orphan_at_shutdown", "--> boss", "stop --> boss" },
    { "oversell", "available --> stock", "buy --> stock" },
    { "philosophers", "take --> fork_server", "take --> fork_server" },
    { "race_ok", "task2, ", "signal --> task2" },
    { "register_before_reap", "enter --> directory", "directory, takes enter" },
    { "shortest_queue", "info --> worker", "job --> worker" },
    { "slow_answer", "slow_answer 42 --> hasty", "hasty, takes slow_answer" },
    { "snapshot_newer", "copy --> balance", "apply" },
    { "spawn_then_link", "child, ends", "link --> child" },
    { "subscribe_gap", "snapshot --> store", "update" },
    { "triangle", "triangle_second", "triangle_first" },
    { "writer_starvation", "rwlock", "rwlock" },
};

/* ---- the pairs ---- */

static const struct pair *pair_of(const char *test)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (strncmp(test, pairs[i].bug, strlen(pairs[i].bug)) == 0)
            return &pairs[i];
    return NULL;
}

/* Copies the line after `at` and returns where it ends. */
static const char *next_line(const char *at, char line[512])
{
    const char *end = strchr(at, '\n');
    CHECK(end != NULL);
    const char *begin = end + 1;
    end = strchr(begin, '\n');
    CHECK(end != NULL);
    (void)snprintf(line, 512, "%.*s", (int)(end - begin), begin);
    return begin;
}

/* Is the pair named in this report, up to where the next one begins, the right one? */
static bool report_is_right(const char *report, const char *end)
{
    char test[128];
    char first[512];
    char second[512];
    CHECK_INT(sscanf(report, "FAIL  %127s", test), 1);
    const struct pair *pair = pair_of(test);
    CHECK(pair != NULL);
    const char *why = strstr(report, "\nwhy   swapping");
    if (why == NULL || why > end)
        return false;
    why = next_line(why + 1, first);
    (void)next_line(why, second);
    return (strstr(first, pair->one) != NULL && strstr(second, pair->other) != NULL) ||
           (strstr(first, pair->other) != NULL && strstr(second, pair->one) != NULL);
}

static size_t report_lines(const char *report, const char *end)
{
    size_t lines = 0;
    for (; report < end; report++)
        lines += *report == '\n';
    return lines;
}

TEST(the_right_pair_is_named_for_planted_bugs_in_a_report_of_one_screen)
{
    struct sp_test_output output;
    char folder[] = "/tmp/sim_report.XXXXXX";
    size_t all = 0;
    size_t right = 0;
    CHECK(mkdtemp(folder) != NULL);
    sp_test_run(&(struct sp_test_command){ .program = SP_TEST_BIN_DIR "/sim_cases",
                                           .args = (const char *const[]){ "--runs", "500", NULL },
                                           .dir = folder },
                &output);
    for (const char *at = strstr(output.out, "FAIL  "); at != NULL;) {
        const char *next = strstr(at + 1, "\nFAIL  ");
        const char *end = next == NULL ? output.out + output.out_len : next;
        const char *passed = strstr(at, "\nok  ");
        bool good = report_is_right(at, end);
        if (!good)
            fprintf(stderr, "not the right pair: %.40s\n", at);
        CHECK(report_lines(at, passed != NULL && passed < end ? passed : end) <= 40);
        all++;
        right += good;
        at = next == NULL ? NULL : next + 1;
    }
    sp_test_output_free(&output);
    CHECK(all >= 50);
    CHECK(right * 100 >= all * 95);
    sp_test_run(&(struct sp_test_command){ .program = "rm",
                                           .args = (const char *const[]){ "-r", folder, NULL } },
                &output);
    sp_test_output_free(&output);
}

/* ---- golden files ---- */

/* Where in the source depends on the compiler; how often it was replayed on the machine. */
static void report_normalise(char *text)
{
    char *to = text;
    for (const char *at = text; *at != '\0';) {
        if (strncmp(at, ", in ", 5) == 0 || strncmp(at, "  (100/", 7) == 0)
            while (*at != '\n' && *at != ';' && *at != '\0')
                at++;
        if (*at != '\0')
            *to++ = *at++;
    }
    *to = '\0';
}

static char *file_read(const char *path)
{
    char *text = calloc(1, 65536);
    FILE *file = fopen(path, "re");
    CHECK(file != NULL && text != NULL);
    size_t size = fread(text, 1, 65535, file);
    text[size] = '\0';
    (void)fclose(file);
    return text;
}

static void golden(const char *program, const char *name)
{
    struct sp_test_output output;
    char schedule[512];
    char path[512];
    (void)snprintf(schedule, sizeof(schedule), "%s.sim", name);
    (void)snprintf(path, sizeof(path), GOLDEN "%s.txt", name);
    sp_test_run(
        &(struct sp_test_command){ .program = program,
                                   .args = (const char *const[]){ "--replay", schedule, NULL },
                                   .dir = GOLDEN },
        &output);
    CHECK_INT(output.status, 1);
    /* From the story on: before it are paths. */
    char *story = strstr(output.out, "\n\n");
    CHECK(story != NULL);
    report_normalise(story);
    const char *write = getenv("SPAWNED_GOLDEN");
    if (write != NULL && strcmp(write, "write") == 0) {
        FILE *file = fopen(path, "we");
        CHECK(file != NULL);
        (void)fputs(story, file);
        (void)fclose(file);
    }
    char *expected = file_read(path);
    CHECK_STR(story, expected);
    free(expected);
    sp_test_output_free(&output);
}

TEST(a_report_in_columns_is_as_it_was)
{
    golden(SP_TEST_BIN_DIR "/sim_tutorial", "every_visitor_counts");
    golden(SP_TEST_BIN_DIR "/sim_cases", "late_reply");
    golden(SP_TEST_BIN_DIR "/sim_cases", "spawn_then_link");
}

TEST(a_report_of_what_machines_told_each_other_is_as_it_was)
{
    golden(SP_TEST_BIN_DIR "/sim_net_bugs", "latency");
    golden(SP_TEST_BIN_DIR "/sim_net_bugs", "read");
}

TEST(a_report_of_a_deadlock_is_as_it_was)
{
    golden(SP_TEST_BIN_DIR "/sim_cases", "call_cycle");
}

TEST(a_report_of_a_hang_is_as_it_was)
{
    golden(SP_TEST_BIN_DIR "/sim_cases", "lost_wakeup");
}

TEST(a_report_as_a_list_is_as_it_was)
{
    golden(SP_TEST_BIN_DIR "/sim_cases", "writer_starvation_noise");
}
