/* The protocol as a codec. See resp_codec.h. */
#include "resp_codec.h"

static sp_err codec_init(void *state, const void *options)
{
    resp_reader_init(state, options);
    return SP_OK;
}

static void codec_finish(void *state)
{
    resp_reader_finish(state);
}

static enum sp_decode codec_error(struct sp_decoding *decoding, sp_err error, const char *text)
{
    decoding->error = error;
    decoding->text = text;
    return SP_DECODE_ERROR;
}

static enum sp_decode codec_decode(void *state, struct sp_decoding *decoding)
{
    struct resp_reader *reader = state;
    for (;;) {
        /* The bytes are the stream's own copy, and inline commands are unquoted in place. */
        char *data = (char *)(uintptr_t)decoding->bytes + decoding->consumed;
        size_t size = decoding->size - decoding->consumed;
        if (size == 0)
            return SP_DECODE_MORE;
        switch (resp_read(reader, data, size)) {
        case RESP_MORE:
            decoding->wanted = reader->need;
            return SP_DECODE_MORE;
        case RESP_BROKEN:
            return codec_error(decoding, SP_ERR_PROTOCOL, reader->error);
        case RESP_NOMEM:
            return codec_error(decoding, SP_ERR_NOMEM, NULL);
        case RESP_REQUEST:
            break;
        }
        decoding->consumed += reader->used;
        if (reader->argc == 0)
            continue;
        decoding->frame = (struct sp_frame){ .bytes = data, .size = reader->used, .value = reader };
        return SP_DECODE_FRAME;
    }
}

const struct sp_codec kv_resp_codec = {
    .name = "resp",
    .state_size = sizeof(struct resp_reader),
    .init = codec_init,
    .finish = codec_finish,
    .decode = codec_decode,
};
