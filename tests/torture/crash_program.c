/* A process that faults, and the report of it on the disk. */
#include "torture.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* A millisecond apart, until the report must be there. */
    REPORT_LOOKS = 10000,
    REPORT_PATH = 128,
};

/* In the runtime's count; one for each lap. */
static int laps;

static void faults(void *unused)
{
    (void)unused;
    volatile uintptr_t nowhere = 8;
    *(volatile int *)nowhere = 1; /* NOLINT(performance-no-int-to-ptr) */
}

static bool report_is_whole(const char *path)
{
    static char text[65536]; /* one body at a time; more than its stack has */
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[size] = '\0';
    /* The frames come last, each a line. */
    const char *stack = strstr(text, "stack, innermost first\n  at ");
    return strstr(text, "crash report ") == text && stack != NULL && text[size - 1] == '\n';
}

static void report_await(const char *path)
{
    bool whole = report_is_whole(path);
    for (int i = 0; i < REPORT_LOOKS && !whole; i++) {
        sp_sleep(sp_ms(1));
        whole = report_is_whole(path);
    }
    MUST(whole);
}

static void report_path(char path[REPORT_PATH], int number)
{
    (void)snprintf(path, REPORT_PATH, "%s/spawned-crash-%d-%d.txt", TORTURE_CRASHES, getpid(),
                   number);
}

void crash_body(void *unused)
{
    (void)unused;
    char path[REPORT_PATH];
    sp_monitor_ref ref;
    sp_pid pid;
    struct sp_message *message;
    laps++;
    report_path(path, laps);
    (void)mkdir(TORTURE_CRASHES, 0700);
    if (!DID(sp_spawn(faults, NULL, &(struct sp_spawn_options){ .out_monitor = &ref }, &pid))) {
        laps--;
        return;
    }
    if (DID(sp_receive(sp_after_sec(60), &message))) {
        const struct sp_down *down = sp_message_down(message);
        MUST(down != NULL && !sp_reason_is_normal(down->reason));
        bool fault = sp_reason_kind(down->reason) == SP_REASON_FAULT;
        sp_message_free(message);
        if (!fault)
            laps--; /* without a stack it never came so far */
        else if (torture_strict())
            report_await(path);
    }
    /* Also what came late, of the lap before. */
    for (int i = 1; i <= laps; i++) {
        report_path(path, i);
        (void)unlink(path);
    }
}
