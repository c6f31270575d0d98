/* What the process layer tells the watch of its thread: see runtime/watch.h.
 *
 * Each is one test of a pointer while nobody watches.
 * Threads: the owner, on the thread it runs on. Neighbours: send.c, receive.c, exit.c; behaviour/server.c and the
 * pools, which take messages too.
 */
#ifndef SPAWNED_PROCESS_WATCHED_H
#define SPAWNED_PROCESS_WATCHED_H

#include "process/process.h"
#include "runtime/watch.h"

/** A message was taken that no handler gets: a plain process has it, or it is done with. */
static inline void sp__watched_took(struct sp_process *self, struct sp_message *message)
{
    struct sp__context *context = sp__context();
    if (sp__watched(context))
        sp__watch_took(context, sp__process_label(self), false,
                       sp__mailbox_length(&self->actor) + 1, message, NULL);
}

/** sp__process_put_back() was done. */
static inline void sp__watched_put_back(struct sp__context *context,
                                        const struct sp_message *message)
{
    if (sp__watched(context) && !(message->flags & SP__MESSAGE_NOTICE))
        sp__watch_put_back(context);
}

/** A message is about to be sent, past the point of its send. */
static inline void sp__watched_send(struct sp__context *context, sp_pid to,
                                    struct sp_message *message)
{
    if (!sp__watched(context) || !sp__watch_stamps(context))
        return;
    sp__epoch_enter(&context->epoch);
    struct sp_process *process = sp__process_lookup(context->runtime, to);
    /* relaxed: one that comes in between makes it look later than it was. */
    bool waited =
        process != NULL && (atomic_load_explicit(&process->actor.state, memory_order_relaxed) &
                            SP__ACTOR_RECEIVING) != 0;
    sp__epoch_leave(&context->epoch);
    sp__watch_stamp(context, message, waited);
}

/** A supervisor has started this one again. */
static inline void sp__watched_restart(sp_pid pid)
{
    struct sp__context *context = sp__context();
    if (!sp__watched(context))
        return;
    sp__epoch_enter(&context->epoch);
    struct sp_process *process = sp__process_lookup(context->runtime, pid);
    if (process != NULL) {
        sp__lock_lock(&process->lock);
        if (!process->closed)
            sp__watch_restart(context, sp__process_label(process));
        sp__lock_unlock(&process->lock);
    }
    sp__epoch_leave(&context->epoch);
}

/** It has ended, with `reason` (NULL: normal); its behaviour has not finished yet. */
static inline void sp__watched_exit(struct sp_process *self, const struct sp_reason *reason)
{
    struct sp__context *context = sp__context();
    if (sp__watched(context))
        sp__watch_exit(context, sp__process_label(self),
                       reason == NULL ? SP_REASON_NORMAL : sp_reason_kind(reason));
}

#endif
