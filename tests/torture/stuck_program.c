/* Handlers that compute for long, and that block their thread: another goes on with the worker. */
#include "torture.h"

#include <poll.h>
#include <time.h>

enum { SECONDS_MAX = 60 }; /* on a machine that does much else */

static _Atomic bool may_go;

static uint64_t handoffs(void)
{
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    return stats.handoffs;
}

static void spins(void *arg)
{
    (void)arg;
    time_t end = time(NULL) + SECONDS_MAX;
    while (!atomic_load_explicit(&may_go, memory_order_acquire) && time(NULL) < end)
        continue;
}

static void blocks(void *arg)
{
    (void)arg;
    time_t end = time(NULL) + SECONDS_MAX;
    while (!atomic_load_explicit(&may_go, memory_order_acquire) && time(NULL) < end)
        (void)poll(NULL, 0, 20);
}

/* Ends when a worker was taken from a stuck handler; what a point costs may be that it is not. */
static void watches(void *arg)
{
    uint64_t before = *(uint64_t *)arg;
    time_t end = time(NULL) + (torture_strict() ? SECONDS_MAX : 1);
    while (handoffs() == before && time(NULL) < end)
        sp_yield();
    MUST(!torture_strict() || handoffs() > before);
    atomic_store_explicit(&may_go, true, memory_order_release);
}

static void part_stuck(sp_process_fn handler)
{
    sp_pid stuck;
    sp_pid watcher;
    uint64_t before = handoffs();
    struct sp_spawn_options own = { .own_thread = true, .arg_size = sizeof(before) };
    atomic_store_explicit(&may_go, false, memory_order_relaxed);
    if (!DID(sp_spawn(watches, &before, &own, &watcher)))
        return;
    bool is_stuck = DID(sp_spawn(handler, NULL, NULL, &stuck));
    DID(sp_join(watcher, TORTURE_PATIENCE, NULL));
    atomic_store_explicit(&may_go, true, memory_order_release);
    if (is_stuck)
        DID(sp_join(stuck, TORTURE_PATIENCE, NULL));
}

void stuck_body(void *unused)
{
    (void)unused;
    part_stuck(spins);
    part_stuck(blocks);
}
