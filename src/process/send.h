/* Sending: from any thread with a context to any process of the runtime.
 *
 * Threads: any with a context. Neighbours: runtime/actor.h (push), receive.c, reply.h.
 */
#ifndef SPAWNED_PROCESS_SEND_H
#define SPAWNED_PROCESS_SEND_H

#include "process/process.h"

/** How a message is sent; see sp__send_message(). */
struct sp__send {
    sp_pid to;
    bool unbounded;  /* never refused */
    bool retries;    /* a refusal is not the end of the message */
    uint32_t number; /* out: its number in the mailbox */
    /* The user's code that it asks for, run when nothing of ours is open any more. */
    struct sp_message *dropped; /* to be destroyed; linked */
    sp_high_water_fn on_high_water;
    void *high_water_arg;
    uint32_t length;
};

/** Deliver a message, by the overflow policy of the receiver. Counts.
 *  Errors: NOPROC, FULL, SHUTDOWN, OVERLOAD. Ownership: taken on SP_OK only. Context: any with a context. */
SP_NODISCARD sp_err sp__send_message(struct sp__context *context, struct sp__send *send,
                                     struct sp_message *message) SP_NONNULL;

/** A copy of `*payload` to `to`, as if `from` had sent it.
 *  Errors, ownership: as sp_send(). Context: any thread with a context. */
SP_NODISCARD sp_err sp__send_from(struct sp_runtime *runtime, sp_pid from, sp_pid to,
                                  const struct sp_msg_type *type, const void *payload) SP_NONNULL;

/** A message of the running process, in no mailbox yet.
 *  Errors: NOMEM. Ownership: the payload as sp_send(). Context: process. */
SP_NODISCARD sp_err sp__message_create(const struct sp_msg_type *type, const void *payload,
                                       struct sp_message **out) SP_NONNULL;

/** Destroy a payload that could not be sent. */
static inline void sp__payload_destroy(const struct sp_msg_type *type, const void *payload)
{
    if (type->destroy != NULL)
        type->destroy((void *)(uintptr_t)payload);
}

/** The process ends: let in all who wait. Context: the owner. */
void sp__send_room_all(struct sp_process *self) SP_NONNULL;

#endif
