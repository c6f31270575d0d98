/* Handlers that compute for long, and that block their thread: another goes on with the worker. */
#include "torture.h"

#include <poll.h>
#include <time.h>

enum { SECONDS_MAX = 60 }; /* on a machine that does much else */

/* A part's processes may outlive it, if its body was ended by a failure: into the next part, and into
 * the lap in which all must succeed. So each has its number, and parts up to `released` may go. */
struct part {
    uint32_t number;
    bool strict;
    uint64_t handoffs; /* before it began */
};

static _Atomic uint32_t parts;
static _Atomic uint32_t released;

static void part_release(const struct part *part)
{
    /* acq_rel: only upwards, whoever comes first. */
    uint32_t before = atomic_load_explicit(&released, memory_order_relaxed);
    while (before < part->number &&
           !atomic_compare_exchange_weak_explicit(&released, &before, part->number,
                                                  memory_order_acq_rel, memory_order_relaxed))
        continue;
}

static bool part_released(const struct part *part)
{
    /* acquire: pairs with release. */
    return atomic_load_explicit(&released, memory_order_acquire) >= part->number;
}

static uint64_t handoffs(void)
{
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    return stats.handoffs;
}

static void spins(void *arg)
{
    time_t end = time(NULL) + SECONDS_MAX;
    while (!part_released(arg) && time(NULL) < end)
        continue;
}

static void blocks(void *arg)
{
    time_t end = time(NULL) + SECONDS_MAX;
    while (!part_released(arg) && time(NULL) < end)
        (void)poll(NULL, 0, 20);
}

/* Ends when a worker was taken from a stuck handler; what a point costs may be that it is not. */
static void watches(void *arg)
{
    const struct part *part = arg;
    time_t end = time(NULL) + (part->strict ? SECONDS_MAX : 1);
    while (handoffs() == part->handoffs && time(NULL) < end)
        sp_yield();
    MUST(!part->strict || handoffs() > part->handoffs);
    part_release(part);
}

static void part_stuck(sp_process_fn handler)
{
    sp_pid stuck;
    sp_pid watcher;
    struct part part = {
        .number = atomic_fetch_add_explicit(&parts, 1, memory_order_relaxed) + 1,
        .strict = torture_strict(),
        .handoffs = handoffs(),
    };
    struct sp_spawn_options plain = { .arg_size = sizeof(part) };
    struct sp_spawn_options own = { .own_thread = true, .arg_size = sizeof(part) };
    if (!DID(sp_spawn(watches, &part, &own, &watcher)))
        return;
    bool is_stuck = DID(sp_spawn(handler, &part, &plain, &stuck));
    DID(sp_join(watcher, TORTURE_PATIENCE, NULL));
    part_release(&part);
    if (is_stuck)
        DID(sp_join(stuck, TORTURE_PATIENCE, NULL));
}

void stuck_body(void *unused)
{
    (void)unused;
    part_stuck(spins);
    part_stuck(blocks);
}
