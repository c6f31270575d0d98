/* Ending a stream in order: flush, end the outgoing direction, wait for the peer's end. */
#include "io/stream.h"

enum {
    /* What is read and dropped at once while waiting for the peer's end. */
    CLOSE_DISCARD = 4096,
};

static sp_err close_outgoing(struct sp_stream *stream, struct sp__until *until)
{
    if (stream->broken == SP_ERR_CLOSED)
        return SP_OK;
    sp_err err = stream->broken;
    if (err == SP_OK)
        err = sp__stream_write_all(stream, NULL, 0, until);
    if (err == SP_OK)
        err = sp__stream_ops(stream)->shutdown(stream->io);
    if (err == SP_OK)
        stream->broken = SP_ERR_CLOSED;
    return err;
}

sp_err sp_stream_shutdown(struct sp_stream *stream, sp_deadline deadline)
{
    if (!sp__stream_owned(stream))
        return SP_ERR_NOTCONTEXT;
    struct sp__until until = { .deadline = deadline, .fallback = sp_after_sec(30) };
    return close_outgoing(stream, &until);
}

static sp_err close_await_end(struct sp_stream *stream, struct sp__until *until)
{
    char discard[CLOSE_DISCARD];
    sp_err err;
    do {
        size_t count;
        err = sp__stream_read_now(stream, discard, sizeof(discard), &count);
        if (err == SP__IO_AGAIN)
            err = sp__io_wait(stream->owner, stream->io, SP__IO_IN, until);
    } while (err == SP_OK);
    return err == SP_ERR_EOF ? SP_OK : err;
}

sp_err sp_stream_close(struct sp_stream *moved_stream, sp_deadline deadline)
{
    if (!sp__stream_owned(moved_stream))
        return SP_ERR_NOTCONTEXT;
    sp__io_point(moved_stream->owner, "close");
    struct sp__until until = { .deadline = deadline, .fallback = sp_after_sec(5) };
    sp__attached_detach(moved_stream);
    sp_err err = close_outgoing(moved_stream, &until);
    if (err == SP_OK)
        err = close_await_end(moved_stream, &until);
    if (err == SP_OK)
        sp_stream_drop(moved_stream);
    else
        sp_stream_abort(moved_stream);
    return err;
}
