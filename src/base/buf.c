/* A byte buffer consumed from its front: see buf.h.
 *
 * Invariant: begin <= end <= capacity, end - begin <= limit; begin is 0 when it is empty.
 */
#include "base/buf.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>

enum { BUF_SMALLEST = 64 };

void sp__buf_init(struct sp__buf *buf, size_t limit)
{
    *buf = (struct sp__buf){ .limit = limit > 0 ? limit : SIZE_MAX };
}

void sp__buf_finish(struct sp__buf *buf)
{
    sp__free(buf->bytes);
    *buf = (struct sp__buf){ .limit = buf->limit };
}

/* Pays for itself: moves no more bytes than were consumed since the last move. */
static bool buf_compact(struct sp__buf *buf, size_t size)
{
    size_t len = sp__buf_len(buf);
    if (buf->begin < len || buf->capacity - len < size)
        return false;
    memmove(buf->bytes, buf->bytes + buf->begin, len);
    buf->begin = 0;
    buf->end = len;
    return true;
}

/* At least `needed`; doubled, but not past the limit. */
static size_t buf_next_capacity(const struct sp__buf *buf, size_t needed)
{
    size_t capacity = buf->capacity > SIZE_MAX / 2 ? SIZE_MAX : buf->capacity * 2;
    if (capacity < BUF_SMALLEST)
        capacity = BUF_SMALLEST;
    if (capacity > buf->limit)
        capacity = buf->limit;
    return capacity > needed ? capacity : needed;
}

static sp_err buf_grow(struct sp__buf *buf, size_t size)
{
    size_t len = sp__buf_len(buf);
    size_t capacity = buf_next_capacity(buf, len + size);
    char *bytes = sp__malloc(capacity);
    if (bytes == NULL)
        return SP_ERR_NOMEM;
    if (len > 0)
        memcpy(bytes, buf->bytes + buf->begin, len);
    sp__free(buf->bytes);
    *buf =
        (struct sp__buf){ .bytes = bytes, .capacity = capacity, .end = len, .limit = buf->limit };
    return SP_OK;
}

sp_err sp__buf_reserve(struct sp__buf *buf, size_t size)
{
    if (size > buf->limit - sp__buf_len(buf))
        return SP_ERR_TOOBIG;
    if (size <= buf->capacity - buf->end || buf_compact(buf, size))
        return SP_OK;
    return buf_grow(buf, size);
}

sp_err sp__buf_append(struct sp__buf *buf, const void *bytes, size_t size)
{
    if (size == 0)
        return SP_OK;
    sp_err err = sp__buf_reserve(buf, size);
    if (err != SP_OK)
        return err;
    memcpy(buf->bytes + buf->end, bytes, size);
    buf->end += size;
    return SP_OK;
}

void sp__buf_trim(struct sp__buf *buf)
{
    if (sp__buf_len(buf) == 0)
        sp__buf_finish(buf);
}

void sp__buf_commit(struct sp__buf *buf, size_t size)
{
    assert(size <= sp__buf_room(buf));
    buf->end += size;
}

void sp__buf_consume(struct sp__buf *buf, size_t size)
{
    assert(size <= sp__buf_len(buf));
    buf->begin += size;
    if (buf->begin == buf->end) {
        buf->begin = 0;
        buf->end = 0;
    }
}
