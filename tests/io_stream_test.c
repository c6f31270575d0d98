/* Streams written straight down: reading, writing, ending, deadlines, moving. */
#include "support/io.h"

#include <string.h>

/* ---- reading ---- */

TEST(stream_carries_bytes_both_ways)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    CHECK_OK(end_write(&link.a, "hello", 5));
    end_expect(&link.b, "hello", 5);
    CHECK_OK(end_write(&link.b, "world!", 6));
    end_expect(&link.a, "world!", 6);
    link_close(&link);
    io_close();
}

TEST(stream_read_gives_what_is_there)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    char bytes[16];
    size_t count;
    CHECK_OK(end_write(&link.a, "abc", 3));
    CHECK_OK(end_read(&link.b, bytes, sizeof(bytes), IO_PATIENCE, &count));
    CHECK_INT(count, 3);
    CHECK_MEM(bytes, "abc", 3);
    CHECK_ERR(end_read(&link.b, bytes, sizeof(bytes), sp_nowait(), &count), SP_ERR_TIMEOUT);
    CHECK_ERR(end_read(&link.b, bytes, 0, sp_nowait(), &count), SP_ERR_INVALID);
    link_close(&link);
    io_close();
}

TEST(stream_read_waits_for_bytes)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    struct io_order order;
    char bytes[3];
    end_begin_read_exact(&link.b, &order, bytes, 3, IO_PATIENCE);
    CHECK_OK(end_write(&link.a, "a", 1));
    CHECK_OK(end_write(&link.a, "bc", 2));
    end_await(&link.b);
    CHECK_OK(order.err);
    CHECK_MEM(bytes, "abc", 3);
    link_close(&link);
    io_close();
}

TEST(stream_read_exact_keeps_what_came_when_time_is_over)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    char bytes[5];
    CHECK_OK(end_write(&link.a, "abc", 3));
    CHECK_ERR(end_read_exact(&link.b, bytes, 5, IO_MOMENT), SP_ERR_TIMEOUT);
    CHECK_ERR(end_read_exact(&link.b, bytes, 4, sp_nowait()), SP_ERR_TIMEOUT);
    CHECK_OK(end_write(&link.a, "de", 2));
    end_expect(&link.b, "abcde", 5);
    link_close(&link);
    io_close();
}

TEST(stream_read_exact_keeps_what_came_before_the_end)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    char bytes[5];
    size_t count;
    CHECK_OK(end_write(&link.a, "abc", 3));
    CHECK_OK(end_shutdown(&link.a));
    CHECK_ERR(end_read_exact(&link.b, bytes, 5, IO_PATIENCE), SP_ERR_EOF);
    CHECK_OK(end_read(&link.b, bytes, 5, IO_PATIENCE, &count));
    CHECK_INT(count, 3);
    end_expect_eof(&link.b);
    end_expect_eof(&link.b);
    link_close(&link);
    io_close();
}

/* ---- writing ---- */

enum { LARGE = 4 * 1024 * 1024 };
static char large_out[LARGE];
static char large_in[LARGE];

TEST(stream_writes_all_however_little_the_system_takes)
{
    io_open(NULL);
    struct io_link link = link_open(&link_small);
    struct io_order order;
    io_pattern(large_out, LARGE, 1);
    end_begin_write(&link.a, &order, large_out, LARGE, IO_PATIENCE);
    CHECK_OK(end_read_exact(&link.b, large_in, LARGE, IO_PATIENCE));
    CHECK(memcmp(large_in, large_out, LARGE) == 0);
    end_await(&link.a);
    CHECK_OK(order.err);
    link_close(&link);
    io_close();
}

TEST(stream_carries_much_both_ways_at_once)
{
    io_open(NULL);
    struct io_link link = link_open(&link_small);
    struct io_link back = { link.b, link.a };
    struct io_order out, in;
    static char first[LARGE / 4], second[LARGE / 4];
    io_pattern(large_out, LARGE, 2);
    /* Each end writes and reads in turns: more than fits into the system on the way there and
     * back would be a deadlock, so this stays below it. */
    for (int i = 0; i < 8; i++) {
        end_begin_write(&link.a, &out, large_out, 2048, IO_PATIENCE);
        end_begin_write(&back.a, &in, large_out + 2048, 2048, IO_PATIENCE);
        CHECK_OK(end_read_exact(&link.b, first, 2048, IO_PATIENCE));
        CHECK_OK(end_read_exact(&back.b, second, 2048, IO_PATIENCE));
        CHECK_OK(out.err);
        CHECK_OK(in.err);
        CHECK(memcmp(first, large_out, 2048) == 0);
        CHECK(memcmp(second, large_out + 2048, 2048) == 0);
    }
    link_close(&link);
    io_close();
}

