/* What a script does to the network between nodes.
 *
 * Threads: one. Neighbours: control.c, runtime/sim/host.h.
 */
#include "runtime/sim/host.h"
#include "sim/inside.h"

/* One of the operations on the way from a machine to another. */
typedef sp_err (*net_until_fn)(struct sp__host *from, struct sp__host *to, int64_t until_ns);

static void net_done(sp_sim *s, sp_err err)
{
    if (err != SP_OK)
        sp_sim_fail(s, "the simulation has no memory for a path between two nodes");
}

static void net_until(sp_sim *s, sp_sim_node *a, sp_sim_node *b, enum sp_sim_way way,
                      net_until_fn change)
{
    net_done(s, change(a->host, b->host, INT64_MAX));
    if (way == SP_SIM_BOTH)
        net_done(s, change(b->host, a->host, INT64_MAX));
}

sp_address sp_sim_address(const sp_sim_node *node)
{
    return sp__host_ipv4(node->host);
}

void sp_sim_partition(sp_sim *s, sp_sim_node *a, sp_sim_node *b, enum sp_sim_way way)
{
    net_until(s, a, b, way, sp__net_cut);
}

void sp_sim_clog(sp_sim *s, sp_sim_node *a, sp_sim_node *b, enum sp_sim_way way)
{
    net_until(s, a, b, way, sp__net_clog);
}

void sp_sim_heal(sp_sim *s, sp_sim_node *a, sp_sim_node *b)
{
    sp__net_heal(s->world, a == NULL ? NULL : a->host, b == NULL ? NULL : b->host);
}

void sp_sim_reset_connections(sp_sim *s, sp_sim_node *a, sp_sim_node *b)
{
    (void)s;
    sp__net_reset(a->host, b->host);
}

void sp_sim_latency(sp_sim *s, sp_sim_node *a, sp_sim_node *b, sp_duration min, sp_duration max)
{
    net_done(s, sp__net_latency(a->host, b->host, min.ns, max.ns));
    net_done(s, sp__net_latency(b->host, a->host, min.ns, max.ns));
}

void sp_sim_bandwidth(sp_sim *s, sp_sim_node *a, sp_sim_node *b, uint64_t bytes_per_s)
{
    int64_t most = bytes_per_s > INT64_MAX ? INT64_MAX : (int64_t)bytes_per_s;
    net_done(s, sp__net_bandwidth(a->host, b->host, most));
    net_done(s, sp__net_bandwidth(b->host, a->host, most));
}
