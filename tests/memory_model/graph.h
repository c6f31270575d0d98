/* An execution as a graph: events by thread, which write each read gets, the modification order
 * of each location; and what follows from these: clocks of happens-before.
 *
 *   events[t]   the atomic operations of thread t in program order; a read-modify-write is two events
 *   order[l]    the writes to location l, oldest first; the first is the initial value
 *   stamp       when the event was added to this graph (explore.c needs the order of adding)
 *
 * An event is before another (happens-before) where the other's clock counts it: clocks are vectors
 * with one count of events per thread. They are worked out when the event is played.
 *
 * The model is RC11, with C++20's release sequences (a write and the read-modify-writes that follow
 * it, no later plain writes of the same thread): those are fewer than C17's, so what holds here
 * holds there.
 */
#ifndef SP_TEST_MEMORY_MODEL_GRAPH_H
#define SP_TEST_MEMORY_MODEL_GRAPH_H

#include "model.h"

enum {
    GRAPH_EVENTS_MAX = 480, /* of one thread */
    GRAPH_LOCATIONS_MAX = 64,
    GRAPH_WRITES_MAX = 40, /* to one location */
};

/** An event: thread << 12 | index. */
typedef uint16_t event_ref;

#define EVENT_INIT ((event_ref)0xffff) /* the initial value of any location */

static inline event_ref event_make(int thread, int index)
{
    return (event_ref)(thread << 12 | index);
}
static inline int event_thread(event_ref ref)
{
    return ref >> 12;
}
static inline int event_index(event_ref ref)
{
    return ref & 0xfff;
}

enum event_kind { EVENT_READ, EVENT_WRITE, EVENT_FENCE };

/* Orders of fences beyond C11's; see model_membarrier(). */
enum {
    ORDER_LIGHT = 6, /* of the compiler only */
    ORDER_HEAVY = 7, /* seq_cst, and pairs with the light ones */
};

struct event {
    uint8_t kind;
    uint8_t order;
    uint8_t location;
    bool update;    /* half of a read-modify-write that writes */
    event_ref from; /* of a read: the write; of the write of an update: what its read got */
    uint16_t site;
    uint32_t stamp;
    uint64_t value;
};

/** How many events of each thread. */
struct clock {
    uint16_t at[MODEL_THREADS_MAX];
};

struct graph {
    uint32_t stamps;
    uint16_t count[MODEL_THREADS_MAX];
    uint8_t writes[GRAPH_LOCATIONS_MAX];
    event_ref order[GRAPH_LOCATIONS_MAX][GRAPH_WRITES_MAX];
    struct event events[MODEL_THREADS_MAX][GRAPH_EVENTS_MAX];
};

/** What is known of a played event; all of them count the event itself. */
struct event_clocks {
    struct clock before;  /* happens-before */
    struct clock cause;   /* program order and reads-from, whatever the orders */
    struct clock release; /* of a write: what who acquires it gets */
};

/** What a thread knows while a graph is played. */
struct view {
    struct clock before;
    struct clock cause;
    struct clock pending; /* of relaxed reads, until an acquire fence */
    struct clock fence;   /* at the last release fence */
};

/** A graph being played. */
struct play {
    struct view views[MODEL_THREADS_MAX];
    uint16_t done[MODEL_THREADS_MAX]; /* events played of each */
    struct event_clocks clocks[MODEL_THREADS_MAX][GRAPH_EVENTS_MAX];
};

static inline bool clock_has(const struct clock *clock, event_ref ref)
{
    return ref == EVENT_INIT || clock->at[event_thread(ref)] > event_index(ref);
}
static inline void clock_join(struct clock *clock, const struct clock *other)
{
    for (int i = 0; i < MODEL_THREADS_MAX; i++)
        if (clock->at[i] < other->at[i])
            clock->at[i] = other->at[i];
}

static inline struct event *graph_event(struct graph *graph, event_ref ref)
{
    return &graph->events[event_thread(ref)][event_index(ref)];
}
static inline const struct event *graph_look(const struct graph *graph, event_ref ref)
{
    return &graph->events[event_thread(ref)][event_index(ref)];
}

static inline bool order_acquires(int order)
{
    return order == memory_order_acquire || order == memory_order_consume ||
           order == memory_order_acq_rel || order == memory_order_seq_cst || order == ORDER_HEAVY;
}
static inline bool order_releases(int order)
{
    return order == memory_order_release || order == memory_order_acq_rel ||
           order == memory_order_seq_cst || order == ORDER_HEAVY;
}

/** Copies what is used of `from`. */
void graph_copy(struct graph *to, const struct graph *from);

/** Copies so many events of each thread: none that others of them depend on is left out. */
void graph_restrict(struct graph *to, const struct graph *from,
                    const uint16_t keep[MODEL_THREADS_MAX]);

/** Where `ref` stands in the modification order of its location. */
int graph_place(const struct graph *graph, int location, event_ref ref);

/** Puts the write `ref` at `place` of its location's modification order. */
void graph_insert(struct graph *graph, int location, int place, event_ref ref);

/** Is the write at `place` the half of an update, which must stay behind what its read got? */
bool graph_is_update(const struct graph *graph, int location, int place);

/** The oldest place that an access of `location` may read from that knows `before`, by coherence;
 *  a write must come behind it. */
int graph_oldest(const struct graph *graph, const struct clock *before, int location);

/** The next event of the thread, which is in the graph, happens: works out its clocks. */
void play_event(struct play *play, const struct graph *graph, int thread);

/** Is there an order of all seq_cst operations that agrees with what they saw? */
bool graph_sc_consistent(const struct graph *graph, const struct play *play);

/** A number for the graph that does not depend on stamps, nor on the numbers of locations. */
uint64_t graph_hash(const struct graph *graph, void *const *locations);

#endif
