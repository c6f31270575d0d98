/* A worker's stack of new processes: see young_stack.h. */
#include "runtime/young_stack.h"

void sp__young_stack_init(struct sp__young_stack *stack)
{
    atomic_init(&stack->top, 0);
    atomic_init(&stack->bottom, 0);
    for (uint32_t i = 0; i < SP__YOUNG_STACK_SIZE; i++)
        atomic_init(&stack->slots[i], NULL);
}

/* True: the item at `top` is the caller's. */
static bool young_claim(struct sp__young_stack *stack, uint64_t top)
{
    /* seq_cst: one of several claims wins; release, so that the owner writes the slot again after
     * it was read. */
    return atomic_compare_exchange_strong_explicit(&stack->top, &top, top + 1, memory_order_seq_cst,
                                                   memory_order_relaxed);
}

void *sp__young_stack_take(struct sp__young_stack *stack, uint64_t bottom)
{
    uint64_t last = bottom - 1;
    /* seq_cst, as the next: a thief that reads `bottom` later finds the item gone, one that read it
     * before has `top` moved, or moves it by a swap. */
    atomic_exchange_explicit(&stack->bottom, last, memory_order_seq_cst);
    uint64_t top = atomic_load_explicit(&stack->top, memory_order_seq_cst);
    if (top < last)
        return atomic_load_explicit(&stack->slots[last % SP__YOUNG_STACK_SIZE],
                                    memory_order_relaxed);
    void *item = NULL;
    if (top == last && young_claim(stack, top))
        item =
            atomic_load_explicit(&stack->slots[last % SP__YOUNG_STACK_SIZE], memory_order_relaxed);
    /* Empty in any case. release: as in push. */
    atomic_store_explicit(&stack->bottom, bottom, memory_order_release);
    return item;
}

void *sp__young_stack_steal(struct sp__young_stack *stack)
{
    uint64_t top = atomic_load_explicit(&stack->top, memory_order_seq_cst);
    /* seq_cst, and so acquire: pairs with the release of push. */
    if (atomic_load_explicit(&stack->bottom, memory_order_seq_cst) <= top)
        return NULL;
    void *item =
        atomic_load_explicit(&stack->slots[top % SP__YOUNG_STACK_SIZE], memory_order_relaxed);
    return young_claim(stack, top) ? item : NULL;
}
