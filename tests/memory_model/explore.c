/* Which executions: every consistent graph once, without keeping those that were looked at.
 *
 * The graph grows by one event at a time, of the first thread that can go on. A read gets each
 * write that coherence allows, one graph each; a write stands in each place of the modification order.
 * And a new write is also offered to the reads that came before it: such a read gets it instead,
 * in a graph without the events that were added after the read and did not lead to the write. This
 * is done only if all that goes away would be added again just so by always taking the newest write;
 * so each graph is come to from one other only.
 *
 * Source: M. Kokologiannakis, I. Marmanis, V. Gladstein, V. Vafeiadis, "Truly Stateless, Optimal
 * Dynamic Partial Order Reduction" (2022).
 *
 * The naive way, to compare with: from each graph every thread adds its next event in all
 * ways, and a table tells which graphs were there before.
 */
#include "run.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { EXPLORE_SEEN = 1 << 20 };

static struct {
    struct graph **noted; /* a stack */
    int count;
    int size;
    bool naive;
    uint64_t *seen;
    size_t seen_count;
} explore;

/* ---- graphs to look at ---- */

static struct graph *explore_new(void)
{
    struct graph *graph = calloc(1, sizeof(*graph));
    assert(graph != NULL);
    return graph;
}

static void explore_note(struct graph *graph)
{
    if (explore.count == explore.size) {
        explore.size = explore.size * 2 + 64;
        explore.noted = realloc(explore.noted, (size_t)explore.size * sizeof(struct graph *));
        assert(explore.noted != NULL);
    }
    explore.noted[explore.count++] = graph;
}

static struct graph *explore_fork(const struct graph *graph)
{
    struct graph *fork = malloc(sizeof(*fork));
    assert(fork != NULL);
    graph_copy(fork, graph);
    return fork;
}

void explore_begin(bool naive)
{
    explore.naive = naive;
    if (naive) {
        explore.seen = calloc(EXPLORE_SEEN, sizeof(*explore.seen));
        explore.seen_count = 0;
        assert(explore.seen != NULL);
    }
    explore_note(explore_new());
}

void explore_end(void)
{
    while (explore.count > 0)
        free(explore.noted[--explore.count]);
    free(explore.noted);
    free(explore.seen);
    memset(&explore, 0, sizeof(explore));
}

bool explore_next(struct run *run)
{
    if (explore.count == 0)
        return false;
    struct graph *graph = explore.noted[--explore.count];
    graph_copy(&run->graph, graph);
    free(graph);
    return true;
}

/* ---- adding an event ---- */

static struct event *explore_add(struct graph *graph, int thread, enum event_kind kind)
{
    assert(graph->count[thread] < GRAPH_EVENTS_MAX);
    struct event *event = &graph->events[thread][graph->count[thread]++];
    *event = (struct event){ .kind = (uint8_t)kind, .stamp = graph->stamps++ };
    return event;
}

static void explore_add_read(struct graph *graph, int thread, int location, event_ref from)
{
    struct event *event = explore_add(graph, thread, EVENT_READ);
    event->location = (uint8_t)location;
    event->from = from;
}

/* `from`: what the read of the update got; or EVENT_INIT. */
static void explore_add_write(struct graph *graph, int thread, int location, int place,
                              event_ref from, bool update)
{
    event_ref ref = event_make(thread, graph->count[thread]);
    struct event *event = explore_add(graph, thread, EVENT_WRITE);
    event->location = (uint8_t)location;
    event->from = from;
    event->update = update;
    assert(graph->writes[location] < GRAPH_WRITES_MAX);
    graph_insert(graph, location, place, ref);
}

/* What the read half got, of an update whose write half is due. */
static event_ref explore_half(const struct run *run, int thread)
{
    return run->graph.events[thread][run->play.done[thread] - 1].from;
}

/* ---- offering a write to reads ---- */

struct offer {
    const struct graph *graph;
    struct clock prefix; /* what led to the write */
    event_ref write;
    event_ref read;
    uint16_t keep[MODEL_THREADS_MAX];
};

static bool offer_precedes(const struct offer *offer, uint32_t stamp, event_ref ref)
{
    return ref == EVENT_INIT || graph_look(offer->graph, ref)->stamp <= stamp ||
           clock_has(&offer->prefix, ref);
}

/* Is there a read of `ref` among those that precede `stamp`? */
static bool offer_is_read(const struct offer *offer, uint32_t stamp, event_ref ref)
{
    for (int t = 0; t < MODEL_THREADS_MAX; t++)
        for (int i = 0; i < offer->graph->count[t]; i++) {
            const struct event *event = &offer->graph->events[t][i];
            if (event->kind == EVENT_READ && event->from == ref &&
                offer_precedes(offer, stamp, event_make(t, i)))
                return true;
        }
    return false;
}

