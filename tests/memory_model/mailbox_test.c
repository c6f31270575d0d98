/* runtime/actor.c and runtime/mailbox.h: senders, the owner that takes and parks, signals, wakes,
 * the close.
 *
 * The scheduler is one flag: ready() sets it, and must find it clear, since a parked actor is made
 * ready once; the owner waits for it when it has parked.
 */
#include "model.h"

#include "runtime/mailbox.h"
#include "support/test.h"

enum { MAILBOX_MESSAGES = 4, MAILBOX_SENDERS = 2 };

union mailbox_message {
    struct sp_message message;
    char space[sizeof(struct sp_message)];
};

static struct {
    struct sp__actor actor;
    struct sp_runtime runtime;
    union mailbox_message messages[MAILBOX_MESSAGES];
    struct sp__signal signals[MAILBOX_SENDERS];
    _Atomic int ready;
    _Atomic int flags[MAILBOX_SENDERS]; /* what a waker did before */
    int cell;                           /* changes hands with the room in the mailbox */
    int accepted[MAILBOX_SENDERS + 1];  /* by thread */
    int refused[MAILBOX_SENDERS + 1];
    int taken;
    int signalled;
    uint64_t last[MAILBOX_SENDERS]; /* of each sender */
} state;

/* ---- what actor.c needs ---- */

void sp__real_ready(struct sp__actor *actor)
{
    (void)actor;
    /* acq_rel: as the run queues do. */
    int before = atomic_exchange_explicit(&state.ready, 1, memory_order_acq_rel);
    MODEL_ASSERT(before == 0);
}

void sp__scheduler_spin(unsigned spins)
{
    (void)spins;
    model_wait();
}

/* ---- senders ---- */

static enum sp__turn mailbox_turn(struct sp__actor *actor)
{
    (void)actor;
    return SP__TURN_IDLE;
}

static void mailbox_setup_max(uint32_t mailbox_max)
{
    state.runtime.real = true;
    sp__actor_init(&state.actor, &state.runtime, mailbox_turn, mailbox_max);
}

static void mailbox_setup(void)
{
    mailbox_setup_max(MAILBOX_MESSAGES);
}

/* Messages carry their sender and their number. */
static bool mailbox_send(int number)
{
    int sender = model_thread() - 1;
    struct sp_message *message = &state.messages[number].message;
    uint32_t position;
    message->aux = (uint64_t)(sender * MAILBOX_MESSAGES + number + 1);
    bool sent = sp__mailbox_push(&state.actor, message, true, &position) == SP_OK;
    state.accepted[sender] += sent;
    state.refused[sender] += !sent;
    return sent;
}

static void send_one_a(void)
{
    MODEL_ASSERT(mailbox_send(0));
}
static void send_one_b(void)
{
    MODEL_ASSERT(mailbox_send(2));
}
static void send_two_a(void)
{
    MODEL_ASSERT(mailbox_send(0));
    MODEL_ASSERT(mailbox_send(1));
}

/* ---- the owner ---- */

/* In order of each sender; and then the message is the taker's alone. */
static void owner_took(struct sp_message *message)
{
    uint64_t aux = message->aux;
    uint64_t sender = (aux - 1) / MAILBOX_MESSAGES;
    MODEL_ASSERT(aux != 0 && state.last[sender] < aux);
    state.last[sender] = aux;
    model_freed(message, sizeof(*message));
    sp__mailbox_took(&state.actor);
    state.taken++;
}

static void owner_take_all(void)
{
    struct sp_message *message;
    while ((message = sp__mailbox_fetch(&state.actor)) != NULL)
        owner_took(message);
}

static void owner_take_signals(void)
{
    struct sp__signal *signal = sp__actor_take_signals(&state.actor);
    for (; signal != NULL; signal = signal->next) {
        state.signalled++;
        MODEL_ASSERT(state.signalled <= MAILBOX_SENDERS);
    }
}

/* Parked; until somebody makes it ready, or for ever. */
static void owner_sleep(void)
{
    while (atomic_load_explicit(&state.ready, memory_order_acquire) == 0)
        model_sleep();
    atomic_store_explicit(&state.ready, 0, memory_order_relaxed);
}

