#include "process/trace_own.h"

#include "base/alloc.h"
#include "runtime/backend.h"

#include <string.h>

/* ---- the list ---- */

static bool own_applies(struct sp_process *self, const struct sp__trace_own *own,
                        struct sp_message *message)
{
    if (!sp__process_is_server(self))
        return true;
    if (message != NULL && (message->flags & SP__MESSAGE_TRACED))
        return own->under == sp__message_trace(message)->span;
    /* relaxed: the owner's. */
    return own->under == 0 && own->message == message &&
           own->handled == atomic_load_explicit(&self->handled, memory_order_relaxed);
}

const struct sp__trace_own *sp__trace_own_current(struct sp_process *self,
                                                  struct sp_message *message)
{
    struct sp__extra *extra = self->extra;
    const struct sp__trace_own *own = extra->spans;
    while (own != NULL && !own_applies(self, own, message))
        own = own->outer;
    return own;
}

static void own_unlist(struct sp__trace_own *own)
{
    struct sp__extra *extra = own->process->extra;
    struct sp__trace_own **place = &extra->spans;
    while (*place != own)
        place = &(*place)->outer;
    *place = own->outer;
    sp__resource_remove(&own->resource);
}

static void own_record(struct sp__trace_own *own, enum sp_trace_outcome outcome, sp_err err)
{
    struct sp_process *self = own->process;
    struct sp__trace *trace = sp__trace_of(sp__process_runtime(self));
    struct sp_trace_record record = {
        .context = own->context,
        .parent = own->parent,
        .kind = own->kind,
        .outcome = outcome,
        .err = err,
        .service = sp__process_label(self),
        .name = own->name,
        .pid = sp__process_pid(self),
        .from = own->from,
        .start = { own->begun_ns },
        .end = { sp__now(sp__process_runtime(self)) },
        .attributes = own->attributes,
    };
    record.pid.serial &= ~SP__SERIAL_DEAD;
    bool sampled = (own->context.flags & SP_TRACE_SAMPLED) != 0;
    own->attributes = NULL;
    if (trace == NULL || own->adopted || !sampled) {
        sp_trace_release(&record, 1);
        return;
    }
    if (own->state_size != 0 && (record.state = sp__malloc((size_t)own->state_size + 1)) != NULL) {
        memcpy(record.state, own->state, own->state_size);
        record.state[own->state_size] = '\0';
    }
    sp__trace_buffer_put(&trace->buffer, sp__context()->shard, &record, false);
}

/* It is on no list any more. */
static void own_end(struct sp__trace_own *own, enum sp_trace_outcome outcome, sp_err err)
{
    own_record(own, outcome, err);
    sp__free(own);
}

/* With the process. */
static void own_release(struct sp__resource *resource)
{
    struct sp__trace_own *own = sp__container_of(resource, struct sp__trace_own, resource);
    sp_err err;
    enum sp_trace_outcome outcome = sp__trace_outcome(own->process->exit, &err);
    own_unlist(own);
    own_end(own, outcome, err);
}

void sp__trace_own_done(struct sp_process *self, struct sp_message *message, sp_err result)
{
    struct sp__extra *extra = self->extra;
    if (!sp__process_is_server(self))
        return; /* what it opens is not for one message */
    for (struct sp__trace_own *own = extra->spans, *outer; own != NULL; own = outer) {
        outer = own->outer;
        if (!own_applies(self, own, message))
            continue;
        own_unlist(own);
        own_end(own, result == SP_OK ? SP_TRACE_OK : SP_TRACE_ERROR, result);
    }
}

/* Adopted ones of messages that were handled on the fast path, which does not look. */
static void own_forget_stale(struct sp_process *self)
{
    struct sp__extra *extra = self->extra;
    uint64_t handled = atomic_load_explicit(&self->handled, memory_order_relaxed);
    for (struct sp__trace_own *own = extra->spans, *outer; own != NULL; own = outer) {
        outer = own->outer;
        if (!own->adopted || own->under != 0 || own->handled == handled)
            continue;
        own_unlist(own);
        own_end(own, SP_TRACE_OK, SP_OK);
    }
}

