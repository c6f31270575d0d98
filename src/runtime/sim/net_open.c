/* Sockets come to be: listening, accepting, connecting, and names; see net.h. */
#include "base/alloc.h"
#include "runtime/sim/net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    OPEN_PORT_FIRST = 32768, /* of those that are given to who did not ask for one */
    OPEN_PORT_LAST = 60999,
};

static sp_err open_fail(const struct sp__io_open *how, sp_err err, int system)
{
    if (how->out_system != NULL)
        *how->out_system = system;
    return err;
}

static bool open_is_ip(const sp_address *address)
{
    return address->family == SP_ADDRESS_IPV4 || address->family == SP_ADDRESS_IPV6;
}

static bool open_is_unix(const sp_address *address)
{
    return address->family == SP_ADDRESS_UNIX && address->path_length > 0;
}

static size_t open_ip_size(const sp_address *address)
{
    return address->family == SP_ADDRESS_IPV4 ? 4 : 16;
}

/* ---- who listens ---- */

/* "[::]" takes IPv4, too. */
static bool open_takes_both(const sp_address *address)
{
    return address->family == SP_ADDRESS_IPV6 && sp__address_is_any(address);
}

static bool open_overlap(const sp_address *a, const sp_address *b)
{
    if (!open_is_ip(a) || !open_is_ip(b))
        return sp_address_equal(a, b);
    if (a->port != b->port)
        return false;
    if (a->family != b->family)
        return open_takes_both(a) || open_takes_both(b);
    return sp__address_is_any(a) || sp__address_is_any(b) ||
           memcmp(a->ip, b->ip, open_ip_size(a)) == 0;
}

/* The next listener of a host after `from` (NULL: the first). */
static struct sp__io *open_next_listener(struct sp__host *host, struct sp__io *from)
{
    struct sp__list *at =
        from == NULL ? sp__list_first(&host->sockets) : sp__list_next(&host->sockets, &from->link);
    for (; at != NULL; at = sp__list_next(&host->sockets, at)) {
        struct sp__io *io = sp__container_of(at, struct sp__io, link);
        if (io->state == SP__SOCKET_LISTENS)
            return io;
    }
    return NULL;
}

static bool open_in_use(struct sp__host *host, const sp_address *address, bool shared)
{
    for (struct sp__io *io = NULL; (io = open_next_listener(host, io)) != NULL;)
        if (open_overlap(&io->local, address) && !(shared && io->port_shared))
            return true;
    return false;
}

/* How well a listener fits: 0 not at all, 2 if it is bound to this very address. */
static int open_fits(const struct sp__io *listener, const sp_address *to)
{
    const sp_address *at = &listener->local;
    if (!open_overlap(at, to))
        return 0;
    return open_is_ip(at) && sp__address_is_any(at) ? 1 : 2;
}

struct sp__io *sp__socket_listener(struct sp__connection *connection)
{
    struct sp__host *host = connection->wire[0].path->to;
    struct sp__io *best = NULL;
    int fits = 0;
    unsigned among = 0;
    for (struct sp__io *io = NULL; (io = open_next_listener(host, io)) != NULL;) {
        int this = open_fits(io, &connection->to);
        if (this == 0 || this < fits)
            continue;
        among = this > fits ? 1 : among + 1;
        fits = this;
        /* Several share the port: each gets some, by the port of who connects. */
        if (connection->from.port % among == 0)
            best = io;
    }
    return best;
}

/* ---- listen ---- */

static uint16_t open_port(struct sp__host *host, sp_address address)
{
    do {
        host->port = host->port == OPEN_PORT_LAST ? OPEN_PORT_FIRST : (uint16_t)(host->port + 1);
        address.port = host->port;
    } while (open_in_use(host, &address, false));
    return host->port;
}

static bool open_is_here(struct sp__host *host, const sp_address *address)
{
    return open_is_unix(address) || sp__host_at(host, address) == host;
}