/* Parks, or looks again; a sender that has not linked its message yet is waited for. */
static void owner_park(void)
{
    int before = state.taken + state.signalled;
    if (sp__actor_try_park(&state.actor, true)) {
        owner_sleep();
        return;
    }
    if (sp__actor_signalled(&state.actor))
        owner_take_signals();
    owner_take_all();
    if (before == state.taken + state.signalled)
        model_wait();
}

static void receive(int messages, int signals)
{
    while (state.taken < messages || state.signalled < signals) {
        if (sp__actor_signalled(&state.actor))
            owner_take_signals();
        owner_take_all();
        if (state.taken < messages || state.signalled < signals)
            owner_park();
    }
    MODEL_ASSERT(sp__mailbox_length(&state.actor) == 0);
}

static void receive_two(void)
{
    receive(2, 0);
}
static void receive_three(void)
{
    receive(3, 0);
}

static void received_all(void)
{
    uint32_t pushed =
        (uint32_t)(atomic_load_explicit(&state.actor.state, memory_order_relaxed) >> 32);
    int accepted = state.accepted[0] + state.accepted[1] + state.accepted[2];
    MODEL_ASSERT(pushed == (uint32_t)accepted);
    MODEL_ASSERT(state.taken == accepted);
    MODEL_ASSERT(sp__mailbox_length(&state.actor) == 0);
}

/* ---- room: a mailbox for one message ---- */

static void room_setup(void)
{
    mailbox_setup_max(1);
}

/* Who finds room for its second message finds it after what the owner did with the first. */
static void room_send(void)
{
    MODEL_ASSERT(mailbox_send(0));
    if (mailbox_send(1))
        state.cell = 2;
}

static void room_receive(void)
{
    struct sp_message *message = sp__mailbox_fetch(&state.actor);
    if (message == NULL && sp__actor_try_park(&state.actor, true))
        owner_sleep();
    if (message == NULL && (message = sp__mailbox_fetch(&state.actor)) == NULL)
        model_wait();
    MODEL_ASSERT(sp__mailbox_length(&state.actor) == 1);
    state.cell = 1;
    owner_took(message);
}

/* Others see a recent length: of more than the mailbox holds perhaps, never a negative one. */
static void room_look(void)
{
    MODEL_ASSERT(sp__mailbox_length(&state.actor) <= 2);
}

/* ---- a mailbox for two that never holds more than one of its first sender's ---- */

static void refusal_setup(void)
{
    mailbox_setup_max(2);
}

static void refusal_send_two(void)
{
    MODEL_ASSERT(mailbox_send(0));
    while (atomic_load_explicit(&state.flags[0], memory_order_acquire) == 0)
        model_wait();
    (void)mailbox_send(1);
}

/* There was room for it at any time. */
static void refusal_send_one(void)
{
    MODEL_ASSERT(mailbox_send(2));
}

/* Takes until the first sender's first message was among them. */
static void refusal_receive(void)
{
    while (state.last[0] == 0) {
        struct sp_message *message = sp__mailbox_fetch(&state.actor);
        if (message == NULL && sp__actor_try_park(&state.actor, true))
            owner_sleep();
        if (message == NULL && (message = sp__mailbox_fetch(&state.actor)) == NULL)
            model_wait();
        owner_took(message);
    }
    atomic_store_explicit(&state.flags[0], 1, memory_order_release);
}

/* ---- signals and wakes ---- */

static void signal_one(void)
{
    MODEL_ASSERT(sp__actor_signal(&state.actor, &state.signals[model_thread() - 1]));
}

static void receive_two_signals(void)
{
    receive(0, 2);
}

static void receive_one_of_each(void)
{
    receive(1, 1);
}

/* Says what it did with a relaxed store: the wake must carry it. */
static void wake_one(void)
{
    atomic_store_explicit(&state.flags[model_thread() - 1], 1, memory_order_relaxed);
    sp__actor_wake(&state.actor);
}

static void ask_room(void)
{
    atomic_store_explicit(&state.flags[model_thread() - 1], 1, memory_order_relaxed);
    sp__actor_ask_room(&state.actor);
}

static bool woken_by(int thread)
{
    return atomic_load_explicit(&state.flags[thread - 1], memory_order_relaxed) != 0;
}

