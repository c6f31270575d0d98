#include "io/stream.h"

#include "base/alloc.h"

#include <string.h>

/* ---- life ---- */

static void stream_free(struct sp_stream *stream, bool reset)
{
    sp__stream_ops(stream)->close(stream->io, reset);
    sp__buf_finish(&stream->output.buf);
    sp__buf_finish(&stream->input);
    sp__free(stream);
}

/* The process ends: like sp_stream_drop(). */
static void stream_release(struct sp__resource *resource)
{
    struct sp_stream *stream = (struct sp_stream *)(void *)resource;
    sp__stream_untie(stream);
    sp_ignore(sp__stream_push(stream));
    stream_free(stream, false);
}

sp_err sp__stream_create(struct sp_process *self, struct sp__io *moved_io,
                         struct sp_stream **out_stream)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct sp_stream *stream = sp__malloc(sizeof(*stream));
    if (stream == NULL) {
        runtime->ops->io->close(moved_io, true);
        return SP_ERR_NOMEM;
    }
    *stream = (struct sp_stream){
        .resource = { .late = true, .release = stream_release },
        .owner = self,
        .runtime = runtime,
        .io = moved_io,
        .flush = { .run = sp__stream_flush_hook },
    };
    sp__buf_init(&stream->output.buf, SP__STREAM_OUTPUT_MAX);
    sp__buf_init(&stream->input, 0);
    sp__resource_add(self, &stream->resource);
    sp__process_count_file(self, 1);
    *out_stream = stream;
    return SP_OK;
}

void sp__stream_untie(struct sp_stream *stream)
{
    sp__attached_detach(stream);
    sp__list_remove(&stream->flush.link);
    if (stream->drain != NULL) {
        sp__io_event_stop(stream->drain);
        sp__free(stream->drain);
        stream->drain = NULL;
    }
}

static void stream_end(struct sp_stream *stream, bool reset)
{
    if (stream->owner != NULL) {
        sp__stream_untie(stream);
        sp__resource_remove(&stream->resource);
        sp__process_count_file(stream->owner, -1);
    }
    if (!reset)
        sp_ignore(sp__stream_push(stream));
    stream_free(stream, reset);
}

static bool stream_may_end(const struct sp_stream *stream)
{
    return stream != NULL && (stream->owner == NULL || sp__stream_owned(stream));
}

void sp_stream_drop(struct sp_stream *moved_stream)
{
    if (stream_may_end(moved_stream))
        stream_end(moved_stream, false);
}

void sp_stream_abort(struct sp_stream *moved_stream)
{
    if (stream_may_end(moved_stream))
        stream_end(moved_stream, true);
}

/* ---- waiting ---- */

static int64_t until_instant(struct sp_runtime *runtime, struct sp__until *until)
{
    if (!until->known) {
        until->instant = sp__scheduler_instant(runtime, until->deadline, until->fallback);
        until->known = true;
    }
    return until->instant;
}

sp_err sp__io_wait(struct sp_process *self, struct sp__io *io, enum sp__io_way way,
                   struct sp__until *until)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    int64_t instant = until_instant(runtime, until);
    uint64_t token = sp__wait_open(&self->actor);
    if (!runtime->ops->io->arm(io, way, &self->actor, token)) {
        (void)sp__wait_close(&self->actor, token);
        return SP_OK;
    }
    sp_err err = sp__process_wait(self, token, instant);
    if (err != SP_OK)
        (void)runtime->ops->io->disarm(io, way);
    return err;
}

/* ---- reading ---- */

sp_err sp__stream_read_now(struct sp_stream *stream, void *bytes, size_t size, size_t *out_count)
{
    if (stream->ended != SP_OK)
        return stream->ended;
    sp_err err = sp__stream_ops(stream)->read(stream->io, bytes, size, out_count);
    if (err != SP_OK && err != SP__IO_AGAIN)
        stream->ended = err;
    return err;
}

/* What was read before and not taken. */
static size_t stream_take_input(struct sp_stream *stream, void *bytes, size_t size)
{
    size_t count = sp__buf_len(&stream->input);
    if (count > size)
        count = size;
    if (count == 0)
        return 0;
    memcpy(bytes, sp__buf_data(&stream->input), count);
    sp__buf_consume(&stream->input, count);
    sp__buf_trim(&stream->input);
    return count;
}

static sp_err stream_read_some(struct sp_stream *stream, void *bytes, size_t size,
                               struct sp__until *until, size_t *out_count)
{
    *out_count = stream_take_input(stream, bytes, size);
    if (*out_count > 0)
        return SP_OK;
    sp_err err;
    while ((err = sp__stream_read_now(stream, bytes, size, out_count)) == SP__IO_AGAIN) {
        err = sp__io_wait(stream->owner, stream->io, SP__IO_IN, until);
        if (err != SP_OK)
            break;
    }
    return err;
}

static sp_err stream_check_read(const struct sp_stream *stream)
{
    if (!sp__stream_owned(stream))
        return SP_ERR_NOTCONTEXT;
    return stream->attached != NULL ? SP_ERR_INVALID : SP_OK;
}

sp_err sp_stream_read(struct sp_stream *stream, void *bytes, size_t size, sp_deadline deadline,
                      size_t *out_count)
{
    sp_err err = stream_check_read(stream);
    if (err != SP_OK)
        return err;
    if (size == 0)
        return SP_ERR_INVALID;
    sp__io_point(stream->owner, "read");
    struct sp__until until = { .deadline = deadline, .fallback = sp_never() };
    size_t count = 0;
    err = stream_read_some(stream, bytes, size, &until, &count);
    if (err == SP_OK)
        *out_count = count;
    return err;
}

sp_err sp_stream_read_exact(struct sp_stream *stream, void *bytes, size_t size,
                            sp_deadline deadline)
{
    sp_err err = stream_check_read(stream);
    if (err == SP_OK)
        sp__io_point(stream->owner, "read");
    struct sp__until until = { .deadline = deadline, .fallback = sp_never() };
    char *to = bytes;
    size_t have = 0;
    while (err == SP_OK && have < size) {
        size_t count = 0;
        err = stream_read_some(stream, to + have, size - have, &until, &count);
        have += count;
    }
    /* `input` is empty by now: it was taken first. */
    if (err != SP_OK && have > 0 && sp__buf_append(&stream->input, bytes, have) != SP_OK)
        return SP_ERR_NOMEM;
    return err;
}

/* ---- about it ---- */

static sp_err stream_address(struct sp_stream *stream, bool peer, sp_address *out_address)
{
    if (!sp__stream_owned(stream))
        return SP_ERR_NOTCONTEXT;
    return sp__stream_ops(stream)->address(stream->io, peer, out_address);
}

sp_err sp_stream_address(struct sp_stream *stream, sp_address *out_address)
{
    return stream_address(stream, false, out_address);
}

sp_err sp_stream_peer(struct sp_stream *stream, sp_address *out_address)
{
    return stream_address(stream, true, out_address);
}
