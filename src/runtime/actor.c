#include "runtime/actor.h"

#include "runtime/mailbox.h"

/* Look at everything once more. */
#define ACTOR_LOOK (SP__ACTOR_WAKE | SP__ACTOR_ROOM)

void sp__actor_init(struct sp__actor *actor, struct sp_runtime *runtime,
                    enum sp__turn (*turn)(struct sp__actor *), uint32_t mailbox_max)
{
    /* relaxed stores, not atomic_init(): who sums up mailboxes may still look at the former user
     * of the slot. Who finds this one does so after its serial was published. */
    atomic_store_explicit(&actor->state, SP__ACTOR_QUEUED, memory_order_relaxed);
    atomic_init(&actor->tail, NULL);
    atomic_init(&actor->head, NULL);
    actor->direct = NULL;
    atomic_init(&actor->signals, NULL);
    /* The token goes on counting over the slot's users, so that a late reply to a former one
     * never meets a wait of this one. */
    /* `timer` stays too: NULL in memory that was never used. */
    actor->runtime = runtime;
    actor->bound = NULL;
    atomic_store_explicit(&actor->taken, 0, memory_order_relaxed);
    actor->mailbox_max = mailbox_max;
    atomic_init(&actor->fetched, 0);
    actor->shared_fetch = false;
    actor->lane = SP__LANE_NORMAL;
    actor->throughput = (uint16_t)runtime->options.throughput;
    actor->fiber = NULL;
    actor->run_next = NULL;
    actor->turn = turn;
}

/* ---- messages ---- */

bool sp__mailbox_detach_last(struct sp__actor *actor, struct sp_message *last)
{
    atomic_store_explicit(&actor->head, NULL, memory_order_relaxed);
    struct sp_message *expected = last;
    /* acq_rel: release so that a sender that finds `tail` empty writes `head` after our store. */
    if (atomic_compare_exchange_strong_explicit(&actor->tail, &expected, NULL, memory_order_acq_rel,
                                                memory_order_relaxed))
        return true;
    struct sp_message *next = atomic_load_explicit(&last->next, memory_order_acquire);
    if (next == NULL) {
        atomic_store_explicit(&actor->head, last, memory_order_relaxed);
        return false;
    }
    atomic_store_explicit(&actor->head, next, memory_order_relaxed);
    return true;
}

struct sp_message *sp__mailbox_fetch_shared(struct sp__actor *actor)
{
    return sp__mailbox_unlink(actor);
}

void sp__mailbox_dropped(struct sp__actor *actor)
{
    sp__mailbox_fetched(actor);
    sp__mailbox_took(actor);
}

/* ---- signals ---- */

/* Set `flag` and make the actor runnable; one swap, so that a sender never sees RECEIVING
 * beside QUEUED. One that is CLOSED may have been given up, and wait in its exit; a dead one has QUEUED for
 * ever, and does not mind. */
static void actor_raise(struct sp__actor *actor, uint64_t flag)
{
    uint64_t state = atomic_load_explicit(&actor->state, memory_order_relaxed);
    uint64_t wanted;
    do {
        wanted = (state | flag | SP__ACTOR_QUEUED) & ~SP__ACTOR_RECEIVING;
        /* WAKE and ROOM keep an actor from parking. One that is parked looks at all it waits for
         * when it runs, and would only have to clear them. */
        if (!(state & SP__ACTOR_QUEUED))
            wanted &= ~ACTOR_LOOK;
        /* acq_rel: as in push. */
    } while (!atomic_compare_exchange_weak_explicit(&actor->state, &state, wanted,
                                                    memory_order_acq_rel, memory_order_relaxed));
    if (!(state & SP__ACTOR_QUEUED))
        sp__scheduler_ready(actor);
}

bool sp__actor_signal(struct sp__actor *actor, struct sp__signal *signal)
{
    struct sp__signal *head = atomic_load_explicit(&actor->signals, memory_order_relaxed);
    do {
        if (head == SP__SIGNALS_CLOSED)
            return false;
        signal->next = head;
        /* release: pairs with the acquire in take_signals. */
    } while (!atomic_compare_exchange_weak_explicit(&actor->signals, &head, signal,
                                                    memory_order_release, memory_order_relaxed));
    actor_raise(actor, SP__ACTOR_SIGNAL);
    return true;
}

