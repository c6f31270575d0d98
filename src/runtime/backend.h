/* The seam: everything a runtime takes from the outside world.
 *
 * Two backends implement it: `real` (threads, epoll, the system's clocks, sockets) and
 * `sim` (one thread, a seed, virtual time and network). Nothing above runtime/ reads a
 * clock, a random source, a socket, a file or a thread on its own; a check over the
 * built archive keeps it so. What runs for every message (mailbox push, local run queue)
 * is not here.
 *
 * Every function says when it is called and whether it may suspend the calling process.
 */
#ifndef SPAWNED_RUNTIME_BACKEND_H
#define SPAWNED_RUNTIME_BACKEND_H

#include "spawned/err.h"
#include "spawned/runtime.h"
#include "spawned/time.h"

struct sp__actor;
struct sp__context;
struct sp__fiber;
struct sp_runtime;
struct sp__io;
struct sp__io_address;
struct sp__log_ops;
struct sp__file_ops;
struct sp__job;

/** A piece of work for a thread that may block. Embedded by its owner. */
struct sp__job {
    struct sp__job *next;
    void (*run)(struct sp__job *job); /* on a blocking thread; without a context */
    void (*done)(
        struct sp__job *job); /* afterwards, on the same thread, which then has a context */
};

struct sp__backend_ops {
    const char *name;

    /** Workers to start when the user does not say. Any context. */
    uint32_t (*cpus)(void);

    /* ---- clocks and chance; any context, never suspend ---- */

    /** Monotonic nanoseconds, from a moment that stays the same. */
    int64_t (*now)(struct sp_runtime *runtime);
    /** The same some milliseconds ago at most, cheaper: for what is only reported. */
    int64_t (*now_coarse)(struct sp_runtime *runtime);
    /** How long ago at most. */
    int64_t coarse_ns;
    /** Wall clock, nanoseconds since 1970 UTC. */
    int64_t (*wall)(struct sp_runtime *runtime);
    /** The system's entropy. */
    sp_err (*entropy)(struct sp_runtime *runtime, void *bytes, size_t size);

    /** Processes wait for each other in a circle, as `text` says; called by the one that closes
     *  it. NULL: nobody minds, beyond the error that it gets. May not suspend. */
    void (*circle)(struct sp_runtime *runtime, const char *text);

    /* ---- scheduling ---- */

    /** Start the workers. Called once, at startup. */
    sp_err (*start)(struct sp_runtime *runtime);
    /** Stop and join the workers: all processes are gone. False: a thread does not come back
     *  before `deadline_ns`, and the runtime must not be freed; called again then. */
    bool (*stop)(struct sp_runtime *runtime, int64_t deadline_ns);
    /** Free what start and create took. Called once, after a stop that returned true. */
    void (*destroy)(struct sp_runtime *runtime);
    /** Run `fn(arg)` on a thread that nobody waits for: the rest of a stop. NULL: there is none.
     *  LIMIT: the system gives none. */
    sp_err (*reap)(void *(*fn)(void *arg), void *arg);
    /** An actor became runnable. Any context; never suspends. */
    void (*ready)(struct sp__actor *actor);
    /** The running actor gives up its worker until it is made ready. May return early. */
    void (*park)(struct sp__actor *actor, bool receiving);
    /** The running actor goes to the back of the queue. */
    void (*yield)(struct sp__actor *actor);
    /** The running actor gives up the fiber it runs on, which goes to `*out_fiber`: its next turn is
     *  a fresh call. Returns when a turn returns YIELD with that fiber in actor.fiber. Not on a thread
     *  of its own. Suspends. */
    void (*detach)(struct sp__actor *actor, struct sp__fiber **out_fiber);
    /** The running actor has ended; its stack is dropped. Does not return. */
    void (*abandon)(struct sp__actor *actor);
    /** Does the thread of `context` run a handler of `actor` just now, or is it the actor's own? NULL:
     *  there is one thread. Any thread, with contexts_lock held. */
    bool (*runs)(struct sp__context *context, const struct sp__actor *actor);
    /** A timer was armed on `shard` for earlier than all others: whoever sleeps must know.
     *  Any context; never suspends. */
    void (*timer_earlier)(struct sp_runtime *runtime, uint32_t shard, int64_t expiry_ns);

    /* ---- threads ---- */

    /** Run `actor` on a new thread of its own. LIMIT: the system gives none. Never suspends. */
    sp_err (*thread_start)(struct sp_runtime *runtime, struct sp__actor *actor);
    /** Give the calling (foreign) thread a context. */
    sp_err (*thread_attach)(struct sp_runtime *runtime, struct sp__context **out_context);
    /** Undo it. */
    void (*thread_detach)(struct sp__context *context);
    /** Run a job on a blocking thread. LIMIT: all are busy and the queue is full. Never suspends. */
    sp_err (*blocking)(struct sp_runtime *runtime, struct sp__job *job);

    /* ---- the system's signals ---- */

    /** Call `notify(arg, signo)` on a thread with a context whenever the program gets SIGINT or
     *  SIGTERM; NULL ends it and restores the default action. One subscriber per program: EXISTS. */
    sp_err (*os_signals)(struct sp_runtime *runtime, void (*notify)(void *arg, int signo),
                         void *arg);

    /* ---- the log: see runtime/log.h; NULL: lines go to the callback at once ---- */
    const struct sp__log_ops *log;

    /* ---- byte streams: see runtime/io.h ---- */
    const struct sp__io_ops *io;

    /* ---- files: see runtime/file.h ---- */
    const struct sp__file_ops *file;
};

/** The backend on threads, epoll and the system's clocks. */
extern const struct sp__backend_ops sp__backend_real;

/** The backend of the runtimes that the calling thread creates; NULL: the real one.
 *  Context: any. */
void sp__backend_choose(const struct sp__backend_ops *ops);
/** What was chosen, never NULL. Context: any. */
const struct sp__backend_ops *sp__backend_chosen(void) SP_NOINLINE;

static inline int64_t sp__now(struct sp_runtime *runtime);

#include "runtime/core.h"

static inline int64_t sp__now(struct sp_runtime *runtime)
{
    return runtime->ops->now(runtime);
}

#endif
