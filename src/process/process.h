/* The process: what everything that runs is made of.
 *
 *   slot of the table (256 bytes):  actor | serial, flags | behaviour and its data
 *                                   | relations * | resources * | extra *
 *   relations  links, monitors, watchers, timers     allocated at the first one
 *   extra      name, quotas, requests, callbacks     allocated at the first one
 *   resources  memory, deferred functions, streams   released in reverse order at the end
 *
 * Life: spawn takes a slot, writes everything, and only then publishes the serial; exit
 * goes through the stages of enum sp__exit_stage, clears the serial so that nobody finds
 * it any more, tells links and watchers, and retires the slot through the epoch.
 *
 * Threads: the owner (whoever runs its turn) except where marked: `lock` guards relations
 * and what else says so; atomics are everybody's. Two processes' locks are taken in order
 * of address.
 * Neighbours: runtime/actor.h below; server.c and the other behaviours above.
 */
#ifndef SPAWNED_PROCESS_PROCESS_H
#define SPAWNED_PROCESS_PROCESS_H

#include "base/list.h"
#include "base/map.h"
#include "runtime/mailbox.h"
#include "runtime/scheduler.h"
#include "runtime/slab.h"
#include "spawned/process.h"

#include <stdarg.h>

struct sp_process;
struct sp__resource;
struct sp__relations;
struct sp__extra;
struct sp__pending;
struct sp__health;
struct sp__sys;
struct sp__schedule;
struct sp__router;

/** What a handler works on: the beginning of a server's frame. */
struct sp__handling {
    struct sp_message *message; /* NULL: none, or freed already */
};

/** The beginning of a server's data. */
struct sp__serving {
    struct sp__handling *innermost; /* NULL: between messages */
};

/** What a kind of process does. */
struct sp__behaviour {
    const char *label; /* of plain processes; servers answer with their class */
    /** A new one is filled in, and nobody can find it yet. Does not suspend. NULL: that was all. */
    void (*prepare)(struct sp_process *process);
    /** Runs what is to do, up to the throughput. */
    enum sp__turn (*turn)(struct sp__actor *actor);
    /** The exit begins, in whatever way: waits for those who use what it owns. May suspend; a kill
     *  does not end it. NULL: there are none. */
    void (*quiesce)(struct sp_process *self);
    /** The reason to end came while it was not in a handler, or it exits itself: runs the
     *  terminate callback where there is one and it is due. May suspend. NULL: none. */
    void (*terminate)(struct sp_process *self, const struct sp_reason *reason);
    /** After everything else: fails requests, frees `data`. Does not suspend. NULL: none. */
    void (*finish)(struct sp_process *self, const struct sp_reason *reason);
    bool cancels;  /* sp_cancel() is for it */
    bool handlers; /* it has handlers, which may have deadlines */
    bool always;   /* its process is created whatever the limit, also in a runtime that stops */
    /** What is running, for reports. NULL: the label. */
    const char *(*running)(struct sp_process *self);
    /** Label of this one, and what sp_whereis_class() compares. NULL: `label`, none. Any
     *  context, with the process's lock held and the process not closed, or the owner. */
    const char *(*name)(struct sp_process *self);
    const void *(*tag)(struct sp_process *self);
};

/* How far an exit is; a fault or an sp_exit() on the way goes on with the next stage. */
enum sp__exit_stage {
    SP__EXIT_NOT,
    SP__EXIT_TERMINATE, /* the terminate callback runs, or has run */
    SP__EXIT_RELEASE,   /* deferred functions and resources, last first */
    SP__EXIT_LOG,       /* the report */
    SP__EXIT_LEAVE,     /* name, groups and timers go; destructors of what those would have sent */
    SP__EXIT_DONE,      /* it vanishes, and all are told; nothing of the user's runs any more */
    SP__EXIT_FINISH,    /* the behaviour's own, */
    SP__EXIT_DRAIN,     /* then its messages: but for the destructors of what it leaves behind */
};

