#include "runtime/sim/net.h"

#include "base/alloc.h"

#include <string.h>

enum {
    SOCKET_BUFFER_DEFAULT = 64 * 1024, /* each for sending and receiving */
    SOCKET_BUFFER_MIN = 2048,
    SOCKET_TEARS = 8, /* ways to read or write less than could be */
};

/* ---- life ---- */

static size_t socket_buffer(int wanted)
{
    if (wanted <= 0)
        return SOCKET_BUFFER_DEFAULT;
    return wanted > SOCKET_BUFFER_MIN ? (size_t)wanted : SOCKET_BUFFER_MIN;
}

struct sp__io *sp__socket_new(struct sp__host *host, struct sp__node *node,
                              const struct sp__io_open *how)
{
    struct sp__io *io = sp__malloc(sizeof(*io));
    if (io == NULL)
        return NULL;
    *io = (struct sp__io){
        .host = host,
        .node = node,
        .send_buffer = socket_buffer(how->send_buffer),
        .receive_buffer = socket_buffer(how->receive_buffer),
        .keepalive_s = how->keepalive_s,
    };
    sp__list_init(&io->waiting);
    sp__list_init(&io->queued);
    sp__list_init(&io->received);
    sp__list_push_back(&host->sockets, &io->link);
    return io;
}

/* Who was never accepted. */
static void socket_turn_away(struct sp__io *listener, bool silent)
{
    for (struct sp__list *at; (at = sp__list_pop_front(&listener->waiting)) != NULL;) {
        struct sp__io *io = sp__container_of(at, struct sp__io, queued);
        sp__socket_detach(io, true, silent);
        sp__free(io);
    }
}

static void socket_forget_received(struct sp__io *io)
{
    for (struct sp__list *at; (at = sp__list_pop_front(&io->received)) != NULL;)
        sp__free(sp__container_of(at, struct sp__segment, link));
    io->available = 0;
}

/* Who closes without having read all has not got it, and says so. */
static void socket_last_words(struct sp__io *io, bool reset)
{
    struct sp__wire *wire = &io->connection->wire[io->side];
    if (io->state == SP__SOCKET_CONNECTS)
        reset = true;
    if (io->state == SP__SOCKET_BROKEN || io->connection->end[1 - io->side] == NULL)
        return;
    if (reset || io->available > 0)
        sp__wire_send(wire, &wire->reset);
    else if (!io->shut)
        sp__wire_send(wire, &wire->end);
}

static void socket_leave(struct sp__io *io)
{
    struct sp__connection *connection = io->connection;
    connection->end[io->side] = NULL;
    io->connection = NULL;
    if (connection->end[1 - io->side] == NULL) {
        sp__connection_release(connection);
        return;
    }
    sp__wire_schedule(&connection->wire[0]);
    sp__wire_schedule(&connection->wire[1]);
}

void sp__socket_detach(struct sp__io *io, bool reset, bool silent)
{
    socket_turn_away(io, silent);
    if (io->connection != NULL) {
        if (!silent)
            socket_last_words(io, reset);
        socket_leave(io);
    }
    socket_forget_received(io);
    sp__list_remove(&io->queued);
    sp__list_remove(&io->link);
    io->state = SP__SOCKET_DEAD;
}

void sp__socket_close(struct sp__io *moved_io, bool reset)
{
    if (moved_io->state != SP__SOCKET_DEAD)
        sp__socket_detach(moved_io, reset, false);
    sp__free(moved_io);
}

void sp__socket_break(struct sp__io *io, sp_err error, int system)
{
    if (io->state == SP__SOCKET_BROKEN)
        return;
    io->state = SP__SOCKET_BROKEN;
    io->error = error;
    io->system = system;
    sp__wire_schedule(&io->connection->wire[io->side]);
    sp__socket_fire(io, SP__IO_IN);
    sp__socket_fire(io, SP__IO_OUT);
}

/* ---- data ---- */

/* Of `count` bytes that could be had, how many are. */
static size_t socket_tear(struct sp__io *io, enum sp__choice kind, size_t count)
{
    if (count < 2)
        return count;
    struct sp__wire *wire = &io->connection->wire[io->side];
    const size_t some[SOCKET_TEARS] = { count,    1, 2, 3, count / 4, count / 2, count - count / 4,
                                        count - 1 };
    size_t drawn = some[sp__wire_draw(wire, kind, SOCKET_TEARS)];
    if (drawn == 0)
        return 1;
    return drawn < count ? drawn : count;
}

static void socket_take(struct sp__io *io, char *bytes, size_t count)
{
    io->available -= count;
    while (count > 0) {
        struct sp__segment *segment =
            sp__container_of(sp__list_first(&io->received), struct sp__segment, link);
        size_t left = segment->size - segment->taken;
        size_t part = left < count ? left : count;
        memcpy(bytes, sp__segment_bytes(segment) + segment->taken, part);
        segment->taken += part;
        bytes += part;
        count -= part;
        if (segment->taken == segment->size) {
            sp__list_remove(&segment->link);
            sp__free(segment);
        }
    }
}

/* The peer hears of it when half of what it may send has been taken. */
static void socket_open_window(struct sp__io *io, size_t count)
{
    struct sp__wire *wire = &io->connection->wire[io->side];
    io->consumed += count;
    if (io->consumed * 2 < io->window || io->ended || io->state != SP__SOCKET_OPEN)
        return;
    wire->window.size += io->consumed;
    io->consumed = 0;
    sp__wire_send(wire, &wire->window);
}

