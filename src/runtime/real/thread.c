/* Threads that one process is tied to.
 *
 * A process with a thread of its own runs on a fiber there too, so that a fault or an exit
 * in the middle of it can drop the stack. A foreign thread's process runs on the
 * thread's own stack: nothing of it can be dropped. Both sleep on a futex.
 */
#include "base/alloc.h"
#include "runtime/real/fault.h"
#include "runtime/real/futex.h"
#include "runtime/real/real.h"
#include "runtime/real/os_thread.h"
#include "runtime/recorder.h"

enum {
    /* How often a thread that waits looks whether what it retired can be freed. */
    THREAD_TIDY_NS = 1000000,
};

void sp__real_thread_wake(struct sp__thread *thread)
{
    /* release: pairs with the acquire in wait; the actor's state is published with it. */
    if (atomic_exchange_explicit(&thread->token, 1, memory_order_release) == 0)
        sp__futex_wake(&thread->token, 1);
}

void sp__real_thread_wait(struct sp__thread *thread)
{
    sp__count(&thread->context.counters.parks);
    /* acquire: pairs with the release in wake. */
    while (atomic_exchange_explicit(&thread->token, 0, memory_order_acquire) == 0) {
        /* What it retired must not wait for its next turn. */
        struct sp__epoch_thread *epoch = &thread->context.epoch;
        bool tidy = !sp__epoch_waiting(epoch) || sp__epoch_collect(epoch);
        sp__epoch_away(epoch);
        sp__futex_wait(&thread->token, 0, tidy ? INT64_MAX : THREAD_TIDY_NS);
    }
}

void sp__real_thread_loop(void)
{
    for (;;) {
        struct sp__context *context = sp__context();
        struct sp__thread *thread = context->backend;
        struct sp__actor *actor = thread->actor;
        if (actor == NULL) {
            struct sp__fiber *from = context->fiber;
            context->after = SP__AFTER_DROP;
            context->after_fiber = from;
            context->fiber = context->origin;
            sp__fiber_switch(from, context->origin);
            __builtin_unreachable();
        }
        context->current = actor;
        sp__record_run(context, actor);
        enum sp__turn turn = actor->turn(actor);
        context->current = NULL;
        if (turn == SP__TURN_DEAD)
            thread->actor = NULL;
        else if (turn == SP__TURN_IDLE && sp__actor_try_park(actor, true))
            sp__real_thread_wait(thread);
    }
}

static void thread_run(struct sp__thread *thread)
{
    struct sp__context *context = &thread->context;
    context->origin = sp__fiber_adopt();
    context->spare = sp__fiber_cache_get(&context->fibers, sp__real_fiber, NULL);
    struct sp__fiber *first = sp__fiber_cache_get(&context->fibers, sp__real_fiber, NULL);
    if (context->origin != NULL && context->spare != NULL && first != NULL &&
        context->fault != NULL) {
        context->fiber = first;
        sp__fiber_switch(context->origin, first);
        sp__real_after_switch();
    } else {
        context->current = thread->actor;
        thread->actor->runtime->on_no_stack(thread->actor);
        context->current = NULL;
        if (first != NULL)
            sp__fiber_cache_put(&context->fibers, first);
    }
    if (context->spare != NULL)
        sp__fiber_cache_put(&context->fibers, context->spare);
    sp__fiber_release(context->origin);
}

static void *thread_main(void *arg)
{
    struct sp__thread *thread = arg;
    struct sp__actor *actor = thread->actor;
    struct sp_runtime *runtime = actor->runtime;
    struct sp__real *real = sp__real_of(runtime);
    sp__context_init(&thread->context, runtime, SP__CONTEXT_THREAD, 0);
    thread->context.backend = thread;
    actor->bound = &thread->context;
    sp_ignore(sp__fault_thread_start(&thread->context)); /* without it there is no stack either */
    thread_run(thread);
    sp__fault_thread_end(&thread->context);
    sp__context_finish(&thread->context);
    sp__lock_lock(&real->threads_lock);
    sp__list_remove(&thread->link);
    sp__lock_unlock(&real->threads_lock);
    sp__free(thread);
    /* release: pairs with the acquire in stop, which frees the runtime after it. */
    atomic_fetch_sub_explicit(&real->threads_alive, 1, memory_order_release);
    return NULL;
}

sp_err sp__real_thread_start(struct sp_runtime *runtime, struct sp__actor *actor)
{
    struct sp__real *real = sp__real_of(runtime);
    struct sp__thread *thread = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*thread));
    if (thread == NULL)
        return SP_ERR_NOMEM;
    *thread = (struct sp__thread){ .actor = actor };
    /* Whoever makes the actor ready before the thread runs finds its token. */
    thread->context.backend = thread;
    actor->bound = &thread->context;
    actor->lane = SP__LANE_BOUND;
    sp__lock_lock(&real->threads_lock);
    sp__list_push_back(&real->threads, &thread->link);
    sp__lock_unlock(&real->threads_lock);
    atomic_fetch_add_explicit(&real->threads_alive, 1, memory_order_relaxed);
    if (sp__thread_create_detached(thread_main, thread) == SP_OK)
        return SP_OK;
    atomic_fetch_sub_explicit(&real->threads_alive, 1, memory_order_relaxed);
    sp__lock_lock(&real->threads_lock);
    sp__list_remove(&thread->link);
    sp__lock_unlock(&real->threads_lock);
    actor->bound = NULL;
    actor->lane = SP__LANE_NORMAL;
    sp__free(thread);
    return SP_ERR_LIMIT;
}

sp_err sp__real_thread_attach(struct sp_runtime *runtime, struct sp__context **out_context)
{
    struct sp__thread *thread = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*thread));
    if (thread == NULL)
        return SP_ERR_NOMEM;
    *thread = (struct sp__thread){ .actor = NULL };
    sp__context_init(&thread->context, runtime, SP__CONTEXT_FOREIGN, 0);
    thread->context.backend = thread;
    atomic_fetch_add_explicit(&sp__real_of(runtime)->foreign_attached, 1, memory_order_relaxed);
    *out_context = &thread->context;
    return SP_OK;
}

void sp__real_thread_detach(struct sp__context *context)
{
    struct sp__thread *thread = context->backend;
    struct sp__real *real = sp__real_of(context->runtime);
    sp__context_finish(context);
    sp__free(thread);
    /* release: pairs with the acquire in stop, which frees the runtime after it. */
    atomic_fetch_sub_explicit(&real->foreign_attached, 1, memory_order_release);
}
