/* A stream attached to a server: input is read when it comes, decoded, and handed out frame
 * by frame between the server's messages.
 *
 *   event input ──> turn: read into the stack ──> window ──> decoder ──> on_frame, on_frame, ...
 *                     ^        |                                 what is left over -> rest
 *                     └── arm ─┘ when all is read
 *
 * The turn reads into its own stack. A handler that does not suspend leaves the stack to the
 * worker again, so an idle stream holds no buffer but the beginning of an unfinished frame
 * (`rest`); a handler that suspends keeps the stack, and with it the frames that are not
 * handed out yet, and nothing is read meanwhile. That is the backpressure.
 *
 * A read that got less than it asked for found the socket empty: the turn then arms the event
 * without asking the system again. So one request costs one read.
 *
 * Invariants: while a turn runs or hands out nothing for a reason (`paused`, `blocked`,
 * `over`), the event is not armed; `window` is what the current turn has not decoded, in its
 * stack or in `rest`; an attachment that is undone inside its own turn is freed by the turn.
 *
 * Threads: the server's process. Neighbours: event.h, decoder.h, stream.h.
 */
#include "base/alloc.h"
#include "io/decoder.h"
#include "io/stream.h"
#include "process/scheduling.h"
#include "spawned/server.h"

#include <string.h>

enum {
    ATTACH_TURN_MAX_DEFAULT = 65536,
    ATTACH_INPUT_MAX_DEFAULT = 17 * 1024 * 1024,
    ATTACH_OUTPUT_PAUSE_DEFAULT = 65536,
    /* Input buffer on the stack: an eighth of a stack, 2 KiB to 16 KiB. */
    ATTACH_SCRATCH_LARGE = 16 * 1024,
    ATTACH_SCRATCH_MIDDLE = 8 * 1024,
    ATTACH_SCRATCH_SMALL = 2 * 1024,
    /* How much room is made in `rest` at once: at least, and at most beyond what is there. */
    ATTACH_GROW_MIN = 4 * 1024,
    ATTACH_GROW_MAX = 1024 * 1024,
};

/* What only streams with a time limit have. */
struct attached_clock {
    struct sp__time_event event;
    struct sp__attached *attached;
    int64_t input_ns; /* the last input */
    int64_t rest_ns;  /* since when a frame is unfinished; INT64_MAX: none is */
    int64_t armed_ns; /* what the event is armed for */
};

struct sp__attached {
    struct sp_attach options;
    struct sp_stream *stream;  /* NULL: undone inside the turn */
    struct sp__resource guard; /* then frees it, should the process end before the turn */
    struct sp__io_event input;
    struct sp__decoder decoder;
    struct sp__buf rest;
    struct sp__window window;
    struct attached_clock *clock;
    bool window_in_rest;
    bool in_turn;
    bool handed;    /* frames since the last on_batch */
    bool undecoded; /* `rest` may hold whole frames: handing out was stopped in between */
    bool paused;
    bool blocked; /* too much output waits */
    bool over;    /* on_end was called, or is due no more */
};

static void attached_free(struct sp__attached *self)
{
    if (self->options.codec != NULL)
        sp__decoder_finish(&self->decoder);
    sp__buf_finish(&self->rest);
    sp__free(self);
}

static void attached_abandoned(struct sp__resource *resource)
{
    attached_free(sp__container_of(resource, struct sp__attached, guard));
}

/* ---- time limits ---- */

static int64_t attached_now(struct sp__attached *self)
{
    return sp__now(sp__process_runtime(self->input.event.process));
}

static int64_t attached_due(const struct sp__attached *self)
{
    const struct attached_clock *clock = self->clock;
    int64_t due = INT64_MAX;
    if (self->options.idle_max.ns > 0)
        due = sp_time_add((sp_time){ clock->input_ns }, self->options.idle_max).ns;
    if (self->options.frame_time.ns > 0 && clock->rest_ns != INT64_MAX) {
        int64_t frame = sp_time_add((sp_time){ clock->rest_ns }, self->options.frame_time).ns;
        due = frame < due ? frame : due;
    }
    return due;
}

/* What comes after arming only makes it later, and then it is armed again when it fires; so a
 * busy stream arms no timer. Only the beginning of an unfinished frame can make it earlier. */
static void attached_watch(struct sp__attached *self)
{
    struct attached_clock *clock = self->clock;
    if (clock == NULL || self->over)
        return;
    int64_t due = attached_due(self);
    if (due == INT64_MAX || (clock->event.event.armed && clock->armed_ns <= due))
        return;
    sp__time_event_stop(&clock->event);
    clock->armed_ns = due;
    sp__time_event_arm(&clock->event, due);
}

