/* Timers of a runtime: timing wheels behind locks, one shard per worker.
 *
 * A node says what it is when it fires: the deadline of an actor's wait, a message that is due, or
 * anything with a callback. Nodes are armed on the shard of the arming thread, and carry its
 * number so that anyone can cancel them. Any thread may expire any shard, so that a
 * worker that is stuck delays nobody's timers.
 *
 * A sleep and a wake-up cost some microseconds. Where eight or more timers are due at once, there will
 * be more soon: then the shard's next look is 100 us later at the earliest, so that half a million timers
 * a second cost 7,000 wake-ups and not 20,000. A timer in sparse traffic is not held back.
 *
 * Invariants: `next` of a shard is a lower bound of its first expiry but for that, written under its
 * lock; callbacks run without the lock, inside an epoch section.
 * Threads: all with a context. Neighbours: runtime/timer_wheel.h, runtime/scheduler.h.
 */
#ifndef SPAWNED_RUNTIME_TIMERS_H
#define SPAWNED_RUNTIME_TIMERS_H

#include "base/lock.h"
#include "runtime/timer_wheel.h"
#include "spawned/err.h"

#include <stdatomic.h>

struct sp_runtime;

struct sp__timer_shard {
    SP__CACHE_ALIGNED struct sp__lock lock;
    _Atomic int64_t next;                /* nothing of the shard is to be looked for before */
    size_t entries SP__GUARDED_BY(lock); /* armed ones but for waits */
    struct sp__wheel wheel SP__GUARDED_BY(lock);
};

struct sp__timers {
    uint32_t shard_count;
    struct sp__timer_shard shards[];
};

/* Kinds of nodes, in owner_bits beside the shard's number. */
enum {
    SP__TIMER_ACTOR,   /* in a struct sp__wait_timer */
    SP__TIMER_ENTRY,   /* sp__timer_entry.node */
    SP__TIMER_MESSAGE, /* the process layer's, for sp_runtime.on_timers */
};

/** An entry with a callback. */
struct sp__timer_entry {
    struct sp__timer_node node;
    /** It fired. On a thread with a context, inside an epoch section; may not suspend. */
    void (*fire)(struct sp__timer_entry *entry);
};

/** `count` shards at `now_ns`. Errors: NOMEM. Context: startup. */
SP_NODISCARD sp_err sp__timers_create(uint32_t count, int64_t now_ns, struct sp__timers **out)
    SP_NONNULL;

/** All entries are cancelled. NULL is fine. Context: the runtime's end. */
void sp__timers_destroy(struct sp__timers *timers);

/** Arm a node that is not armed, on the calling thread's shard. Context: any with a context. */
void sp__timers_arm(struct sp_runtime *runtime, struct sp__timer_node *node, unsigned kind,
                    int64_t expiry_ns) SP_NONNULL;

/** Cancel. True: it was armed, `*out_expiry` is when it would have fired; it will not. False: it
 *  was not, or is firing just now. Context: any with a context. */
bool sp__timers_cancel(struct sp_runtime *runtime, struct sp__timer_node *node, int64_t *out_expiry)
    SP_NONNULL_ARGS(1, 2);

/** Instant before which nothing is to be fired. Context: any. */
int64_t sp__timers_next(struct sp__timers *timers) SP_NONNULL;

/** Fire what is due at `now_ns`; returns how many. After about a thousand a shard it stops, so that who
 *  got them can have a turn: sp__timers_next() is then not later than `now_ns`.
 *  Context: any thread with a context, outside an epoch section. */
size_t sp__timers_expire(struct sp_runtime *runtime, int64_t now_ns) SP_NONNULL;

/** An armed timer, and when it does something: for a wait, its present deadline. */
struct sp__timer_armed {
    struct sp__timer_node *node;
    const void *owner; /* the actor it is for; else itself */
    int64_t due_ns;
};

/** What may fire next on a machine whose threads are late: of each actor the timer that is due
 *  first, in the order in which they are due. Looks at the `max` that are due first of all; returns
 *  how many. Context: the loop of a simulated world, for timers out of their order. */
size_t sp__timers_armed(struct sp_runtime *runtime, struct sp__timer_armed *out, size_t max)
    SP_NONNULL;

/** See the owner of each timer that is armed and will do something, as in sp__timer_armed, in no
 *  order. `see` does nothing with timers. Context: as above. */
void sp__timers_each(struct sp_runtime *runtime, void (*see)(void *arg, const void *owner),
                     void *arg) SP_NONNULL_ARGS(1, 2);

/** Fire an armed timer, and no other. Context: as above, where the clock is at its `due_ns`. */
void sp__timers_fire_one(struct sp_runtime *runtime, struct sp__timer_node *node) SP_NONNULL;

/** How many are armed; deadlines of waits, which stay armed for the next wait, do not count.
 *  Context: any. */
size_t sp__timers_count(struct sp__timers *timers) SP_NONNULL;

#endif
