#include "runtime/real/os_usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static int64_t usage_time_ns(const struct timeval *time)
{
    return ((int64_t)time->tv_sec * 1000000 + time->tv_usec) * 1000;
}

static int64_t usage_cpu_ns(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return -1;
    return usage_time_ns(&usage.ru_utime) + usage_time_ns(&usage.ru_stime);
}

/* The second number of the file. */
static int64_t usage_resident(void)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
    (void)close(fd);
    if (size <= 0)
        return -1;
    text[size] = '\0';
    char *end;
    (void)strtol(text, &end, 10);
    long pages = strtol(end, NULL, 10);
    return pages <= 0 ? -1 : pages * sysconf(_SC_PAGESIZE);
}

static int64_t usage_open_files(void)
{
    int64_t count = -3; /* the two dots, and the folder itself */
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return -1;
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count < 0 ? -1 : count;
}

void sp__os_usage_read(struct sp__os_usage *out_usage)
{
    *out_usage = (struct sp__os_usage){ .cpu_ns = usage_cpu_ns(),
                                        .resident_bytes = usage_resident(),
                                        .open_files = -1,
                                        .max_files = -1 };
}

void sp__os_usage_read_all(struct sp__os_usage *out_usage)
{
    struct rlimit limit;
    sp__os_usage_read(out_usage);
    out_usage->open_files = usage_open_files();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        out_usage->max_files = (int64_t)limit.rlim_cur;
}
