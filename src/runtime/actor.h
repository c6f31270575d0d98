/* Actors: what the scheduler knows of a process. A mailbox with two lanes, a state word,
 * a way to run it, and a slot for the one operation it waits for.
 *
 *   state word   | pushed : 32 | flags : 32 |   one compare-and-swap per send
 *
 *   QUEUED    somebody runs it or it is in a run queue: at most one owner at a time
 *   RECEIVING parked, and a message makes it runnable
 *   SIGNAL    the control lane is not empty
 *   WAKE      an operation it waited for is done, or a deadline may have passed
 *   ROOM      a sender waits for room in the mailbox, since the owner last looked
 *   CLOSED    it ended, or was given up: nothing is pushed any more
 *   SLICE     its turn has lasted for long enough: it goes behind the others; may be set without need
 *   SPECIAL   its mailbox is no ordinary one: a high-water mark, or senders drop the oldest;
 *             so that a send looks at nothing else for it
 *   DRAINING  takes nothing new; SPECIAL is set with it
 *   KEEPS     messages may have been fetched that are not taken, also while it is parked: without it and
 *             SPECIAL, RECEIVING says that the mailbox is empty. Once set, it stays
 *
 * Invariants:
 *  - length = pushed - taken, exact: `pushed` moves with the same compare-and-swap that
 *    accepts the message, `taken` is written by the owner only. A send reads `pushed`
 *    before `taken`, so a refusal is true at the instant `taken` was read and an
 *    acceptance at the instant of the swap.
 *  - a message that finds the actor RECEIVING makes it runnable and lies in `direct`: the
 *    swap that set QUEUED gave the sender the only right to write there, and handing the
 *    actor to a run queue publishes it. All others go through the queue behind it; with
 *    shared_fetch all go there, since nobody but the owner may touch `direct`.
 *  - the owner parks only when pushed = fetched and none of SIGNAL, WAKE, ROOM is set, which
 *    the swap that clears QUEUED checks; so no wake-up is lost.
 *
 * The queue is intrusive and without a dummy: a sender exchanges `tail` and links the one
 * before it; between the two steps the chain has a gap, which the receiver sees (pushed >
 * fetched, but no next) and comes back later.
 *
 * Threads: everything above the line in struct sp__actor by any; below it by the owner.
 * Neighbours: runtime/scheduler.h, process/process.h embeds it.
 * Source of the queue: D. Vyukov, "Intrusive MPSC node-based queue" (2010), without its stub.
 */
#ifndef SPAWNED_RUNTIME_ACTOR_H
#define SPAWNED_RUNTIME_ACTOR_H

#include "base/atomic.h"
#include "runtime/message.h"
#include "runtime/timer_wheel.h"
#include "spawned/pid.h"
#include "spawned/time.h"

#define SP__ACTOR_QUEUED UINT64_C(1)
#define SP__ACTOR_SIGNAL UINT64_C(4)
#define SP__ACTOR_WAKE UINT64_C(8)
#define SP__ACTOR_CLOSED UINT64_C(16)
#define SP__ACTOR_ROOM UINT64_C(32)
#define SP__ACTOR_SPECIAL UINT64_C(64)
#define SP__ACTOR_SLICE UINT64_C(128)
#define SP__ACTOR_DRAINING UINT64_C(256)
#define SP__ACTOR_KEEPS UINT64_C(512)
/* The highest, with room below for what a scan for the least loaded needs (router_choose.c). */
#define SP__ACTOR_RECEIVING (UINT64_C(1) << 30)
#define SP__ACTOR_PUSH_ONE (UINT64_C(1) << 32)

struct sp__fiber;
struct sp__context;
struct sp__task;
struct sp_runtime;

/** What a turn says about the actor. */
enum sp__turn {
    SP__TURN_IDLE,  /* nothing left to do: park until a message comes */
    SP__TURN_YIELD, /* more to do: to the back of the queue */
    SP__TURN_DEAD,  /* ended: do not touch it any more */
};

/** Where a runnable actor waits. NORMAL is 0: one test says whether there is more to look at. */
enum sp__lane {
    SP__LANE_NORMAL, /* in the queues of the workers */
    SP__LANE_LOW,    /* in the lane of its priority, see runtime/real/lanes.h */
    SP__LANE_HIGH,
    SP__LANE_MAX,
    SP__LANE_BOUND, /* on its own thread */
};

