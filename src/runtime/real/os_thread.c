/* pthread_create(3) and the signal mask. See os_thread.h. */
#include "runtime/real/os_thread.h"

#include "runtime/backend.h"
#include "runtime/real/runner.h"
#include "runtime/real/starter.h"

#include <signal.h>

static void thread_signals(sigset_t *out_set)
{
    static const int kept[] = {
        SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF
    };
    (void)sigfillset(out_set);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        (void)sigdelset(out_set, kept[i]);
}

void sp__threads_block_signals(void)
{
    sigset_t blocked;
    thread_signals(&blocked);
    (void)pthread_sigmask(SIG_BLOCK, &blocked, NULL);
}

sp_err sp__thread_create_here(pthread_t *out_thread, void *(*fn)(void *), void *arg)
{
    /* The mask is inherited, so it is set here for a moment: set by the thread itself, a signal
     * could come before. */
    sigset_t blocked;
    sigset_t before;
    thread_signals(&blocked);
    (void)pthread_sigmask(SIG_BLOCK, &blocked, &before);
    int failed = pthread_create(out_thread, NULL, fn, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? SP_ERR_LIMIT : SP_OK;
}

/* Whose handler calls; or NULL: no worker's. */
static struct sp__runner *thread_runner(void)
{
    struct sp__context *context = sp__context();
    bool ours = context != NULL && context->kind == SP__CONTEXT_WORKER &&
                context->runtime->ops == &sp__backend_real;
    return ours ? sp__runner_of(context) : NULL;
}

sp_err sp__thread_create(pthread_t *out_thread, void *(*fn)(void *), void *arg)
{
    struct sp__runner *runner = thread_runner();
    if (runner == NULL)
        return sp__thread_create_here(out_thread, fn, arg);
    if (!sp__starter_begin(runner))
        return sp__starter_order(runner->real, fn, arg, out_thread);
    sp_err err = sp__thread_create_here(out_thread, fn, arg);
    sp__starter_end(runner);
    return err;
}

sp_err sp__thread_create_detached(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    sp_err err = sp__thread_create(&thread, fn, arg);
    if (!err)
        (void)pthread_detach(thread);
    return err;
}
