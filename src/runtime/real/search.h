/* Looking for work, and sleeping while there is none.
 *
 * real.h has the drawing and the waking protocol. What is on the path of every turn is inline.
 *
 * Threads: the runner, which has entered its worker. Neighbours: scheduler.c runs what is found;
 * ready.c is the other side of the waking protocol; watcher.h, poller.h.
 */
#ifndef SPAWNED_RUNTIME_REAL_SEARCH_H
#define SPAWNED_RUNTIME_REAL_SEARCH_H

#include "runtime/real/real.h"

enum {
    /* How often `next` and new processes may go before the queue: a pair that plays ping-pong, or
     * one that spawns without end, must not starve the others, and 64 turns of it are some
     * microseconds. */
    SP__RUNNER_STREAK_MAX = 64,
};

/** Take what is to run next, unless too much went before the queue in a row. Context: the runner. */
static inline struct sp__actor *sp__runner_local_next(struct sp__runner *runner)
{
    struct sp__actor *actor = sp__runner_next(runner);
    if (actor == NULL || runner->next_streak >= SP__RUNNER_STREAK_MAX)
        return NULL;
    runner->next_streak++;
    /* relaxed: in the scheduler it is ours. */
    atomic_store_explicit(&runner->next, NULL, memory_order_relaxed);
    return actor;
}

/** A turn begins, or not. False: something else is due before. Context: the runner. */
static inline bool sp__runner_count_turn(struct sp__runner *runner)
{
    /* relaxed: the monitor only looks whether it moves. Single writer, hence no read-modify-write. */
    unsigned turns = atomic_load_explicit(&runner->turns, memory_order_relaxed);
    if (turns == runner->look_at)
        return false;
    atomic_store_explicit(&runner->turns, turns + 1, memory_order_relaxed);
    return true;
}

/** What `runner` runs next, whatever it takes, sleep too; `look`: at timers, poller and global queue
 *  first. NULL: the thread is to end. Context: the runner. */
struct sp__actor *sp__runner_find(struct sp__runner *runner, bool look) SP_NONNULL SP_NOINLINE;

#endif
