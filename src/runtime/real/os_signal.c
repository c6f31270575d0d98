/* SIGINT and SIGTERM. See os_signal.h.
 *
 * What the handler touches is static and never goes away, since a handler may still be running
 * on some thread when the subscription ends. All else is the subscription's, which is freed by
 * who joins its thread. A subscription that was ended from its own notify stays, ended, until
 * somebody else can join: the next subscriber, or the runtime's end.
 */
#include "runtime/real/os_signal.h"

#include "base/alloc.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>

static const int os_signal_numbers[] = { SIGINT, SIGTERM };

#define OS_SIGNALS (sizeof os_signal_numbers / sizeof os_signal_numbers[0])

struct os_subscription {
    struct sp__context context;
    void (*notify)(void *arg, int signo);
    void *arg;
    struct sp_runtime *runtime;
    pthread_t thread;
    struct sigaction before[OS_SIGNALS];
    _Atomic bool ending; /* written under the lock */
    bool joining;        /* under the lock */
};

/* ---- what the handler touches ----------------------------------------------------- */

static sem_t os_signal_wake;
static _Atomic unsigned os_signal_counts[OS_SIGNALS];

static void os_signal_handler(int signo)
{
    int saved_errno = errno;
    for (size_t i = 0; i < OS_SIGNALS; i++)
        if (os_signal_numbers[i] == signo)
            /* relaxed: the semaphore orders it before the thread's exchange. */
            atomic_fetch_add_explicit(&os_signal_counts[i], 1, memory_order_relaxed);
    (void)sem_post(&os_signal_wake);
    errno = saved_errno;
}

/* ---- the thread ------------------------------------------------------------------- */

static bool subscription_ending(struct os_subscription *self)
{
    /* acquire: pairs with the release in subscription_stop(). */
    return atomic_load_explicit(&self->ending, memory_order_acquire);
}

static void subscription_deliver(struct os_subscription *self)
{
    for (size_t i = 0; i < OS_SIGNALS; i++) {
        if (subscription_ending(self))
            return; /* what comes now is the next one's */
        /* relaxed: see the handler. */
        unsigned count = atomic_exchange_explicit(&os_signal_counts[i], 0, memory_order_relaxed);
        while (count-- > 0 && !subscription_ending(self))
            self->notify(self->arg, os_signal_numbers[i]);
    }
}

/* ThreadSanitizer makes its record of a thread's signals in the first call of the thread that blocks; that of
 * clang before 16 loses a signal which comes at that moment. So the first one is before there are any. */
static void subscription_blocks_first(void)
{
#if SP__TSAN
    sem_t open;
    (void)sem_init(&open, 0, 1);
    (void)sem_wait(&open);
    (void)sem_destroy(&open);
#endif
}

static void *subscription_main(void *arg)
{
    struct os_subscription *self = arg;
    sigset_t ours;
    (void)sigemptyset(&ours);
    for (size_t i = 0; i < OS_SIGNALS; i++)
        (void)sigaddset(&ours, os_signal_numbers[i]);
    sp__context_init(&self->context, self->runtime, SP__CONTEXT_FOREIGN, 0);
    subscription_blocks_first();
    (void)pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
    while (!subscription_ending(self)) {
        while (sem_wait(&os_signal_wake) != 0)
            continue;
        subscription_deliver(self);
    }
    sp__context_finish(&self->context);
    return NULL;
}

/* ---- subscribing ------------------------------------------------------------------ */

static struct sp__lock os_signal_lock;
static struct os_subscription *os_signal_active; /* under the lock */

/* Its statics, once; under the lock. */
static void os_signal_reset(void)
{
    static bool initialised;
    if (!initialised)
        (void)sem_init(&os_signal_wake, 0, 0); /* fails only for large values */
    initialised = true;
    for (size_t i = 0; i < OS_SIGNALS; i++)
        atomic_store_explicit(&os_signal_counts[i], 0, memory_order_relaxed);
}