sp_err sp__socket_listen(struct sp_runtime *runtime, const struct sp__io_open *how,
                         struct sp__io **out_io)
{
    struct sp__node *node = sp__sim_node(runtime);
    sp_address address = *how->address;
    if (!open_is_ip(&address) && !open_is_unix(&address))
        return SP_ERR_INVALID;
    if (!open_is_here(node->host, &address))
        return open_fail(how, SP_ERR_NOTFOUND, EADDRNOTAVAIL);
    if (open_is_ip(&address) && address.port == 0)
        address.port = open_port(node->host, address);
    else if (open_in_use(node->host, &address, how->port_shared))
        return open_fail(how, SP_ERR_ADDRINUSE, EADDRINUSE);
    struct sp__io *io = sp__socket_new(node->host, node, how);
    if (io == NULL)
        return open_fail(how, SP_ERR_NOMEM, ENOMEM);
    io->state = SP__SOCKET_LISTENS;
    io->local = address;
    io->backlog = how->backlog > 0 ? how->backlog : 1;
    io->port_shared = how->port_shared;
    *out_io = io;
    return SP_OK;
}

/* ---- accept ---- */

/* An IPv4 address as a socket of the other kind shows it. */
static sp_address open_as_seen_by(const struct sp__io *listener, const sp_address *address)
{
    if (address->family != SP_ADDRESS_IPV4 || listener->local.family != SP_ADDRESS_IPV6)
        return *address;
    sp_address mapped = { .family = SP_ADDRESS_IPV6, .port = address->port };
    mapped.ip[10] = 0xff;
    mapped.ip[11] = 0xff;
    memcpy(mapped.ip + 12, address->ip, 4);
    return mapped;
}

struct sp__io *sp__socket_admit(struct sp__io *listener, struct sp__connection *connection)
{
    struct sp__io *peer = connection->end[0];
    struct sp__io_open how = { .keepalive_s = listener->keepalive_s,
                               .send_buffer = (int)listener->send_buffer,
                               .receive_buffer = (int)listener->receive_buffer };
    struct sp__io *io = sp__socket_new(listener->host, listener->node, &how);
    if (io == NULL)
        return NULL;
    io->state = SP__SOCKET_OPEN;
    io->local = open_as_seen_by(listener, &connection->to);
    io->peer = open_as_seen_by(listener, &connection->from);
    io->connection = connection;
    io->side = 1;
    io->credit = io->send_buffer + peer->receive_buffer;
    peer->window = io->credit;
    peer->credit = peer->send_buffer + io->receive_buffer;
    io->window = peer->credit;
    connection->end[1] = io;
    listener->waiting_count++;
    sp__list_push_back(&listener->waiting, &io->queued);
    return io;
}

sp_err sp__socket_accept(struct sp__io *listener, struct sp__io **out_io)
{
    if (listener->state != SP__SOCKET_LISTENS)
        return SP_ERR_IO;
    if (sp__list_empty(&listener->waiting))
        return SP__IO_AGAIN;
    if (sp__world_draw_here(listener->host->world, SP__CHOICE_NET_NOFILE, 2) != 0)
        return SP_ERR_NOFILE;
    listener->waiting_count--;
    *out_io = sp__container_of(sp__list_pop_front(&listener->waiting), struct sp__io, queued);
    return SP_OK;
}

/* ---- connect ---- */

/* Where it goes to, or why it goes nowhere. */
static sp_err open_target(struct sp__host *host, const struct sp__io_open *how,
                          struct sp__host **out_target)
{
    const sp_address *address = how->address;
    if (open_is_ip(address)) {
        *out_target = sp__host_at(host, address);
        return *out_target == NULL ? open_fail(how, SP_ERR_NOCONNECTION, ENETUNREACH) : SP_OK;
    }
    if (!open_is_unix(address))
        return SP_ERR_INVALID;
    for (struct sp__io *io = NULL; (io = open_next_listener(host, io)) != NULL;) {
        if (!sp_address_equal(&io->local, address))
            continue;
        *out_target = host;
        return io->waiting_count < io->backlog ? SP_OK : SP__IO_AGAIN;
    }
    return open_fail(how, SP_ERR_REFUSED, ENOENT);
}

