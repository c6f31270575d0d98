/* RC11's axiom on seq_cst: the partial order `psc` of seq_cst accesses and fences has no cycle.
 *
 *   scb   = sb u (sb to another location; hb; sb to another location) u hb on one location u mo u rb
 *   base  = ([sc] u [fence];hb?) ; scb ; ([sc] u hb?;[fence])
 *   fence = [fence] ; (hb u hb;eco;hb) ; [fence]
 *   psc   = base u fence
 *
 * sb: program order, hb: happens-before, mo: modification order, rb: from a read to the writes after
 * the one it got, eco: paths of reads-from, mo and rb. Sets of events are bit sets over all threads.
 *
 * A light fence (of the compiler only) is ordered against heavy ones alone, and only by `fence`.
 */
#include "graph.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

enum {
    SC_EVENTS_MAX = MODEL_THREADS_MAX * GRAPH_EVENTS_MAX,
    SC_WORDS = (SC_EVENTS_MAX + 63) / 64,
    SC_NODES_MAX = 256,
};

struct set {
    uint64_t words[SC_WORDS];
};

struct sc {
    const struct graph *graph;
    const struct play *play;
    int count;
    event_ref refs[SC_EVENTS_MAX];
    int base[MODEL_THREADS_MAX]; /* number of the first event of each thread */
    uint16_t after[SC_EVENTS_MAX]
                  [MODEL_THREADS_MAX]; /* the first of each thread that it is before */
    uint8_t place[SC_EVENTS_MAX];      /* in modification order, of a write or of what a read got */
    struct set location[GRAPH_LOCATIONS_MAX];
    int node_count;
    int nodes[SC_NODES_MAX];
    bool successors[SC_NODES_MAX][SC_NODES_MAX];
};

/* So many words are in use. */
static int set_words;

static void set_add(struct set *set, int number)
{
    set->words[number / 64] |= UINT64_C(1) << (number % 64);
}
static bool set_has(const struct set *set, int number)
{
    return (set->words[number / 64] >> (number % 64)) & 1;
}
static void set_join(struct set *set, const struct set *other)
{
    for (int i = 0; i < set_words; i++)
        set->words[i] |= other->words[i];
}
static bool set_meets(const struct set *set, const struct set *other)
{
    for (int i = 0; i < set_words; i++)
        if (set->words[i] & other->words[i])
            return true;
    return false;
}

static const struct event *sc_event(const struct sc *sc, int number)
{
    return graph_look(sc->graph, sc->refs[number]);
}
static int sc_number(const struct sc *sc, event_ref ref)
{
    return sc->base[event_thread(ref)] + event_index(ref);
}

/* ---- images of a set under the relations ---- */

/* All numbers from `begin` on, up to `end`. */
static void set_add_range(struct set *set, int begin, int end)
{
    while (begin < end) {
        int stop = begin / 64 * 64 + 64 < end ? begin / 64 * 64 + 64 : end;
        uint64_t upper = stop % 64 == 0 ? UINT64_MAX : (UINT64_C(1) << (stop % 64)) - 1;
        set->words[begin / 64] |= upper & (UINT64_MAX << (begin % 64));
        begin = stop;
    }
}

/* All events of each thread from `first` on. */
static struct set sc_from(const struct sc *sc, const int *first)
{
    struct set image = { { 0 } };
    for (int t = 0; t < MODEL_THREADS_MAX; t++)
        if (first[t] < sc->graph->count[t])
            set_add_range(&image, sc->base[t] + first[t], sc->base[t] + sc->graph->count[t]);
    return image;
}

static struct set sc_after(const struct sc *sc, const struct set *from)
{
    int first[MODEL_THREADS_MAX] = { INT_MAX, INT_MAX, INT_MAX, INT_MAX };
    for (int a = 0; a < sc->count; a++)
        for (int t = 0; set_has(from, a) && t < MODEL_THREADS_MAX; t++)
            if (sc->after[a][t] < first[t])
                first[t] = sc->after[a][t];
    return sc_from(sc, first);
}

/* Program order. */
static struct set sc_later(const struct sc *sc, const struct set *from)
{
    int first[MODEL_THREADS_MAX] = { INT_MAX, INT_MAX, INT_MAX, INT_MAX };
    for (int a = sc->count - 1; a >= 0; a--)
        if (set_has(from, a))
            first[event_thread(sc->refs[a])] = event_index(sc->refs[a]) + 1;
    return sc_from(sc, first);
}

