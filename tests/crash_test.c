/* Crash reports: a file for each contained fault, with what was known; a bound on their number; and what
 * happens where they cannot be written. */
#include "support/puppet.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    char text[16384];
} said = { .lock = PTHREAD_MUTEX_INITIALIZER };

static char folder[64];

static void keep(void *context, const struct sp_log_record *record)
{
    char line[1200];
    (void)context;
    (void)pthread_mutex_lock(&said.lock);
    size_t length = strlen(said.text);
    snprintf(said.text + length, sizeof(said.text) - length, "%s\n",
             sp_log_line(record, line, sizeof(line)));
    (void)pthread_mutex_unlock(&said.lock);
}

static void crash_open(const char *where, uint32_t files_max)
{
    said.text[0] = '\0';
    world_open(&(struct sp_runtime_options){ .log = { .fn = keep, .level = SP_LOG_INFO },
                                             .crash = { where, files_max } });
}

/* Until the log has said it so often; what is on its way to the disk then is there. */
static void said_wait(const char *what, int times)
{
    for (int count = 0; count < times;) {
        CHECK_OK(sp_log_flush(world_runtime(), WORLD_PATIENCE));
        (void)pthread_mutex_lock(&said.lock);
        count = 0;
        for (const char *at = said.text; (at = strstr(at, what)) != NULL; at++)
            count++;
        (void)pthread_mutex_unlock(&said.lock);
        sp_yield();
    }
}

/* The file's name begins with the time, to the second or finer. */
static void report_find(uint32_t number, char *path, size_t size)
{
    char tail[32];
    int tail_length = snprintf(tail, sizeof(tail), "Z-%d-%u.txt", getpid(), number);
    DIR *dir = opendir(folder);
    CHECK(dir != NULL);
    path[0] = '\0';
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        size_t length = strlen(entry->d_name);
        if (length <= (size_t)tail_length ||
            strcmp(entry->d_name + length - tail_length, tail) != 0)
            continue;
        CHECK_INT(strspn(entry->d_name + strlen("spawned-crash-"), "0123456789T."),
                  strlen("20261123T063000.123456"));
        snprintf(path, size, "%s/%s", folder, entry->d_name);
    }
    (void)closedir(dir);
}

static char *report_read(uint32_t number)
{
    char path[320];
    report_find(number, path, sizeof(path));
    FILE *file = fopen(path, "re");
    static char text[65536];
    struct stat status;
    CHECK(file != NULL && fstat(fileno(file), &status) == 0);
    CHECK_INT(status.st_mode & 0777, 0600);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    text[size] = '\0';
    (void)fclose(file);
    return text;
}

