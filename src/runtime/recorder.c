#include "runtime/recorder.h"

#include "base/alloc.h"
#include "runtime/backend.h"
#include "runtime/watch.h"

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum {
    RECORDER_EVENTS = 4096,
    RECORDER_EVENTS_MAX = 1 << 20,
    RECORDER_SERIAL_BITS = 40, /* of a packed pid */
};

/* ---- the clock ---- */

/* Does the processor's counter run evenly, whatever its frequency? */
static bool ticks_are_good(void)
{
#if defined(__x86_64__)
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1U << 8)) != 0;
#elif defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

static uint64_t ticks_now(struct sp_runtime *runtime, bool good)
{
    if (!good)
        return (uint64_t)runtime->ops->now(runtime);
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return 0;
#endif
}

/* ---- writing ---- */

/* An actor's memory is another process's once it has run as that. */
static inline uint64_t ring_who(struct sp__record_ring *ring, const struct sp__context *context,
                                enum sp_record_kind kind)
{
    if (context->current == NULL)
        return 0;
    if (context->current != ring->actor || kind == SP_RECORD_RUN) {
        ring->actor = context->current;
        ring->who = context->runtime->actor_object(context->current);
    }
    return ring->who;
}

__attribute__((always_inline)) static inline void ring_add(struct sp__context *context,
                                                           enum sp_record_kind kind, uint64_t other,
                                                           const char *what)
{
    struct sp_runtime *runtime = context->runtime;
    /* acquire: pairs with the release in join; the ring is complete. */
    struct sp__record_ring *ring = atomic_load_explicit(&context->record, memory_order_acquire);
    if (ring == NULL)
        return; /* it was stopped */
    uint64_t number = atomic_load_explicit(&ring->head, memory_order_relaxed);
    struct sp__event *event = &ring->events[number & ring->mask];
    /* release: who reads something of this event also reads the head that came before it. */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&event->ticks, ticks_now(runtime, ring->ticks_good),
                          memory_order_relaxed);
    atomic_store_explicit(&event->who, ring_who(ring, context, kind), memory_order_relaxed);
    atomic_store_explicit(&event->other, other, memory_order_relaxed);
    atomic_store_explicit(&event->what,
                          (uint64_t)kind << SP__RECORDER_KIND_SHIFT | (uint64_t)(uintptr_t)what,
                          memory_order_relaxed);
    /* release: pairs with the acquire in copy. */
    atomic_store_explicit(&ring->head, number + 1, memory_order_release);
}

void sp__recorder_add(struct sp__context *context, enum sp_record_kind kind, uint64_t other,
                      const char *what)
{
    ring_add(context, kind, other, what);
}

static const enum sp_record_kind recorder_kinds[SP__POINT_COUNT] = {
    [SP__POINT_TURN] = SP_RECORD_COUNT,  [SP__POINT_SEND] = SP_RECORD_SEND,
    [SP__POINT_REPLY] = SP_RECORD_REPLY, [SP__POINT_PROCESS] = SP_RECORD_PROCESS,
    [SP__POINT_EXIT] = SP_RECORD_EXIT,   [SP__POINT_SPAWN] = SP_RECORD_SPAWN,
    [SP__POINT_NAME] = SP_RECORD_NAME,   [SP__POINT_TIMERS] = SP_RECORD_COUNT,
    [SP__POINT_JOB] = SP_RECORD_COUNT,   [SP__POINT_YIELD] = SP_RECORD_YIELD,
    [SP__POINT_MAIN] = SP_RECORD_COUNT,  [SP__POINT_NET] = SP_RECORD_NET,
};

/* Stands in for the simulation's; does not suspend. */
static void recorder_point(struct sp__context *context, enum sp__point kind, uint64_t object,
                           const char *what)
{
    enum sp_record_kind record = recorder_kinds[kind];
    bool concerns = kind == SP__POINT_SEND || kind == SP__POINT_REPLY || kind == SP__POINT_PROCESS;
    if (record != SP_RECORD_COUNT)
        ring_add(context, record, concerns ? object : 0, what);
}

/* ---- contexts that come and go ---- */

/* Its own of the last time, in the middle of whose last event it may still be; else that of a thread
 * that has ended. */
