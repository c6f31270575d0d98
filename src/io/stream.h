/* The inside of a stream.
 *
 *   stream ── io            the socket, behind runtime/io.h
 *          ── output        what sp_stream_send() queued; empty: no memory to speak of
 *          ── input         read and not taken; empty: no memory
 *          ── attached *    of a server; see attach.c
 *          ── drain *       the event "writable again", made when output first had to wait
 *
 * It is a resource of its owner. Only the owner touches it; what other threads know are the
 * events. Released, it has no owner, no events and no attachment.
 *
 * Files: stream.c (life, reading, waiting), stream_output.c (writing), stream_end.c (shutdown,
 * close), stream_move.c (from process to process), attach.c.
 * Neighbours: event.h, process/resource.h.
 */
#ifndef SPAWNED_IO_STREAM_H
#define SPAWNED_IO_STREAM_H

#include "io/event.h"
#include "io/writer.h"
#include "process/resource.h"
#include "spawned/stream.h"

struct sp__attached;

enum {
    SP__STREAM_OUTPUT_MAX = 1024 * 1024, /* default bound of queued output */
};

struct sp_stream {
    struct sp__resource resource; /* first */
    struct sp_process *owner;     /* NULL: released */
    struct sp_runtime *runtime;
    struct sp__io *io;
    struct sp_writer output;
    struct sp__buf input;
    struct sp__park_hook flush; /* linked: there is output to push before the process waits */
    struct sp__attached *attached;
    struct sp__io_event *drain;
    sp_err ended;  /* why no more can be read; SP_OK: it can */
    sp_err broken; /* why no more can be written */
    bool writing;  /* the owner itself waits for SP__IO_OUT */
};

/** A deadline that is turned into an instant when the first wait begins. */
struct sp__until {
    sp_deadline deadline;
    sp_deadline fallback;
    int64_t instant;
    bool known;
};

static inline const struct sp__io_ops *sp__stream_ops(const struct sp_stream *stream)
{
    return stream->runtime->ops->io;
}

/** Does the calling process own it? Context: any. */
static inline bool sp__stream_owned(const struct sp_stream *stream)
{
    return stream->owner != NULL && stream->owner == sp__process_self();
}

/** The process is about to do something with a socket: see runtime/point.h. Context: process; may
 *  suspend, so state is looked at afterwards. */
static inline void sp__io_point(struct sp_process *self, const char *what)
{
    sp__point(SP__POINT_NET, sp__point_pid(sp__process_pid(self)), what);
}

/** A stream of the calling process over `moved_io`.
 *  Errors: NOMEM. Ownership: takes the io, also on failure. Context: process. */
SP_NODISCARD sp_err sp__stream_create(struct sp_process *self, struct sp__io *moved_io,
                                      struct sp_stream **out_stream) SP_NONNULL;

/** Take back events and hooks; the stream can then be freed or given away. Context: the owner. */
void sp__stream_untie(struct sp_stream *stream) SP_NONNULL;

/** Suspend until a direction that said SP__IO_AGAIN may be ready.
 *  Errors: TIMEOUT, NOTCONTEXT. Context: process, suspends. */
SP_NODISCARD sp_err sp__io_wait(struct sp_process *self, struct sp__io *io, enum sp__io_way way,
                                struct sp__until *until) SP_NONNULL;

/** Read once. Errors: SP__IO_AGAIN, and why the input ended. Context: the owner. */
SP_NODISCARD sp_err sp__stream_read_now(struct sp_stream *stream, void *bytes, size_t size,
                                        size_t *out_count) SP_NONNULL;

/* ---- stream_output.c ---- */

/** Write what is queued, as far as it goes. Errors: SP__IO_AGAIN, and why it broke.
 *  Context: the owner. */
SP_NODISCARD sp_err sp__stream_push(struct sp_stream *stream) SP_NONNULL;

/** There is output queued: push it before the process waits. Context: the owner. */
void sp__stream_push_later(struct sp_stream *stream) SP_NONNULL;

/** The hook of that, as sp__park_hook.run. */
void sp__stream_flush_hook(struct sp__park_hook *hook) SP_NONNULL;

/** Write parts behind what is queued, all of it. Errors: as sp_stream_write_parts().
 *  Context: the owner; may suspend. */
SP_NODISCARD sp_err sp__stream_write_all(struct sp_stream *stream, const struct sp_part *parts,
                                         size_t count, struct sp__until *until)
    SP_NONNULL_ARGS(1, 4);

/* ---- attach.c ---- */

/** Undo an attachment; what was not decoded goes back to `input`. Context: the owner. */
void sp__attached_detach(struct sp_stream *stream) SP_NONNULL;

/** Output was written or broke: an attached stream may go on. Context: the owner. */
void sp__attached_output_moved(struct sp_stream *stream) SP_NONNULL;

#endif
