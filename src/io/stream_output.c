/* Writing: queued output and parts written straight down, in one order.
 *
 * Queued output is pushed by a hook before the process waits for anything. What the system
 * does not take then is pushed by the event `drain` when the socket is writable again, also
 * while a handler is suspended; unless the process itself waits to write, which then does it.
 */
#include "io/stream.h"

#include "base/alloc.h"

enum {
    /* Memory that an empty queue keeps, so that short replies allocate nothing. */
    OUTPUT_KEEP = 256,
};

/* The event "writable again". */
struct output_drain {
    struct sp__io_event event; /* first */
    struct sp_stream *stream;
};

/* ---- pushing ---- */

static sp_err output_break(struct sp_stream *stream, sp_err err)
{
    stream->broken = err;
    sp__buf_finish(&stream->output.buf);
    return err;
}

sp_err sp__stream_push(struct sp_stream *stream)
{
    struct sp__buf *queue = &stream->output.buf;
    while (stream->broken == SP_OK && sp__buf_len(queue) > 0) {
        struct sp__io_part part = { sp__buf_data(queue), sp__buf_len(queue) };
        size_t count = 0;
        sp_err err = sp__stream_ops(stream)->write(stream->io, &part, 1, &count);
        if (err == SP__IO_AGAIN)
            return err;
        if (err != SP_OK)
            return output_break(stream, err);
        sp__buf_consume(queue, count);
    }
    if (queue->capacity > OUTPUT_KEEP)
        sp__buf_trim(queue);
    return stream->broken == SP_ERR_CLOSED ? SP_OK : stream->broken;
}

static void output_drain_run(struct sp__event *event);

static sp_err output_make_drain(struct sp_stream *stream)
{
    if (stream->drain != NULL)
        return SP_OK;
    struct output_drain *drain = sp__malloc(sizeof(*drain));
    if (drain == NULL)
        return SP_ERR_NOMEM;
    drain->stream = stream;
    sp_err err =
        sp__io_event_init(&drain->event, stream->owner, stream->io, SP__IO_OUT, output_drain_run);
    if (err != SP_OK) {
        sp__free(drain);
        return err;
    }
    stream->drain = &drain->event;
    return SP_OK;
}

/* Push, and see to it that the rest follows. */
static void output_pump(struct sp_stream *stream)
{
    while (sp__stream_push(stream) == SP__IO_AGAIN) {
        /* Who waits to write does it himself; an event that is armed will. */
        if (stream->writing || (stream->drain != NULL && stream->drain->event.armed))
            break;
        sp_err err = output_make_drain(stream);
        if (err != SP_OK) {
            (void)output_break(stream, err);
            break;
        }
        if (sp__io_event_arm(stream->drain))
            break;
    }
    sp__attached_output_moved(stream);
}

static void output_drain_run(struct sp__event *event)
{
    output_pump(sp__container_of(event, struct output_drain, event.event)->stream);
}

void sp__stream_flush_hook(struct sp__park_hook *hook)
{
    output_pump(sp__container_of(hook, struct sp_stream, flush));
}

void sp__stream_push_later(struct sp_stream *stream)
{
    /* Without the memory to remember it, at once. */
    if (sp__process_before_park(stream->owner, &stream->flush) != SP_OK)
        output_pump(stream);
}

/* ---- queueing ---- */

static sp_err output_check(const struct sp_stream *stream)
{
    return sp__stream_owned(stream) ? stream->broken : SP_ERR_NOTCONTEXT;
}

sp_err sp_stream_send(struct sp_stream *stream, const void *bytes, size_t size)
{
    sp_err err = output_check(stream);
    if (err == SP_OK)
        err = sp_writer_put(&stream->output, bytes, size);
    if (err == SP_OK)
        sp__stream_push_later(stream);
    return err;
}

size_t sp_stream_queued(const struct sp_stream *stream)
{
    return sp__buf_len(&stream->output.buf);
}

