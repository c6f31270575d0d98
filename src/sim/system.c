/* What a program asks the C library for although the runtime has it: time, randomness, and how
 * many processors there are.
 *
 * A test program is linked with these instead of the C library's. While a task of a world makes
 * its step, they tell the world's time and give its randomness; at any other moment, the
 * system's.
 *
 * Not under the thread sanitizer, whose start calls them before it can: there a program has the
 * system's.
 *
 * Threads: any; the world's is the one that has a world. Neighbours: run.c, memory.c.
 */
#include "runtime/sim/machine.h"
#include "sim/inside.h"

#if defined(__SANITIZE_THREAD__)
#define SYSTEM_NOT_HERE
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SYSTEM_NOT_HERE
#endif
#endif

#ifndef SYSTEM_NOT_HERE

#include <dlfcn.h>
#include <errno.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SYSTEM_ENTROPY_MAX = 256 /* of getentropy() */ };

/* The world whose task calls, or NULL. */
static struct sp__world *system_world(void)
{
    struct sp__world *world = sim_current == NULL ? NULL : sim_current->world;
    if (world == NULL || world != sp__world_current() || sp__world_running(world) == NULL)
        return NULL;
    return world;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    const struct sp__world *world = system_world();
    if (world == NULL)
        return (int)syscall(SYS_clock_gettime, clock, out);
    const struct sp__host *host = sp__world_running(world)->host;
    bool wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
    int64_t now = wall ? sp__world_wall(world, host) : sp__clock_now(host, sp__world_now(world));
    out->tv_sec = (time_t)(now / SP_NS_PER_S);
    out->tv_nsec = (long)(now % SP_NS_PER_S);
    return 0;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / SP_NS_PER_US;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return (time_t)-1;
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
    if (system_world() == NULL)
        return syscall(SYS_getrandom, bytes, size, flags);
    sim_entropy(sim_current, bytes, size);
    return (ssize_t)size;
}

int getentropy(void *bytes, size_t size)
{
    if (size > SYSTEM_ENTROPY_MAX) {
        errno = EIO;
        return -1;
    }
    return getrandom(bytes, size, 0) == (ssize_t)size ? 0 : -1;
}

/* A simulated machine has one processor. */
long sysconf(int name)
{
    static long (*next)(int name);
    if (system_world() != NULL && (name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF))
        return 1;
    if (next == NULL)
        *(void **)(void *)&next = dlsym(RTLD_NEXT, "sysconf");
    if (next != NULL)
        return next(name);
    errno = ENOSYS;
    return -1;
}

#endif
