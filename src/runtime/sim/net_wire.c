/* What is under way on a connection; see net.h.
 *
 * Source: how long a system tries is that of RFC 9293 as Linux counts it by default: 15 times for
 * data, 6 times to open, 5 probes of an idle connection.
 */
#include "base/alloc.h"
#include "runtime/sim/net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    WIRE_GIVE_UP_S = 925,
    WIRE_OPEN_GIVE_UP_S = 127,
    /* What is lost is sent again after this, then after twice as long, and so on. */
    WIRE_AGAIN_MS = 200,
    WIRE_OPEN_AGAIN_MS = 1000,
    WIRE_AGAIN_MAX_MS = 120000,
    WIRE_HEADER_BYTES = 40, /* of a segment, for the bandwidth */
    WIRE_LATENCIES = 8,     /* values that a path's latency is drawn from */
    WIRE_LOCAL_NS = 5000,   /* how long a Unix-domain socket takes */
};

const int64_t sp__net_stretch_ms[SP__NET_STRETCHES] = { 0, 100, 1000, 6000, 11000, 40000 };
const int64_t sp__net_slow_bytes[SP__NET_SLOWS] = { 0, 1000000, 20000, 1000 };

/* ---- life ---- */

static bool wire_init(struct sp__connection *connection, unsigned side, struct sp__path *path)
{
    struct sp__wire *wire = &connection->wire[side];
    struct sp__world *world = path->from->world;
    *wire = (struct sp__wire){
        .connection = connection, .path = path, .side = side, .at = INT64_MAX, .blocked_since = -1
    };
    wire->opening.kind = side == 0 ? SP__SEGMENT_OPEN : SP__SEGMENT_ACCEPTED;
    wire->window.kind = SP__SEGMENT_WINDOW;
    wire->end.kind = SP__SEGMENT_END;
    wire->reset.kind = SP__SEGMENT_RESET;
    sp__list_init(&wire->flight);
    wire->task = sp__task_new(world, NULL, SP__TASK_NET, world->running);
    if (wire->task == NULL)
        return false;
    wire->task->wire = wire;
    wire->task->host = NULL; /* it is between machines, and stays if one is gone */
    return true;
}

static void wire_finish(struct sp__world *world, struct sp__wire *wire)
{
    if (wire->task == NULL)
        return;
    sp__wire_clear(wire);
    sp__list_remove(&wire->due);
    sp__task_delete(world, wire->task);
}

static void connection_free(struct sp__world *world, struct sp__connection *connection)
{
    wire_finish(world, &connection->wire[0]);
    wire_finish(world, &connection->wire[1]);
    sp__list_remove(&connection->link);
    sp__free(connection);
}

struct sp__connection *sp__connection_new(struct sp__io *from, struct sp__host *to)
{
    struct sp__world *world = from->host->world;
    struct sp__path *there = sp__path_of(from->host, to);
    struct sp__path *back = sp__path_of(to, from->host);
    struct sp__connection *connection = sp__calloc(1, sizeof(*connection));
    if (connection == NULL)
        return NULL;
    if (there == NULL || back == NULL || !wire_init(connection, 0, there) ||
        !wire_init(connection, 1, back)) {
        connection_free(world, connection);
        return NULL;
    }
    connection->end[0] = from;
    from->connection = connection;
    sp__list_push_back(&world->connections, &connection->link);
    uint32_t slow = sp__wire_draw(&connection->wire[0], SP__CHOICE_NET_SLOW, SP__NET_SLOWS);
    int64_t bytes_per_s = sp__net_slow_bytes[slow];
    connection->wire[0].bytes_per_s = bytes_per_s;
    connection->wire[1].bytes_per_s = bytes_per_s;
    return connection;
}

void sp__connection_release(struct sp__connection *connection)
{
    if (connection->end[0] == NULL && connection->end[1] == NULL)
        connection_free(connection->wire[0].path->from->world, connection);
}

