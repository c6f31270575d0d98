/* Machines, and the paths between them; see net.h and host.h. */
#include "base/alloc.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/net.h"

#include <string.h>

enum {
    /* Between machines of one room, and inside of one. */
    PATH_LATENCY_MIN_US = 200,
    PATH_LATENCY_MAX_US = 1200,
    PATH_LOOPBACK_MIN_US = 15,
    PATH_LOOPBACK_MAX_US = 85,
    HOST_PORT_FIRST = 32768,
    /* Ways of a cut. */
    PATH_CUT_THERE = 1,
    PATH_CUT_BACK = 2,
};

const int64_t sp__net_clog_ms[SP__NET_CLOGS] = { 0, 10, 100, 1000, 6000, 30000 };
const int64_t sp__net_cut_ms[SP__NET_CUTS] = { 100, 1000, 6000, 60000 };

/* ---- machines ---- */

struct sp__host *sp__host_add(struct sp__world *world, const char *name)
{
    world->own_memory = true;
    struct sp__host *host = sp__calloc(1, sizeof(*host));
    world->own_memory = false;
    if (host == NULL)
        return NULL;
    host->world = world;
    host->number = ++world->host_count;
    host->port = HOST_PORT_FIRST - 1;
    host->clock = (struct sp__clock){ .base = world->now, .since = world->now };
    sp__list_init(&host->sockets);
    memcpy(host->name, name, strnlen(name, sizeof(host->name) - 1)); /* the rest is zero */
    sp__list_push_back(&world->hosts, &host->link);
    return host;
}

static void host_ip(const struct sp__host *host, uint8_t *ip)
{
    ip[0] = 10;
    ip[1] = (uint8_t)(host->number >> 16);
    ip[2] = (uint8_t)(host->number >> 8);
    ip[3] = (uint8_t)host->number;
}

static void host_ip6(const struct sp__host *host, uint8_t *ip)
{
    memset(ip, 0, 16);
    ip[0] = 0xfd;
    host_ip(host, ip + 12);
    ip[12] = 0;
}

const char *sp__host_name(const struct sp__host *host)
{
    return host->name;
}

sp_address sp__host_ipv4(const struct sp__host *host)
{
    sp_address address = { .family = SP_ADDRESS_IPV4 };
    host_ip(host, address.ip);
    return address;
}

sp_address sp__host_address(const struct sp__host *host, uint8_t family)
{
    if (family == SP_ADDRESS_IPV4)
        return sp__host_ipv4(host);
    sp_address address = { .family = SP_ADDRESS_IPV6 };
    host_ip6(host, address.ip);
    return address;
}

bool sp__address_is_loopback(const sp_address *address)
{
    static const uint8_t loopback[16] = { [15] = 1 };
    if (address->family == SP_ADDRESS_IPV4)
        return address->ip[0] == 127;
    return memcmp(address->ip, loopback, sizeof(loopback)) == 0;
}

bool sp__address_is_any(const sp_address *address)
{
    static const uint8_t any[16];
    return memcmp(address->ip, any, address->family == SP_ADDRESS_IPV4 ? 4 : 16) == 0;
}

struct sp__host *sp__host_at(struct sp__host *from, const sp_address *address)
{
    if (sp__address_is_loopback(address) || sp__address_is_any(address))
        return from;
    struct sp__list *hosts = &from->world->hosts;
    for (struct sp__list *at = sp__list_first(hosts); at != NULL; at = sp__list_next(hosts, at)) {
        struct sp__host *host = sp__container_of(at, struct sp__host, link);
        sp_address own = sp__host_address(host, address->family);
        if (memcmp(own.ip, address->ip, sizeof(own.ip)) == 0)
            return host;
    }
    return NULL;
}

/* ---- paths ---- */

struct sp__path *sp__path_of(struct sp__host *from, struct sp__host *to)
{
    struct sp__list *paths = &from->world->paths;
    for (struct sp__list *at = sp__list_first(paths); at != NULL; at = sp__list_next(paths, at)) {
        struct sp__path *path = sp__container_of(at, struct sp__path, link);
        if (path->from == from && path->to == to)
            return path;
    }
    struct sp__path *path = sp__calloc(1, sizeof(*path));
    if (path == NULL)
        return NULL;
    bool loopback = from == to;
    path->from = from;
    path->to = to;
    path->latency_min = (loopback ? PATH_LOOPBACK_MIN_US : PATH_LATENCY_MIN_US) * SP_NS_PER_US;
    path->latency_max = (loopback ? PATH_LOOPBACK_MAX_US : PATH_LATENCY_MAX_US) * SP_NS_PER_US;
    sp__list_push_back(paths, &path->link);
    return path;
}

/* Each wire of these is looked at again. NULL: any. */
static void path_changed(struct sp__world *world, const struct sp__path *path)
{
    struct sp__list *all = &world->connections;
    for (struct sp__list *at = sp__list_first(all); at != NULL; at = sp__list_next(all, at)) {
        struct sp__connection *connection = sp__container_of(at, struct sp__connection, link);
        bool concerned =
            path == NULL || connection->wire[0].path == path || connection->wire[1].path == path;
        for (unsigned side = 0; side < 2 && concerned; side++)
            sp__wire_schedule(&connection->wire[side]);
    }
}

static void path_block(struct sp__path *path, int64_t *until, int64_t until_ns)
{
    /* Before and after: how long a wire has been blocked begins anew where it was not. */
    path_changed(path->from->world, path);
    *until = until_ns;
    path_changed(path->from->world, path);
}

sp_err sp__net_cut(struct sp__host *from, struct sp__host *to, int64_t until_ns)
{
    struct sp__path *path = sp__path_of(from, to);
    if (path == NULL)
        return SP_ERR_NOMEM;
    path_block(path, &path->cut_until, until_ns);
    return SP_OK;
}