enum { SC_NONE = -1, SC_ANY = -2 };

/* Program order, to another location. */
static struct set sc_later_other(const struct sc *sc, const struct set *from)
{
    struct set image = { { 0 } };
    for (int t = 0; t < MODEL_THREADS_MAX; t++) {
        int before = SC_NONE; /* the one location of those before in `from` */
        for (int i = 0; i < sc->graph->count[t]; i++) {
            int number = sc->base[t] + i;
            const struct event *event = &sc->graph->events[t][i];
            int location = event->kind == EVENT_FENCE ? SC_ANY : event->location;
            if (before != SC_NONE && (before == SC_ANY || location != before))
                set_add(&image, number);
            if (set_has(from, number))
                before = before == SC_NONE || before == location ? location : SC_ANY;
        }
    }
    return image;
}

/* Modification order from writes, and from reads to what came after what they got. */
static struct set sc_overwritten(const struct sc *sc, const struct set *from)
{
    struct set image = { { 0 } };
    uint8_t first[GRAPH_LOCATIONS_MAX];
    memset(first, UINT8_MAX, sizeof(first));
    for (int a = 0; a < sc->count; a++) {
        const struct event *event = sc_event(sc, a);
        if (set_has(from, a) && event->kind != EVENT_FENCE && sc->place[a] < first[event->location])
            first[event->location] = sc->place[a];
    }
    for (int i = 0; i < GRAPH_LOCATIONS_MAX; i++)
        for (int place = first[i] + 1; place < sc->graph->writes[i]; place++)
            set_add(&image, sc_number(sc, sc->graph->order[i][place]));
    return image;
}

/* To the reads of the writes in `from`. */
static struct set sc_read(const struct sc *sc, const struct set *from)
{
    struct set image = { { 0 } };
    for (int b = 0; b < sc->count; b++) {
        const struct event *event = sc_event(sc, b);
        if (event->kind == EVENT_READ && event->from != EVENT_INIT &&
            set_has(from, sc_number(sc, event->from)))
            set_add(&image, b);
    }
    return image;
}

static struct set sc_eco(const struct sc *sc, const struct set *from)
{
    struct set image = sc_read(sc, from);
    struct set over = sc_overwritten(sc, from);
    struct set seen = sc_read(sc, &over);
    set_join(&image, &over);
    set_join(&image, &seen);
    return image;
}

static struct set sc_scb(const struct sc *sc, const struct set *from)
{
    struct set image = sc_later(sc, from);
    struct set step = sc_later_other(sc, from);
    step = sc_after(sc, &step);
    step = sc_later_other(sc, &step);
    set_join(&image, &step);
    step = sc_overwritten(sc, from);
    set_join(&image, &step);
    for (int a = 0; a < sc->count; a++) {
        if (!set_has(from, a) || sc_event(sc, a)->kind == EVENT_FENCE)
            continue;
        struct set one = { { 0 } };
        set_add(&one, a);
        one = sc_after(sc, &one);
        for (int i = 0; i < set_words; i++)
            image.words[i] |= one.words[i] & sc->location[sc_event(sc, a)->location].words[i];
    }
    return image;
}

/* ---- the order of the seq_cst ones ---- */

static bool sc_is_node(const struct event *event)
{
    return event->order == memory_order_seq_cst || event->order == ORDER_HEAVY ||
           event->order == ORDER_LIGHT;
}

static void sc_place_event(struct sc *sc, int number)
{
    const struct event *event = sc_event(sc, number);
    event_ref ref = sc->refs[number];
    for (int t = 0; t < MODEL_THREADS_MAX; t++) {
        int i = 0;
        while (i < sc->graph->count[t] && (!clock_has(&sc->play->clocks[t][i].before, ref) ||
                                           (t == event_thread(ref) && i == event_index(ref))))
            i++;
        sc->after[number][t] = (uint16_t)i;
    }
    if (event->kind == EVENT_FENCE)
        return;
    event_ref write = event->kind == EVENT_READ ? event->from : ref;
    sc->place[number] = (uint8_t)graph_place(sc->graph, event->location, write);
    set_add(&sc->location[event->location], number);
}

