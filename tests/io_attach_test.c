/* Streams attached to servers: frames between messages, backpressure, pausing, ending. */
#include "spawned/server.h"
#include "support/io.h"

#include <stdio.h>
#include <string.h>

/* ---- a server that reports what its stream gives it ---- */

enum { DESK_LOG_MAX = 16384 };

struct desk_args {
    struct sp_stream *released; /* adopted in init */
    sp_pid reports_to;          /* gets a note for each end */
    struct sp_attach attach;    /* codec and limits */
};

struct desk_log {
    char text[DESK_LOG_MAX];
};

/** What the next frames do. */
enum desk_mode {
    DESK_LOGS = 0,
    DESK_ECHOES,   /* sends the frame back, with an end of line */
    DESK_WAITS,    /* calls the gate in the middle of the frame */
    DESK_PAUSES,   /* pauses the stream after each frame */
    DESK_DROPS,    /* drops the stream in the middle of a batch */
    DESK_DETACHES, /* detaches after the first frame and reads on by itself */
    DESK_FLOODS,   /* answers each frame with 64 KiB */
    DESK_SERVES,   /* that too, and waits at the gate after each batch */
    DESK_STEPS,    /* pauses in each frame, and resumes after each batch */
    DESK_SWITCHES, /* from lines to lengths, after the line "switch" */
    DESK_FAULTS,
};

struct desk_text {
    const char *text; /* the case's, static */
};

struct desk_set {
    enum desk_mode mode;
    sp_pid gate;
};

SP_SERVER(desk, struct desk_args);
SP_CALL(desk, set, struct desk_set, sp_empty);
SP_CALL(desk, log, sp_empty, struct desk_log);
/** Answered as soon as the log ends with that text. */
SP_CALL(desk, await, struct desk_text, sp_empty);
SP_CALL(desk, resume, sp_empty, sp_empty);
SP_CALL(desk, queued, sp_empty, size_t);
SP_CALL(desk, touch, sp_empty, sp_err); /* reads the attached stream directly */

/** Waits at the gate until it is opened. */
SP_SERVER(barrier, sp_empty);
SP_CALL(barrier, pass, sp_empty, sp_empty);
SP_CALL(barrier, open, sp_empty, sp_empty);
/** Answered as soon as so many wait. */
SP_CALL(barrier, await, size_t, sp_empty);

struct desk {
    struct desk_args args;
    struct sp_stream *stream;
    struct desk_set set;
    struct desk_log log;
    size_t length;
    const char *awaited; /* NULL: nobody waits */
    sp_request awaiting;
};

static char flood[65536];

/* To the case, if it is still there. */
static void desk_report(const struct desk *self, int64_t number)
{
    sp_ignore(note_send(self->args.reports_to, &(struct note){ number, sp_self() }));
}

static bool desk_ends_with(const struct desk *self, const char *text)
{
    size_t want = strlen(text);
    return self->length >= want && strcmp(self->log.text + self->length - want, text) == 0;
}

static void desk_note(struct desk *self, const char *bytes, size_t size, char end)
{
    CHECK(self->length + size + 2 < DESK_LOG_MAX);
    memcpy(self->log.text + self->length, bytes, size);
    self->length += size;
    self->log.text[self->length++] = end;
    self->log.text[self->length] = '\0';
    if (self->awaited != NULL && desk_ends_with(self, self->awaited)) {
        self->awaited = NULL;
        CHECK_OK(desk_await_reply(self->awaiting, &(sp_empty){ 0 }));
    }
}

static void desk_attach(struct desk *self, const struct sp_codec *codec);

static void desk_detached(struct desk *self, struct sp_stream *stream)
{
    char bytes[64];
    size_t count;
    sp_err err;
    sp_stream_detach(stream);
    while ((err = sp_stream_read(stream, bytes, sizeof(bytes), IO_PATIENCE, &count)) == SP_OK)
        desk_note(self, bytes, count, '~');
    CHECK_ERR(err, SP_ERR_EOF);
    sp_stream_drop(stream);
    self->stream = NULL;
    desk_report(self, -1);
}

