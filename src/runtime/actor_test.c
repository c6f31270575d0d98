/* Actors: mailbox, control lane, parking and waits, first one step at a time,
 * then with many threads at once. A fake backend notes who is made ready.
 */
#include "runtime/actor.h"

#include "base/lock.h"
#include "runtime/mailbox.h"
#include "support/test.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>

static _Atomic int readied;
static sem_t runnable;

static void fake_ready(struct sp__actor *actor)
{
    (void)actor;
    atomic_fetch_add(&readied, 1);
    CHECK_INT(sem_post(&runnable), 0);
}

static enum sp__turn no_turn(struct sp__actor *actor)
{
    (void)actor;
    return SP__TURN_IDLE;
}

static const struct sp__backend_ops fake_ops = { .name = "fake", .ready = fake_ready };
static struct sp_runtime fake = { .ops = &fake_ops };

/* Of the thread or process that runs it; running from the start, as a new one
 * is. */
static struct sp__actor *actor_new(uint32_t mailbox_max)
{
    struct sp__actor *actor = calloc(1, sizeof *actor);
    CHECK(actor != NULL);
    CHECK_INT(sem_init(&runnable, 0, 0), 0);
    atomic_store(&readied, 0);
    sp__actor_init(actor, &fake, no_turn, mailbox_max);
    return actor;
}

static struct sp_message *message_new(uint64_t number)
{
    struct sp_message *message = calloc(1, sizeof *message);
    CHECK(message != NULL);
    message->aux = number;
    return message;
}

static sp_err push(struct sp__actor *actor, uint64_t number)
{
    struct sp_message *message = message_new(number);
    uint32_t unused;
    sp_err err = sp__mailbox_push(actor, message, true, &unused);
    if (err != SP_OK)
        free(message);
    return err;
}

/* Takes the next one for good. */
static void expect_next(struct sp__actor *actor, uint64_t number)
{
    struct sp_message *message = sp__mailbox_fetch(actor);
    CHECK(message != NULL);
    CHECK_INT(message->aux, number);
    sp__mailbox_took(actor);
    free(message);
}

TEST(mailbox_keeps_order_and_counts_exactly)
{
    struct sp__actor *actor = actor_new(UINT32_MAX);
    CHECK_PTR(sp__mailbox_fetch(actor), NULL);
    for (uint64_t i = 0; i < 5; i++)
        CHECK_OK(push(actor, i));
    CHECK_INT(sp__mailbox_length(actor), 5);
    CHECK(sp__mailbox_waiting(actor));
    for (uint64_t i = 0; i < 3; i++)
        expect_next(actor, i);
    CHECK_OK(push(actor, 5));
    for (uint64_t i = 3; i < 6; i++)
        expect_next(actor, i);
    CHECK_PTR(sp__mailbox_fetch(actor), NULL);
    CHECK_INT(sp__mailbox_length(actor), 0);
    CHECK(!sp__mailbox_waiting(actor));
    CHECK_INT(readied, 0); /* it was running */
    free(actor);
}

TEST(mailbox_makes_a_receiver_ready_once)
{
    struct sp__actor *actor = actor_new(UINT32_MAX);
    for (int round = 1; round < 4; round++) {
        CHECK(sp__actor_try_park(actor, true));
        CHECK_OK(push(actor, 1));
        CHECK_INT(readied, round);
        CHECK_OK(push(actor, 2));
        CHECK_OK(push(actor, 3));
        CHECK_INT(readied, round);
        CHECK(!sp__actor_try_park(actor, true));
        for (uint64_t i = 1; i < 4; i++)
            expect_next(actor, i);
    }
    free(actor);
}

TEST(mailbox_leaves_alone_who_does_not_receive)
{
    struct sp__actor *actor = actor_new(UINT32_MAX);
    CHECK(sp__actor_try_park(actor, false));
    CHECK_OK(push(actor, 1));
    CHECK_INT(readied, 0);
    sp__actor_wake(actor);
    CHECK_INT(readied, 1);
    CHECK(sp__actor_try_park(actor, false)); /* a message is nothing to it */
    sp__actor_wake(actor);
    CHECK_INT(readied, 2);
    sp__actor_wake(actor); /* while it runs: look again */
    CHECK_INT(readied, 2);
    CHECK(!sp__actor_try_park(actor, false));
    sp__actor_wake(actor);
    CHECK(!sp__actor_nothing_to_do(actor, true));
    CHECK(!sp__actor_nothing_to_do(actor, true)); /* the message */
    expect_next(actor, 1);
    CHECK(sp__actor_nothing_to_do(actor, true));
    free(actor);
}

