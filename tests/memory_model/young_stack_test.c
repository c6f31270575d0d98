/* runtime/young_stack.c: the owner pushes and pops the newest, thieves take the oldest.
 *
 * For the models a stack has two slots.
 */
#include "runtime/young_stack.h"

#include "model.h"

#include "support/test.h"

enum { YOUNG_ITEMS = 4 };

static struct {
    struct sp__young_stack stack;
    struct {
        int value; /* written by the pusher, then by the taker */
        int taken;
    } items[YOUNG_ITEMS];
} state;

static void item_taken(void *item)
{
    if (item == NULL)
        return;
    int index = (int)((char *)item - (char *)state.items) / (int)sizeof(state.items[0]);
    MODEL_ASSERT(state.items[index].value == index + 1);
    state.items[index].value = -1;
    state.items[index].taken++;
}

/* Where it is full, the pusher runs the item itself. */
static void item_push(int number)
{
    state.items[number].value = number + 1;
    if (!sp__young_stack_push(&state.stack, &state.items[number]))
        item_taken(&state.items[number]);
}

static bool pop(void)
{
    void *item = sp__young_stack_pop(&state.stack);
    item_taken(item);
    return item != NULL;
}

static void steal(void)
{
    item_taken(sp__young_stack_steal(&state.stack));
}

static void steal_twice(void)
{
    steal();
    steal();
}

static void young_setup(void)
{
    sp__young_stack_init(&state.stack);
}

static void young_setup_one(void)
{
    young_setup();
    item_push(0);
}

static void young_setup_two(void)
{
    young_setup_one();
    item_push(1);
}

static void push_two_pop_two(void)
{
    item_push(0);
    item_push(1);
    pop();
    pop();
}

static void push_pop_push_pop(void)
{
    item_push(0);
    pop();
    item_push(1);
    pop();
}

static void pop_one(void)
{
    pop();
}

static void pop_two(void)
{
    pop();
    pop();
}

/* It is full, and room is where a thief has read. */
static void push_over(void)
{
    item_push(2);
    item_push(3);
    pop();
}

/* Who is told that it is not empty finds what was pushed. */
static void look(void)
{
    if (!sp__young_stack_empty(&state.stack))
        steal();
}

static void young_final(void)
{
    while (pop()) {}
    for (int i = 0; i < YOUNG_ITEMS; i++)
        MODEL_ASSERT(state.items[i].taken == (state.items[i].value != 0));
    MODEL_ASSERT(sp__young_stack_empty(&state.stack));
}

#define YOUNG_MODEL(what, from, a, b, c)                                           \
    {                                                                              \
        .name = what, .state = &state, .state_size = sizeof(state), .setup = from, \
        .threads = { a, b, c }, .thread_names = { "owner", "thief", "thief 2" },   \
        .final = young_final,                                                      \
    }

static const struct model last_one =
    YOUNG_MODEL("young stack, the last item", young_setup_one, pop_one, steal, steal);
static const struct model last_two =
    YOUNG_MODEL("young stack, the last two items", young_setup_two, pop_two, steal, steal);
static const struct model two_and_two =
    YOUNG_MODEL("young stack, two items, two thieves", young_setup, push_two_pop_two, steal, steal);
static const struct model by_turns =
    YOUNG_MODEL("young stack, by turns", young_setup, push_pop_push_pop, steal_twice, NULL);
static const struct model over =
    YOUNG_MODEL("young stack, over the end", young_setup_two, push_over, steal_twice, NULL);
static const struct model over_two =
    YOUNG_MODEL("young stack, over the end, two thieves", young_setup_two, push_over, steal, steal);
static const struct model not_empty =
    YOUNG_MODEL("young stack, looked at", young_setup, push_pop_push_pop, look, NULL);

TEST(each_item_is_taken_once)
{
    model_must_hold(&last_one);
    model_must_hold(&last_two);
    model_must_hold(&two_and_two);
    model_must_hold(&by_turns);
    model_must_hold(&not_empty);
}

TEST(each_item_is_taken_once_where_slots_are_used_again)
{
    model_must_hold(&over);
    model_must_hold(&over_two);
}

static const struct model_spared young_spared[] = {
    { { "sp__young_stack_take", "store", "&stack->bottom", 0, memory_order_relaxed },
      "the stack is empty then, and who reads it takes nothing" },
    { { "sp__young_stack_push", "load", "&stack->top", 0, memory_order_relaxed },
      "against load buffering, which RC11 does not have" },
    { { "sp__young_stack_empty", "load", "&stack->bottom", 0, memory_order_relaxed },
      "who looks for an item then acquires it" },
    { { NULL, NULL, NULL, 0, memory_order_relaxed }, NULL },
};

TEST(each_order_is_needed)
{
    static const struct model *const models[] = { &last_one, &last_two, &by_turns, &not_empty,
                                                  &over,     &over_two, NULL };
    static const char *const files[] = { "young_stack.c", "young_stack.h", NULL };
    model_weaken_each(
        &(struct model_part){ .models = models, .files = files, .spared = young_spared });
}

/* The two of the four decisive accesses that are easily thought to be too strong. */
TEST(planted_bugs_are_found_and_told)
{
    model_must_find(&last_two,
                    &(struct model_fault){ .function = "sp__young_stack_take",
                                           .operation = "exchange",
                                           .operand = "&stack->bottom",
                                           .order = memory_order_acq_rel },
                    "sp__young_stack_take(): exchange &stack->bottom acq_rel");
    model_must_find(&by_turns,
                    &(struct model_fault){ .function = "sp__young_stack_push",
                                           .operation = "store",
                                           .operand = "&stack->bottom",
                                           .order = memory_order_relaxed },
                    "data race");
}
