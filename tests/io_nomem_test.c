/* Every allocation on the way of a connection fails once: somebody gets NOMEM, or the
 * connection ends, and no descriptor and no byte is left (which the address sanitizer's leak
 * check sees). Needs a build with SPAWNED_FAULT_INJECTION.
 */
#include "base/alloc.h"
#include "spawned/serve.h"
#include "support/io.h"

#ifdef SPAWNED_FAULT_INJECTION

#include <string.h>

enum { STEPS_MAX = 500 };

/** Calls `step` with its first, second, ... allocation failing, until none fails. */
static void walk(sp_err (*step)(void))
{
    bool failed = true;
    for (int n = 0; failed; n++) {
        CHECK(n < STEPS_MAX);
        int files = io_open_files();
        sp__alloc_fail_after(n);
        sp_err err = step();
        failed = sp__alloc_failed();
        sp__alloc_fail_after(-1);
        if (!failed)
            CHECK_OK(err);
        CHECK_INT(io_open_files(), files);
        while (queued() > 0)
            sp_message_free(expect_message());
    }
}

/* ---- straight down ---- */

struct ends {
    struct sp_listener *listener;
    struct sp_stream *here;
    struct sp_stream *there;
};

static sp_err ends_open(struct ends *ends)
{
    char text[SP_ADDRESS_TEXT_MAX];
    sp_address address;
    *ends = (struct ends){ NULL, NULL, NULL };
    sp_err err = sp_listen("127.0.0.1:0", &link_small, &ends->listener);
    if (err == SP_OK)
        err = sp_listener_address(ends->listener, &address);
    if (err == SP_OK)
        err = sp_connect(sp_address_format(&address, text), &link_small, IO_PATIENCE, &ends->here);
    if (err == SP_OK)
        err = sp_accept(ends->listener, IO_PATIENCE, &ends->there);
    return err;
}

static void ends_close(struct ends *ends)
{
    sp_stream_drop(ends->here);
    sp_stream_drop(ends->there);
    sp_listener_close(ends->listener);
}

static sp_err step_straight(void)
{
    struct ends ends;
    char bytes[4];
    sp_err err = ends_open(&ends);
    if (err == SP_OK)
        err = sp_stream_send(ends.here, "abc", 3);
    if (err == SP_OK)
        err = sp_stream_flush(ends.here, IO_PATIENCE);
    if (err == SP_OK) {
        /* What came is kept, for which there must be memory. */
        err = sp_stream_read_exact(ends.there, bytes, 4, IO_MOMENT);
        if (err == SP_ERR_TIMEOUT)
            err = sp_stream_read_exact(ends.there, bytes, 3, IO_PATIENCE);
    }
    ends_close(&ends);
    CHECK(err == SP_OK || err == SP_ERR_NOMEM);
    return err;
}

TEST(io_nomem_in_streams_written_straight_down)
{
    io_open(NULL);
    walk(step_straight);
    io_close();
}

static sp_err step_resolve(void)
{
    sp_address address;
    size_t count;
    sp_err err = sp_resolve("localhost", 1, IO_PATIENCE, &address, 1, &count);
    CHECK(err == SP_OK || err == SP_ERR_NOMEM || err == SP_ERR_LIMIT);
    return err;
}

TEST(io_nomem_in_resolving)
{
    io_open(NULL);
    walk(step_resolve);
    io_close();
}

static sp_err step_slow(void)
{
    static char much[900 * 1024];
    struct ends ends;
    sp_err err = ends_open(&ends);
    if (err == SP_OK)
        err = sp_stream_send(ends.here, much, sizeof(much));
    size_t count = 0;
    size_t total = 0;
    while (err == SP_OK && total < sizeof(much)) {
        char bytes[32 * 1024];
        /* Waiting pushes what is queued; without memory for the event the stream breaks. */
        err = sp_stream_read(ends.there, bytes, sizeof(bytes), sp_after_ms(100), &count);
        total += count;
    }
    ends_close(&ends);
    CHECK(err == SP_OK || err == SP_ERR_NOMEM || err == SP_ERR_TIMEOUT);
    return err;
}

TEST(io_nomem_in_output_that_has_to_wait)
{
    io_open(NULL);
    walk(step_slow);
    io_close();
}

/* ---- served ---- */

SP_SERVER(echo, struct sp_connection);
struct echo {
    struct sp_stream *stream;
};

static void echo_on_line(void *arg, struct sp_stream *stream, const struct sp_frame *line)
{
    (void)arg;
    if (sp_stream_send_frame(stream, line) != SP_OK)
        sp_server_stop_self(sp_reason_normal());
}

static sp_err echo_init(struct echo *self, const struct sp_connection *connection)
{
    self->stream = connection->stream;
    return sp_stream_attach(self->stream, &(struct sp_attach){
                                              .codec = &sp_lines,
                                              .on_frame = echo_on_line,
                                              .idle_max = sp_sec(600),
                                              .frame_time = sp_sec(600),
                                          });
}

SP_STATE(echo, struct echo);
SP_ON_INIT(echo);
SP_CLASS(echo, .init = echo__init);

static sp_err echo_ask(const char *address)
{
    struct sp_stream *stream;
    char bytes[3000];
    memset(bytes, 'x', sizeof(bytes));
    bytes[sizeof(bytes) - 1] = '\n';
    sp_err err = sp_connect(address, NULL, IO_PATIENCE, &stream);
    if (err != SP_OK)
        return err;
    /* In two pieces, so that a beginning has to be kept. */
    err = sp_stream_write(stream, bytes, 1000, IO_PATIENCE);
    if (err == SP_OK)
        sp_yield();
    if (err == SP_OK)
        err = sp_stream_write(stream, bytes + 1000, 2000, IO_PATIENCE);
    if (err == SP_OK)
        err = sp_stream_read_exact(stream, bytes, sizeof(bytes), IO_PATIENCE);
    sp_stream_drop(stream);
    return err;
}

static sp_err step_serve(void)
{
    sp_serve_ref serve;
    struct sp_serve_info info;
    char text[SP_ADDRESS_TEXT_MAX];
    struct sp_serve_options options = { .address = "127.0.0.1:0", .server = &echo_class };
    sp_err err = sp_serve_start(&options, NULL, &serve);
    if (err != SP_OK)
        return err;
    err = sp_serve_info(serve, &(sp_empty){ 0 }, &info, IO_PATIENCE);
    if (err == SP_OK)
        err = echo_ask(sp_address_format(&info.address, text));
    while (sp_kill(serve.pid) == SP_ERR_NOMEM)
        sp_yield();
    sp_err joined;
    while ((joined = sp_join(serve.pid, IO_PATIENCE, NULL)) == SP_ERR_NOMEM)
        sp_yield();
    CHECK_OK(joined);
    struct sp_stats stats;
    do {
        sp_yield();
        sp_runtime_stats(world_runtime(), &stats);
    } while (stats.processes > 1);
    return err;
}

TEST(io_nomem_in_serving)
{
    io_open(NULL);
    walk(step_serve);
    io_close();
}

#else

TEST(io_nomem_needs_fault_injection)
{
    SKIP("built without SPAWNED_FAULT_INJECTION");
}

#endif