TEST(stream_write_gives_up_when_the_peer_does_not_read)
{
    io_open(NULL);
    struct io_link link = link_open(&link_small);
    CHECK_ERR(end_write_by(&link.a, large_out, LARGE, IO_MOMENT), SP_ERR_TIMEOUT);
    CHECK_ERR(end_write_by(&link.a, large_out, LARGE, sp_nowait()), SP_ERR_TIMEOUT);
    link_close(&link);
    io_close();
}

static void order_write_parts(void *arg)
{
    struct io_order *order = arg;
    struct sp_part parts[40];
    for (size_t i = 0; i < 40; i++)
        parts[i] = (struct sp_part){ large_out + (i / 2) * 100, i % 2 ? 100 : 0 };
    order->err = sp_stream_write_parts(order->end->stream, parts, 40, IO_PATIENCE);
}

TEST(stream_writes_many_parts_in_order)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    struct io_order order = { .end = &link.a };
    io_pattern(large_out, LARGE, 3);
    puppet_do(link.a.puppet, order_write_parts, &order);
    CHECK_OK(order.err);
    end_expect(&link.b, large_out, 2000);
    link_close(&link);
    io_close();
}

/* ---- queued output ---- */

TEST(stream_send_goes_out_when_the_process_waits)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    CHECK_OK(end_send(&link.a, "one", 3)); /* it then waits for its next order */
    CHECK_OK(end_send(&link.a, "two", 3));
    end_expect(&link.b, "onetwo", 6);
    CHECK_INT(end_queued(&link.a), 0);
    link_close(&link);
    io_close();
}

static void order_send_then_write(void *arg)
{
    struct io_order *order = arg;
    CHECK_OK(sp_stream_send(order->end->stream, "queued ", 7));
    CHECK_INT(sp_stream_queued(order->end->stream), 7);
    CHECK_OK(sp_stream_write(order->end->stream, "written ", 8, IO_PATIENCE));
    CHECK_INT(sp_stream_queued(order->end->stream), 0);
    CHECK_OK(sp_stream_send(order->end->stream, "flushed", 7));
    CHECK_OK(sp_stream_flush(order->end->stream, IO_PATIENCE));
    CHECK_INT(sp_stream_queued(order->end->stream), 0);
}

TEST(stream_write_comes_behind_what_was_sent)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    struct io_order order = { .end = &link.a };
    puppet_do(link.a.puppet, order_send_then_write, &order);
    end_expect(&link.b, "queued written flushed", 22);
    link_close(&link);
    io_close();
}

static void order_fill_queue(void *arg)
{
    struct io_order *order = arg;
    struct sp_stream *stream = order->end->stream;
    sp_stream_set_output_max(stream, 100);
    CHECK_OK(sp_stream_send(stream, large_out, 60));
    CHECK_ERR(sp_stream_send(stream, large_out, 41), SP_ERR_FULL);
    CHECK_INT(sp_stream_queued(stream), 60);
    CHECK_OK(sp_stream_send(stream, large_out + 60, 40));
    CHECK_ERR(sp_stream_send(stream, large_out, 1), SP_ERR_FULL);
}

TEST(stream_send_refuses_what_is_over_its_bound)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    struct io_order order = { .end = &link.a };
    io_pattern(large_out, LARGE, 4);
    puppet_do(link.a.puppet, order_fill_queue, &order);
    end_expect(&link.b, large_out, 100);
    link_close(&link);
    io_close();
}

TEST(stream_send_to_a_slow_reader_goes_on_by_itself)
{
    io_open(NULL);
    struct io_link link = link_open(&link_small);
    enum { SIZE = 512 * 1024 };
    io_pattern(large_out, SIZE, 5);
    CHECK_OK(end_send(&link.a, large_out, SIZE)); /* never touched by the writer again */
    CHECK_OK(end_send(&link.a, "x", 1));
    CHECK_OK(end_read_exact(&link.b, large_in, SIZE, IO_PATIENCE));
    CHECK(memcmp(large_in, large_out, SIZE) == 0);
    end_expect(&link.b, "x", 1);
    link_close(&link);
    io_close();
}