static sp_err desk_wait(const struct desk *self)
{
    sp_empty nothing;
    return barrier_pass((barrier_ref){ self->set.gate }, &(sp_empty){ 0 }, &nothing, sp_never());
}

static void desk_act(struct desk *self, struct sp_stream *stream, const struct sp_frame *frame)
{
    switch (self->set.mode) {
    case DESK_LOGS:
        break;
    case DESK_ECHOES:
        CHECK_OK(sp_stream_send_frame(stream, frame));
        break;
    case DESK_WAITS:
        /* It may end first, with the world: then nothing holds back the frames that came. */
        if (desk_wait(self) != SP_OK)
            sp_stream_pause(stream);
        break;
    case DESK_PAUSES:
    case DESK_STEPS:
        sp_stream_pause(stream);
        break;
    case DESK_DROPS:
        sp_stream_drop(stream);
        self->stream = NULL;
        desk_report(self, -2);
        break;
    case DESK_DETACHES:
        desk_detached(self, stream);
        break;
    case DESK_FLOODS:
    case DESK_SERVES:
        sp_ignore(sp_stream_send(stream, flood, sizeof(flood))); /* the peer may be gone */
        break;
    case DESK_SWITCHES:
        if (frame->size == 6 && memcmp(frame->bytes, "switch", 6) == 0) {
            sp_stream_detach(stream);
            desk_attach(self, &sp_length);
        }
        break;
    case DESK_FAULTS:
        __builtin_trap(); /* which Valgrind does not report */
    }
}

static void desk_on_frame(void *arg, struct sp_stream *stream, const struct sp_frame *frame)
{
    struct desk *self = arg;
    char copy[256];
    size_t size = frame->size < sizeof(copy) ? frame->size : sizeof(copy);
    memcpy(copy, frame->bytes, size);
    desk_note(self, frame->bytes, frame->size < 64 ? frame->size : 64, '|');
    desk_act(self, stream, frame);
    CHECK_MEM(frame->bytes, copy, size); /* valid until we return, whatever we did */
}

static void desk_on_batch(void *arg, struct sp_stream *stream)
{
    struct desk *self = arg;
    CHECK(stream == self->stream);
    desk_note(self, "", 0, '/');
    if (self->set.mode == DESK_SERVES)
        sp_ignore(desk_wait(self)); /* it may end first, with the world */
    else if (self->set.mode == DESK_STEPS)
        sp_stream_resume(stream);
}

static void desk_on_end(void *arg, struct sp_stream *stream, const struct sp_stream_end *end)
{
    struct desk *self = arg;
    CHECK(stream == self->stream);
    desk_note(self, sp_err_name(end->err), strlen(sp_err_name(end->err)), '.');
    desk_report(self, (int64_t)end->err);
}

static void desk_attach(struct desk *self, const struct sp_codec *codec)
{
    struct sp_attach attach = self->args.attach;
    attach.codec = codec;
    attach.arg = self;
    attach.on_frame = desk_on_frame;
    attach.on_batch = desk_on_batch;
    attach.on_end = attach.on_end == NULL ? desk_on_end : NULL;
    CHECK_OK(sp_stream_attach(self->stream, &attach));
    CHECK_ERR(sp_stream_attach(self->stream, &attach), SP_ERR_INVALID);
}

static sp_err desk_init(struct desk *self, const struct desk_args *args)
{
    self->args = *args;
    self->stream = args->released;
    sp_err err = sp_stream_adopt(self->stream);
    if (err == SP_OK)
        desk_attach(self, args->attach.codec);
    return err;
}

static sp_err desk_on_set(struct desk *self, const struct desk_set *in, sp_empty *out)
{
    (void)out;
    self->set = *in;
    return SP_OK;
}

static sp_err desk_on_log(struct desk *self, const sp_empty *in, struct desk_log *out)
{
    (void)in;
    *out = self->log;
    return SP_OK;
}

