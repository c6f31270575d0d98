/* What a connection does when nothing is wrong with the network: as the system's do. */
#include "pair.h"

#include <string.h>

/* ---- much data, small buffers ---- */

static void writes_much(struct pair *pair, struct sp_stream *stream)
{
    pair_write(pair, stream, 50000);
    pair_read(pair, stream, 50000);
    char byte;
    size_t count;
    pair->error = sp_stream_read(stream, &byte, 1, sp_never(), &count);
}

static void echoes_much(struct pair *pair, struct sp_stream *stream)
{
    pair_read(pair, stream, 50000);
    pair_write(pair, stream, 50000);
    sp_ignore(sp_stream_close(stream, sp_never()));
}

static void echoes_one(struct pair *pair, struct sp_stream *stream)
{
    pair_read(pair, stream, 1);
    sp_ignore(sp_stream_write(stream, "x", 1, sp_never()));
}

static void closes_nothing(struct pair *pair, struct sp_stream *stream)
{
    (void)pair;
    (void)stream;
}

SP_SIM_TEST(every_byte_arrives_in_order)
{
    struct sp_socket_options small = { .send_buffer = 4096, .receive_buffer = 4096 };
    struct pair pair = { .left = writes_much, .right = echoes_much, .options = &small };
    pair_run(s, &pair);
    sp_sim_check(s, pair.error == SP_ERR_EOF, "at the end: %s", sp_err_text(pair.error));
}

/* In abstract time whatever is under way may come next. */
SP_SIM_TEST(every_byte_arrives_in_order_in_abstract_time, .abstract_time = true)
{
    struct sp_socket_options small = { .send_buffer = 4096, .receive_buffer = 4096 };
    struct pair pair = { .left = writes_much, .right = echoes_much, .options = &small };
    pair_run(s, &pair);
    sp_sim_check(s, pair.error == SP_ERR_EOF || pair.error == SP_ERR_RESET, "at the end: %s",
                 sp_err_text(pair.error));
}

static void asks_in_time(struct pair *pair, struct sp_stream *stream)
{
    char byte;
    pair_write(pair, stream, 1);
    pair->error = sp_stream_read_exact(stream, &byte, 1, sp_after_sec(5));
    sp_sometimes(pair->error == SP_ERR_TIMEOUT, "the deadline came before the answer");
    sp_sometimes(pair->error == SP_OK, "the answer came before the deadline");
}

SP_SIM_TEST(a_deadline_may_meet_its_answer, .abstract_time = true)
{
    struct pair pair = { .left = asks_in_time, .right = echoes_one };
    pair_run(s, &pair);
}

static void writes_until_full(struct pair *pair, struct sp_stream *stream)
{
    char bytes[1024] = { 0 };
    while ((pair->error = sp_stream_write(stream, bytes, sizeof(bytes), sp_after_sec(5))) == SP_OK)
        pair->value++;
}

static void reads_nothing(struct pair *pair, struct sp_stream *stream)
{
    (void)pair;
    (void)stream;
    sp_sleep(sp_sec(60));
}

SP_SIM_TEST(who_does_not_read_holds_up_who_writes)
{
    struct sp_socket_options small = { .send_buffer = 4096, .receive_buffer = 4096 };
    struct pair pair = { .left = writes_until_full, .right = reads_nothing, .options = &small };
    pair_run(s, &pair);
    sp_sim_check(s, pair.error == SP_ERR_TIMEOUT, "who writes is told %s", sp_err_text(pair.error));
    sp_sim_check(s, pair.value == 8, "%d KiB went into 8 KiB of buffers", pair.value);
}

/* ---- the ends of a connection ---- */

static void shuts_down(struct pair *pair, struct sp_stream *stream)
{
    pair_write(pair, stream, 100);
    sp_ignore(sp_stream_shutdown(stream, sp_never()));
    pair_read(pair, stream, 200);
    pair->error = sp_stream_write(stream, "x", 1, sp_never());
}

static void answers_afterwards(struct pair *pair, struct sp_stream *stream)
{
    char byte;
    size_t count;
    pair_read(pair, stream, 100);
    sp_sim_check(pair->s, sp_stream_read(stream, &byte, 1, sp_never(), &count) == SP_ERR_EOF,
                 "there is more after the end");
    sp_sleep(sp_sec(1));
    pair_write(pair, stream, 200);
}