TEST(mailbox_refuses_exactly_what_is_over_its_bound)
{
    struct sp__actor *actor = actor_new(3);
    for (uint64_t i = 0; i < 3; i++)
        CHECK_OK(push(actor, i));
    CHECK_ERR(push(actor, 3), SP_ERR_FULL);
    struct sp_message *message = sp__mailbox_fetch(actor);
    CHECK_ERR(push(actor, 3), SP_ERR_FULL); /* fetched, but not taken for good */
    CHECK_INT(sp__mailbox_length(actor), 3);
    sp__mailbox_took(actor);
    free(message);
    CHECK_OK(push(actor, 3));
    CHECK_ERR(push(actor, 4), SP_ERR_FULL);
    message = message_new(4);
    uint32_t number = 0;
    CHECK_OK(sp__mailbox_push(actor, message, false, &number)); /* never refused */
    CHECK_INT(number, 5);
    CHECK_INT(sp__mailbox_length(actor), 4);
    for (uint64_t i = 1; i < 5; i++)
        expect_next(actor, i);
    free(actor);
}

TEST(mailbox_counts_wrap)
{
    struct sp__actor *actor = actor_new(3);
    uint32_t start = UINT32_MAX - 1;
    atomic_store(&actor->state, ((uint64_t)start << 32) | SP__ACTOR_QUEUED);
    atomic_store(&actor->taken, start);
    atomic_store(&actor->fetched, start);
    for (uint64_t i = 0; i < 10; i++) {
        CHECK_INT(sp__mailbox_length(actor), 0);
        for (uint64_t k = 0; k < 3; k++)
            CHECK_OK(push(actor, k));
        CHECK_ERR(push(actor, 3), SP_ERR_FULL);
        CHECK_INT(sp__mailbox_length(actor), 3);
        for (uint64_t k = 0; k < 3; k++)
            expect_next(actor, k);
        CHECK(!sp__mailbox_waiting(actor));
    }
    CHECK(sp__actor_try_park(actor, true));
    free(actor);
}

/* What a sender does between its two steps. */
TEST(mailbox_waits_for_a_message_that_is_not_linked_yet)
{
    struct sp__actor *actor = actor_new(UINT32_MAX);
    struct sp_message *late = message_new(2);
    CHECK_OK(push(actor, 1));
    atomic_fetch_add(&actor->state, SP__ACTOR_PUSH_ONE);
    struct sp_message *before = atomic_exchange(&actor->tail, late);
    CHECK_PTR(sp__mailbox_fetch(actor), NULL); /* not even the first, which it must link behind */
    CHECK(sp__mailbox_waiting(actor));
    CHECK(!sp__actor_try_park(actor, true));
    atomic_store(&before->next, late);
    expect_next(actor, 1);
    expect_next(actor, 2);
    free(actor);
}

TEST(mailbox_of_shared_fetch_gives_also_what_woke_its_owner)
{
    struct sp__actor *actor = actor_new(1);
    actor->shared_fetch = true;
    CHECK(sp__actor_try_park(actor, true));
    CHECK_OK(push(actor, 1));
    CHECK_INT(readied, 1);
    CHECK_ERR(push(actor, 2), SP_ERR_FULL);
    struct sp_message *oldest = sp__mailbox_fetch_shared(actor);
    CHECK(oldest != NULL);
    CHECK_INT(oldest->aux, 1);
    CHECK_ERR(push(actor, 2), SP_ERR_FULL);
    sp__mailbox_dropped(actor);
    free(oldest);
    CHECK_PTR(sp__mailbox_fetch_shared(actor), NULL);
    CHECK_OK(push(actor, 2));
    expect_next(actor, 2);
    free(actor);
}

