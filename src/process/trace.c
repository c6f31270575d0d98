#include "process/trace.h"

#include "base/alloc.h"
#include "process/trace_own.h"
#include "runtime/backend.h"
#include "runtime/message_pool.h"
#include "runtime/watch.h"

#include <string.h>

enum {
    TRACE_BUFFER = 8192,
    TRACE_BUFFER_MIN = SP__TRACE_SHARDS,
    TRACE_BUFFER_MAX = 1 << 20,
    TRACE_NUMBER_BITS = 40, /* requests of a thread, before it takes a new range */
};

/* ---- switching ---- */

static double ratio_of(struct sp__trace *trace)
{
    uint64_t bits = atomic_load_explicit(&trace->ratio, memory_order_seq_cst);
    double ratio;
    memcpy(&ratio, &bits, sizeof(ratio));
    return ratio;
}

/* With contexts_lock held. */
static void ratio_set(struct sp_runtime *runtime, struct sp__trace *trace, double ratio)
{
    struct sp__list *contexts = &runtime->contexts;
    uint64_t bits;
    memcpy(&bits, &ratio, sizeof(bits));
    /* seq_cst, all: pair with draw_anew(). A number or two may still be handed out. */
    atomic_store_explicit(&trace->ratio, bits, memory_order_seq_cst);
    atomic_fetch_add_explicit(&trace->setting, 1, memory_order_seq_cst);
    for (struct sp__list *at = sp__list_first(contexts); at != NULL;
         at = sp__list_next(contexts, at))
        atomic_store_explicit(&sp__container_of(at, struct sp__context, link)->trace_stop, 0,
                              memory_order_seq_cst);
}

static bool ratio_valid(double ratio)
{
    return ratio >= 0 && ratio <= 1; /* and a number */
}

/* With the lock held. */
static sp_err trace_make(struct sp_runtime *runtime, uint32_t size, struct sp__trace **out)
{
    struct sp__trace *trace = atomic_load_explicit(&runtime->trace, memory_order_relaxed);
    uint32_t each = (size + SP__TRACE_SHARDS - 1) / SP__TRACE_SHARDS;
    *out = trace;
    if (trace != NULL)
        return trace->buffer.size == each ? SP_OK : SP_ERR_INVALID;
    trace = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*trace));
    if (trace == NULL)
        return SP_ERR_NOMEM;
    memset(trace, 0, sizeof(*trace));
    sp_err err = sp__trace_buffer_init(&trace->buffer, size);
    if (err != SP_OK) {
        sp__free(trace);
        return err;
    }
    *out = trace;
    /* release: pairs with the acquire in sp__trace_of(). */
    atomic_store_explicit(&runtime->trace, trace, memory_order_release);
    return SP_OK;
}

sp_err sp_trace_start(struct sp_runtime *runtime, const struct sp_trace_options *options)
{
    uint32_t size = options->buffer == 0 ? TRACE_BUFFER : options->buffer;
    if (!ratio_valid(options->ratio) || size < TRACE_BUFFER_MIN || size > TRACE_BUFFER_MAX)
        return SP_ERR_INVALID;
    struct sp__trace *trace;
    sp__lock_lock(&runtime->contexts_lock);
    sp_err err = trace_make(runtime, size, &trace);
    if (err == SP_OK) {
        ratio_set(runtime, trace, options->ratio);
        atomic_store_explicit(&trace->errors, !options->errors_dropped, memory_order_relaxed);
        atomic_store_explicit(&trace->on, true, memory_order_relaxed);
        sp__watch_traces(runtime, true);
    }
    sp__lock_unlock(&runtime->contexts_lock);
    return err;
}

void sp_trace_stop(struct sp_runtime *runtime)
{
    sp__lock_lock(&runtime->contexts_lock);
    struct sp__trace *trace = atomic_load_explicit(&runtime->trace, memory_order_relaxed);
    if (trace != NULL) {
        atomic_store_explicit(&trace->on, false, memory_order_relaxed);
        sp__watch_traces(runtime, false);
    }
    sp__lock_unlock(&runtime->contexts_lock);
}

