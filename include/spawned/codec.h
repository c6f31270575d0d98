/* Codecs: where frames begin and end in a stream of bytes.
 *
 * A decoder is shown what has arrived and takes frames off its front; an encoder appends one
 * frame to what goes out. Both keep their state in a struct of their own, so that one codec
 * serves any number of streams. Two come with the library: lines, and frames that begin
 * with their length. A codec of one's own is a struct sp_codec.
 *
 *     arrived:  [ frame | frame | beginning of a fra ]
 *     decode -> FRAME, FRAME, MORE; later again with [ beginning of a frame | ... ]
 *
 * Rules for a decoder: what it says depends on the bytes only, never on how they were cut
 * into pieces; and every frame has a limit, because a peer may promise any length.
 *
 * Neighbours: stream.h attaches a codec to a stream; sp_decoder feeds one by hand.
 */
#ifndef SPAWNED_CODEC_H
#define SPAWNED_CODEC_H

#include "spawned/err.h"

SP_EXTERN_C_BEGIN

/** A frame. What it points to lives until the next call of the decoder. */
struct sp_frame {
    const char *bytes; /**< content, without delimiters; not terminated */
    size_t size;
    void *value; /**< what else the decoder made of it, or NULL */
};

/** What a decoder says of its input. */
enum sp_decode {
    SP_DECODE_MORE = 0, /**< no frame is complete yet */
    SP_DECODE_FRAME,    /**< `frame` is one */
    SP_DECODE_ERROR,    /**< the stream makes no sense any more */
};

/** Input and results of one step. */
struct sp_decoding {
    const char *bytes;     /**< in: what has arrived and was not consumed; may be cut anywhere */
    size_t size;           /**< in */
    bool ended;            /**< in: nothing comes behind it */
    size_t consumed;       /**< out: bytes at the front that are done; 0 by default */
    size_t wanted;         /**< out, with MORE: do not ask again below so many bytes; 0: any more */
    struct sp_frame frame; /**< out, with FRAME */
    sp_err error;          /**< out, with ERROR: PROTOCOL or TOOBIG, as a rule */
    const char *text;      /**< out, with ERROR: a sentence, static or in the state; may be NULL */
};

struct sp_writer;

/** A codec. `init` and `finish` may be NULL, `decode` or `encode` too where it is not used. */
struct sp_codec {
    const char *name;
    size_t state_size; /**< bytes of state per stream, zeroed before `init` */
    /** `options` are what the user gave, or NULL. Errors: INVALID, NOMEM. */
    sp_err (*init)(void *state, const void *options);
    void (*finish)(void *state);
    /** One step. Called again with the same bytes and more of them, less what it consumed.
     *  `consumed` counts with any result. May not suspend. */
    enum sp_decode (*decode)(void *state, struct sp_decoding *decoding);
    /** Append one frame. Errors: INVALID, TOOBIG, and what the writer says; then nothing is
     *  appended. May not suspend. */
    sp_err (*encode)(void *state, const struct sp_frame *frame, struct sp_writer *writer);
};

/* ---- lines ---- */

/** Options of sp_lines. */
struct sp_lines_options {
    size_t line_max; /**< bytes of a decoded line, without its ending; default 65,536 */
    bool crlf;       /**< encoded lines end in CR LF; both are read in any case */
};

/** Lines that end in LF or CR LF. A longer one is TOOBIG. An unfinished one at the end of the
 *  stream counts as a line. Encoding one that contains LF or ends in CR is INVALID. */
SP_API extern const struct sp_codec sp_lines;

/* ---- frames with their length in front ---- */

/** How the length is written. */
enum sp_length_form {
    SP_LENGTH_FIXED = 0, /**< `width` bytes */
    SP_LENGTH_VARINT,    /**< base 128, low group first, the high bit says that more follow */
};

/** Options of sp_length. */
struct sp_length_options {
    enum sp_length_form form;
    unsigned width;     /**< 1, 2, 4 or 8 bytes; default 4 */
    bool little_endian; /**< default: big */
    bool self;          /**< the length counts its own bytes too; fixed form only */
    size_t frame_max;   /**< bytes without the length; default 16 MiB */
};

/** Frames that begin with their length. A length over the limit is TOOBIG before any of the
 *  frame is kept; the end of the stream inside a frame is PROTOCOL, and so is a varint over 64
 *  bits or longer than it need be. */
SP_API extern const struct sp_codec sp_length;

/* ---- decoding by hand ---- */

/** Holds what has arrived and was not decoded yet. */
struct sp_decoder;

/** A decoder of `codec`. `buffer_max` bounds what it holds; 0 means 17 MiB.
 *  Errors: NOMEM, INVALID, and what the codec's init says.
 *  Ownership: the caller ends it with sp_decoder_destroy(). Context: any. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 4) sp_err
    sp_decoder_create(const struct sp_codec *codec, const void *options, size_t buffer_max,
                      struct sp_decoder **out_decoder);

/** Free it. NULL is fine. Context: any. */
SP_API void sp_decoder_destroy(struct sp_decoder *decoder);

/** Add bytes that have arrived; with size 0, that nothing more comes.
 *  Errors: TOOBIG (over `buffer_max`), NOMEM. Frames got before are stale. Context: any. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_decoder_feed(struct sp_decoder *decoder, const void *bytes, size_t size);

/** The next frame. `*out_err` and `*out_text` are written with ERROR, `*out_frame` with FRAME;
 *  after an error it says ERROR for ever. Context: any. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 2) enum sp_decode
    sp_decoder_next(struct sp_decoder *decoder, struct sp_frame *out_frame, sp_err *out_err,
                    const char **out_text);

/* ---- writers: where encoders append ---- */

/** A writer that holds up to `max` bytes (0: 16 MiB).
 *  Errors: NOMEM. Ownership: the caller ends it with sp_writer_destroy(). Context: any. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_writer_create(size_t max, struct sp_writer **out_writer);

/** Free it. NULL is fine. Context: any. */
SP_API void sp_writer_destroy(struct sp_writer *writer);

/** Append a copy of `size` bytes.
 *  Errors: FULL (over its limit), NOMEM; then nothing was appended. Context: any. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_writer_put(struct sp_writer *writer, const void *bytes, size_t size);

/** Room for `size` bytes at `*out_room`, to be filled at once and then appended with
 *  sp_writer_commit(). Errors: as sp_writer_put(). Context: any. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_writer_reserve(struct sp_writer *writer, size_t size,
                                                        char **out_room);

/** Append the first `size` bytes of the room. Context: any. */
SP_API SP_NONNULL void sp_writer_commit(struct sp_writer *writer, size_t size);

/** What was appended so far; `*out_bytes` is valid until the next change. Returns the size.
 *  Context: any. */
SP_API SP_NONNULL size_t sp_writer_peek(const struct sp_writer *writer, const char **out_bytes);

/** Drop the first `size` bytes. Context: any. */
SP_API SP_NONNULL void sp_writer_drop(struct sp_writer *writer, size_t size);

SP_EXTERN_C_END

#endif
