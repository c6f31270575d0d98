#include "spawned/codec.h"

#include "support/test.h"

#include <string.h>

enum { TRACE_MAX = 4096 };

/* What a decoder said, as text: "frame|frame|!TOOBIG". */
struct trace {
    char text[TRACE_MAX];
    size_t length;
};

static void trace_add(struct trace *trace, const char *bytes, size_t size)
{
    CHECK(trace->length + size + 2 < TRACE_MAX);
    memcpy(trace->text + trace->length, bytes, size);
    trace->length += size;
    trace->text[trace->length++] = '|';
    trace->text[trace->length] = '\0';
}

/* False: it failed. */
static bool trace_drain(struct trace *trace, struct sp_decoder *decoder)
{
    for (;;) {
        struct sp_frame frame;
        sp_err err = SP_OK;
        const char *text = NULL;
        switch (sp_decoder_next(decoder, &frame, &err, &text)) {
        case SP_DECODE_MORE:
            return true;
        case SP_DECODE_FRAME:
            trace_add(trace, frame.bytes, frame.size);
            break;
        case SP_DECODE_ERROR:
            CHECK(text != NULL);
            trace_add(trace, "!", 1);
            trace_add(trace, sp_err_name(err), strlen(sp_err_name(err)));
            return false;
        }
    }
}

static void decode_in_steps(struct trace *trace, const struct sp_codec *codec, const void *options,
                            const char *input, size_t size, size_t step)
{
    struct sp_decoder *decoder;
    *trace = (struct trace){ .length = 0 };
    CHECK_OK(sp_decoder_create(codec, options, 0, &decoder));
    bool ok = true;
    for (size_t at = 0; ok && at < size; at += step) {
        CHECK_OK(sp_decoder_feed(decoder, input + at, size - at < step ? size - at : step));
        ok = trace_drain(trace, decoder);
    }
    CHECK_OK(sp_decoder_feed(decoder, NULL, 0));
    if (ok)
        (void)trace_drain(trace, decoder);
    sp_decoder_destroy(decoder);
}

static void check_decodes(const struct sp_codec *codec, const void *options, const char *input,
                          size_t size, const char *expected)
{
    for (size_t step = 1; step <= size + 1; step++) {
        struct trace trace;
        decode_in_steps(&trace, codec, options, input, size, step);
        if (strcmp(trace.text, expected) != 0)
            FAIL("in steps of %zu: '%s', expected '%s'", step, trace.text, expected);
    }
}

#define CHECK_DECODES(codec, options, input, expected) \
    check_decodes(codec, options, input, sizeof(input) - 1, expected)

/* ---- lines ---- */

TEST(lines_end_in_lf_or_crlf)
{
    CHECK_DECODES(&sp_lines, NULL, "one\ntwo\r\n\n\r\nthree\n", "one|two|||three|");
}

TEST(lines_keep_a_cr_that_ends_nothing)
{
    CHECK_DECODES(&sp_lines, NULL, "a\rb\nc\r\r\n", "a\rb|c\r|");
}

TEST(lines_count_an_unfinished_one_at_the_end)
{
    CHECK_DECODES(&sp_lines, NULL, "one\ntwo", "one|two|");
    CHECK_DECODES(&sp_lines, NULL, "one\r", "one\r|");
    CHECK_DECODES(&sp_lines, NULL, "one\n", "one|");
}

TEST(lines_of_the_limit_pass_and_longer_ones_fail)
{
    struct sp_lines_options options = { .line_max = 4 };
    CHECK_DECODES(&sp_lines, &options, "abcd\nabcd\r\nabcd", "abcd|abcd|abcd|");
    CHECK_DECODES(&sp_lines, &options, "ab\nabcde\nab\n", "ab|!|TOOBIG|");
    CHECK_DECODES(&sp_lines, &options, "abcd\rx\n", "!|TOOBIG|");
    CHECK_DECODES(&sp_lines, &options, "abcdefghijklm", "!|TOOBIG|");
    CHECK_DECODES(&sp_lines, &options, "abcd\r", "!|TOOBIG|");
}

TEST(lines_without_an_end_hold_no_more_than_the_limit)
{
    struct sp_lines_options options = { .line_max = 100 };
    struct sp_decoder *decoder;
    CHECK_OK(sp_decoder_create(&sp_lines, &options, 0, &decoder));
    struct trace trace = { .length = 0 };
    int fed = 0;
    do {
        CHECK_OK(sp_decoder_feed(decoder, "x", 1));
        fed++;
    } while (trace_drain(&trace, decoder));
    CHECK_INT(fed, 101);
    sp_decoder_destroy(decoder);
}

