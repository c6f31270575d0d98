/* Sleep until a word changes. Source: futex(2). Threads: any. */
#ifndef SPAWNED_RUNTIME_REAL_FUTEX_H
#define SPAWNED_RUNTIME_REAL_FUTEX_H

#include "base/atomic.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/** Sleep while `*word` is `value`, at most `timeout_ns` (INT64_MAX: no limit). Early returns are
 *  allowed. */
static inline void sp__futex_wait(_Atomic uint32_t *word, uint32_t value, int64_t timeout_ns)
{
#if SP__TSAN
    /* The tool keeps a signal that comes during a system call it does not know until the thread
     * calls a function it does know: so that must not take for ever. */
    if (timeout_ns > 10000000)
        timeout_ns = 10000000;
    usleep(0);
#endif
    struct timespec limit = { .tv_sec = timeout_ns / 1000000000,
                              .tv_nsec = timeout_ns % 1000000000 };
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns == INT64_MAX ? NULL : &limit,
            NULL, 0);
}

/** Wake up to `count` sleepers. */
static inline void sp__futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

#endif