static struct sp__signal *signals_reverse(struct sp__signal *newest)
{
    struct sp__signal *oldest = NULL;
    while (newest != NULL) {
        struct sp__signal *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

struct sp__signal *sp__actor_take_signals(struct sp__actor *actor)
{
    /* Clear first, then take: SIGNAL is set after the push, so at worst we take what we were not
     * told of yet, and find the lane empty the next time. */
    atomic_fetch_and_explicit(&actor->state, ~SP__ACTOR_SIGNAL, memory_order_acq_rel);
    struct sp__signal *newest = atomic_load_explicit(&actor->signals, memory_order_relaxed);
    do {
        if (newest == SP__SIGNALS_CLOSED)
            return NULL;
        /* acquire: pairs with the release in signal. */
    } while (!atomic_compare_exchange_weak_explicit(&actor->signals, &newest, NULL,
                                                    memory_order_acquire, memory_order_relaxed));
    return signals_reverse(newest);
}

void sp__actor_wake(struct sp__actor *actor)
{
    actor_raise(actor, SP__ACTOR_WAKE);
}

void sp__actor_ask_room(struct sp__actor *actor)
{
    actor_raise(actor, SP__ACTOR_ROOM);
}

void sp__actor_drain(struct sp__actor *actor)
{
    /* acq_rel: pairs with push, whose swaps come before it and count, or are refused. */
    atomic_fetch_or_explicit(&actor->state, SP__ACTOR_DRAINING | SP__ACTOR_SPECIAL,
                             memory_order_acq_rel);
}

struct sp__signal *sp__actor_close(struct sp__actor *actor)
{
    /* QUEUED stays set for ever: nobody can make it runnable again. */
    /* acq_rel: pairs with push and raise, whose swaps come before it and count, or fail. */
    atomic_fetch_or_explicit(&actor->state, SP__ACTOR_CLOSED | SP__ACTOR_QUEUED,
                             memory_order_acq_rel);
    /* acquire: as in take_signals. */
    struct sp__signal *newest =
        atomic_exchange_explicit(&actor->signals, SP__SIGNALS_CLOSED, memory_order_acquire);
    return signals_reverse(newest == SP__SIGNALS_CLOSED ? NULL : newest);
}

struct sp__signal *sp__actor_give_up(struct sp__actor *actor)
{
    /* acq_rel: as in signal and take_signals; whoever finds it closed finds what came before. */
    struct sp__signal *newest =
        atomic_exchange_explicit(&actor->signals, SP__SIGNALS_CLOSED, memory_order_acq_rel);
    actor_raise(actor, SP__ACTOR_SIGNAL);
    /* acq_rel: as in close. */
    atomic_fetch_or_explicit(&actor->state, SP__ACTOR_CLOSED, memory_order_acq_rel);
    return signals_reverse(newest == SP__SIGNALS_CLOSED ? NULL : newest);
}

/* ---- parking ---- */

bool sp__actor_nothing_to_do(struct sp__actor *actor, bool receiving)
{
    uint64_t state = atomic_load_explicit(&actor->state, memory_order_relaxed);
    if (state & ACTOR_LOOK) {
        /* acquire: pairs with the release of the waker. */
        atomic_fetch_and_explicit(&actor->state, ~ACTOR_LOOK, memory_order_acquire);
        return false;
    }
    return !(state & SP__ACTOR_SIGNAL) &&
           !(receiving && (uint32_t)(state >> 32) !=
                              atomic_load_explicit(&actor->fetched, memory_order_relaxed));
}

bool sp__actor_try_park(struct sp__actor *actor, bool receiving)
{
    uint64_t state = atomic_load_explicit(&actor->state, memory_order_relaxed);
    uint64_t wanted;
    do {
        if ((state & (SP__ACTOR_SIGNAL | ACTOR_LOOK)) ||
            (receiving && (uint32_t)(state >> 32) !=
                              atomic_load_explicit(&actor->fetched, memory_order_relaxed))) {
            if (state & ACTOR_LOOK)
                atomic_fetch_and_explicit(&actor->state, ~ACTOR_LOOK, memory_order_acquire);
            return false;
        }
        wanted = state & ~SP__ACTOR_QUEUED;
        if (receiving)
            wanted |= SP__ACTOR_RECEIVING;
        /* acq_rel: release hands all that the owner wrote to the next one. */
    } while (!atomic_compare_exchange_weak_explicit(&actor->state, &state, wanted,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return true;
}

/* ---- waiting ---- */

bool sp__wait_claim(struct sp__actor *actor, uint64_t token)
{
    for (unsigned spins = 0;; spins++) {
        uint64_t expected = (token << 2) | SP__WAIT_OPEN;
        /* acquire: pairs with open and release. */
        if (atomic_compare_exchange_weak_explicit(&actor->wait, &expected,
                                                  (token << 2) | SP__WAIT_BUSY,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
        if (expected != ((token << 2) | SP__WAIT_BUSY) &&
            expected != ((token << 2) | SP__WAIT_OPEN))
            return false;
        /* Another completer of the same multi-call copies its reply. */
        sp__scheduler_spin(spins);
    }
}

void sp__wait_release(struct sp__actor *actor, uint64_t token)
{
    atomic_store_explicit(&actor->wait, (token << 2) | SP__WAIT_OPEN, memory_order_release);
}

void sp__wait_finish(struct sp__actor *actor, uint64_t token)
{
    /* release: pairs with the acquire in done. */
    atomic_store_explicit(&actor->wait, (token << 2) | SP__WAIT_DONE, memory_order_release);
    sp__actor_wake(actor);
}

bool sp__wait_close(struct sp__actor *actor, uint64_t token)
{
    for (unsigned spins = 0;; spins++) {
        /* acquire, also where it fails: pairs with release and finish; what was written is visible. */
        uint64_t expected = (token << 2) | SP__WAIT_OPEN;
        if (atomic_compare_exchange_weak_explicit(&actor->wait, &expected,
                                                  (token << 2) | SP__WAIT_NONE,
                                                  memory_order_acq_rel, memory_order_acquire))
            return true;
        if (expected == ((token << 2) | SP__WAIT_DONE))
            return false;
        /* A completer is copying a reply onto our stack; it takes some nanoseconds. */
        sp__scheduler_spin(spins);
    }
}
