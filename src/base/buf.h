/* A byte buffer that grows at its end and is consumed from its front: for input and output.
 *
 *     bytes                                              bytes + capacity
 *       | consumed |  readable: data(), len()  |  writable: tail(), room()  |
 *                begin                        end
 *
 * It doubles up to `limit` readable bytes and then says SP_ERR_TOOBIG. Before it grows it
 * moves what is left to the front if that makes enough room and moves no more than was
 * consumed, so appending stays amortised O(1). An empty buffer starts at its front again; its
 * memory stays until sp__buf_trim().
 *
 * Threads: none of its own. Neighbours: base/alloc.h.
 */
#ifndef SP_BASE_BUF_H
#define SP_BASE_BUF_H

#include "spawned/err.h"

struct sp__buf {
    char *bytes; /* NULL: nothing allocated */
    size_t capacity;
    size_t begin;
    size_t end;
    size_t limit; /* len() never exceeds it */
};

/** An empty buffer of at most `limit` readable bytes (0: no limit but memory); allocates nothing.
 *  Context: any. */
void sp__buf_init(struct sp__buf *buf, size_t limit) SP_NONNULL;

/** Frees the bytes; the buffer is empty and usable afterwards.
 *  Context: any. */
void sp__buf_finish(struct sp__buf *buf) SP_NONNULL;

/** Makes room for `size` more bytes at tail(). Pointers into the buffer are stale afterwards.
 *  Errors: SP_ERR_TOOBIG (the limit), SP_ERR_NOMEM; the contents stay. Context: any. */
sp_err sp__buf_reserve(struct sp__buf *buf, size_t size) SP_NONNULL SP_NODISCARD;

/** Adds a copy of `size` bytes (which are not inside the buffer).
 *  Errors: as sp__buf_reserve(); then nothing was added. Context: any. */
sp_err sp__buf_append(struct sp__buf *buf, const void *bytes, size_t size) SP_NONNULL_ARGS(1)
    SP_NODISCARD;

/** Gives the memory of an empty buffer back; does nothing to another.
 *  Context: any. */
void sp__buf_trim(struct sp__buf *buf) SP_NONNULL;

/** How many bytes can be read at sp__buf_data(). */
static inline size_t sp__buf_len(const struct sp__buf *buf)
{
    return buf->end - buf->begin;
}

/** The readable bytes; valid until the next reserve, append, trim or finish. NULL only when
 *  nothing was ever allocated. */
static inline char *sp__buf_data(const struct sp__buf *buf)
{
    return buf->bytes == NULL ? NULL : buf->bytes + buf->begin;
}

/** Where the next bytes go: write up to what was reserved, then sp__buf_commit(). */
static inline char *sp__buf_tail(const struct sp__buf *buf)
{
    return buf->bytes == NULL ? NULL : buf->bytes + buf->end;
}

/** How many bytes fit at sp__buf_tail() without another reserve (within the limit). */
static inline size_t sp__buf_room(const struct sp__buf *buf)
{
    size_t room = buf->capacity - buf->end;
    size_t left = buf->limit - sp__buf_len(buf);
    return room < left ? room : left;
}

/** Makes `size` bytes written at sp__buf_tail() readable; at most sp__buf_room().
 *  Context: any. */
void sp__buf_commit(struct sp__buf *buf, size_t size) SP_NONNULL;

/** Drops `size` bytes from the front; at most sp__buf_len().
 *  Context: any. */
void sp__buf_consume(struct sp__buf *buf, size_t size) SP_NONNULL;

#endif