/* Was `ref` added the way it would be added again: newest, or reading the newest? */
static bool offer_is_newest(const struct offer *offer, event_ref ref)
{
    const struct graph *graph = offer->graph;
    const struct event *event = graph_look(graph, ref);
    if (event->kind == EVENT_FENCE)
        return true;
    if (event->kind == EVENT_WRITE && offer_is_read(offer, event->stamp, ref))
        return false;
    event_ref target = event->kind == EVENT_READ ? event->from : ref;
    if (!offer_precedes(offer, event->stamp, target))
        return false;
    const event_ref *order = graph->order[event->location];
    for (int place = graph->writes[event->location] - 1; order[place] != target; place--)
        if (order[place] != offer->write && offer_precedes(offer, event->stamp, order[place]))
            return false;
    return true;
}

/* How much of each thread stays. */
static void offer_cut(struct offer *offer)
{
    uint32_t stamp = graph_look(offer->graph, offer->read)->stamp;
    for (int t = 0; t < MODEL_THREADS_MAX; t++) {
        uint16_t keep = offer->prefix.at[t];
        while (keep < offer->graph->count[t] && offer->graph->events[t][keep].stamp <= stamp)
            keep++;
        offer->keep[t] = keep;
    }
    offer->keep[event_thread(offer->write)] = (uint16_t)event_index(offer->write);
}

static bool offer_allowed(const struct offer *offer)
{
    if (!offer_is_newest(offer, offer->read))
        return false;
    for (int t = 0; t < MODEL_THREADS_MAX; t++)
        for (int i = offer->keep[t]; i < offer->graph->count[t]; i++)
            if (event_make(t, i) != offer->write && !offer_is_newest(offer, event_make(t, i)))
                return false;
    return true;
}

static void offer_note(const struct run *run, const struct offer *offer,
                       const struct graph *restricted, int place)
{
    const struct event *write = graph_look(offer->graph, offer->write);
    struct graph *fork = explore_fork(restricted);
    explore_add_write(fork, event_thread(offer->write), write->location, place, write->from,
                      write->update);
    graph_event(fork, offer->write)->stamp = write->stamp;
    fork->stamps = run->graph.stamps;
    graph_event(fork, offer->read)->from = offer->write;
    explore_note(fork);
}

/* In all places of the modification order. */
static void offer_make(const struct run *run, const struct offer *offer)
{
    static struct graph restricted;
    static const struct clock nothing;
    /* Without what goes away, and without the write. */
    graph_restrict(&restricted, offer->graph, offer->keep);
    const struct event *write = graph_look(offer->graph, offer->write);
    int location = write->location;
    int t = event_thread(offer->read);
    int i = event_index(offer->read);
    const struct clock *reader = i == 0 ? &nothing : &run->play.clocks[t][i - 1].before;
    int read_oldest = graph_oldest(&restricted, reader, location);
    int first =
        graph_oldest(&restricted, &run->play.views[event_thread(offer->write)].before, location) +
        1;
    int last = restricted.writes[location];
    if (write->update) {
        first = graph_place(&restricted, location, write->from) + 1;
        last = first;
    }
    for (int place = first; place <= last; place++)
        if (place > read_oldest && !graph_is_update(&restricted, location, place))
            offer_note(run, offer, &restricted, place);
}

static void explore_offer(const struct run *run, int thread)
{
    struct offer offer = {
        .graph = &run->graph,
        .prefix = run->play.views[thread].cause,
        .write = event_make(thread, run->graph.count[thread] - 1),
    };
    int location = graph_look(&run->graph, offer.write)->location;
    for (int t = 0; t < run->thread_count; t++)
        for (int i = offer.prefix.at[t]; t != thread && i < run->graph.count[t]; i++) {
            const struct event *event = &run->graph.events[t][i];
            if (event->kind != EVENT_READ || event->location != location)
                continue;
            offer.read = event_make(t, i);
            offer_cut(&offer);
            if (offer_allowed(&offer))
                offer_make(run, &offer);
        }
}

/* ---- extending ---- */

static bool extend_read(struct run *run, int thread)
{
    struct graph *graph = &run->graph;
    int location = run->requests[thread].location;
    int newest = graph->writes[location] - 1;
    int place = graph_oldest(graph, &run->play.views[thread].before, location);
    for (; place < newest; place++) {
        struct graph *fork = explore_fork(graph);
        explore_add_read(fork, thread, location, graph->order[location][place]);
        explore_note(fork);
    }
    explore_add_read(graph, thread, location, graph->order[location][newest]);
    run_step(run, thread);
    return true;
}