/* Bits of sp_process.flags; owner only. */
enum {
    SP__PROCESS_TRAP_EXIT = 1,
    SP__PROCESS_NOTICES_FIRST = 2,
    SP__PROCESS_FOREIGN = 4,    /* an attached thread */
    SP__PROCESS_IN_HANDLER = 8, /* a server's handler is on the stack */
    SP__PROCESS_HOOK_STOP = 16, /* stop signals are kept for between the messages (servers) */
    SP__PROCESS_OWN_THREAD = 32,
    SP__PROCESS_STARTED = 128,     /* a server whose init has succeeded */
    SP__PROCESS_NO_TERMINATE = 64, /* it was killed, or hit by an exit signal */
};

/* Bits of sp_process.attention: what a server's turn has to look at besides its mailbox, so that
 * one that has nothing of it pays one test. Owner only; a bit may be set without need. */
enum {
    SP__ATTEND_STOP = 1,        /* extra.stop */
    SP__ATTEND_CALLBACKS = 2,   /* extra.callbacks */
    SP__ATTEND_STEP = 4,        /* on_continue, or the hook */
    SP__ATTEND_PARK = 8,        /* extra.park_hooks */
    SP__ATTEND_IDLE = 16,       /* the inactivity timeout */
    SP__ATTEND_SCHEDULE = 64,   /* extra.schedule: something between the messages */
    SP__ATTEND_HELD = 32,       /* in its exit it waits for others that use its stack */
    SP__ATTEND_DRAIN = 128,     /* it ends when nothing that it accepted is left */
    SP__ATTEND_KILLED = 256,    /* while it was held, it was killed: so are those that hold it */
    SP__ATTEND_SYS = 512,       /* extra.sys: somebody asks, */
    SP__ATTEND_SHOW = 1024,     /* measures, or traces its messages */
    SP__ATTEND_GIVEN_UP = 2048, /* it was given up, and knows: see give_up.h */
};

/* Bits of sp_process.shared; atomic. */
enum {
    SP__SHARED_GROUP_MEMBER = 1, /* in a process group */
    SP__SHARED_WAITED_FOR = 4,   /* senders wait for room */
    SP__SHARED_HIGH_WATER = 8,   /* has a high-water mark */
    SP__SHARED_ABOVE_MARK = 16,  /* is at it, and that was told */
    SP__SHARED_OVERFLOWED = 32,  /* was told to stop because its mailbox was full */
    SP__SHARED_SHUT_DOWN = 128,  /* the runtime stops, and told it to end, */
    SP__SHARED_SHOT_DEAD = 256,  /* and killed it */
    SP__SHARED_TRAPS = 64,       /* SP__PROCESS_TRAP_EXIT, for others to see */
    SP__SHARED_CANCELLED = 512,  /* its waits end at once, */
    SP__SHARED_ADMITS = 2048,    /* refuses while others wait too long: extra.queue_delay_ns */
    SP__SHARED_SHIELDED = 1024,  /* but not just now; set by the owner */
    SP__SHARED_JOINED = 4096,    /* somebody waits, or has waited, for its end */
    SP__SHARED_SUSPENDED = 8192, /* takes no messages: spawned/sys.h */
    SP__SHARED_ASIDE = 16384,    /* has, or has had, waits put aside: aside.h */
    SP__SHARED_GIVEN_UP = 32768, /* its handler does not return: give_up.h */
};

/* Of sp_process.shared: who waits may have to look for a deadlock. */
#define SP__SHARED_LOOKED_AT (SP__SHARED_JOINED | SP__SHARED_WAITED_FOR)

/* Of sp__extra.call_stage: what SP_CALL_DEADLOCKED is above. */
#define SP__STAGE_DEADLOCKED 7

#define SP__SERIAL_DEAD (UINT64_C(1) << 63)

/* A socket, in sp_process.held; below it is the number of spawn_site.h. */
#define SP__HELD_FILE SP__SPAWN_SITES