static sp_err desk_on_await(struct desk *self, const struct desk_text *in, sp_empty *out)
{
    (void)out;
    if (desk_ends_with(self, in->text))
        return SP_OK;
    CHECK_OK(sp_request_take(&self->awaiting));
    self->awaited = in->text;
    return SP_ERR_DEFERRED;
}

static sp_err desk_on_resume(struct desk *self, const sp_empty *in, sp_empty *out)
{
    (void)in;
    (void)out;
    sp_stream_resume(self->stream);
    return SP_OK;
}

static sp_err desk_on_queued(struct desk *self, const sp_empty *in, size_t *out)
{
    (void)in;
    *out = sp_stream_queued(self->stream);
    return SP_OK;
}

static sp_err desk_on_touch(struct desk *self, const sp_empty *in, sp_err *out)
{
    char byte;
    size_t count;
    (void)in;
    *out = sp_stream_read(self->stream, &byte, 1, sp_nowait(), &count);
    return SP_OK;
}

SP_STATE(desk, struct desk);
SP_ON_INIT(desk);
SP_ON_CALL(desk, set);
SP_ON_CALL(desk, log);
SP_ON_CALL(desk, await);
SP_ON_CALL(desk, resume);
SP_ON_CALL(desk, queued);
SP_ON_CALL(desk, touch);
SP_CLASS(desk, .init = desk__init);

/* ---- the barrier ---- */

struct barrier {
    sp_request waiting[16];
    size_t count;
    size_t awaited; /* 0: nobody waits for them */
    sp_request awaiting;
};

static void barrier_changed(struct barrier *self)
{
    if (self->awaited == 0 || self->count < self->awaited)
        return;
    self->awaited = 0;
    CHECK_OK(barrier_await_reply(self->awaiting, &(sp_empty){ 0 }));
}

static sp_err barrier_on_pass(struct barrier *self, const sp_empty *in, sp_empty *out)
{
    (void)in;
    (void)out;
    CHECK(self->count < 16);
    CHECK_OK(sp_request_take(&self->waiting[self->count++]));
    barrier_changed(self);
    return SP_ERR_DEFERRED;
}

static sp_err barrier_on_open(struct barrier *self, const sp_empty *in, sp_empty *out)
{
    (void)in;
    (void)out;
    for (size_t i = 0; i < self->count; i++)
        CHECK_OK(barrier_pass_reply(self->waiting[i], &(sp_empty){ 0 }));
    self->count = 0;
    return SP_OK;
}

static sp_err barrier_on_await(struct barrier *self, const size_t *in, sp_empty *out)
{
    (void)out;
    CHECK_OK(sp_request_take(&self->awaiting));
    self->awaited = *in;
    barrier_changed(self);
    return SP_ERR_DEFERRED;
}

SP_STATE(barrier, struct barrier);
SP_ON_CALL(barrier, pass);
SP_ON_CALL(barrier, open);
SP_ON_CALL(barrier, await);
SP_CLASS(barrier, .init = NULL);

/* ---- a case ---- */

struct rig {
    desk_ref desk;
    barrier_ref barrier;
    struct io_end peer;
};

static void order_release(void *arg)
{
    struct io_end *end = arg;
    CHECK_OK(sp_stream_release(end->stream));
}

static struct rig rig_open(const struct sp_attach *attach, const struct sp_socket_options *options)
{
    struct rig rig;
    io_open(NULL);
    struct io_link link = link_open(options);
    puppet_do(link.b.puppet, order_release, &link.b);
    puppet_exit(link.b.puppet, NULL);
    rig.peer = link.a;
    struct desk_args args = { link.b.stream, sp_self(), *attach };
    CHECK_OK(desk_start(&args, NULL, &rig.desk));
    CHECK_OK(barrier_start(&(sp_empty){ 0 }, NULL, &rig.barrier));
    return rig;
}