void sp_stream_set_output_max(struct sp_stream *stream, size_t bytes)
{
    size_t limit = bytes != 0 ? bytes : SP__STREAM_OUTPUT_MAX;
    /* What is queued already stays. */
    size_t queued = sp__buf_len(&stream->output.buf);
    stream->output.buf.limit = limit > queued ? limit : queued;
}

/* ---- writing ---- */

/* Parts of which a beginning is written. */
struct output_rest {
    const struct sp_part *parts;
    size_t count;
    size_t offset; /* into the first */
};

static size_t output_gather(struct sp_stream *stream, const struct output_rest *rest,
                            struct sp__io_part batch[SP__IO_PARTS_MAX])
{
    size_t n = 0;
    if (sp__buf_len(&stream->output.buf) > 0)
        batch[n++] = (struct sp__io_part){ sp__buf_data(&stream->output.buf),
                                           sp__buf_len(&stream->output.buf) };
    size_t offset = rest->offset;
    for (size_t i = 0; i < rest->count && n < SP__IO_PARTS_MAX; i++, offset = 0) {
        const struct sp_part *part = &rest->parts[i];
        if (part->size > offset)
            batch[n++] =
                (struct sp__io_part){ (const char *)part->bytes + offset, part->size - offset };
    }
    return n;
}

static void output_advance(struct sp_stream *stream, struct output_rest *rest, size_t count)
{
    size_t queued = sp__buf_len(&stream->output.buf);
    size_t from_queue = count < queued ? count : queued;
    sp__buf_consume(&stream->output.buf, from_queue);
    count -= from_queue;
    while (count > 0 && rest->count > 0) {
        size_t left = rest->parts->size - rest->offset;
        if (count < left) {
            rest->offset += count;
            return;
        }
        count -= left;
        rest->parts++;
        rest->count--;
        rest->offset = 0;
    }
}

static sp_err output_wait(struct sp_stream *stream, struct sp__until *until)
{
    if (stream->drain != NULL)
        sp__io_event_stop(stream->drain); /* one waits on a direction at a time */
    stream->writing = true;
    sp_err err = sp__io_wait(stream->owner, stream->io, SP__IO_OUT, until);
    stream->writing = false;
    if (err != SP_OK && sp__buf_len(&stream->output.buf) > 0)
        sp__stream_push_later(stream);
    return err;
}

sp_err sp__stream_write_all(struct sp_stream *stream, const struct sp_part *parts, size_t count,
                            struct sp__until *until)
{
    struct output_rest rest = { .parts = parts, .count = count };
    struct sp__io_part batch[SP__IO_PARTS_MAX];
    for (size_t n; (n = output_gather(stream, &rest, batch)) > 0;) {
        size_t written = 0;
        sp_err err = stream->broken != SP_OK
                         ? stream->broken
                         : sp__stream_ops(stream)->write(stream->io, batch, n, &written);
        if (err == SP_OK)
            output_advance(stream, &rest, written);
        else if (err == SP__IO_AGAIN)
            err = output_wait(stream, until);
        else
            (void)output_break(stream, err);
        if (err != SP_OK)
            return err;
    }
    return sp__stream_push(stream); /* nothing is left; gives memory back */
}

sp_err sp_stream_write_parts(struct sp_stream *stream, const struct sp_part *parts, size_t count,
                             sp_deadline deadline)
{
    sp_err err = output_check(stream);
    if (err != SP_OK)
        return err;
    sp__io_point(stream->owner, "write");
    struct sp__until until = { .deadline = deadline, .fallback = sp_after_sec(30) };
    return sp__stream_write_all(stream, parts, count, &until);
}

sp_err sp_stream_write(struct sp_stream *stream, const void *bytes, size_t size,
                       sp_deadline deadline)
{
    struct sp_part part = { bytes, size };
    return sp_stream_write_parts(stream, &part, 1, deadline);
}

sp_err sp_stream_flush(struct sp_stream *stream, sp_deadline deadline)
{
    sp_err err = output_check(stream);
    if (err != SP_OK)
        return err == SP_ERR_CLOSED ? SP_OK : err;
    struct sp__until until = { .deadline = deadline, .fallback = sp_after_sec(30) };
    return sp__stream_write_all(stream, NULL, 0, &until);
}
