/* A hierarchical timing wheel: arm and cancel in O(1), exact to the nanosecond.
 *
 * A level is a ring of slots of one width, as many as reach one slot of the level above:
 *
 *     level 0    64 slots of 1 ns     [ ][ ][x][ ] ...    x fires when the clock reaches its slot
 *     level 1    64 slots of 64 ns    [ ][x][ ][ ] ...    a slot that is reached moves its nodes
 *     level 2   256 slots of 4.1 us   [ ][ ][ ][x] ...    one or more levels down
 *     level 3  4096 slots of 1.05 ms  ...
 *     level 4   256 slots of 4.3 s
 *       ...                                               level 7 ends with int64_t
 *
 * A node lies on the lowest level whose ring reaches from `base` to its expiry, counted in slots of
 * that level. So the ring of a level begins wherever `base` is, and nothing has to move just
 * because the clock passes a round number. Level 3 is wide because what lies in memory longest
 * is cold: most timers are moved from it to level 2 a millisecond before they fire, some
 * hundreds at a time in a busy runtime, and never from anywhere else: a slot of which a few nodes are left,
 * all of them due and nothing else before them, is sorted and fires from where it is.
 *
 * Why ticks of 1 ns and not of 65 us, say: within a slot of level 0 all nodes expire at one
 * instant, so the order of expiry needs no sorting, virtual time in simulation is exact, and the
 * next expiry is known exactly. It is not slower: the misses on the nodes dominate.
 *
 * Invariants:
 *  - `base` is an instant before which nothing is armed any more; it never steps back;
 *  - a node is at most as high as when it was armed (distances only shrink), so of two with one
 *    expiry the one armed later is never on a higher level. So a slot that is reached goes to the
 *    front of the slots below, nothing fires while slots that contain `base` are not
 *    moved, the lowest first, and nodes of one slot with one expiry are in arming order;
 *  - the head of a slot is valid only while its bit in `occupied` is set.
 *
 * Threads: none of its own; the owner locks. Neighbours: base/list.h.
 * Source: G. Varghese, T. Lauck, "Hashed and Hierarchical Timing Wheels" (1987), scheme 7.
 */
#ifndef SP_RUNTIME_TIMER_WHEEL_H
#define SP_RUNTIME_TIMER_WHEEL_H

#include "base/list.h"
#include "spawned/base.h"

enum {
    SP__WHEEL_LEVELS = 8,
    SP__WHEEL_SLOTS = 5376, /* of all levels */
    SP__WHEEL_WORDS = 84,   /* of 64 of them */
};

/** What is armed; embed it. Zero bytes are a node that is not armed. */
struct sp__timer_node {
    struct sp__list link; /* on a slot, or on the list sp__wheel_advance() filled */
    int64_t expiry_ns;    /* what it was armed for */
    uint32_t place;       /* 1 + the slot's number + level << 16; 0: not armed */
    uint32_t owner_bits;  /* the owner's, untouched */
};

struct sp__wheel {
    int64_t base;
    size_t count;
    uint32_t levels;                    /* bit k: summary[k] is not 0 */
    int64_t fetched;                    /* nodes before it were brought into the cache */
    struct sp__list moving;             /* the rest of a slot that is being moved down */
    uint64_t summary[SP__WHEEL_LEVELS]; /* bit w: word w of the level in `occupied` is not 0 */
    uint64_t occupied[SP__WHEEL_WORDS]; /* a bit for each slot: it has nodes */
    struct sp__list slots[SP__WHEEL_SLOTS];
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

/** Calls `see` with every armed node, in an order that only depends on what was done with the wheel.
 *  It may not change the wheel. Context: any. */
void sp__wheel_each(struct sp__wheel *wheel, void (*see)(void *arg, struct sp__timer_node *node),
                    void *arg) SP_NONNULL_ARGS(1, 2);

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
