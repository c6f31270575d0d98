/* pthread_create(3) and the signal mask. See os_thread.h. */
#include "runtime/real/os_thread.h"

#include <signal.h>

static void thread_signals(sigset_t *out_set)
{
    static const int kept[] = { SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                                SIGABRT, SIGTRAP, SIGSYS, SIGPROF };
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

sp_err sp__thread_create(const char *name, void *(*fn)(void *), void *arg, pthread_t *out_thread)
{
    /* The mask is inherited, so it is set here for a moment: set by the thread itself, a signal
     * could come before. */
    sigset_t blocked;
    sigset_t before;
    thread_signals(&blocked);
    (void)pthread_sigmask(SIG_BLOCK, &blocked, &before);
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, fn, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return SP_ERR_LIMIT;
    (void)pthread_setname_np(thread, name);
    *out_thread = thread;
    return SP_OK;
}