static void attached_clock_input(struct sp__attached *self)
{
    if (self->clock != NULL)
        self->clock->input_ns = attached_now(self);
}

/* After a turn: is a frame unfinished, and since when? */
static void attached_clock_rest(struct sp__attached *self)
{
    struct attached_clock *clock = self->clock;
    if (clock == NULL)
        return;
    bool unfinished = sp__buf_len(&self->rest) > 0;
    if (!unfinished)
        clock->rest_ns = INT64_MAX;
    else if (clock->rest_ns == INT64_MAX || self->handed)
        clock->rest_ns = clock->input_ns;
    attached_watch(self);
}

/* ---- the end of the input ---- */

static void attached_default_end(const struct sp_stream_end *end)
{
    if (end->err == SP_ERR_EOF || end->err == SP_ERR_RESET)
        sp_server_stop_self(sp_reason_normal());
    else
        sp_server_stop_self(sp_reason_shutdown_with(
            "connection ended: %s", end->text != NULL ? end->text : sp_err_text(end->err)));
}

static void attached_end(struct sp__attached *self, sp_err err, const char *text)
{
    if (self->over || self->stream == NULL)
        return;
    self->over = true;
    struct sp_stream_end end = { .err = err, .text = text };
    if (self->options.on_end == NULL) {
        attached_default_end(&end);
        return;
    }
    struct sp_process *process = self->input.event.process;
    bool timed = sp__schedule_enter(process, "on_end");
    self->options.on_end(self->options.arg, self->stream, &end);
    if (timed)
        sp__schedule_exit(process);
}

/* ---- handing out ---- */

/* Does nothing keep the turn from going on? */
static bool attached_goes(const struct sp__attached *self)
{
    return self->stream != NULL && !self->paused && !self->blocked && !self->over;
}

/* A peer that does not take its replies is not read from. */
static void attached_check_output(struct sp__attached *self)
{
    struct sp_stream *stream = self->stream;
    if (stream == NULL || sp_stream_queued(stream) <= self->options.output_pause)
        return;
    self->blocked = true;
    /* Clears `blocked` at once where the system takes it. */
    sp__stream_flush_hook(&stream->flush);
}

/* Without a codec, a frame is all there is. */
static enum sp_decode attached_step(struct sp__attached *self, struct sp_frame *out_frame)
{
    struct sp__window *window = &self->window;
    if (self->options.codec != NULL)
        return sp__decoder_step(&self->decoder, window, out_frame);
    if (window->size == 0)
        return SP_DECODE_MORE;
    *out_frame = (struct sp_frame){ .bytes = window->bytes, .size = window->size };
    window->bytes += window->size;
    window->size = 0;
    return SP_DECODE_FRAME;
}

static void attached_batch(struct sp__attached *self)
{
    if (!self->handed || self->stream == NULL || self->over)
        return;
    if (self->options.on_batch == NULL)
        return;
    struct sp_process *process = self->input.event.process;
    bool timed = sp__schedule_enter(process, "on_batch");
    self->options.on_batch(self->options.arg, self->stream);
    if (timed)
        sp__schedule_exit(process);
}

static void attached_frame(struct sp__attached *self, const struct sp_frame *frame)
{
    struct sp_process *process = self->input.event.process;
    bool timed = sp__schedule_enter(process, "on_frame");
    self->options.on_frame(self->options.arg, self->stream, frame);
    if (timed)
        sp__schedule_exit(process);
}

static void attached_hand_out(struct sp__attached *self)
{
    enum sp_decode said = SP_DECODE_FRAME;
    self->handed = false;
    while (attached_goes(self)) {
        struct sp_frame frame;
        said = attached_step(self, &frame);
        if (said != SP_DECODE_FRAME)
            break;
        self->handed = true;
        attached_frame(self, &frame);
        attached_check_output(self);
    }
    self->undecoded = said == SP_DECODE_FRAME;
    attached_batch(self);
    attached_check_output(self);
    if (said == SP_DECODE_ERROR)
        attached_end(self, self->decoder.error, self->decoder.text);
}

/* ---- the window and the rest ---- */

