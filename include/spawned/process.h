/* Processes: spawn, exit, links, monitors, signals.
 *
 * The semantics are Erlang's (see docs/semantics.md): a process ends by returning, by
 * sp_exit(), by a signal, or by a contained fault. Its linked peers die with it unless
 * it ended with `normal` or they trap exits; its monitors get one DOWN each; its name,
 * timers, memory, sockets and deferred functions are released, whatever the way out.
 */
#ifndef SPAWNED_PROCESS_H
#define SPAWNED_PROCESS_H

#include "spawned/err.h"
#include "spawned/message.h"
#include "spawned/pid.h"
#include "spawned/reason.h"
#include "spawned/runtime.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

struct sp_scheduling;

/** The body of a plain process. Returning ends it with reason `normal`. */
typedef void (*sp_process_fn)(void *arg);

/** What a full mailbox does with one message more. */
enum sp_overflow {
    SP_OVERFLOW_REFUSE = 0,  /**< the send returns SP_ERR_FULL */
    SP_OVERFLOW_DROP_NEWEST, /**< the send succeeds, the message is dropped and counted */
    SP_OVERFLOW_DROP_OLDEST, /**< the oldest queued message is dropped and counted; those that a
                                selective receive passed over are kept, and the start of a server
                                that has not run its init: only such, and it is full */
    SP_OVERFLOW_STOP,        /**< the receiver ends with reason error(FULL), trapping or not */
};

/** Called in the sender's context when a mailbox reaches its high-water mark; may not suspend. */
typedef void (*sp_high_water_fn)(sp_pid pid, uint32_t length, void *arg);

/** A mailbox without a bound: a choice one writes down. */
#define SP_MAILBOX_UNBOUNDED UINT32_MAX

/** How a process starts. Zero is the default everywhere. */
struct sp_spawn_options {
    const char *name;            /**< registered before it runs; copied */
    const char *label;           /**< for inspection, when it has no name; static */
    size_t arg_size;             /**< not 0: `arg` points to so many bytes, which are copied */
    bool link;                   /**< to the calling process, atomically */
    bool trap_exit;              /**< exit signals become EXIT notices */
    bool notices_first;          /**< DOWN and EXIT go ahead of queued messages */
    bool own_thread;             /**< runs on a thread of its own: may block, spin, use any API */
    sp_monitor_ref *out_monitor; /**< not NULL: monitored by the calling process, atomically */
    uint32_t mailbox_max;        /**< messages; default: the runtime's; or SP_MAILBOX_UNBOUNDED */
    enum sp_overflow overflow;   /**< default: refuse */
    uint32_t high_water;         /**< messages at which `on_high_water` is called; 0: never */
    sp_high_water_fn on_high_water;
    void *high_water_arg;
    /** Sends and calls of others are refused with SP_ERR_OVERLOAD while one that is in the mailbox
     *  has waited for longer; replies, notices and timers are not. Default: never. */
    sp_duration queue_delay_max;
    const struct sp_scheduling *scheduling; /**< see spawned/scheduling.h; NULL: defaults; copied */
    size_t memory_max; /**< bytes of sp_alloc() memory; over it the process alone ends; 0: none */
};

/** Start a process that runs `fn(arg)`. `options` may be NULL, `out_pid` too. New processes run
 *  before others, the newest first; after every 64 the caller gives way to them.
 *  Errors: NOMEM; LIMIT (processes_max); EXISTS (the name is taken); INVALID (name empty or
 *  over 255 bytes, mailbox_max, scheduling); NOTCONTEXT (thread not attached).
 *  Ownership: `arg` is the caller's unless `arg_size` copies it.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_spawn(sp_process_fn fn, void *arg, const struct sp_spawn_options *options, sp_pid *out_pid);

/** The running process; SP_PID_NONE on a thread that is none. Context: any. */
SP_API sp_pid sp_self(void);

/** End the running process. Deferred functions run, then everything it owns is released.
 *  The first reason wins: a second sp_exit() on the way out only ends the function it is
 *  called in.
 *  Ownership: takes the reason.
 *  Context: process, not an attached thread (it aborts there). */
SP_API SP_NORETURN SP_NONNULL void sp_exit(const struct sp_reason *moved_reason);

/** sp_exit() with an error reason. Context: as sp_exit(). */
SP_API SP_NORETURN SP_PRINTF(2, 3) void sp_exit_error(sp_err code, const char *format, ...);