/* Room for one more? */
static sp_err own_room(struct sp_process *self, struct sp__extra **out)
{
    struct sp__extra *extra = sp__process_extra(self);
    unsigned count = 0;
    if (extra == NULL)
        return SP_ERR_NOMEM;
    if (sp__process_is_server(self))
        own_forget_stale(self);
    for (const struct sp__trace_own *own = extra->spans; own != NULL; own = own->outer)
        count++;
    *out = extra;
    return count < SP_TRACE_OPEN_MAX ? SP_OK : SP_ERR_LIMIT;
}

static struct sp_message *own_message(struct sp_process *self)
{
    return sp__process_is_server(self) ? sp__process_handles(self) : NULL;
}

/* A new innermost one, of `process`; what it is of is the caller's to fill. Errors: NOMEM, LIMIT. */
static sp_err own_open(struct sp_process *process, const char *state, size_t state_size,
                       struct sp__trace_own **out)
{
    struct sp__extra *extra;
    sp_err err = own_room(process, &extra);
    if (err != SP_OK)
        return err;
    struct sp__trace_own *own = sp__calloc(1, sizeof(*own) + state_size);
    if (own == NULL)
        return SP_ERR_NOMEM;
    struct sp_message *message = own_message(process);
    own->process = process;
    own->message = message;
    own->handled = atomic_load_explicit(&process->handled, memory_order_relaxed);
    if (message != NULL && (message->flags & SP__MESSAGE_TRACED))
        own->under = sp__message_trace(message)->span;
    own->state_size = (uint32_t)state_size;
    if (state_size != 0)
        memcpy(own->state, state, state_size);
    own->begun_ns = sp__now(sp__process_runtime(process));
    own->resource.release = own_release;
    own->outer = extra->spans;
    extra->spans = own;
    if (message != NULL)
        message->flags |= SP__MESSAGE_SPANNED; /* what it sends is looked at */
    sp__resource_add(process, &own->resource);
    *out = own;
    return SP_OK;
}

/* ---- adopting ---- */

static void adopted_drop(struct sp_process *self)
{
    struct sp__extra *extra = self->extra;
    struct sp_message *message = own_message(self);
    for (struct sp__trace_own *own = extra == NULL ? NULL : extra->spans, *outer; own != NULL;
         own = outer) {
        outer = own->outer;
        if (!own->adopted || !own_applies(self, own, message))
            continue;
        own_unlist(own);
        own_end(own, SP_TRACE_OK, SP_OK);
    }
}

static size_t state_length(const char *state)
{
    size_t length = state == NULL ? 0 : strnlen(state, SP_TRACE_STATE_MAX + 1);
    return length > SP_TRACE_STATE_MAX ? 0 : length;
}

sp_err sp_trace_adopt(const char *traceparent, const char *tracestate)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    if (sp__trace_of(sp__process_runtime(self)) == NULL)
        return SP_ERR_NOTFOUND;
    struct sp_trace_context context;
    if (traceparent != NULL && sp_trace_parse(traceparent, &context) != SP_OK)
        return SP_ERR_INVALID;
    adopted_drop(self);
    if (traceparent == NULL)
        return SP_OK;
    struct sp__trace_own *own;
    sp_err err = own_open(self, tracestate, state_length(tracestate), &own);
    if (err != SP_OK)
        return err;
    own->adopted = true;
    own->context = context;
    own->name = "adopted";
    return SP_OK;
}

/* ---- spans of the program's own ---- */

sp_trace_span sp_trace_span_start(const char *name)
{
    sp_trace_span none = { 0 };
    struct sp__context *context = sp__context();
    struct sp_process *self = sp__process_self();
    struct sp__trace *trace = self == NULL ? NULL : sp__trace_of(context->runtime);
    if (trace == NULL)
        return none;
    struct sp__trace_at at;
    sp__trace_begin(context, trace, self, &at);
    if (at.place != SP__TRACE_HERE || !(at.context.flags & SP_TRACE_SAMPLED))
        return none;
    struct sp__trace_own *own;
    if (own_open(self, at.state, at.state_size, &own) != SP_OK) {
        sp__trace_buffer_lose(&trace->buffer, context->shard);
        return none;
    }
    own->kind = SP_TRACE_OWN;
    own->name = name;
    own->context = at.context;
    own->parent = at.context.span;
    own->context.span = sp__trace_id(context);
    return (sp_trace_span){ own->context.span };
}