TEST(stream_flush_gives_up_and_loses_nothing)
{
    io_open(NULL);
    struct io_link link = link_open(&link_small);
    enum { SIZE = 512 * 1024 };
    io_pattern(large_out, SIZE, 6);
    CHECK_OK(end_send(&link.a, large_out, SIZE));
    CHECK_ERR(end_flush(&link.a, IO_MOMENT), SP_ERR_TIMEOUT);
    CHECK(end_queued(&link.a) > 0);
    CHECK_OK(end_read_exact(&link.b, large_in, SIZE, IO_PATIENCE));
    CHECK(memcmp(large_in, large_out, SIZE) == 0);
    CHECK_OK(end_flush(&link.a, IO_PATIENCE));
    link_close(&link);
    io_close();
}

/* ---- the end ---- */

TEST(stream_shutdown_ends_one_direction)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    CHECK_OK(end_write(&link.a, "question", 8));
    CHECK_OK(end_shutdown(&link.a));
    CHECK_OK(end_shutdown(&link.a));
    end_expect(&link.b, "question", 8);
    end_expect_eof(&link.b);
    CHECK_OK(end_write(&link.b, "answer", 6));
    end_expect(&link.a, "answer", 6);
    CHECK_ERR(end_write(&link.a, "more", 4), SP_ERR_CLOSED);
    CHECK_ERR(end_send(&link.a, "more", 4), SP_ERR_CLOSED);
    link_close(&link);
    io_close();
}

TEST(stream_close_waits_until_the_peer_has_read_all)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    struct io_order order;
    char bytes[4];
    end_begin_read_exact(&link.b, &order, bytes, 5, IO_PATIENCE); /* one more than comes */
    CHECK_OK(end_send(&link.a, "last", 4));
    CHECK_ERR(end_close(&link.a, IO_MOMENT), SP_ERR_TIMEOUT); /* b does not end its side */
    end_await(&link.b);
    CHECK(order.err == SP_ERR_EOF || order.err == SP_ERR_RESET);
    link_close(&link);
    io_close();
}

static void order_read_to_end_and_drop(void *arg)
{
    struct io_order *order = arg;
    char bytes[16];
    size_t count;
    while ((order->err = sp_stream_read(order->end->stream, bytes, sizeof(bytes), IO_PATIENCE,
                                        &count)) == SP_OK)
        order->count += count;
    sp_stream_drop(order->end->stream);
}

TEST(stream_close_in_order_delivers_everything)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    struct io_order order = { .end = &link.b };
    CHECK_OK(end_send(&link.a, "one", 3));
    CHECK_OK(end_write(&link.b, "never read by a", 15));
    puppet_tell(link.b.puppet, order_read_to_end_and_drop, &order);
    CHECK_OK(end_close(&link.a, IO_PATIENCE));
    end_await(&link.b);
    CHECK_ERR(order.err, SP_ERR_EOF);
    CHECK_INT(order.count, 3);
    link_close(&link);
    io_close();
}

TEST(stream_abort_is_a_reset_for_the_peer)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    struct io_order order;
    char bytes[4];
    end_begin_read_exact(&link.b, &order, bytes, 4, IO_PATIENCE);
    end_abort(&link.a);
    end_await(&link.b);
    CHECK_ERR(order.err, SP_ERR_RESET);
    CHECK_ERR(end_read_exact(&link.b, bytes, 4, IO_PATIENCE), SP_ERR_RESET);
    CHECK_ERR(end_write(&link.b, "x", 1), SP_ERR_RESET);
    CHECK_ERR(end_send(&link.b, "x", 1), SP_ERR_RESET);
    CHECK_ERR(end_flush(&link.b, IO_PATIENCE), SP_ERR_RESET);
    link_close(&link);
    io_close();
}

TEST(stream_reset_in_mid_write_ends_the_write)
{
    io_open(NULL);
    struct io_link link = link_open(&link_small);
    struct io_order order;
    end_begin_write(&link.a, &order, large_out, LARGE, IO_PATIENCE);
    end_expect(&link.b, large_out, 1000);
    end_abort(&link.b);
    end_await(&link.a);
    CHECK_ERR(order.err, SP_ERR_RESET);
    link_close(&link);
    io_close();
}

