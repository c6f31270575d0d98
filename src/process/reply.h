/* Replies: how an answer reaches the caller that waits for it.
 *
 * A reply does not pass through a mailbox. The caller waits with a token; whoever answers
 * finds the caller by its pid, claims the token, copies the result to where the caller
 * said, and wakes it. A claim fails once the caller has given up: the reply is dropped.
 *
 *   caller's stack: struct sp__pending -> slots: one per request (several in a multi-call)
 *
 * Threads: any with a context. Neighbours: runtime/actor.h (claim), behaviour/call.c.
 */
#ifndef SPAWNED_PROCESS_REPLY_H
#define SPAWNED_PROCESS_REPLY_H

#include "process/process.h"
#include "spawned/wait_graph.h"

/** Where the answer to one request goes. */
struct sp__pending_slot {
    void *out;
    uint32_t out_size;
    bool done;
    bool deferred; /* handled, and left for later */
    sp_err err;
    const struct sp_reason *reason; /* of the server's death; a reference */
};

struct sp__pending {
    struct sp__pending_slot *slots;
    size_t count;
    size_t remaining;
    void (*out_destroy)(void *out); /* of a reply that nobody will look at, or NULL */
    /* For who looks at the wait. */
    const struct sp_msg_type *type; /* of a call's request, or NULL */
    enum sp_wait_kind kind;
    sp_deadline deadline; /* of a call, */
    int64_t until;        /* and the instant it says */
    int64_t since;        /* other waits: when it began */
    bool first;           /* one success is enough */
    bool judges;          /* see SP__WAITS_JUDGES */
    bool several;         /* it is the beginning of a struct sp__pending_several */
};

/** Of a call to several. */
struct sp__pending_several {
    struct sp__pending pending;
    const void *targets; /* one for each slot, */
    sp_pid (*target)(const void *targets, size_t index);
};

/** An answer. */
struct sp__reply {
    sp_err err;
    const void *out; /* with SP_OK */
    uint32_t out_size;
    void (*out_destroy)(void *out);
    const struct sp_reason *reason; /* borrowed; or NULL */
};

/** Write an answer to its place. Context: who holds the claim on the wait, or the lock of one that was
 *  put aside. */
void sp__reply_write(struct sp__pending *pending, uint32_t index, const struct sp__reply *reply)
    SP_NONNULL;

/** Answer; a late reply is destroyed and counted. Ownership: `reply->out` is copied or moved.
 *  Context: any with a context. */
void sp__reply_send(const struct sp__reply_to *to, const struct sp__reply *reply) SP_NONNULL;

/** The same without a destructor. False: it was late, nobody has it. Context: any with a context. */
bool sp__reply_reach(const struct sp__reply_to *to, const struct sp__reply *reply) SP_NONNULL;

/** Let the caller know that its request was handled and left for later, for when it gives up.
 *  Context: any with a context. */
void sp__reply_defer(const struct sp__reply_to *to) SP_NONNULL;

/** The process ends while it waits: drops what was written to its slots. May run the replies'
 *  destructor. Context: the owner, its wait closed. */
void sp__pending_abandon(struct sp_process *self) SP_NONNULL;

/** `server` was given up: the requests that are its own, of those not answered, fail with DIED (a
 *  start with INITFAILED). `own`: one that is for one process only is its. Context: as of write. */
void sp__reply_fail_from(struct sp__pending *pending, bool own, sp_pid server,
                         const struct sp_reason *reason) SP_NONNULL;

/** Has the caller given up? Context: any with a context. */
bool sp__reply_expired(const struct sp__reply_to *to) SP_NONNULL;

/** A call nobody will answer: fails at its caller. Nothing for other messages.
 *  Context: any with a context. */
void sp__reply_fail_message(struct sp_message *message, sp_err err, const struct sp_reason *reason)
    SP_NONNULL_ARGS(1);

#endif
