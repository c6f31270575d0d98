/* Leaks of real time, and of chance. */
#include "leak.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void leak_clock(void)
{
    clock_t spent = clock(); /* leaks: clock */
    LEAK_STEPS((uint64_t)spent);
}
LEAK_TEST(clock);

static void leak_wall_clock(void)
{
    struct timespec now = { 0 };
    (void)timespec_get(&now, TIME_UTC); /* leaks: wall_clock */
    LEAK_STEPS((uint64_t)now.tv_nsec);
}
LEAK_TEST(wall_clock);

#if defined(__x86_64__)
static void leak_counter(void)
{
    uint64_t ticks = __builtin_ia32_rdtsc(); /* leaks: counter */
    LEAK_STEPS(ticks);
}
LEAK_TEST(counter);
#endif

static void leak_real_wait(void)
{
    struct timespec nothing = { 0 };
    (void)nanosleep(&nothing, NULL); /* leaks: real_wait */
    sp_yield();
}
LEAK_TEST(real_wait);

static void leak_signal(void)
{
    struct itimerval never = { 0 };
    (void)setitimer(ITIMER_REAL, &never, NULL); /* leaks: signal */
    sp_yield();
}
LEAK_TEST(signal);

static void leak_chance(void)
{
    uint64_t number = 0;
    long got = syscall(SYS_getrandom, &number, sizeof(number), 0); /* leaks: chance */
    LEAK_STEPS(got < 0 ? 0 : number);
}
LEAK_TEST(chance);