SP_SIM_TEST(half_a_connection_goes_on)
{
    struct pair pair = { .left = shuts_down, .right = answers_afterwards };
    pair_run(s, &pair);
    sp_sim_check(s, pair.error == SP_ERR_CLOSED, "writing afterwards: %s", sp_err_text(pair.error));
}

static void aborts(struct pair *pair, struct sp_stream *stream)
{
    pair_write(pair, stream, 100);
    sp_ignore(sp_stream_flush(stream, sp_never()));
    sp_stream_abort(stream);
    sp_exit(sp_reason_normal());
}

static void is_reset(struct pair *pair, struct sp_stream *stream)
{
    char byte;
    size_t count;
    pair_read(pair, stream, 100);
    pair->error = sp_stream_read(stream, &byte, 1, sp_never(), &count);
}

SP_SIM_TEST(an_aborted_connection_is_reset)
{
    struct pair pair = { .left = aborts, .right = is_reset };
    pair_start(s, &pair);
    sp_sim_run(s);
    sp_sim_check(s, pair.error == SP_ERR_RESET, "the other end: %s", sp_err_text(pair.error));
}

static void writes_and_waits(struct pair *pair, struct sp_stream *stream)
{
    char byte;
    size_t count;
    pair_write(pair, stream, 100);
    pair->error = sp_stream_read(stream, &byte, 1, sp_never(), &count);
}

static void closes_unread(struct pair *pair, struct sp_stream *stream)
{
    (void)pair;
    char byte;
    size_t count;
    sp_ignore(sp_stream_read(stream, &byte, 1, sp_never(), &count));
    sp_sleep(sp_sec(1)); /* until all is there */
}

SP_SIM_TEST(who_closes_without_having_read_resets)
{
    struct pair pair = { .left = writes_and_waits, .right = closes_unread };
    pair_run(s, &pair);
    sp_sim_check(s, pair.error == SP_ERR_RESET, "who wrote is told %s", sp_err_text(pair.error));
}

static void writes_to_nobody(struct pair *pair, struct sp_stream *stream)
{
    sp_sleep(sp_ms(100));
    for (int i = 0; i < 10 && pair->error == SP_OK; i++) {
        pair->error = sp_stream_write(stream, "x", 1, sp_never());
        sp_sleep(sp_ms(10));
    }
}

SP_SIM_TEST(who_writes_to_a_closed_end_is_reset)
{
    struct pair pair = { .left = writes_to_nobody, .right = closes_nothing };
    pair_run(s, &pair);
    sp_sim_check(s, pair.error == SP_ERR_RESET, "who writes is told %s", sp_err_text(pair.error));
}

/* ---- addresses ---- */

struct address_case {
    sp_sim *s;
    int connected;
};

static void expect_listen(struct address_case *self, const char *address, sp_err wanted,
                          struct sp_listener **out)
{
    sp_err err = sp_listen(address, NULL, out);
    sp_sim_check(self->s, err == wanted, "listening on %s: %s", address, sp_err_text(err));
}

static void listens(void *arg)
{
    struct address_case *self = arg;
    struct sp_listener *one;
    struct sp_listener *two;
    sp_address address;
    char text[SP_ADDRESS_TEXT_MAX];
    expect_listen(self, "0.0.0.0:80", SP_OK, &one);
    expect_listen(self, "127.0.0.1:80", SP_ERR_ADDRINUSE, &two);
    expect_listen(self, "[::]:80", SP_ERR_ADDRINUSE, &two);
    expect_listen(self, "10.0.0.77:80", SP_ERR_NOTFOUND, &two);
    expect_listen(self, "10.0.0.1:0", SP_OK, &two);
    sp_sim_check(self->s, sp_listener_address(two, &address) == SP_OK && address.port >= 32768,
                 "port %u", address.port);
    sp_listener_close(two);
    sp_listener_close(one);
    expect_listen(self, "[::]:80", SP_OK, &one);
    expect_listen(self, "127.0.0.1:80", SP_ERR_ADDRINUSE, &two);
    struct sp_stream *out;
    struct sp_stream *in;
    sp_sim_check(self->s, sp_connect("localhost:80", NULL, sp_after_sec(1), &out) == SP_OK,
                 "no way to oneself");
    sp_sim_check(self->s, sp_accept(one, sp_after_sec(1), &in) == SP_OK, "nobody came");
    sp_sim_check(self->s, sp_stream_peer(in, &address) == SP_OK, "no peer");
    sp_address_format(&address, text);
    sp_sim_check(self->s, strncmp(text, "[::ffff:", 8) == 0, "the peer is %s", text);
    sp_sim_check(self->s, sp_stream_peer(out, &address) == SP_OK, "no peer");
    sp_address_format(&address, text);
    sp_sim_check(self->s, strcmp(text, "127.0.0.1:80") == 0, "the peer is %s", text);
    self->connected++;
}

