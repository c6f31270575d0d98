/* The runtime: workers, process table, registry, timers and poller, as one object.
 *
 * Several runtimes can live in one program; nothing is global. Calls that concern "the
 * process that runs now" find their runtime through it. A thread that is not one of the
 * runtime's own attaches itself first and is then a process too: it has a pid and a
 * mailbox, can send, call, receive, monitor and wait (its waits block the thread).
 */
#ifndef SPAWNED_RUNTIME_H
#define SPAWNED_RUNTIME_H

#include "spawned/err.h"
#include "spawned/log.h"
#include "spawned/pid.h"
#include "spawned/reason.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

struct sp_runtime;

/** What happens when a handler faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL, abort()). */
enum sp_fault_policy {
    SP_FAULT_CONTAIN = 0, /**< the process ends with SP_REASON_FAULT, the runtime goes on */
    SP_FAULT_ABORT,       /**< the program ends with a core, as without a runtime */
};

/** Is it told in the log (at `info`) what a process had not given back when it ended? Its end releases
 *  all of it in any case; one that lives long should not need that. See docs/containment.md. */
enum sp_leak_report {
    SP_LEAK_REPORT_DEFAULT = 0, /**< where the library was built as Debug */
    SP_LEAK_REPORT_ON,          /**< sp_alloc() memory by place, sockets, timers, requests */
    SP_LEAK_REPORT_OFF,
};

/** A file for each contained fault: signal, address, stack with symbols, what was handled, the mailbox,
 *  the last events of the flight recorder. See docs/containment.md. */
struct sp_crash_options {
    const char *folder; /**< that exists; borrowed while the runtime lives. NULL: no files */
    uint32_t files_max; /**< so many, then no more; default 100 */
};

/** Limits and choices of a runtime. Zero means the default named here. */
struct sp_runtime_options {
    uint32_t workers;       /**< threads that run processes; default: one per CPU */
    uint32_t processes_max; /**< live processes; default 16,777,216 */
    uint32_t timers_max;    /**< armed timers that send messages, and some that threads keep ready;
                                 default 16,777,216 */
    uint32_t mailbox_max;   /**< messages per mailbox; default 65,536 */
    uint32_t throughput;    /**< messages a process handles per turn; default 100; more
                                        than 65,535 are so many */
    /** A process that others wait behind gives way to them after so long, though it has messages
     *  left. Looked at by a monitor: it may be twice as long, and is at least a millisecond.
     *  Default 5 ms; negative: never. See spawned/scheduling.h. */
    sp_duration slice;
    /** Processes of a lower priority are passed over for so long before they get a share of the
     *  time all the same. Default 1 ms, up to 1 minute. */
    sp_duration aging;
    size_t stack_size;             /**< usable bytes of a fiber's stack; default 64 KiB */
    uint32_t blocking_threads_max; /**< threads for sp_blocking(); default 64 */
    /** A handler that computes or blocks its thread for so long is stuck: another thread goes on
     *  with its worker, and it goes on at the lowest priority of the system until it returns.
     *  Default 10 ms, 1 ms to 1 hour; negative: never. */
    sp_duration stuck_after;
    uint32_t stuck_threads_max; /**< threads for that beyond `workers`; default 64 */
    /** Before a worker sleeps for want of work it looks for so long whether input comes, where
     *  that was of use the last times. Default 20 us, at most 1 ms; negative: never. */
    sp_duration poll_spin;
    enum sp_fault_policy on_fault;   /**< default: contain */
    enum sp_leak_report leak_report; /**< default: in debug builds */
    struct sp_crash_options crash;   /**< default: no files; the log tells of faults in any case */
    uint64_t seed;                   /**< of the runtime's random numbers; default: the system's */
    struct sp_log_options log;       /**< default: none, the library prints nothing */
};

/** Start a runtime. `options` NULL: all defaults.
 *  Errors: NOMEM (or no address space for `processes_max` and `timers_max`); INVALID (an option out
 *  of range); LIMIT (the system gives no thread); IO (no poller).
 *  Ownership: the caller ends it with sp_runtime_destroy().
 *  Context: any thread that is not a process of a runtime. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_runtime_create(const struct sp_runtime_options *options, struct sp_runtime **out_runtime);

/** What sp_runtime_destroy() had to do. */
struct sp_stop_report {
    uint32_t killed;     /**< processes that did not end on the shutdown signal */
    uint32_t stuck;      /**< processes whose handler did not return before the deadline */
    char stuck_name[64]; /**< name or pid of one of them */
};

/** Stop a runtime and free it. Every process gets an exit signal `shutdown`; those that are
 *  left at half of the deadline are killed. Returns SP_OK when all ended; a handler that
 *  never returns cannot be taken from its thread: then the error is TIMEOUT and `out_report`
 *  names it; a thread that nobody waits for frees the rest of the runtime when it has returned.
 *  Errors: TIMEOUT.
 *  Other threads that are attached get the shutdown signal too, which ends their process at
 *  their next wait; they must detach all the same, or the error is TIMEOUT.
 *  Ownership: takes the runtime, also on failure. `out_report` may be NULL and is always
 *  written otherwise.
 *  Context: any thread, attached to this or another runtime or not; not a process that this
 *  runtime runs. Blocks the thread. Default deadline: 5 s. */
