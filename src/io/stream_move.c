/* Streams from process to process: released, they belong to whoever holds the pointer. */
#include "io/stream.h"

sp_err sp_stream_release(struct sp_stream *stream)
{
    if (!sp__stream_owned(stream))
        return SP_ERR_NOTCONTEXT;
    sp__stream_untie(stream);
    sp__resource_remove(&stream->resource);
    sp__process_count_file(stream->owner, -1);
    stream->owner = NULL;
    return SP_OK;
}

sp_err sp_stream_adopt(struct sp_stream *stream)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL || stream->owner != NULL || sp__process_runtime(self) != stream->runtime)
        return SP_ERR_NOTCONTEXT;
    stream->owner = self;
    sp__resource_add(self, &stream->resource);
    sp__process_count_file(self, 1);
    if (sp_stream_queued(stream) > 0)
        sp__stream_push_later(stream);
    return SP_OK;
}

void sp_stream_message_drop(struct sp_stream_message *message)
{
    sp_stream_drop(message->stream);
    message->stream = NULL;
}

sp_err sp_stream_hand_over(struct sp_stream *moved_stream, sp_pid to)
{
    sp_err err = sp_stream_release(moved_stream);
    if (err != SP_OK)
        return err;
    return sp_stream_handed_send(to, &(struct sp_stream_message){ moved_stream });
}
