/* Two machines and a connection between them: the whole of it, and each way it may end. */
#include <spawned/sim.h>
#include <spawned/spawned.h>
#include <spawned/stream.h>
#include <spawned/listener.h>

#include <string.h>

static void echo(void *arg)
{
    struct sp_listener *listener;
    struct sp_stream *stream;
    char bytes[256];
    size_t count;
    bool *was_eof = arg;
    if (sp_listen("0.0.0.0:7000", NULL, &listener) != SP_OK ||
        sp_accept(listener, sp_never(), &stream) != SP_OK)
        return;
    sp_err err;
    while ((err = sp_stream_read(stream, bytes, sizeof(bytes), sp_never(), &count)) == SP_OK)
        if (sp_stream_write(stream, bytes, count, sp_never()) != SP_OK)
            break;
    *was_eof = err == SP_ERR_EOF;
    sp_ignore(sp_stream_close(stream, sp_never()));
}

static void says_hello(void *arg)
{
    struct sp_stream *stream;
    char bytes[16];
    bool *heard = arg;
    sp_err err;
    while ((err = sp_connect("echo:7000", NULL, sp_after_sec(5), &stream)) == SP_ERR_REFUSED)
        sp_sleep(sp_ms(10));
    if (err != SP_OK || sp_stream_write(stream, "hello, world", 12, sp_never()) != SP_OK ||
        sp_stream_read_exact(stream, bytes, 12, sp_after_sec(5)) != SP_OK)
        return;
    *heard = memcmp(bytes, "hello, world", 12) == 0;
    sp_ignore(sp_stream_close(stream, sp_never()));
}

SP_SIM_TEST(what_is_said_comes_back)
{
    bool was_eof = false;
    bool heard = false;
    sp_sim_start(s, "echo", echo, &was_eof);
    sp_sim_start(s, "client", says_hello, &heard);
    sp_sim_run(s);
    sp_sim_check(s, heard, "the client did not get its words back");
    sp_sim_check(s, was_eof, "the server did not see the end");
}