struct sp_process {
    struct sp__actor actor;  /* first */
    _Atomic uint64_t serial; /* with SP__SERIAL_DEAD: not to be found */
    uint32_t slot;
    struct sp__lock lock;
    uint8_t flags;
    uint8_t overflow; /* enum sp_overflow */
    uint8_t stage;    /* enum sp__exit_stage */
    /* One byte, which the lock guards: */
    bool leaving : 1 SP__GUARDED_BY(lock); /* takes no name and no timer any more */
    bool closed : 1 SP__GUARDED_BY(lock);  /* relations accept nothing more */
    uint16_t attention;                    /* SP__ATTEND_ */
    _Atomic uint16_t exit_signals;         /* of sp_signal(), and notices of them, not taken yet */
    _Atomic uint32_t shared;
    /* The process that the wait `waits_token` is for, while that is open; see deadlock.h. */
    _Atomic uint32_t waits_slot;
    _Atomic uint32_t waits_serial; /* its low half, */
    _Atomic uint32_t waits_token;  /* and of the token */
    const struct sp__behaviour *behaviour;
    void *data; /* the behaviour's */
    union {
        struct {
            const struct sp_reason *exit; /* why it ends; a reference */
            struct sp_message *saved;     /* last of a ring: fetched, not yet taken; NULL: empty */
        };
        /* Once it has ended. In place of what only the owner reads: others may still look at a
         * slot they found before. */
        struct sp__epoch_node retired;
    };
    union {
        /* Plain processes: taken by sp_receive(), not yet freed; linked by next and aux. */
        struct sp_message *received;
        /* Servers: instant at which a call's handler began; 0: none runs. */
        _Atomic int64_t handling_since;
    };
    struct sp__resource *resources;
    struct sp__relations *relations; /* pointer: owner; content: lock */
    _Atomic(struct sp__extra *) extra;
    struct sp__pending *pending; /* what the current call waits for; on its stack; or NULL */
    _Atomic int64_t started_ns;  /* never changes; atomic for who looks at the slot's next user */
    uint64_t parent_serial;
    _Atomic uint64_t handled; /* messages */
    uint32_t parent_slot;
    _Atomic uint32_t held; /* sockets, times SP__HELD_FILE; and the number of its spawn site */
};

/** What few processes need. Owner, except where marked. */
struct sp__extra {
    char *name; /* under the registry's lock */
    const char *label;
    _Atomic size_t memory;
    size_t memory_max;
    int64_t queue_delay_ns;    /* admission: longest wait */
    _Atomic uint64_t probe;    /* see admit.h */
    struct sp_message *spared; /* under the process's lock: the first of those that senders may */
    struct sp_message *spared_last; /* not drop; older than what is in the mailbox */
    uint32_t spared_count;
    uint32_t high_water;
    sp_high_water_fn on_high_water;
    void *high_water_arg;
    struct sp__list park_hooks; /* struct sp__park_hook.link, to run before it parks */
    struct sp__list callbacks;  /* struct sp__callback.link, to run between messages */
    struct sp__map keyed;       /* key -> struct sp__timer *; and by id */
    struct sp__map keyed_ids;
    struct sp__map requests;      /* under the process's lock: id -> struct sp__request */
    struct sp__list waiters;      /* under the process's lock: senders that wait for room */
    struct sp__list asides;       /* under the process's lock: struct sp__aside */
    uint64_t aside_shown;         /* token of the wait that stands for the newest; 0: none */
    uint32_t aside_count;         /* of `asides`: written by the owner, under that lock */
    bool aside_asks;              /* the class's predicate runs */
    bool aside_look;              /* nobody has looked yet whether the wait closes a circle */
    uint32_t let_in;              /* under it too: how many at once, see send.c */
    bool queued_up;               /* one has come back since */
    _Atomic uint8_t log_level;    /* enum sp_log_level; see process/log.h */
    int64_t waited_since;         /* since when some wait while it takes messages; 0: look */
    const struct sp_reason *stop; /* asked to stop, reference */
    const void *class_tag;        /* for sp_whereis_class() */
    /* The last failed call, or wait. */
    uint32_t call_stage;
    uint32_t call_position;
    sp_pid call_server;
    const char *call_operation;
    int64_t call_running_ns;
    const struct sp_reason *call_reason;
    struct sp__schedule *schedule;       /* see scheduling.h; or NULL */
    struct sp__leaks *leaks;             /* in its exit, see leaks.h; or NULL */
    sp_duration idle_after;              /* servers: inactivity timeout */
    int64_t idle_at;                     /* when it comes; 0: not set yet */
    bool run_continue;                   /* servers: on_continue is due */
    _Atomic(struct sp__health *) health; /* see behaviour/health.h; NULL: was never asked */
    _Atomic(struct sp__sys *) sys;       /* see behaviour/sys.h; NULL: was never asked */
    /* Of a router's process: what senders read, inside a section. See behaviour/router.h. */
    _Atomic(struct sp__router *) router;
    struct sp__trace_own *spans; /* open ones of its own, innermost first; see trace_own.h */
};

