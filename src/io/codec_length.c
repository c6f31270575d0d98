/* The codec of frames that begin with their length; see spawned/codec.h.
 *
 * The length is judged as soon as it is there, before any of the frame is; from then on the
 * decoder says how many bytes it wants, and is not asked before they have come.
 */
#include "spawned/codec.h"

#include <string.h>

enum {
    LENGTH_MAX_DEFAULT = 16 * 1024 * 1024,
    LENGTH_WIDTH_DEFAULT = 4,
    LENGTH_VARINT_MAX = 10, /* bytes of a 64-bit number, seven bits each */
};

struct length_state {
    size_t frame_max;
    uint8_t form;
    uint8_t width;
    bool little_endian;
    bool self;
};

/* The length as it was read. */
struct length_header {
    uint64_t value;
    size_t size; /* its own bytes; 0: not all are there */
};

static sp_err length_init(void *state, const void *options)
{
    struct length_state *self = state;
    static const struct sp_length_options defaults;
    const struct sp_length_options *given = options != NULL ? options : &defaults;
    unsigned width = given->width != 0 ? given->width : LENGTH_WIDTH_DEFAULT;
    bool varint = given->form == SP_LENGTH_VARINT;
    if ((width != 1 && width != 2 && width != 4 && width != 8) ||
        (varint && (given->self || given->little_endian || given->width != 0)) ||
        given->frame_max > SIZE_MAX / 2)
        return SP_ERR_INVALID;
    *self = (struct length_state){
        .frame_max = given->frame_max != 0 ? given->frame_max : LENGTH_MAX_DEFAULT,
        .form = (uint8_t)given->form,
        .width = (uint8_t)width,
        .little_endian = given->little_endian,
        .self = given->self,
    };
    return SP_OK;
}

static enum sp_decode length_fail(struct sp_decoding *decoding, sp_err err, const char *text)
{
    decoding->error = err;
    decoding->text = text;
    return SP_DECODE_ERROR;
}

/* ---- the header ---- */

static uint64_t length_get_fixed(const struct length_state *self, const char *bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < self->width; i++) {
        unsigned at = self->little_endian ? self->width - 1 - i : i;
        value = value << 8 | (uint8_t)bytes[at];
    }
    return value;
}

static void length_put_fixed(const struct length_state *self, uint64_t value, char *bytes)
{
    for (unsigned i = 0; i < self->width; i++) {
        unsigned at = self->little_endian ? i : self->width - 1 - i;
        bytes[at] = (char)(uint8_t)(value >> (8 * i));
    }
}

/* False: not a number of 64 bits in its shortest form. */
static bool length_get_varint(const struct sp_decoding *decoding, struct length_header *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < decoding->size && i < LENGTH_VARINT_MAX; i++) {
        uint8_t byte = (uint8_t)decoding->bytes[i];
        if (i == LENGTH_VARINT_MAX - 1 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80)
            continue;
        if (byte == 0 && i > 0)
            return false;
        *out = (struct length_header){ .value = value, .size = i + 1 };
        return true;
    }
    *out = (struct length_header){ 0 };
    return true;
}

static size_t length_put_varint(uint64_t value, char *bytes)
{
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (char)(uint8_t)(value | 0x80);
    bytes[size++] = (char)(uint8_t)value;
    return size;
}

static enum sp_decode length_decode_fixed(const struct length_state *self,
                                          struct sp_decoding *decoding, struct length_header *out)
{
    *out = (struct length_header){ 0 };
    if (decoding->size < self->width) {
        decoding->wanted = self->width;
        return SP_DECODE_MORE;
    }
    uint64_t value = length_get_fixed(self, decoding->bytes);
    if (self->self && value < self->width)
        return length_fail(decoding, SP_ERR_PROTOCOL, "the length is less than its own size");
    *out = (struct length_header){
        .value = self->self ? value - self->width : value,
        .size = self->width,
    };
    return SP_DECODE_FRAME;
}

static enum sp_decode length_decode_varint(struct sp_decoding *decoding, struct length_header *out)
{
    if (!length_get_varint(decoding, out))
        return length_fail(decoding, SP_ERR_PROTOCOL, "the length is not a valid number");
    return out->size == 0 ? SP_DECODE_MORE : SP_DECODE_FRAME;
}

/* ---- frames ---- */

static enum sp_decode length_decode(void *state, struct sp_decoding *decoding)
{
    const struct length_state *self = state;
    struct length_header header;
    enum sp_decode said = self->form == SP_LENGTH_VARINT
                              ? length_decode_varint(decoding, &header)
                              : length_decode_fixed(self, decoding, &header);
    if (said != SP_DECODE_FRAME)
        return said;
    if (header.value > self->frame_max)
        return length_fail(decoding, SP_ERR_TOOBIG, "the frame is too long");
    size_t whole = header.size + (size_t)header.value;
    if (decoding->size < whole) {
        decoding->wanted = whole;
        return SP_DECODE_MORE;
    }
    decoding->consumed = whole;
    decoding->frame = (struct sp_frame){
        .bytes = decoding->bytes + header.size,
        .size = (size_t)header.value,
    };
    return SP_DECODE_FRAME;
}

static bool length_fits(const struct length_state *self, uint64_t value)
{
    return self->form == SP_LENGTH_VARINT || self->width == 8 || value >> (8 * self->width) == 0;
}

static sp_err length_encode(void *state, const struct sp_frame *frame, struct sp_writer *writer)
{
    const struct length_state *self = state;
    uint64_t value = frame->size + (self->self ? self->width : 0);
    if (frame->size > self->frame_max || !length_fits(self, value))
        return SP_ERR_TOOBIG;
    char *room;
    sp_err err = sp_writer_reserve(writer, LENGTH_VARINT_MAX + frame->size, &room);
    if (err != SP_OK)
        return err;
    size_t header = self->width;
    if (self->form == SP_LENGTH_VARINT)
        header = length_put_varint(value, room);
    else
        length_put_fixed(self, value, room);
    if (frame->size > 0)
        memcpy(room + header, frame->bytes, frame->size);
    sp_writer_commit(writer, header + frame->size);
    return SP_OK;
}

const struct sp_codec sp_length = {
    .name = "length",
    .state_size = sizeof(struct length_state),
    .init = length_init,
    .decode = length_decode,
    .encode = length_encode,
};
