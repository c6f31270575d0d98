/* An echo server: each connection is a server of its own that sends back what it reads.
 *
 *     echo 127.0.0.1:7007                        then: nc 127.0.0.1 7007
 *     echo 127.0.0.1:7007 127.0.0.1:8080         and a browser on http://127.0.0.1:8080/
 *
 * The connection does not sit in a read. What arrives is handed to it between its messages;
 * an idle connection owns no stack and no buffer.
 */
#ifdef SPAWNED_HTTP
#include "spawned/http.h"
#endif
#include "spawned/os_signal.h"
#include "spawned/serve.h"
#include "spawned/spawned.h"

#include <stdio.h>
#include <stdlib.h>

SP_SERVER(echo, struct sp_connection);

struct echo {
    struct sp_stream *stream;
};

static void echo_on_bytes(void *arg, struct sp_stream *stream, const struct sp_frame *frame)
{
    (void)arg;
    /* A peer that does not read its echo is not read from, so this cannot pile up. */
    if (sp_stream_send(stream, frame->bytes, frame->size) != SP_OK)
        sp_server_stop_self(sp_reason_normal());
}

static sp_err echo_init(struct echo *self, const struct sp_connection *connection)
{
    self->stream = connection->stream;
    return sp_stream_attach(self->stream, &(struct sp_attach){ .on_frame = echo_on_bytes });
}

SP_STATE(echo, struct echo);
SP_ON_INIT(echo);
SP_CLASS(echo, .init = echo__init);

/* ---- the program ---- */

/* Its dashboard, where libspawned-http is there. */
static sp_err echo_observe(const char *address, struct sp_io_error *out_error)
{
    if (address == NULL)
        return SP_OK;
#ifdef SPAWNED_HTTP
    sp_http_ref http;
    return sp_http_start(&(struct sp_http_options){ .address = address, .out_error = out_error },
                         NULL, &http);
#else
    (void)out_error;
    return SP_ERR_NOTSUP;
#endif
}

static int echo_main(void *arg)
{
    char **argv = arg;
    struct sp_io_error error = { .err = SP_OK };
    struct sp_serve_options options = {
        .address = argv[0],
        .socket.out_error = &error,
        .server = &echo_class,
    };
    sp_serve_ref serve;
    /* Before the program says that it runs: a Ctrl-C from then on ends it in order. */
    sp_err err = sp_os_signal_subscribe(SP_OS_SIGNAL_ONCE, sp_after_sec(5));
    if (err == SP_OK)
        err = echo_observe(argv[1], &error);
    if (err != SP_OK) {
        fprintf(stderr, "echo: %s\n", error.err != SP_OK ? error.text : sp_err_text(err));
        return EXIT_FAILURE;
    }
    if (sp_serve_start(&options, NULL, &serve) != SP_OK) {
        fprintf(stderr, "echo: %s\n", error.text);
        return EXIT_FAILURE;
    }
    struct sp_serve_info info;
    char text[SP_ADDRESS_TEXT_MAX];
    if (sp_serve_info(serve, &(sp_empty){ 0 }, &info, sp_after_sec(5)) != SP_OK)
        return EXIT_FAILURE;
    printf("echo: listening on %s, Ctrl-C ends it\n", sp_address_format(&info.address, text));
    fflush(stdout);

    struct sp_message *message;
    if (sp_receive(sp_never(), &message) != SP_OK)
        return EXIT_FAILURE;
    sp_message_free(message);
    if (sp_serve_info(serve, &(sp_empty){ 0 }, &info, sp_after_sec(5)) == SP_OK)
        printf("echo: %llu connections\n", (unsigned long long)info.accepted);
    return sp_serve_stop(serve, sp_after_sec(10)) == SP_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static char default_address[] = "127.0.0.1:7007";
    char *arguments[] = { argc > 1 ? argv[1] : default_address, argc > 2 ? argv[2] : NULL };
    return sp_main(echo_main, arguments, NULL);
}
