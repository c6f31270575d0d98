/* The flight recorder from inside: a ring of events for each context.
 *
 *   runtime.recorder -> rings: | head | event event event ... |   one writer, any reader
 *   context.record   -> its ring while recording, else NULL
 *   context.point     = sp__recorder_point() while recording: every point of the process layer
 *
 * A writer fills the event behind the newest and then moves `head`. A reader copies, looks at `head` again,
 * and throws away what may have been overwritten meanwhile. Rings live as long as the runtime, so that
 * a thread that is in the middle of an event when recording stops writes nowhere else.
 *
 * Threads: as said; start, stop and joining under runtime.contexts_lock.
 * Neighbours: core.h, point.h, recorder_read.c, recorder_trace.c.
 */
#ifndef SPAWNED_RUNTIME_RECORDER_H
#define SPAWNED_RUNTIME_RECORDER_H

#include "runtime/core.h"
#include "spawned/recorder.h"

enum {
    SP__RECORDER_KIND_SHIFT = 56, /* addresses have fewer bits */
};

/* All fields relaxed: the ring's `head` orders them. */
struct sp__event {
    _Atomic uint64_t ticks;
    _Atomic uint64_t who;   /* pid as sp__point_pid() packs it; 0: the thread */
    _Atomic uint64_t other; /* the same */
    _Atomic uint64_t what;  /* kind << 56 | address of the text */
};

struct sp__record_ring {
    struct sp__record_ring *next;
    struct sp__context *context; /* whose; NULL: it ended; under contexts_lock */
    bool worker;
    uint32_t number; /* of a worker: its own */
    uint32_t mask;
    /* The writer's. */
    SP__CACHE_ALIGNED _Atomic uint64_t head; /* events ever written */
    const struct sp__actor *actor;           /* whose pid `who` is */
    uint64_t who;
    bool ticks_good;
    struct sp__event events[];
};

struct sp__recorder {
    struct sp__record_ring *rings; /* newest first; under contexts_lock */
    uint32_t ring_count;
    uint32_t size;
    bool on;
    bool ticks_good;  /* the counter of the processor runs evenly */
    uint64_t ticks_0; /* where both clocks were when it began */
    int64_t ns_0;
};

/** An event of the process that runs, or of the thread. */
void sp__recorder_add(struct sp__context *context, enum sp_record_kind kind, uint64_t other,
                      const char *what) SP_NONNULL_ARGS(1);

/** Record, if somebody does. Context: the context's thread. */
static inline void sp__record(struct sp__context *context, enum sp_record_kind kind, uint64_t other,
                              const char *what)
{
    /* relaxed: only a test; add() acquires. */
    if (__builtin_expect(atomic_load_explicit(&context->record, memory_order_relaxed) != NULL, 0))
        sp__recorder_add(context, kind, other, what);
}

/** The actor goes on on this thread. Context: as above, current is set. */
static inline void sp__record_run(struct sp__context *context, struct sp__actor *actor)
{
    if (__builtin_expect(atomic_load_explicit(&context->record, memory_order_relaxed) != NULL, 0))
        sp__recorder_add(context, SP_RECORD_RUN, 0, context->runtime->label(actor));
}

/** A new context records too, if the others do. Context: with contexts_lock held. */
void sp__recorder_join(struct sp_runtime *runtime, struct sp__context *context) SP_NONNULL;

/** It ends. Context: as above. */
void sp__recorder_leave(struct sp_runtime *runtime, struct sp__context *context) SP_NONNULL;

/** All rings go. Context: the runtime's end. */
void sp__recorder_free(struct sp_runtime *runtime) SP_NONNULL;

/** Both clocks at one instant, and the rate of the counter since the recorder began. */
struct sp__recorder_clock {
    uint64_t ticks;
    int64_t ns;
    double ns_per_tick;
};

/** Now. Context: any. */
struct sp__recorder_clock sp__recorder_clock(struct sp_runtime *runtime) SP_NONNULL;

/** What a reader gets of a ring: copies of the last events, oldest first; `out` has room for the ring's
 *  size. Returns how many. Context: any. */
size_t sp__recorder_copy(const struct sp__record_ring *ring, const struct sp__recorder_clock *clock,
                         struct sp_record *out) SP_NONNULL;

/** The rings of now: a list that only grows. Context: any. */
const struct sp__record_ring *sp__recorder_rings(struct sp_runtime *runtime) SP_NONNULL;

/** The last events of the calling thread, a line for each, the oldest first.
 *  Context: a process. */
void sp__recorder_last(struct sp__context *context, void (*line)(void *arg, const char *text),
                       void *arg) SP_NONNULL_ARGS(1, 2);

/** To the log, the last events of the calling thread: after a fault. Context: a process. */
void sp__recorder_log(struct sp__context *context) SP_NONNULL;

#endif
