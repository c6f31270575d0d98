/* Tracing inside: what a message carries, and how spans are recorded.
 *
 * A request that is followed, or came from outside with ids, is known by the trace part of each of its
 * messages (runtime/message.h). Such a message has a bit more in its flags than others, so that it
 * leaves the fast paths where it is sent and where it is handled.
 *
 * One that began here and is not followed has no ids until an operation of it fails. What its messages
 * carry is a number, in `aux`, which is free in messages without flags:
 *
 *     aux = number of the request << 1 | it is the first message;   0: in no request
 *
 * from which, with the pids of receiver and sender, the ids follow. So all that fails in one request is in one
 * trace, and the receiver's fast path knows nothing of it.
 *
 * The numbers are handed out inline, by the fast paths of who sends, as long as nobody but tracing wants to see what
 * is sent: then context.point is sp__point_ids.
 *
 * Which trace a process is in is not kept anywhere: it is that of the message that it handles, unless
 * it has opened a span of its own (trace_own.h). A message is the first of a request where its sender handles no
 * message of another process.
 *
 * Threads: any with a context; the state is made once, its switches are atomic.
 * Neighbours: trace_buffer.h keeps the spans; send.c, timer.c, receive.c and behaviour/ call this.
 */
#ifndef SPAWNED_PROCESS_TRACE_H
#define SPAWNED_PROCESS_TRACE_H

#include "process/process.h"
#include "process/trace_buffer.h"
#include "runtime/message_pool.h"
#include "spawned/trace.h"

/* Bits that a message may have while it is handled, whose `aux` is the number of its request and of what its handler
 * sends; and where the handler may have spans of its own. */
#define SP__TRACE_PLAIN (SP__MESSAGE_CALL | SP__MESSAGE_ANSWERED)
#define SP__TRACE_NUMBERED (SP__TRACE_PLAIN | SP__MESSAGE_SPANNED)

struct sp__trace {
    _Atomic bool on;
    _Atomic bool errors;      /* what fails in requests that are not followed is recorded */
    _Atomic uint32_t setting; /* counts the changes of the ratio */
    _Atomic uint64_t ratio;   /* bits of a double */
    struct sp__trace_buffer buffer;
};

/** Where a process is. */
enum sp__trace_place {
    SP__TRACE_NOWHERE, /* in a request that is in no trace */
    SP__TRACE_BEGIN,   /* in no request: what it sends begins one */
    SP__TRACE_NUMBER,  /* in one that is not followed: only `number` is valid */
    SP__TRACE_HERE,    /* in `context` */
};

struct sp__trace_at {
    enum sp__trace_place place;
    uint64_t number;
    struct sp_trace_context context;
    const char *state; /* borrowed */
    uint32_t state_size;
};

/** The state if tracing is on, else NULL. Context: any with a context. */
static inline struct sp__trace *sp__trace_of(struct sp_runtime *runtime)
{
    /* acquire: pairs with the release in start; its content is there. relaxed: a switch. */
    struct sp__trace *trace = atomic_load_explicit(&runtime->trace, memory_order_acquire);
    return trace != NULL && atomic_load_explicit(&trace->on, memory_order_relaxed) ? trace : NULL;
}

/** Where is the process? Context: the owner, tracing on. */
void sp__trace_at(struct sp_process *self, struct sp__trace_at *out) SP_NONNULL;

/** The same, where a request begins if it is in none; it is followed, or has a number, or is NOWHERE. */
void sp__trace_begin(struct sp__context *context, struct sp__trace *trace, struct sp_process *self,
                     struct sp__trace_at *out) SP_NONNULL;

/** The rare half of sp__trace_take(). */
SP_NODISCARD struct sp_message *sp__trace_take_slow(struct sp__context *context,
                                                    struct sp_process *self,
                                                    const struct sp_msg_type *type, uint32_t size,
                                                    unsigned flags) SP_NONNULL;

/** Of a server that handles a message of a request with a number: what it sends has the same. One with
 *  spans of its own has them for an ordinary message only where that has SPANNED. Context: the owner. */
