/* The context of a thread: how code finds it, and how it joins and leaves a runtime.
 *
 * Threads: its own; the list of contexts is under the runtime's lock.
 * Neighbours: core.h says what a context is.
 */
#include "runtime/recorder.h"

#include "runtime/backend.h"
#include "runtime/watch.h"
#include "runtime/meter.h"

#if defined(__x86_64__) && defined(__LP64__)
_Thread_local struct sp__context *sp__context_current;
#else
static _Thread_local struct sp__context *sp__context_current;

struct sp__context *sp__context(void)
{
    /* The barrier keeps the compiler from folding two calls around a switch into one. */
    __asm__ volatile("" ::: "memory");
    return sp__context_current;
}
#endif

void sp__context_set(struct sp__context *context)
{
    sp__context_current = context;
}

static _Thread_local const struct sp__backend_ops *context_backend;

void sp__backend_choose(const struct sp__backend_ops *ops)
{
    context_backend = ops;
}

const struct sp__backend_ops *sp__backend_chosen(void)
{
    __asm__ volatile("" ::: "memory");
    return context_backend == NULL ? &sp__backend_real : context_backend;
}

/* Of its random numbers: a worker's is the same in every run with the same seed, and no two
 * threads share one. */
static uint64_t context_stream(struct sp__context *context)
{
    if (context->kind == SP__CONTEXT_WORKER)
        return 1 + (uint64_t)context->shard;
    /* relaxed: only uniqueness is asked for. */
    return (UINT64_C(1) << 32) +
           atomic_fetch_add_explicit(&context->runtime->next_id, 1, memory_order_relaxed);
}

void sp__context_init(struct sp__context *context, struct sp_runtime *runtime,
                      enum sp__context_kind kind, uint32_t shard)
{
    *context = (struct sp__context){ .runtime = runtime, .kind = kind, .shard = shard };
    sp__epoch_register(&runtime->epoch, &context->epoch);
    sp__msg_cache_init(&context->messages, &runtime->messages);
    sp__fiber_cache_init(&context->fibers, runtime->fibers);
    sp__slab_cache_init(&context->timer_cache, runtime->timer_slots);
    sp__slab_cache_init(&context->task_cache, NULL);
    sp__slab_cache_init(&context->process_cache, runtime->processes);
    context->random = sp__random_start(runtime->options.seed, context_stream(context));
    sp__lock_lock(&runtime->contexts_lock);
    sp__list_push_back(&runtime->contexts, &context->link);
    atomic_fetch_add_explicit(&runtime->context_count, 1, memory_order_relaxed);
    sp__recorder_join(runtime, context);
    sp__meters_join(runtime, context);
    sp__watch_refresh(context);
    sp__lock_unlock(&runtime->contexts_lock);
    sp__context_set(context);
}

static void counters_add(struct sp__counters *sum, struct sp__counters *one)
{
    /* Every member is an _Atomic uint64_t, so the struct is an array of them. */
    _Static_assert(sizeof(struct sp__counters) % sizeof(_Atomic uint64_t) == 0,
                   "array of counters");
    _Atomic uint64_t *to = (_Atomic uint64_t *)sum;
    _Atomic uint64_t *from = (_Atomic uint64_t *)one;
    /* relaxed: `sum` is the caller's, or written under contexts_lock; `one` may be counting. */
    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
        atomic_store_explicit(&to[i],
                              atomic_load_explicit(&to[i], memory_order_relaxed) +
                                  atomic_load_explicit(&from[i], memory_order_relaxed),
                              memory_order_relaxed);
}

void sp__context_finish(struct sp__context *context)
{
    struct sp_runtime *runtime = context->runtime;
    sp__lock_lock(&runtime->contexts_lock);
    sp__list_remove(&context->link);
    sp__recorder_leave(runtime, context);
    sp__meters_leave(runtime, context);
    atomic_fetch_sub_explicit(&runtime->context_count, 1, memory_order_relaxed);
    /* relaxed: what is reserved is written under this lock. */
    atomic_store_explicit(&runtime->live,
                          atomic_load_explicit(&runtime->live, memory_order_relaxed) -
                              atomic_load_explicit(&context->live_unused, memory_order_relaxed),
                          memory_order_relaxed);
    counters_add(&runtime->gone, &context->counters);
    sp__lock_unlock(&runtime->contexts_lock);
    sp__epoch_unregister(&context->epoch);
    sp__context_set(NULL);
    if (runtime->forgets)
        return;
    sp__msg_cache_finish(&context->messages);
    sp__fiber_cache_finish(&context->fibers);
    sp__slab_cache_finish(&context->timer_cache);
    sp__slab_cache_finish(&context->task_cache);
    sp__slab_cache_finish(&context->process_cache);
}

void sp__context_counters(struct sp_runtime *runtime, struct sp__counters *sum)
{
    sp__lock_lock(&runtime->contexts_lock);
    counters_add(sum, &runtime->gone);
    for (struct sp__list *at = sp__list_first(&runtime->contexts); at != NULL;
         at = sp__list_next(&runtime->contexts, at))
        counters_add(sum, &sp__container_of(at, struct sp__context, link)->counters);
    sp__lock_unlock(&runtime->contexts_lock);
}

void sp__point_at_name(struct sp__context *context, const char *name, const char *what)
{
    sp__point_in(context, SP__POINT_NAME, sp__point_name_hash(name), what);
}
