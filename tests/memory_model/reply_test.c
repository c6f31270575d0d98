/* process/reply_fast.h and reply.c: an answer against the caller that parks, is woken for something
 * else, gives up, and calls again.
 *
 * The caller's frame is reused as soon as its call is over: who still writes to it is found. The
 * scheduler is a flag, as in mailbox_test.c.
 */
#include "process/aside.h"
#include "process/reply_fast.h"

#include "model.h"

#include "support/test.h"

enum { REPLY_THREADS = 3, REPLY_VALUE = 42 };

static struct {
    struct sp_process process;
    struct sp_runtime runtime;
    struct sp__slab slab;
    struct sp__context contexts[REPLY_THREADS];
    _Atomic int ready;
    _Atomic int requested;
    _Atomic int late;
    struct sp__reply_to to; /* in the request */
    /* The caller's frame. */
    struct sp__pending pending;
    struct sp__pending_slot slot;
    uint64_t out;
    bool answered;
    bool gave_up;
} state;

_Thread_local struct sp__context *sp__context_current;

#if !defined(__x86_64__)
struct sp__context *sp__context(void)
{
    return sp__context_current;
}
#endif

/* ---- what is not checked here ---- */

void sp__real_ready(struct sp__actor *actor)
{
    (void)actor;
    int before = atomic_exchange_explicit(&state.ready, 1, memory_order_acq_rel);
    MODEL_ASSERT(before == 0);
}
void sp__scheduler_spin(unsigned spins)
{
    (void)spins;
    model_wait();
}
/* Nobody puts a wait aside here. */
bool sp__aside_reply(struct sp_process *caller, const struct sp__reply_to *to,
                     const struct sp__reply *reply)
{
    (void)caller;
    (void)to;
    (void)reply;
    return false;
}
const struct sp_reason *sp_reason_ref(const struct sp_reason *reason)
{
    return reason;
}
void sp_reason_unref(const struct sp_reason *reason)
{
    (void)reason;
}

static enum sp__turn reply_turn(struct sp__actor *actor)
{
    (void)actor;
    return SP__TURN_IDLE;
}

static void reply_setup(void)
{
    state.runtime.real = true;
    state.runtime.processes = &state.slab;
    state.slab.items = (char *)&state.process;
    state.slab.item_size = sizeof(state.process);
    atomic_init(&state.slab.high, 1);
    sp__actor_init(&state.process.actor, &state.runtime, reply_turn, 1);
    atomic_init(&state.process.serial, 1);
    atomic_init(&state.runtime.epoch.epoch, 8);
    for (int i = 0; i < REPLY_THREADS; i++) {
        struct sp__context *context = &state.contexts[i];
        context->runtime = &state.runtime;
        context->epoch.domain = &state.runtime.epoch;
        context->epoch.asymmetric = true;
        atomic_init(&context->epoch.active, 8);
    }
}

static void reply_enter(int thread)
{
    sp__context_current = &state.contexts[thread - 1];
}

/* ---- the server ---- */

static void answer(void)
{
    uint64_t value = REPLY_VALUE;
    if (!sp__reply_fast(sp__context_current, &state.to, SP_OK, &value))
        sp__reply_send(&state.to, &(struct sp__reply){ .out = &value, .out_size = sizeof(value) });
}

static void server(void)
{
    while (atomic_load_explicit(&state.requested, memory_order_acquire) == 0)
        model_wait();
    answer();
}

/* ---- what else wakes the caller ---- */

static void wake(void)
{
    sp__actor_wake(&state.process.actor);
}

static void be_late(void)
{
    atomic_store_explicit(&state.late, 1, memory_order_relaxed);
    sp__actor_wake(&state.process.actor);
}

/* ---- the caller ---- */

static void caller_park(void)
{
    if (!sp__actor_try_park(&state.process.actor, false))
        return;
    while (atomic_load_explicit(&state.ready, memory_order_acquire) == 0)
        model_sleep();
    atomic_store_explicit(&state.ready, 0, memory_order_relaxed);
}

static uint64_t call_begin(void)
{
    state.out = 0;
    state.slot = (struct sp__pending_slot){ .out = &state.out, .out_size = sizeof(state.out) };
    state.pending = (struct sp__pending){ .slots = &state.slot, .count = 1, .remaining = 1 };
    state.process.pending = &state.pending;
    return sp__wait_open(&state.process.actor);
}

