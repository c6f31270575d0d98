/* runtime/scheduler.c and timers.c: the deadline of a wait, whose timer stays armed from one wait to
 * the next, while another thread fires it.
 *
 * Who sleeps until a deadline has a timer that is armed, or was woken.
 */
#include "runtime/timers.h"

#include "model.h"

#include "runtime/scheduler.h"
#include "runtime/watch.h"
#include "support/test.h"

enum { DEADLINE_FIRST = 100, DEADLINE_NOW = 150, DEADLINE_SECOND = 200 };

static struct {
    struct sp_runtime runtime;
    struct sp__context contexts[2];
    struct sp__actor actor;
    struct sp__wait_timer timer;
    _Alignas(struct sp__timer_shard) char timers[sizeof(struct sp__timers) +
                                                 sizeof(struct sp__timer_shard)];
    _Atomic int ready;
} state;

_Thread_local struct sp__context *sp__context_current;

#if !defined(__x86_64__)
struct sp__context *sp__context(void)
{
    return sp__context_current;
}
#endif

/* ---- what is not checked here ---- */

void sp__lock_slow(struct sp__lock *lock) SP__NO_THREAD_SAFETY
{
    (void)lock;
    model_wait();
}
void sp__lock_wake(struct sp__lock *lock)
{
    (void)lock;
}
void sp__watch_timer(struct sp__context *context, int64_t due_ns, int64_t now_ns)
{
    (void)context;
    (void)due_ns;
    (void)now_ns;
}

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

static void timer_earlier(struct sp_runtime *runtime, uint32_t shard, int64_t expiry_ns)
{
    (void)runtime;
    (void)shard;
    (void)expiry_ns;
}

static const struct sp__backend_ops deadline_ops = { .timer_earlier = timer_earlier };

static enum sp__turn deadline_turn(struct sp__actor *actor)
{
    (void)actor;
    return SP__TURN_IDLE;
}

/* A wait of before has left the timer armed. */
static void deadline_setup(void)
{
    state.runtime.real = true;
    state.runtime.ops = &deadline_ops;
    state.runtime.timers = (struct sp__timers *)(void *)state.timers;
    state.runtime.timers->shard_count = 1;
    struct sp__timer_shard *shard = &state.runtime.timers->shards[0];
    atomic_init(&shard->next, INT64_MAX);
    sp__wheel_init(&shard->wheel, 0);
    atomic_init(&state.runtime.epoch.epoch, 8);
    for (int i = 0; i < 2; i++) {
        state.contexts[i].runtime = &state.runtime;
        state.contexts[i].epoch.domain = &state.runtime.epoch;
        state.contexts[i].epoch.asymmetric = true;
        atomic_init(&state.contexts[i].epoch.active, 8);
    }
    sp__actor_init(&state.actor, &state.runtime, deadline_turn, 1);
    state.actor.timer = &state.timer;
    state.timer.actor = &state.actor;
    atomic_init(&state.timer.deadline, INT64_MAX);
    atomic_init(&state.timer.armed_for, INT64_MAX);
    sp__context_current = &state.contexts[0];
    sp__scheduler_set_deadline(&state.actor, DEADLINE_FIRST);
    sp__scheduler_set_deadline(&state.actor, INT64_MAX);
}

static void deadline_enter(int thread)
{
    sp__context_current = &state.contexts[thread - 1];
}

static void owner_park(void)
{
    if (!sp__actor_try_park(&state.actor, false))
        return;
    while (atomic_load_explicit(&state.ready, memory_order_acquire) == 0)
        model_sleep();
    atomic_store_explicit(&state.ready, 0, memory_order_relaxed);
}

/* Woken too early, it waits again; for ever, since nobody comes when the time is over. */
static void owner(void)
{
    for (;;) {
        sp__scheduler_set_deadline(&state.actor, DEADLINE_SECOND);
        owner_park();
        sp__scheduler_set_deadline(&state.actor, INT64_MAX);
    }
}

static void expire(void)
{
    sp__timers_expire(&state.runtime, DEADLINE_NOW);
}

static void its_timer_is_armed(void)
{
    MODEL_ASSERT(model_sleeps(1));
    MODEL_ASSERT(sp__wheel_armed(&state.timer.node));
    MODEL_ASSERT(state.timer.node.expiry_ns <= DEADLINE_SECOND);
}

static const struct model deadline = {
    .name = "deadline of a wait",
    .state = &state,
    .state_size = sizeof(state),
    .setup = deadline_setup,
    .enter = deadline_enter,
    .threads = { owner, expire },
    .thread_names = { "owner", "timers" },
    .final = its_timer_is_armed,
    .retry_is_same = true,
};

TEST(who_waits_until_a_deadline_has_a_timer)
{
    model_must_hold(&deadline);
}

#define SPARED(in, what, on, to, because)               \
    {                                                   \
        { in, what, on, 0, memory_order_##to }, because \
    }

static const struct model_spared deadline_spared[] = {
    SPARED("sp__timers_expire", "load", "&shard->next", relaxed, "the lock comes next"),
    SPARED("timers_set_next", "store", "&shard->next", release,
           "nobody sleeps here; search_test.c has who does"),
    SPARED(NULL, NULL, NULL, relaxed, NULL),
};

TEST(each_order_is_needed)
{
    static const struct model *const models[] = { &deadline, NULL };
    static const char *const files[] = { "scheduler.c", "timers.c", NULL };
    model_weaken_each(
        &(struct model_part){ .models = models, .files = files, .spared = deadline_spared });
}