static sp_err net_read(struct sp__io *io, void *bytes, size_t size, size_t *out_count)
{
    if (io->available > 0) {
        size_t count = io->available < size ? io->available : size;
        count = socket_tear(io, SP__CHOICE_NET_READ, count);
        socket_take(io, bytes, count);
        socket_open_window(io, count);
        *out_count = count;
        return SP_OK;
    }
    if (io->ended)
        return SP_ERR_EOF;
    return io->state >= SP__SOCKET_BROKEN ? SP_ERR_RESET : SP__IO_AGAIN;
}

static size_t net_gather(char *to, const struct sp__io_part *parts, size_t size)
{
    size_t done = 0;
    for (; done < size; parts++) {
        size_t part = parts->size < size - done ? parts->size : size - done;
        if (part > 0)
            memcpy(to + done, parts->bytes, part);
        done += part;
    }
    return done;
}

static sp_err net_write(struct sp__io *io, const struct sp__io_part *parts, size_t count,
                        size_t *out_count)
{
    if (io->state >= SP__SOCKET_BROKEN || io->shut)
        return SP_ERR_RESET;
    if (io->state != SP__SOCKET_OPEN || io->credit == 0)
        return SP__IO_AGAIN;
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    size = socket_tear(io, SP__CHOICE_NET_WRITE, size < io->credit ? size : io->credit);
    struct sp__segment *segment = sp__malloc(sizeof(*segment) + size);
    if (segment == NULL)
        return SP_ERR_NOMEM;
    *segment = (struct sp__segment){ .kind = SP__SEGMENT_DATA, .size = size };
    *out_count = net_gather(sp__segment_bytes(segment), parts, size);
    io->credit -= size;
    sp__wire_send_data(&io->connection->wire[io->side], segment);
    return SP_OK;
}

static sp_err net_shutdown(struct sp__io *io)
{
    if (io->state != SP__SOCKET_OPEN)
        return SP_ERR_RESET;
    if (!io->shut) {
        struct sp__wire *wire = &io->connection->wire[io->side];
        io->shut = true;
        sp__wire_send(wire, &wire->end);
    }
    return SP_OK;
}

/* ---- waiting ---- */

static bool net_ready(const struct sp__io *io, enum sp__io_way way)
{
    if (io->state >= SP__SOCKET_BROKEN)
        return true;
    if (way == SP__IO_OUT)
        return io->state == SP__SOCKET_OPEN && (io->credit > 0 || io->shut);
    return io->available > 0 || io->ended || !sp__list_empty(&io->waiting);
}

static bool net_wait(struct sp__io *io, enum sp__io_way way, struct sp__socket_way who)
{
    if (net_ready(io, way))
        return false;
    io->way[way] = who;
    return true;
}

static bool net_arm(struct sp__io *io, enum sp__io_way way, struct sp__actor *actor, uint64_t token)
{
    uint64_t object = actor->runtime->actor_object(actor);
    return net_wait(io, way,
                    (struct sp__socket_way){ .actor = actor, .token = token, .object = object });
}

static bool net_arm_waiter(struct sp__io *io, enum sp__io_way way, struct sp__io_waiter *waiter)
{
    uint64_t object = waiter->actor->runtime->actor_object(waiter->actor);
    return net_wait(io, way, (struct sp__socket_way){ .waiter = waiter, .object = object });
}

static bool net_disarm(struct sp__io *io, enum sp__io_way way)
{
    struct sp__socket_way *who = &io->way[way];
    bool armed = who->actor != NULL || who->waiter != NULL;
    who->actor = NULL;
    who->waiter = NULL;
    return armed;
}

void sp__socket_fire(struct sp__io *io, enum sp__io_way way)
{
    struct sp__socket_way who = io->way[way];
    if (!net_disarm(io, way))
        return;
    if (who.waiter != NULL)
        who.waiter->ready(who.waiter);
    else if (sp__wait_claim(who.actor, who.token))
        sp__wait_finish(who.actor, who.token);
}

/* ---- about it ---- */

static sp_err net_connected(struct sp__io *io, int *out_system)
{
    if (io->state == SP__SOCKET_CONNECTS)
        return SP__IO_AGAIN;
    if (io->state == SP__SOCKET_OPEN)
        return SP_OK;
    *out_system = io->system;
    return io->state == SP__SOCKET_BROKEN ? io->error : SP_ERR_RESET;
}

static sp_err net_address(struct sp__io *io, bool peer, sp_address *out_address)
{
    if (peer && io->state != SP__SOCKET_OPEN)
        return SP_ERR_IO;
    *out_address = peer ? io->peer : io->local;
    return SP_OK;
}

const struct sp__io_ops sp__io_sim = {
    .listen = sp__socket_listen,
    .accept = sp__socket_accept,
    .connect = sp__socket_connect,
    .connected = net_connected,
    .read = net_read,
    .write = net_write,
    .shutdown = net_shutdown,
    .close = sp__socket_close,
    .arm = net_arm,
    .arm_waiter = net_arm_waiter,
    .disarm = net_disarm,
    .address = net_address,
    .resolve = sp__socket_resolve,
};