/* The first `count` of them, where they are still ours. */
static void subscription_restore(const struct os_subscription *self, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sigaction now;
        bool ours =
            sigaction(os_signal_numbers[i], NULL, &now) == 0 && now.sa_handler == os_signal_handler;
        if (ours)
            (void)sigaction(os_signal_numbers[i], &self->before[i], NULL);
    }
}

/* Fails only where a filter of system calls forbids it. */
static sp_err subscription_install(struct os_subscription *self)
{
    struct sigaction action = { .sa_handler = os_signal_handler,
                                .sa_flags = SA_RESTART | SA_ONSTACK };
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < OS_SIGNALS; i++)
        if (sigaction(os_signal_numbers[i], &action, &self->before[i]) != 0) {
            subscription_restore(self, i);
            return SP_ERR_NOTSUP;
        }
    return SP_OK;
}

static void subscription_end(struct os_subscription *self)
{
    /* release: pairs with the acquire in subscription_ending(). */
    atomic_store_explicit(&self->ending, true, memory_order_release);
    (void)sem_post(&os_signal_wake);
}

static sp_err os_signal_subscribe(struct sp_runtime *runtime, void (*notify)(void *, int),
                                  void *arg)
{
    if (os_signal_active)
        return SP_ERR_EXISTS;
    struct os_subscription *self = sp__aligned_alloc(SP__CACHE_LINE, sizeof *self);
    if (!self)
        return SP_ERR_NOMEM;
    *self = (struct os_subscription){ .notify = notify, .arg = arg, .runtime = runtime };
    os_signal_reset();
    sp_err err = sp__thread_create(&self->thread, subscription_main, self);
    if (err) {
        sp__free(self);
        return err;
    }
    err = subscription_install(self);
    if (err) {
        subscription_end(self);
        (void)pthread_join(self->thread, NULL);
        sp__free(self);
        return err;
    }
    os_signal_active = self;
    return SP_OK;
}

static void subscription_stop(struct os_subscription *self)
{
    if (subscription_ending(self))
        return;
    subscription_restore(self, OS_SIGNALS);
    subscription_end(self);
}

/* Stop what `runtime` has, and say whether the caller is to join it; under the lock. */
static struct os_subscription *os_signal_stop(const struct sp_runtime *runtime)
{
    struct os_subscription *self = os_signal_active;
    if (!self || self->runtime != runtime)
        return NULL;
    subscription_stop(self);
    if (self->joining || pthread_equal(self->thread, pthread_self()))
        return NULL;
    self->joining = true;
    return self;
}

void sp__os_signals_forget(struct sp_runtime *runtime)
{
    sp__lock_lock(&os_signal_lock);
    struct os_subscription *self = os_signal_stop(runtime);
    sp__lock_unlock(&os_signal_lock);
    if (!self)
        return;
    /* Without the lock, which notify may be waiting for. */
    (void)pthread_join(self->thread, NULL);
    sp__lock_lock(&os_signal_lock);
    os_signal_active = NULL;
    sp__lock_unlock(&os_signal_lock);
    sp__free(self);
}

/* One that ended itself is only waiting for somebody to join it. */
static void os_signal_clear_ended(void)
{
    sp__lock_lock(&os_signal_lock);
    struct os_subscription *self = os_signal_active;
    struct sp_runtime *runtime = self && subscription_ending(self) ? self->runtime : NULL;
    sp__lock_unlock(&os_signal_lock);
    if (runtime)
        sp__os_signals_forget(runtime);
}

sp_err sp__os_signals(struct sp_runtime *runtime, void (*notify)(void *arg, int signo), void *arg)
{
    if (!notify) {
        sp__os_signals_forget(runtime);
        return SP_OK;
    }
    os_signal_clear_ended();
    sp__lock_lock(&os_signal_lock);
    sp_err err = os_signal_subscribe(runtime, notify, arg);
    sp__lock_unlock(&os_signal_lock);
    return err;
}