SP_API SP_NODISCARD sp_err sp_runtime_destroy(struct sp_runtime *moved_runtime,
                                              sp_deadline deadline,
                                              struct sp_stop_report *out_report);

/** Make the calling thread a process of `runtime`. It traps exits from the start: a thread
 *  cannot be ended by a signal. Killed all the same, it is no process any more (its calls say
 *  NOTCONTEXT) until it detaches and attaches again. Attaching twice is INVALID.
 *  Errors: NOMEM, LIMIT, INVALID.
 *  Ownership: undone by sp_thread_detach(), which the runtime's end waits for.
 *  Context: a thread that is not a process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_thread_attach(struct sp_runtime *runtime);

/** End the calling thread's process, with reason `normal`. Does nothing on a thread that is
 *  not attached.
 *  Context: an attached thread. */
SP_API void sp_thread_detach(void);

/** The function of a main process: its result is the program's exit status. */
typedef int (*sp_main_fn)(void *arg);

/** Create a runtime, run `fn(arg)` in a process called "main", stop everything when it
 *  returns, and give back its result: the whole of many a `main`. Dies of an abnormal
 *  reason or fails to start: EXIT_FAILURE, and the reason goes to the log. Where the options
 *  have none, SPAWNED_LOG in the environment turns one on, to the standard error:
 *  `SPAWNED_LOG=info program`, with levels as in sp_log_levels_parse().
 *  Context: any thread that is not a process. */
SP_API SP_NONNULL_ARGS(1) int sp_main(sp_main_fn fn, void *arg,
                                      const struct sp_runtime_options *options);

/** The runtime of the running process, or NULL on a thread that is not one. Context: any. */
SP_API struct sp_runtime *sp_runtime_current(void);

/** The runtime's monotonic clock; virtual in simulation. Context: process. */
SP_API sp_time sp_now(void);
/** Wall-clock time. Units: nanoseconds since 1970-01-01 UTC. Context: process. */
SP_API int64_t sp_wall_ns(void);
/** A random number of the runtime's seeded stream; not for secrets. Context: process. */
SP_API uint64_t sp_random(void);
/** Fill `size` bytes from the system's random source (seeded in simulation): keys, hash seeds.
 *  Errors: IO. Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_random_bytes(void *bytes, size_t size);

/** Give other processes a turn. Context: process, may suspend. */
SP_API void sp_yield(void);

/** Suspend for `d`. True, and not an sp_err: it was slept to its end. False: it was cancelled (see sp_cancel()) before that was over. A process that
 *  is told to exit does not come back.
 *  Context: process, may suspend. */
SP_API bool sp_sleep(sp_duration d);

/** Counts of a runtime since its start. Messages: sent = handled + queued + dead_noproc +
 *  dropped_full + dropped_stale + dropped_shed. */
struct sp_stats {
    uint64_t processes;     /**< alive now */
    uint64_t spawned;       /**< ever */
    uint64_t exited;        /**< ever */
    uint64_t sent;          /**< every message for which a send was tried */
    uint64_t handled;       /**< received or dispatched */
    uint64_t queued;        /**< in mailboxes now */
    uint64_t dead_noproc;   /**< sent to a pid that was dead, or left in a mailbox at exit */
    uint64_t dropped_full;  /**< refused or discarded by a full mailbox */
    uint64_t dropped_stale; /**< timer messages cancelled after they were queued */
    uint64_t dropped_shed;  /**< refused by a process that drains, or is overloaded */
    uint64_t late_replies;  /**< replies whose caller had given up */
    uint64_t expired;       /**< of `handled`: requests skipped, their caller had given up */
    uint64_t faults;        /**< contained */
    uint64_t steals;        /**< processes taken from another worker's queue */
    uint64_t parks;         /**< times a worker went to sleep */
    uint64_t timers;        /**< armed now */
    uint64_t handoffs;      /**< times a worker went on without the thread of a stuck handler */
    uint64_t starvations;   /**< warnings of sp_starvation_start(), */
    uint64_t starvations_critical; /**< and those that became critical */
    uint64_t overruns;    /**< handlers that passed their deadline, see spawned/scheduling.h */
    uint64_t polls;       /**< looks for events of sockets, */
    uint64_t poll_events; /**< those found, */
    uint64_t poll_wakes;  /**< and waits for them that were ended because of something else */
    uint64_t abandoned;   /**< processes given up because of that; */
    uint64_t
        abandoned_left; /**< of these, whose handler has not returned yet: they count as alive */
    uint64_t threads;   /**< that run processes now: of workers, of stuck handlers, spare */
};

/** Read the counters. Exact when nothing runs meanwhile.
 *  Context: any. */
SP_API SP_NONNULL void sp_runtime_stats(struct sp_runtime *runtime, struct sp_stats *out_stats);

SP_EXTERN_C_END

#endif
