/* runtime/run_queue.c: the owner pushes and pops, thieves take half, indices go round.
 *
 * Each item is handed to exactly one taker, who finds what its pusher wrote to it. For the models a
 * queue has four places, so that the end of it is near.
 */
#include "runtime/run_queue.h"

#include "model.h"

#include "support/test.h"

enum { QUEUE_ITEMS = 8 };

static struct {
    struct sp__run_queue queue;
    struct sp__run_queue thief[2];
    struct {
        int value; /* written by the pusher, then by the taker */
        int taken;
    } items[QUEUE_ITEMS];
    int spilled;
} state;

static void item_push(int number)
{
    void *spill[SP__RUN_QUEUE_SPILL];
    state.items[number].value = number + 1;
    size_t spilled = sp__run_queue_push(&state.queue, &state.items[number], spill);
    /* What spills over is the caller's; it runs it by itself here. */
    for (size_t i = 0; i < spilled; i++) {
        int index = (int)((char *)spill[i] - (char *)state.items) / (int)sizeof(state.items[0]);
        MODEL_ASSERT(state.items[index].value == index + 1);
        state.items[index].value = -1;
        state.items[index].taken++;
        state.spilled++;
    }
}

static void item_taken(void *item)
{
    if (item == NULL)
        return;
    int index = (int)((char *)item - (char *)state.items) / (int)sizeof(state.items[0]);
    MODEL_ASSERT(state.items[index].value == index + 1);
    state.items[index].value = -1;
    state.items[index].taken++;
}

static bool pop(void)
{
    void *item = sp__run_queue_pop(&state.queue);
    item_taken(item);
    return item != NULL;
}

static void steal(void)
{
    struct sp__run_queue *own = &state.thief[model_thread() - 2];
    item_taken(sp__run_queue_steal(own, &state.queue));
    item_taken(sp__run_queue_pop(own));
}

static void steal_twice(void)
{
    steal();
    steal();
}

/* ---- owners ---- */

static void queue_setup(void)
{
    sp__run_queue_init(&state.queue);
    sp__run_queue_init(&state.thief[0]);
    sp__run_queue_init(&state.thief[1]);
}

/* Three in it, the next push but one goes over the end of the slots. */
static void queue_setup_three(void)
{
    queue_setup();
    for (int i = 0; i < 3; i++)
        item_push(i);
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

/* Over the end: onto slots that thieves read. */
static void push_three_over(void)
{
    item_push(3);
    item_push(4);
    item_push(5);
}

static void pop_push_over(void)
{
    pop();
    item_push(3);
    item_push(4);
}

static void push_many(void)
{
    void *items[2] = { &state.items[3], &state.items[4] };
    state.items[3].value = 4;
    state.items[4].value = 5;
    size_t count = sp__run_queue_push_many(&state.queue, items, 2);
    MODEL_ASSERT(count == 1 || count == 2);
    if (count == 1)
        item_taken(&state.items[4]);
    pop();
}

/* What is left is there; all pushed ones came once. */
static void queue_final(void)
{
    while (pop()) {}
    for (int i = 0; i < 2; i++) {
        void *item;
        while ((item = sp__run_queue_pop(&state.thief[i])) != NULL)
            item_taken(item);
    }
    for (int i = 0; i < QUEUE_ITEMS; i++)
        MODEL_ASSERT(state.items[i].taken == (state.items[i].value != 0));
}

#define QUEUE_MODEL(what, from, a, b, c)                                           \
    {                                                                              \
        .name = what, .state = &state, .state_size = sizeof(state), .setup = from, \
        .threads = { a, b, c }, .thread_names = { "owner", "thief", "thief 2" },   \
        .final = queue_final,                                                      \
    }

static const struct model two_and_two =
    QUEUE_MODEL("run queue, two items, two thieves", queue_setup, push_two_pop_two, steal, steal);
static const struct model by_turns =
    QUEUE_MODEL("run queue, by turns", queue_setup, push_pop_push_pop, steal_twice, NULL);
static const struct model over =
    QUEUE_MODEL("run queue, over the end", queue_setup_three, push_three_over, steal, NULL);
static const struct model over_two = QUEUE_MODEL("run queue, over the end, two thieves",
                                                 queue_setup_three, push_three_over, steal, steal);
static const struct model over_pop =
    QUEUE_MODEL("run queue, pop and over the end", queue_setup_three, pop_push_over, steal, steal);
static const struct model many =
    QUEUE_MODEL("run queue, several at once", queue_setup_three, push_many, steal, NULL);

TEST(each_item_is_taken_once)
{
    model_must_hold(&two_and_two);
    model_must_hold(&by_turns);
}

TEST(each_item_is_taken_once_where_slots_are_used_again)
{
    model_must_hold(&over);
    model_must_hold(&over_two);
    model_must_hold(&over_pop);
    model_must_hold(&many);
}

#define BUFFERING "against load buffering, which RC11 does not have (P2, P3)"

static const struct model_spared queue_spared[] = {
    { { "run_queue_head", "load", "&queue->head", 0, memory_order_relaxed }, BUFFERING },
    { { "run_queue_claim", "compare_exchange_strong", "&queue->head", 0, memory_order_acquire },
      BUFFERING },
    { { "run_queue_claim", "compare_exchange_strong", "&queue->head", 0, memory_order_release },
      "the load of head before it acquired the same value" },
    { { NULL, NULL, NULL, 0, memory_order_relaxed }, NULL },
};

TEST(each_order_is_needed)
{
    static const struct model *const models[] = { &by_turns, &over, &many, &over_pop, NULL };
    static const char *const files[] = { "run_queue.c", NULL };
    model_weaken_each(
        &(struct model_part){ .models = models, .files = files, .spared = queue_spared });
}

TEST(planted_bugs_are_found_and_told)
{
    model_must_find(&by_turns,
                    &(struct model_fault){ .function = "run_queue_publish",
                                           .operation = "store",
                                           .operand = "&queue->tail",
                                           .order = memory_order_relaxed },
                    "data race");
    model_must_find(&by_turns,
                    &(struct model_fault){ .function = "run_queue_steal_once",
                                           .operation = "load",
                                           .operand = "&from->tail",
                                           .order = memory_order_relaxed },
                    "run_queue_steal_once(): load &from->tail relaxed");
}