/** The running process, or NULL. Context: any. */
static inline struct sp_process *sp__process_self(void)
{
    struct sp__context *context = sp__context();
    return context == NULL ? NULL : (struct sp_process *)(void *)context->current;
}

static inline struct sp_runtime *sp__process_runtime(const struct sp_process *process)
{
    return process->actor.runtime;
}

/** The instant it was spawned. Context: any, inside an epoch section, or the owner. */
static inline int64_t sp__process_started(const struct sp_process *process)
{
    /* relaxed: who found the process acquired its serial. */
    return atomic_load_explicit(&process->started_ns, memory_order_relaxed);
}

/** Its pid. Context: the owner, or with the serial known not to change. */
static inline sp_pid sp__process_pid(const struct sp_process *process)
{
    return (sp_pid){ atomic_load_explicit(&process->serial, memory_order_relaxed), process->slot,
                     0 };
}

/** The living process of `pid`, or NULL. Context: any with a context, inside an epoch section. */
static inline struct sp_process *sp__process_lookup(struct sp_runtime *runtime, sp_pid pid)
{
    /* No process has the serial 0, but slots that were never used do. */
    if (pid.node != 0 || pid.serial == 0 || pid.serial >= SP__SERIAL_DEAD)
        return NULL;
    struct sp_process *process = sp__slab_get(runtime->processes, pid.slot);
    /* acquire: pairs with the release in create; the process is complete. */
    if (process == NULL ||
        atomic_load_explicit(&process->serial, memory_order_acquire) != pid.serial)
        return NULL;
    return process;
}

/** Is it a bound that the length, a difference of 32-bit counts, can be compared with? */
static inline bool sp__mailbox_max_valid(uint32_t mailbox_max)
{
    return mailbox_max <= INT32_MAX || mailbox_max == SP_MAILBOX_UNBOUNDED;
}

/** Sections of the calling thread. Context: any with a context. */
static inline void sp__process_enter(void)
{
    sp__epoch_enter(&sp__context()->epoch);
}
static inline void sp__process_leave(void)
{
    sp__epoch_leave(&sp__context()->epoch);
}

/** The extra part, allocated when missing; NULL: no memory.
 *  Context: any, inside an epoch section, without the process's lock. */
struct sp__extra *sp__process_extra(struct sp_process *process) SP_NONNULL;

/** The relations, allocated when missing; NULL: no memory. Context: any, with its lock held. */
struct sp__relations *sp__process_relations(struct sp_process *process) SP_NONNULL;

/** Free an extra part. Context: any, when nobody can find the process any more. */
void sp__extra_free(struct sp__extra *extra) SP_NONNULL;

/** Flags a living process as a group member: false if it is too late, because its exit has
 *  looked at the flag. Context: any, without a process's lock. */