/* Waits for two wakes as a process does: looks, parks, looks. Messages do not interest it. */
static void wait_for_two(void)
{
    while (!woken_by(1) || !woken_by(2)) {
        sp__actor_room_looked(&state.actor);
        if (woken_by(1) && woken_by(2))
            break;
        if (sp__actor_nothing_to_do(&state.actor, false) && sp__actor_try_park(&state.actor, false))
            owner_sleep();
    }
    state.taken = 2;
}

static void woken_at_last(void)
{
    MODEL_ASSERT(state.taken == 2);
}

/* ---- the end ---- */

static void close_send(void)
{
    mailbox_send(0);
    mailbox_send(1);
}

static void close_signal(void)
{
    state.accepted[2] = sp__actor_signal(&state.actor, &state.signals[0]);
}

/* Closes; what was accepted is there, and no more comes. */
static void close_owner(void)
{
    struct sp__signal *signal = sp__actor_close(&state.actor);
    for (; signal != NULL; signal = signal->next)
        state.signalled++;
    while (sp__mailbox_waiting(&state.actor)) {
        int before = state.taken;
        owner_take_all();
        if (before == state.taken)
            model_wait();
    }
}

static void closed(void)
{
    MODEL_ASSERT(state.taken == state.accepted[0]);
    MODEL_ASSERT(state.signalled == state.accepted[2]);
    MODEL_ASSERT(atomic_load_explicit(&state.ready, memory_order_relaxed) == 0);
}

/* ---- one operation that is waited for ---- */

static void wait_setup(void)
{
    mailbox_setup();
    (void)sp__wait_open(&state.actor);
}

/* One of two completers of one wait; what it writes is the waiter's place. */
static void wait_complete(void)
{
    if (!sp__wait_claim(&state.actor, 1))
        return;
    state.cell++;
    if (state.cell == 2)
        sp__wait_finish(&state.actor, 1);
    else
        sp__wait_release(&state.actor, 1);
}

static void wait_owner(void)
{
    while (!sp__wait_done(&state.actor, 1))
        if (sp__actor_try_park(&state.actor, false))
            owner_sleep();
    MODEL_ASSERT(state.cell == 2);
    state.cell = 3;
    state.taken = 2;
}

/* Gives up: nobody writes to its place any more. */
static void wait_give_up(void)
{
    bool gave_up = sp__wait_close(&state.actor, 1);
    MODEL_ASSERT(gave_up == (state.cell != 2));
    state.cell = 3;
    state.taken = 2;
    MODEL_ASSERT(!sp__wait_done(&state.actor, 2));
}

/* ---- models ---- */

/* `loops`: all swaps that fail are tried again and have nothing else come of it. */
#define MAILBOX_MODEL(what, loops, a, b, c, from, end)                                        \
    {                                                                                         \
        .name = what, .state = &state, .state_size = sizeof(state), .setup = from,            \
        .threads = { a, b, c }, .thread_names = { "sender", "other", "owner" }, .final = end, \
        .retry_is_same = loops,                                                               \
    }

static const struct model two_senders =
    MAILBOX_MODEL("mailbox, two messages", true, send_one_a, send_one_b, receive_two, mailbox_setup,
                  received_all);
static const struct model three_messages =
    MAILBOX_MODEL("mailbox, three messages", true, send_two_a, send_one_b, receive_three,
                  mailbox_setup, received_all);
static const struct model room =
    MAILBOX_MODEL("mailbox, room", true, room_send, room_look, room_receive, room_setup, NULL);
static const struct model refusal =
    MAILBOX_MODEL("mailbox, no refusal without a cause", true, refusal_send_two, refusal_send_one,
                  refusal_receive, refusal_setup, NULL);
static const struct model two_signals = MAILBOX_MODEL(
    "actor, two signals", true, signal_one, signal_one, receive_two_signals, mailbox_setup, NULL);
static const struct model one_of_each =
    MAILBOX_MODEL("actor, signal and message", true, signal_one, send_one_b, receive_one_of_each,
                  mailbox_setup, received_all);
static const struct model two_wakes = MAILBOX_MODEL("actor, two wakes", true, wake_one, wake_one,
                                                    wait_for_two, mailbox_setup, woken_at_last);
static const struct model wake_and_room = MAILBOX_MODEL(
    "actor, wake and room", true, wake_one, ask_room, wait_for_two, mailbox_setup, woken_at_last);
static const struct model close_all = MAILBOX_MODEL("actor, close", true, close_send, close_signal,
                                                    close_owner, mailbox_setup, closed);
