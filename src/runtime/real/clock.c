/* clock_gettime(2) and getrandom(2). See clock.h. */
#include "runtime/real/clock.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>
#include <time.h>

static int64_t clock_read(clockid_t clock)
{
    struct timespec now;
    int result = clock_gettime(clock, &now);
    assert(result == 0 && "every Linux has this clock");
    (void)result;
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t sp__clock_monotonic_ns(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

int64_t sp__clock_coarse_ns(void)
{
    return clock_read(CLOCK_MONOTONIC_COARSE);
}

int64_t sp__clock_wall_ns(void)
{
    return clock_read(CLOCK_REALTIME);
}

sp_err sp__entropy(void *bytes, size_t size)
{
    char *at = bytes;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return SP_ERR_IO;
        at += got;
        size -= (size_t)got;
    }
    return SP_OK;
}
