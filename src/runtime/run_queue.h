/* A worker's queue of runnable things: bounded, first in first out, others may steal.
 *
 *     slots   . . [c d e f g] . .        head and tail only grow; slot = index mod 256
 *                  ^         ^
 *                 head      tail
 *            owner pops,     owner pushes (a plain store)
 *          thieves take half
 *        (compare-and-swap)
 *
 * Only the owner moves `tail`. Whoever moves `head` (owner or thief) reads the slots first and
 * then claims them with one compare-and-swap: a success says that head had not moved, so the
 * slots had not been reused. The indices have 64 bits, so a claim cannot succeed by wrap-around.
 *
 * Threads: one owner (push, pop, steal into); any number of thieves. Neighbours: scheduler.
 * Source: the bounded work-stealing run queue of the Go runtime ("Scalable Go Scheduler
 * Design", D. Vyukov 2012), which tokio's scheduler shares.
 */
#ifndef SP_RUNTIME_RUN_QUEUE_H
#define SP_RUNTIME_RUN_QUEUE_H

#include "base/atomic.h"
#include "spawned/base.h"

/* tests/memory_model makes it 4, so that the end of the slots is near. */
#ifndef SP__RUN_QUEUE_SLOTS
#define SP__RUN_QUEUE_SLOTS 256
#endif

enum {
    SP__RUN_QUEUE_SIZE = SP__RUN_QUEUE_SLOTS,
    /** The most that one push can spill: half the queue and the new item. */
    SP__RUN_QUEUE_SPILL = SP__RUN_QUEUE_SIZE / 2 + 1,
};

struct sp__run_queue {
    SP__CACHE_ALIGNED _Atomic uint64_t head; /* next to pop; owner and thieves */
    SP__CACHE_ALIGNED _Atomic uint64_t tail; /* next to push; written by the owner only */
    _Atomic(void *) slots[SP__RUN_QUEUE_SIZE];
};

/** An empty queue.
 *  Context: startup. */
void sp__run_queue_init(struct sp__run_queue *queue) SP_NONNULL;

/** Adds `item` (not NULL) at the tail. Returns 0; or, when the queue is full, moves its older half
 *  and then `item` to `spill` and returns how many that are, in order: the caller puts them on
 *  its overflow queue.
 *  Context: scheduler, the owner. */
size_t sp__run_queue_push(struct sp__run_queue *queue, void *item, void *spill[SP__RUN_QUEUE_SPILL])
    SP_NONNULL SP_NODISCARD;

/** Adds as many of the `count` items as fit and returns their number: for taking a share of an
 *  overflow queue.
 *  Context: scheduler, the owner. */
size_t sp__run_queue_push_many(struct sp__run_queue *queue, void *const *items, size_t count)
    SP_NONNULL SP_NODISCARD;

/** Takes the oldest item, or NULL.
 *  Context: scheduler, the owner. */
void *sp__run_queue_pop(struct sp__run_queue *queue) SP_NONNULL SP_NODISCARD;

/** Takes the older half (rounded up) of `from`: returns its oldest item to run at once and adds
 *  the others to `into`, which has room for half a queue (it is empty as a rule). NULL: there was
 *  nothing to take.
 *  Context: scheduler, the owner of `into`, any thread in regard to `from`. */
void *sp__run_queue_steal(struct sp__run_queue *into, struct sp__run_queue *from)
    SP_NONNULL SP_NODISCARD;

/** How many items, exact for the owner while nobody steals, else a recent value.
 *  Context: any. */
size_t sp__run_queue_length(const struct sp__run_queue *queue) SP_NONNULL;

#endif
