/* Streams: a connection as a process sees it, over TCP or a Unix-domain socket.
 *
 * A stream belongs to one process: the one that opened, accepted or adopted it, and only that
 * one uses it. It is closed when the process ends, whatever the way out. Everything is
 * written straight down; a call that has to wait suspends the process, not a thread:
 *
 *     sp_err err = sp_connect("example.org:7", NULL, sp_after_sec(3), &stream);
 *     if (err == SP_OK)
 *         err = sp_stream_write(stream, "hello\n", 6, sp_after_sec(1));
 *
 * A server does not sit in a read. It attaches the stream, and each frame is handed to it
 * between two messages; idle, it owns no stack. What it sends is collected and goes out in
 * one piece before it waits for anything:
 *
 *     static void chat_on_line(void *arg, struct sp_stream *stream, const struct sp_frame *line) ...
 *     err = sp_stream_attach(stream, &(struct sp_attach){
 *         .codec = &sp_lines, .arg = self, .on_frame = chat_on_line });
 *
 * Backpressure goes both ways: input is not read while a handler is suspended or while the
 * peer does not take its output, and what is queued has a bound.
 *
 * Neighbours: listener.h opens streams, serve.h runs a process for each, codec.h cuts frames.
 */
#ifndef SPAWNED_STREAM_H
#define SPAWNED_STREAM_H

#include "spawned/address.h"
#include "spawned/codec.h"
#include "spawned/message.h"

SP_EXTERN_C_BEGIN

struct sp_stream;

/* All functions below say NOTCONTEXT when the calling process does not own the stream. */

/* ---- straight down ---- */

/** Read what has arrived, at least one byte, at most `size`.
 *  Errors: EOF (the peer will send no more), RESET, TIMEOUT, IO, INVALID (`size` 0; attached),
 *  NOTCONTEXT.
 *  Context: process, may suspend. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_stream_read(struct sp_stream *stream, void *bytes,
                                                     size_t size, sp_deadline deadline,
                                                     size_t *out_count);

/** Read exactly `size` bytes. On an error what came is kept, and the next read begins with it.
 *  Errors: as sp_stream_read(); EOF also in the middle; NOMEM (what came is lost).
 *  Context: process, may suspend. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_stream_read_exact(struct sp_stream *stream, void *bytes, size_t size, sp_deadline deadline);

/** Write all of it, behind what was sent before. On TIMEOUT a beginning of it may be under way.
 *  Errors: RESET, TIMEOUT, CLOSED (after a shutdown), IO, NOTCONTEXT.
 *  Context: process, may suspend. Default deadline: 30 s. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_stream_write(struct sp_stream *stream, const void *bytes, size_t size, sp_deadline deadline);

/** A piece of what is written. */
struct sp_part {
    const void *bytes;
    size_t size;
};

/** As sp_stream_write(), of several pieces. Default deadline: 30 s.
 *  Errors: RESET, TIMEOUT, CLOSED, IO, NOTCONTEXT. Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_stream_write_parts(struct sp_stream *stream, const struct sp_part *parts, size_t count,
                          sp_deadline deadline);

/* ---- collected output ---- */

/** Queue bytes; never suspends. They go out when the process waits for something (its next
 *  message, a call, a read), when its turn ends, or with sp_stream_flush().
 *  Errors: FULL (over the output limit: nothing was queued), RESET, IO, CLOSED (after a
 *  shutdown), NOMEM, NOTCONTEXT.
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_stream_send(struct sp_stream *stream, const void *bytes, size_t size);

/** Queue a frame through the attached codec's encoder.
 *  Errors: as sp_stream_send(), and what the encoder says; INVALID (no codec).
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_stream_send_frame(struct sp_stream *stream,
                                                           const struct sp_frame *frame);

/** Bytes queued and not yet taken by the system. Context: process. */
SP_API SP_NONNULL size_t sp_stream_queued(const struct sp_stream *stream);

/** Wait until all that was queued is with the system.
 *  Errors: RESET, TIMEOUT, IO, NOTCONTEXT.
 *  Context: process, may suspend. Default deadline: 30 s. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_stream_flush(struct sp_stream *stream,
                                                      sp_deadline deadline);

/** Bound of what sp_stream_send() queues. Units: bytes; 0 means the default, 1 MiB.
 *  Context: process. */
SP_API SP_NONNULL void sp_stream_set_output_max(struct sp_stream *stream, size_t bytes);

/* ---- the end ---- */

