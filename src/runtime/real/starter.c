/* Threads created by the monitor for others. See starter.h. */
#include "runtime/real/starter.h"

#include "runtime/real/clock.h"
#include "runtime/real/futex.h"
#include "runtime/real/os_thread.h"
#include "runtime/real/real.h"

#define STARTER_PATIENCE_NS (5 * SP_NS_PER_S)

/** Lives on the stack of who waits for it. */
struct sp__thread_order {
    void *(*fn)(void *);
    void *arg;
    pthread_t thread;
    sp_err err;
    struct sp__thread_order *next; /* under the starter's lock, as long as it is in the list */
    _Atomic uint32_t done;
};

bool sp__starter_begin(struct sp__runner *runner)
{
    struct sp__real *real = runner->real;
    sp__lock_lock(&real->handoff_lock);
    runner->starting = !runner->priority.demoted;
    bool starting = runner->starting;
    sp__lock_unlock(&real->handoff_lock);
    return starting;
}

void sp__starter_end(struct sp__runner *runner)
{
    sp__lock_lock(&runner->real->handoff_lock);
    runner->starting = false;
    sp__lock_unlock(&runner->real->handoff_lock);
}

static void starter_put(struct sp__starter *starter, struct sp__thread_order *order)
{
    sp__lock_lock(&starter->lock);
    /* seq_cst: pairs with sp__starter_waiting(), as its comment says. */
    order->next = atomic_load_explicit(&starter->orders, memory_order_relaxed);
    atomic_store_explicit(&starter->orders, order, memory_order_seq_cst);
    sp__lock_unlock(&starter->lock);
}

/* The newest, or NULL. */
static struct sp__thread_order *starter_take(struct sp__starter *starter)
{
    sp__lock_lock(&starter->lock);
    struct sp__thread_order *order = atomic_load_explicit(&starter->orders, memory_order_relaxed);
    if (order != NULL)
        atomic_store_explicit(&starter->orders, order->next, memory_order_relaxed);
    sp__lock_unlock(&starter->lock);
    return order;
}

/* False: the monitor has it already. */
static bool starter_take_back(struct sp__starter *starter, struct sp__thread_order *order)
{
    struct sp__thread_order *before = NULL;
    sp__lock_lock(&starter->lock);
    struct sp__thread_order *at = atomic_load_explicit(&starter->orders, memory_order_relaxed);
    for (; at != NULL && at != order; at = at->next)
        before = at;
    if (at != NULL && before != NULL)
        before->next = order->next;
    else if (at != NULL)
        atomic_store_explicit(&starter->orders, order->next, memory_order_relaxed);
    sp__lock_unlock(&starter->lock);
    return at != NULL;
}

/* acquire: pairs with the release in serve. */
static bool order_done(struct sp__thread_order *order)
{
    return atomic_load_explicit(&order->done, memory_order_acquire) != 0;
}

static bool order_await(struct sp__thread_order *order, int64_t until)
{
    while (!order_done(order)) {
        int64_t left = until == INT64_MAX ? INT64_MAX : until - sp__clock_monotonic_ns();
        if (left <= 0)
            return false;
        sp__futex_wait(&order->done, 0, left);
    }
    return true;
}

sp_err sp__starter_order(struct sp__real *real, void *(*fn)(void *), void *arg,
                         pthread_t *out_thread)
{
    struct sp__thread_order order = { .fn = fn, .arg = arg };
    starter_put(&real->starter, &order);
    sp__watcher_call(&real->watcher);
    if (!order_await(&order, sp__clock_monotonic_ns() + STARTER_PATIENCE_NS)) {
        if (starter_take_back(&real->starter, &order))
            return sp__thread_create_here(out_thread, fn, arg);
        (void)order_await(&order, INT64_MAX);
    }
    if (order.err == SP_OK)
        *out_thread = order.thread;
    return order.err;
}

void sp__starter_serve(struct sp__real *real)
{
    while (sp__starter_waiting(&real->starter)) {
        struct sp__thread_order *order = starter_take(&real->starter);
        if (order == NULL)
            return;
        order->err = sp__thread_create_here(&order->thread, order->fn, order->arg);
        /* release: pairs with the acquire in order_done(); then it may be gone, and a futex that
         * nobody waits at is woken. */
        _Atomic uint32_t *done = &order->done;
        atomic_store_explicit(done, 1, memory_order_release);
        sp__futex_wake(done, 1);
    }
}