bool sp_trace_started(struct sp_runtime *runtime)
{
    return sp__trace_of(runtime) != NULL;
}

/* On or off. */
static struct sp__trace *trace_any(struct sp_runtime *runtime)
{
    /* acquire: as in sp__trace_of(). */
    return atomic_load_explicit(&runtime->trace, memory_order_acquire);
}

sp_err sp_trace_sample(struct sp_runtime *runtime, double ratio)
{
    struct sp__trace *trace = trace_any(runtime);
    if (!ratio_valid(ratio))
        return SP_ERR_INVALID;
    if (trace == NULL)
        return SP_ERR_NOTFOUND;
    sp__lock_lock(&runtime->contexts_lock);
    ratio_set(runtime, trace, ratio);
    sp__lock_unlock(&runtime->contexts_lock);
    return SP_OK;
}

void sp_trace_stats(struct sp_runtime *runtime, struct sp_trace_stats *out)
{
    struct sp__trace *trace = trace_any(runtime);
    *out = (struct sp_trace_stats){ 0 };
    if (trace != NULL)
        sp__trace_buffer_stats(&trace->buffer, out);
}

size_t sp_trace_read(struct sp_runtime *runtime, struct sp_trace_record *records, size_t max)
{
    struct sp__trace *trace = trace_any(runtime);
    return trace == NULL ? 0 : sp__trace_buffer_take(&trace->buffer, records, max);
}

void sp__trace_free(struct sp_runtime *runtime)
{
    struct sp__trace *trace = trace_any(runtime);
    if (trace == NULL)
        return;
    sp__trace_buffer_end(&trace->buffer);
    sp__trace_buffer_finish(&trace->buffer);
    sp__free(trace);
}

/* ---- ids ---- */

uint64_t sp__trace_id(struct sp__context *context)
{
    uint64_t id = sp__random_next(&context->random);
    return id == 0 ? 1 : id;
}

/* The same at each call, and nothing tells which request is the neighbour. */
static uint64_t number_mix(struct sp_runtime *runtime, uint64_t number, uint64_t what)
{
    uint64_t state = sp__random_start(runtime->seed.k0 ^ what, number ^ runtime->seed.k1);
    uint64_t id = sp__random_next(&state);
    return id == 0 ? 1 : id;
}

struct sp_trace_context sp__trace_number_ids(struct sp_runtime *runtime, uint64_t number,
                                             sp_pid pid)
{
    number &= ~UINT64_C(1);
    return (struct sp_trace_context){
        .trace = { number_mix(runtime, number, 1), number_mix(runtime, number, 2) },
        .span = number_mix(runtime, number, sp_pid_key(pid) | UINT64_C(1) << 63),
    };
}

/* ---- numbers of requests ----
 *
 * Of a thread they follow each other. `trace_stop` is where the next request is followed instead, or the
 * range ends, or 0: each is looked at.
 */

/* The last of the range that a number is in. */
static inline uint64_t number_last(uint64_t number)
{
    return number | ((UINT64_C(1) << TRACE_NUMBER_BITS) - 2);
}

static inline bool number_over(const struct sp__context *context)
{
    return context->trace_number == 0 ||
           context->trace_number == number_last(context->trace_number);
}

/* A range that no other thread has: of the thread for its whole life, nearly always. */
static SP_NOINLINE void number_range(struct sp__context *context)
{
    /* relaxed: only uniqueness is asked for. */
    uint64_t range = atomic_fetch_add_explicit(&context->runtime->next_id, 1, memory_order_relaxed);
    context->trace_number = (range << TRACE_NUMBER_BITS) + 4;
}

static inline uint64_t number_next(struct sp__context *context)
{
    if (number_over(context))
        number_range(context);
    context->trace_number += 2;
    return context->trace_number | 1;
}

/* ---- which requests are followed ---- */

