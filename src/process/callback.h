/* Callbacks: a function to run in a process's context, between its messages.
 *
 * One that is `anytime` also runs while a handler is suspended, whenever the process looks
 * at its control lane: to flush output, for one.
 *
 * For what is not a message: a readable socket, for one. Posting is coalesced: a callback
 * that is posted already is not posted again until it runs. `run` may suspend.
 *
 * The owner of the callback's memory keeps it until it has neither been posted nor can be:
 * sp__callback_cancel() in the process takes it back.
 * Threads: post by any; the rest by the process. Neighbours: signal.h, io/.
 */
#ifndef SPAWNED_PROCESS_CALLBACK_H
#define SPAWNED_PROCESS_CALLBACK_H

#include "process/signal.h"

struct sp__callback {
    struct sp__process_signal signal; /* first */
    struct sp__list link;             /* extra.callbacks, when its turn comes */
    _Atomic uint32_t posted;
    bool anytime; /* also while a handler is suspended: no user's code, never suspends */
    void (*run)(struct sp__callback *callback);
};

/** Prepare. Context: any. */
void sp__callback_init(struct sp__callback *callback, void (*run)(struct sp__callback *callback))
    SP_NONNULL;

/** Run it in the process of `actor`. False: that process has ended; it will not run.
 *  Context: any with a context, inside an epoch section in which the actor was found. */
bool sp__callback_post(struct sp__actor *actor, struct sp__callback *callback) SP_NONNULL;

/** Not posted afterwards; nobody may post it meanwhile. Context: the process it is posted to. */
void sp__callback_cancel(struct sp_process *self, struct sp__callback *callback) SP_NONNULL;

/** Run those that are due; false: there were none. Context: the process, between messages. */
bool sp__callbacks_run(struct sp_process *self) SP_NONNULL;

/** Signal handling: queue it. Context: the process. */
void sp__callback_queue(struct sp_process *self, struct sp__callback *callback) SP_NONNULL;

#endif
