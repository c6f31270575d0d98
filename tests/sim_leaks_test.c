/* The detector finds each planted leak of tests/sim_leaks within two runs, and names its line. */
#include "support/run.h"
#include "support/test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sanitizers have an allocator and handlers of their own: there, nothing is looked for. */
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

#define LEAKS SP_TEST_BIN_DIR "/sim_leaks"
#define FOLDER SP_TEST_SOURCE_DIR "/tests/sim_leaks/"

static const char *const files[] = { "memory.c", "state.c", "clocks.c", "system.c" };

/* Check the leak that is marked in a line. */
static void leak_check(const char *file, int line, const char *name)
{
    struct sp_test_output output;
    char place[128];
    (void)snprintf(place, sizeof(place), "%s:%d", file, line);
    sp_test_run(
        &(struct sp_test_command){ .program = LEAKS,
                                   .dir = "/tmp",
                                   .args = (const char *const[]){ "--check-determinism", "--runs",
                                                                  "2", "--filter", name, NULL } },
        &output);
    if (output.status != 1 || strstr(output.out, place) == NULL)
        fprintf(stderr, "%s at %s:\n%s\n", name, place, output.out);
    CHECK_INT(output.status, 1);
    CHECK_CONTAINS(output.out, place);
    sp_test_output_free(&output);
}

static int leaks_of(const char *file)
{
    char path[512];
    char line[512];
    int number = 0;
    int leaks = 0;
    (void)snprintf(path, sizeof(path), FOLDER "%s", file);
    FILE *source = fopen(path, "re");
    CHECK(source != NULL);
    while (fgets(line, sizeof(line), source) != NULL) {
        char name[64];
        const char *mark = strstr(line, "/* leaks: ");
        number++;
        if (mark == NULL || sscanf(mark, "/* leaks: %63[a-z_]", name) != 1)
            continue;
        leak_check(file, number, name);
        leaks++;
    }
    (void)fclose(source);
    return leaks;
}

TEST(each_planted_leak_is_found_in_two_runs_at_its_line)
{
    int leaks = 0;
    if (SANITIZED)
        return;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        leaks += leaks_of(files[i]);
    CHECK(leaks >= 18);
}

TEST(a_leak_is_a_remark_in_an_ordinary_campaign)
{
    if (SANITIZED)
        return;
    struct sp_test_output output;
    sp_test_run(
        &(struct sp_test_command){
            .program = LEAKS,
            .dir = "/tmp",
            .args = (const char *const[]){ "--runs", "10", "--filter", "real_wait", NULL } },
        &output);
    CHECK_INT(output.status, 0);
    CHECK_CONTAINS(output.out, "note  real_wait");
    CHECK_CONTAINS(output.out, "it asks for clock_nanosleep: it waits in real time");
    sp_test_output_free(&output);
}

/* 0 alarms: every planted bug's corrected twin, and the bugs themselves until they are found. */
TEST(programs_without_leaks_raise_no_alarm)
{
    struct sp_test_output output;
    sp_test_run(
        &(struct sp_test_command){ .program = SP_TEST_BIN_DIR "/sim_cases",
                                   .dir = "/tmp",
                                   .args =
                                       (const char *const[]){ "--check-determinism", "--runs",
                                                              "300", "--filter", "_fixed", NULL } },
        &output);
    CHECK_INT(output.status, 0);
    CHECK(strstr(output.out, "note") == NULL);
    sp_test_output_free(&output);
}

/* From here on the system refuses prctl(option, ...), as some containers do. */
static void refuse_option(int option)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)option, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };
    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_INT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), 0);
}

static void refused_check(int option, const char *program, const char *test, const char *note)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct sp_test_output output;
        refuse_option(option);
        sp_test_run(
            &(struct sp_test_command){
                .program = program,
                .dir = "/tmp",
                .args = (const char *const[]){ "--runs", "10", "--filter", test, NULL } },
            &output);
        CHECK_INT(output.status, 0);
        CHECK_CONTAINS(output.out, note);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
}

TEST(what_cannot_be_trapped_is_said)
{
    if (SANITIZED)
        return;
    refused_check(PR_SET_SECCOMP, LEAKS, "real_wait",
                  "refuses the trap for clocks and system calls");
#if defined(__x86_64__)
    refused_check(PR_SET_TSC, SP_TEST_BIN_DIR "/sim_cases", "triangle_fixed",
                  "refuses the trap for the time stamp counter");
#endif
}