static void wire_segment_free(struct sp__segment *segment)
{
    sp__list_remove(&segment->link);
    if (segment->kind == SP__SEGMENT_DATA)
        sp__free(segment);
}

void sp__wire_clear(struct sp__wire *wire)
{
    for (struct sp__list *at; (at = sp__list_first(&wire->flight)) != NULL;)
        wire_segment_free(sp__container_of(at, struct sp__segment, link));
}

/* ---- when ---- */

static struct sp__segment *wire_head(const struct sp__wire *wire)
{
    struct sp__list *first = sp__list_first(&wire->flight);
    return first == NULL ? NULL : sp__container_of(first, struct sp__segment, link);
}

static int64_t wire_now(const struct sp__wire *wire)
{
    return wire->path->from->world->now;
}

/* The first time it is sent again that is not before `until`. */
static int64_t wire_sent_again(const struct sp__segment *segment, int64_t until)
{
    int64_t pause_ms = segment->kind == SP__SEGMENT_OPEN ? WIRE_OPEN_AGAIN_MS : WIRE_AGAIN_MS;
    int64_t at = segment->sent;
    if (until == INT64_MAX)
        return until;
    while (at < until) {
        at += pause_ms * SP_NS_PER_MS;
        pause_ms = pause_ms * 2 < WIRE_AGAIN_MAX_MS ? pause_ms * 2 : WIRE_AGAIN_MAX_MS;
    }
    return at;
}

static int64_t wire_arrival(const struct sp__wire *wire, const struct sp__segment *head)
{
    const struct sp__path *path = wire->path;
    if (wire->lost || path->to->dark || path->to->held)
        return INT64_MAX;
    int64_t at = path->from->world->abstract && wire->tries == 0 ? 0 : head->arrival;
    if (path->clogged_until > at)
        at = path->clogged_until;
    return path->cut_until > at ? wire_sent_again(head, path->cut_until) : at;
}

static bool wire_blocked(const struct sp__wire *wire)
{
    int64_t now = wire_now(wire);
    const struct sp__path *path = wire->path;
    return wire->lost || path->to->dark || path->to->held || path->cut_until > now ||
           path->clogged_until > now;
}

/* When its sender takes the connection for broken. */
static int64_t wire_gives_up(const struct sp__wire *wire, const struct sp__segment *head)
{
    const struct sp__io *from = wire->connection->end[wire->side];
    if (from == NULL || from->state == SP__SOCKET_BROKEN)
        return INT64_MAX;
    if (head != NULL) {
        bool opens = head->kind == SP__SEGMENT_OPEN;
        return head->sent + (opens ? WIRE_OPEN_GIVE_UP_S : WIRE_GIVE_UP_S) * SP_NS_PER_S;
    }
    if (wire->blocked_since < 0 || from->keepalive_s == 0)
        return INT64_MAX;
    return wire->blocked_since + from->keepalive_s * SP_NS_PER_S * 3 / 2;
}

static int64_t wire_next(struct sp__wire *wire)
{
    const struct sp__segment *head = wire_head(wire);
    int64_t give_up = wire_gives_up(wire, head);
    int64_t arrival = head == NULL ? INT64_MAX : wire_arrival(wire, head);
    return arrival < give_up ? arrival : give_up;
}

void sp__wire_schedule(struct sp__wire *wire)
{
    struct sp__world *world = wire->path->from->world;
    bool blocked = wire_blocked(wire) || wire_blocked(&wire->connection->wire[1 - wire->side]);
    if (!blocked)
        wire->blocked_since = -1;
    else if (wire->blocked_since < 0)
        wire->blocked_since = world->now;
    wire->at = wire_next(wire);
    sp__list_remove(&wire->due);
    if (wire->task->ready && wire->at <= world->now)
        return;
    sp__task_unready(world, wire->task);
    if (wire->at == INT64_MAX)
        return;
    struct sp__list *before = sp__list_last(&world->due);
    while (before != NULL && sp__container_of(before, struct sp__wire, due)->at > wire->at)
        before = sp__list_prev(&world->due, before);
    sp__list_insert_before(before == NULL ? world->due.next : before->next, &wire->due);
}