/** Flush, then end the outgoing direction; the peer reads EOF. Reading goes on.
 *  Errors: RESET, TIMEOUT (nothing was ended), IO, NOTCONTEXT.
 *  Context: process, may suspend. Default deadline: 30 s. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_stream_shutdown(struct sp_stream *stream,
                                                         sp_deadline deadline);

/** Close in order: flush, end the outgoing direction, and wait until the peer has ended its own
 *  (what it still sends is dropped), so that it has surely read everything. On an error the
 *  stream is aborted.
 *  Errors: RESET, TIMEOUT, IO, NOTCONTEXT.
 *  Ownership: takes the stream, also on failure but NOTCONTEXT.
 *  Context: process, may suspend. Default deadline: 5 s. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_stream_close(struct sp_stream *moved_stream,
                                                      sp_deadline deadline);

/** Close without waiting: what is queued is tried once, what the system has taken still goes
 *  out. As happens when the process ends. NULL is accepted.
 *  Ownership: takes the stream. Context: process, or who holds a released one. */
SP_API void sp_stream_drop(struct sp_stream *moved_stream);

/** Close at once; the peer sees a reset, what was not delivered is lost. NULL is accepted.
 *  Ownership: takes the stream. Context: process, or who holds a released one. */
SP_API void sp_stream_abort(struct sp_stream *moved_stream);

/* ---- attached to a server ---- */

/** Why an attached stream's input ended. */
struct sp_stream_end {
    sp_err err;       /**< EOF, RESET, IO, TIMEOUT, TOOBIG, NOMEM, or the decoder's error */
    const char *text; /**< a sentence, or NULL; lives as long as the callback */
};

/** What a server does with a stream. Zero is the default everywhere. All callbacks run in the
 *  server's process, between its messages, and may suspend. */
struct sp_attach {
    const struct sp_codec *codec; /**< default: none, a frame is what one read gave */
    const void *codec_options;
    void *arg; /**< first argument of the callbacks: the server's state, as a rule */
    void (*on_frame)(void *arg, struct sp_stream *stream, const struct sp_frame *frame);
    /** All complete frames that have arrived were handed out. Pointers into them are still
     *  valid. */
    void (*on_batch)(void *arg, struct sp_stream *stream);
    /** The input ended; called once. The stream is still the server's: it may write (after
     *  EOF), and closes it. Default: the server stops with `normal` after EOF and RESET, else
     *  with shutdown(text). */
    void (*on_end)(void *arg, struct sp_stream *stream, const struct sp_stream_end *end);
    size_t turn_max;        /**< bytes read per turn; default 65,536 */
    size_t input_max;       /**< bytes of an incomplete frame kept; default 17 MiB */
    size_t output_pause;    /**< queued output over which input is not read; default 65,536 */
    sp_duration idle_max;   /**< without input for so long: ends with TIMEOUT; default: never */
    sp_duration frame_time; /**< an incomplete frame for so long: TIMEOUT; default: never */
};

/** Attach a stream to the calling server. What was read and not taken is decoded first.
 *  Errors: INVALID (attached already), NOMEM, NOTCONTEXT (not a server), and what the codec's
 *  init says.
 *  Ownership: `options` is copied; `codec_options` is borrowed for the call.
 *  Context: process (a server, its init too). */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_stream_attach(struct sp_stream *stream,
                                                       const struct sp_attach *options);

/** Undo it: the stream can be read straight down again, beginning with what was not decoded.
 *  Does nothing when it is not attached. Context: process. */
SP_API SP_NONNULL void sp_stream_detach(struct sp_stream *stream);

/** Hand out no frames until sp_stream_resume(); from the next frame on. Context: process. */
SP_API SP_NONNULL void sp_stream_pause(struct sp_stream *stream);
/** Go on after sp_stream_pause(). Context: process. */
SP_API SP_NONNULL void sp_stream_resume(struct sp_stream *stream);

/* ---- from process to process ---- */

/** Take the stream out of the calling process: it belongs to nobody until it is adopted,
 *  dropped or aborted. An attached one is detached. Queued output stays queued.
 *  Errors: NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_stream_release(struct sp_stream *stream);

/** Own a released stream.
 *  Errors: NOTCONTEXT (it has an owner; not a process of its runtime).
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_stream_adopt(struct sp_stream *stream);

/** Payload of the message that carries a stream; the receiver adopts it, and sets `stream` to
 *  NULL. One that nobody takes is dropped. */
struct sp_stream_message {
    struct sp_stream *stream;
};
/** Drop what is left in the message. Context: any. */
SP_API SP_NONNULL void sp_stream_message_drop(struct sp_stream_message *message);
SP_MESSAGE_MOVED(sp_stream_handed, struct sp_stream_message, sp_stream_message_drop);

/** Release a stream and send it to `to` as the message sp_stream_handed.
 *  Errors: as sp_send().
 *  Ownership: takes the stream, also on failure but NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_stream_hand_over(struct sp_stream *moved_stream,
                                                          sp_pid to);

/* ---- about it ---- */

/** The own address. Errors: IO, NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_stream_address(struct sp_stream *stream,
                                                        sp_address *out_address);
/** The peer's address; SP_ADDRESS_NONE for unnamed Unix-domain peers.
 *  Errors: IO (not connected any more), NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_stream_peer(struct sp_stream *stream,
                                                     sp_address *out_address);

SP_EXTERN_C_END

#endif
