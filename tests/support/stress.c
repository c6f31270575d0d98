#include "support/stress.h"

#include <stdlib.h>

int stress_times(int count)
{
    const char *text = getenv("SPAWNED_STRESS");
    int factor = text == NULL ? 1 : atoi(text);
    count *= factor < 1 ? 1 : factor;
    return sp_test_slow() ? count / 10 + 1 : count;
}

int stress_dice(int sides)
{
    return (int)(sp_random() % (uint64_t)sides);
}

void stress_spin(void)
{
    volatile unsigned work = (unsigned)stress_dice(4) == 0 ? (unsigned)stress_dice(3000) : 0;
    while (work != 0)
        work = work - 1;
}

void stress_processes(struct stress_crew *crew, int count, void (*fn)(void *arg), void *arg)
{
    CHECK(crew->process_count + count <= STRESS_CREW_MAX);
    for (int i = 0; i < count; i++)
        CHECK_OK(sp_spawn(fn, arg, NULL, &crew->processes[crew->process_count++]));
}

static void *stress_thread_main(void *arg)
{
    const struct stress_thread *thread = arg;
    CHECK_OK(sp_thread_attach(world_runtime()));
    thread->fn(thread->arg);
    sp_thread_detach();
    return NULL;
}

void stress_threads(struct stress_crew *crew, int count, void (*fn)(void *arg), void *arg)
{
    CHECK(crew->thread_count + count <= STRESS_CREW_MAX);
    for (int i = 0; i < count; i++) {
        struct stress_thread *thread = &crew->threads[crew->thread_count++];
        *thread = (struct stress_thread){ .fn = fn, .arg = arg };
        CHECK_INT(pthread_create(&thread->thread, NULL, stress_thread_main, thread), 0);
    }
}

void stress_wait(struct stress_crew *crew)
{
    for (int i = 0; i < crew->process_count; i++)
        CHECK_OK(sp_join(crew->processes[i], sp_never(), NULL));
    for (int i = 0; i < crew->thread_count; i++)
        CHECK_INT(pthread_join(crew->threads[i].thread, NULL), 0);
    *crew = (struct stress_crew){ 0 };
}

static bool stress_settled(void)
{
    struct sp_stats stats = accounts();
    return stats.processes == 1 && stats.handled + stats.queued + stats.dead_noproc +
                                           stats.dropped_full + stats.dropped_stale +
                                           stats.dropped_shed ==
                                       stats.sent;
}

void stress_settle(void)
{
    while (!stress_settled())
        sp_yield();
    accounts_empty();
}