/* What the window has not given out, back into `rest`. */
static sp_err attached_keep(struct sp__attached *self)
{
    struct sp__window *window = &self->window;
    sp_err err = SP_OK;
    if (self->window_in_rest)
        sp__buf_consume(&self->rest, sp__buf_len(&self->rest) - window->size);
    else if (window->size > 0)
        err = sp__buf_append(&self->rest, window->bytes, window->size);
    *window = (struct sp__window){ .bytes = NULL };
    self->window_in_rest = false;
    return err;
}

static void attached_open_rest(struct sp__attached *self, bool ended)
{
    self->window = (struct sp__window){
        .bytes = sp__buf_data(&self->rest),
        .size = sp__buf_len(&self->rest),
        .ended = ended,
    };
    self->window_in_rest = true;
}

static void attached_close_window(struct sp__attached *self)
{
    sp_err err = attached_keep(self);
    sp__buf_trim(&self->rest);
    if (err != SP_OK)
        attached_end(self, err, err == SP_ERR_TOOBIG ? "too much input is not decoded" : NULL);
    attached_clock_rest(self);
}

static void attached_decode_rest(struct sp__attached *self, bool ended)
{
    attached_open_rest(self, ended);
    attached_hand_out(self);
    attached_close_window(self);
}

/* ---- reading ---- */

/* Room in `rest`, in proportion to what has arrived, whatever length the peer promised. */
static sp_err attached_reserve(struct sp__attached *self)
{
    size_t have = sp__buf_len(&self->rest);
    size_t grow = have > ATTACH_GROW_MIN ? have : ATTACH_GROW_MIN;
    if (grow > ATTACH_GROW_MAX)
        grow = ATTACH_GROW_MAX;
    if (self->decoder.wanted > have && self->decoder.wanted - have < grow)
        grow = self->decoder.wanted - have;
    size_t left = self->rest.limit - have;
    if (left == 0)
        return SP_ERR_TOOBIG;
    return sp__buf_reserve(&self->rest, grow < left ? grow : left);
}

static sp_err attached_read_rest(struct sp__attached *self, size_t *out_count)
{
    sp_err err = attached_reserve(self);
    if (err != SP_OK)
        return err;
    err = sp__stream_read_now(self->stream, sp__buf_tail(&self->rest), sp__buf_room(&self->rest),
                              out_count);
    if (err != SP_OK)
        return err;
    sp__buf_commit(&self->rest, *out_count);
    attached_open_rest(self, false);
    return SP_OK;
}

/* A short rest goes in front of what is read, so that the next window is in one piece without
 * growing the rest. */
static sp_err attached_read_scratch(struct sp__attached *self, char *scratch, size_t size,
                                    size_t *out_count)
{
    size_t have = sp__buf_len(&self->rest);
    sp_err err = sp__stream_read_now(self->stream, scratch + have, size - have, out_count);
    if (err != SP_OK)
        return err;
    if (have > 0) {
        memcpy(scratch, sp__buf_data(&self->rest), have);
        sp__buf_consume(&self->rest, have);
    }
    self->window = (struct sp__window){ .bytes = scratch, .size = have + *out_count };
    return SP_OK;
}

/* Errors: SP__IO_AGAIN, TOOBIG, NOMEM, and why the input ended. */
static sp_err attached_read(struct sp__attached *self, char *scratch, size_t size,
                            size_t *out_count)
{
    sp_err err = sp__buf_len(&self->rest) <= size / 4
                     ? attached_read_scratch(self, scratch, size, out_count)
                     : attached_read_rest(self, out_count);
    if (err == SP_OK)
        attached_clock_input(self);
    return err;
}

/* The input is at its end: what is left may still be a frame. */
static void attached_finish(struct sp__attached *self, sp_err err)
{
    const char *text = NULL;
    if (err == SP_ERR_EOF) {
        do
            attached_decode_rest(self, true);
        while (self->undecoded && attached_goes(self));
        if (self->paused || self->blocked)
            return; /* goes on later, and comes here again */
    } else if (err == SP_ERR_TOOBIG) {
        text = "the frame is larger than the limit";
    }
    attached_end(self, err, text);
}

/* ---- the turn ---- */

static void attached_read_all(struct sp__attached *self, char *scratch, size_t size)
{
    size_t budget = self->options.turn_max;
    while (attached_goes(self)) {
        /* Handing out was stopped: before this turn, or in it, and what stopped it is over
         * already. The peer may wait for these answers before it sends more. */
        if (self->undecoded) {
            attached_decode_rest(self, false);
            continue;
        }
        if (budget == 0) {
            sp__event_post(&self->input.event); /* after the server's next message */
            return;
        }
        size_t count = 0;
        sp_err err = attached_read(self, scratch, size, &count);
        if (err == SP__IO_AGAIN) {
            if (sp__io_event_arm(&self->input))
                return;
        } else if (err != SP_OK) {
            attached_finish(self, err);
            return;
        } else {
            attached_hand_out(self);
            attached_close_window(self);
            budget -= count < budget ? count : budget;
        }
    }
}

