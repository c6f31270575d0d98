/* The codec of lines; see spawned/codec.h.
 *
 * `scanned` keeps what was looked at already, so that a line that comes byte by byte costs
 * time in proportion to its length.
 */
#include "spawned/codec.h"

#include <string.h>

enum { LINES_MAX_DEFAULT = 65536 };

struct lines_state {
    size_t line_max;
    size_t scanned; /* bytes at the front without LF: not looked at again */
    bool crlf;
};

static sp_err lines_init(void *state, const void *options)
{
    struct lines_state *self = state;
    const struct sp_lines_options *given = options;
    self->line_max = LINES_MAX_DEFAULT;
    if (given == NULL)
        return SP_OK;
    if (given->line_max > SIZE_MAX / 2)
        return SP_ERR_INVALID;
    if (given->line_max != 0)
        self->line_max = given->line_max;
    self->crlf = given->crlf;
    return SP_OK;
}

static enum sp_decode lines_too_long(struct sp_decoding *decoding)
{
    decoding->error = SP_ERR_TOOBIG;
    decoding->text = "the line is too long";
    return SP_DECODE_ERROR;
}

static enum sp_decode lines_take(struct lines_state *self, struct sp_decoding *decoding,
                                 size_t length, size_t consumed)
{
    if (length > self->line_max)
        return lines_too_long(decoding);
    self->scanned = 0;
    decoding->consumed = consumed;
    decoding->frame = (struct sp_frame){ .bytes = decoding->bytes, .size = length };
    return SP_DECODE_FRAME;
}

/* No LF so far. A CR at the very end may be the first half of an ending, else it counts. */
static enum sp_decode lines_unfinished(struct lines_state *self, struct sp_decoding *decoding)
{
    size_t size = decoding->size;
    if (decoding->ended && size > 0)
        return lines_take(self, decoding, size, size);
    size_t certain = size > 0 && decoding->bytes[size - 1] == '\r' ? size - 1 : size;
    if (certain > self->line_max)
        return lines_too_long(decoding);
    self->scanned = size;
    return SP_DECODE_MORE;
}

static enum sp_decode lines_decode(void *state, struct sp_decoding *decoding)
{
    struct lines_state *self = state;
    const char *end = NULL;
    if (decoding->size > self->scanned)
        end = memchr(decoding->bytes + self->scanned, '\n', decoding->size - self->scanned);
    if (end == NULL)
        return lines_unfinished(self, decoding);
    size_t length = (size_t)(end - decoding->bytes);
    size_t consumed = length + 1;
    if (length > 0 && end[-1] == '\r')
        length--;
    return lines_take(self, decoding, length, consumed);
}

static sp_err lines_encode(void *state, const struct sp_frame *frame, struct sp_writer *writer)
{
    const struct lines_state *self = state;
    size_t size = frame->size;
    if (size > 0 && (memchr(frame->bytes, '\n', size) != NULL || frame->bytes[size - 1] == '\r'))
        return SP_ERR_INVALID; /* would be read as something else */
    char *room;
    sp_err err = sp_writer_reserve(writer, size + 2, &room);
    if (err != SP_OK)
        return err;
    if (size > 0)
        memcpy(room, frame->bytes, size);
    if (self->crlf)
        room[size++] = '\r';
    room[size++] = '\n';
    sp_writer_commit(writer, size);
    return SP_OK;
}

const struct sp_codec sp_lines = {
    .name = "lines",
    .state_size = sizeof(struct lines_state),
    .init = lines_init,
    .decode = lines_decode,
    .encode = lines_encode,
};