static struct rig rig_lines(void)
{
    return rig_open(&(struct sp_attach){ .codec = &sp_lines }, NULL);
}

static void rig_set(const struct rig *rig, enum desk_mode mode)
{
    sp_empty nothing;
    CHECK_OK(
        desk_set(rig->desk, &(struct desk_set){ mode, rig->barrier.pid }, &nothing, IO_PATIENCE));
}

/* Wait until the desk's log ends with that text. */
static void rig_await_log(const struct rig *rig, const char *text)
{
    sp_empty nothing;
    static struct desk_log log;
    sp_err err = desk_await(rig->desk, &(struct desk_text){ text }, &nothing, IO_PATIENCE);
    if (err == SP_OK)
        return;
    CHECK_OK(desk_log(rig->desk, &(sp_empty){ 0 }, &log, IO_PATIENCE));
    FAIL("the log is '%s', expected '%s' at its end", log.text, text);
}

/* The log without the ends of batches, which depend on how the bytes arrived. */
static void rig_check_frames(const struct rig *rig, const char *expected)
{
    static struct desk_log log;
    CHECK_OK(desk_log(rig->desk, &(sp_empty){ 0 }, &log, IO_PATIENCE));
    char *to = log.text;
    for (const char *at = log.text; *at != '\0'; at++)
        if (*at != '/')
            *to++ = *at;
    *to = '\0';
    CHECK_STR(log.text, expected);
}

static void rig_await_end(sp_err expected)
{
    CHECK_INT(expect_note(), expected);
}

/* ---- frames ---- */

TEST(attach_hands_out_frames_in_order)
{
    struct rig rig = rig_lines();
    CHECK_OK(end_write(&rig.peer, "one\ntwo\r\nthr", 12));
    rig_await_log(&rig, "one|two|/");
    CHECK_OK(end_write(&rig.peer, "ee\n", 3));
    CHECK_OK(end_shutdown(&rig.peer));
    rig_await_end(SP_ERR_EOF);
    rig_check_frames(&rig, "one|two|three|EOF.");
    io_close();
}

TEST(attach_byte_by_byte_gives_the_same_frames)
{
    struct rig rig = rig_lines();
    const char *text = "one\n\ntwo\r\nthree";
    for (const char *at = text; *at != '\0'; at++)
        CHECK_OK(end_write(&rig.peer, at, 1));
    CHECK_OK(end_shutdown(&rig.peer));
    rig_await_end(SP_ERR_EOF);
    rig_check_frames(&rig, "one||two|three|EOF.");
    io_close();
}

TEST(attach_without_a_codec_gives_what_was_read)
{
    struct rig rig = rig_open(&(struct sp_attach){ .codec = NULL }, NULL);
    CHECK_OK(end_write(&rig.peer, "abc", 3));
    rig_await_log(&rig, "abc|/");
    CHECK_OK(end_shutdown(&rig.peer));
    rig_await_end(SP_ERR_EOF);
    rig_check_frames(&rig, "abc|EOF.");
    io_close();
}

TEST(attach_batch_ends_after_all_frames_that_arrived)
{
    struct rig rig = rig_lines();
    CHECK_OK(end_write(&rig.peer, "a\nb\nc\nd\n", 8));
    rig_await_log(&rig, "a|b|c|d|/");
    io_close();
}

TEST(attach_large_frames_arrive_whole)
{
    enum { SIZE = 3 * 1024 * 1024 };
    static char frame[4 + SIZE];
    struct rig rig = rig_open(&(struct sp_attach){ .codec = &sp_length }, NULL);
    memset(frame, 'x', sizeof(frame));
    frame[0] = 0;
    frame[1] = (char)(SIZE >> 16);
    frame[2] = 0;
    frame[3] = 0;
    CHECK_OK(end_write(&rig.peer, frame, sizeof(frame)));
    CHECK_OK(end_write(&rig.peer, "\0\0\0\2hi", 6));
    rig_await_log(&rig, "hi|/");
    memset(frame, 'x', 64);
    memcpy(frame + 64, "|hi|", 5);
    rig_check_frames(&rig, frame);
    io_close();
}

