/* For tests of streams: two puppets with a connection between them, told what to do with it.
 *
 *     struct io_link link = link_open(NULL);
 *     CHECK_OK(end_write(&link.a, "hello", 5));       // done by the puppet that owns that end
 *     CHECK_OK(end_read(&link.b, bytes, 5, IO_PATIENCE, &count));
 *     link_close(&link);
 *
 * io_open() and io_close() stand for world_open() and world_close() and check that no
 * descriptor is left open.
 *
 * Threads: as puppet.h.
 */
#ifndef SP_TEST_SUPPORT_IO_H
#define SP_TEST_SUPPORT_IO_H

#include "spawned/listener.h"
#include "support/puppet.h"

/** A wait that ends after this has failed: a guard only. */
#define IO_PATIENCE sp_after_sec(60)
/** Long enough to see that nothing comes. */
#define IO_MOMENT sp_after_ms(20)

void io_open(const struct sp_runtime_options *options);
void io_close(void);

/** Descriptors of this program that are open. */
int io_open_files(void);

/** One end of a connection: who owns it, and it. */
struct io_end {
    sp_pid puppet;
    struct sp_stream *stream;
};

/** Both; `a` connected, `b` accepted. */
struct io_link {
    struct io_end a;
    struct io_end b;
};

/** Two new puppets, connected over TCP. `options` are of both sockets; may be NULL. */
struct io_link link_open(const struct sp_socket_options *options);
/** As above, over that address. */
struct io_link link_open_at(const char *address, const struct sp_socket_options *options);
/** Options with small buffers in the system: a writer soon has to wait. */
extern const struct sp_socket_options link_small;
/** Both puppets end, and with them what is left of the streams. */
void link_close(const struct io_link *link);

/** What an end is told to do; filled and looked at by the functions below. */
struct io_order {
    struct io_end *end;
    void *bytes;
    size_t size;
    size_t count;
    sp_deadline deadline;
    sp_err err;
};

sp_err end_read(struct io_end *end, void *bytes, size_t size, sp_deadline deadline,
                size_t *out_count);
sp_err end_read_exact(struct io_end *end, void *bytes, size_t size, sp_deadline deadline);
sp_err end_write(struct io_end *end, const void *bytes, size_t size);
sp_err end_write_by(struct io_end *end, const void *bytes, size_t size, sp_deadline deadline);
sp_err end_send(struct io_end *end, const void *bytes, size_t size);
sp_err end_flush(struct io_end *end, sp_deadline deadline);
sp_err end_shutdown(struct io_end *end);
sp_err end_close(struct io_end *end, sp_deadline deadline);
void end_drop(struct io_end *end);
void end_abort(struct io_end *end);
size_t end_queued(struct io_end *end);

/** The next `size` bytes that arrive at `end` are these. */
void end_expect(struct io_end *end, const char *bytes, size_t size);
/** The next that arrives is the end of the stream. */
void end_expect_eof(struct io_end *end);

/** Begin to read `size` bytes, or to write them; io_order_await() waits until it is done. The
 *  order lives until then. */
void end_begin_read_exact(struct io_end *end, struct io_order *order, void *bytes, size_t size,
                          sp_deadline deadline);
void end_begin_write(struct io_end *end, struct io_order *order, void *bytes, size_t size,
                     sp_deadline deadline);
/** Wait until the puppet of `end` has done all it was told to. */
void end_await(struct io_end *end);

/** Fill `bytes` with a pattern that shows where each byte belongs. */
void io_pattern(char *bytes, size_t size, unsigned seed);

#endif