/** Send an exit signal, as a linked process's end would: ignored if `reason` is normal and
 *  `pid` does not trap (only to itself does a process say it for good); a notice if it traps; its end with that reason otherwise. `kill`
 *  cannot be trapped and is seen as `killed`.
 *  Errors: NOPROC, NOMEM, NOTCONTEXT; FULL (as many as its mailbox may have messages, at most
 *  65,535, wait to be handled; not for `kill`, nor from its parent).
 *  Ownership: takes the reason.
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_signal(sp_pid pid, const struct sp_reason *moved_reason);

/** sp_signal() with `kill`. Errors: as sp_signal(). Context: process. */
SP_API SP_NODISCARD sp_err sp_kill(sp_pid pid);

/** Ask a process to end with `reason` and wait until it is gone, its name free. A server runs
 *  its terminate callback; a plain process ends at its next suspension point, trapping or not.
 *  Errors: NOPROC, TIMEOUT (it goes on ending), NOMEM, NOTCONTEXT, DEADLOCK
 *  (itself, or one that waits for the caller).
 *  Ownership: takes the reason; NULL means normal.
 *  Context: process, may suspend. Default deadline: none. */
SP_API SP_NODISCARD sp_err sp_stop(sp_pid pid, const struct sp_reason *moved_reason,
                                   sp_deadline deadline);

/** Drain a process and wait for its end: from now on sends and calls to it return SP_ERR_SHUTDOWN,
 *  those before are finished, requests whose answer was put off included; then it ends with
 *  `shutdown`, a server through its terminate callback. What it sends to itself, its own timers
 *  included, and DOWN and EXIT notices still come. A plain process ends when it would wait for its
 *  next message. A supervisor refuses orders and stops its children in order.
 *  Errors: NOPROC, TIMEOUT (it goes on draining; sp_stop() or sp_kill() end that), NOTSUP (an
 *  attached thread), NOMEM, NOTCONTEXT, DEADLOCK
 *  (itself, or one that waits for the caller).
 *  Context: process, may suspend. Default deadline: none. */
SP_API SP_NODISCARD sp_err sp_drain(sp_pid pid, sp_deadline deadline);

/** Was the running process told to drain? True too once it is told to stop taking work by the
 *  coordinated shutdown, see spawned/shutdown.h. Context: process. */
SP_API bool sp_draining(void);

/** Wait until `pid` has ended. A pid that is dead already gives reason `noproc`: whoever needs the
 *  reason of one that may end at any time monitors it as it is spawned (out_monitor).
 *  Errors: TIMEOUT, NOMEM, NOTCONTEXT, DEADLOCK
 *  (itself, or one that waits for the caller).
 *  Ownership: the caller holds one reference of `*out_reason`; `out_reason` may be NULL.
 *  Context: process, may suspend. Default deadline: none. */
SP_API SP_NODISCARD sp_err sp_join(sp_pid pid, sp_deadline deadline,
                                   const struct sp_reason **out_reason);

/** Link the running process with `pid`: symmetric, at most one per pair. Linking to oneself
 *  does nothing.
 *  Errors: NOPROC (dead; a process that traps gets SP_OK and an EXIT notice `noproc`
 *  instead), NOMEM, NOTCONTEXT.
 *  Context: process. */
SP_API SP_NODISCARD sp_err sp_link(sp_pid pid);

/** Undo a link. When it returns, no exit of `pid` reaches this process any more, not even one
 *  that was queued already.
 *  Context: process. */
SP_API void sp_unlink(sp_pid pid);

/** Watch `pid`: one DOWN when it ends, at once (`noproc`) when it is dead.
 *  Errors: NOMEM, NOTCONTEXT.
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err sp_monitor(sp_pid pid, sp_monitor_ref *out_ref);

/** Watch whoever holds `name` now; DOWN carries the name, `noproc` at once where nobody does.
 *  Errors: NOMEM, NOTCONTEXT, INVALID.
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_monitor_name(const char *name, sp_monitor_ref *out_ref);

/** How to end a monitor. */
enum sp_demonitor {
    SP_DEMONITOR_KEEP = 0,  /**< a DOWN that is queued already stays queued */
    SP_DEMONITOR_FLUSH = 1, /**< and is removed */
};

/** End a monitor. True: it was active, no DOWN was sent. Context: process. */
SP_API bool sp_demonitor(sp_monitor_ref ref, enum sp_demonitor how);