static void call_send(uint64_t token)
{
    state.to =
        (struct sp__reply_to){ .caller = { 1, 0, 0 }, .token = token, .flags = SP__REPLY_SINGLE };
    atomic_store_explicit(&state.requested, 1, memory_order_release);
}

/* True: answered. As sp__process_wait(). */
static bool call_wait(uint64_t token)
{
    while (!sp__wait_done(&state.process.actor, token)) {
        if (atomic_load_explicit(&state.late, memory_order_relaxed) != 0)
            return !sp__wait_close(&state.process.actor, token);
        caller_park();
    }
    return true;
}

static void call_end(bool answered)
{
    MODEL_ASSERT(state.slot.done == answered);
    MODEL_ASSERT(state.out == (answered ? REPLY_VALUE : 0));
    MODEL_ASSERT(state.pending.remaining == (answered ? 0 : 1));
    model_freed(&state.slot, sizeof(state.slot));
    model_freed(&state.pending, sizeof(state.pending));
    model_freed(&state.out, sizeof(state.out));
    state.process.pending = NULL;
    state.answered = answered;
    state.gave_up = !answered;
}

static void caller(void)
{
    uint64_t token = call_begin();
    call_send(token);
    call_end(call_wait(token));
}

/* A late answer to the first is none to the second. */
static void caller_again(void)
{
    caller();
    if (!state.gave_up)
        return;
    uint64_t token = call_begin();
    MODEL_ASSERT(sp__wait_close(&state.process.actor, token));
    call_end(false);
}

static void answered_at_last(void)
{
    MODEL_ASSERT(state.answered);
}

static void over_at_last(void)
{
    MODEL_ASSERT(!model_sleeps(3));
}

#define REPLY_MODEL(what, other, call, end)                                               \
    {                                                                                     \
        .name = what, .state = &state, .state_size = sizeof(state), .setup = reply_setup, \
        .enter = reply_enter, .threads = { server, other, call },                         \
        .thread_names = { "server", "other", "caller" }, .final = end,                    \
    }

static const struct model woken =
    REPLY_MODEL("reply, woken for nothing", wake, caller, answered_at_last);
static const struct model late = REPLY_MODEL("reply, given up", be_late, caller, over_at_last);
static const struct model again =
    REPLY_MODEL("reply, given up and called again", be_late, caller_again, over_at_last);

TEST(an_answer_reaches_its_caller)
{
    model_must_hold(&woken);
}

TEST(an_answer_to_who_has_given_up_touches_nothing)
{
    model_must_hold(&late);
    model_must_hold(&again);
}

#define SPARED(in, what, on, to, because)               \
    {                                                   \
        { in, what, on, 0, memory_order_##to }, because \
    }

static const struct model_spared reply_spared[] = {
    SPARED("sp__wait_open", "store", "&actor->wait", relaxed,
           "the request, which carries the token, is released too"),
    SPARED("sp__actor_try_park", "compare_exchange_weak", "&actor->state", release,
           "the next owner acquires"),
    SPARED("sp__wait_claim", "compare_exchange_weak", "&actor->wait", relaxed,
           "there is one completer here; mailbox_test.c has two"),
    SPARED("sp__reply_own", "compare_exchange_strong", "&actor->state", acquire,
           "the caller is handed over by the ready that follows"),
    SPARED("sp__reply_fast", "store", "&caller->actor.wait", relaxed,
           "the caller is handed over by the ready that follows"),
    SPARED("sp__wait_close", "compare_exchange_weak", "&actor->wait", acquire,
           "who finds it closed looks at nothing"),
    SPARED(NULL, NULL, NULL, relaxed, NULL),
};

TEST(each_order_is_needed)
{
    static const struct model *const models[] = { &woken, &late, &again, NULL };
    static const char *const files[] = { "reply_fast.h", "reply.c", "actor.h", "actor.c", NULL };
    model_weaken_each(
        &(struct model_part){ .models = models, .files = files, .spared = reply_spared });
}

TEST(planted_bugs_are_found_and_told)
{
    model_must_find(&woken,
                    &(struct model_fault){ .function = "sp__reply_own",
                                           .operation = "compare_exchange",
                                           .operand = "&actor->state",
                                           .order = memory_order_release },
                    "sp__reply_own(): compare_exchange_strong &actor->state release");
    model_must_find(&woken,
                    &(struct model_fault){ .function = "sp__wait_finish",
                                           .operation = "store",
                                           .operand = "&actor->wait",
                                           .order = memory_order_relaxed },
                    "sp__wait_finish(): store &actor->wait relaxed");
}