TEST(lines_encoded_are_decoded_again)
{
    struct sp_lines_options options = { .crlf = true };
    char state[64] = { 0 };
    struct sp_writer *writer;
    CHECK(sizeof(state) >= sp_lines.state_size);
    CHECK_OK(sp_lines.init(state, &options));
    CHECK_OK(sp_writer_create(0, &writer));
    CHECK_OK(sp_lines.encode(state, &(struct sp_frame){ "one", 3, NULL }, writer));
    CHECK_OK(sp_lines.encode(state, &(struct sp_frame){ "", 0, NULL }, writer));
    const char *bytes;
    size_t size = sp_writer_peek(writer, &bytes);
    check_decodes(&sp_lines, NULL, bytes, size, "one||");
    CHECK_INT(size, 7);
    sp_writer_destroy(writer);
}

TEST(lines_that_would_read_differently_are_not_encoded)
{
    struct sp_lines_options options = { .line_max = 5 };
    char state[64] = { 0 };
    struct sp_writer *writer;
    CHECK_OK(sp_lines.init(state, &options));
    CHECK_OK(sp_writer_create(0, &writer));
    CHECK_ERR(sp_lines.encode(state, &(struct sp_frame){ "a\nb", 3, NULL }, writer),
              SP_ERR_INVALID);
    CHECK_ERR(sp_lines.encode(state, &(struct sp_frame){ "a\r", 2, NULL }, writer), SP_ERR_INVALID);
    const char *bytes;
    CHECK_INT(sp_writer_peek(writer, &bytes), 0);
    sp_writer_destroy(writer);
}

/* ---- length ---- */

TEST(length_reads_both_byte_orders_and_all_widths)
{
    struct sp_length_options o1 = { .width = 1 };
    struct sp_length_options o2 = { .width = 2 };
    struct sp_length_options o2l = { .width = 2, .little_endian = true };
    struct sp_length_options o8 = { .width = 8 };
    CHECK_DECODES(&sp_length, &o1, "\3abc\0\1d", "abc||d|");
    CHECK_DECODES(&sp_length, &o2, "\0\3abc", "abc|");
    CHECK_DECODES(&sp_length, &o2l, "\3\0abc", "abc|");
    CHECK_DECODES(&sp_length, NULL, "\0\0\0\2hi\0\0\0\0", "hi||");
    CHECK_DECODES(&sp_length, &o8, "\0\0\0\0\0\0\0\2hi", "hi|");
}

TEST(length_may_count_itself)
{
    struct sp_length_options options = { .width = 2, .self = true };
    CHECK_DECODES(&sp_length, &options, "\0\5abc\0\2", "abc||");
    CHECK_DECODES(&sp_length, &options, "\0\1abc", "!|PROTOCOL|");
}

TEST(length_over_the_limit_fails_before_the_frame_arrives)
{
    struct sp_length_options options = { .frame_max = 5 };
    struct sp_length_options o8 = { .width = 8 };
    CHECK_DECODES(&sp_length, &options, "\0\0\0\5abcde", "abcde|");
    CHECK_DECODES(&sp_length, &options, "\0\0\0\6", "!|TOOBIG|");
    CHECK_DECODES(&sp_length, NULL, "\377\377\377\377", "!|TOOBIG|");
    CHECK_DECODES(&sp_length, &o8, "\377\377\377\377\377\377\377\377", "!|TOOBIG|");
}

TEST(length_cut_off_by_the_end_is_a_protocol_error)
{
    CHECK_DECODES(&sp_length, NULL, "\0\0\0\5abcd", "!|PROTOCOL|");
    CHECK_DECODES(&sp_length, NULL, "\0\0", "!|PROTOCOL|");
}