TEST(an_actor_that_is_closed_accepts_nothing)
{
    struct sp__actor *actor = actor_new(UINT32_MAX);
    struct sp__signal signals[3];
    CHECK_OK(push(actor, 1));
    for (int i = 0; i < 3; i++)
        CHECK(sp__actor_signal(actor, &signals[i]));
    struct sp__signal *left = sp__actor_close(actor);
    for (int i = 0; i < 3; i++, left = left->next)
        CHECK_PTR(left, &signals[i]);
    CHECK_PTR(left, NULL);
    CHECK_ERR(push(actor, 2), SP_ERR_NOPROC);
    CHECK(!sp__actor_signal(actor, &signals[0]));
    sp__actor_wake(actor);
    CHECK_INT(readied, 0);
    CHECK_PTR(sp__actor_take_signals(actor), NULL);
    CHECK_PTR(sp__actor_close(actor), NULL);
    expect_next(actor, 1); /* what was there stays */
    free(actor);
}

TEST(signals_come_oldest_first_and_keep_it_from_parking)
{
    struct sp__actor *actor = actor_new(UINT32_MAX);
    struct sp__signal signals[3];
    CHECK(sp__actor_try_park(actor, false));
    for (int i = 0; i < 3; i++)
        CHECK(sp__actor_signal(actor, &signals[i]));
    CHECK_INT(readied, 1);
    CHECK(sp__actor_signalled(actor));
    CHECK(!sp__actor_try_park(actor, false));
    struct sp__signal *at = sp__actor_take_signals(actor);
    for (int i = 0; i < 3; i++, at = at->next)
        CHECK_PTR(at, &signals[i]);
    CHECK_PTR(at, NULL);
    CHECK(!sp__actor_signalled(actor));
    CHECK_PTR(sp__actor_take_signals(actor), NULL);
    CHECK(sp__actor_try_park(actor, false));
    free(actor);
}

TEST(a_wait_is_done_once_by_who_has_its_token)
{
    struct sp__actor *actor = actor_new(UINT32_MAX);
    uint64_t first = sp__wait_open(actor);
    CHECK(!sp__wait_claim(actor, first + 1));
    CHECK(sp__wait_claim(actor, first));
    sp__wait_release(actor, first); /* a part is written */
    CHECK(sp__wait_claim(actor, first));
    CHECK(!sp__wait_done(actor, first));
    sp__wait_finish(actor, first);
    CHECK(sp__wait_done(actor, first));
    CHECK(!sp__wait_claim(actor, first));
    CHECK(!sp__wait_close(actor, first)); /* too late to give up */
    CHECK(!sp__actor_try_park(actor, false));

    uint64_t second = sp__wait_open(actor);
    CHECK(second != first);
    CHECK(!sp__wait_done(actor, first));
    CHECK(sp__wait_close(actor, second));
    CHECK(!sp__wait_claim(actor, second));
    CHECK(!sp__wait_claim(actor, first));

    /* The slot has a new user, who is not mistaken for the former. */
    sp__actor_init(actor, &fake, no_turn, 1);
    CHECK(!sp__wait_claim(actor, sp__wait_open(actor) - 1));
    free(actor);
}

/* ---- many threads
 * ---------------------------------------------------------------------------
 */

enum { SENDERS = 3, DROP_AT = 8 };

static long per_sender(void)
{
    return sp_test_slow() ? 3000 : 30000;
}

struct sender {
    struct sp__actor *actor;
    int index;
    bool bounded;
    struct sp__lock *drop_lock; /* not NULL: makes room by dropping the oldest */
    long dropped;
    long refused;
    pthread_t thread;
};

static void sender_drop(struct sender *self)
{
    sp__lock_lock(self->drop_lock);
    struct sp_message *oldest = sp__mailbox_fetch_shared(self->actor);
    if (oldest != NULL)
        sp__mailbox_dropped(self->actor);
    sp__lock_unlock(self->drop_lock);
    if (oldest != NULL)
        self->dropped++;
    else
        sched_yield();
    free(oldest);
}

static void *sender_run(void *arg)
{
    struct sender *self = arg;
    for (long i = 0; i < per_sender(); i++) {
        struct sp_message *message = message_new((uint64_t)i * SENDERS + (uint64_t)self->index);
        uint32_t number = 0;
        while (sp__mailbox_push(self->actor, message, self->bounded, &number) == SP_ERR_FULL) {
            self->refused++;
            if (self->drop_lock != NULL)
                sender_drop(self);
            else
                sched_yield();
        }
    }
    return NULL;
}