/** An entry of the control lane; embedded in what the process layer sends. */
struct sp__signal {
    struct sp__signal *next;
};

/* What `wait` holds: token << 2 | phase. */
enum {
    SP__WAIT_NONE = 0,
    SP__WAIT_OPEN = 1, /* a completer may claim it */
    SP__WAIT_BUSY = 2, /* a completer writes the result */
    SP__WAIT_DONE = 3,
};

/** The deadline of an actor's wait. Most actors never have one. It stays with the actor's memory
 *  when that gets a new user, so that a thread that fires it late touches nothing freed. */
struct sp__wait_timer {
    struct sp__timer_node node;
    struct sp__actor *actor;
    _Atomic int64_t deadline;  /* instant the current wait gives up; INT64_MAX: none */
    _Atomic int64_t armed_for; /* what `node` is armed for; INT64_MAX: it is not */
};

struct sp__actor {
    _Atomic uint64_t state;
    _Atomic(struct sp_message *) tail;
    _Atomic(struct sp_message *) head;
    struct sp_message *direct;
    _Atomic(struct sp__signal *) signals; /* newest first */
    _Atomic uint64_t wait;
    struct sp__wait_timer *timer; /* made at the first wait with a deadline; the slot's for good */
    struct sp_runtime *runtime;
    struct sp__context *bound; /* the thread it is tied to, or NULL: any worker */
    _Atomic uint32_t taken;    /* messages handed out; written by the owner */
    uint32_t mailbox_max;
    /* ---- owner only ---- */
    _Atomic uint32_t fetched; /* messages taken off direct and the queue */
    bool shared_fetch;        /* senders may drop the oldest: the process layer locks */
    uint8_t lane;             /* enum sp__lane: where it waits when it is runnable */
    uint16_t throughput;      /* messages of a turn */
    struct sp__fiber *fiber;  /* suspended in the middle of a handler on it */
    union {
        struct sp__actor *run_next; /* link of the global queue */
        struct sp__task *task;      /* in a simulated world */
    };
    enum sp__turn (*turn)(struct sp__actor *actor);
};

/* A control lane that accepts nothing more. */
#define SP__SIGNALS_CLOSED ((struct sp__signal *)(uintptr_t)1)

/** Ready to run, parked and receiving, empty. `turn` is called by workers. Mailboxes that are not
 *  ordinary set SPECIAL before anyone else knows the actor.
 *  Context: the creator, before anyone else knows it. */
void sp__actor_init(struct sp__actor *actor, struct sp_runtime *runtime,
                    enum sp__turn (*turn)(struct sp__actor *), uint32_t mailbox_max) SP_NONNULL;

/** The message that made it run, where there is one: it is the oldest. Context: the owner. */
static inline struct sp_message *sp__mailbox_take_direct(struct sp__actor *actor)
{
    struct sp_message *message = actor->direct;
    if (message == NULL)
        return NULL;
    actor->direct = NULL;
    /* relaxed: as in fetch. */
    uint32_t fetched = atomic_load_explicit(&actor->fetched, memory_order_relaxed);
    atomic_store_explicit(&actor->fetched, fetched + 1, memory_order_relaxed);
    return message;
}

/** The oldest in the queue of an actor with shared_fetch, for a sender that makes room: NULL when
 *  there is none, or only one that its sender has not linked yet. Does not count
 *  as fetched.
 *  Context: any, under the lock that the owner's fetch takes too. */
struct sp_message *sp__mailbox_fetch_shared(struct sp__actor *actor) SP_NONNULL;

/** Are there messages that were not fetched? Context: the owner. */
static inline bool sp__mailbox_waiting(const struct sp__actor *actor)
{
    /* relaxed: whoever needs the message itself synchronises in fetch. */
    uint64_t state = atomic_load_explicit(&actor->state, memory_order_relaxed);
    return (uint32_t)(state >> 32) != atomic_load_explicit(&actor->fetched, memory_order_relaxed);
}