TEST(attach_echo_answers_a_pipeline)
{
    struct rig rig = rig_lines();
    char text[401];
    for (int i = 0; i < 100; i++)
        snprintf(text + 4 * i, 5, "%03d\n", i);
    rig_set(&rig, DESK_ECHOES);
    CHECK_OK(end_write(&rig.peer, text, 400));
    end_expect(&rig.peer, text, 400);
    io_close();
}

TEST(attach_read_straight_down_is_invalid)
{
    struct rig rig = rig_lines();
    sp_err err;
    CHECK_OK(desk_touch(rig.desk, &(sp_empty){ 0 }, &err, IO_PATIENCE));
    CHECK_ERR(err, SP_ERR_INVALID);
    io_close();
}

static void order_attach(void *arg)
{
    struct io_order *order = arg;
    struct sp_attach attach = { .on_frame = desk_on_frame };
    order->err = sp_stream_attach(order->end->stream, &attach);
}

TEST(attach_is_for_servers)
{
    io_open(NULL);
    struct io_link link = link_open(NULL);
    struct io_order order = { .end = &link.a };
    puppet_do(link.a.puppet, order_attach, &order);
    CHECK_ERR(order.err, SP_ERR_NOTCONTEXT);
    link_close(&link);
    io_close();
}

/* ---- suspending, pausing, backpressure ---- */

static void rig_await_waiting(const struct rig *rig, size_t count)
{
    sp_empty nothing;
    CHECK_OK(barrier_await(rig->barrier, &count, &nothing, IO_PATIENCE));
}

static void rig_open_barrier(const struct rig *rig)
{
    sp_empty nothing;
    CHECK_OK(barrier_open(rig->barrier, &(sp_empty){ 0 }, &nothing, IO_PATIENCE));
}

TEST(attach_handler_may_suspend_and_keeps_its_frames)
{
    struct rig rig = rig_lines();
    rig_set(&rig, DESK_WAITS);
    CHECK_OK(end_write(&rig.peer, "one\ntwo\nthree\nfo", 16));
    rig_await_waiting(&rig, 1);
    CHECK_OK(end_write(&rig.peer, "ur\n", 3)); /* not read before the handler is done */
    for (int i = 0; i < 4; i++) {
        rig_await_waiting(&rig, 1);
        rig_open_barrier(&rig);
    }
    CHECK_OK(end_shutdown(&rig.peer));
    rig_await_end(SP_ERR_EOF);
    rig_check_frames(&rig, "one|two|three|four|EOF.");
    io_close();
}

TEST(attach_suspended_handler_holds_the_peer_back)
{
    struct rig rig = rig_open(&(struct sp_attach){ .codec = &sp_lines }, &link_small);
    static char much[1024 * 1024];
    memset(much, '\n', sizeof(much));
    rig_set(&rig, DESK_WAITS);
    CHECK_ERR(end_write_by(&rig.peer, much, sizeof(much), IO_MOMENT), SP_ERR_TIMEOUT);
    rig_await_waiting(&rig, 1);
    io_close();
}

TEST(attach_replies_go_out_while_a_later_handler_waits)
{
    struct rig rig = rig_lines();
    rig_set(&rig, DESK_ECHOES);
    CHECK_OK(end_write(&rig.peer, "first\n", 6));
    end_expect(&rig.peer, "first\n", 6);
    rig_set(&rig, DESK_WAITS);
    CHECK_OK(end_write(&rig.peer, "second\n", 7));
    rig_await_waiting(&rig, 1);
    io_close();
}

static void rig_resume(const struct rig *rig)
{
    sp_empty nothing;
    CHECK_OK(desk_resume(rig->desk, &(sp_empty){ 0 }, &nothing, IO_PATIENCE));
}

