#include "support/io.h"

#include <dirent.h>
#include <string.h>

/* ---- the world ---- */

static int io_files_before;

int io_open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    CHECK(dir != NULL);
    for (struct dirent *at; (at = readdir(dir)) != NULL;)
        count += at->d_name[0] != '.';
    closedir(dir);
    return count - 1; /* the folder itself */
}

void io_open(const struct sp_runtime_options *options)
{
    io_files_before = io_open_files();
    world_open(options);
}

void io_close(void)
{
    world_close();
    CHECK_INT(io_open_files(), io_files_before);
}

/* ---- links ---- */

const struct sp_socket_options link_small = { .send_buffer = 4096, .receive_buffer = 4096 };

struct link_order {
    char address[SP_ADDRESS_TEXT_MAX];
    const struct sp_socket_options *options;
    struct sp_listener *listener;
    struct sp_stream *stream;
};

static void link_listen(void *arg)
{
    struct link_order *order = arg;
    sp_address address;
    CHECK_OK(sp_listen(order->address, order->options, &order->listener));
    CHECK_OK(sp_listener_address(order->listener, &address));
    sp_address_format(&address, order->address);
}

static void link_connect(void *arg)
{
    struct link_order *order = arg;
    CHECK_OK(sp_connect(order->address, order->options, IO_PATIENCE, &order->stream));
}

static void link_accept(void *arg)
{
    struct link_order *order = arg;
    CHECK_OK(sp_accept(order->listener, IO_PATIENCE, &order->stream));
    sp_listener_close(order->listener);
}

struct io_link link_open_at(const char *address, const struct sp_socket_options *options)
{
    struct link_order order = { .options = options };
    struct io_link link = { .a = { puppet_start(NULL), NULL }, .b = { puppet_start(NULL), NULL } };
    CHECK(strlen(address) < sizeof(order.address));
    memcpy(order.address, address, strlen(address) + 1);
    puppet_do(link.b.puppet, link_listen, &order);
    puppet_do(link.a.puppet, link_connect, &order);
    link.a.stream = order.stream;
    puppet_do(link.b.puppet, link_accept, &order);
    link.b.stream = order.stream;
    return link;
}

struct io_link link_open(const struct sp_socket_options *options)
{
    return link_open_at("127.0.0.1:0", options);
}

void link_close(const struct io_link *link)
{
    puppet_exit(link->a.puppet, NULL);
    puppet_exit(link->b.puppet, NULL);
}

/* ---- what an end does ---- */

static void order_read(void *arg)
{
    struct io_order *order = arg;
    order->err = sp_stream_read(order->end->stream, order->bytes, order->size, order->deadline,
                                &order->count);
}

static void order_read_exact(void *arg)
{
    struct io_order *order = arg;
    order->err =
        sp_stream_read_exact(order->end->stream, order->bytes, order->size, order->deadline);
}

static void order_write(void *arg)
{
    struct io_order *order = arg;
    order->err = sp_stream_write(order->end->stream, order->bytes, order->size, order->deadline);
}

static void order_send(void *arg)
{
    struct io_order *order = arg;
    order->err = sp_stream_send(order->end->stream, order->bytes, order->size);
}

static void order_flush(void *arg)
{
    struct io_order *order = arg;
    order->err = sp_stream_flush(order->end->stream, order->deadline);
}

static void order_shutdown(void *arg)
{
    struct io_order *order = arg;
    order->err = sp_stream_shutdown(order->end->stream, order->deadline);
}

static void order_close(void *arg)
{
    struct io_order *order = arg;
    order->err = sp_stream_close(order->end->stream, order->deadline);
    order->end->stream = NULL;
}

static void order_drop(void *arg)
{
    struct io_order *order = arg;
    sp_stream_drop(order->end->stream);
    order->end->stream = NULL;
}

static void order_abort(void *arg)
{
    struct io_order *order = arg;
    sp_stream_abort(order->end->stream);
    order->end->stream = NULL;
}

static void order_queued(void *arg)
{
    struct io_order *order = arg;
    order->count = sp_stream_queued(order->end->stream);
}

static void order_nothing(void *arg)
{
    (void)arg;
}

static struct io_order end_do(struct io_end *end, puppet_order_fn fn, const void *bytes,
                              size_t size, sp_deadline deadline)
{
    struct io_order order = { end, (void *)(uintptr_t)bytes, size, 0, deadline, SP_OK };
    puppet_do(end->puppet, fn, &order);
    return order;
}

sp_err end_read(struct io_end *end, void *bytes, size_t size, sp_deadline deadline,
                size_t *out_count)
{
    struct io_order order = end_do(end, order_read, bytes, size, deadline);
    *out_count = order.count;
    return order.err;
}

sp_err end_read_exact(struct io_end *end, void *bytes, size_t size, sp_deadline deadline)
{
    return end_do(end, order_read_exact, bytes, size, deadline).err;
}

sp_err end_write_by(struct io_end *end, const void *bytes, size_t size, sp_deadline deadline)
{
    return end_do(end, order_write, bytes, size, deadline).err;
}

sp_err end_write(struct io_end *end, const void *bytes, size_t size)
{
    return end_write_by(end, bytes, size, IO_PATIENCE);
}

sp_err end_send(struct io_end *end, const void *bytes, size_t size)
{
    return end_do(end, order_send, bytes, size, IO_PATIENCE).err;
}

sp_err end_flush(struct io_end *end, sp_deadline deadline)
{
    return end_do(end, order_flush, NULL, 0, deadline).err;
}

sp_err end_shutdown(struct io_end *end)
{
    return end_do(end, order_shutdown, NULL, 0, IO_PATIENCE).err;
}

sp_err end_close(struct io_end *end, sp_deadline deadline)
{
    return end_do(end, order_close, NULL, 0, deadline).err;
}

void end_drop(struct io_end *end)
{
    end_do(end, order_drop, NULL, 0, IO_PATIENCE);
}

void end_abort(struct io_end *end)
{
    end_do(end, order_abort, NULL, 0, IO_PATIENCE);
}

size_t end_queued(struct io_end *end)
{
    return end_do(end, order_queued, NULL, 0, IO_PATIENCE).count;
}

void end_expect(struct io_end *end, const char *bytes, size_t size)
{
    char got[4096];
    CHECK(size <= sizeof(got));
    CHECK_OK(end_read_exact(end, got, size, IO_PATIENCE));
    CHECK_MEM(got, bytes, size);
}

void end_expect_eof(struct io_end *end)
{
    char got[16];
    size_t count;
    CHECK_ERR(end_read(end, got, sizeof(got), IO_PATIENCE, &count), SP_ERR_EOF);
}

static void end_begin(struct io_end *end, struct io_order *order, puppet_order_fn fn, void *bytes,
                      size_t size, sp_deadline deadline)
{
    *order = (struct io_order){ end, bytes, size, 0, deadline, SP_ERR_RUNNING };
    puppet_tell(end->puppet, fn, order);
}

void end_begin_read_exact(struct io_end *end, struct io_order *order, void *bytes, size_t size,
                          sp_deadline deadline)
{
    end_begin(end, order, order_read_exact, bytes, size, deadline);
}

void end_begin_write(struct io_end *end, struct io_order *order, void *bytes, size_t size,
                     sp_deadline deadline)
{
    end_begin(end, order, order_write, bytes, size, deadline);
}

void end_await(struct io_end *end)
{
    puppet_do(end->puppet, order_nothing, NULL);
}

void io_pattern(char *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(uint8_t)((i * 2654435761u + seed) >> 13);
}
