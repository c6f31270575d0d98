/* SIGINT and SIGTERM, told to one subscriber of the program.
 *
 * A program that does not subscribe is not touched. Subscribing installs a handler that only
 * counts and posts a semaphore, and starts a thread that sleeps on it and calls the
 * subscriber, with a context of the runtime. That thread is also one that does not block the two
 * signals, so they arrive even where all others of the program do.
 *
 * Threads: any. Neighbours: os_thread.h, application.c subscribes.
 */
#ifndef SP_RUNTIME_REAL_OS_SIGNAL_H
#define SP_RUNTIME_REAL_OS_SIGNAL_H

#include "runtime/backend.h"
#include "runtime/real/os_thread.h"

/** Call `notify(arg, signo)` once for each SIGINT or SIGTERM that the program receives from now
 *  on; `notify` has a context and may not block. NULL: end the subscription of `runtime`, if it
 *  has it: the actions are again what they were, and no call of `notify` is running or comes,
 *  except the one this is called from.
 *  Errors: EXISTS (somebody has subscribed; or the caller is the notify of a subscription that
 *  it has just ended), NOMEM, LIMIT (the system gives no thread).
 *  Context: any. */
SP_NODISCARD sp_err sp__os_signals(struct sp_runtime *runtime, void (*notify)(void *arg, int signo),
                                   void *arg) SP_NONNULL_ARGS(1);

/** End the subscription of `runtime`, if it has it. Context: the runtime's end. */
void sp__os_signals_forget(struct sp_runtime *runtime) SP_NONNULL;

#endif