TEST(attach_paused_hands_out_nothing_until_resumed)
{
    struct rig rig = rig_lines();
    rig_set(&rig, DESK_PAUSES);
    CHECK_OK(end_write(&rig.peer, "one\ntwo\nthree\n", 14));
    rig_await_log(&rig, "one|/");
    rig_resume(&rig);
    rig_await_log(&rig, "one|/two|/");
    CHECK_OK(end_write(&rig.peer, "four\n", 5));
    CHECK_OK(end_shutdown(&rig.peer));
    rig_resume(&rig);
    rig_resume(&rig);
    rig_await_log(&rig, "four|/"); /* and not its end */
    rig_resume(&rig);
    rig_await_end(SP_ERR_EOF);
    rig_check_frames(&rig, "one|two|three|four|EOF.");
    io_close();
}

TEST(attach_does_not_read_from_a_peer_that_does_not_read)
{
    struct rig rig = rig_open(&(struct sp_attach){ .codec = &sp_lines }, &link_small);
    enum { LINES = 200 };
    static char got[65536];
    char lines[LINES * 2];
    size_t queued;
    memset(flood, 'f', sizeof(flood));
    for (int i = 0; i < LINES; i++)
        memcpy(lines + 2 * i, "x\n", 2);
    rig_set(&rig, DESK_FLOODS);
    CHECK_OK(end_write(&rig.peer, lines, sizeof(lines)));
    rig_await_log(&rig, "x|/");
    /* 200 answers of 64 KiB are due; no more than what pauses it and one answer are queued. */
    CHECK_OK(desk_queued(rig.desk, &(sp_empty){ 0 }, &queued, IO_PATIENCE));
    CHECK(queued <= 2 * sizeof(flood));
    for (int i = 0; i < LINES; i++) {
        CHECK_OK(end_read_exact(&rig.peer, got, sizeof(flood), IO_PATIENCE));
        CHECK(memcmp(got, flood, sizeof(flood)) == 0);
    }
    io_close();
}

TEST(attach_goes_on_when_its_batch_resumes_it)
{
    struct rig rig = rig_lines();
    rig_set(&rig, DESK_STEPS);
    CHECK_OK(end_write(&rig.peer, "one\ntwo\nthree\n", 14));
    rig_await_log(&rig, "one|/two|/three|/");
    CHECK_OK(end_write(&rig.peer, "four\nfive\nsix", 13));
    CHECK_OK(end_shutdown(&rig.peer));
    rig_await_end(SP_ERR_EOF);
    rig_await_log(&rig, "four|/five|/six|/EOF.");
    io_close();
}

TEST(attach_goes_on_when_its_output_went_out_during_its_batch)
{
    struct rig rig =
        rig_open(&(struct sp_attach){ .codec = &sp_lines, .output_pause = 1024 }, &link_small);
    static char got[sizeof(flood)];
    memset(flood, 'f', sizeof(flood));
    rig_set(&rig, DESK_SERVES);
    CHECK_OK(end_write(&rig.peer, "x\nx\nx", 5));
    CHECK_OK(end_shutdown(&rig.peer));
    for (int i = 0; i < 3; i++) {
        rig_await_waiting(&rig, 1);
        CHECK_OK(end_read_exact(&rig.peer, got, sizeof(got), IO_PATIENCE));
        CHECK_MEM(got, flood, sizeof(got));
        rig_open_barrier(&rig);
    }
    rig_await_end(SP_ERR_EOF);
    io_close();
}

/* ---- limits ---- */

TEST(attach_frame_over_the_limit_ends_the_input)
{
    struct rig rig = rig_open(
        &(struct sp_attach){
            .codec = &sp_lines,
            .codec_options = &(struct sp_lines_options){ .line_max = 10 },
        },
        NULL);
    CHECK_OK(end_write(&rig.peer, "fine\n12345678901\nnever\n", 23));
    rig_await_end(SP_ERR_TOOBIG);
    rig_check_frames(&rig, "fine|TOOBIG.");
    io_close();
}

