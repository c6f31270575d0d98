#include "runtime/message.h"

#include "runtime/core.h"

struct sp_message *sp__message_new(const struct sp_msg_type *type, uint32_t size, unsigned flags,
                                   sp_pid from)
{
    struct sp__context *context = sp__context();
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

void sp__message_release(struct sp_message *message)
{
    struct sp__context *context = sp__context();
    sp__msg_free(&context->messages, &context->runtime->messages, message, message->pool_class);
}

void sp__message_destroy(struct sp_message *message)
{
    if (message->type->destroy != NULL)
        message->type->destroy(sp__message_payload(message));
    sp__message_release(message);
}
