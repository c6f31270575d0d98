/* Watching messages: the one gate that their fast paths have, and what is counted behind it.
 *
 *   context.watch     NULL: nobody watches. Else the cells own[] of who counts on the thread: one addition there is
 *                     all that most messages cost. Where the recorder wants to see messages, they are cells that have
 *                     nobody's type, and everything goes out of line.
 *   context.counting  NULL, or who counts
 *   context.point   where the next message that is sent from the thread may be stamped: while somebody
 *                   records, always; else now and then only, for one send. Of the functions that do
 *                   nothing it is point_nothing where sends are to go out of line for that, or because of
 *                   `deviates`; else point_ids while requests have numbers (process/trace.h); else NULL.
 *
 *   struct sp__watch   own[]    operations of ordinary servers, by the address of the operation
 *                      other[]  all else, by label of the process and type; and what found no place there
 *                      rest     what found no place in them
 *
 * Counts are exact: a message is counted where it is taken, where the context's own counter is raised.
 * Times are sampled: of each cell one message of `interval`, which adapts so that samples are about
 * `gap_ns` apart; so where few messages come, each is measured, and where there are many, it costs
 * the same small part of the time. A sample counts for all since the last one. Beside it the next
 * message that is sent is stamped: it carries the time to where it is handled. A message of a request that is followed
 * (process/trace.h) is kept as the example of its times; it costs what such a message costs anyway, and others nothing.
 *
 * Threads: a watch is written by its context's thread; read by any.
 * Neighbours: meter.h keeps it; recorder.h; behaviour/server.c, process/watched.h call; observe/ reads.
 */
#ifndef SPAWNED_RUNTIME_WATCH_H
#define SPAWNED_RUNTIME_WATCH_H

#include "runtime/core.h"
#include "runtime/histogram.h"
#include "runtime/meter.h"

enum {
    SP__WATCH_OWN = 512,  /* cells: 16 KiB */
    SP__WATCH_EXITS = 64, /* labels of processes whose ends are counted, on a thread */
    SP__WATCH_REASONS = SP_REASON_OUT_OF_MEMORY + 1,
    SP__WATCH_INTERVAL_MAX = 4096,
};

/** A followed request that a value is an example of. */
struct sp__watch_example {
    uint64_t trace_high;
    uint64_t trace_low;
    uint64_t span;
    uint64_t value;
    int64_t wall_ns; /* 0: none yet */
};

/** The last ones, by the power of two that their values are above. */
struct sp__watch_examples {
    struct sp__lock lock;
    struct sp__watch_example handler[64] SP__GUARDED_BY(lock);
    struct sp__watch_example delay[64] SP__GUARDED_BY(lock);
};

/** The part of a cell that is looked at for a sample. */
struct sp__watch_detail {
    const char *process; /* label */
    const char *message; /* name of the type */
    uint64_t sampled;    /* the count at the last sample, */
    int64_t sampled_ns;  /* and when that was */
    uint32_t interval;
    _Atomic uint32_t longest;                    /* mailbox at a sample, with the message itself */
    struct sp__histogram handler;                /* nanoseconds in the handler */
    struct sp__histogram delay;                  /* nanoseconds from the send to there */
    struct sp__watch_examples *_Atomic examples; /* made by the first; NULL: none yet */
};

struct sp__watch_cell {
    _Atomic(const struct sp_msg_type *) type; /* NULL: free */
    _Atomic uint64_t count;
    uint64_t next; /* count of the next sample */
    struct sp__watch_detail *detail;
};

/** How processes of one label ended. */
struct sp__watch_exits {
    _Atomic(const char *) process; /* NULL: free, or of `rest` */
    _Atomic uint64_t counts[SP__WATCH_REASONS];
    _Atomic uint64_t restarts;
};

struct sp__watch {
    struct sp__watch_cell own[SP__WATCH_OWN];
    struct sp__watch_cell *other;
    uint32_t mask; /* of that */
    _Atomic int64_t gap_ns;
    bool always;        /* all sends of the thread pass the point */
    _Atomic bool armed; /* the next ones do, until one is stamped */
    uint64_t random;
    /* Sends. */
    uint32_t skip; /* so many pass before the next is stamped */
    uint32_t interval;
    int64_t stamped_ns;
    struct sp__histogram
        wakes; /* nanoseconds from a send to a process that waited until it handles */
    struct sp__histogram lateness; /* of timers */
    _Atomic uint64_t put_back;     /* messages that were counted, and are to be handled again */
    /* The worker that sleeps: how long so far, and since when, or 0. */
    _Atomic int64_t idle_ns;
    _Atomic int64_t idle_since;
    struct sp__watch_exits exits[SP__WATCH_EXITS + 1]; /* last: of all others */
    struct sp__watch_cell rest;
    struct sp__watch_detail rest_detail;
};

/** What is measured of a message that is handled. */
struct sp__watch_span {
    const struct sp_msg_type *type;
    const char *process;
    bool own;
    uint64_t weight; /* 0: nothing */
    int64_t since_ns;
};

/** Who counts on this thread, or NULL. Context: the thread. */
static inline struct sp__watch *sp__watch_of(struct sp__context *context)
{
    /* acquire: pairs with the release in refresh. */
    return atomic_load_explicit(&context->counting, memory_order_acquire);
}

/** Does anybody watch? Where the message itself is not looked at. Context: the thread. */
static inline bool sp__watched(struct sp__context *context)
{
    /* relaxed: who goes on acquires. */
    return __builtin_expect(atomic_load_explicit(&context->watch, memory_order_relaxed) != NULL, 0);
}