static enum sp_decode never_decode(void *state, struct sp_decoding *decoding)
{
    (void)state;
    (void)decoding;
    return SP_DECODE_MORE;
}

TEST(attach_decoder_that_never_ends_is_bounded)
{
    static const struct sp_codec never = { .name = "never", .decode = never_decode };
    static char much[1024 * 1024];
    struct rig rig =
        rig_open(&(struct sp_attach){ .codec = &never, .input_max = 100 * 1024 }, NULL);
    sp_ignore(end_write_by(&rig.peer, much, sizeof(much), IO_MOMENT));
    rig_await_end(SP_ERR_TOOBIG);
    io_close();
}

TEST(attach_idle_stream_times_out)
{
    rig_open(&(struct sp_attach){ .codec = &sp_lines, .idle_max = sp_ms(20) }, NULL);
    rig_await_end(SP_ERR_TIMEOUT);
    io_close();
}

TEST(attach_unfinished_frame_times_out_however_it_drips)
{
    struct rig rig =
        rig_open(&(struct sp_attach){ .codec = &sp_lines, .frame_time = sp_ms(50) }, NULL);
    CHECK_OK(end_write(&rig.peer, "whole\n", 6));
    rig_await_log(&rig, "whole|/");
    struct sp_message *message;
    do {
        CHECK_OK(end_write(&rig.peer, "x", 1));
    } while (sp_receive(sp_after_ms(5), &message) == SP_ERR_TIMEOUT);
    CHECK_INT(note_of(message)->number, SP_ERR_TIMEOUT);
    sp_message_free(message);
    io_close();
}

/* ---- the end ---- */

TEST(attach_eof_inside_a_frame_is_a_protocol_error)
{
    struct rig rig = rig_open(&(struct sp_attach){ .codec = &sp_length }, NULL);
    CHECK_OK(end_write(&rig.peer, "\0\0\0\5abc", 7));
    CHECK_OK(end_shutdown(&rig.peer));
    rig_await_end(SP_ERR_PROTOCOL);
    io_close();
}

TEST(attach_reset_ends_the_input)
{
    struct rig rig = rig_lines();
    CHECK_OK(end_write(&rig.peer, "abc\n", 4));
    rig_await_log(&rig, "abc|/");
    end_abort(&rig.peer);
    rig_await_end(SP_ERR_RESET);
    io_close();
}

TEST(attach_reset_in_mid_reply_ends_the_input)
{
    struct rig rig = rig_open(&(struct sp_attach){ .codec = &sp_lines }, &link_small);
    rig_set(&rig, DESK_FLOODS);
    CHECK_OK(end_write(&rig.peer, "x\nx\nx\nx\n", 8));
    end_expect(&rig.peer, flood, 100);
    end_abort(&rig.peer);
    rig_await_end(SP_ERR_RESET);
    io_close();
}

TEST(attach_server_still_writes_after_the_end_of_input)
{
    struct rig rig = rig_lines();
    rig_set(&rig, DESK_ECHOES);
    CHECK_OK(end_write(&rig.peer, "one\ntwo", 7));
    CHECK_OK(end_shutdown(&rig.peer));
    rig_await_end(SP_ERR_EOF);
    end_expect(&rig.peer, "one\ntwo\n", 8);
    io_close();
}

static void no_end(void *arg, struct sp_stream *stream, const struct sp_stream_end *end)
{
    (void)arg;
    (void)stream;
    (void)end;
}

TEST(attach_without_on_end_stops_the_server)
{
    /* The rig turns a given on_end into none. */
    struct rig rig = rig_open(&(struct sp_attach){ .codec = &sp_lines, .on_end = no_end }, NULL);
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(rig.desk.pid, &ref));
    CHECK_OK(end_shutdown(&rig.peer));
    expect_down(ref, rig.desk.pid, "normal");
    end_expect_eof(&rig.peer);
    io_close();
}

