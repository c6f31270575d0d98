/* The runtime object and the context of a thread that runs processes.
 *
 *   sp_runtime ──┬── backend (real: workers, poller, wheels, pools)      runtime/backend.h
 *                ├── epoch domain, message pool, fiber pool              runtime/
 *                ├── contexts: one per thread that runs processes        below
 *                └── table, registry, groups                             process/ (opaque here)
 *
 * A context belongs to one OS thread: a worker, the own thread of a process, or a foreign
 * thread that attached itself. Code finds it with sp__context(), which compilers must not
 * take apart: they keep the address of a thread-local across a fiber switch, and the
 * fiber may go on in another thread. So: fetch it anew after everything that may suspend.
 *
 * Threads: `runtime` fields are constant after start unless marked; a context is its
 * thread's, its counters are read by others.
 */
#ifndef SPAWNED_RUNTIME_CORE_H
#define SPAWNED_RUNTIME_CORE_H

#include "base/hash.h"
#include "base/list.h"
#include "base/lock.h"
#include "runtime/actor.h"
#include "runtime/context_x86_64.h"
#include "runtime/epoch.h"
#include "runtime/fiber.h"
#include "runtime/msg_pool.h"
#include "runtime/point.h"
#include "runtime/random.h"
#include "runtime/slab.h"
#include "runtime/timers.h"
#include "spawned/runtime.h"

struct sp__backend_ops;
struct sp__registry;
struct sp__groups;
struct sp__dead_letters;
struct sp__exits;
struct sp__trace;
struct sp_process;

enum {
    /** Places in the program where processes are spawned, that are told apart; without number 0. */
    SP__SPAWN_SITES = 256,
};

/** Counters of one context: written by its thread, summed by readers. */
struct sp__counters {
    _Atomic uint64_t sent;
    _Atomic uint64_t handled;
    _Atomic uint64_t dead_noproc;
    _Atomic uint64_t dropped_full;
    _Atomic uint64_t dropped_stale;
    _Atomic uint64_t dropped_shed;
    _Atomic uint64_t late_replies;
    _Atomic uint64_t expired;
    _Atomic uint64_t spawned;
    _Atomic uint64_t exited;
    _Atomic uint64_t faults;
    _Atomic uint64_t steals;
    _Atomic uint64_t parks;
};

/** Add one. The thread is the only writer, hence no read-modify-write. */
static inline void sp__count(_Atomic uint64_t *counter)
{
    /* relaxed: a statistic; exact once the thread is quiet. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

enum sp__context_kind {
    SP__CONTEXT_WORKER,  /* runs any process, on fibers */
    SP__CONTEXT_THREAD,  /* runs one process that has a thread of its own, on a fiber */
    SP__CONTEXT_FOREIGN, /* a thread of the program that attached itself */
};

/** What is left to do for the fiber just left, done by the one switched to. */
enum sp__after {
    SP__AFTER_NOTHING,
    SP__AFTER_PARK,  /* park `after_actor`, or make it ready again */
    SP__AFTER_READY, /* it yielded */
    SP__AFTER_DROP,  /* put `after_fiber` back */
    SP__AFTER_FAULT, /* `after_actor` faulted on `after_fiber`: run its exit, then put it back */
};

struct sp__log;
struct sp__log_who;
struct sp__record_ring;
struct sp__watch;
struct sp__watch_cell;
struct sp__meter;
struct sp__meters;
typedef void (*sp__point_fn)(struct sp__context *context, enum sp__point kind, uint64_t object,
                             const char *what);

