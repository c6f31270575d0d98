/* Memory of messages, for those on the path of every message: inline, with the context at hand.
 *
 * Threads: the context's own. Neighbours: runtime/message.h has the same out of line.
 */
#ifndef SPAWNED_RUNTIME_MESSAGE_POOL_H
#define SPAWNED_RUNTIME_MESSAGE_POOL_H

#include "runtime/core.h"

#include <string.h>

/** sp__message_new() on the context's own caches. */
SP_NODISCARD __attribute__((always_inline)) static inline struct sp_message *sp__message_take(
    struct sp__context *context, const struct sp_msg_type *type, uint32_t size, unsigned flags,
    sp_pid from)
{
    size_t bytes = sizeof(struct sp_message) + size;
    if (flags & SP__MESSAGE_CALL)
        bytes += SP__CALL_PART;
    uint8_t pool_class;
    struct sp_message *message =
        sp__msg_alloc(&context->messages, &context->runtime->messages, bytes, &pool_class);
    if (message == NULL)
        return NULL;
    message->type = type;
    message->from = from;
    message->size = size;
    message->pool_class = pool_class;
    message->flags = (uint16_t)flags;
    message->aux = 0;
    return message;
}

/** sp__message_release() to the context's own caches. */
static inline void sp__message_give(struct sp__context *context, struct sp_message *message)
{
    sp__msg_free(&context->messages, &context->runtime->messages, message, message->pool_class);
}

/** Copy a payload; most are a few words, for which a call of memcpy() costs more than the copy. */
static inline void sp__payload_copy(void *to, const void *from, size_t size)
{
    if (size == 8)
        memcpy(to, from, 8);
    else if (size == 16)
        memcpy(to, from, 16);
    else if (size == 1) /* sp_empty */
        memcpy(to, from, 1);
    else
        memcpy(to, from, size);
}

#endif