TEST(stream_of_a_process_that_ends_is_closed)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    struct io_order order;
    char bytes[10];
    CHECK_OK(end_send(&link.a, "bye", 3));
    puppet_exit(link.a.puppet, "boom");
    end_expect(&link.b, "bye", 3);
    end_expect_eof(&link.b);
    end_begin_read_exact(&link.b, &order, bytes, 10, sp_never());
    CHECK_OK(sp_kill(link.b.puppet));
    wait_gone(link.b.puppet);
    io_close();
}

static void order_send_and_return(void *arg)
{
    struct io_order *order = arg;
    CHECK_OK(sp_stream_send(order->end->stream, "last words", 10));
    sp_exit_error(SP_OK, "over");
}

TEST(stream_sent_right_before_the_end_still_goes_out)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    struct io_order order = { .end = &link.a };
    puppet_tell(link.a.puppet, order_send_and_return, &order);
    end_expect(&link.b, "last words", 10);
    end_expect_eof(&link.b);
    puppet_exit(link.b.puppet, NULL);
    io_close();
}

TEST(stream_killed_while_it_waits_leaves_nothing)
{
    io_open(NULL);
    int before = io_open_files();
    for (int i = 0; i < 20; i++) {
        struct io_link link = link_open(&link_small);
        struct io_order read, write;
        char bytes[1];
        end_begin_read_exact(&link.b, &read, bytes, 1, sp_never());
        CHECK_OK(sp_kill(link.b.puppet));
        wait_gone(link.b.puppet);
        end_begin_write(&link.a, &write, large_out, LARGE, sp_never());
        CHECK_OK(sp_kill(link.a.puppet));
        wait_gone(link.a.puppet);
    }
    CHECK_INT(io_open_files(), before);
    io_close();
}

/* ---- whose it is ---- */

TEST(stream_is_refused_to_a_process_that_does_not_own_it)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    struct sp_stream *stream = link.a.stream;
    char bytes[4];
    size_t count;
    sp_address address;
    CHECK_ERR(sp_stream_read(stream, bytes, 4, sp_nowait(), &count), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_stream_read_exact(stream, bytes, 4, sp_nowait()), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_stream_write(stream, bytes, 4, sp_nowait()), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_stream_send(stream, bytes, 4), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_stream_flush(stream, sp_nowait()), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_stream_shutdown(stream, sp_nowait()), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_stream_close(stream, sp_nowait()), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_stream_release(stream), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_stream_adopt(stream), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_stream_address(stream, &address), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_stream_hand_over(stream, sp_self()), SP_ERR_NOTCONTEXT);
    sp_stream_drop(stream);
    sp_stream_abort(stream);
    CHECK_OK(end_write(&link.a, "fine", 4));
    end_expect(&link.b, "fine", 4);
    link_close(&link);
    io_close();
}

static sp_pid hand_to;

static void order_hand_over(void *arg)
{
    struct io_order *order = arg;
    order->err = sp_stream_hand_over(order->end->stream, hand_to);
}

/* The next message brings a stream; adopts it. */
static struct sp_stream *adopt_next(void)
{
    struct sp_message *message = expect_message();
    struct sp_stream_message *handed = sp_stream_handed_of(message);
    CHECK(handed != NULL);
    struct sp_stream *stream = handed->stream;
    handed->stream = NULL;
    CHECK_OK(sp_stream_adopt(stream));
    sp_message_free(message);
    return stream;
}

TEST(stream_handed_over_goes_on_with_what_was_not_read)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    struct io_order order = { .end = &link.b };
    char bytes[8];
    hand_to = sp_self();
    CHECK_OK(end_write(&link.a, "onetwo", 6));
    CHECK_ERR(end_read_exact(&link.b, bytes, 8, IO_MOMENT), SP_ERR_TIMEOUT); /* read, and kept */
    puppet_do(link.b.puppet, order_hand_over, &order);
    CHECK_OK(order.err);
    struct sp_stream *stream = adopt_next();
    CHECK_ERR(sp_stream_adopt(stream), SP_ERR_NOTCONTEXT);
    CHECK_OK(sp_stream_read_exact(stream, bytes, 6, IO_PATIENCE));
    CHECK_MEM(bytes, "onetwo", 6);
    CHECK_OK(sp_stream_write(stream, "three", 5, IO_PATIENCE));
    end_expect(&link.a, "three", 5);
    link_close(&link); /* its former owner */
    CHECK_OK(sp_stream_shutdown(stream, IO_PATIENCE));
    sp_stream_drop(stream);
    io_close();
}

