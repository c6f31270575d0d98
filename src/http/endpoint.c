/* The endpoint as a server: its thread is a resource of it, and ends with it on every way out.
 *
 * Threads: the server's process. Neighbours: thread.c, settings.c.
 */
#include "spawned/http.h"

#include "http/thread.h"

struct endpoint {
    struct sp__http *http;
};

static void endpoint_stop(void *http)
{
    sp__http_stop(http);
}

static sp_err sp_http_init(struct endpoint *self, const struct sp_http_options *options)
{
    struct sp__http_settings *settings = sp_alloc(sizeof(*settings));
    sp_err err = sp__http_settings_read(options, settings);
    /* Blocks for as long as it takes to open a socket and start a thread. */
    if (err == SP_OK)
        err = sp__http_start(settings, sp_runtime_current(), &self->http);
    sp_free(settings);
    if (err != SP_OK)
        return err;
    err = sp_defer(endpoint_stop, self->http);
    if (err != SP_OK)
        sp__http_stop(self->http);
    return err;
}

static sp_err sp_http_on_info(struct endpoint *self, const sp_empty *in, struct sp_http_info *out)
{
    const struct sp__http *http = self->http;
    (void)in;
    /* relaxed: statistics. */
    out->address = http->address;
    out->requests = atomic_load_explicit(&http->requests, memory_order_relaxed);
    out->refused = atomic_load_explicit(&http->refused, memory_order_relaxed);
    out->cut = atomic_load_explicit(&http->cut, memory_order_relaxed);
    return SP_OK;
}

SP_STATE(sp_http, struct endpoint);
SP_ON_INIT(sp_http);
SP_ON_CALL(sp_http, info);
SP_CLASS(sp_http, .init = sp_http__init);
