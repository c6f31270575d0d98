/* behaviour/reader_turn.h: a reader that is done against the server that waits for it, gives up, and waits
 * again.
 *
 * The server then writes what the reader has read, without a lock; and it must not sleep for ever.
 * The scheduler is a flag, as in mailbox_test.c.
 */
#include "behaviour/reader_turn.h"
#include "runtime/actor.h"
#include "runtime/core.h"
#include "runtime/scheduler.h"

#include "model.h"

#include "support/test.h"

enum { TURN_THREADS = 2, TURN_READER = 1, TURN_SERVER = 2 };

static struct {
    struct sp_runtime runtime;
    struct sp__context contexts[TURN_THREADS];
    struct sp__actor server;
    _Atomic int ready;
    _Atomic uint32_t busy;
    _Atomic uint64_t token;
    int data; /* the server's state */
    bool wrote;
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

static enum sp__turn turn_run(struct sp__actor *actor)
{
    (void)actor;
    return SP__TURN_IDLE;
}

static void turn_setup(void)
{
    state.runtime.real = true;
    sp__actor_init(&state.server, &state.runtime, turn_run, 1);
    atomic_init(&state.busy, SP__READER_BUSY); /* it was passed a read */
    for (int i = 0; i < TURN_THREADS; i++)
        state.contexts[i].runtime = &state.runtime;
}

static void turn_enter(int thread)
{
    sp__context_current = &state.contexts[thread - 1];
}

/* ---- threads ---- */

static void reader(void)
{
    MODEL_ASSERT(state.data == 0);
    uint64_t token = sp__reader_done(&state.busy, &state.token);
    if (token != 0 && sp__wait_claim(&state.server, token))
        sp__wait_finish(&state.server, token);
}

static void server_park(void)
{
    if (!sp__actor_try_park(&state.server, false))
        return;
    while (atomic_load_explicit(&state.ready, memory_order_acquire) == 0)
        model_sleep();
    atomic_store_explicit(&state.ready, 0, memory_order_relaxed);
}

/* As readers_wait(). */
static void server_wait(void)
{
    while (!sp__reader_is_idle(&state.busy)) {
        uint64_t token = sp__wait_open(&state.server);
        if (!sp__reader_await(&state.busy, &state.token, token)) {
            (void)sp__wait_close(&state.server, token);
            return;
        }
        while (!sp__wait_done(&state.server, token))
            server_park();
    }
}

static void server_write(void)
{
    state.data = 1;
    state.wrote = true;
}

static void server(void)
{
    server_wait();
    server_write();
}

/* It asked the reader at once, and does not look before. */
static void server_at_once(void)
{
    uint64_t token = sp__wait_open(&state.server);
    if (sp__reader_await(&state.busy, &state.token, token))
        while (!sp__wait_done(&state.server, token))
            server_park();
    server_write();
}

/* A circle was found, say: its caller is told, and it goes on with what comes next. */
static void server_again(void)
{
    uint64_t token = sp__wait_open(&state.server);
    if (sp__reader_await(&state.busy, &state.token, token))
        (void)sp__wait_close(&state.server, token);
    server_wait();
    server_write();
}

static void wrote_at_last(void)
{
    MODEL_ASSERT(!model_sleeps(TURN_SERVER));
    MODEL_ASSERT(state.wrote);
}

#define TURN_MODEL(what, waits)                                                                    \
    {                                                                                              \
        .name = what, .state = &state, .state_size = sizeof(state), .setup = turn_setup,           \
        .enter = turn_enter, .threads = { reader, waits }, .thread_names = { "reader", "server" }, \
        .final = wrote_at_last,                                                                    \
    }

static const struct model once = TURN_MODEL("readers, waited for", server);
static const struct model at_once = TURN_MODEL("readers, asked", server_at_once);
static const struct model again =
    TURN_MODEL("readers, given up and waited for again", server_again);

TEST(who_waits_for_a_reader_has_the_state_alone)
{
    model_must_hold(&once);
    model_must_hold(&at_once);
}

TEST(a_wait_after_one_that_was_given_up_ends)
{
    model_must_hold(&again);
}

TEST(each_order_is_needed)
{
    static const struct model *const models[] = { &once, &at_once, &again, NULL };
    static const char *const files[] = { "reader_turn.h", NULL };
    model_weaken_each(&(struct model_part){ .models = models, .files = files });
}