int64_t sp__net_next(const struct sp__world *world)
{
    struct sp__list *first = sp__list_first(&world->due);
    return first == NULL ? INT64_MAX : sp__container_of(first, struct sp__wire, due)->at;
}

/* For whom it is, as the object of a point. */
static uint64_t wire_object(const struct sp__wire *wire)
{
    const struct sp__segment *head = wire_head(wire);
    const struct sp__io *to = wire->connection->end[1 - wire->side];
    if (head == NULL || to == NULL)
        return wire->task->label;
    bool out = head->kind == SP__SEGMENT_ACCEPTED || head->kind == SP__SEGMENT_WINDOW;
    uint64_t object = to->way[out ? SP__IO_OUT : SP__IO_IN].object;
    return object == 0 ? wire->task->label : object;
}

void sp__net_look(struct sp__world *world)
{
    while (sp__net_next(world) <= world->now) {
        struct sp__wire *wire =
            sp__container_of(sp__list_pop_front(&world->due), struct sp__wire, due);
        sp__task_ready(world, wire->task, SP__POINT_NET, wire_object(wire), NULL);
    }
}

/* ---- sending ---- */

uint32_t sp__wire_draw(struct sp__wire *wire, enum sp__choice kind, uint32_t count)
{
    if (wire->connection->local && kind != SP__CHOICE_NET_READ && kind != SP__CHOICE_NET_WRITE)
        return 0;
    return sp__world_draw(wire->path->from->world, kind, wire->task->label, wire->draws[kind]++,
                          count);
}

static int64_t wire_latency(struct sp__wire *wire)
{
    const struct sp__path *path = wire->path;
    if (wire->connection->local)
        return WIRE_LOCAL_NS;
    int64_t more = sp__wire_draw(wire, SP__CHOICE_NET_LATENCY, WIRE_LATENCIES);
    uint32_t stretch = sp__wire_draw(wire, SP__CHOICE_NET_STRETCH, SP__NET_STRETCHES);
    return path->latency_min +
           (path->latency_max - path->latency_min) * more / (WIRE_LATENCIES - 1) +
           sp__net_stretch_ms[stretch] * SP_NS_PER_MS;
}

static int64_t wire_duration(const struct sp__segment *segment, int64_t bytes_per_s)
{
    size_t size = WIRE_HEADER_BYTES + (segment->kind == SP__SEGMENT_DATA ? segment->size : 0);
    return bytes_per_s == 0 ? 0 : (int64_t)size * SP_NS_PER_S / bytes_per_s;
}

static void wire_put(struct sp__wire *wire, struct sp__segment *segment)
{
    struct sp__path *path = wire->path;
    int64_t now = wire_now(wire);
    segment->sent = now;
    segment->arrival = now + wire_latency(wire);
    if (path->bytes_per_s != 0) {
        path->free_at =
            (path->free_at > now ? path->free_at : now) + wire_duration(segment, path->bytes_per_s);
        segment->arrival += path->free_at - now;
    }
    if (segment->arrival < wire->last_arrival)
        segment->arrival = wire->last_arrival;
    segment->arrival += wire_duration(segment, wire->bytes_per_s);
    wire->last_arrival = segment->arrival;
    sp__list_push_back(&wire->flight, &segment->link);
    sp__path_faults(wire);
    sp__wire_schedule(wire);
}

void sp__wire_send(struct sp__wire *wire, struct sp__segment *segment)
{
    if (!sp__list_linked(&segment->link))
        wire_put(wire, segment);
}

/* The connection may break on this occasion. Who sends data and hears of a reset does not know
 * whether the data arrived. */