static double draw_fraction(struct sp__context *context)
{
    return (double)(sp__random_next(&context->random) >> 11) * 0x1p-53;
}

/* How many requests until the next that is followed, 1 / ratio on average; evenly spread, so that no
 * rhythm of the program's hides what is between. */
static uint32_t draw_left(struct sp__context *context, double ratio)
{
    double most = 2 / ratio - 1;
    double left = 1 + draw_fraction(context) * most;
    return left >= (double)UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

/* The requests before the next that is followed have numbers: how many, and so the first that has none. `number`:
 * the last that was handed out. */
static uint64_t draw_due(struct sp__context *context, double ratio, uint64_t number)
{
    return ratio > 0 ? number + 2 * ((uint64_t)draw_left(context, ratio) - 1) : UINT64_MAX;
}

/* One that is not merely to have the next number. */
static SP_NOINLINE bool draw_anew(struct sp__context *context, struct sp__trace *trace)
{
    /* seq_cst: pairs with ratio_set(): either the change is seen here, or trace_stop is 0 after us. */
    uint32_t setting = atomic_load_explicit(&trace->setting, memory_order_seq_cst);
    double ratio = ratio_of(trace);
    bool drawn = context->trace_drawn == setting && !number_over(context);
    bool followed = drawn && context->trace_number >= context->trace_due;
    context->trace_drawn = setting;
    if (ratio > 0.1) {
        atomic_store_explicit(&context->trace_stop, 0, memory_order_relaxed);
        return draw_fraction(context) < ratio; /* each for itself */
    }
    if (number_over(context))
        number_range(context);
    if (followed)
        context->trace_due = draw_due(context, ratio, context->trace_number);
    else if (!drawn)
        context->trace_due = draw_due(context, ratio, context->trace_number + 2);
    uint64_t last = number_last(context->trace_number);
    atomic_store_explicit(&context->trace_stop,
                          context->trace_due < last ? context->trace_due : last,
                          memory_order_seq_cst);
    if (atomic_load_explicit(&trace->setting, memory_order_seq_cst) != setting)
        atomic_store_explicit(&context->trace_stop, 0, memory_order_relaxed);
    return followed;
}

/* Is the request that begins now followed? Else it has a number. */
static bool draw(struct sp__context *context, struct sp__trace *trace, uint64_t *out_number)
{
    /* relaxed: as in number_new(). */
    bool counted =
        context->trace_number < atomic_load_explicit(&context->trace_stop, memory_order_relaxed);
    if (!counted && draw_anew(context, trace))
        return true;
    *out_number = number_next(context);
    return false;
}

/* ---- where a process is ---- */

/* What it handles, or has in its hands. */
static struct sp_message *trace_message(struct sp_process *self)
{
    return sp__process_is_server(self) ? sp__process_handles(self) : self->received;
}

static void at_message(struct sp_message *message, struct sp__trace_at *out)
{
    if (message->flags & SP__MESSAGE_TRACED) {
        struct sp__trace_part *part = sp__message_trace(message);
        out->place = SP__TRACE_HERE;
        out->context = (struct sp_trace_context){ { part->trace_high, part->trace_low },
                                                  part->span,
                                                  part->flags };
        out->state = part->state;
        out->state_size = part->state_size;
    } else if ((message->flags & ~SP__TRACE_NUMBERED) == 0 && message->aux != 0) {
        out->place = SP__TRACE_NUMBER;
        out->number = message->aux & ~UINT64_C(1);
    } else if ((message->flags & SP__MESSAGE_TIMER) || sp_pid_is_none(message->from)) {
        out->place = SP__TRACE_BEGIN;
    } else {
        out->place = SP__TRACE_NOWHERE;
    }
}

void sp__trace_at(struct sp_process *self, struct sp__trace_at *out)
{
    struct sp_message *message = trace_message(self);
    struct sp__extra *extra = self->extra;
    const struct sp__trace_own *own = NULL;
    if (extra != NULL && extra->spans != NULL)
        own = sp__trace_own_current(self, message);
    if (own != NULL) {
        out->place = SP__TRACE_HERE;
        out->context = own->context;
        out->state = own->state;
        out->state_size = own->state_size;
    } else if (message != NULL) {
        at_message(message, out);
    } else {
        out->place = SP__TRACE_BEGIN;
    }
}

void sp__trace_begin(struct sp__context *context, struct sp__trace *trace, struct sp_process *self,
                     struct sp__trace_at *out)
{
    sp__trace_at(self, out);
    if (out->place != SP__TRACE_BEGIN)
        return;
    if (draw(context, trace, &out->number)) {
        out->place = SP__TRACE_HERE;
        out->context = (struct sp_trace_context){ { sp__trace_id(context), sp__trace_id(context) },
                                                  0,
                                                  SP_TRACE_SAMPLED };
        out->state = NULL;
        out->state_size = 0;
    } else {
        out->place = SP__TRACE_NUMBER;
    }
}

/* As sp__trace_at(), with ids where there is only a number; false: in no trace that anybody hears of. */
static bool trace_ids(struct sp_process *self, struct sp__trace *trace, struct sp__trace_at *out)
{
    sp__trace_at(self, out);
    /* relaxed: a switch. */
    if (out->place == SP__TRACE_NUMBER &&
        atomic_load_explicit(&trace->errors, memory_order_relaxed)) {
        struct sp_runtime *runtime = sp__process_runtime(self);
        out->place = SP__TRACE_HERE;
        out->context = sp__trace_number_ids(runtime, out->number, sp__process_pid(self));
        out->state_size = 0;
    }
    return out->place == SP__TRACE_HERE;
}

bool sp_trace_current(struct sp_trace_context *out)
{
    struct sp_process *self = sp__process_self();
    struct sp__trace *trace = self == NULL ? NULL : sp__trace_of(sp__process_runtime(self));
    struct sp__trace_at at;
    bool some = trace != NULL && trace_ids(self, trace, &at);
    *out = some ? at.context : (struct sp_trace_context){ .span = 0 };
    return some;
}

size_t sp_trace_state(char *text, size_t size)
{
    struct sp_process *self = sp__process_self();
    struct sp__trace_at at = { .place = SP__TRACE_NOWHERE };
    if (size > 0)
        text[0] = '\0';
    if (self == NULL || sp__trace_of(sp__process_runtime(self)) == NULL)
        return 0;
    sp__trace_at(self, &at);
    if (at.place != SP__TRACE_HERE || at.state_size == 0 || at.state_size >= size)
        return 0;
    memcpy(text, at.state, at.state_size);
    text[at.state_size] = '\0';
    return at.state_size;
}

/* ---- what messages carry ---- */

/* Room for a trace part behind the payload; what is in the part is the caller's to fill. */
static struct sp_message *trace_new(struct sp__context *context, const struct sp_msg_type *type,
                                    uint32_t size, unsigned flags, sp_pid from, uint32_t state_size)
{
    size_t rounded = ((size_t)size + 15) & ~(size_t)15;
    size_t all = rounded + sizeof(struct sp__trace_part) + state_size;
    if (all > UINT32_MAX)
        return NULL;
    struct sp_message *message =
        sp__message_take(context, type, (uint32_t)all, flags | SP__MESSAGE_TRACED, from);
    if (message != NULL)
        message->size = size;
    return message;
}

static struct sp_message *trace_new_at(struct sp__context *context, struct sp_process *self,
                                       const struct sp_msg_type *type, uint32_t size,
                                       unsigned flags, const struct sp__trace_at *at)
{
    struct sp_message *message =
        trace_new(context, type, size, flags, sp__process_pid(self), at->state_size);
    if (message == NULL)
        return NULL;
    struct sp__trace_part *part = sp__message_trace(message);
    bool sampled = (at->context.flags & SP_TRACE_SAMPLED) != 0;
    *part = (struct sp__trace_part){ .trace_high = at->context.trace.high,
                                     .trace_low = at->context.trace.low,
                                     .span = sp__trace_id(context),
                                     .parent = at->context.span,
                                     .sent_ns = sampled ? sp__now(context->runtime) : 0,
                                     .flags = at->context.flags,
                                     .state_size = at->state_size };
    if (at->state_size != 0)
        memcpy(part->state, at->state, at->state_size);
    return message;
}

struct sp_message *sp__trace_take_slow(struct sp__context *context, struct sp_process *self,
                                       const struct sp_msg_type *type, uint32_t size,
                                       unsigned flags)
{
    struct sp__trace *trace = sp__trace_of(context->runtime);
    struct sp__trace_at at;
    at.place = SP__TRACE_NOWHERE;
    if (trace != NULL)
        sp__trace_begin(context, trace, self, &at);
    if (at.place == SP__TRACE_HERE)
        return trace_new_at(context, self, type, size, flags, &at);
    struct sp_message *message =
        sp__message_take(context, type, size, flags, sp__process_pid(self));
    if (message != NULL && at.place == SP__TRACE_NUMBER)
        message->aux = at.number;
    return message;
}

struct sp_message *sp__trace_take_ids(struct sp__context *context, struct sp_process *self,
                                      const struct sp_msg_type *type, uint32_t size, unsigned flags)
{
    struct sp__trace *trace = sp__trace_of(context->runtime);
    struct sp__trace_at at;
    if (trace != NULL && trace_ids(self, trace, &at))
        return trace_new_at(context, self, type, size, flags, &at);
    return sp__message_take(context, type, size, flags, sp__process_pid(self));
}

struct sp_message *sp__trace_copy(struct sp__context *context, struct sp_message *from,
                                  unsigned flags)
{
    const struct sp__trace_part *part = sp__message_trace(from);
    struct sp_message *message =
        trace_new(context, from->type, from->size, flags, from->from, part->state_size);
    if (message == NULL)
        return NULL;
    struct sp__trace_part *copy = sp__message_trace(message);
    memcpy(copy, part, sizeof(*part) + part->state_size);
    copy->span = sp__trace_id(context);
    copy->begun_ns = 0;
    if (part->flags & SP_TRACE_SAMPLED)
        copy->sent_ns = sp__now(context->runtime);
    return message;
}

void sp__trace_sent(struct sp__context *context, struct sp_message *message)
{
    struct sp__trace_part *part = sp__message_trace(message);
    if (part->flags & SP_TRACE_SAMPLED)
        part->sent_ns = sp__now(context->runtime);
}

/* ---- spans of messages ---- */

enum sp_trace_outcome sp__trace_outcome(const struct sp_reason *reason, sp_err *out_err)
{
    *out_err = SP_ERR_DIED;
    switch (sp_reason_kind(reason)) {
    case SP_REASON_NORMAL:
    case SP_REASON_SHUTDOWN:
        *out_err = SP_OK;
        return SP_TRACE_OK;
    case SP_REASON_FAULT:
        return SP_TRACE_FAULT;
    case SP_REASON_ERROR:
        *out_err = sp_reason_code(reason);
        return SP_TRACE_ERROR;
    default:
        return SP_TRACE_ERROR;
    }
}

void sp__trace_handle(struct sp_process *self, struct sp_message *message)
{
    if (!(message->flags & SP__MESSAGE_TRACED))
        return;
    struct sp__trace_part *part = sp__message_trace(message);
    if (part->flags & SP_TRACE_SAMPLED)
        part->begun_ns = sp__now(sp__process_runtime(self));
}

static char *state_copy(const struct sp__trace_part *part)
{
    char *text = part->state_size == 0 ? NULL : sp__malloc((size_t)part->state_size + 1);
    if (text == NULL)
        return NULL;
    memcpy(text, part->state, part->state_size);
    text[part->state_size] = '\0';
    return text;
}

/* The ids of something that failed, of a request that is not followed. */
static void record_number(struct sp_process *self, const struct sp_message *message,
                          struct sp_trace_record *record)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    bool known = (message->flags & ~SP__TRACE_NUMBERED) == 0 && message->aux != 0;
    uint64_t number = known ? message->aux : number_next(sp__context());
    record->context = sp__trace_number_ids(runtime, number, sp__process_pid(self));
    if (!(number & 1))
        record->parent = sp__trace_number_ids(runtime, number, message->from).span;
}

