/* Byte streams of a simulated world: there are none, and whoever opens one is told so.
 *
 * Threads: the world's. Neighbours: runtime/io.h.
 */
#include "runtime/io.h"
#include "runtime/sim/node.h"

static sp_err net_open(struct sp_runtime *runtime, const struct sp__io_open *how,
                       struct sp__io **out_io)
{
    (void)runtime;
    (void)out_io;
    if (how->out_system != NULL)
        *how->out_system = 0;
    return SP_ERR_NOTSUP;
}

static sp_err net_resolve(struct sp_runtime *runtime, const char *host, uint16_t port,
                          sp_address *addresses, size_t max, size_t *out_count)
{
    (void)runtime;
    (void)host;
    (void)port;
    (void)addresses;
    (void)max;
    (void)out_count;
    return SP_ERR_RESOLVE;
}

/* Without a stream the others are never called. */
const struct sp__io_ops sp__io_sim = {
    .listen = net_open,
    .connect = net_open,
    .resolve = net_resolve,
};
