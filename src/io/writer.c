#include "io/writer.h"

#include "base/alloc.h"

enum { WRITER_MAX_DEFAULT = 16 * 1024 * 1024 };

sp_err sp_writer_create(size_t max, struct sp_writer **out_writer)
{
    struct sp_writer *writer = sp__malloc(sizeof(*writer));
    if (writer == NULL)
        return SP_ERR_NOMEM;
    sp__buf_init(&writer->buf, max != 0 ? max : WRITER_MAX_DEFAULT);
    *out_writer = writer;
    return SP_OK;
}

void sp_writer_destroy(struct sp_writer *writer)
{
    if (writer == NULL)
        return;
    sp__buf_finish(&writer->buf);
    sp__free(writer);
}

/* What is too big for the buffer is more than the queue takes. */
static sp_err writer_error(sp_err err)
{
    return err == SP_ERR_TOOBIG ? SP_ERR_FULL : err;
}

sp_err sp_writer_put(struct sp_writer *writer, const void *bytes, size_t size)
{
    return writer_error(sp__buf_append(&writer->buf, bytes, size));
}

sp_err sp_writer_reserve(struct sp_writer *writer, size_t size, char **out_room)
{
    sp_err err = writer_error(sp__buf_reserve(&writer->buf, size));
    if (err == SP_OK)
        *out_room = sp__buf_tail(&writer->buf);
    return err;
}

void sp_writer_commit(struct sp_writer *writer, size_t size)
{
    sp__buf_commit(&writer->buf, size);
}

size_t sp_writer_peek(const struct sp_writer *writer, const char **out_bytes)
{
    *out_bytes = sp__buf_data(&writer->buf);
    return sp__buf_len(&writer->buf);
}

void sp_writer_drop(struct sp_writer *writer, size_t size)
{
    sp__buf_consume(&writer->buf, size);
}