static void record_part(struct sp_message *message, struct sp_trace_record *record)
{
    const struct sp__trace_part *part = sp__message_trace(message);
    record->context =
        (struct sp_trace_context){ { part->trace_high, part->trace_low }, part->span, part->flags };
    record->parent = part->parent;
    record->state = state_copy(part);
    if (!(part->flags & SP_TRACE_SAMPLED))
        return;
    /* One that was not handled waited until now. */
    if (part->begun_ns != 0)
        record->start.ns = part->begun_ns;
    record->queued = sp_ns(record->start.ns - part->sent_ns);
}

/* What it took is an example for the metrics. */
static void record_example(const struct sp_message *message, const struct sp_trace_record *record)
{
    struct sp__context *context = sp__context();
    if (!sp__watched(context))
        return;
    struct sp__watch_example example = { .trace_high = record->context.trace.high,
                                         .trace_low = record->context.trace.low,
                                         .span = record->context.span,
                                         .wall_ns = sp_wall_ns() };
    sp__watch_example(context, record->service, message->type, record->end.ns - record->start.ns,
                      record->queued.ns, &example);
}

static void trace_record(struct sp_process *self, struct sp__trace *trace,
                         struct sp_message *message, enum sp_trace_outcome outcome, sp_err err)
{
    bool traced = (message->flags & SP__MESSAGE_TRACED) != 0;
    bool sampled = traced && (sp__message_trace(message)->flags & SP_TRACE_SAMPLED);
    /* relaxed: a switch. */
    if (!sampled &&
        (outcome == SP_TRACE_OK || !atomic_load_explicit(&trace->errors, memory_order_relaxed)))
        return;
    sp_time now = { sp__now(sp__process_runtime(self)) };
    struct sp_trace_record record = {
        .kind = SP_TRACE_OPERATION,
        .outcome = outcome,
        .err = err,
        .service = sp__process_label(self),
        .name = message->type->name,
        .pid = sp__process_pid(self),
        .from = message->from,
        .start = now,
        .end = now,
    };
    record.pid.serial &= ~SP__SERIAL_DEAD;
    if (traced)
        record_part(message, &record);
    else
        record_number(self, message, &record);
    if (sampled && sp__message_trace(message)->begun_ns != 0)
        record_example(message, &record);
    sp__trace_buffer_put(&trace->buffer, sp__context()->shard, &record, !sampled);
}

void sp__trace_handled(struct sp_process *self, struct sp_message *message, sp_err result)
{
    struct sp__trace *trace = sp__trace_of(sp__process_runtime(self));
    bool good = result == SP_OK || result == SP_ERR_DEFERRED;
    struct sp__extra *extra = self->extra;
    if (extra != NULL && extra->spans != NULL)
        sp__trace_own_done(self, message, good ? SP_OK : result);
    if (trace != NULL)
        trace_record(self, trace, message, good ? SP_TRACE_OK : SP_TRACE_ERROR,
                     good ? SP_OK : result);
}

void sp__trace_aborted(struct sp_process *self, struct sp_message *message,
                       const struct sp_reason *reason)
{
    struct sp__trace *trace = sp__trace_of(sp__process_runtime(self));
    sp_err err;
    enum sp_trace_outcome outcome = sp__trace_outcome(reason, &err);
    if (trace != NULL)
        trace_record(self, trace, message, outcome, err);
}

void sp__trace_expired(struct sp_process *self, struct sp_message *message)
{
    struct sp__trace *trace = sp__trace_of(sp__process_runtime(self));
    if (trace != NULL)
        trace_record(self, trace, message, SP_TRACE_EXPIRED, SP_ERR_TIMEOUT);
}
