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
};

static void faults(void *unused)
{
    (void)unused;
    volatile uintptr_t nowhere = 8;
    *(volatile int *)nowhere = 1; /* NOLINT(performance-no-int-to-ptr) */
}

char torture_crashes[] = "/tmp/sp-torture-crashes-XXXXXX";

/* Is it of the process `who`, and whole? */
static bool report_is_of(const char *path, const char *who)
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
    return strstr(text, "crash report ") == text && strstr(text, who) != NULL && stack != NULL &&
           text[size - 1] == '\n';
}

/* Does `with` say yes to one of the reports with `part` in their names? */
static bool reports_any(const char *part, bool (*with)(const char *path, const char *arg),
                        const char *arg)
{
    bool found = false;
    char path[REPORT_PATH];
    DIR *folder = opendir(torture_crashes);
    MUST(folder != NULL);
    for (struct dirent *entry; !found && (entry = readdir(folder)) != NULL;) {
        (void)snprintf(path, sizeof(path), "%s/%s", torture_crashes, entry->d_name);
        found = strstr(entry->d_name, part) != NULL && with(path, arg);
    }
    (void)closedir(folder);
    return found;
}

static bool report_remove(const char *path, const char *unused)
{
    (void)unused;
    MUST(unlink(path) == 0);
    return false;
}

/* "-PID-", as all of this run have it. */
static const char *report_part(char part[32])
{
    (void)snprintf(part, 32, "Z-%d-", getpid());
    return part;
}

static void report_await(sp_pid pid)
{
    char part[32];
    char who[SP_PID_TEXT_MAX];
    bool whole = false;
    (void)sp_pid_format(pid, who);
    for (int i = 0; i < REPORT_LOOKS && !whole; i++) {
        whole = reports_any(report_part(part), report_is_of, who);
        if (!whole)
            sp_sleep(sp_ms(1));
    }
    MUST(whole);
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
    (void)reports_any(".txt", report_remove, NULL);
    MUST(rmdir(torture_crashes) == 0);
}

void crash_body(void *unused)
{
    (void)unused;
    char part[32];
    sp_monitor_ref ref;
    sp_pid pid;
    struct sp_message *message;
    /* What came late of the lap before; and of a run before that had this pid. */
    (void)reports_any(report_part(part), report_remove, NULL);
    if (!DID(sp_spawn(faults, NULL, &(struct sp_spawn_options){ .out_monitor = &ref }, &pid)))
        return;
    if (DID(sp_receive(sp_after_sec(60), &message))) {
        const struct sp_down *down = sp_message_down(message);
        MUST(down != NULL && !sp_reason_is_normal(down->reason));
        bool fault = sp_reason_kind(down->reason) == SP_REASON_FAULT;
        sp_message_free(message);
        if (torture_strict()) {
            MUST(fault);
            report_await(pid);
        }
    }
    (void)reports_any(report_part(part), report_remove, NULL);
}