bool sp__process_flag_group_member(struct sp_runtime *runtime, sp_pid pid) SP_NONNULL;

/** What sp_whereis_class() compares, for the running plain process. Errors: NOMEM. */
SP_NODISCARD sp_err sp__process_set_class(const void *class_tag);

/** Text for reports: its name, or its pid. Context: any, inside an epoch section or the owner. */
const char *sp__process_text(struct sp_process *process, char text[64]) SP_NONNULL;

/** Is it a server, whose messages are handed to it? Context: the owner. */
static inline bool sp__process_is_server(const struct sp_process *process)
{
    return (process->flags & SP__PROCESS_HOOK_STOP) != 0;
}

/** The message that a server handles just now, or NULL. Context: the owner, which is a server. */
static inline struct sp_message *sp__process_handles(const struct sp_process *self)
{
    const struct sp__serving *serving = self->data;
    return serving->innermost == NULL ? NULL : serving->innermost->message;
}

/** What it is doing, a recent value. Context: any, inside an epoch section. */
enum sp_process_status sp__process_status(struct sp_process *process) SP_NONNULL;

/** Who spawned it; none where it has ended. Context: any, inside an epoch section. */
sp_pid sp__process_parent(struct sp_process *process) SP_NONNULL;

/** What the process is called when it has no name. Context: any. */
const char *sp__process_label(struct sp_process *process) SP_NONNULL;
/** The address of the function a plain process runs, or NULL. */
const void *sp__process_entry(const struct sp_process *process) SP_NONNULL;

/* ---- spawn.c ---- */

/** A new process that nobody can find yet; sp__process_publish() starts it,
 *  sp__process_discard() takes it back.
 *  Errors: as sp_spawn(). Context: process. */
SP_NODISCARD sp_err sp__process_create(struct sp_runtime *runtime,
                                       const struct sp__behaviour *behaviour, void *data,
                                       const struct sp_spawn_options *options,
                                       struct sp_process **out) SP_NONNULL_ARGS(1, 2, 5);
/** Publish and make runnable. Errors: LIMIT (no thread for own_thread): it is then discarded,
 *  but its data is the caller's. */
SP_NODISCARD sp_err sp__process_publish(struct sp_process *process,
                                        const struct sp_spawn_options *options, sp_pid *out_pid)
    SP_NONNULL_ARGS(1);
void sp__process_discard(struct sp_process *process) SP_NONNULL;

/** A process was spawned: after some the caller yields. Context: the spawner; may suspend. */
void sp__process_give_way(void);

/** What a new process owns from its birth, so that no way out loses it. */
struct sp__equipment {
    void (*give)(struct sp_process *process, void *arg); /* before it runs; adds resources */
    void *arg;
};

/** sp_spawn() with equipment (or NULL). Where SHUTDOWN, NOMEM, LIMIT or NOTCONTEXT comes before
 *  `give` was called, it is not called; after it, what was given is released. */
SP_NODISCARD sp_err sp__spawn(sp_process_fn fn, void *arg, const struct sp_spawn_options *options,
                              const struct sp__equipment *equipment, sp_pid *out_pid)
    SP_NONNULL_ARGS(1);

/* ---- cancel.c ---- */

/** sp_cancel(), without suspending. Errors: NOPROC, NOTSUP. Context: any with a context. */
sp_err sp__process_cancel(struct sp_runtime *runtime, sp_pid pid) SP_NONNULL;

/* ---- drain.c ---- */

/** It was told to drain: nothing new comes in from here on. Context: the owner. */
void sp__process_drain(struct sp_process *self) SP_NONNULL;

/** It drains; has it finished all that it accepted? Context: the owner, between messages. */
bool sp__process_drained(struct sp_process *self) SP_NONNULL;

/* ---- exit.c ---- */

/** Run the exit of a process that is not inside a handler, to its end; the turn then returns
 *  SP__TURN_DEAD. Ownership: takes the reason. Context: the owner; may suspend. */