static void wire_break(struct sp__wire *wire, struct sp__segment *data)
{
    struct sp__wire *back = &wire->connection->wire[1 - wire->side];
    uint32_t how = sp__wire_draw(wire, SP__CHOICE_NET_BREAK, SP__NET_BREAKS);
    if (how == SP__NET_BREAK_BEFORE)
        sp__wire_send(wire, &wire->reset);
    wire_put(wire, data);
    if (how == SP__NET_BREAK_AFTER)
        sp__wire_send(wire, &wire->reset);
    if (how != SP__NET_BREAK_NOT && how != SP__NET_BREAK_SILENT)
        sp__wire_send(back, &back->reset);
    if (how == SP__NET_BREAK_SENDER || how == SP__NET_BREAK_SILENT) {
        wire->lost = true;
        sp__wire_schedule(wire);
    }
    if (how == SP__NET_BREAK_SILENT) {
        back->lost = true;
        sp__wire_schedule(back);
    }
}

void sp__wire_send_data(struct sp__wire *wire, struct sp__segment *moved_segment)
{
    wire_break(wire, moved_segment);
}

/* ---- arriving ---- */

static void wire_enter(struct sp__node *node)
{
    sp__context_set(&node->context);
    sp__epoch_enter(&node->context.epoch);
}

static void wire_leave(struct sp__node *node)
{
    sp__epoch_leave(&node->context.epoch);
}

static void arrive_refused(struct sp__connection *connection)
{
    sp__wire_send(&connection->wire[1], &connection->wire[1].reset);
}

/* Not now: it is sent again. */
static void arrive_again(struct sp__wire *wire, struct sp__segment *segment)
{
    int64_t pause = WIRE_OPEN_AGAIN_MS * SP_NS_PER_MS << (wire->tries < 6 ? wire->tries : 6);
    wire->tries++;
    segment->arrival = wire_now(wire) + pause;
    sp__list_push_front(&wire->flight, &segment->link);
}

static void arrive_to_open(struct sp__wire *wire, struct sp__segment *segment)
{
    struct sp__connection *connection = wire->connection;
    struct sp__io *listener = sp__socket_listener(connection);
    if (listener == NULL || sp__wire_draw(wire, SP__CHOICE_NET_REFUSE, 2) != 0) {
        arrive_refused(connection);
        return;
    }
    bool full = !connection->local && listener->waiting_count >= listener->backlog;
    struct sp__io *end = full ? NULL : sp__socket_admit(listener, connection);
    if (end == NULL) {
        arrive_again(wire, segment);
        return;
    }
    wire->tries = 0;
    sp__wire_send(&connection->wire[1], &connection->wire[1].opening);
    wire_enter(listener->node);
    sp__socket_fire(listener, SP__IO_IN);
    wire_leave(listener->node);
}

static void arrive_data(struct sp__io *to, struct sp__segment *segment)
{
    if (to->state == SP__SOCKET_BROKEN) {
        sp__free(segment);
        return;
    }
    sp__list_push_back(&to->received, &segment->link);
    to->available += segment->size;
    sp__socket_fire(to, SP__IO_IN);
}

static void arrive_reset(struct sp__io *to)
{
    bool connects = to->state == SP__SOCKET_CONNECTS;
    sp__socket_break(to, connects ? SP_ERR_REFUSED : SP_ERR_RESET,
                     connects ? ECONNREFUSED : ECONNRESET);
}

static void arrive_at(struct sp__io *to, struct sp__segment *segment)
{
    switch (segment->kind) {
    case SP__SEGMENT_ACCEPTED:
        if (to->state == SP__SOCKET_CONNECTS)
            to->state = SP__SOCKET_OPEN;
        sp__socket_fire(to, SP__IO_OUT);
        break;
    case SP__SEGMENT_DATA:
        arrive_data(to, segment);
        break;
    case SP__SEGMENT_WINDOW:
        to->credit += segment->size;
        segment->size = 0;
        sp__socket_fire(to, SP__IO_OUT);
        break;
    case SP__SEGMENT_END:
        to->ended = true;
        sp__socket_fire(to, SP__IO_IN);
        break;
    case SP__SEGMENT_RESET:
        arrive_reset(to);
        break;
    case SP__SEGMENT_OPEN:
        break;
    }
}

