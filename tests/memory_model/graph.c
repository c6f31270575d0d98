#include "graph.h"

#include <string.h>

void graph_copy(struct graph *to, const struct graph *from)
{
    to->stamps = from->stamps;
    memcpy(to->count, from->count, sizeof(to->count));
    memcpy(to->writes, from->writes, sizeof(to->writes));
    for (int i = 0; i < GRAPH_LOCATIONS_MAX; i++)
        memcpy(to->order[i], from->order[i], from->writes[i] * sizeof(from->order[i][0]));
    for (int i = 0; i < MODEL_THREADS_MAX; i++)
        memcpy(to->events[i], from->events[i], from->count[i] * sizeof(from->events[i][0]));
}

void graph_restrict(struct graph *to, const struct graph *from,
                    const uint16_t keep[MODEL_THREADS_MAX])
{
    graph_copy(to, from);
    memcpy(to->count, keep, sizeof(to->count));
    for (int i = 0; i < GRAPH_LOCATIONS_MAX; i++) {
        int kept = 0;
        for (int place = 0; place < to->writes[i]; place++) {
            event_ref ref = to->order[i][place];
            if (ref == EVENT_INIT || event_index(ref) < keep[event_thread(ref)])
                to->order[i][kept++] = ref;
        }
        to->writes[i] = (uint8_t)kept;
    }
}

int graph_place(const struct graph *graph, int location, event_ref ref)
{
    int place = 0;
    while (graph->order[location][place] != ref)
        place++;
    return place;
}

void graph_insert(struct graph *graph, int location, int place, event_ref ref)
{
    event_ref *order = graph->order[location];
    memmove(order + place + 1, order + place,
            (size_t)(graph->writes[location] - place) * sizeof(*order));
    order[place] = ref;
    graph->writes[location]++;
}

bool graph_is_update(const struct graph *graph, int location, int place)
{
    return place > 0 && place < graph->writes[location] &&
           graph_look(graph, graph->order[location][place])->update;
}

int graph_oldest(const struct graph *graph, const struct clock *before, int location)
{
    int oldest = 0;
    for (int place = graph->writes[location] - 1; place > 0; place--)
        if (clock_has(before, graph->order[location][place])) {
            oldest = place;
            break;
        }
    for (int t = 0; t < MODEL_THREADS_MAX; t++)
        for (int i = 0; i < before->at[t]; i++) {
            const struct event *event = &graph->events[t][i];
            if (event->kind != EVENT_READ || event->location != location)
                continue;
            int place = graph_place(graph, location, event->from);
            if (place > oldest)
                oldest = place;
        }
    return oldest;
}

/* ---- clocks ---- */

static void play_read(struct play *play, const struct event *event, struct view *view)
{
    if (event->from == EVENT_INIT)
        return;
    const struct event_clocks *from =
        &play->clocks[event_thread(event->from)][event_index(event->from)];
    clock_join(&view->cause, &from->cause);
    clock_join(order_acquires(event->order) ? &view->before : &view->pending, &from->release);
}

static void play_fence(const struct event *event, struct view *view)
{
    if (order_acquires(event->order))
        clock_join(&view->before, &view->pending);
    if (order_releases(event->order))
        view->fence = view->before;
}

void play_event(struct play *play, const struct graph *graph, int thread)
{
    int index = play->done[thread];
    const struct event *event = &graph->events[thread][index];
    struct event_clocks *clocks = &play->clocks[thread][index];
    struct view *view = &play->views[thread];
    if (event->kind == EVENT_READ)
        play_read(play, event, view);
    view->before.at[thread] = (uint16_t)(index + 1);
    view->cause.at[thread] = (uint16_t)(index + 1);
    if (event->kind == EVENT_FENCE)
        play_fence(event, view);
    clocks->before = view->before;
    clocks->cause = view->cause;
    clocks->release = order_releases(event->order) ? view->before : view->fence;
    /* An update goes on with the release sequence of what it read. */
    if (event->kind == EVENT_WRITE && event->update && event->from != EVENT_INIT)
        clock_join(&clocks->release,
                   &play->clocks[event_thread(event->from)][event_index(event->from)].release);
    play->done[thread]++;
}

/* ---- identity ---- */

static uint64_t hash_add(uint64_t hash, uint64_t value)
{
    hash ^= value;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

static uint64_t hash_order(const struct graph *graph, int location, uint64_t hash)
{
    for (int place = 1; place < graph->writes[location]; place++)
        hash = hash_add(hash, graph->order[location][place]);
    return hash;
}

uint64_t graph_hash(const struct graph *graph, void *const *locations)
{
    uint64_t hash = 1;
    for (int t = 0; t < MODEL_THREADS_MAX; t++) {
        hash = hash_add(hash, graph->count[t]);
        for (int i = 0; i < graph->count[t]; i++) {
            const struct event *event = &graph->events[t][i];
            hash = hash_add(hash, event->kind);
            if (event->kind != EVENT_FENCE)
                hash = hash_add(hash, (uint64_t)(uintptr_t)locations[event->location]);
            if (event->kind == EVENT_READ)
                hash = hash_add(hash, event->from);
        }
    }
    /* The numbers of locations depend on which was met first: a sum does not. */
    uint64_t orders = 0;
    for (int i = 0; i < GRAPH_LOCATIONS_MAX; i++)
        if (graph->writes[i] > 1)
            orders += hash_order(graph, i, (uint64_t)(uintptr_t)locations[i]);
    return hash_add(hash, orders);
}