/** Ask a process to give up what it is doing: from now on each operation in which it would wait
 *  (receive, sleep, call, join, read, ...) returns CANCELLED at once, until it ends; what it has
 *  not waited for it does. It is asked once for all: there is no way back. Not for servers: stop
 *  those.
 *  Errors: NOPROC, NOTSUP (a server, an attached thread), NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD sp_err sp_cancel(sp_pid pid);

/** Was the running process asked to give up, and is it not shielded? A loop that computes for
 *  long looks now and then. Context: process. */
SP_API bool sp_cancelled(void);

/** Shield the running process: while on, it waits as if nobody had cancelled it, to put things in
 *  order. Returns what it was before. An exit signal still ends it. Context: process. */
SP_API bool sp_shield(bool on);

/** Turn exit signals into EXIT notices (or stop doing so); returns what it was before.
 *  Context: process. */
SP_API bool sp_trap_exit(bool on);

/** Is it running? (It may end before the answer is used.) Context: process. */
SP_API bool sp_is_alive(sp_pid pid);

/** Run `fn(arg)` when the process ends, on every way out, last registered first.
 *  Errors: NOMEM, NOTCONTEXT.
 *  Ownership: `arg` is the caller's and must still be there: memory of sp_alloc() is, as it is
 *  released after what was deferred later; a local of a function that has returned is not.
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err sp_defer(void (*fn)(void *arg), void *arg);

/** Memory of the running process: freed when it ends, counted against its quota. Does not
 *  return NULL: without memory, or over the quota, the process ends with `out_of_memory`.
 *  Ownership: the process's; early with sp_free().
 *  Context: process; on an attached thread without memory the program aborts. */
SP_API SP_NODISCARD void *sp_alloc(size_t size);
/** sp_alloc() that returns NULL where sp_alloc() would end the process. Context: process. */
SP_API SP_NODISCARD void *sp_try_alloc(size_t size);
/** Resize; keeps the content up to the smaller size. Context: as sp_alloc(). */
SP_API SP_NODISCARD void *sp_realloc(void *memory, size_t size);
/** Free early. NULL is accepted. Context: the process that owns it. */
SP_API void sp_free(void *memory);
/** Copy a string into the process's memory. Context: as sp_alloc(). */
SP_API SP_NODISCARD SP_NONNULL char *sp_strdup(const char *text);

/** Run `fn(data)` on a thread for blocking work, on a copy of `size` bytes of `data`, and wait;
 *  then the copy is copied back. On a timeout the work goes on to its end and its result is
 *  dropped: what `data` points to must live that long.
 *  Errors: TIMEOUT, NOMEM, LIMIT (no thread and the queue is full), NOTCONTEXT.
 *  Context: process, may suspend. Default deadline: none. `fn` may not use the runtime. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_blocking(void (*fn)(void *data), void *data, size_t size, sp_deadline deadline);

/** What a process is doing. */
enum sp_process_status {
    SP_STATUS_RUNNING,  /**< on a worker now */
    SP_STATUS_RUNNABLE, /**< waits for a worker */
    SP_STATUS_IDLE,     /**< waits for a message */
    SP_STATUS_WAITING,  /**< suspended inside a handler: call, sleep, I/O */
    SP_STATUS_EXITING,
    SP_STATUS_SUSPENDED, /**< takes no messages, by sp_sys_suspend() */
};

/** A snapshot of one process. */
struct sp_process_info {
    sp_pid pid;
    char name[64];     /**< registered name, cut; empty: none */
    const char *label; /**< class of a server, label of the spawn, or "process" */
    enum sp_process_status status;
    uint32_t mailbox; /**< messages queued */
    uint32_t links;
    uint32_t monitors; /**< that it holds */
    uint32_t watchers; /**< that hold it */
    bool trap_exit;
    sp_pid parent;    /**< who spawned it */
    sp_pid waits_for; /**< the process its call waits for, or none */
    sp_duration uptime;
    uint64_t handled; /**< messages */
    size_t memory;    /**< sp_alloc() bytes */
};

/** Look at a process. Errors: NOPROC, NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_process_info(sp_pid pid, struct sp_process_info *out_info);

/** Pids of live processes in order of their slots, from `*cursor` (0 to begin; SIZE_MAX at the
 *  end): fills up to `max` and returns how many. Context: process. */
SP_API SP_NONNULL size_t sp_process_list(size_t *cursor, sp_pid *pids, size_t max);

SP_EXTERN_C_END

#endif
