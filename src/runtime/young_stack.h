/* A worker's stack of processes that never ran: newest first for the owner, oldest for thieves.
 *
 *     slots   . . [c d e f g] . .        slot = index mod 256
 *                  ^         ^
 *                 top      bottom
 *            thieves take    owner pushes and pops
 *
 * Newest first makes a tree of processes grow depth first: a worker has some branches of it alive, not
 * a whole level, and each process runs while its memory is still in the cache of who spawned it.
 * A thief takes the oldest, which is the one with most work below it.
 *
 * Only the owner moves `bottom`, and the last item is disputed with a compare-and-swap on `top`. All
 * four accesses that decide (the owner's write of `bottom` and read of `top`, the thief's reads of
 * both) are sequentially consistent: so not both find the same item theirs without the swap.
 * `top` only grows, with 64 bits, so a swap cannot succeed by wrap-around.
 *
 * Threads: one owner (push, pop); any number of thieves. Neighbours: runtime/real/search.c;
 * run_queue.h is first in first out. Source: D. Chase, Y. Lev, "Dynamic Circular Work-Stealing
 * Deque" (2005), bounded; the order of the accesses as in N. Le et al., "Correct and Efficient
 * Work-Stealing for Weak Memory Models" (2013).
 */
#ifndef SP_RUNTIME_YOUNG_STACK_H
#define SP_RUNTIME_YOUNG_STACK_H

#include "base/atomic.h"
#include "spawned/base.h"

/* tests/memory_model makes it 2, so that it is full soon. */
#ifndef SP__YOUNG_STACK_SLOTS
#define SP__YOUNG_STACK_SLOTS 256
#endif

enum { SP__YOUNG_STACK_SIZE = SP__YOUNG_STACK_SLOTS };

struct sp__young_stack {
    SP__CACHE_ALIGNED _Atomic uint64_t top;    /* the oldest; owner and thieves */
    SP__CACHE_ALIGNED _Atomic uint64_t bottom; /* next to push; written by the owner only */
    _Atomic(void *) slots[SP__YOUNG_STACK_SIZE];
};

/** An empty stack.
 *  Context: startup. */
void sp__young_stack_init(struct sp__young_stack *stack) SP_NONNULL;

/** The half of sp__young_stack_pop() for a stack that looked as if it held something.
 *  Context: the owner. */
void *sp__young_stack_take(struct sp__young_stack *stack, uint64_t bottom) SP_NONNULL SP_NODISCARD;

/** Takes the oldest item, or NULL: there is none, or somebody else was faster.
 *  Context: any. */
void *sp__young_stack_steal(struct sp__young_stack *stack) SP_NONNULL SP_NODISCARD;

/** Adds `item` (not NULL). False: it is full.
 *  Context: the owner. */
SP_NODISCARD static inline bool sp__young_stack_push(struct sp__young_stack *stack, void *item)
{
    uint64_t bottom = atomic_load_explicit(&stack->bottom, memory_order_relaxed);
    /* acquire: pairs with the thief's swap; it has read the slot that is written again. */
    if (bottom - atomic_load_explicit(&stack->top, memory_order_acquire) >= SP__YOUNG_STACK_SIZE)
        return false;
    atomic_store_explicit(&stack->slots[bottom % SP__YOUNG_STACK_SIZE], item, memory_order_relaxed);
    /* release: pairs with the thief's read; the item is complete. */
    atomic_store_explicit(&stack->bottom, bottom + 1, memory_order_release);
    return true;
}

/** Takes the newest item, or NULL.
 *  Context: the owner. */
SP_NODISCARD static inline void *sp__young_stack_pop(struct sp__young_stack *stack)
{
    uint64_t bottom = atomic_load_explicit(&stack->bottom, memory_order_relaxed);
    /* relaxed: `top` only grows, so what looks empty is. */
    if (atomic_load_explicit(&stack->top, memory_order_relaxed) == bottom)
        return NULL;
    return sp__young_stack_take(stack, bottom);
}

/** Is there nothing in it? A recent value.
 *  Context: any. */
static inline bool sp__young_stack_empty(const struct sp__young_stack *stack)
{
    uint64_t top = atomic_load_explicit(&stack->top, memory_order_relaxed);
    /* acquire: whoever is told that there is something can look for it. */
    return atomic_load_explicit(&stack->bottom, memory_order_acquire) <= top;
}

#endif