static void sc_number_events(struct sc *sc)
{
    for (int t = 0; t < MODEL_THREADS_MAX; t++) {
        sc->base[t] = sc->count;
        for (int i = 0; i < sc->graph->count[t]; i++) {
            const struct event *event = &sc->graph->events[t][i];
            int number = sc->count++;
            sc->refs[number] = event_make(t, i);
            sc_place_event(sc, number);
            if (sc_is_node(event))
                sc->nodes[sc->node_count++] = number;
        }
    }
}

static bool sc_hb(const struct sc *sc, int a, int b)
{
    event_ref ref = sc->refs[b];
    return a != b &&
           clock_has(&sc->play->clocks[event_thread(ref)][event_index(ref)].before, sc->refs[a]);
}

/* Does the set hold b, or where b is a fence something that happens before it? */
static bool sc_reaches(const struct sc *sc, const struct set *set, int b, bool itself)
{
    if (itself && set_has(set, b))
        return true;
    if (sc_event(sc, b)->kind != EVENT_FENCE)
        return false;
    struct set before = { { 0 } };
    for (int a = 0; a < sc->count; a++)
        if (sc_hb(sc, a, b))
            set_add(&before, a);
    return set_meets(set, &before);
}

static bool sc_fences_pair(const struct event *a, const struct event *b)
{
    if (a->kind != EVENT_FENCE || b->kind != EVENT_FENCE)
        return false;
    if (a->order == ORDER_LIGHT)
        return b->order == ORDER_HEAVY;
    return b->order != ORDER_LIGHT || a->order == ORDER_HEAVY;
}

/* The nodes that must come after node `n`. */
static void sc_successors(const struct sc *sc, int n, bool found[SC_NODES_MAX])
{
    int a = sc->nodes[n];
    const struct event *event = sc_event(sc, a);
    struct set self = { { 0 } };
    set_add(&self, a);
    struct set after = sc_after(sc, &self);
    struct set far = { { 0 } };
    if (event->kind == EVENT_FENCE) {
        far = sc_eco(sc, &after);
        set_join(&self, &after);
    }
    struct set base = sc_scb(sc, &self);
    for (int m = 0; m < sc->node_count; m++) {
        int b = sc->nodes[m];
        const struct event *other = sc_event(sc, b);
        bool light = event->order == ORDER_LIGHT || other->order == ORDER_LIGHT;
        bool pair = sc_fences_pair(event, other);
        found[m] = (!light && sc_reaches(sc, &base, b, true)) ||
                   (pair && (sc_hb(sc, a, b) || sc_reaches(sc, &far, b, false)));
    }
}

static bool sc_blocked(const struct sc *sc, int n, const bool *left)
{
    for (int m = 0; m < sc->node_count; m++)
        if (left[m] && sc->successors[n][m])
            return true;
    return false;
}

/* Takes away nodes that have no successors left, until there are none. */
static bool sc_acyclic(const struct sc *sc)
{
    bool left[SC_NODES_MAX];
    int count = sc->node_count;
    memset(left, true, sizeof(left));
    for (bool moved = true; moved && count > 0;) {
        moved = false;
        for (int n = 0; n < sc->node_count; n++)
            if (left[n] && !sc_blocked(sc, n, left)) {
                left[n] = false;
                count--;
                moved = true;
            }
    }
    return count == 0;
}

bool graph_sc_consistent(const struct graph *graph, const struct play *play)
{
    static struct sc sc;
    int events = 0;
    int nodes = 0;
    for (int t = 0; t < MODEL_THREADS_MAX; t++) {
        events += graph->count[t];
        for (int i = 0; i < graph->count[t]; i++)
            nodes += sc_is_node(&graph->events[t][i]);
    }
    if (nodes < 2)
        return true;
    assert(nodes <= SC_NODES_MAX);
    set_words = (events + 63) / 64;
    sc.graph = graph;
    sc.play = play;
    sc.count = 0;
    sc.node_count = 0;
    memset(sc.location, 0, sizeof(sc.location));
    sc_number_events(&sc);
    for (int n = 0; n < sc.node_count; n++)
        sc_successors(&sc, n, sc.successors[n]);
    return sc_acyclic(&sc);
}