TEST(length_varints_are_read_in_their_shortest_form_only)
{
    struct sp_length_options options = { .form = SP_LENGTH_VARINT, .frame_max = 1000 };
    char long_frame[2 + 300];
    memset(long_frame, 'x', sizeof(long_frame));
    long_frame[0] = (char)0xac;
    long_frame[1] = 2;
    char expected[302];
    memset(expected, 'x', 300);
    memcpy(expected + 300, "|", 2);
    CHECK_DECODES(&sp_length, &options, "\3abc\0", "abc||");
    check_decodes(&sp_length, &options, long_frame, sizeof(long_frame), expected);
    CHECK_DECODES(&sp_length, &options, "\203\0abc", "!|PROTOCOL|");
    CHECK_DECODES(&sp_length, &options, "\350\7", "!|PROTOCOL|"); /* 1000, and no frame */
    CHECK_DECODES(&sp_length, &options, "\351\7", "!|TOOBIG|");
    CHECK_DECODES(&sp_length, &options, "\377\377\377\377\377\377\377\377\377\1", "!|TOOBIG|");
    CHECK_DECODES(&sp_length, &options, "\377\377\377\377\377\377\377\377\377\2", "!|PROTOCOL|");
    CHECK_DECODES(&sp_length, &options, "\377\377\377\377\377\377\377\377\377\377\1",
                  "!|PROTOCOL|");
}

static void check_length_round_trip(const struct sp_length_options *options, size_t size)
{
    char state[64] = { 0 };
    static char content[70000];
    struct sp_writer *writer;
    struct sp_decoder *decoder;
    memset(content, 'q', size);
    CHECK(sizeof(state) >= sp_length.state_size);
    CHECK_OK(sp_length.init(state, options));
    CHECK_OK(sp_writer_create(0, &writer));
    CHECK_OK(sp_length.encode(state, &(struct sp_frame){ content, size, NULL }, writer));
    const char *bytes;
    size_t encoded = sp_writer_peek(writer, &bytes);
    struct sp_frame frame;
    CHECK_OK(sp_decoder_create(&sp_length, options, 0, &decoder));
    CHECK_OK(sp_decoder_feed(decoder, bytes, encoded));
    CHECK_INT(sp_decoder_next(decoder, &frame, NULL, NULL), SP_DECODE_FRAME);
    CHECK_INT(frame.size, size);
    CHECK_MEM(frame.bytes, content, size);
    CHECK_INT(sp_decoder_next(decoder, &frame, NULL, NULL), SP_DECODE_MORE);
    sp_decoder_destroy(decoder);
    sp_writer_destroy(writer);
}

TEST(length_frames_encoded_are_decoded_again)
{
    static const size_t sizes[] = { 0, 1, 127, 128, 255, 256, 16383, 16384, 65533, 65536 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_length_round_trip(NULL, sizes[i]);
        check_length_round_trip(&(struct sp_length_options){ .form = SP_LENGTH_VARINT }, sizes[i]);
        check_length_round_trip(&(struct sp_length_options){ .width = 8, .self = true }, sizes[i]);
        if (sizes[i] < 65534)
            check_length_round_trip(
                &(struct sp_length_options){ .width = 2, .self = true, .little_endian = true },
                sizes[i]);
    }
}

TEST(length_that_does_not_fit_is_not_encoded)
{
    struct sp_length_options options = { .width = 1, .self = true };
    char state[64] = { 0 };
    char content[256] = { 0 };
    struct sp_writer *writer;
    CHECK_OK(sp_length.init(state, &options));
    CHECK_OK(sp_writer_create(0, &writer));
    CHECK_OK(sp_length.encode(state, &(struct sp_frame){ content, 254, NULL }, writer));
    CHECK_ERR(sp_length.encode(state, &(struct sp_frame){ content, 255, NULL }, writer),
              SP_ERR_TOOBIG);
    sp_writer_destroy(writer);
}