void sp__process_exit(struct sp_process *self, const struct sp_reason *moved_reason) SP_NONNULL;

/** Why it ends: the first reason, but `killed` goes before others until the end is reported.
 *  Ownership: takes the reason. Context: the owner. */
void sp__process_set_exit(struct sp_process *self, const struct sp_reason *moved_reason) SP_NONNULL;

/** The same with `normal`, of a plain process that came to its end; quicker where nothing but its
 *  slot is left. Context: as above. */
void sp__process_returned(struct sp_process *self) SP_NONNULL;

/** As sp__process_exit(), from anywhere on its stack, which is dropped. */
void sp__process_exit_now(struct sp_process *self, const struct sp_reason *moved_reason)
    SP_NONNULL SP_NORETURN;

/* ---- signal.c ---- */

/** Work off the control lane: NULL, or why to end (a reference for the caller).
 *  Context: the owner. */
SP_NODISCARD const struct sp_reason *sp__process_signals(struct sp_process *self) SP_NONNULL;

/** As above, inside a handler or a plain process: ends it when told so. Foreign processes end
 *  too, then it returns false and the thread is no process any more.
 *  Context: the owner. */
SP_NODISCARD bool sp__process_check(struct sp_process *self) SP_NONNULL;

/** Signals during the exit: a kill ends the callback that is running, the rest is dropped.
 *  Context: the owner, in its exit. */
bool sp__process_signals_ending(struct sp_process *self) SP_NONNULL;

/* ---- reason.c ---- */

/** The reason of one who dies of `cause` through a link: alike, with the cause behind it.
 *  Ownership: a reference for the caller. Context: any. */
const struct sp_reason *sp__reason_derive(const struct sp_reason *cause) SP_NONNULL;

/** The reason with which `pid` ends: records it. Ownership: takes one, gives one. Context: any. */
const struct sp_reason *sp__reason_of(const struct sp_reason *moved_reason, sp_pid pid) SP_NONNULL;

/** sp_reason_error() with a va_list. */
const struct sp_reason *sp__reason_errorv(sp_err code, const char *format, va_list args)
    SP_PRINTF(2, 0);

/** A copy of `reason` with `cause` behind it; `reason` itself without memory.
 *  Ownership: a reference for the caller. Context: any. */
const struct sp_reason *sp__reason_with_cause(const struct sp_reason *reason,
                                              const struct sp_reason *cause) SP_NONNULL;

/** A contained fault. Ownership: a reference for the caller. Context: any. */
const struct sp_reason *sp__reason_fault(const struct sp_fault *fault) SP_NONNULL;

/* ---- message order; receive.c ---- */

/** The rare half of sp__process_next(): there are saved ones, or senders fetch too. */
struct sp_message *sp__process_next_slow(struct sp_process *self) SP_NONNULL;

/** The next message: saved ones first. NULL: none, or not linked yet. Context: the owner. */
static inline struct sp_message *sp__process_next(struct sp_process *self)
{
    if (self->saved != NULL || self->actor.shared_fetch)
        return sp__process_next_slow(self);
    return sp__mailbox_waiting(&self->actor) ? sp__mailbox_fetch(&self->actor) : NULL;
}

/** Is there one? A gap counts as one. Context: the owner. */
static inline bool sp__process_has_next(struct sp_process *self)
{
    return self->saved != NULL || sp__mailbox_waiting(&self->actor);
}

/** A message was taken: let in senders that wait for room, if it is time. Context: the owner. */
void sp__send_room(struct sp_process *self) SP_NONNULL;

/** The process takes no message just now: let in senders that wait for room. `receiving`: a
 *  message brings it back. Context: the owner. */
void sp__send_room_leaving(struct sp_process *self, bool receiving) SP_NONNULL;