/** A message left the mailbox for good. Context: the owner. */
static inline void sp__mailbox_took(struct sp__actor *actor)
{
    /* release: pairs with the acquire in push, so that a sender that finds room there finds
     * it after what the owner did before. Single writer, hence no read-modify-write. */
    if (actor->shared_fetch) {
        atomic_fetch_add_explicit(&actor->taken, 1, memory_order_release);
        return;
    }
    uint32_t taken = atomic_load_explicit(&actor->taken, memory_order_relaxed);
    atomic_store_explicit(&actor->taken, taken + 1, memory_order_release);
}

/** One of sp__mailbox_fetch_shared() goes for good. Context: as fetch_shared. */
void sp__mailbox_dropped(struct sp__actor *actor) SP_NONNULL;

/** What it fetches may stay in the mailbox's length for longer than a turn. Context: the owner. */
static inline void sp__mailbox_keeps(struct sp__actor *actor)
{
    /* relaxed: for others a hint, as old as the length they read. */
    if (!(atomic_load_explicit(&actor->state, memory_order_relaxed) & SP__ACTOR_KEEPS))
        atomic_fetch_or_explicit(&actor->state, SP__ACTOR_KEEPS, memory_order_relaxed);
}

/** Undo sp__mailbox_took(): the message counts again. Context: the owner. */
static inline void sp__mailbox_put_back(struct sp__actor *actor)
{
    sp__mailbox_keeps(actor);
    /* release: as in took. */
    if (actor->shared_fetch) {
        atomic_fetch_sub_explicit(&actor->taken, 1, memory_order_release);
        return;
    }
    uint32_t taken = atomic_load_explicit(&actor->taken, memory_order_relaxed);
    atomic_store_explicit(&actor->taken, taken - 1, memory_order_release);
}

/** Messages in the mailbox: a recent value for others, exact for the owner. Context: any. */
static inline uint32_t sp__mailbox_length(struct sp__actor *actor)
{
    /* acquire: `taken` is read before `state`, so that the difference is never negative; pairs with
     * the release in took. */
    uint32_t taken = atomic_load_explicit(&actor->taken, memory_order_acquire);
    uint64_t state = atomic_load_explicit(&actor->state, memory_order_acquire);
    return (uint32_t)(state >> 32) - taken;
}

/** Push onto the control lane and make the actor runnable. False: closed, nothing was taken.
 *  Ownership: taken on true.
 *  Context: any thread with a context, inside an epoch section or the owner. */
SP_NODISCARD bool sp__actor_signal(struct sp__actor *actor, struct sp__signal *signal) SP_NONNULL;

/** Take all signals, oldest first, and clear SIGNAL. Context: the owner. */
struct sp__signal *sp__actor_take_signals(struct sp__actor *actor) SP_NONNULL;

/** Is there something in the control lane? Context: any. */
static inline bool sp__actor_signalled(const struct sp__actor *actor)
{
    /* relaxed: take_signals acquires. */
    return (atomic_load_explicit(&actor->state, memory_order_relaxed) & SP__ACTOR_SIGNAL) != 0;
}

/** Is there something that comes before the next message: in the control lane, or the end of its
 *  slice? Context: the owner. */
static inline bool sp__actor_interrupted(const struct sp__actor *actor)
{
    /* relaxed: as above. */
    return (atomic_load_explicit(&actor->state, memory_order_relaxed) &
            (SP__ACTOR_SIGNAL | SP__ACTOR_SLICE)) != 0;
}

/** Its turn has lasted for long enough. Context: any; the actor may have ended, or be another one
 *  in the same place, which gives way once without need. */
static inline void sp__actor_end_slice(struct sp__actor *actor)
{
    /* relaxed: a hint. */
    atomic_fetch_or_explicit(&actor->state, SP__ACTOR_SLICE, memory_order_relaxed);
}

/** Was its slice at its end? Asking begins a new one. Context: the owner. */
static inline bool sp__actor_slice_ended(struct sp__actor *actor)
{
    /* relaxed: as above. */
    if (!(atomic_load_explicit(&actor->state, memory_order_relaxed) & SP__ACTOR_SLICE))
        return false;
    atomic_fetch_and_explicit(&actor->state, ~SP__ACTOR_SLICE, memory_order_relaxed);
    return true;
}

/** Make the actor runnable, whatever it waits for; spurious wakes are allowed.
 *  Context: any thread with a context, inside an epoch section or the owner. */