static void expect_connect(struct address_case *self, const char *address, sp_err wanted)
{
    struct sp_stream *stream;
    sp_err err = sp_connect(address, NULL, sp_after_sec(5), &stream);
    sp_sim_check(self->s, err == wanted, "connecting to %s: %s", address, sp_err_text(err));
}

static void connects(void *arg)
{
    struct address_case *self = arg;
    expect_connect(self, "10.0.0.1:81", SP_ERR_REFUSED);
    expect_connect(self, "10.0.0.9:80", SP_ERR_NOCONNECTION);
    expect_connect(self, "nobody:80", SP_ERR_RESOLVE);
    expect_connect(self, "127.0.0.1:80", SP_ERR_REFUSED);
    expect_connect(self, "unix:/run/here", SP_ERR_REFUSED);
    self->connected++;
}

SP_SIM_TEST(addresses_are_those_of_machines)
{
    struct address_case self = { .s = s };
    sp_sim_node *node = sp_sim_start(s, "one", listens, &self);
    sp_sim_start(s, "two", connects, &self);
    sp_address address = sp_sim_address(node);
    char text[SP_ADDRESS_TEXT_MAX];
    sp_sim_check(s, strcmp(sp_address_format(&address, text), "10.0.0.1:0") == 0, "%s", text);
    sp_sim_run(s);
    sp_sim_check(s, self.connected == 2, "not all were through");
}

/* ---- Unix-domain, and a full queue ---- */

static void local_client(void *arg)
{
    struct address_case *self = arg;
    struct sp_stream *stream;
    char byte;
    size_t count;
    if (sp_connect("unix:/run/test.sock", NULL, sp_after_sec(60), &stream) != SP_OK)
        return;
    if (sp_stream_read(stream, &byte, 1, sp_after_sec(60), &count) == SP_OK)
        self->connected++;
}

static void local_server(void *arg)
{
    struct address_case *self = arg;
    struct sp_socket_options one = { .backlog = 1 };
    struct sp_listener *listener;
    struct sp_stream *stream;
    struct sp_spawn_options options = { .link = true };
    sp_address peer;
    sp_sim_check(self->s, sp_listen("unix:/run/test.sock", &one, &listener) == SP_OK, "no");
    for (int i = 0; i < 3; i++)
        sp_ignore(sp_spawn(local_client, self, &options, NULL));
    for (int i = 0; i < 3; i++) {
        sp_sleep(sp_ms(500));
        sp_sim_check(self->s, sp_accept(listener, sp_after_sec(60), &stream) == SP_OK, "nobody");
        sp_sim_check(self->s,
                     sp_stream_peer(stream, &peer) == SP_OK && peer.family == SP_ADDRESS_NONE,
                     "the peer has a name");
        sp_ignore(sp_stream_write(stream, "x", 1, sp_never()));
        sp_ignore(sp_stream_close(stream, sp_never()));
    }
    while (self->connected < 3)
        sp_sleep(sp_ms(100));
}

SP_SIM_TEST(a_path_is_an_address_and_a_full_queue_waits)
{
    struct address_case self = { .s = s };
    sp_sim_start(s, "one", local_server, &self);
    sp_sim_run(s);
    sp_sim_check(s, self.connected == 3, "%d of 3 were served", self.connected);
}