static bool extend_write(struct run *run, int thread)
{
    struct graph *graph = &run->graph;
    int location = run->requests[thread].location;
    int newest = graph->writes[location];
    int place = graph_oldest(graph, &run->play.views[thread].before, location) + 1;
    for (; place < newest; place++) {
        if (graph_is_update(graph, location, place))
            continue;
        struct graph *fork = explore_fork(graph);
        explore_add_write(fork, thread, location, place, EVENT_INIT, false);
        explore_note(fork);
    }
    explore_add_write(graph, thread, location, newest, EVENT_INIT, false);
    explore_offer(run, thread);
    run_step(run, thread);
    return true;
}

/* The write half: right behind what the read half got, if that place is free. */
static bool extend_update(struct run *run, int thread)
{
    struct graph *graph = &run->graph;
    int location = run->requests[thread].location;
    event_ref from = explore_half(run, thread);
    int place = graph_place(graph, location, from) + 1;
    bool possible = !graph_is_update(graph, location, place);
    bool newest = place == graph->writes[location];
    explore_add_write(graph, thread, location, place, from, true);
    explore_offer(run, thread);
    if (!possible)
        return false;
    run_step(run, thread);
    /* The newest of all takes part in no cycle. */
    return run->failed || newest || graph_sc_consistent(graph, &run->play);
}

/* A loop that goes on as long as it reads old values: in the code as it is there must be none. An
 * order made weaker may make one, which no machine follows for ever. */
static bool explore_is_full(const struct run *run, int thread)
{
    const struct request *request = &run->requests[thread];
    return run->graph.count[thread] >= GRAPH_EVENTS_MAX - 1 ||
           (request->kind < REQUEST_FENCE &&
            run->graph.writes[request->location] >= GRAPH_WRITES_MAX - 1);
}

bool explore_extend(struct run *run, int thread)
{
    if (explore_is_full(run, thread)) {
        if (run->options->fault == NULL)
            run_fail("%s has no end", run->model->thread_names[thread]);
        return false;
    }
    if (run->half[thread])
        return extend_update(run, thread);
    enum request_kind kind = run->requests[thread].kind;
    if (kind == REQUEST_STORE)
        return extend_write(run, thread);
    if (kind != REQUEST_FENCE)
        return extend_read(run, thread);
    explore_add(&run->graph, thread, EVENT_FENCE);
    run_step(run, thread);
    return true;
}

/* ---- the naive way ---- */

static void naive_note(struct graph *graph)
{
    uint64_t hash = graph_hash(graph, model_run.locations) | 1;
    size_t at = (size_t)(hash >> 20) % EXPLORE_SEEN;
    while (explore.seen[at] != 0 && explore.seen[at] != hash)
        at = (at + 1) % EXPLORE_SEEN;
    if (explore.seen[at] == hash) {
        free(graph);
        return;
    }
    explore.seen[at] = hash;
    assert(++explore.seen_count < EXPLORE_SEEN / 2);
    explore_note(graph);
}

static void naive_access(const struct run *run, int thread)
{
    const struct graph *graph = &run->graph;
    int location = run->requests[thread].location;
    bool write = run->requests[thread].kind == REQUEST_STORE;
    int place = graph_oldest(graph, &run->play.views[thread].before, location) + write;
    for (; place < graph->writes[location] + write; place++) {
        if (write && graph_is_update(graph, location, place))
            continue;
        struct graph *fork = explore_fork(graph);
        if (write)
            explore_add_write(fork, thread, location, place, EVENT_INIT, false);
        else
            explore_add_read(fork, thread, location, graph->order[location][place]);
        naive_note(fork);
    }
}

static void naive_thread(const struct run *run, int thread)
{
    if (run->requests[thread].kind != REQUEST_FENCE) {
        naive_access(run, thread);
        return;
    }
    struct graph *fork = explore_fork(&run->graph);
    explore_add(fork, thread, EVENT_FENCE);
    naive_note(fork);
}

static void naive_half(const struct run *run, int thread)
{
    int location = run->requests[thread].location;
    event_ref from = explore_half(run, thread);
    int place = graph_place(&run->graph, location, from) + 1;
    if (graph_is_update(&run->graph, location, place))
        return;
    struct graph *fork = explore_fork(&run->graph);
    explore_add_write(fork, thread, location, place, from, true);
    naive_note(fork);
}

void explore_all(struct run *run)
{
    for (int t = 0; t < run->thread_count; t++)
        if (run->half[t]) {
            naive_half(run, t);
            return;
        }
    for (int t = 0; t < run->thread_count; t++)
        if (run->states[t] == THREAD_READY)
            naive_thread(run, t);
}
