/* Events of one harvest are left to the worker that harvested them while they are little work,
 * but never for long: what waits behind a long handler is taken by another worker.
 *
 * Whatever spins here does so until something else has happened, so a case that ends shows
 * that it could happen. The hand-off, which would see to it as well, is off.
 */
#include "support/io.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A process with a stream, whose other end is this thread's. */
struct reader {
    sp_pid puppet;
    struct sp_listener *listener;
    sp_address address;
    struct sp_stream *stream;
    int peer;
    bool lasts; /* it waits, without giving way, until the other has been told something, too */
    _Atomic int *heard;
    int until;
};

static void reader_listen(void *arg)
{
    struct reader *reader = arg;
    CHECK_OK(sp_listen("127.0.0.1:0", NULL, &reader->listener));
    CHECK_OK(sp_listener_address(reader->listener, &reader->address));
}

static void reader_accept(void *arg)
{
    struct reader *reader = arg;
    CHECK_OK(sp_accept(reader->listener, IO_PATIENCE, &reader->stream));
    sp_listener_close(reader->listener);
}

static int peer_connect(const struct reader *reader)
{
    char text[SP_ADDRESS_TEXT_MAX];
    sp_address_format(&reader->address, text);
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons((uint16_t)atoi(strchr(text, ':') + 1)) };
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(peer >= 0);
    CHECK_INT(connect(peer, (const struct sockaddr *)(const void *)&to, sizeof(to)), 0);
    return peer;
}

static void reader_start(struct reader *reader, _Atomic int *heard)
{
    *reader = (struct reader){ .puppet = puppet_start(NULL), .heard = heard };
    puppet_do(reader->puppet, reader_listen, reader);
    reader->peer = peer_connect(reader);
    puppet_do(reader->puppet, reader_accept, reader);
}

static void reader_hear(void *arg)
{
    struct reader *reader = arg;
    char byte;
    CHECK_OK(sp_stream_read_exact(reader->stream, &byte, 1, IO_PATIENCE));
    atomic_fetch_add(reader->heard, 1);
    while (reader->lasts && atomic_load(reader->heard) < reader->until)
        continue;
}

/* Until it waits for its byte. */
static void reader_await_waiting(const struct reader *reader)
{
    struct sp_process_info info = { .status = SP_STATUS_RUNNABLE };
    while (info.status != SP_STATUS_WAITING) {
        CHECK_OK(sp_process_info(reader->puppet, &info));
        sp_yield();
    }
}

static void do_nothing(void *arg)
{
    (void)arg;
}

/* How many are held, and negative to let them go. */
struct gate {
    _Atomic int held;
};

static void hold(void *arg)
{
    struct gate *gate = arg;
    atomic_fetch_add(&gate->held, 1);
    while (atomic_load(&gate->held) >= 0)
        continue;
}

static void readers_tell(struct reader readers[2], bool last)
{
    int until = atomic_load(readers[0].heard) + 2;
    for (int i = 0; i < 2; i++) {
        readers[i].lasts = last;
        readers[i].until = until;
        puppet_tell(readers[i].puppet, reader_hear, &readers[i]);
        reader_await_waiting(&readers[i]);
    }
}

static void readers_send(const struct reader readers[2])
{
    for (int i = 0; i < 2; i++)
        CHECK_INT(send(readers[i].peer, "x", 1, 0), 1);
}

static void readers_await(const struct reader readers[2])
{
    for (int i = 0; i < 2; i++)
        puppet_do(readers[i].puppet, do_nothing, NULL);
    CHECK_INT(atomic_load(readers[0].heard), readers[0].until);
}

/* Events that are little work. */
static void round_short(struct reader readers[2])
{
    readers_tell(readers, false);
    readers_send(readers);
    readers_await(readers);
}

/* Both hear something while no worker looks for events, so that one call finds both. */
static void round_long(struct reader readers[2], const sp_pid holders[2])
{
    struct gate gate = { 0 };
    readers_tell(readers, true);
    for (int i = 0; i < 2; i++)
        puppet_tell(holders[i], hold, &gate);
    while (atomic_load(&gate.held) != 2)
        continue;
    readers_send(readers);
    atomic_store(&gate.held, -1);
    readers_await(readers);
    for (int i = 0; i < 2; i++)
        puppet_do(holders[i], do_nothing, NULL);
}

TEST(what_waits_behind_a_long_handler_is_taken_by_another_worker)
{
    enum { SHORT = 20, LONG = 30 };
    io_open(&(struct sp_runtime_options){ .workers = 2, .stuck_after = sp_ns(-1) });
    _Atomic int heard = 0;
    struct reader readers[2];
    sp_pid holders[2];
    for (int i = 0; i < 2; i++) {
        reader_start(&readers[i], &heard);
        holders[i] = puppet_start(NULL);
    }
    for (int round = 0; round < LONG; round++) {
        for (int i = 0; i < SHORT; i++)
            round_short(readers); /* what events cost is learned */
        round_long(readers, holders);
    }
    for (int i = 0; i < 2; i++) {
        puppet_exit(readers[i].puppet, NULL);
        close(readers[i].peer);
    }
    io_close();
}