static void attached_turn(struct sp__attached *self, char *scratch, size_t size)
{
    self->in_turn = true;
    attached_read_all(self, scratch, size);
    self->in_turn = false;
    if (self->stream == NULL) {
        sp__resource_remove(&self->guard);
        attached_free(self);
    }
}

static SP_NOINLINE void attached_turn_large(struct sp__attached *self)
{
    char scratch[ATTACH_SCRATCH_LARGE];
    attached_turn(self, scratch, sizeof(scratch));
}

static SP_NOINLINE void attached_turn_middle(struct sp__attached *self)
{
    char scratch[ATTACH_SCRATCH_MIDDLE];
    attached_turn(self, scratch, sizeof(scratch));
}

static SP_NOINLINE void attached_turn_small(struct sp__attached *self)
{
    char scratch[ATTACH_SCRATCH_SMALL];
    attached_turn(self, scratch, sizeof(scratch));
}

static void attached_run(struct sp__event *event)
{
    struct sp__attached *self = sp__container_of(event, struct sp__attached, input.event);
    size_t stack = sp__process_runtime(event->process)->options.stack_size;
    if (!attached_goes(self))
        return; /* whoever lets it go on posts the event again */
    if (stack >= 8 * (size_t)ATTACH_SCRATCH_LARGE)
        attached_turn_large(self);
    else if (stack >= 8 * (size_t)ATTACH_SCRATCH_MIDDLE)
        attached_turn_middle(self);
    else
        attached_turn_small(self);
}

static void attached_go_on(struct sp__attached *self)
{
    if (!self->in_turn && attached_goes(self))
        sp__event_post(&self->input.event);
}

void sp__attached_output_moved(struct sp_stream *stream)
{
    struct sp__attached *self = stream->attached;
    if (self == NULL)
        return;
    if (stream->broken != SP_OK && stream->broken != SP_ERR_CLOSED && stream->ended == SP_OK) {
        /* Who cannot be answered is not listened to. The turn says so, where handlers may run. */
        stream->ended = stream->broken;
        /* An event that waits for input cannot be posted. */
        sp__io_event_stop(&self->input);
        sp__event_post(&self->input.event);
    }
    if (self->blocked && sp_stream_queued(stream) <= self->options.output_pause / 2) {
        self->blocked = false;
        attached_go_on(self);
    }
}

static void attached_clock_run(struct sp__event *event)
{
    struct attached_clock *clock = sp__container_of(event, struct attached_clock, event.event);
    struct sp__attached *self = clock->attached;
    if (self->over)
        return;
    int64_t now = attached_now(self);
    if (self->paused || self->blocked) {
        /* It is not the peer that keeps us waiting, or not for input. */
        clock->input_ns = now;
        clock->rest_ns = clock->rest_ns == INT64_MAX ? INT64_MAX : now;
    }
    if (attached_due(self) > now) {
        attached_watch(self);
        return;
    }
    sp__io_event_stop(&self->input);
    self->in_turn = true;
    attached_end(self, SP_ERR_TIMEOUT, "nothing came in time");
    self->in_turn = false;
    if (self->stream == NULL) {
        sp__resource_remove(&self->guard);
        attached_free(self);
    }
}

/* ---- attaching ---- */

static void attached_defaults(struct sp_attach *options)
{
    if (options->input_max > SIZE_MAX / 2)
        options->input_max = SIZE_MAX / 2;
    if (options->turn_max == 0)
        options->turn_max = ATTACH_TURN_MAX_DEFAULT;
    if (options->input_max == 0)
        options->input_max = ATTACH_INPUT_MAX_DEFAULT;
    if (options->output_pause == 0)
        options->output_pause = ATTACH_OUTPUT_PAUSE_DEFAULT;
}

static sp_err attached_make_clock(struct sp__attached *self, struct sp_process *process)
{
    if (self->options.idle_max.ns <= 0 && self->options.frame_time.ns <= 0)
        return SP_OK;
    struct attached_clock *clock = sp__malloc(sizeof(*clock));
    if (clock == NULL)
        return SP_ERR_NOMEM;
    sp_err err = sp__time_event_init(&clock->event, process, attached_clock_run);
    if (err != SP_OK) {
        sp__free(clock);
        return err;
    }
    clock->attached = self;
    clock->input_ns = attached_now(self);
    clock->rest_ns = INT64_MAX;
    self->clock = clock;
    return SP_OK;
}