TEST(length_options_out_of_range_are_invalid)
{
    struct sp_decoder *decoder;
    struct sp_length_options bad[] = {
        { .width = 3 },
        { .width = 9 },
        { .form = SP_LENGTH_VARINT, .self = true },
        { .form = SP_LENGTH_VARINT, .width = 4 },
        { .frame_max = SIZE_MAX },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(sp_decoder_create(&sp_length, &bad[i], 0, &decoder), SP_ERR_INVALID);
    CHECK_ERR(sp_decoder_create(&sp_lines, &(struct sp_lines_options){ .line_max = SIZE_MAX }, 0,
                                &decoder),
              SP_ERR_INVALID);
}

/* ---- decoders and writers ---- */

TEST(decoder_holds_no_more_than_its_bound)
{
    struct sp_decoder *decoder;
    CHECK_OK(sp_decoder_create(&sp_length, NULL, 10, &decoder));
    CHECK_OK(sp_decoder_feed(decoder, "\0\0\0\40abcdef", 10));
    CHECK_ERR(sp_decoder_feed(decoder, "g", 1), SP_ERR_TOOBIG);
    sp_decoder_destroy(decoder);
}

TEST(decoder_stays_failed)
{
    struct sp_decoder *decoder;
    struct sp_frame frame;
    sp_err err = SP_OK;
    CHECK_OK(
        sp_decoder_create(&sp_lines, &(struct sp_lines_options){ .line_max = 1 }, 0, &decoder));
    CHECK_OK(sp_decoder_feed(decoder, "abc\nd\n", 6));
    for (int i = 0; i < 2; i++) {
        CHECK_INT(sp_decoder_next(decoder, &frame, &err, NULL), SP_DECODE_ERROR);
        CHECK_ERR(err, SP_ERR_TOOBIG);
    }
    sp_decoder_destroy(decoder);
}

/* A decoder that keeps what it took in its own state, and counts how often it is asked. */
struct pairs_state {
    char held;
    bool holds;
    char pair[2];
    int asked;
};

static enum sp_decode pairs_decode(void *state, struct sp_decoding *decoding)
{
    struct pairs_state *self = state;
    self->asked++;
    if (decoding->size == 0)
        return SP_DECODE_MORE;
    decoding->consumed = 1;
    if (!self->holds) {
        self->held = decoding->bytes[0];
        self->holds = true;
        return SP_DECODE_MORE;
    }
    self->holds = false;
    self->pair[0] = self->held;
    self->pair[1] = decoding->bytes[0];
    decoding->frame = (struct sp_frame){ .bytes = self->pair, .size = 2, .value = self };
    return SP_DECODE_FRAME;
}

static const struct sp_codec pairs = {
    .name = "pairs",
    .state_size = sizeof(struct pairs_state),
    .decode = pairs_decode,
};

TEST(decoder_of_the_user_may_consume_without_a_frame)
{
    struct sp_decoder *decoder;
    struct sp_frame frame;
    CHECK_OK(sp_decoder_create(&pairs, NULL, 0, &decoder));
    CHECK_OK(sp_decoder_feed(decoder, "abc", 3));
    CHECK_INT(sp_decoder_next(decoder, &frame, NULL, NULL), SP_DECODE_MORE);
    CHECK_INT(sp_decoder_next(decoder, &frame, NULL, NULL), SP_DECODE_FRAME);
    CHECK_MEM(frame.bytes, "ab", 2);
    CHECK(frame.value != NULL);
    CHECK_INT(sp_decoder_next(decoder, &frame, NULL, NULL), SP_DECODE_MORE);
    sp_decoder_destroy(decoder);
}

TEST(decoder_is_not_asked_below_what_it_wants)
{
    /* A frame of 2^16 bytes, byte by byte: one look at the header, one at the whole. */
    struct sp_decoder *decoder;
    struct sp_frame frame;
    CHECK_OK(sp_decoder_create(&sp_length, NULL, 0, &decoder));
    CHECK_OK(sp_decoder_feed(decoder, "\0\1\0\0", 4));
    for (int i = 0; i < 65536; i++) {
        CHECK_INT(sp_decoder_next(decoder, &frame, NULL, NULL), SP_DECODE_MORE);
        CHECK_OK(sp_decoder_feed(decoder, "x", 1));
    }
    CHECK_INT(sp_decoder_next(decoder, &frame, NULL, NULL), SP_DECODE_FRAME);
    CHECK_INT(frame.size, 65536);
    sp_decoder_destroy(decoder);
}

TEST(codec_without_a_decoder_is_invalid)
{
    struct sp_codec none = { .name = "none" };
    struct sp_decoder *decoder;
    CHECK_ERR(sp_decoder_create(&none, NULL, 0, &decoder), SP_ERR_INVALID);
}

TEST(writer_refuses_what_is_over_its_limit)
{
    struct sp_writer *writer;
    const char *bytes;
    CHECK_OK(sp_writer_create(4, &writer));
    CHECK_OK(sp_writer_put(writer, "abc", 3));
    CHECK_ERR(sp_writer_put(writer, "de", 2), SP_ERR_FULL);
    CHECK_INT(sp_writer_peek(writer, &bytes), 3);
    CHECK_MEM(bytes, "abc", 3);
    sp_writer_drop(writer, 2);
    CHECK_OK(sp_writer_put(writer, "de", 2));
    CHECK_INT(sp_writer_peek(writer, &bytes), 3);
    CHECK_MEM(bytes, "cde", 3);
    sp_writer_destroy(writer);
}