static int reports(void)
{
    int count = 0;
    DIR *dir = opendir(folder);
    CHECK(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strncmp(entry->d_name, "spawned-crash-", 14) == 0;
    (void)closedir(dir);
    return count;
}

static void folder_make(void)
{
    snprintf(folder, sizeof(folder), "/tmp/spawned_crash.XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
}

static void folder_drop(void)
{
    char path[320];
    DIR *dir = opendir(folder);
    CHECK(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            CHECK_INT(unlink(path), 0);
    }
    (void)closedir(dir);
    CHECK_INT(rmdir(folder), 0);
}

/* ---- who crashes ---- */

SP_SERVER(fragile, sp_empty);
SP_CAST(fragile, wait, sp_pid);
SP_CAST(fragile, note, int);
SP_CALL(fragile, fall, int, sp_empty);

static void fragile_on_wait(int *state, const sp_pid *in)
{
    (void)state;
    sp_ignore(sp_join(*in, sp_never(), NULL));
}

static void fragile_on_note(int *state, const int *in)
{
    *state += *in;
}

__attribute__((no_sanitize("undefined", "address"))) static sp_err fragile_on_fall(int *state,
                                                                                   const int *in,
                                                                                   sp_empty *out)
{
    (void)state;
    (void)out;
    if (*in == 0)
        abort();
    int *volatile nowhere = (int *)(uintptr_t)8;
    *nowhere = *in;
    return SP_OK;
}

SP_STATE(fragile, int);
SP_ON_CAST(fragile, wait);
SP_ON_CAST(fragile, note);
SP_ON_CALL(fragile, fall);
SP_CLASS(fragile, .init = NULL);

static fragile_ref fragile_new(const char *name)
{
    fragile_ref ref;
    CHECK_OK(fragile_start(&(sp_empty){ 0 },
                           &(struct sp_server_options){ .spawn = { .name = name } }, &ref));
    return ref;
}

static void falls(void *arg)
{
    sp_empty out;
    CHECK_ERR(fragile_fall(*(const fragile_ref *)arg, &(int){ 1 }, &out, WORLD_PATIENCE),
              SP_ERR_DIED);
}

/* Until it waits for `gate` and has so many messages. */
static void info_wait(sp_pid pid, uint32_t mailbox, const sp_pid *gate)
{
    struct sp_process_info info;
    do {
        sp_yield();
        CHECK_OK(sp_process_info(pid, &info));
    } while (info.mailbox != mailbox || !sp_pid_equal(info.waits_for, *gate));
}

TEST(a_fault_leaves_a_report_with_what_was_known)
{
    folder_make();
    crash_open(folder, 0);
    CHECK_OK(sp_recorder_start(world_runtime(), NULL));
    fragile_ref fragile = fragile_new("vase");
    sp_pid gate = puppet_start(NULL);
    sp_pid caller = SP_PID_NONE;
    CHECK_OK(fragile_wait(fragile, &gate)); /* the rest waits in its mailbox meanwhile */
    info_wait(fragile.pid, 0, &gate);
    CHECK_OK(sp_spawn(falls, &fragile, &(struct sp_spawn_options){ .arg_size = sizeof(fragile) },
                      &caller));
    info_wait(fragile.pid, 1, &gate);
    for (int i = 0; i < 3; i++)
        CHECK_OK(fragile_note(fragile, &i));
    puppet_exit(gate, NULL);
    CHECK_OK(sp_join(caller, WORLD_PATIENCE, NULL));
    said_wait("crash report: ", 1);
    struct sp_exit ended;
    char path[320];
    report_find(1, path, sizeof(path));
    CHECK_INT(sp_exits_recent(world_runtime(), 0, &ended, 1), 1);
    CHECK(sp_pid_equal(ended.pid, fragile.pid));
    CHECK_STR(ended.report, path);
    const char *text = report_read(1);
    CHECK_CONTAINS(text, "crash report 1 of a process\n");
    CHECK_CONTAINS(text, "fault: SIGSEGV at 0x8 in fall");
    CHECK_CONTAINS(text, "process: vase, a fragile, <0.");
    CHECK_CONTAINS(text, "spawned by: <0.");
    CHECK_CONTAINS(text, "message: fall, 4 bytes, from <0.");
    CHECK_CONTAINS(text, "mailbox: 3 messages\n  note ");
#if defined(__x86_64__)
    CHECK_CONTAINS(text, "\nregisters\n  rax 0x");
    CHECK_CONTAINS(text, "  rip 0x00");
#elif defined(__aarch64__)
    CHECK_CONTAINS(text, "\nregisters\n  x0  0x");
    CHECK_CONTAINS(text, "  pc  0x00");
#endif
    CHECK_CONTAINS(text, "last events of this thread");
    CHECK_CONTAINS(text, " us ago: <0.");
    CHECK_CONTAINS(text, "stack, innermost first\n  at 0x");
    CHECK_CONTAINS(strstr(text, "stack, innermost"), " fragile_"); /* static */
    CHECK_CONTAINS(text, "(test_system_crash+0x");
    world_close();
    folder_drop();
}

static void falls_alone(void *unused)
{
    (void)unused;
    abort();
}

TEST(no_more_files_are_written_than_allowed)
{
    folder_make();
    crash_open(folder, 2);
    for (int i = 0; i < 5; i++) {
        sp_pid pid;
        CHECK_OK(sp_spawn(falls_alone, NULL, NULL, &pid));
        CHECK_OK(sp_join(pid, WORLD_PATIENCE, NULL));
    }
    said_wait("crash report: ", 2);
    said_wait("crash reports: 2 were written, no more are", 1);
    struct sp_exit ended[5];
    CHECK_INT(sp_exits_recent(world_runtime(), 0, ended, 5), 5);
    CHECK(ended[1].report[0] != '\0' && ended[2].report[0] == '\0');
    CHECK_INT(reports(), 2);
    CHECK_CONTAINS(report_read(2), "fault: SIGABRT in ");
    world_close();
    folder_drop();
}

TEST(one_of_the_same_pid_writes_over_nothing)
{
    folder_make();
    for (int i = 0; i < 2; i++) {
        sp_pid pid;
        crash_open(folder, 0);
        CHECK_OK(sp_spawn(falls_alone, NULL, NULL, &pid));
        CHECK_OK(sp_join(pid, WORLD_PATIENCE, NULL));
        said_wait("crash report: ", 1);
        world_close();
        CHECK_INT(reports(), i + 1);
    }
    folder_drop();
}

TEST(where_no_file_can_be_written_the_log_says_so_and_nothing_else_happens)
{
    crash_open("/nowhere/at/all", 0);
    sp_pid pid;
    CHECK_OK(sp_spawn(falls_alone, NULL, NULL, &pid));
    CHECK_OK(sp_join(pid, WORLD_PATIENCE, NULL));
    said_wait("is not whole: No such file or directory", 1);
    world_close();
    crash_open(NULL, 0);
    CHECK_OK(sp_spawn(falls_alone, NULL, NULL, &pid));
    CHECK_OK(sp_join(pid, WORLD_PATIENCE, NULL));
    CHECK_OK(sp_log_flush(world_runtime(), WORLD_PATIENCE));
    CHECK(strstr(said.text, "crash report") == NULL);
    world_close();
}