static struct sp__record_ring *ring_of(struct sp__recorder *recorder,
                                       const struct sp__context *context)
{
    struct sp__record_ring *unused = NULL;
    for (struct sp__record_ring *ring = recorder->rings; ring != NULL; ring = ring->next) {
        if (ring->context == context)
            return ring;
        if (ring->context == NULL && ring->worker == (context->kind == SP__CONTEXT_WORKER))
            unused = ring;
    }
    if (unused != NULL)
        unused->actor = NULL;
    return unused;
}

static struct sp__record_ring *ring_new(struct sp_runtime *runtime)
{
    struct sp__recorder *recorder = runtime->recorder;
    size_t size = sizeof(struct sp__record_ring) + recorder->size * sizeof(struct sp__event);
    struct sp__record_ring *ring = sp__aligned_alloc(SP__CACHE_LINE, size);
    if (ring == NULL)
        return NULL;
    memset(ring, 0, size);
    ring->mask = recorder->size - 1;
    ring->ticks_good = recorder->ticks_good;
    ring->number = recorder->ring_count++;
    ring->next = recorder->rings;
    recorder->rings = ring;
    return ring;
}

static bool recorder_attach(struct sp_runtime *runtime, struct sp__context *context)
{
    struct sp__record_ring *ring = ring_of(runtime->recorder, context);
    if (ring == NULL)
        ring = ring_new(runtime);
    if (ring == NULL)
        return false;
    ring->context = context;
    ring->worker = context->kind == SP__CONTEXT_WORKER;
    /* release: pairs with the acquire in add. */
    atomic_store_explicit(&context->record, ring, memory_order_release);
    /* relaxed: what it does is looked up anew in add. */
    sp__point_act(context, recorder_point);
    sp__watch_refresh(context);
    return true;
}

static void recorder_detach(struct sp__context *context)
{
    /* relaxed: who is in the middle of an event may end it. */
    sp__point_act(context, NULL);
    atomic_store_explicit(&context->record, NULL, memory_order_relaxed);
    sp__watch_refresh(context);
}

void sp__recorder_join(struct sp_runtime *runtime, struct sp__context *context)
{
    if (runtime->recorder != NULL && runtime->recorder->on)
        (void)recorder_attach(runtime, context); /* without memory this thread has no events */
}

void sp__recorder_leave(struct sp_runtime *runtime, struct sp__context *context)
{
    if (runtime->recorder == NULL)
        return;
    recorder_detach(context);
    for (struct sp__record_ring *ring = runtime->recorder->rings; ring != NULL; ring = ring->next)
        if (ring->context == context)
            ring->context = NULL;
}

void sp__recorder_free(struct sp_runtime *runtime)
{
    struct sp__recorder *recorder = runtime->recorder;
    if (recorder == NULL)
        return;
    for (struct sp__record_ring *ring; (ring = recorder->rings) != NULL;) {
        recorder->rings = ring->next;
        sp__free(ring);
    }
    sp__free(recorder);
    runtime->recorder = NULL;
}

const struct sp__record_ring *sp__recorder_rings(struct sp_runtime *runtime)
{
    sp__lock_lock(&runtime->contexts_lock);
    const struct sp__record_ring *rings =
        runtime->recorder == NULL ? NULL : runtime->recorder->rings;
    sp__lock_unlock(&runtime->contexts_lock);
    return rings;
}

/* ---- beginning and end ---- */

static sp_err recorder_create(struct sp_runtime *runtime, uint32_t size)
{
    if (runtime->recorder != NULL)
        return size == runtime->recorder->size ? SP_OK : SP_ERR_INVALID;
    struct sp__recorder *recorder = sp__calloc(1, sizeof(*recorder));
    if (recorder == NULL)
        return SP_ERR_NOMEM;
    recorder->size = size;
    recorder->ticks_good = ticks_are_good();
    recorder->ns_0 = sp__now(runtime);
    recorder->ticks_0 = ticks_now(runtime, recorder->ticks_good);
    runtime->recorder = recorder;
    return SP_OK;
}

/* With the lock held. */
static sp_err recorder_begin(struct sp_runtime *runtime, uint32_t size)
{
    if (runtime->recorder != NULL && runtime->recorder->on)
        return SP_ERR_RUNNING;
    sp_err err = recorder_create(runtime, size);
    if (err != SP_OK)
        return err;
    bool all = true;
    struct sp__list *contexts = &runtime->contexts;
    struct sp__list *at = sp__list_first(contexts);
    for (; at != NULL && all; at = sp__list_next(contexts, at))
        all = recorder_attach(runtime, sp__container_of(at, struct sp__context, link));
    runtime->recorder->on = all;
    if (all)
        return SP_OK;
    for (at = sp__list_first(contexts); at != NULL; at = sp__list_next(contexts, at))
        recorder_detach(sp__container_of(at, struct sp__context, link));
    return SP_ERR_NOMEM;
}

