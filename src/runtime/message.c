#include "runtime/message.h"

#include "runtime/message_pool.h"

struct sp_message *sp__message_new(const struct sp_msg_type *type, uint32_t size, unsigned flags,
                                   sp_pid from)
{
    return sp__message_take(sp__context(), type, size, flags, from);
}

void sp__message_release(struct sp_message *message)
{
    sp__message_give(sp__context(), message);
}
