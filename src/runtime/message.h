/* Messages as the mailbox sees them: a header, the part of a call, a payload.
 *
 *     +--------+------+------+-----------------+---------------------+---------+
 *     | next   | type | from | size class flags | call part (calls)   | payload |  trace part
 *     +--------+------+------+-----------------+---------------------+---------+  (traced ones)
 *
 * The payload is aligned to 16 bytes. A message is on one list at a time: a mailbox, the
 * receiver's saved list, or the list of those a process has taken out.
 *
 * Threads: built by the sender, then owned by whoever took it out of the mailbox.
 * Neighbours: runtime/actor.h (mailbox), runtime/msg_pool.h (memory), process/send.c.
 */
#ifndef SPAWNED_RUNTIME_MESSAGE_H
#define SPAWNED_RUNTIME_MESSAGE_H

#include "spawned/message.h"

#include <stdatomic.h>

struct sp_runtime;

/* Bits of sp_message.flags. */
enum {
    SP__MESSAGE_CALL = 1,        /* has a call part, somebody waits for the reply */
    SP__MESSAGE_TIMER = 2,       /* `aux` is the id of the timer that sent it */
    SP__MESSAGE_KEYED = 4,       /* `aux` is the id of a keyed timer: dropped when stale */
    SP__MESSAGE_ANSWERED = 16,   /* a call that was answered, or whose request was taken */
    SP__MESSAGE_RECEIVED = 32,   /* on the list of what a process has in hand */
    SP__MESSAGE_NOTICE = 8,      /* DOWN or EXIT: not counted in the mailbox's length */
    SP__MESSAGE_LAST_TICK = 64,  /* the timer is over with it */
    SP__MESSAGE_DESTROYED = 128, /* its payload was, or its destructor left by a fault */
    SP__MESSAGE_SIGNALLED = 512, /* a notice of sp_signal(), which are counted */
    SP__MESSAGE_STAMPED = 1024,  /* `aux` says when it was sent: see watch.h */
    SP__MESSAGE_TEMPLATE = 256,  /* of a timer that repeats: it sends copies; `aux`: the period */
    SP__MESSAGE_PASSED = 4096,   /* by its receiver, to one of the processes that read for it */
    SP__MESSAGE_SHOWN = 8192,    /* its receiver tells of it: see behaviour/sys.h */
    SP__MESSAGE_TRACED = 2048,   /* has a trace part; see process/trace.h for `aux` without one */
    SP__MESSAGE_SPANNED = 16384, /* who handles it has opened a span of its own meanwhile */
};

/* Bits of sp__reply_to.flags. */
enum {
    SP__REPLY_SINGLE = 1,  /* the caller waits for this reply alone */
    SP__REPLY_CHAINED = 2, /* the request is of a chain: sp__message_chain() */
};

/** Who waits for the reply to a call, and until when. */
struct sp__reply_to {
    sp_pid caller;
    uint64_t token;      /* of the caller's wait */
    int64_t deadline_ns; /* instant at which the caller gives up */
    uint32_t index;      /* which of the caller's requests (multi-call) */
    uint32_t flags;
};

/** Which trace a message belongs to, and when it was sent and its handling began: behind the
 *  payload of those with SP__MESSAGE_TRACED. */
struct sp__trace_part {
    uint64_t trace_high;
    uint64_t trace_low;
    uint64_t span;   /* what handling it is */
    uint64_t parent; /* the sender's */
    int64_t sent_ns;
    int64_t begun_ns;
    uint32_t flags;      /* of struct sp_trace_context */
    uint32_t state_size; /* bytes of `tracestate`, which follow */
    char state[];
};

struct sp_message {
    _Atomic(struct sp_message *) next; /* mailbox link; plain once taken out */
    const struct sp_msg_type *type;
    sp_pid from;
    uint32_t size; /* of the payload */
    uint8_t pool_class;
    uint8_t unused;
    uint16_t flags;
    uint64_t aux;
    _Alignas(16) char body[]; /* sp__reply_to if a call, then the payload */
};

/** Bytes of the call part, rounded so that the payload stays aligned. */
#define SP__CALL_PART ((sizeof(struct sp__reply_to) + 15) & ~(size_t)15)

static inline struct sp__reply_to *sp__message_call(struct sp_message *message)
{
    return (struct sp__reply_to *)(void *)message->body;
}

/** Which chain of calls a request belongs to, where SP__REPLY_CHAINED says so; else not written. See
 *  process/aside.h. */
static inline uint64_t *sp__message_chain(struct sp_message *message)
{
    _Static_assert(sizeof(struct sp__reply_to) + sizeof(uint64_t) <= SP__CALL_PART, "room behind");
    return (uint64_t *)(void *)(message->body + sizeof(struct sp__reply_to));
}

static inline void *sp__message_payload(struct sp_message *message)
{
    return message->body + ((message->flags & SP__MESSAGE_CALL) ? SP__CALL_PART : 0);
}

/** Of one with SP__MESSAGE_TRACED. */
static inline struct sp__trace_part *sp__message_trace(struct sp_message *message)
{
    size_t size = ((size_t)message->size + 15) & ~(size_t)15;
    return (struct sp__trace_part *)(void *)((char *)sp__message_payload(message) + size);
}

/* The link of a message that is in no mailbox: plain, only its holder uses it. */
static inline struct sp_message *sp__message_next(struct sp_message *message)
{
    return atomic_load_explicit(&message->next, memory_order_relaxed);
}
static inline void sp__message_set_next(struct sp_message *message, struct sp_message *next)
{
    atomic_store_explicit(&message->next, next, memory_order_relaxed);
}

/** A message with uninitialised payload, or NULL.
 *  Ownership: the caller's. Context: any thread with a context. */
struct sp_message *sp__message_new(const struct sp_msg_type *type, uint32_t size, unsigned flags,
                                   sp_pid from) SP_NODISCARD;

/** Destroys the payload, once. Context: any thread with a context. */
static inline void sp__message_empty(struct sp_message *message)
{
    if (message->type->destroy == NULL || (message->flags & SP__MESSAGE_DESTROYED))
        return;
    message->flags |= SP__MESSAGE_DESTROYED;
    message->type->destroy(sp__message_payload(message));
}

/** Frees a message, its payload not destroyed. Context: any thread with a context. */
void sp__message_release(struct sp_message *message) SP_NONNULL;

#endif
