/* The stack of new processes: order, bounds, and that nothing is lost or taken twice. */
#include "runtime/young_stack.h"

#include "support/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void push(struct sp__young_stack *stack, uintptr_t value)
{
    CHECK(sp__young_stack_push(stack, (void *)value));
}

TEST(young_stack_owner_takes_the_newest_and_a_thief_the_oldest)
{
    static struct sp__young_stack stack;
    sp__young_stack_init(&stack);
    CHECK_PTR(sp__young_stack_pop(&stack), NULL);
    CHECK_PTR(sp__young_stack_steal(&stack), NULL);
    for (uintptr_t i = 1; i <= 4; i++)
        push(&stack, i);
    CHECK(!sp__young_stack_empty(&stack));
    CHECK_INT((uintptr_t)sp__young_stack_pop(&stack), 4);
    CHECK_INT((uintptr_t)sp__young_stack_steal(&stack), 1);
    push(&stack, 5);
    CHECK_INT((uintptr_t)sp__young_stack_steal(&stack), 2);
    CHECK_INT((uintptr_t)sp__young_stack_pop(&stack), 5);
    CHECK_INT((uintptr_t)sp__young_stack_pop(&stack), 3);
    CHECK_PTR(sp__young_stack_pop(&stack), NULL);
    CHECK_PTR(sp__young_stack_steal(&stack), NULL);
    CHECK(sp__young_stack_empty(&stack));
}

TEST(young_stack_refuses_when_full_and_goes_around)
{
    static struct sp__young_stack stack;
    sp__young_stack_init(&stack);
    for (uintptr_t round = 0; round < 5; round++) {
        for (uintptr_t i = 1; i <= SP__YOUNG_STACK_SIZE; i++)
            push(&stack, i);
        CHECK(!sp__young_stack_push(&stack, &stack));
        for (uintptr_t i = 1; i <= 100; i++)
            CHECK_INT((uintptr_t)sp__young_stack_steal(&stack), i);
        push(&stack, 1000);
        CHECK_INT((uintptr_t)sp__young_stack_pop(&stack), 1000);
        for (uintptr_t i = SP__YOUNG_STACK_SIZE; i > 100; i--)
            CHECK_INT((uintptr_t)sp__young_stack_pop(&stack), i);
        CHECK_PTR(sp__young_stack_pop(&stack), NULL);
    }
}

/* An owner that pushes and pops, and thieves: each item is taken once, with what was written to it
 * before. */
enum { ITEMS = 200000, THIEVES = 2 };

struct item {
    uint64_t value;
    _Atomic uint32_t taken;
};

struct contest {
    struct sp__young_stack stack;
    struct item *items;
    uint64_t count;
    _Atomic bool over;
    _Atomic uint64_t taken;
};

static void item_take(struct contest *contest, struct item *item)
{
    CHECK_INT(item->value, (uint64_t)(item - contest->items) + 7);
    /* relaxed: only counts. */
    CHECK_INT(atomic_fetch_add_explicit(&item->taken, 1, memory_order_relaxed), 0);
    atomic_fetch_add_explicit(&contest->taken, 1, memory_order_relaxed);
}

static void *thief(void *arg)
{
    struct contest *contest = arg;
    /* acquire: pairs with the owner's release at the end. */
    while (!atomic_load_explicit(&contest->over, memory_order_acquire)) {
        struct item *item = sp__young_stack_steal(&contest->stack);
        if (item != NULL)
            item_take(contest, item);
    }
    return NULL;
}

static void owner(struct contest *contest)
{
    for (uint64_t i = 0; i < contest->count; i++) {
        struct item *item = &contest->items[i];
        item->value = i + 7;
        if (!sp__young_stack_push(&contest->stack, item))
            item_take(contest, item);
        /* Mostly short stacks: the last item is what is disputed. */
        for (uint64_t pops = i % 3; pops > 0; pops--) {
            item = sp__young_stack_pop(&contest->stack);
            if (item != NULL)
                item_take(contest, item);
        }
    }
    for (struct item *item; (item = sp__young_stack_pop(&contest->stack)) != NULL;)
        item_take(contest, item);
}

TEST(young_stack_gives_each_item_to_one)
{
    struct contest *contest = aligned_alloc(SP__CACHE_LINE, sizeof *contest);
    CHECK(contest != NULL);
    memset(contest, 0, sizeof *contest);
    contest->count = sp_test_slow() ? ITEMS / 20 : ITEMS;
    contest->items = calloc(contest->count, sizeof *contest->items);
    CHECK(contest->items != NULL);
    sp__young_stack_init(&contest->stack);
    pthread_t thieves[THIEVES];
    for (int i = 0; i < THIEVES; i++)
        CHECK_INT(pthread_create(&thieves[i], NULL, thief, contest), 0);
    owner(contest);
    atomic_store_explicit(&contest->over, true, memory_order_release);
    for (int i = 0; i < THIEVES; i++)
        CHECK_INT(pthread_join(thieves[i], NULL), 0);
    CHECK_INT(atomic_load_explicit(&contest->taken, memory_order_relaxed), contest->count);
    free(contest->items);
    free(contest);
}