/** A notice is taken. Context: the owner. */
static inline void sp__process_notice_taken(struct sp_process *self,
                                            const struct sp_message *message)
{
    if (message->flags & SP__MESSAGE_SIGNALLED) /* relaxed: only the number counts */
        atomic_fetch_sub_explicit(&self->exit_signals, 1, memory_order_relaxed);
}

/** A message is taken out for good: counts, and lets waiting senders in. Context: the owner. */
static inline void sp__process_took(struct sp__context *context, struct sp_process *self,
                                    const struct sp_message *message)
{
    if (message->flags & SP__MESSAGE_NOTICE) {
        sp__process_notice_taken(self, message);
        return;
    }
    sp__mailbox_took(&self->actor);
    uint64_t handled = atomic_load_explicit(&self->handled, memory_order_relaxed);
    atomic_store_explicit(&self->handled, handled + 1, memory_order_relaxed);
    sp__count(&context->counters.handled);
    if (atomic_load_explicit(&self->shared, memory_order_relaxed) &
        (SP__SHARED_WAITED_FOR | SP__SHARED_ABOVE_MARK))
        sp__send_room(self);
}

/** A message that was fetched is another process's now, which counts it. Context: the owner. */
static inline void sp__process_passed(struct sp_process *self)
{
    sp__mailbox_took(&self->actor);
    if (atomic_load_explicit(&self->shared, memory_order_relaxed) &
        (SP__SHARED_WAITED_FOR | SP__SHARED_ABOVE_MARK))
        sp__send_room(self);
}

/** Undo sp__process_took(): the message waits to be handled again, and counts. A sender that
 *  found its place meanwhile makes the mailbox longer than its bound by one.
 *  Context: the owner, with the context it runs in now. */
static inline void sp__process_put_back(struct sp__context *context, struct sp_process *self,
                                        const struct sp_message *message)
{
    if (message->flags & SP__MESSAGE_NOTICE)
        return;
    sp__mailbox_put_back(&self->actor);
    /* relaxed: statistics of the owner. Modulo 2^64 the sum over the contexts stays right, though
     * another one may have counted the message. */
    uint64_t handled = atomic_load_explicit(&self->handled, memory_order_relaxed);
    atomic_store_explicit(&self->handled, handled - 1, memory_order_relaxed);
    uint64_t count = atomic_load_explicit(&context->counters.handled, memory_order_relaxed);
    atomic_store_explicit(&context->counters.handled, count - 1, memory_order_relaxed);
}

/** Take all that is in the mailbox into the process's own hands, in order: no sender drops it any
 *  more. Context: the owner, or who makes it and alone knows of it. */
void sp__process_fetch_all(struct sp_process *self) SP_NONNULL;

/** The oldest that was not fetched yet, past the saved ones: to be taken, or kept. NULL: none, or not
 *  linked yet. Context: the owner. */
struct sp_message *sp__process_fetch(struct sp_process *self) SP_NONNULL;

/** Save it behind the others that are saved. Context: the owner, who fetched it just now. */
void sp__process_keep(struct sp_process *self, struct sp_message *moved) SP_NONNULL;

/** Put a notice (or any message of its own) behind all that is in the mailbox, or ahead.
 *  Context: the owner. */
void sp__process_append(struct sp_process *self, struct sp_message *moved, bool first) SP_NONNULL;

/** Fetch all messages, and take the first that matches, as sp__process_next() does the first; or NULL.
 *  Context: the owner. */
struct sp_message *sp__process_take_if(struct sp_process *self,
                                       bool (*match)(struct sp_message *message, void *arg),
                                       void *arg) SP_NONNULL_ARGS(1, 2);

/** Unlink all saved messages that match; destroys them. Context: the owner. */
void sp__process_purge(struct sp_process *self,
                       bool (*match)(struct sp_message *message, const void *arg), const void *arg)
    SP_NONNULL_ARGS(1, 2);

/** Take it off the list of received ones, where it is on it. Context: the owner. */
void sp__receive_release(struct sp_process *self, struct sp_message *message) SP_NONNULL;

