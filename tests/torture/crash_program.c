/* A process that faults, and the report of it on the disk. */
#include "torture.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    /* A millisecond apart, until the report must be there. */
    REPORT_LOOKS = 10000,
    REPORT_PATH = 320,
    LAPS = 2,
};

/* In the runtime's count; one for each lap. */
static int laps;

static void faults(void *unused)
{
    (void)unused;
    volatile uintptr_t nowhere = 8;
    *(volatile int *)nowhere = 1; /* NOLINT(performance-no-int-to-ptr) */
}

char torture_crashes[] = "/tmp/sp-torture-crashes-XXXXXX";

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

/* Is there one whose name ends so? */
static bool report_find(const char *tail, char path[REPORT_PATH])
{
    bool found = false;
    DIR *folder = opendir(torture_crashes);
    MUST(folder != NULL);
    for (struct dirent *entry; !found && (entry = readdir(folder)) != NULL;) {
        size_t length = strlen(entry->d_name);
        found = length > strlen(tail) && strcmp(entry->d_name + length - strlen(tail), tail) == 0;
        if (found)
            (void)snprintf(path, REPORT_PATH, "%s/%s", torture_crashes, entry->d_name);
    }
    (void)closedir(folder);
    return found;
}

static void report_await(int number)
{
    char tail[32];
    char path[REPORT_PATH];
    bool whole = false;
    (void)snprintf(tail, sizeof(tail), "Z-%d-%d.txt", getpid(), number);
    for (int i = 0; i < REPORT_LOOKS && !whole; i++) {
        whole = report_find(tail, path) && report_is_whole(path);
        if (!whole)
            sp_sleep(sp_ms(1));
    }
    MUST(whole);
}

/* Also what came late, of the lap before; and, where this pid was had by a run before, of that. */
static void reports_remove(void)
{
    char tail[32];
    char path[REPORT_PATH];
    for (int i = 1; i <= LAPS; i++) {
        (void)snprintf(tail, sizeof(tail), "Z-%d-%d.txt", getpid(), i);
        while (report_find(tail, path))
            MUST(unlink(path) == 0);
    }
}

void torture_crashes_make(void)
{
    if (mkdtemp(torture_crashes) == NULL) {
        perror(torture_crashes);
        exit(2);
    }
}

void torture_crashes_drop(void)
{
    char path[REPORT_PATH];
    while (report_find(".txt", path))
        MUST(unlink(path) == 0);
    MUST(rmdir(torture_crashes) == 0);
}

void crash_body(void *unused)
{
    (void)unused;
    sp_monitor_ref ref;
    sp_pid pid;
    struct sp_message *message;
    if (laps == 0)
        reports_remove();
    laps++;
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
            report_await(laps);
    }
    reports_remove();
}