sp_err sp_recorder_start(struct sp_runtime *runtime, const struct sp_recorder_options *options)
{
    uint32_t wanted = options == NULL || options->events == 0 ? RECORDER_EVENTS : options->events;
    if (!runtime->real)
        return SP_ERR_NOTSUP;
    if (wanted > RECORDER_EVENTS_MAX)
        return SP_ERR_INVALID;
    uint32_t size = 2;
    while (size < wanted)
        size *= 2;
    sp__lock_lock(&runtime->contexts_lock);
    sp_err err = recorder_begin(runtime, size);
    sp__lock_unlock(&runtime->contexts_lock);
    return err;
}

void sp_recorder_stop(struct sp_runtime *runtime)
{
    sp__lock_lock(&runtime->contexts_lock);
    if (runtime->recorder != NULL && runtime->recorder->on) {
        runtime->recorder->on = false;
        for (struct sp__list *at = sp__list_first(&runtime->contexts); at != NULL;
             at = sp__list_next(&runtime->contexts, at))
            recorder_detach(sp__container_of(at, struct sp__context, link));
    }
    sp__lock_unlock(&runtime->contexts_lock);
}

/* ---- reading ---- */

static sp_pid pid_unpack(uint64_t packed)
{
    uint64_t serial = packed & ((UINT64_C(1) << RECORDER_SERIAL_BITS) - 1);
    return (sp_pid){ serial, (uint32_t)(packed >> RECORDER_SERIAL_BITS), 0 };
}

struct sp__recorder_clock sp__recorder_clock(struct sp_runtime *runtime)
{
    const struct sp__recorder *recorder = runtime->recorder;
    struct sp__recorder_clock clock = { .ns = sp__now(runtime), .ns_per_tick = 1 };
    if (recorder == NULL)
        return clock;
    clock.ticks = ticks_now(runtime, recorder->ticks_good);
    if (recorder->ticks_good && clock.ticks != recorder->ticks_0)
        clock.ns_per_tick = (double)(clock.ns - recorder->ns_0) /
                            (double)(int64_t)(clock.ticks - recorder->ticks_0);
    return clock;
}

static int64_t event_ns(const struct sp__recorder_clock *clock, uint64_t ticks)
{
    return clock->ns - (int64_t)((double)(int64_t)(clock->ticks - ticks) * clock->ns_per_tick);
}

static struct sp_record event_read(const struct sp__event *event)
{
    uint64_t what = atomic_load_explicit(&event->what, memory_order_relaxed);
    uintptr_t text = (uintptr_t)(what & ((UINT64_C(1) << SP__RECORDER_KIND_SHIFT) - 1));
    return (struct sp_record){
        .order = atomic_load_explicit(&event->ticks, memory_order_relaxed),
        .kind = (enum sp_record_kind)(what >> SP__RECORDER_KIND_SHIFT),
        .process = pid_unpack(atomic_load_explicit(&event->who, memory_order_relaxed)),
        .other = pid_unpack(atomic_load_explicit(&event->other, memory_order_relaxed)),
        .what = (const char *)text, /* NOLINT(performance-no-int-to-ptr) */
    };
}

size_t sp__recorder_copy(const struct sp__record_ring *ring, const struct sp__recorder_clock *clock,
                         struct sp_record *out)
{
    uint64_t size = (uint64_t)ring->mask + 1;
    /* acquire: pairs with the release in add. */
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t first = head > size ? head - size : 0;
    for (uint64_t number = first; number < head; number++) {
        struct sp_record *to = &out[number - first];
        *to = event_read(&ring->events[number & ring->mask]);
        to->thread = ring->number;
        to->at.ns = event_ns(clock, to->order);
    }
    /* acquire: pairs with the fence in add: if one of the loads above saw a newer event, this one
     * sees that its writer was there. */
    atomic_thread_fence(memory_order_acquire);
    uint64_t after = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t safe = after + 1 > size ? after + 1 - size : 0; /* one may be written just now */
    if (safe <= first)
        return (size_t)(head - first);
    size_t lost = safe < head ? (size_t)(safe - first) : (size_t)(head - first);
    memmove(out, out + lost, (size_t)(head - first - lost) * sizeof(*out));
    return (size_t)(head - first) - lost;
}