sp_err sp__net_clog(struct sp__host *from, struct sp__host *to, int64_t until_ns)
{
    struct sp__path *path = sp__path_of(from, to);
    if (path == NULL)
        return SP_ERR_NOMEM;
    path_block(path, &path->clogged_until, until_ns);
    return SP_OK;
}

sp_err sp__net_latency(struct sp__host *from, struct sp__host *to, int64_t min_ns, int64_t max_ns)
{
    struct sp__path *path = sp__path_of(from, to);
    if (path == NULL)
        return SP_ERR_NOMEM;
    path->latency_min = min_ns;
    path->latency_max = max_ns > min_ns ? max_ns : min_ns;
    return SP_OK;
}

sp_err sp__net_bandwidth(struct sp__host *from, struct sp__host *to, int64_t bytes_per_s)
{
    struct sp__path *path = sp__path_of(from, to);
    if (path == NULL)
        return SP_ERR_NOMEM;
    path->bytes_per_s = bytes_per_s;
    return SP_OK;
}

static bool path_joins(const struct sp__path *path, const struct sp__host *a,
                       const struct sp__host *b)
{
    return ((a == NULL || path->from == a) && (b == NULL || path->to == b)) ||
           ((b == NULL || path->from == b) && (a == NULL || path->to == a));
}

void sp__net_heal(struct sp__world *world, const struct sp__host *a, const struct sp__host *b)
{
    for (struct sp__list *at = sp__list_first(&world->paths); at != NULL;
         at = sp__list_next(&world->paths, at)) {
        struct sp__path *path = sp__container_of(at, struct sp__path, link);
        if (!path_joins(path, a, b))
            continue;
        /* Not as if it had never been: what was lost has to be sent again. */
        if (path->cut_until > world->now)
            path->cut_until = world->now;
        if (path->clogged_until > world->now)
            path->clogged_until = world->now;
    }
    path_changed(world, NULL);
}

void sp__net_hold(struct sp__host *host, bool held)
{
    path_changed(host->world, NULL);
    host->held = held;
    path_changed(host->world, NULL);
}

void sp__net_reset(struct sp__host *a, struct sp__host *b)
{
    struct sp__list *all = &a->world->connections;
    for (struct sp__list *at = sp__list_first(all); at != NULL; at = sp__list_next(all, at)) {
        struct sp__connection *connection = sp__container_of(at, struct sp__connection, link);
        if (connection->local || !path_joins(connection->wire[0].path, a, b))
            continue;
        for (unsigned side = 0; side < 2; side++)
            sp__wire_send(&connection->wire[side], &connection->wire[side].reset);
    }
}

/* ---- faults that are drawn ---- */

static void path_may_clog(struct sp__wire *wire)
{
    struct sp__path *path = wire->path;
    int64_t for_ms = sp__net_clog_ms[sp__wire_draw(wire, SP__CHOICE_NET_CLOG, SP__NET_CLOGS)];
    if (for_ms != 0)
        path_block(path, &path->clogged_until, path->from->world->now + for_ms * SP_NS_PER_MS);
}

/* Both ways, the way that was taken, or the way back; and for how long. */
static void path_may_be_cut(struct sp__wire *wire)
{
    struct sp__path *there = wire->path;
    struct sp__path *back = wire->connection->wire[1 - wire->side].path;
    uint32_t drawn =
        there == back ? 0 : sp__wire_draw(wire, SP__CHOICE_NET_CUT, 1 + 3 * SP__NET_CUTS);
    if (drawn == 0)
        return;
    int64_t until = there->from->world->now + sp__net_cut_ms[(drawn - 1) / 3] * SP_NS_PER_MS;
    uint32_t way = (drawn - 1) % 3;
    if (way != PATH_CUT_BACK)
        path_block(there, &there->cut_until, until);
    if (way != PATH_CUT_THERE)
        path_block(back, &back->cut_until, until);
}

void sp__path_faults(struct sp__wire *wire)
{
    path_may_clog(wire);
    path_may_be_cut(wire);
}

/* ---- nodes that are gone ---- */

static struct sp__io *node_socket(const struct sp__node *node)
{
    struct sp__list *all = &node->host->sockets;
    for (struct sp__list *at = sp__list_first(all); at != NULL; at = sp__list_next(all, at)) {
        struct sp__io *io = sp__container_of(at, struct sp__io, link);
        if (io->node == node)
            return io;
    }
    return NULL;
}

void sp__net_node_gone(struct sp__node *node, enum sp__net_gone how)
{
    for (struct sp__io *io; (io = node_socket(node)) != NULL;)
        sp__socket_detach(io, false, how == SP__NET_GONE_DARK);
    node->host->dark = node->host->dark || how == SP__NET_GONE_DARK;
    path_changed(node->world, NULL);
}

void sp__host_up(struct sp__host *host)
{
    host->dark = false;
    path_changed(host->world, NULL);
}

/* ---- the world's ---- */

void sp__net_init(struct sp__world *world)
{
    sp__list_init(&world->hosts);
    sp__list_init(&world->paths);
    sp__list_init(&world->connections);
    sp__list_init(&world->due);
    world->host_count = 0;
}

bool sp__net_finish(struct sp__world *world)
{
    if (!sp__list_empty(&world->connections))
        return false;
    for (struct sp__list *at; (at = sp__list_pop_front(&world->paths)) != NULL;)
        sp__free(sp__container_of(at, struct sp__path, link));
    for (struct sp__list *at; (at = sp__list_pop_front(&world->hosts)) != NULL;) {
        struct sp__host *host = sp__container_of(at, struct sp__host, link);
        sp__disk_destroy(host->disk);
        sp__free(host);
    }
    return true;
}
