/* What the whole program uses, as the system counts it. Threads: any. Neighbours: the metrics, the endpoint. */
#ifndef SPAWNED_RUNTIME_REAL_OS_USAGE_H
#define SPAWNED_RUNTIME_REAL_OS_USAGE_H

#include "spawned/err.h"

#include <stdint.h>

struct sp__os_usage {
    int64_t cpu_ns; /* of all threads, user and system; -1: not known, as for the next three */
    int64_t resident_bytes;
    int64_t open_files;
    int64_t max_files; /* more are refused */
};

/** Processor time and memory: two system calls or three. Context: any thread. */
void sp__os_usage_read(struct sp__os_usage *out_usage) SP_NONNULL;

/** Descriptors too: as long as it takes to list them, a millisecond for some thousands. */
void sp__os_usage_read_all(struct sp__os_usage *out_usage) SP_NONNULL;

#endif