TEST(stream_handed_to_the_dead_or_never_taken_is_closed)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    struct io_order order = { .end = &link.b };
    hand_to = dead_pid();
    puppet_do(link.b.puppet, order_hand_over, &order);
    CHECK_ERR(order.err, SP_ERR_NOPROC);
    end_expect_eof(&link.a);
    order.end = &link.a;
    hand_to = puppet_start(NULL);
    puppet_do(link.a.puppet, order_hand_over, &order);
    CHECK_OK(order.err);
    puppet_exit(hand_to, NULL); /* the message is still in its mailbox */
    link_close(&link);
    io_close();
}

static void order_send_much_and_hand_over(void *arg)
{
    struct io_order *order = arg;
    CHECK_OK(sp_stream_send(order->end->stream, large_out, order->size));
    order->err = sp_stream_hand_over(order->end->stream, hand_to);
}

TEST(stream_handed_over_with_queued_output_sends_it)
{
    io_open(NULL);
    struct io_link link = link_open(&link_small);
    struct io_order order = { .end = &link.b, .size = 300 * 1024 };
    io_pattern(large_out, order.size, 7);
    hand_to = sp_self();
    puppet_do(link.b.puppet, order_send_much_and_hand_over, &order);
    CHECK_OK(order.err);
    struct sp_stream *stream = adopt_next();
    CHECK(sp_stream_queued(stream) > 0);
    CHECK_OK(end_read_exact(&link.a, large_in, order.size, IO_PATIENCE));
    CHECK(memcmp(large_in, large_out, order.size) == 0);
    sp_stream_drop(stream);
    link_close(&link);
    io_close();
}

/* ---- about it ---- */

static void order_addresses(void *arg)
{
    struct io_order *order = arg;
    sp_address *addresses = order->bytes;
    CHECK_OK(sp_stream_address(order->end->stream, &addresses[0]));
    CHECK_OK(sp_stream_peer(order->end->stream, &addresses[1]));
}

TEST(stream_knows_both_addresses)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    sp_address a[2], b[2];
    struct io_order order = { .end = &link.a, .bytes = a };
    puppet_do(link.a.puppet, order_addresses, &order);
    order = (struct io_order){ .end = &link.b, .bytes = b };
    puppet_do(link.b.puppet, order_addresses, &order);
    CHECK(sp_address_equal(&a[0], &b[1]));
    CHECK(sp_address_equal(&a[1], &b[0]));
    CHECK(a[0].port != 0);
    link_close(&link);
    io_close();
}

/* ---- a thread of the program ---- */

TEST(stream_of_an_attached_thread_blocks_the_thread)
{
    io_open(NULL);
    struct sp_listener *listener;
    struct sp_stream *there, *here;
    sp_address address;
    char text[SP_ADDRESS_TEXT_MAX], bytes[16];
    size_t count;
    CHECK_OK(sp_listen("[::1]:0", NULL, &listener));
    CHECK_ERR(sp_accept(listener, IO_MOMENT, &there), SP_ERR_TIMEOUT);
    CHECK_OK(sp_listener_address(listener, &address));
    CHECK_OK(sp_connect(sp_address_format(&address, text), NULL, IO_PATIENCE, &here));
    CHECK_OK(sp_accept(listener, IO_PATIENCE, &there));
    CHECK_OK(sp_stream_send(here, "ping", 4));
    CHECK_OK(sp_stream_read(there, bytes, sizeof(bytes), IO_PATIENCE, &count));
    CHECK_INT(count, 4);
    CHECK_ERR(sp_stream_read(there, bytes, sizeof(bytes), IO_MOMENT, &count), SP_ERR_TIMEOUT);
    sp_stream_drop(here);
    CHECK_ERR(sp_stream_read(there, bytes, sizeof(bytes), IO_PATIENCE, &count), SP_ERR_EOF);
    io_close(); /* the rest goes with the thread's process */
}