static const struct model wait_done = MAILBOX_MODEL(
    "actor, wait", false, wait_complete, wait_complete, wait_owner, wait_setup, woken_at_last);
static const struct model wait_closed =
    MAILBOX_MODEL("actor, wait given up", false, wait_complete, wait_complete, wait_give_up,
                  wait_setup, woken_at_last);

TEST(no_message_is_lost_and_none_comes_twice)
{
    model_must_hold(&two_senders);
    model_must_hold(&three_messages);
}

TEST(room_in_a_mailbox_is_found_after_what_was_done_with_the_message)
{
    model_must_hold(&room);
}

TEST(a_message_is_refused_only_when_the_mailbox_was_full)
{
    model_must_hold(&refusal);
}

TEST(no_wake_up_is_lost_while_an_actor_parks)
{
    model_must_hold(&two_signals);
    model_must_hold(&one_of_each);
    model_must_hold(&two_wakes);
    model_must_hold(&wake_and_room);
}

TEST(what_a_closing_actor_accepted_it_finds)
{
    model_must_hold(&close_all);
}

TEST(a_wait_is_completed_or_given_up)
{
    model_must_hold(&wait_done);
    model_must_hold(&wait_closed);
}

static const struct model *const mailbox_models[] = {
    &two_senders,   &room,      &refusal,   &two_signals, &one_of_each, &two_wakes,
    &wake_and_room, &close_all, &wait_done, &wait_closed, NULL,
};

#define SPARED(in, what, on, to, because)                                          \
    {                                                                              \
        { .function = in, .operation = what, .operand = on, .order = to }, because \
    }

static const struct model_spared mailbox_spared[] = {
    SPARED("sp__mailbox_detach_last", "compare_exchange_strong", "&actor->tail",
           memory_order_release, "the message was acquired through head or next before"),
    SPARED("sp__mailbox_length", "load", "&actor->state", memory_order_relaxed,
           "that it is read second is the other load's doing"),
    SPARED("sp__actor_try_park", "compare_exchange_weak", "&actor->state", memory_order_release,
           "the next owner acquires"),
    SPARED("sp__actor_take_signals", "and", "&actor->state", memory_order_release,
           "against load buffering, which RC11 does not have"),
    SPARED("sp__actor_take_signals", "and", "&actor->state", memory_order_acquire,
           "the owner hands nothing over here"),
    SPARED("sp__actor_close", "or", "&actor->state", memory_order_acquire,
           "who finds it closed looks at nothing"),
    SPARED("sp__actor_close", "or", "&actor->state", memory_order_release,
           "both lanes are acquired when they are emptied"),
    SPARED("sp__wait_close", "compare_exchange_weak", "&actor->wait", memory_order_acquire,
           "who finds it closed looks at nothing"),
    SPARED(NULL, NULL, NULL, memory_order_relaxed, NULL),
};

TEST(each_order_is_needed)
{
    static const char *const files[] = { "actor.c", "actor.h", "mailbox.h", NULL };
    model_weaken_each(
        &(struct model_part){ .models = mailbox_models, .files = files, .spared = mailbox_spared });
}

/* The bugs one would make, by name. */
TEST(planted_bugs_are_found_and_told)
{
    model_must_find(&two_senders,
                    &(struct model_fault){ .function = "sp__mailbox_append",
                                           .operation = "store",
                                           .operand = "&before->next",
                                           .order = memory_order_relaxed },
                    "sp__mailbox_append(): store &before->next relaxed");
    model_must_find(&two_senders,
                    &(struct model_fault){ .function = "sp__mailbox_append",
                                           .operation = "exchange",
                                           .operand = "&actor->tail",
                                           .order = memory_order_acquire },
                    "exchange &actor->tail acquire");
    model_must_find(&two_wakes,
                    &(struct model_fault){ .function = "actor_raise",
                                           .operation = "compare_exchange",
                                           .operand = "&actor->state",
                                           .order = memory_order_acquire },
                    "compare_exchange_weak &actor->state acquire");
    model_must_find(&two_wakes,
                    &(struct model_fault){ .function = "sp__actor_try_park",
                                           .operation = "compare_exchange",
                                           .operand = "&actor->state",
                                           .order = memory_order_relaxed },
                    "compare_exchange_weak &actor->state relaxed");
}