/* Nobody is there any more, and who goes on sending is told. */
static void arrive_at_nobody(struct sp__wire *wire, struct sp__segment *segment)
{
    struct sp__wire *back = &wire->connection->wire[1 - wire->side];
    if (segment->kind != SP__SEGMENT_DATA)
        return;
    sp__free(segment);
    sp__wire_send(back, &back->reset);
}

static void wire_arrive(struct sp__wire *wire, struct sp__segment *segment)
{
    struct sp__io *to = wire->connection->end[1 - wire->side];
    sp__list_remove(&segment->link);
    if (segment->kind == SP__SEGMENT_OPEN) {
        arrive_to_open(wire, segment);
    } else if (to == NULL) {
        arrive_at_nobody(wire, segment);
    } else {
        wire_enter(to->node);
        arrive_at(to, segment);
        wire_leave(to->node);
    }
}

/* It is not sent again, either. */
static void wire_give_up(struct sp__wire *wire)
{
    struct sp__io *from = wire->connection->end[wire->side];
    bool connects = from->state == SP__SOCKET_CONNECTS;
    sp__wire_clear(wire);
    wire_enter(from->node);
    sp__socket_break(from, connects ? SP_ERR_TIMEOUT : SP_ERR_RESET, ETIMEDOUT);
    wire_leave(from->node);
}

void sp__net_step(struct sp__world *world, struct sp__task *task)
{
    struct sp__wire *wire = task->wire;
    struct sp__segment *head = wire_head(wire);
    if (head != NULL && wire_arrival(wire, head) <= world->now)
        wire_arrive(wire, head);
    else if (wire_gives_up(wire, head) <= world->now)
        wire_give_up(wire);
    sp__wire_schedule(wire);
}

/* ---- in words ---- */

const char *sp__net_task_name(const struct sp__task *task, char text[SP__NET_TEXT_MAX])
{
    const struct sp__path *path = task->wire->path;
    (void)snprintf(text, SP__NET_TEXT_MAX, "%s > %s", path->from->name, path->to->name);
    return text;
}

void sp__net_task_step(const struct sp__task *task, struct sp__net_step *out)
{
    const struct sp__wire *wire = task->wire;
    struct sp__segment *head = wire_head(wire);
    bool arrives = head != NULL && wire_arrival(wire, head) <= wire_now(wire);
    bool breaks =
        arrives ? head->kind == SP__SEGMENT_RESET : wire_gives_up(wire, head) <= wire_now(wire);
    *out = (struct sp__net_step){ .from = wire->path->from->name,
                                  .to = wire->path->to->name,
                                  .breaks = breaks };
    if (!arrives || head->kind != SP__SEGMENT_DATA)
        return;
    out->bytes = sp__segment_bytes(head);
    out->size = head->size;
}

const char *sp__net_task_text(const struct sp__task *task, char text[SP__NET_TEXT_MAX])
{
    static const char *const what[] = {
        [SP__SEGMENT_OPEN] = "a wish to connect arrives",
        [SP__SEGMENT_ACCEPTED] = "the connection is made",
        [SP__SEGMENT_WINDOW] = "more may be sent",
        [SP__SEGMENT_END] = "the end arrives",
        [SP__SEGMENT_RESET] = "a reset arrives",
    };
    const struct sp__wire *wire = task->wire;
    const struct sp__segment *head = wire_head(wire);
    if (head == NULL || wire_arrival(wire, head) > wire_now(wire))
        return wire_gives_up(wire, head) <= wire_now(wire) ? "is given up, nothing comes back"
                                                           : "stands still";
    if (head->kind != SP__SEGMENT_DATA)
        return what[head->kind];
    (void)snprintf(text, SP__NET_TEXT_MAX, "%zu byte%s arrive%s", head->size,
                   head->size == 1 ? "" : "s", head->size == 1 ? "s" : "");
    return text;
}
