/* Connecting: an address, or a host whose addresses are tried one after another.
 *
 * A socket that is being connected is a resource of the process, so that a process that is
 * told to exit meanwhile leaves none behind.
 */
#include "base/alloc.h"
#include "io/listener.h"

#include <string.h>

enum {
    CONNECT_ADDRESSES_MAX = 8, /* of a host: how many are tried */
    /* A Unix-domain listener whose queue is full says so at once: pauses between attempts. */
    CONNECT_PAUSE_FIRST_MS = 1,
    CONNECT_PAUSE_MAX_MS = 50,
};

/* One call of sp_connect(). */
struct connect {
    struct sp_process *self;
    const struct sp_socket_options *options;
    int64_t instant; /* when it gives up */
    int system;      /* the system's last error number */
};

/* ---- one address ---- */

struct connecting {
    struct sp__resource resource; /* first */
    struct sp_runtime *runtime;
    struct sp__io *io;
};

static void connecting_release(struct sp__resource *resource)
{
    struct connecting *connecting = (struct connecting *)(void *)resource;
    connecting->runtime->ops->io->close(connecting->io, false);
    sp__free(connecting);
}

static sp_err connect_await(struct connect *connect, struct sp__io *io, int64_t instant)
{
    const struct sp__io_ops *ops = sp__process_runtime(connect->self)->ops->io;
    struct sp__until until = { .instant = instant, .known = true };
    sp_err err;
    while ((err = ops->connected(io, &connect->system)) == SP__IO_AGAIN) {
        err = sp__io_wait(connect->self, io, SP__IO_OUT, &until);
        if (err != SP_OK)
            break;
    }
    return err;
}

static sp_err connect_finish(struct connect *connect, struct sp__io *moved_io, int64_t instant,
                             struct sp_stream **out_stream)
{
    struct sp_runtime *runtime = sp__process_runtime(connect->self);
    struct connecting *connecting = sp__malloc(sizeof(*connecting));
    if (connecting == NULL) {
        runtime->ops->io->close(moved_io, true);
        return SP_ERR_NOMEM;
    }
    *connecting = (struct connecting){
        .resource = { .release = connecting_release },
        .runtime = runtime,
        .io = moved_io,
    };
    sp__resource_add(connect->self, &connecting->resource);
    sp__process_count_file(connect->self, 1);
    sp_err err = connect_await(connect, moved_io, instant);
    if (err == SP_ERR_NOTCONTEXT)
        return err; /* a foreign thread's process was killed, and has released it */
    sp__resource_remove(&connecting->resource);
    sp__process_count_file(connect->self, -1);
    sp__free(connecting);
    if (err == SP_OK)
        return sp__stream_create(connect->self, moved_io, out_stream);
    runtime->ops->io->close(moved_io, false);
    return err;
}

static int64_t connect_now(const struct connect *connect)
{
    return sp__now(sp__process_runtime(connect->self));
}

static sp_err connect_address(struct connect *connect, const sp_address *address, int64_t instant,
                              struct sp_stream **out_stream)
{
    struct sp_runtime *runtime = sp__process_runtime(connect->self);
    struct sp__io_open how = sp__socket_open(connect->options, address, &connect->system);
    int64_t pause_ms = CONNECT_PAUSE_FIRST_MS;
    struct sp__io *io;
    sp_err err;
    connect->system = 0;
    while ((err = runtime->ops->io->connect(runtime, &how, &io)) == SP__IO_AGAIN) {
        if (connect_now(connect) >= instant)
            return SP_ERR_TIMEOUT;
        if (!sp_sleep(sp_ms(pause_ms)))
            return SP_ERR_CANCELLED;
        pause_ms = pause_ms * 2 < CONNECT_PAUSE_MAX_MS ? pause_ms * 2 : CONNECT_PAUSE_MAX_MS;
    }
    return err != SP_OK ? err : connect_finish(connect, io, instant, out_stream);
}

/* ---- a host ---- */

/* Each gets an equal share of the time that is left, the last one all of it. */
static sp_err connect_each(struct connect *connect, const sp_address *addresses, size_t count,
                           struct sp_stream **out_stream)
{
    sp_err err = SP_ERR_RESOLVE;
    for (size_t i = 0; i < count; i++) {
        int64_t instant = connect->instant;
        int64_t now = connect_now(connect);
        if (i > 0 && now >= connect->instant)
            return SP_ERR_TIMEOUT;
        if (instant != INT64_MAX && now < instant)
            instant = now + (instant - now) / (int64_t)(count - i);
        err = connect_address(connect, &addresses[i], instant, out_stream);
        if (err == SP_OK || err == SP_ERR_NOTCONTEXT || err == SP_ERR_CANCELLED)
            return err;
    }
    return err;
}

/* "host:port". */
static bool connect_split(const char *text, char host[SP_HOST_MAX + 1], uint16_t *out_port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || (size_t)(colon - text) > SP_HOST_MAX ||
        memchr(text, ':', (size_t)(colon - text)) != NULL)
        return false;
    unsigned port = 0;
    for (const char *at = colon + 1; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || at - colon > 5)
            return false;
        port = port * 10 + (unsigned)(*at - '0');
    }
    if (colon[1] == '\0' || port > UINT16_MAX)
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *out_port = (uint16_t)port;
    return true;
}

static sp_err connect_text(struct connect *connect, const char *text, struct sp_stream **out_stream)
{
    sp_address addresses[CONNECT_ADDRESSES_MAX];
    char host[SP_HOST_MAX + 1];
    uint16_t port;
    if (sp_address_parse(text, &addresses[0]) == SP_OK)
        return connect_each(connect, addresses, 1, out_stream);
    if (!connect_split(text, host, &port))
        return SP_ERR_INVALID;
    sp_deadline by =
        connect->instant == INT64_MAX ? sp_never() : sp_at((sp_time){ connect->instant });
    size_t count;
    sp_err err = sp_resolve(host, port, by, addresses, CONNECT_ADDRESSES_MAX, &count);
    return err != SP_OK ? err : connect_each(connect, addresses, count, out_stream);
}

sp_err sp_connect(const char *address, const struct sp_socket_options *options,
                  sp_deadline deadline, struct sp_stream **out_stream)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    sp__io_point(self, "connect");
    struct connect connect = {
        .self = self,
        .options = options,
        .instant = sp__scheduler_instant(sp__process_runtime(self), deadline, sp_after_sec(10)),
    };
    sp_err err = connect_text(&connect, address, out_stream);
    if (err != SP_OK)
        sp__socket_report(options, "connect to", address, err, connect.system);
    return err;
}