struct sp__context {
    struct sp_runtime *runtime;
    struct sp__actor *current; /* what runs now, or NULL: the scheduler itself */
    struct sp__fiber *fiber;   /* on which it runs */
    /** Called before an operation that others can notice: in a simulated world it stands aside
     *  (point.h), on threads it records, while the recorder is on. Or it does nothing, and only says
     *  what is to be done with what is sent: point_nothing, point_ids (watch.h). Else NULL. */
    sp__point_fn _Atomic point;
    struct sp__record_ring *_Atomic record; /* see recorder.h; NULL: the recorder is off */
    struct sp__watch_cell *_Atomic watch;   /* see watch.h; NULL: nobody watches messages */
    struct sp__watch *_Atomic counting;
    struct sp__meter *_Atomic meter;    /* see meter.h; NULL: it has none */
    struct sp__actor *_Atomic deviates; /* its sends go out of line because of this one; or NULL */
    enum sp__context_kind kind;
    enum sp__after after;
    bool after_receiving;
    _Atomic bool acts; /* the function at `point` does something */
    struct sp__actor *after_actor;
    struct sp__fiber *after_fiber;
    struct sp__fiber *spare;  /* for when there is no memory for a new one; see scheduler.h */
    struct sp__fiber *origin; /* the thread's own stack */
    struct sp__epoch_thread epoch;
    struct sp__msg_cache messages;
    struct sp__fiber_cache fibers;
    struct sp__slab_cache timer_cache; /* of runtime.timer_slots */
    struct sp__slab_cache process_cache;
    struct sp__slab_cache task_cache; /* of runtime.task_slots, once it was used */
    _Atomic uint32_t live_unused;     /* see process/living.h; written by the thread */
    uint32_t spawned_in_a_row;        /* since a spawner gave way; see process/spawn.c */
    const void *spawn_site;           /* where, in the program; see process/spawn_site.h */
    struct sp__counters counters;
    uint64_t random;                /* state of its random stream */
    uint64_t trace_number;          /* of the last request that began here; see process/trace.h */
    _Atomic uint64_t trace_stop;    /* the number from which on one is not handed out at once */
    uint64_t trace_due;             /* the first that is followed, */
    uint32_t trace_drawn;           /* as drawn under this setting */
    uint32_t shard;                 /* timer shard it arms on */
    void *backend;                  /* the backend's part: struct sp__worker, struct sp__thread */
    struct sp__fault_thread *fault; /* runtime/real/fault.c's part, or NULL */
    struct sp__list link;           /* runtime.contexts */
};

struct sp_starvation;

/** The detector of starvation: what the watcher has to know, and whom it tells. */
struct sp__starvation {
    _Atomic int64_t interval_ns; /* 0: nobody wants to know */
    _Atomic int64_t warning_ns;
    _Atomic int64_t critical_ns;
    _Atomic uint64_t warnings;
    _Atomic uint64_t criticals;
    struct sp__lock lock; /* held while it is told */
    void (*fn)(const struct sp_starvation *starvation, void *arg) SP__GUARDED_BY(lock);
    void *arg SP__GUARDED_BY(lock);
    sp_pid notify SP__GUARDED_BY(lock);
    /** Tells it. On a thread with a context. Set by the process layer. */
    void (*tell)(struct sp_runtime *runtime, const struct sp_starvation *starvation);
};

