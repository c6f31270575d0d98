#include "io/decoder.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <assert.h>

sp_err sp__decoder_init(struct sp__decoder *decoder, const struct sp_codec *codec,
                        const void *options)
{
    if (codec->decode == NULL)
        return SP_ERR_INVALID;
    *decoder = (struct sp__decoder){ .codec = codec };
    decoder->state = sp__calloc(1, codec->state_size);
    if (decoder->state == NULL)
        return SP_ERR_NOMEM;
    sp_err err = codec->init == NULL ? SP_OK : codec->init(decoder->state, options);
    if (err != SP_OK)
        sp__free(decoder->state);
    return err;
}

void sp__decoder_finish(struct sp__decoder *decoder)
{
    if (decoder->codec->finish != NULL)
        decoder->codec->finish(decoder->state);
    sp__free(decoder->state);
}

static enum sp_decode decoder_fail(struct sp__decoder *decoder, sp_err err, const char *text)
{
    decoder->error = err != SP_OK ? err : SP_ERR_PROTOCOL;
    decoder->text = text;
    return SP_DECODE_ERROR;
}

enum sp_decode sp__decoder_step(struct sp__decoder *decoder, struct sp__window *window,
                                struct sp_frame *out_frame)
{
    if (decoder->error != SP_OK)
        return SP_DECODE_ERROR;
    if (window->size < decoder->wanted && !window->ended)
        return SP_DECODE_MORE;
    struct sp_decoding step = {
        .bytes = window->size > 0 ? window->bytes : "",
        .size = window->size,
        .ended = window->ended,
    };
    enum sp_decode said = decoder->codec->decode(decoder->state, &step);
    assert(step.consumed <= window->size);
    if (step.consumed > 0) /* an empty window may have no bytes to count from */
        window->bytes += step.consumed;
    window->size -= step.consumed;
    decoder->wanted = 0;
    if (said == SP_DECODE_FRAME) {
        *out_frame = step.frame;
        return said;
    }
    if (said == SP_DECODE_ERROR)
        return decoder_fail(decoder, step.error, step.text);
    if (window->ended && window->size > 0)
        return decoder_fail(decoder, SP_ERR_PROTOCOL, "the stream ended inside a frame");
    /* What it wants is counted from the byte it has not consumed. */
    decoder->wanted = step.wanted;
    return SP_DECODE_MORE;
}

/* ---- by hand ---- */

enum {
    DECODER_BUFFER_MAX_DEFAULT = 17 * 1024 * 1024,
    /* An empty buffer larger than this is given back. */
    DECODER_KEEP = 16 * 1024,
};

struct sp_decoder {
    struct sp__decoder decoder;
    struct sp__buf rest;
    bool ended;
};

sp_err sp_decoder_create(const struct sp_codec *codec, const void *options, size_t buffer_max,
                         struct sp_decoder **out_decoder)
{
    struct sp_decoder *self = sp__calloc(1, sizeof(*self));
    if (self == NULL)
        return SP_ERR_NOMEM;
    sp_err err = sp__decoder_init(&self->decoder, codec, options);
    if (err != SP_OK) {
        sp__free(self);
        return err;
    }
    sp__buf_init(&self->rest, buffer_max != 0 ? buffer_max : DECODER_BUFFER_MAX_DEFAULT);
    *out_decoder = self;
    return SP_OK;
}

void sp_decoder_destroy(struct sp_decoder *decoder)
{
    if (decoder == NULL)
        return;
    sp__decoder_finish(&decoder->decoder);
    sp__buf_finish(&decoder->rest);
    sp__free(decoder);
}

sp_err sp_decoder_feed(struct sp_decoder *decoder, const void *bytes, size_t size)
{
    if (size == 0) {
        decoder->ended = true;
        return SP_OK;
    }
    return sp__buf_append(&decoder->rest, bytes, size);
}

enum sp_decode sp_decoder_next(struct sp_decoder *decoder, struct sp_frame *out_frame,
                               sp_err *out_err, const char **out_text)
{
    struct sp__window window = {
        .bytes = sp__buf_data(&decoder->rest),
        .size = sp__buf_len(&decoder->rest),
        .ended = decoder->ended,
    };
    size_t before = window.size;
    enum sp_decode said = sp__decoder_step(&decoder->decoder, &window, out_frame);
    /* Consuming does not move the bytes, so the frame stays where it is until the next feed. */
    sp__buf_consume(&decoder->rest, before - window.size);
    if (said == SP_DECODE_MORE && decoder->rest.capacity > DECODER_KEEP)
        sp__buf_trim(&decoder->rest);
    if (said != SP_DECODE_ERROR)
        return said;
    if (out_err != NULL)
        *out_err = decoder->decoder.error;
    if (out_text != NULL)
        *out_text = decoder->decoder.text;
    return said;
}
