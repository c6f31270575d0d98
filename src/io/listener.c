#include "io/listener.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

enum {
    LISTENER_BACKLOG_DEFAULT = 1024,
    SOCKET_KEEPALIVE_DEFAULT_S = 300,
    SOCKET_KEEPALIVE_MAX_S = 32767, /* the system's */
};

/* ---- options and errors ---- */

static int socket_keepalive(sp_duration silence)
{
    if (silence.ns == 0)
        return SOCKET_KEEPALIVE_DEFAULT_S;
    if (silence.ns < 0)
        return 0;
    int64_t seconds = silence.ns / SP_NS_PER_S;
    if (seconds > SOCKET_KEEPALIVE_MAX_S)
        return SOCKET_KEEPALIVE_MAX_S;
    return seconds > 0 ? (int)seconds : 1;
}

struct sp__io_open sp__socket_open(const struct sp_socket_options *options,
                                   const sp_address *address, int *out_system)
{
    static const struct sp_socket_options defaults;
    if (options == NULL)
        options = &defaults;
    return (struct sp__io_open){
        .address = address,
        .backlog = options->backlog != 0 ? options->backlog : LISTENER_BACKLOG_DEFAULT,
        .send_buffer = options->send_buffer,
        .receive_buffer = options->receive_buffer,
        .keepalive_s = socket_keepalive(options->keepalive),
        .unix_mode = options->unix_mode,
        .delay = options->delay,
        .port_shared = options->port_shared,
        .out_system = out_system,
    };
}

/* Errors that stand for several of the system's. */
static bool socket_error_is_vague(sp_err err)
{
    return err == SP_ERR_IO || err == SP_ERR_NOTFOUND || err == SP_ERR_NOCONNECTION ||
           err == SP_ERR_NOTSUP;
}

void sp__socket_report(const struct sp_socket_options *options, const char *what,
                       const char *address, sp_err err, int system)
{
    if (options == NULL || options->out_error == NULL)
        return;
    struct sp_io_error *error = options->out_error;
    struct sp__text text;
    error->err = err;
    error->system = system;
    sp__text_init(&text, error->text, sizeof(error->text));
    sp__text_add(&text, "%s %s: %s", what, address, sp_err_text(err));
    const char *detail = socket_error_is_vague(err) ? strerrordesc_np(system) : NULL;
    if (detail != NULL)
        sp__text_add(&text, " (%s)", detail);
}

/* ---- listening ---- */

static void listener_release(struct sp__resource *resource)
{
    struct sp_listener *listener = (struct sp_listener *)(void *)resource;
    sp__process_runtime(listener->owner)->ops->io->close(listener->io, false);
    sp__free(listener);
}

static sp_err listener_create(struct sp_process *self, struct sp__io *moved_io,
                              struct sp_listener **out_listener)
{
    struct sp_listener *listener = sp__malloc(sizeof(*listener));
    if (listener == NULL) {
        sp__process_runtime(self)->ops->io->close(moved_io, false);
        return SP_ERR_NOMEM;
    }
    *listener = (struct sp_listener){
        .resource = { .late = true, .release = listener_release },
        .owner = self,
        .io = moved_io,
    };
    sp__resource_add(self, &listener->resource);
    sp__process_count_file(self, 1);
    *out_listener = listener;
    return SP_OK;
}

static sp_err listener_open(struct sp_process *self, const char *address,
                            const struct sp_socket_options *options, int *out_system,
                            struct sp_listener **out_listener)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct sp__io *io;
    sp_address where;
    sp_err err = sp_address_parse(address, &where);
    if (err != SP_OK)
        return err;
    struct sp__io_open how = sp__socket_open(options, &where, out_system);
    err = runtime->ops->io->listen(runtime, &how, &io);
    return err != SP_OK ? err : listener_create(self, io, out_listener);
}

sp_err sp_listen(const char *address, const struct sp_socket_options *options,
                 struct sp_listener **out_listener)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    int system = 0;
    sp__io_point(self, "listen");
    sp_err err = listener_open(self, address, options, &system, out_listener);
    if (err != SP_OK)
        sp__socket_report(options, "listen on", address, err, system);
    return err;
}

static bool listener_owned(const struct sp_listener *listener)
{
    return listener->owner == sp__process_self();
}

void sp_listener_close(struct sp_listener *moved_listener)
{
    if (moved_listener == NULL || !listener_owned(moved_listener))
        return;
    sp__resource_remove(&moved_listener->resource);
    sp__process_count_file(moved_listener->owner, -1);
    listener_release(&moved_listener->resource);
}

sp_err sp_listener_address(struct sp_listener *listener, sp_address *out_address)
{
    if (!listener_owned(listener))
        return SP_ERR_NOTCONTEXT;
    return sp__process_runtime(listener->owner)->ops->io->address(listener->io, false, out_address);
}

/* ---- accepting ---- */

sp_err sp__listener_take(struct sp_listener *listener, struct sp_stream **out_stream)
{
    struct sp__io *io;
    sp_err err = sp__process_runtime(listener->owner)->ops->io->accept(listener->io, &io);
    return err != SP_OK ? err : sp__stream_create(listener->owner, io, out_stream);
}

sp_err sp_accept(struct sp_listener *listener, sp_deadline deadline, struct sp_stream **out_stream)
{
    if (!listener_owned(listener))
        return SP_ERR_NOTCONTEXT;
    sp__io_point(listener->owner, "accept");
    struct sp__until until = { .deadline = deadline, .fallback = sp_never() };
    sp_err err;
    while ((err = sp__listener_take(listener, out_stream)) == SP__IO_AGAIN) {
        err = sp__io_wait(listener->owner, listener->io, SP__IO_IN, &until);
        if (err != SP_OK)
            break;
    }
    return err;
}
