/* Two nodes with a connection between them, each of which does something with its end. */
#ifndef SP_TEST_SIM_NET_PAIR_H
#define SP_TEST_SIM_NET_PAIR_H

#include <spawned/listener.h>
#include <spawned/sim.h>
#include <spawned/spawned.h>
#include <spawned/stream.h>

/** In the body's frame; what the two ends know in common. */
struct pair {
    sp_sim *s;
    void (*left)(struct pair *pair, struct sp_stream *stream);
    void (*right)(struct pair *pair, struct sp_stream *stream);
    const struct sp_socket_options *options; /* of both; may be NULL */
    sp_sim_node *a;                          /* who connects: "left", 10.0.0.1 */
    sp_sim_node *b;                          /* who accepts: "right", 10.0.0.2, port 7000 */
    int ended;                               /* ends that are through */
    int value;                               /* the test's own */
    sp_err error;
    sp_time at;
};

/** Start both. A stream ends with its process, when the function returns. */
void pair_start(sp_sim *s, struct pair *pair);
/** Start both and let the world go on to its end. */
void pair_run(sp_sim *s, struct pair *pair);

/** Milliseconds since the world began. */
int64_t pair_ms(void);

/** Writes `size` bytes of a pattern, or reads and checks them. */
void pair_write(struct pair *pair, struct sp_stream *stream, size_t size);
void pair_read(struct pair *pair, struct sp_stream *stream, size_t size);

#endif