/** Where the cell of an operation of its own is looked for: operations are some 64 bytes apart. */
static inline uintptr_t sp__watch_slot(const struct sp_msg_type *type)
{
    return (uintptr_t)type / sizeof(struct sp__watch_cell) % SP__WATCH_OWN;
}

/** The test of the fast path, for a message of an operation of its own: true: go on. While somebody counts
 *  it is counted; false when it is also to be measured, is the first of its kind, or somebody else wants
 *  to see it. Context: the thread. */
__attribute__((always_inline)) static inline bool sp__watch_pass(struct sp__context *context,
                                                                 const struct sp_msg_type *type)
{
    /* acquire: pairs with the release in refresh. */
    struct sp__watch_cell *cells = atomic_load_explicit(&context->watch, memory_order_acquire);
    if (__builtin_expect(cells == NULL, 1))
        return true;
    struct sp__watch_cell *cell = &cells[sp__watch_slot(type)];
    /* relaxed, all: the thread's own stores. */
    uint64_t count = atomic_load_explicit(&cell->count, memory_order_relaxed) + 1;
    if (atomic_load_explicit(&cell->type, memory_order_relaxed) != type || count == cell->next)
        return false;
    atomic_store_explicit(&cell->count, count, memory_order_relaxed);
    return true;
}

/** A message was taken by a process of this label, whose mailbox has this length with it: count it, and begin to
 *  measure it where it is its turn. `out_span` NULL: it is not handled. `own`: of the operations of an ordinary
 *  server of that label. Context: its thread. */
void sp__watch_took(struct sp__context *context, const char *process, bool own, uint32_t length,
                    struct sp_message *message, struct sp__watch_span *out_span)
    SP_NONNULL_ARGS(1, 2, 5);

/** It was handled, perhaps on another thread by now. Returns the nanoseconds that it stands for: its own, times its
 *  weight. Context: any with a context. */
uint64_t sp__watch_done(const struct sp__watch_span *span) SP_NONNULL;

/** A message of a request that is followed was handled by a process of this label: keep it as the example of
 *  such times. `example`: its ids and the wall clock. Context: the thread. */
void sp__watch_example(struct sp__context *context, const char *process,
                       const struct sp_msg_type *type, int64_t handler_ns, int64_t delay_ns,
                       const struct sp__watch_example *example) SP_NONNULL;

/** A message that was counted is to be handled again. Context: the thread. */
void sp__watch_put_back(struct sp__context *context) SP_NONNULL;

/** A message is about to be sent: stamp it where it is its turn. `waited`: to a process that waits for
 *  messages. Context: the thread. */
void sp__watch_stamp(struct sp__context *context, struct sp_message *message, bool waited)
    SP_NONNULL;

/** Would sp__watch_stamp() stamp? If not, counts it as passed. Context: the thread. */
bool sp__watch_stamps(struct sp__context *context) SP_NONNULL;

/** A process of this label ended so. Context: the thread. */
void sp__watch_exit(struct sp__context *context, const char *process, enum sp_reason_kind kind)
    SP_NONNULL;

/** A supervisor started one of this label again. Context: the thread. */
void sp__watch_restart(struct sp__context *context, const char *process) SP_NONNULL;

/** A timer that was due at `due_ns` fires. Context: the thread. */
void sp__watch_timer(struct sp__context *context, int64_t due_ns, int64_t now_ns) SP_NONNULL;

/** The worker begins to sleep, or is awake. Context: the thread. */
void sp__watch_idle(struct sp__context *context, bool idle) SP_NONNULL;

/** The same, if somebody watches. Context: the thread. */
static inline void sp__watched_idle(struct sp__context *context, bool idle)
{
    if (sp__watched(context))
        sp__watch_idle(context, idle);
}

/** How long it has slept, by `now_ns`. Context: any. */
int64_t sp__watch_idle_ns(struct sp__watch *watch, int64_t now_ns) SP_NONNULL;

/** Begin on a context that has a meter: false: no memory. Context: with contexts_lock held. */
bool sp__watch_attach(struct sp_runtime *runtime, struct sp__context *context) SP_NONNULL;

/** End. Context: as above. */
void sp__watch_detach(struct sp__context *context) SP_NONNULL;

/** What somebody else wants of the gate: the recorder begins or ends on the context.
 *  Context: as above. */
void sp__watch_refresh(struct sp__context *context) SP_NONNULL;

/** From now on all sends of the context pass a point, because of `actor`; NULL: no more. Context: any, with
 *  contexts_lock held. */
void sp__watch_deviate(struct sp__context *context, struct sp__actor *actor) SP_NONNULL_ARGS(1);

/** NULL is fine. Context: the runtime's end. */
void sp__watch_free(struct sp__watch *watch);

/** Watch all contexts. `gap_ns` and `kinds` as in struct sp__meters; a second start changes the gap only.
 *  Errors: NOMEM (nothing is watched). Context: any. */
SP_NODISCARD sp_err sp__watch_start(struct sp_runtime *runtime, int64_t gap_ns, uint32_t kinds)
    SP_NONNULL;

/** From now on what all threads send has the number of its request, or no longer. Context: with
 *  contexts_lock held. */
void sp__watch_traces(struct sp_runtime *runtime, bool on) SP_NONNULL;

/** Are they watched? Context: any. */
bool sp__watch_started(struct sp_runtime *runtime) SP_NONNULL;

/** Stop; what was counted stays. Context: any. */
void sp__watch_stop(struct sp_runtime *runtime) SP_NONNULL;

#endif