/* Both addresses of a connection that begins. */
static void open_addresses(struct sp__io *io, const sp_address *to)
{
    io->peer = *to;
    if (!open_is_ip(to))
        return;
    bool loopback = sp__address_is_loopback(to) || sp__address_is_any(to);
    sp_address own = sp__host_address(io->host, to->family);
    if (loopback) {
        memset(own.ip, 0, sizeof(own.ip));
        own.ip[to->family == SP_ADDRESS_IPV4 ? 0 : 15] = to->family == SP_ADDRESS_IPV4 ? 127 : 1;
        own.ip[3] = to->family == SP_ADDRESS_IPV4 ? 1 : 0;
    }
    if (sp__address_is_any(to))
        memcpy(io->peer.ip, own.ip, sizeof(own.ip));
    io->local = own;
    io->local.port = open_port(io->host, own);
}

sp_err sp__socket_connect(struct sp_runtime *runtime, const struct sp__io_open *how,
                          struct sp__io **out_io)
{
    struct sp__node *node = sp__sim_node(runtime);
    struct sp__host *target;
    sp_err err = open_target(node->host, how, &target);
    if (err != SP_OK)
        return err;
    if (sp__world_draw_here(node->world, SP__CHOICE_NET_NOFILE, 2) != 0)
        return open_fail(how, SP_ERR_NOFILE, EMFILE);
    struct sp__io *io = sp__socket_new(node->host, node, how);
    if (io == NULL)
        return open_fail(how, SP_ERR_NOMEM, ENOMEM);
    struct sp__connection *connection = sp__connection_new(io, target);
    if (connection == NULL) {
        sp__socket_close(io, false);
        return open_fail(how, SP_ERR_NOMEM, ENOMEM);
    }
    io->state = SP__SOCKET_CONNECTS;
    open_addresses(io, how->address);
    connection->local = !open_is_ip(how->address);
    connection->from = io->local;
    connection->to = io->peer;
    sp__wire_send(&connection->wire[0], &connection->wire[0].opening);
    *out_io = io;
    return SP_OK;
}

/* ---- names ---- */

static struct sp__host *open_host_named(struct sp__world *world, const char *name)
{
    struct sp__list *hosts = &world->hosts;
    for (struct sp__list *at = sp__list_last(hosts); at != NULL; at = sp__list_prev(hosts, at)) {
        struct sp__host *host = sp__container_of(at, struct sp__host, link);
        if (strcmp(host->name, name) == 0)
            return host;
    }
    return NULL;
}

/* A name that is an address already. */
static bool open_numeric(const char *name, uint16_t port, sp_address *out)
{
    char text[SP_HOST_MAX + 16];
    bool ip6 = strchr(name, ':') != NULL;
    (void)snprintf(text, sizeof(text), ip6 ? "[%s]:%u" : "%s:%u", name, (unsigned)port);
    return sp_address_parse(text, out) == SP_OK;
}

sp_err sp__socket_resolve(struct sp_runtime *runtime, const char *host, uint16_t port,
                          sp_address *addresses, size_t max, size_t *out_count)
{
    (void)runtime;
    struct sp__host *found = open_host_named(sp__world_current(), host);
    if (max == 0)
        return SP_ERR_RESOLVE;
    if (strcmp(host, "localhost") == 0)
        addresses[0] = (sp_address){ .family = SP_ADDRESS_IPV4, .ip = { 127, 0, 0, 1 } };
    else if (found != NULL)
        addresses[0] = sp__host_ipv4(found);
    else if (!open_numeric(host, port, &addresses[0]))
        return SP_ERR_RESOLVE;
    addresses[0].port = port;
    *out_count = 1;
    return SP_OK;
}
