/* A hierarchical timing wheel: arm and cancel in O(1), exact to the nanosecond.
 *
 * 11 levels of 64 slots; a slot of level k spans 64^k ns. A node lies on the level of the
 * highest 6-bit digit in which its expiry differs from the wheel's `base`, in the slot of that
 * digit, so 11 levels reach every int64_t and nothing overflows:
 *
 *     level 0   1 ns a slot      [ ][ ][x][ ] ...      x fires when the clock reaches its slot
 *     level 1   64 ns            [ ][x][ ][ ] ...      a slot that is reached moves
 *     level 2   4.1 us           [ ][ ][ ][x] ...      its nodes one or more levels down
 *       ...                                            (a "cascade")
 *     level 10  2^60 ns = 36 y
 *
 * Why ticks of 1 ns and not of 65 us, say: within a slot of level 0 all nodes expire at one
 * instant, so the order of expiry needs no sorting, virtual time in simulation is exact, and the
 * next expiry is known exactly. It is not slower: to arm costs about 8 ns, to cancel the same while in
 * cache, and to fire 80 ns among 100,000 timers over 10 s and 340 ns among a million, with either
 * tick (the misses on the nodes dominate; the more levels are hot or skipped, see wheel_reach()).
 *
 * Invariants:
 *  - nodes on a lower level expire before those on a higher one, a slot before the next;
 *  - within a slot nodes are in arming order (a slot only receives a cascade while empty);
 *  - `base` is the last instant handled completely; an armed expiry is never below `floor`;
 *  - floor > base only while a cascade that ran out of budget is unfinished: then `floor` lies in the
 *    slot that is being moved, its nodes are partly below, and new ones queue up behind the rest.
 *
 * Threads: none of its own; the owner locks. Neighbours: base/list.h.
 * Source: G. Varghese, T. Lauck, "Hashed and Hierarchical Timing Wheels" (1987), scheme 7.
 */
#ifndef SP_RUNTIME_TIMER_WHEEL_H
#define SP_RUNTIME_TIMER_WHEEL_H

#include "base/list.h"
#include "spawned/base.h"

enum {
    SP__WHEEL_BITS = 6,
    SP__WHEEL_SLOTS = 1 << SP__WHEEL_BITS,
    SP__WHEEL_LEVELS = 11, /* 11 * 6 bits >= 63 */
};

/** What is armed; embed it. Zero bytes are a node that is not armed. */
struct sp__timer_node {
    struct sp__list link; /* on a slot, or on the list sp__wheel_advance() filled */
    int64_t expiry_ns;    /* what it was armed for */
    uint32_t place;       /* 1 + level * SP__WHEEL_SLOTS + slot; 0: not armed */
    uint32_t owner_bits;  /* the owner's, untouched */
};

struct sp__wheel {
    int64_t base;
    int64_t floor;
    uint64_t occupied[SP__WHEEL_LEVELS]; /* bit s: slot s of the level has nodes */
    uint32_t levels;                     /* bit k: occupied[k] is not 0 */
    uint32_t cascading;                  /* place (as in a node) of the slot being moved; 0: none */
    size_t count;
    struct sp__list slots[SP__WHEEL_LEVELS][SP__WHEEL_SLOTS];
};

/** An empty wheel at the instant `now_ns` (not negative). It must not move in memory.
 *  Context: any. */
void sp__wheel_init(struct sp__wheel *wheel, int64_t now_ns) SP_NONNULL;

/** Arms `node` (not armed) to fire at `expiry_ns`; an instant that has passed fires at the next
 *  advance, after what was due before it. O(1).
 *  Ownership: borrows the node until it fires or is cancelled. Context: any. */
void sp__wheel_arm(struct sp__wheel *wheel, struct sp__timer_node *node, int64_t expiry_ns)
    SP_NONNULL;

/** Disarms `node`. False: it was not armed (never, or it has fired). O(1).
 *  Context: any. */
bool sp__wheel_cancel(struct sp__wheel *wheel, struct sp__timer_node *node) SP_NONNULL;

/** True from arm until it fires or is cancelled. */
static inline bool sp__wheel_armed(const struct sp__timer_node *node)
{
    return node->place != 0;
}

/** How many nodes are armed. */
static inline size_t sp__wheel_count(const struct sp__wheel *wheel)
{
    return wheel->count;
}

/** When to call sp__wheel_advance() next: never later than the next expiry, and exactly that
 *  unless more than 8 nodes share its slot (then it may be the slot's begin: such a wait is cut
 *  into at most SP__WHEEL_LEVELS parts). INT64_MAX: nothing is armed, or only for then.
 *  Context: any. */
int64_t sp__wheel_next(const struct sp__wheel *wheel) SP_NONNULL;

/** Appends the nodes that expired at or before `now_ns` to `out`, in order of expiry, ties in
 *  order of arming; they are no longer armed. Touches at most `max` nodes (fired or moved down), so that
 *  a lock is held for a bounded time: true means it stopped there and wants to be called again.
 *  A clock that stands or steps back fires only what is already due.
 *  Ownership: the nodes on `out` are the caller's again. Context: any. */
bool sp__wheel_advance(struct sp__wheel *wheel, int64_t now_ns, size_t max, struct sp__list *out)
    SP_NONNULL SP_NODISCARD;

#endif
