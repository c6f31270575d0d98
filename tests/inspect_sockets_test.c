/* Sockets count for the process that has them, whoever made them. */
#include "spawned/spawned.h"
#include "spawned/listener.h"
#include "spawned/stream.h"
#include "support/puppet.h"

static struct sp_inspect look(sp_pid pid)
{
    struct sp_inspect row;
    CHECK_OK(sp_inspect(pid, &row));
    return row;
}

static void listen_for(void *arg)
{
    struct sp_listener **out = arg;
    CHECK_OK(sp_listen("127.0.0.1:0", NULL, out));
}

static void close_listener(void *arg)
{
    sp_listener_close(*(struct sp_listener **)arg);
}

TEST(sockets_count_for_the_process_that_has_them)
{
    world_open(NULL);
    struct sp_listener *listener;
    sp_pid puppet = puppet_start(NULL);
    CHECK_INT(look(puppet).files, 0);
    puppet_do(puppet, listen_for, &listener);
    CHECK_INT(look(puppet).files, 1);
    CHECK(look(puppet).spawned_at != NULL); /* the one did not touch the other */
    puppet_do(puppet, close_listener, &listener);
    CHECK_INT(look(puppet).files, 0);
    world_close();
}

TEST(streams_count_for_whom_they_were_handed_to)
{
    world_open(NULL);
    struct sp_listener *listener;
    struct sp_stream *stream;
    char text[SP_ADDRESS_TEXT_MAX];
    sp_address address;
    listen_for(&listener);
    CHECK_OK(sp_listener_address(listener, &address));
    CHECK_OK(sp_connect(sp_address_format(&address, text), NULL, sp_never(), &stream));
    CHECK_INT(look(sp_self()).files, 2);
    CHECK_OK(sp_stream_release(stream));
    CHECK_INT(look(sp_self()).files, 1);
    CHECK_OK(sp_stream_adopt(stream));
    CHECK_INT(look(sp_self()).files, 2);
    sp_stream_drop(stream);
    sp_listener_close(listener);
    CHECK_INT(look(sp_self()).files, 0);
    world_close();
}
