/* Writes replies: RESP2, or RESP3 where the client asked for it.
 *
 * Replies collect in one growing buffer. A failure to grow (memory, or the limit) is
 * remembered and nothing more is written, so that commands need not check each write; who
 * sends the buffer looks at `failed` once.
 *
 * Threads: one user at a time. Neighbours: resp_reader.h, batch.h, every command.
 */
#ifndef KV_RESP_WRITER_H
#define KV_RESP_WRITER_H

#include "arg.h"

/** A buffer of replies. Zeroed memory with `protocol` set is an empty one. */
struct resp_out {
    char *data;
    size_t len;
    size_t cap;
    size_t max;       /**< fail rather than grow above; 0: no limit */
    uint8_t protocol; /**< 2 or 3 */
    bool failed;      /**< something did not fit: `data` ends before it */
};

/** An empty buffer for `protocol` 2 or 3. Context: any. */
void resp_out_init(struct resp_out *out, int protocol, size_t max) SP_NONNULL;

/** Releases the buffer. Context: any. */
void resp_out_finish(struct resp_out *out) SP_NONNULL;

/** Room for `len` more bytes, to be written at the returned place and counted by adding to
 *  `out->len`; NULL (and `failed`) if there is none. Context: any. */
char *resp_reserve(struct resp_out *out, size_t len) SP_NONNULL;

/** Bytes as they are. Context: any. */
void resp_raw(struct resp_out *out, const void *data, size_t len) SP_NONNULL_ARGS(1);

/** `+text`. Context: any. */
void resp_simple(struct resp_out *out, const char *text) SP_NONNULL;

/** `-text`; begins with its code ("ERR syntax error"). Context: any. */
void resp_error(struct resp_out *out, const char *text) SP_NONNULL;

/** As resp_error(), printf-like; line ends become blanks. Context: any. */
void resp_errorf(struct resp_out *out, const char *format, ...) SP_NONNULL_ARGS(1, 2)
    SP_PRINTF(2, 3);

/** `:value`. Context: any. */
void resp_int(struct resp_out *out, int64_t value) SP_NONNULL;

/** `$len` and the bytes. Context: any. */
void resp_bulk(struct resp_out *out, const void *data, size_t len) SP_NONNULL_ARGS(1);

/** A bulk string of C text. Context: any. */
void resp_text(struct resp_out *out, const char *text) SP_NONNULL;

/** A bulk string with a number in decimal. Context: any. */
void resp_bulk_int(struct resp_out *out, int64_t value) SP_NONNULL;

/** `$-1`, or `_` in RESP3. Context: any. */
void resp_null(struct resp_out *out) SP_NONNULL;

/** `*-1`, or `_` in RESP3. Context: any. */
void resp_null_array(struct resp_out *out) SP_NONNULL;

/** Head of an array of `count` replies. Context: any. */
void resp_array(struct resp_out *out, size_t count) SP_NONNULL;

/** Head of a map of `pairs` pairs; in RESP2 an array twice as long. Context: any. */
void resp_map(struct resp_out *out, size_t pairs) SP_NONNULL;

/** Head of a set; in RESP2 an array. Context: any. */
void resp_set(struct resp_out *out, size_t count) SP_NONNULL;

/** Head of a push message; in RESP2 an array. Context: any. */
void resp_push(struct resp_out *out, size_t count) SP_NONNULL;

/** A double; in RESP2 a bulk string. Context: any. */
void resp_double(struct resp_out *out, double value) SP_NONNULL;

/** `#t` or `#f`; in RESP2 1 or 0. Context: any. */
void resp_bool(struct resp_out *out, bool value) SP_NONNULL;

/** Text with a format of three letters ("txt"); in RESP2 a bulk string. Context: any. */
void resp_verbatim(struct resp_out *out, const char *format, const void *data, size_t len)
    SP_NONNULL_ARGS(1, 2);

#endif
