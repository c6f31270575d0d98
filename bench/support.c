/* What the workloads share: figures, failures, clocks. See bench.h. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void bench_out(const char *metric, double value)
{
    printf("%s %.3f\n", metric, value);
    fflush(stdout);
}

void bench_out_word(const char *metric, const char *word)
{
    printf("%s %s\n", metric, word);
    fflush(stdout);
}

void bench_fail(const char *what)
{
    fprintf(stderr, "spawned-bench: %s\n", what);
    _exit(EXIT_FAILURE);
}

void bench_must(sp_err err, const char *what)
{
    if (err == SP_OK)
        return;
    fprintf(stderr, "spawned-bench: %s: %s\n", what, sp_err_text(err));
    _exit(EXIT_FAILURE);
}

uint64_t bench_size(const struct bench_options *options, uint64_t normal)
{
    return options->size ? options->size : normal;
}

int64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SP_NS_PER_S + now.tv_nsec;
}

static double bench_seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

double bench_cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return bench_seconds(usage.ru_utime) + bench_seconds(usage.ru_stime);
}

double bench_memory(const char *key)
{
    FILE *status = fopen("/proc/self/status", "r");
    if (!status)
        bench_fail("/proc/self/status cannot be read");
    char line[256];
    double kib = -1;
    while (kib < 0 && fgets(line, sizeof line, status))
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtod(line + strlen(key), NULL);
    fclose(status);
    if (kib < 0)
        bench_fail("a figure is missing in /proc/self/status");
    return kib * 1024;
}

int64_t bench_await(uint64_t count)
{
    int64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct sp_message *message = NULL;
        bench_must(sp_receive(sp_never(), &message), "waiting for the end");
        const struct bench_done *done = bench_done_of(message);
        if (!done)
            bench_fail("a message that nobody expected");
        sum += done->value;
        sp_message_free(message);
    }
    return sum;
}

void bench_await_processes(uint64_t count)
{
    struct sp_stats stats;
    for (;;) {
        sp_runtime_stats(sp_runtime_current(), &stats);
        if (stats.processes <= count)
            return;
        sp_sleep(sp_ms(2)); /* reading the figures looks at every process: not all the time */
    }
}

__attribute__((no_sanitize("undefined"))) void bench_write_nowhere(void)
{
    static volatile int *volatile nowhere;
    *nowhere = 1;
}