__attribute__((always_inline)) static inline bool sp__trace_number_on(const struct sp_process *self,
                                                                      uint64_t *out_number)
{
    const struct sp_message *message = sp__process_handles(self);
    if (message == NULL || (message->flags & ~SP__TRACE_PLAIN) != 0)
        return false;
    *out_number = message->aux & ~UINT64_C(1);
    return *out_number != 0;
}

/** Of a plain process that has no message in its hands: a request begins, which is not followed. Context: the
 *  owner. */
__attribute__((always_inline)) static inline bool sp__trace_number_new(
    struct sp__context *context, const struct sp_process *self, uint64_t *out_number)
{
    const struct sp__extra *extra = self->extra;
    if (self->received != NULL || (extra != NULL && extra->spans != NULL))
        return false;
    /* relaxed: who sets it to 0 has no need to be heard at once. */
    if (context->trace_number >= atomic_load_explicit(&context->trace_stop, memory_order_relaxed))
        return false;
    context->trace_number += 2;
    *out_number = context->trace_number | 1;
    return true;
}

/** The number of what the running process sends, where no more than that is to be done with it. False: it goes
 *  past the point. Context: the owner; `point` is its context's, and not NULL. */
SP_NODISCARD __attribute__((always_inline)) static inline bool sp__trace_number(
    struct sp__context *context, sp__point_fn point, const struct sp_process *self,
    uint64_t *out_number)
{
    if (point != sp__point_ids)
        return false;
    return sp__process_is_server(self) ? sp__trace_number_on(self, out_number)
                                       : sp__trace_number_new(context, self, out_number);
}

/** sp__message_take() for something that the running process sends: in its trace, where it is in one
 *  and tracing is on. Context: process. */
SP_NODISCARD static inline struct sp_message *sp__trace_take(struct sp__context *context,
                                                             struct sp_process *self,
                                                             const struct sp_msg_type *type,
                                                             uint32_t size, unsigned flags)
{
    if (sp__trace_of(context->runtime) != NULL)
        return sp__trace_take_slow(context, self, type, size, flags);
    return sp__message_take(context, type, size, flags, sp__process_pid(self));
}

/** As sp__trace_take() for what is no message of a trace only by number (whose `aux` is used otherwise). */
SP_NODISCARD struct sp_message *sp__trace_take_ids(struct sp__context *context,
                                                   struct sp_process *self,
                                                   const struct sp_msg_type *type, uint32_t size,
                                                   unsigned flags) SP_NONNULL;

/** A message like `from`, of the same trace, with `flags` (TRACED is added): its payload is not
 *  filled. Context: any with a context. */
SP_NODISCARD struct sp_message *sp__trace_copy(struct sp__context *context, struct sp_message *from,
                                               unsigned flags) SP_NONNULL;

/** One with TRACED is sent only now: its timer fires. Context: any with a context. */
void sp__trace_sent(struct sp__context *context, struct sp_message *message) SP_NONNULL;

/* ---- spans of messages: of those with TRACED, or that failed; else they do nothing ---- */

/** Its handling begins. Context: the owner. */
void sp__trace_handle(struct sp_process *self, struct sp_message *message) SP_NONNULL;

/** Its handling has ended. Context: the owner. */
void sp__trace_handled(struct sp_process *self, struct sp_message *message, sp_err result)
    SP_NONNULL;

/** The process ends while it handles it. Context: the owner. */
void sp__trace_aborted(struct sp_process *self, struct sp_message *message,
                       const struct sp_reason *reason) SP_NONNULL;

/** Its caller had given up: it is not handled. Context: the owner. */
void sp__trace_expired(struct sp_process *self, struct sp_message *message) SP_NONNULL;

/** Outcome of a process that ends. */
enum sp_trace_outcome sp__trace_outcome(const struct sp_reason *reason, sp_err *out_err) SP_NONNULL;

/** The ids of a request that is known by its number, as far as `pid` handles it. */
struct sp_trace_context sp__trace_number_ids(struct sp_runtime *runtime, uint64_t number,
                                             sp_pid pid) SP_NONNULL;

/** A random id, not zero. Context: the context's thread. */
uint64_t sp__trace_id(struct sp__context *context) SP_NONNULL;

/** Everything goes. Context: the runtime's end. */
void sp__trace_free(struct sp_runtime *runtime) SP_NONNULL;

#endif