static sp_err attached_create(struct sp_stream *stream, const struct sp_attach *options,
                              struct sp__attached **out)
{
    struct sp__attached *self = sp__malloc(sizeof(*self));
    if (self == NULL)
        return SP_ERR_NOMEM;
    *self = (struct sp__attached){ .options = *options, .stream = stream };
    attached_defaults(&self->options);
    /* What a stopped turn leaves comes on top. */
    sp__buf_init(&self->rest, self->options.input_max + ATTACH_SCRATCH_LARGE);
    self->undecoded = sp__buf_len(&stream->input) > 0;
    sp_err err = SP_OK;
    if (options->codec != NULL)
        err = sp__decoder_init(&self->decoder, options->codec, options->codec_options);
    if (err != SP_OK) {
        sp__free(self);
        return err;
    }
    err = sp__io_event_init(&self->input, stream->owner, stream->io, SP__IO_IN, attached_run);
    if (err == SP_OK)
        err = attached_make_clock(self, stream->owner);
    if (err == SP_OK && sp__buf_len(&stream->input) > 0)
        err =
            sp__buf_append(&self->rest, sp__buf_data(&stream->input), sp__buf_len(&stream->input));
    if (err != SP_OK) {
        sp__free(self->clock);
        attached_free(self);
        return err;
    }
    *out = self;
    return SP_OK;
}

sp_err sp_stream_attach(struct sp_stream *stream, const struct sp_attach *options)
{
    struct sp__attached *self;
    if (!sp__stream_owned(stream) || !sp__process_is_server(stream->owner))
        return SP_ERR_NOTCONTEXT;
    if (stream->attached != NULL || options->on_frame == NULL)
        return SP_ERR_INVALID;
    sp_err err = attached_create(stream, options, &self);
    if (err != SP_OK)
        return err;
    sp__buf_finish(&stream->input);
    stream->attached = self;
    attached_watch(self);
    sp__event_post(&self->input.event);
    return SP_OK;
}

void sp__attached_detach(struct sp_stream *stream)
{
    struct sp__attached *self = stream->attached;
    if (self == NULL)
        return;
    sp__io_event_stop(&self->input);
    if (self->clock != NULL) {
        sp__time_event_stop(&self->clock->event);
        sp__free(self->clock);
        self->clock = NULL;
    }
    stream->attached = NULL;
    self->stream = NULL;
    /* Copied, not moved: the frame that is being handled may point into `rest`. Without memory
     * the next read says so. */
    if ((attached_keep(self) != SP_OK || sp__buf_append(&stream->input, sp__buf_data(&self->rest),
                                                        sp__buf_len(&self->rest)) != SP_OK) &&
        stream->ended == SP_OK)
        stream->ended = SP_ERR_NOMEM;
    if (!self->in_turn || stream->owner->stage != SP__EXIT_NOT) {
        attached_free(self);
        return;
    }
    self->guard = (struct sp__resource){ .late = true, .release = attached_abandoned };
    sp__resource_add(stream->owner, &self->guard);
}

void sp_stream_detach(struct sp_stream *stream)
{
    if (sp__stream_owned(stream))
        sp__attached_detach(stream);
}

void sp_stream_pause(struct sp_stream *stream)
{
    if (sp__stream_owned(stream) && stream->attached != NULL)
        stream->attached->paused = true;
}

void sp_stream_resume(struct sp_stream *stream)
{
    if (!sp__stream_owned(stream) || stream->attached == NULL)
        return;
    stream->attached->paused = false;
    attached_go_on(stream->attached);
}

sp_err sp_stream_send_frame(struct sp_stream *stream, const struct sp_frame *frame)
{
    if (!sp__stream_owned(stream))
        return SP_ERR_NOTCONTEXT;
    if (stream->broken != SP_OK)
        return stream->broken;
    struct sp__attached *self = stream->attached;
    if (self == NULL || self->options.codec == NULL || self->options.codec->encode == NULL)
        return SP_ERR_INVALID;
    sp_err err = self->options.codec->encode(self->decoder.state, frame, &stream->output);
    if (err == SP_OK)
        sp__stream_push_later(stream);
    return err;
}