static void senders_start(struct sender senders[SENDERS], const struct sender *like)
{
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = *like;
        senders[i].index = i;
        CHECK_INT(pthread_create(&senders[i].thread, NULL, sender_run, &senders[i]), 0);
    }
}

static long senders_join(struct sender senders[SENDERS])
{
    long dropped = 0;
    for (int i = 0; i < SENDERS; i++) {
        CHECK_INT(pthread_join(senders[i].thread, NULL), 0);
        dropped += senders[i].dropped;
    }
    return dropped;
}

/* The owner: parks as a worker would have it, and goes on when it was made
 * ready. */
static void await_ready(struct sp__actor *actor)
{
    if (!sp__actor_try_park(actor, true))
        return;
    while (sem_wait(&runnable) != 0)
        continue;
    int more;
    CHECK_INT(sem_getvalue(&runnable, &more), 0);
    CHECK_INT(more, 0); /* never in two queues at once */
}

static struct sp_message *fetch_locked(struct sp__actor *actor, struct sp__lock *lock)
{
    sp__lock_lock(lock);
    struct sp_message *message = sp__mailbox_fetch(actor);
    sp__lock_unlock(lock);
    return message;
}

/* Each sender's messages come in order; `seen` is the next that may come of
 * each. */
static void check_order(const struct sp_message *message, int64_t seen[SENDERS], bool gaps)
{
    uint64_t sender = message->aux % SENDERS;
    int64_t number = (int64_t)(message->aux / SENDERS);
    if (gaps)
        CHECK(number >= seen[sender]);
    else
        CHECK_INT(number, seen[sender]);
    seen[sender] = number + 1;
}

TEST(mailbox_loses_nothing_of_many_senders_and_keeps_their_order)
{
    struct sp__actor *actor = actor_new(UINT32_MAX);
    struct sender senders[SENDERS];
    int64_t seen[SENDERS] = { 0 };
    senders_start(senders, &(struct sender){ .actor = actor });
    for (long taken = 0; taken < SENDERS * per_sender();) {
        struct sp_message *message = sp__mailbox_fetch(actor);
        if (message == NULL) {
            await_ready(actor);
            continue;
        }
        check_order(message, seen, false);
        sp__mailbox_took(actor);
        free(message);
        taken++;
    }
    CHECK_INT(senders_join(senders), 0);
    CHECK_INT(sp__mailbox_length(actor), 0);
    CHECK(!sp__mailbox_waiting(actor));
    free(actor);
}

TEST(mailbox_of_many_senders_is_never_over_its_bound)
{
    struct sp__actor *actor = actor_new(DROP_AT);
    struct sender senders[SENDERS];
    int64_t seen[SENDERS] = { 0 };
    senders_start(senders, &(struct sender){ .actor = actor, .bounded = true });
    for (long taken = 0; taken < SENDERS * per_sender();) {
        struct sp_message *message = sp__mailbox_fetch(actor);
        CHECK(sp__mailbox_length(actor) <= DROP_AT);
        if (message == NULL) {
            await_ready(actor);
            continue;
        }
        check_order(message, seen, false);
        sp__mailbox_took(actor);
        free(message);
        taken++;
    }
    (void)senders_join(senders);
    CHECK_INT(sp__mailbox_length(actor), 0);
    free(actor);
}

struct closer {
    struct sender *senders;
    long dropped;
};

#define LAST_MESSAGE UINT64_MAX

/* When all have sent, one more that nobody drops. */
static void *closer_run(void *arg)
{
    struct closer *self = arg;
    struct sp__actor *actor = self->senders[0].actor;
    uint32_t number;
    self->dropped = senders_join(self->senders);
    CHECK_OK(sp__mailbox_push(actor, message_new(LAST_MESSAGE), false, &number));
    return NULL;
}

TEST(mailbox_of_which_senders_drop_the_oldest_accounts_for_all)
{
    struct sp__actor *actor = actor_new(DROP_AT);
    struct sp__lock lock = { 0 };
    struct sender senders[SENDERS];
    struct closer closer = { .senders = senders };
    int64_t seen[SENDERS] = { 0 };
    pthread_t thread;
    actor->shared_fetch = true;
    senders_start(senders, &(struct sender){ .actor = actor, .bounded = true, .drop_lock = &lock });
    CHECK_INT(pthread_create(&thread, NULL, closer_run, &closer), 0);
    long taken = 0;
    for (uint64_t last = 0; last != LAST_MESSAGE;) {
        struct sp_message *message = fetch_locked(actor, &lock);
        if (message == NULL) {
            await_ready(actor);
            continue;
        }
        last = message->aux;
        if (last != LAST_MESSAGE) {
            check_order(message, seen, true);
            taken++;
        }
        sp__mailbox_took(actor);
        free(message);
    }
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(taken + closer.dropped, SENDERS * per_sender());
    CHECK_INT(sp__mailbox_length(actor), 0);
    free(actor);
}

