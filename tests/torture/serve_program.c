/* An acceptor with a server for each connection, whose stream is attached. */
#include "torture.h"

#include "spawned/serve.h"

#include <string.h>

enum { LINE = 2000, CLIENTS = 3 };

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
    return sp_stream_attach(self->stream, &(struct sp_attach){ .codec = &sp_lines,
                                                               .on_frame = echo_on_line,
                                                               .idle_max = sp_sec(600),
                                                               .frame_time = sp_sec(600) });
}

SP_STATE(echo, struct echo);
SP_ON_INIT(echo);
SP_CLASS(echo, .init = echo__init);

/* The answer may be missing only where the connection is reset or ends. */
static void ask(const char *address)
{
    struct sp_stream *stream;
    char out[LINE];
    char in[LINE];
    memset(out, 'x', sizeof(out));
    out[LINE - 1] = '\n';
    sp_err err = sp_connect(address, NULL, TORTURE_PATIENCE, &stream);
    if ((err == SP_ERR_TIMEOUT && !torture_strict()) || !DID(err))
        return;
    /* In two pieces, so that a beginning has to be kept. */
    if (DID(sp_stream_write(stream, out, LINE / 2, TORTURE_PATIENCE))) {
        sp_yield();
        if (DID(sp_stream_write(stream, out + LINE / 2, LINE - LINE / 2, TORTURE_PATIENCE)) &&
            DID(sp_stream_read_exact(stream, in, sizeof(in), TORTURE_PATIENCE)))
            MUST(memcmp(in, out, sizeof(in)) == 0);
    }
    sp_stream_drop(stream);
}

void serve_body(void *unused)
{
    (void)unused;
    sp_serve_ref serve;
    struct sp_serve_info info;
    char address[SP_ADDRESS_TEXT_MAX];
    (void)sp_trap_exit(true);
    if (!DID(sp_serve_start(&(struct sp_serve_options){ .address = "127.0.0.1:0",
                                                        .server = &echo_class,
                                                        .drain = sp_ms(10) },
                            NULL, &serve)))
        return;
    if (DID(sp_serve_info(serve, &(sp_empty){ 0 }, &info, TORTURE_PATIENCE))) {
        (void)sp_address_format(&info.address, address);
        for (int i = 0; i < CLIENTS; i++)
            ask(address);
    }
    sp_unlink(serve.pid);
    DID(sp_serve_stop(serve, TORTURE_PATIENCE));
}
