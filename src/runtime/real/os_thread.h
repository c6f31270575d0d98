/* Threads of the library: started with every asynchronous signal blocked.
 *
 * A signal sent to the program goes to any thread that does not block it. Handlers that the
 * program installs must not run on a fiber's small stack or in the middle of the scheduler,
 * and SIGTERM must reach whoever waits for it, so the library's threads take no signal but
 * those that their own instructions raise, and SIGPROF, which profilers sample with.
 *
 * The mask is inherited by programs that are started from these threads; who does that from a
 * handler resets it in the child.
 *
 * They have the priority that their creator would have if the monitor had not lowered it (starter.h).
 *
 * Threads: any. Neighbours: runtime/real/blocking.c, os_signal.c, the scheduler.
 */
#ifndef SP_RUNTIME_REAL_OS_THREAD_H
#define SP_RUNTIME_REAL_OS_THREAD_H

#include "spawned/err.h"

#include <pthread.h>

/** Block all asynchronous signals in the calling thread. Context: startup of the thread. */
void sp__threads_block_signals(void);

/** Start a thread that runs `fn(arg)` with asynchronous signals blocked from its first
 *  instruction.
 *  Errors: LIMIT (the system gives none).
 *  Ownership: the caller joins `*out_thread`. Context: any. */
SP_NODISCARD sp_err sp__thread_create(pthread_t *out_thread, void *(*fn)(void *), void *arg)
    SP_NONNULL_ARGS(1, 2);

/** The same with the priority that the caller has now. Errors, Ownership, Context: as above. */
SP_NODISCARD sp_err sp__thread_create_here(pthread_t *out_thread, void *(*fn)(void *), void *arg)
    SP_NONNULL_ARGS(1, 2);

/** As sp__thread_create(), and nobody joins it. Errors: LIMIT. Context: any. */
SP_NODISCARD sp_err sp__thread_create_detached(void *(*fn)(void *), void *arg) SP_NONNULL_ARGS(1);

#endif