/* ---- the control lane, and wakes ---- */

struct signaller {
    struct sp__actor *actor;
    pthread_t thread;
};

static void *signaller_run(void *arg)
{
    struct signaller *self = arg;
    for (long i = 0; i < per_sender(); i++) {
        struct sp__signal *signal = malloc(sizeof *signal);
        CHECK(signal != NULL);
        CHECK(sp__actor_signal(self->actor, signal));
        sp__actor_wake(self->actor);
    }
    return NULL;
}

TEST(no_signal_and_no_message_is_lost_beside_the_other)
{
    struct sp__actor *actor = actor_new(UINT32_MAX);
    struct sender senders[SENDERS];
    struct signaller signallers[2] = { { .actor = actor }, { .actor = actor } };
    senders_start(senders, &(struct sender){ .actor = actor });
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&signallers[i].thread, NULL, signaller_run, &signallers[i]), 0);
    long messages = 0;
    long signals = 0;
    while (messages < SENDERS * per_sender() || signals < 2 * per_sender()) {
        for (struct sp__signal *next, *at = sp__actor_take_signals(actor); at != NULL; at = next) {
            next = at->next;
            free(at);
            signals++;
        }
        for (struct sp_message *at; (at = sp__mailbox_fetch(actor)) != NULL; messages++) {
            sp__mailbox_took(actor);
            free(at);
        }
        if (messages < SENDERS * per_sender() || signals < 2 * per_sender())
            await_ready(actor);
    }
    (void)senders_join(senders);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_join(signallers[i].thread, NULL), 0);
    CHECK_INT(messages, SENDERS * per_sender());
    CHECK_INT(signals, 2 * per_sender());
    free(actor);
}

/* ---- several complete one wait ---- */

struct completer {
    struct sp__actor *actor;
    _Atomic uint64_t *token;
    int *remaining; /* under the claim */
    pthread_t thread;
};

enum { COMPLETERS = 3 };
#define NO_MORE UINT64_MAX

static void *completer_run(void *arg)
{
    struct completer *self = arg;
    uint64_t token = 0;
    for (;;) {
        uint64_t next = atomic_load(self->token);
        if (next == NO_MORE)
            return NULL;
        if (next == token) {
            sched_yield();
            continue;
        }
        token = next;
        if (!sp__wait_claim(self->actor, token))
            continue; /* it has given up */
        if (--*self->remaining == 0)
            sp__wait_finish(self->actor, token);
        else
            sp__wait_release(self->actor, token);
    }
}

TEST(a_wait_that_several_complete_is_done_with_the_last_or_given_up)
{
    int rounds = sp_test_slow() ? 300 : 5000;
    struct sp__actor *actor = actor_new(1);
    struct completer completers[COMPLETERS];
    _Atomic uint64_t token = 0;
    int remaining = 0;
    for (int i = 0; i < COMPLETERS; i++) {
        completers[i] = (struct completer){ actor, &token, &remaining, 0 };
        CHECK_INT(pthread_create(&completers[i].thread, NULL, completer_run, &completers[i]), 0);
    }
    for (int round = 0; round < rounds; round++) {
        remaining = COMPLETERS; /* nobody has a claim */
        uint64_t mine = sp__wait_open(actor);
        atomic_store(&token, mine);
        bool patient = round % 3 != 0;
        while (patient && !sp__wait_done(actor, mine))
            sched_yield();
        bool given_up = sp__wait_close(actor, mine);
        CHECK(!given_up || !patient);
        CHECK(given_up ? remaining > 0 : remaining == 0);
    }
    atomic_store(&token, NO_MORE);
    for (int i = 0; i < COMPLETERS; i++)
        CHECK_INT(pthread_join(completers[i].thread, NULL), 0);
    free(actor);
}
