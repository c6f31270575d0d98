/* The way of nearly every message: inline, for those that send one.
 *
 * Threads: any with a context. Neighbours: send.h for all that is not ordinary.
 */
#ifndef SPAWNED_PROCESS_SEND_FAST_H
#define SPAWNED_PROCESS_SEND_FAST_H

#include "base/usdt.h"
#include "process/process.h"
#include "runtime/mailbox.h"

/** Into an ordinary mailbox with room; counts. False: it is not one, or is full, or the process
 *  is gone: nothing was done, and sp__send_message() does what is to be done.
 *  `*out_number`, on true only, is as in sp__mailbox_push(). Always inlined: the call would cost
 *  as much as the work.
 *  Ownership: taken on true. Context: any with a context, which is `context`. */
SP_NODISCARD __attribute__((always_inline)) static inline bool sp__send_fast(
    struct sp__context *context, sp_pid to, struct sp_message *message, uint32_t *out_number)
{
    bool sent = false;
    SP__USDT4(send, message, message->type, to.serial, to.slot);
    sp__epoch_enter(&context->epoch);
    struct sp_process *process = sp__process_lookup(context->runtime, to);
    if (process != NULL)
        sent = sp__mailbox_push_to(&process->actor, message, true, true, out_number) == SP_OK;
    sp__epoch_leave(&context->epoch);
    if (sent)
        sp__count(&context->counters.sent);
    return sent;
}

#endif
