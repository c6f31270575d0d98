/* Lanes: where processes of another priority than normal wait, and who goes first.
 *
 *   max   one list each, first in first out,      taken by a worker
 *   high  shared by all workers, under one lock   before what is in its own queues
 *   low                                           after it
 *
 * Who makes an actor of another priority ready looks at one byte that it looks at anyway (is it
 * bound to a thread?), so those of normal priority pay nothing. A worker looks at the lanes when it
 * looks around; where a high one is made ready on it, that is before its next turn.
 *
 * The order is strict, but nobody starves: a class that was passed over for so long as the option
 * `aging` says gets a turn, and then one whenever it has waited for fifteen times as long as its
 * last turn took. So a lower class gets one sixteenth of each worker's time, whatever the
 * others do, and a burst of less than `aging` is not interrupted.
 *
 * Invariants: an actor is in a lane iff it is QUEUED and nobody runs it. `count` is written under
 * the lock.
 * Threads: push by any, the rest by runners. Neighbours: ready.c pushes, search.c takes.
 */
#ifndef SPAWNED_RUNTIME_REAL_LANES_H
#define SPAWNED_RUNTIME_REAL_LANES_H

#include "base/lock.h"
#include "runtime/actor.h"

enum {
    SP__LANE_COUNT = SP__LANE_MAX + 1,
    SP__SHARE_ONE_IN = 16, /* of the time, for a class that is passed over */
};

/** Classes in order, lowest first. */
enum sp__rank {
    SP__RANK_LOW,
    SP__RANK_NORMAL,
    SP__RANK_HIGH,
    SP__RANK_MAX,
    SP__RANK_COUNT,
    SP__RANK_NONE = SP__RANK_COUNT,
};

struct sp__lanes {
    struct sp__lock lock;
    struct sp__actor *first[SP__LANE_COUNT] SP__GUARDED_BY(lock);
    struct sp__actor *last[SP__LANE_COUNT] SP__GUARDED_BY(lock);
    _Atomic uint32_t count[SP__LANE_COUNT];
    _Atomic uint32_t total;
};

/** What a worker has to know to let nobody starve. Zero to begin. */
struct sp__share {
    int64_t due[SP__RANK_COUNT]; /* when a class that is passed over has its turn */
    int64_t began;
    unsigned passed; /* a bit for each class that was passed over the last time */
    bool charged;    /* a turn of `rank` that went before others began at `began` */
    enum sp__rank rank;
};

/** Which class an actor is of. Context: any. */
enum sp__rank sp__lane_rank(uint8_t lane);

/** To the end of its lane. Wakes nobody. Context: any. */
void sp__lanes_push(struct sp__lanes *lanes, struct sp__actor *actor) SP_NONNULL;

/** The first of a class other than normal, or NULL. Context: any. */
struct sp__actor *sp__lanes_pop(struct sp__lanes *lanes, enum sp__rank rank) SP_NONNULL;

/** Is there anybody? Context: any. */
static inline bool sp__lanes_empty(const struct sp__lanes *lanes)
{
    /* seq_cst: pairs with the fence of who falls asleep, see sp__real_notify(). */
    return atomic_load_explicit(&lanes->total, memory_order_seq_cst) == 0;
}

/** A bit for each class in which somebody waits. Context: any. */
unsigned sp__lanes_waiting(const struct sp__lanes *lanes) SP_NONNULL;

/** What the turn that went before others took counts against its class, now that it is over.
 *  Context: the worker's runner. */
void sp__share_settle(struct sp__share *share, int64_t now_ns) SP_NONNULL;

/** The class whose turn it is, of those in `waiting`, of which there are some. Context: the worker's runner. */
enum sp__rank sp__share_choose(struct sp__share *share, unsigned waiting, int64_t now_ns,
                               int64_t aging_ns) SP_NONNULL;

#endif
