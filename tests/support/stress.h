/* Stress: crews of processes and threads that do the same thing at once, many times.
 *
 *     struct stress_crew crew = { 0 };
 *     world_open(&(struct sp_runtime_options){ .workers = 4 });
 *     stress_processes(&crew, 6, send_much, &target);
 *     stress_threads(&crew, 2, send_much, &target);     // attached for as long as it runs
 *     stress_wait(&crew);
 *     stress_settle();
 *
 * What a case does is bounded by counts of events, never by time. SPAWNED_STRESS=n in the
 * environment makes it n times as many: for `make soak`.
 *
 * Threads: as puppet.h; stress_spin() and stress_dice() any that is a process.
 */
#ifndef SP_TEST_SUPPORT_STRESS_H
#define SP_TEST_SUPPORT_STRESS_H

#include "support/accounts.h"

#include <pthread.h>

enum { STRESS_CREW_MAX = 64 };

struct stress_thread {
    pthread_t thread;
    void (*fn)(void *arg);
    void *arg;
};

/** Who works together; starts as zeros. */
struct stress_crew {
    sp_pid processes[STRESS_CREW_MAX];
    int process_count;
    struct stress_thread threads[STRESS_CREW_MAX];
    int thread_count;
};

/** `count` times what the environment says; a tenth of that where programs are slow. */
int stress_times(int count);

/** A number below `sides`. */
int stress_dice(int sides);

/** Some work of random length, sometimes none, so that others park, wake and meet anywhere. */
void stress_spin(void);

/** `count` more processes that run `fn(arg)`. */
void stress_processes(struct stress_crew *crew, int count, void (*fn)(void *arg), void *arg);

/** `count` more threads of the program that run `fn(arg)` as processes. */
void stress_threads(struct stress_crew *crew, int count, void (*fn)(void *arg), void *arg);

/** Until all have ended, in whatever way. */
void stress_wait(struct stress_crew *crew);

/** Until this process is alone and the books balance: a process tells its end before it counts
 *  what it leaves. Books that do not are a case that hangs. */
void stress_settle(void);

#endif