struct sp_runtime {
    const struct sp__backend_ops *ops;
    bool real;     /* on the backend of threads: its ready is called directly, once per message */
    bool forgets;  /* its memory is taken back as a whole: what would only free is left out */
    void *backend; /* its own state */
    struct sp_runtime_options options; /* defaults filled in */
    struct sp__epoch epoch;
    struct sp__msg_pool messages;
    struct sp__fiber_pool *fibers;
    struct sp__timers *timers; /* one shard per worker */
    struct sp__lock contexts_lock;
    struct sp__list contexts SP__GUARDED_BY(contexts_lock);
    _Atomic uint32_t context_count;
    struct sp__counters gone SP__GUARDED_BY(contexts_lock); /* of contexts that ended */
    _Atomic uint64_t next_id; /* monitors, timers: unique in the runtime */
    _Atomic bool stopping;
    _Atomic bool draining;        /* the coordinated shutdown has begun: behaviour/shutdown.c */
    _Atomic bool unready;         /* a shutdown has begun: behaviour/shutdown_run.c */
    struct sp__slab *processes;   /* struct sp_process, by slot */
    struct sp__slab *timer_slots; /* struct sp__timer */
    struct sp__slab *_Atomic task_slots;              /* struct sp__task_slot; made by the first */
    struct sp__lock task_lock;                        /* which groups of tasks are beneath which */
    const void *_Atomic spawn_sites[SP__SPAWN_SITES]; /* by number; see process/spawn_site.h */
    struct sp__hash_seed seed;
    _Atomic uint64_t live;            /* written under contexts_lock; see process/living.h */
    struct sp_runtime *debugger_next; /* process/debugger.h */
    struct sp__trace *_Atomic trace;  /* process/trace.h; made by the first start */
    _Atomic bool traces;              /* sends go past a point; see runtime/watch.h */
    struct sp__busy *_Atomic busy;    /* process/busy.h; made when metrics are first started */
    struct sp__recorder *recorder;    /* recorder.h; made by the first start, under contexts_lock */
    struct sp__meters *_Atomic meters;  /* meter.h; NULL: there are none yet */
    struct sp_process *_Atomic stopper; /* waits until it is the only process left */
    struct sp__registry *registry;
    struct sp__dead_letters *_Atomic dead; /* made by the first; NULL: none yet */
    _Atomic uint32_t crashes;              /* of which there is, or would be, a file */
    struct sp__exits *_Atomic exits;       /* the same */
    struct sp__groups *groups;
    _Atomic uint64_t handoffs; /* workers taken from a stuck handler */
    /* Of the poller: looks for events and what they found, by who polls; and those that had to be ended. */
    _Atomic uint64_t polls;
    _Atomic uint64_t poll_events;
    _Atomic uint64_t poll_wakes;
    struct sp__starvation starvation;
    struct sp__log *log;             /* log.h; NULL: there is none */
    _Atomic uint64_t overruns;       /* handlers that passed their deadline */
    _Atomic uint64_t abandoned;      /* processes given up, process/give_up.h, */
    _Atomic uint64_t abandoned_left; /* and those whose handler has not returned */
    _Atomic uint32_t worker_threads; /* with those left behind, and spare ones */
    /** What to call an actor in a report; inside an epoch section. Set by the process layer, as
     *  those below. */
    void (*describe)(struct sp__actor *actor, char *text, size_t size);
    /** What sort of process it is: static text, as far as the program's labels are. The actor runs. */
    const char *(*label)(struct sp__actor *actor);
    /** The level of what the running actor logs, or SP_LOG_DEFAULT; and who that is. */
    uint8_t (*log_level)(struct sp__actor *actor);
    void (*log_who)(struct sp__actor *actor, struct sp__log_who *who);
    /** Trace and span of what runs in the context; false: none. NULL: nobody traces. */
    bool (*log_trace)(struct sp__context *context, uint8_t trace_id[16], uint8_t span_id[8]);
    /** Runs the exit of an actor that faulted. */
    void (*on_fault)(struct sp__actor *actor, const struct sp_fault *fault);
    /** What a point of this actor's own is on; see point.h. Set by the process layer. */
    uint64_t (*actor_object)(const struct sp__actor *actor);
    /** Timers of SP__TIMER_MESSAGE that are due. Inside an epoch section; may not suspend. */
    void (*on_timers)(struct sp__timer_node *const *nodes, size_t count);
    /** To whom one of SP__TIMER_MESSAGE, which is armed, sends. */
    struct sp__actor *(*timer_actor)(struct sp__timer_node *node);
    /** Its own thread got no stack: ends the actor, returns. */
    void (*on_no_stack)(struct sp__actor *actor);
    /** There is no stack to suspend on: ends the running actor, does not return. */
    void (*on_no_fiber)(struct sp__actor *actor);
};