/* NULL: it has ended, or is none. */
static struct sp__trace_own *own_find(sp_trace_span span)
{
    struct sp_process *self = span.id == 0 ? NULL : sp__process_self();
    struct sp__extra *extra = self == NULL ? NULL : self->extra;
    struct sp__trace_own *own = extra == NULL ? NULL : extra->spans;
    while (own != NULL && (own->adopted || own->context.span != span.id))
        own = own->outer;
    return own;
}

static void own_attribute(struct sp__trace_own *own, const char *key, const char *text,
                          int64_t number)
{
    size_t key_size = strnlen(key, SP_TRACE_VALUE_MAX) + 1;
    size_t text_size = text == NULL ? 0 : strnlen(text, SP_TRACE_VALUE_MAX) + 1;
    struct sp_trace_attribute *attribute =
        own->attribute_count >= SP_TRACE_ATTRIBUTES_MAX
            ? NULL
            : sp__malloc(sizeof(*attribute) + key_size + text_size);
    if (attribute == NULL)
        return;
    char *copy = (char *)(attribute + 1);
    memcpy(copy, key, key_size - 1);
    copy[key_size - 1] = '\0';
    *attribute = (struct sp_trace_attribute){ own->attributes, copy, NULL, number };
    if (text != NULL) {
        memcpy(copy + key_size, text, text_size - 1);
        copy[key_size + text_size - 1] = '\0';
        attribute->text = copy + key_size;
    }
    own->attributes = attribute;
    own->attribute_count++;
}

void sp_trace_span_set(sp_trace_span span, const char *key, const char *value)
{
    struct sp__trace_own *own = own_find(span);
    if (own != NULL)
        own_attribute(own, key, value, 0);
}

void sp_trace_span_set_int(sp_trace_span span, const char *key, int64_t value)
{
    struct sp__trace_own *own = own_find(span);
    if (own != NULL)
        own_attribute(own, key, NULL, value);
}

/* Begun for the same message, so one of the two within the other? */
static bool own_same(const struct sp__trace_own *own, const struct sp__trace_own *other)
{
    return own->under == other->under && own->message == other->message &&
           own->handled == other->handled;
}

void sp_trace_span_end(sp_trace_span span, sp_err result)
{
    struct sp__trace_own *last = own_find(span);
    struct sp__extra *extra = last == NULL ? NULL : last->process->extra;
    for (struct sp__trace_own *own = last == NULL ? NULL : extra->spans, *outer; own != NULL;
         own = outer) {
        outer = own == last ? NULL : own->outer;
        if (own != last && (sp__process_is_server(own->process) && !own_same(own, last)))
            continue;
        own_unlist(own);
        own_end(own, result == SP_OK ? SP_TRACE_OK : SP_TRACE_ERROR, result);
    }
}

/* ---- tasks ---- */

void sp__trace_task(struct sp_process *self, struct sp_process *task, const char *name)
{
    struct sp__context *context = sp__context();
    struct sp__trace *trace = sp__trace_of(context->runtime);
    struct sp__trace_at at;
    if (trace == NULL)
        return;
    sp__trace_begin(context, trace, self, &at);
    if (at.place != SP__TRACE_HERE)
        return;
    struct sp__trace_own *own;
    sp__process_enter();
    sp_err err = own_open(task, at.state, at.state_size, &own);
    sp__process_leave();
    if (err != SP_OK) {
        sp__trace_buffer_lose(&trace->buffer, context->shard);
        return;
    }
    own->kind = SP_TRACE_TASK;
    own->name = name;
    own->from = sp__process_pid(self);
    own->context = at.context;
    own->parent = at.context.span;
    own->context.span = sp__trace_id(context);
}

void sp__trace_task_done(struct sp_process *self, sp_err result)
{
    struct sp__extra *extra = self->extra;
    for (struct sp__trace_own *own; extra != NULL && (own = extra->spans) != NULL;) {
        own_unlist(own);
        own_end(own, result == SP_OK ? SP_TRACE_OK : SP_TRACE_ERROR, result);
    }
}
