/* Streams: TCP and Unix-domain sockets written straight down, and resolving. */
#include "torture.h"

#include "spawned/listener.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MUCH = 300 * 1024, ACCEPT_TRIES = 20 };

/* A wait for what does not come where the other side has failed. */
static sp_deadline loosely(void)
{
    return torture_strict() ? TORTURE_PATIENCE : sp_after_ms(300);
}

/* As DID(), but it may be too late where the other side has failed. */
#define IN_TIME(operation) in_time((operation), #operation, __LINE__)
static bool in_time(sp_err err, const char *what, int line)
{
    return (err != SP_ERR_TIMEOUT || torture_strict()) && torture_did(err, what, __FILE__, line);
}

/* ---- the client ---- */

static void talk(struct sp_stream *stream)
{
    char bytes[8];
    struct sp_part parts[2] = { { "abc", 3 }, { "defg", 4 } };
    sp_address address;
    DID(sp_stream_peer(stream, &address));
    if (!DID(sp_stream_write(stream, "1234567", 7, TORTURE_PATIENCE)) ||
        !DID(sp_stream_read_exact(stream, bytes, 7, TORTURE_PATIENCE)))
        return;
    MUST(memcmp(bytes, "1234567", 7) == 0);
    if (!DID(sp_stream_write_parts(stream, parts, 2, TORTURE_PATIENCE)) ||
        !DID(sp_stream_read_exact(stream, bytes, 7, TORTURE_PATIENCE)))
        return;
    MUST(memcmp(bytes, "abcdefg", 7) == 0);
    if (DID(sp_stream_send(stream, "xyz", 3)) && DID(sp_stream_flush(stream, TORTURE_PATIENCE)) &&
        DID(sp_stream_read_exact(stream, bytes, 3, TORTURE_PATIENCE)))
        MUST(memcmp(bytes, "xyz", 3) == 0);
}

/* With small buffers in the system: the writer has to wait for the reader. */
static void talk_much(struct sp_stream *stream)
{
    static char much[MUCH];
    DID(sp_stream_write(stream, much, sizeof(much), TORTURE_PATIENCE));
}

struct client {
    char where[SP_ADDRESS_TEXT_MAX];
    void (*talk)(struct sp_stream *stream);
    bool closes; /* in order, and waits for the other's end */
};

static void client_run(void *arg)
{
    struct client *client = arg;
    struct sp_socket_options small = { .send_buffer = 8192 };
    struct sp_io_error error;
    struct sp_stream *stream;
    small.out_error = &error;
    if (!IN_TIME(sp_connect(client->where, &small, TORTURE_PATIENCE, &stream)))
        return;
    client->talk(stream);
    if (client->closes)
        (void)IN_TIME(sp_stream_close(stream, TORTURE_PATIENCE));
    else
        sp_stream_drop(stream);
}

/* ---- the server ---- */

/* Sends back what comes, or counts it. */
static void serve(struct sp_stream *stream, bool echoes)
{
    char bytes[8192];
    size_t total = 0;
    size_t count;
    sp_err err;
    while ((err = sp_stream_read(stream, bytes, sizeof(bytes), TORTURE_PATIENCE, &count)) ==
           SP_OK) {
        total += count;
        if (echoes && !DID(sp_stream_write(stream, bytes, count, TORTURE_PATIENCE)))
            break;
    }
    MUST(err != SP_ERR_TIMEOUT);
    if (torture_strict() && err != SP_ERR_EOF)
        torture_failed(__FILE__, __LINE__, "%s after %zu bytes, and nothing fails now",
                       sp_err_name(err), total);
    MUST(err != SP_ERR_EOF || !torture_strict() || total == (echoes ? 17 : MUCH));
}

/* What fails leaves the connection in the queue. */
static bool accepted(struct sp_listener *listener, struct sp_stream **out_stream)
{
    sp_err err = SP_OK;
    for (int i = 0; i < ACCEPT_TRIES; i++) {
        err = sp_accept(listener, loosely(), out_stream);
        if (err == SP_OK || err == SP_ERR_TIMEOUT)
            break;
    }
    return IN_TIME(err);
}

/* Returns only when the client is gone. False: with nothing served. */
static bool with_client(struct sp_listener *listener, struct client *client)
{
    struct sp_stream *stream;
    sp_pid pid;
    struct sp_spawn_options options = { .arg_size = sizeof(*client), .link = true };
    if (!DID(sp_spawn(client_run, client, &options, &pid)))
        return false;
    bool served = accepted(listener, &stream);
    if (served) {
        serve(stream, client->talk == talk);
        sp_stream_drop(stream);
    }
    while (!served && sp_kill(pid) == SP_ERR_NOMEM)
        sp_yield();
    sp_err err;
    while ((err = sp_join(pid, TORTURE_PATIENCE, NULL)) == SP_ERR_NOMEM)
        sp_yield();
    DID(err);
    return served;
}

static void part_straight(const char *address)
{
    struct sp_listener *listener;
    sp_address bound;
    struct client client = { .talk = talk, .closes = true };
    struct sp_socket_options options = { .unix_mode = 0600, .receive_buffer = 8192 };
    if (!DID(sp_listen(address, &options, &listener)))
        return;
    if (DID(sp_listener_address(listener, &bound))) {
        (void)sp_address_format(&bound, client.where);
        bool served = with_client(listener, &client);
        client.talk = talk_much;
        client.closes = false;
        if (served)
            (void)with_client(listener, &client);
    }
    sp_listener_close(listener);
}

/* A socket's file is there, and nobody listens: what a crash leaves. */
static void part_unix(void)
{
    char address[SP_ADDRESS_TEXT_MAX + 8];
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "/tmp/sp-torture-%d.sock", (int)getpid());
    (void)snprintf(address, sizeof(address), "unix:%s", name.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)unlink(name.sun_path);
    MUST(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
    (void)close(fd);
    part_straight(address);
    (void)unlink(name.sun_path);
}

static void part_resolve(void)
{
    sp_address addresses[4];
    size_t count = 0;
    if (IN_TIME(sp_resolve("localhost", 80, TORTURE_PATIENCE, addresses, 4, &count)))
        MUST(count >= 1);
}

void stream_body(void *unused)
{
    (void)unused;
    (void)sp_trap_exit(true);
    part_straight("127.0.0.1:0");
    part_unix();
    part_resolve();
}