/** Give back a message of sp_receive(). Context: the owner. */
void sp__receive_free(struct sp_process *self, struct sp_message *message) SP_NONNULL;

/* ---- destroy.c ---- */

/** Destroy the payload, which may end the running process, then free the message: in any case.
 *  Context: any with a context. */
void sp__message_destroy(struct sp_message *message) SP_NONNULL;

/* ---- timer.c ---- */

/** Size of a slot of runtime.timer_slots. */
size_t sp__timer_slot_size(void);

/* ---- runtime.c ---- */

/** The pid of an actor, as an object of runtime/point.h. Context: any. */
uint64_t sp__process_object(const struct sp__actor *actor) SP_NONNULL;

/* ---- exit.c, for the scheduler ---- */
void sp__process_on_fault(struct sp__actor *actor, const struct sp_fault *fault);
void sp__process_on_no_fiber(struct sp__actor *actor);
void sp__process_on_no_stack(struct sp__actor *actor);

/* ---- wait.c ---- */

/** Something to do before the process parks or its turn ends: flush output, for one. */
struct sp__park_hook {
    struct sp__list link;
    void (*run)(struct sp__park_hook *hook); /* off the list; never suspends */
};

/** Run `hook` once, before the next park; one that is listed stays where it is. Not run at exit.
 *  Errors: NOMEM. Context: the owner. */
SP_NODISCARD sp_err sp__process_before_park(struct sp_process *self, struct sp__park_hook *hook)
    SP_NONNULL;

/** Run what is listed. A plain process that drains, and would wait for its next message, ends.
 *  Context: the owner. */
void sp__process_run_park_hooks(struct sp_process *self, bool receiving) SP_NONNULL;

/** The same, where there is something; and lets in who waits for room. Context: the owner. */
static inline void sp__process_before_leaving(struct sp_process *self, bool receiving)
{
    if (self->attention & SP__ATTEND_PARK)
        sp__process_run_park_hooks(self, receiving);
    /* relaxed: who queues up later wakes us, see send.c. */
    if (atomic_load_explicit(&self->shared, memory_order_relaxed) & SP__SHARED_WAITED_FOR)
        sp__send_room_leaving(self, receiving);
}

/** In its exit: park, while others use its stack or state; a kill does not end that wait. True: it
 *  was killed, so that those others are to be. Context: the owner, in its exit; suspends. */
SP_NODISCARD bool sp__process_park_held(struct sp_process *self) SP_NONNULL;

/** Suspend until there may be something to do, or `until_ns`. Inline: each frame between a
 *  process and its switch is one more return to predict. Context: the owner; suspends. */
static inline void sp__process_park(struct sp_process *self, bool receiving, int64_t until_ns)
{
    /* In a destructor at its very end, where nothing would wake it: that ends instead. */
    if (self->stage >= SP__EXIT_DONE)
        sp_exit(sp_reason_normal());
    sp__process_before_leaving(self, receiving);
    sp__scheduler_park_until(&self->actor, receiving, until_ns);
}

/** Is it to wait for nothing any more? Context: the owner. */
static inline bool sp__process_cancelled(const struct sp_process *self)
{
    /* relaxed: who sets it wakes the owner, which looks again. */
    uint32_t shared = atomic_load_explicit(&self->shared, memory_order_relaxed);
    return (shared & (SP__SHARED_CANCELLED | SP__SHARED_SHIELDED)) == SP__SHARED_CANCELLED;
}

/** Wait for the operation `token`, until `deadline_ns`.
 *  Errors: TIMEOUT, CANCELLED, DEADLOCK (of these: nothing will touch the result any more),
 *  NOTCONTEXT (a foreign process was killed: `self` is somebody else's by now, and its pending
 *  replies are dropped).
 *  Context: the owner; suspends. */
SP_NODISCARD sp_err sp__process_wait(struct sp_process *self, uint64_t token, int64_t deadline_ns)
    SP_NONNULL;

#endif