TEST(attach_without_on_end_tells_what_the_peer_did)
{
    struct rig rig = rig_open(
        &(struct sp_attach){
            .codec = &sp_lines,
            .codec_options = &(struct sp_lines_options){ .line_max = 3 },
            .on_end = no_end,
        },
        NULL);
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(rig.desk.pid, &ref));
    CHECK_OK(end_write(&rig.peer, "12345", 5));
    expect_down(ref, rig.desk.pid, "shutdown(connection ended: the line is too long)");
    io_close();
}

TEST(attach_stream_may_be_dropped_in_the_middle_of_a_batch)
{
    struct rig rig = rig_lines();
    rig_set(&rig, DESK_DROPS);
    CHECK_OK(end_write(&rig.peer, "one\ntwo\nthree\n", 14));
    CHECK_INT(expect_note(), -2);
    rig_check_frames(&rig, "one|");
    io_close();
}

TEST(attach_stream_detached_goes_on_with_what_was_not_decoded)
{
    struct rig rig = rig_lines();
    rig_set(&rig, DESK_DETACHES);
    CHECK_OK(end_write(&rig.peer, "one\ntwo\nthr", 11));
    CHECK_OK(end_shutdown(&rig.peer)); /* the handler reads up to here */
    CHECK_INT(expect_note(), -1);
    rig_check_frames(&rig, "one|two\nthr~");
    io_close();
}

TEST(attach_may_switch_codecs_in_the_middle_of_a_batch)
{
    struct rig rig = rig_lines();
    rig_set(&rig, DESK_SWITCHES);
    CHECK_OK(end_write(&rig.peer, "one\nswitch\n\0\0\0\3abc\0\0\0\2de", 24));
    CHECK_OK(end_shutdown(&rig.peer));
    rig_await_end(SP_ERR_EOF);
    rig_check_frames(&rig, "one|switch|abc|de|EOF.");
    io_close();
}

TEST(attach_killed_while_a_handler_waits_leaves_nothing)
{
    struct rig rig = rig_lines();
    rig_set(&rig, DESK_WAITS);
    CHECK_OK(end_write(&rig.peer, "one\ntwo\n", 8));
    rig_await_waiting(&rig, 1);
    CHECK_OK(sp_kill(rig.desk.pid));
    wait_gone(rig.desk.pid);
    char byte;
    size_t count;
    sp_err err = end_read(&rig.peer, &byte, 1, IO_PATIENCE, &count);
    CHECK(err == SP_ERR_EOF || err == SP_ERR_RESET);
    io_close();
}

TEST(attach_fault_in_a_handler_closes_the_stream)
{
    struct rig rig = rig_lines();
    rig_set(&rig, DESK_FAULTS);
    CHECK_OK(end_write(&rig.peer, "one\ntwo\n", 8));
    wait_gone(rig.desk.pid);
    char byte;
    size_t count;
    CHECK(end_read(&rig.peer, &byte, 1, IO_PATIENCE, &count) != SP_OK);
    io_close();
}

/* Kill at any moment: while it reads, echoes, has output queued. */
TEST(attach_killed_at_any_moment_leaves_nothing)
{
    io_open(NULL);
    int before = io_open_files();
    for (int i = 0; i < 200; i++) {
        struct io_link link = link_open(&link_small);
        puppet_do(link.b.puppet, order_release, &link.b);
        struct desk_args args = { link.b.stream, sp_self(), { .codec = NULL } };
        desk_ref desk;
        sp_empty nothing;
        CHECK_OK(desk_start(&args, NULL, &desk));
        CHECK_OK(
            desk_set(desk, &(struct desk_set){ DESK_FLOODS, SP_PID_NONE }, &nothing, IO_PATIENCE));
        CHECK_OK(end_write(&link.a, "x", 1));
        for (int spin = 0; spin < i * 50; spin++)
            __asm__ volatile("");
        CHECK_OK(sp_kill(desk.pid));
        wait_gone(desk.pid);
        link_close(&link);
    }
    CHECK_INT(io_open_files(), before);
    while (queued() > 0)
        sp_message_free(expect_message());
    io_close();
}
