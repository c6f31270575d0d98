/* What the fuzz targets of decoders share: the same bytes, cut differently, must give the
 * same frames and the same end; a frame that is encoded must decode to itself.
 */
#ifndef SPAWNED_FUZZ_DECODER_FUZZ_H
#define SPAWNED_FUZZ_DECODER_FUZZ_H

#include "spawned/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_CHECK(expr) \
    ((expr) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #expr), abort()))

/** What a decoder said, boiled down: a hash over all frames and the error at the end. */
struct fuzz_trace {
    uint64_t hash;
    size_t frames;
    sp_err err;
};

/** One decoder under test. */
struct fuzz_case {
    const struct sp_codec *codec;
    const void *options;
    const uint8_t *bytes;
    size_t size;
    void *encoder_state; /**< NULL: do not encode */
};

static inline void fuzz_hash(struct fuzz_trace *trace, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        trace->hash = (trace->hash ^ at[i]) * UINT64_C(0x100000001b3);
}

/* Encode, decode, compare. A frame that cannot be encoded is none of our business. */
static inline void fuzz_round_trip(const struct fuzz_case *one, const struct sp_frame *frame)
{
    struct sp_writer *writer;
    struct sp_decoder *decoder;
    struct sp_frame again;
    const char *bytes;
    FUZZ_CHECK(sp_writer_create(0, &writer) == SP_OK);
    FUZZ_CHECK(sp_decoder_create(one->codec, one->options, 0, &decoder) == SP_OK);
    if (one->codec->encode(one->encoder_state, frame, writer) == SP_OK) {
        size_t size = sp_writer_peek(writer, &bytes);
        FUZZ_CHECK(sp_decoder_feed(decoder, bytes, size) == SP_OK);
        FUZZ_CHECK(sp_decoder_next(decoder, &again, NULL, NULL) == SP_DECODE_FRAME);
        FUZZ_CHECK(again.size == frame->size);
        FUZZ_CHECK(again.size == 0 || memcmp(again.bytes, frame->bytes, again.size) == 0);
        FUZZ_CHECK(sp_decoder_next(decoder, &again, NULL, NULL) == SP_DECODE_MORE);
    }
    sp_decoder_destroy(decoder);
    sp_writer_destroy(writer);
}

/* False: the decoder failed. */
static inline bool fuzz_drain(const struct fuzz_case *one, struct sp_decoder *decoder,
                              struct fuzz_trace *trace)
{
    struct sp_frame frame;
    enum sp_decode said;
    while ((said = sp_decoder_next(decoder, &frame, &trace->err, NULL)) == SP_DECODE_FRAME) {
        trace->frames++;
        fuzz_hash(trace, &frame.size, sizeof(frame.size));
        fuzz_hash(trace, frame.bytes, frame.size);
        if (one->encoder_state != NULL && trace->frames < 8)
            fuzz_round_trip(one, &frame);
    }
    return said == SP_DECODE_MORE;
}

/* `seed` 0: all at once; else pieces of 1 to 8 bytes. */
static inline struct fuzz_trace fuzz_decode(const struct fuzz_case *one, uint32_t seed)
{
    struct fuzz_trace trace = { .hash = UINT64_C(0xcbf29ce484222325) };
    struct sp_decoder *decoder;
    bool ok = true;
    FUZZ_CHECK(sp_decoder_create(one->codec, one->options, 0, &decoder) == SP_OK);
    for (size_t at = 0, piece; ok && at < one->size; at += piece) {
        piece = one->size;
        if (seed != 0) {
            seed = seed * 1664525u + 1013904223u;
            piece = (seed >> 29) + 1;
        }
        if (piece > one->size - at)
            piece = one->size - at;
        FUZZ_CHECK(sp_decoder_feed(decoder, one->bytes + at, piece) == SP_OK);
        ok = fuzz_drain(one, decoder, &trace);
    }
    if (ok) {
        FUZZ_CHECK(sp_decoder_feed(decoder, NULL, 0) == SP_OK);
        (void)fuzz_drain(one, decoder, &trace);
    }
    sp_decoder_destroy(decoder);
    return trace;
}

static inline void fuzz_decoder(const struct fuzz_case *one, uint32_t seed)
{
    struct fuzz_trace whole = fuzz_decode(one, 0);
    struct fuzz_trace pieces = fuzz_decode(one, seed | 1);
    FUZZ_CHECK(whole.frames == pieces.frames);
    FUZZ_CHECK(whole.hash == pieces.hash);
    FUZZ_CHECK(whole.err == pieces.err);
}

#endif