void sp__actor_wake(struct sp__actor *actor) SP_NONNULL;

/** Close both lanes: from now on pushes and signals are refused. Returns what was still in the
 *  control lane, oldest first. The owner keeps running it. Context: the owner. */
struct sp__signal *sp__actor_close(struct sp__actor *actor) SP_NONNULL;

/** As close, from outside: the owner finds SIGNAL set and its control lane closed, and goes on as far
 *  as it must; it can still park and be woken.
 *  Context: any thread with a context, inside an epoch section, who keeps the owner from closing. */
struct sp__signal *sp__actor_give_up(struct sp__actor *actor) SP_NONNULL;

/** Give up ownership until there is something to do. True: parked. False: there is something.
 *  Context: the owner, on a stack that is not the actor's fiber. */
SP_NODISCARD bool sp__actor_try_park(struct sp__actor *actor, bool receiving) SP_NONNULL;

/** From now on a bounded push is refused with SHUTDOWN. Context: any, inside an epoch section or the
 *  owner. */
void sp__actor_drain(struct sp__actor *actor) SP_NONNULL;

/** Was it told so? Context: any. */
static inline bool sp__actor_draining(const struct sp__actor *actor)
{
    /* relaxed: a push that must not miss it swaps the same word. */
    return (atomic_load_explicit(&actor->state, memory_order_relaxed) & SP__ACTOR_DRAINING) != 0;
}

/** A sender waits for room: the owner looks before it parks again.
 *  Context: any thread with a context, inside an epoch section. */
void sp__actor_ask_room(struct sp__actor *actor) SP_NONNULL;

/** The owner is about to look who waits for room. Context: the owner. */
static inline void sp__actor_room_looked(struct sp__actor *actor)
{
    /* acquire: pairs with the release in ask_room; who asked is on the list. */
    if (atomic_load_explicit(&actor->state, memory_order_relaxed) & SP__ACTOR_ROOM)
        atomic_fetch_and_explicit(&actor->state, ~SP__ACTOR_ROOM, memory_order_acquire);
}

/** Would sp__actor_try_park() succeed just now? Clears WAKE and ROOM. Context: the owner. */
bool sp__actor_nothing_to_do(struct sp__actor *actor, bool receiving) SP_NONNULL;

/* ---- the one operation an actor waits for ---- */

/** Begin to wait: the token goes to whoever will complete it. Context: the owner. */
static inline uint64_t sp__wait_open(struct sp__actor *actor)
{
    uint64_t token = (atomic_load_explicit(&actor->wait, memory_order_relaxed) >> 2) + 1;
    /* release: pairs with the acquire in claim: the place for the result is ready. */
    atomic_store_explicit(&actor->wait, (token << 2) | SP__WAIT_OPEN, memory_order_release);
    return token;
}

/** Is `token` of a wait that somebody may still complete? Context: any. */
static inline bool sp__wait_is_open(const struct sp__actor *actor, uint64_t token)
{
    /* relaxed: whoever completes it claims. */
    return atomic_load_explicit(&actor->wait, memory_order_relaxed) ==
           ((token << 2) | SP__WAIT_OPEN);
}

/** Claim the right to write the result. False: given up, done, or another wait.
 *  Context: any thread with a context, inside an epoch section. */
SP_NODISCARD bool sp__wait_claim(struct sp__actor *actor, uint64_t token) SP_NONNULL;

/** The result is written: wake the waiter. Context: the claimer, same section. */
void sp__wait_finish(struct sp__actor *actor, uint64_t token) SP_NONNULL;

/** Part of the result is written: others may claim again. Context: the claimer. */
void sp__wait_release(struct sp__actor *actor, uint64_t token) SP_NONNULL;

/** Is it done? Context: the owner. */
static inline bool sp__wait_done(struct sp__actor *actor, uint64_t token)
{
    /* acquire: pairs with the release in finish; the result is visible. */
    return atomic_load_explicit(&actor->wait, memory_order_acquire) ==
           ((token << 2) | SP__WAIT_DONE);
}

/** Stop waiting. True: given up, no completer will touch the result. False: it was done.
 *  Context: the owner. */
bool sp__wait_close(struct sp__actor *actor, uint64_t token) SP_NONNULL;

#endif
