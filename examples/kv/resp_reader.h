/* Reads requests out of a byte stream: RESP arrays of bulk strings, and inline commands.
 *
 * The reader never copies an argument. The caller keeps the bytes of the unfinished
 * request in one contiguous buffer, which may move between calls; the reader remembers
 * offsets into it:
 *
 *     *2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n...
 *              ^^^         ^             spans {8,3} and {17,1}; used = 20
 *
 * It resumes where it stopped, so a request that trickles in a byte at a time costs no more
 * than one that comes at once. What the peer announces is checked against the limits but
 * never allocated ahead: memory grows with the bytes that have arrived.
 *
 * Threads: one user at a time. Neighbours: batch.h carries requests on, resp_writer.h
 * answers them.
 */
#ifndef KV_RESP_READER_H
#define KV_RESP_READER_H

#include "arg.h"

#include "spawned/err.h"

enum {
    RESP_SPANS_INLINE = 8, /**< arguments held without an allocation */
    RESP_ERROR_MAX = 64,
};

/** What a peer may ask for. Zero in a field means the default. */
struct resp_limits {
    size_t bulk_max;    /**< bytes of one argument; default 512 MiB */
    size_t args_max;    /**< arguments of one request; default 2^31 - 1 */
    size_t line_max;    /**< bytes of an inline command or of a length line; default 64 KiB */
    size_t request_max; /**< bytes of one request as sent; default 1 GiB */
};

/** Where an argument lies, counted from the first byte of its request. */
struct resp_span {
    size_t offset;
    size_t len;
};

enum resp_result {
    RESP_MORE,    /**< incomplete: call again when there are at least `need` bytes */
    RESP_REQUEST, /**< complete: `span`, `argc` and `used` tell; argc 0 wants no answer */
    RESP_BROKEN,  /**< not the protocol: send `error`, then close */
    RESP_NOMEM,   /**< no memory for the table of spans: close */
};

struct resp_reader {
    struct resp_limits limits;
    size_t argc;            /**< arguments read so far */
    struct resp_span *span; /**< where they lie */
    size_t used;            /**< bytes of the request read so far; all of it when complete */
    size_t need;            /**< with RESP_MORE: bytes that must be there to get further */
    char error[RESP_ERROR_MAX];

    size_t span_max;
    size_t scanned;   /* no line end before this offset */
    int64_t bulk_len; /* of the argument under way; -1: its length is not read yet */
    uint64_t args_left;
    bool done; /* the next call begins a new request */
    struct resp_span few[RESP_SPANS_INLINE];
};

/** Ready for the first byte. The reader must not be moved afterwards.
 *  Context: any. */
void resp_reader_init(struct resp_reader *reader, const struct resp_limits *limits)
    SP_NONNULL_ARGS(1);

/** Releases the table of spans. Context: any. */
void resp_reader_finish(struct resp_reader *reader) SP_NONNULL;

/** Reads on in the request that begins at `data`, of which `len` bytes are there (including
 *  those given before, with the same content). After RESP_REQUEST the next call begins a
 *  new request: pass what follows the `used` bytes. Inline commands are unquoted in place,
 *  so the bytes may change. After RESP_BROKEN the reader stays broken.
 *  Context: any. Source: the Redis serialization protocol specification. */
enum resp_result resp_read(struct resp_reader *reader, char *data, size_t len)
    SP_NONNULL SP_NODISCARD;

#endif
