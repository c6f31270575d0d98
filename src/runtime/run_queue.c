/* A bounded work-stealing queue: see run_queue.h.
 *
 * Who may touch which slot: [head, tail) hold items and are read by anybody; the rest is the
 * owner's to write. A reader that was overtaken reads a slot the owner reuses meanwhile (hence
 * atomic slots), but then its claim fails and what it read is dropped.
 *
 * The same three pairings everywhere:
 *   P1  push's release store of tail  ->  steal's acquire load of tail: the items are there.
 *   P2  a claim's release of head     ->  push's acquire load of head: the reads of the claimed slots
 *                                         are over before the owner writes them again.
 *   P3  a claim's release of head     ->  the next claim's acquire load of head: keeps P2
 *                                         transitive when several claims follow each other.
 */
#include "runtime/run_queue.h"

#include <assert.h>

enum { RUN_QUEUE_MASK = SP__RUN_QUEUE_SIZE - 1 };

void sp__run_queue_init(struct sp__run_queue *queue)
{
    atomic_init(&queue->head, 0);
    atomic_init(&queue->tail, 0);
    for (int i = 0; i < SP__RUN_QUEUE_SIZE; i++)
        atomic_init(&queue->slots[i], NULL);
}

/* relaxed: ordered by P1 for whoever reads a slot, by P2 for the owner who writes it. */
static void *run_queue_get(const struct sp__run_queue *queue, uint64_t index)
{
    return atomic_load_explicit(&queue->slots[index & RUN_QUEUE_MASK], memory_order_relaxed);
}

static void run_queue_set(struct sp__run_queue *queue, uint64_t index, void *item)
{
    atomic_store_explicit(&queue->slots[index & RUN_QUEUE_MASK], item, memory_order_relaxed);
}

/* acquire: P2 and P3. */
static uint64_t run_queue_head(const struct sp__run_queue *queue)
{
    return atomic_load_explicit(&queue->head, memory_order_acquire);
}

/* relaxed: the owner reads what it wrote itself. */
static uint64_t run_queue_own_tail(const struct sp__run_queue *queue)
{
    return atomic_load_explicit(&queue->tail, memory_order_relaxed);
}

/* release: P1. */
static void run_queue_publish(struct sp__run_queue *queue, uint64_t tail)
{
    atomic_store_explicit(&queue->tail, tail, memory_order_release);
}

/* Moves head from `head` by `count`; false if it was somewhere else.
 * release: P2 and P3; acquire: P3, also when the claim fails and is tried again. */
static bool run_queue_claim(struct sp__run_queue *queue, uint64_t head, uint64_t count)
{
    return atomic_compare_exchange_strong_explicit(&queue->head, &head, head + count,
                                                   memory_order_acq_rel, memory_order_acquire);
}

/* The owner takes its older half; 0 if a thief was faster, and then there is room. */
static size_t run_queue_take_half(struct sp__run_queue *queue, uint64_t head, void **spill)
{
    size_t half = SP__RUN_QUEUE_SIZE / 2;
    for (size_t i = 0; i < half; i++)
        spill[i] = run_queue_get(queue, head + i);
    return run_queue_claim(queue, head, half) ? half : 0;
}

size_t sp__run_queue_push(struct sp__run_queue *queue, void *item, void *spill[SP__RUN_QUEUE_SPILL])
{
    uint64_t tail = run_queue_own_tail(queue);
    uint64_t head = run_queue_head(queue);
    assert(item != NULL);
    if (tail - head == SP__RUN_QUEUE_SIZE) {
        size_t taken = run_queue_take_half(queue, head, spill);
        if (taken > 0) {
            spill[taken] = item;
            return taken + 1;
        }
    }
    run_queue_set(queue, tail, item);
    run_queue_publish(queue, tail + 1);
    return 0;
}

size_t sp__run_queue_push_many(struct sp__run_queue *queue, void *const *items, size_t count)
{
    uint64_t tail = run_queue_own_tail(queue);
    size_t room = SP__RUN_QUEUE_SIZE - (size_t)(tail - run_queue_head(queue));
    if (count > room)
        count = room;
    for (size_t i = 0; i < count; i++)
        run_queue_set(queue, tail + i, items[i]);
    run_queue_publish(queue, tail + count);
    return count;
}

void *sp__run_queue_pop(struct sp__run_queue *queue)
{
    uint64_t tail = run_queue_own_tail(queue);
    uint64_t head = run_queue_head(queue);
    while (head != tail) {
        void *item = run_queue_get(queue, head);
        if (run_queue_claim(queue, head, 1))
            return item;
        head = run_queue_head(queue);
    }
    return NULL;
}

/* One attempt. *out_retry: somebody else took from `from` at the same time. */
static void *run_queue_steal_once(struct sp__run_queue *into, struct sp__run_queue *from,
                                  bool *out_retry)
{
    uint64_t head = run_queue_head(from);
    /* acquire: P1. After the load of head, so that tail is not older than it. */
    uint64_t tail = atomic_load_explicit(&from->tail, memory_order_acquire);
    uint64_t count = (tail - head + 1) / 2;
    *out_retry = false;
    if (count == 0)
        return NULL;
    if (count > SP__RUN_QUEUE_SIZE / 2) { /* head had moved on between the two loads */
        *out_retry = true;
        return NULL;
    }
    uint64_t own_tail = run_queue_own_tail(into);
    void *first = run_queue_get(from, head);
    for (uint64_t i = 1; i < count; i++)
        run_queue_set(into, own_tail + i - 1, run_queue_get(from, head + i));
    if (!run_queue_claim(from, head, count)) {
        *out_retry = true;
        return NULL;
    }
    run_queue_publish(into, own_tail + count - 1);
    return first;
}

void *sp__run_queue_steal(struct sp__run_queue *into, struct sp__run_queue *from)
{
    bool retry = false;
    void *item;
    assert(into != from);
    assert(run_queue_own_tail(into) - run_queue_head(into) <= SP__RUN_QUEUE_SIZE / 2);
    do {
        item = run_queue_steal_once(into, from, &retry);
    } while (retry);
    return item;
}

size_t sp__run_queue_length(const struct sp__run_queue *queue)
{
    /* relaxed, head first: a recent value; head cannot pass a tail that is read later. */
    uint64_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    return tail > head ? (size_t)(tail - head) : 0;
}