/** The calling thread's context, or NULL. Never cache it across a suspension. Context: any. */
#if defined(__x86_64__) && defined(__LP64__)
static inline struct sp__context *sp__context(void)
{
    return sp__context_x86_64();
}
#else
struct sp__context *sp__context(void) SP_NOINLINE;
#endif

/** Set it; NULL at the end. Context: startup. */
void sp__context_set(struct sp__context *context);

/** Prepare a context for the calling thread and register it.
 *  Context: startup of the thread. */
void sp__context_init(struct sp__context *context, struct sp_runtime *runtime,
                      enum sp__context_kind kind, uint32_t shard) SP_NONNULL;

/** Undo it: caches go back, counters are kept. Context: end of the thread. */
void sp__context_finish(struct sp__context *context) SP_NONNULL;

/** Add the counters of all contexts, past and present, to `*sum`. Context: any. */
void sp__context_counters(struct sp_runtime *runtime, struct sp__counters *sum) SP_NONNULL;

/** The same before an operation on a name. Context: as below. */
void sp__point_at_name(struct sp__context *context, const char *name, const char *what)
    SP_NONNULL_ARGS(1, 3);

/** What is to be called at points, or NULL. Context: its thread. */
static inline sp__point_fn sp__point_of(struct sp__context *context)
{
    /* relaxed: it is a function; what it needs it synchronises with itself. */
    return atomic_load_explicit(&context->point, memory_order_relaxed);
}

/** Stand aside before `kind` on `object`, if the world is a simulated one; point.h says when.
 *  `what` names it for people and lives as long as the step.
 *  Context: a process that is running, outside of sections and locks; may suspend. */
static inline void sp__point(enum sp__point kind, uint64_t object, const char *what)
{
    struct sp__context *context = sp__context();
    sp__point_fn point = context == NULL ? NULL : sp__point_of(context);
    if (__builtin_expect(point != NULL, 0))
        point(context, kind, object, what);
}

/** What is called at points where those who send are only to go out of line; does nothing. */
void sp__point_nothing(struct sp__context *context, enum sp__point kind, uint64_t object,
                       const char *what);

/** The same, where they only give their messages the number of their request: process/trace.h. */
void sp__point_ids(struct sp__context *context, enum sp__point kind, uint64_t object,
                   const char *what);

/** From now on `point` is called at points, and does something; NULL: no longer. Context: its thread, or with
 *  contexts_lock held. */
static inline void sp__point_act(struct sp__context *context, sp__point_fn point)
{
    /* relaxed, both: as in sp__point_of(). Who sees the one may not see the other yet. */
    atomic_store_explicit(&context->point, point, memory_order_relaxed);
    atomic_store_explicit(&context->acts, point != NULL, memory_order_relaxed);
}

/** Does a point do something, such as to suspend or to record? Context: its thread. */
static inline bool sp__point_acts(struct sp__context *context)
{
    /* relaxed: as `point`, which is set beside it. */
    return __builtin_expect(atomic_load_explicit(&context->acts, memory_order_relaxed), 0);
}

/** sp__point(), without the call of one that does nothing. */
static inline void sp__point_if_acts(enum sp__point kind, uint64_t object, const char *what)
{
    struct sp__context *context = sp__context();
    sp__point_fn point = sp__point_of(context); /* once: a recorder may end meanwhile */
    if (sp__point_acts(context) && point != NULL)
        point(context, kind, object, what);
}

/** sp__point() where the context is at hand. */
static inline void sp__point_in(struct sp__context *context, enum sp__point kind, uint64_t object,
                                const char *what)
{
    sp__point_fn point = sp__point_of(context);
    if (__builtin_expect(point != NULL, 0))
        point(context, kind, object, what);
}

/** sp__point() on a name. */
static inline void sp__point_name(const char *name, const char *what)
{
    struct sp__context *context = sp__context();
    if (__builtin_expect(context != NULL && sp__point_of(context) != NULL, 0))
        sp__point_at_name(context, name, what);
}

#endif
