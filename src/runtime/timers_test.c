/* Timers of a runtime: what fires, what was cancelled, who is told of an
 * earlier one; deadlines of waits; and threads that arm, cancel and expire at
 * once.
 */
#include "runtime/timers.h"

#include "runtime/core.h"
#include "runtime/scheduler.h"
#include "support/test.h"

#include <pthread.h>
#include <stdlib.h>

/* ---- a runtime of timers only ---- */

static struct sp_runtime fake;
static _Atomic int readied;
static _Atomic int told_earlier;
static _Atomic int64_t fake_time;

static int64_t fake_now(struct sp_runtime *runtime)
{
    (void)runtime;
    return fake_time;
}

static void fake_ready(struct sp__actor *actor)
{
    (void)actor;
    readied++;
}

static void fake_earlier(struct sp_runtime *runtime, uint32_t shard, int64_t expiry_ns)
{
    (void)runtime;
    (void)shard;
    (void)expiry_ns;
    told_earlier++;
}

static const struct sp__backend_ops fake_ops = {
    .name = "fake",
    .now = fake_now,
    .ready = fake_ready,
    .timer_earlier = fake_earlier,
};

static void fake_open(struct sp__context *context, uint32_t shards)
{
    fake = (struct sp_runtime){ .ops = &fake_ops };
    readied = 0;
    told_earlier = 0;
    fake_time = 1000;
    sp__epoch_init(&fake.epoch, true);
    sp__msg_pool_init(&fake.messages, NULL);
    CHECK_OK(sp__fiber_pool_create(NULL, &fake.fibers));
    sp__list_init(&fake.contexts);
    CHECK_OK(sp__timers_create(shards, fake_time, &fake.timers));
    sp__context_init(context, &fake, SP__CONTEXT_FOREIGN, 0);
}

static void fake_close(struct sp__context *context)
{
    sp__context_finish(context);
    sp__timers_destroy(fake.timers);
    sp__fiber_pool_destroy(fake.fibers);
    sp__msg_pool_finish(&fake.messages);
    sp__epoch_finish(&fake.epoch);
}

struct entry {
    struct sp__timer_entry timer;
    _Atomic int fired;
    int order;
};

static _Atomic int fired_so_far;

static void entry_fire(struct sp__timer_entry *timer)
{
    struct entry *entry = sp__container_of(timer, struct entry, timer);
    entry->order = ++fired_so_far;
    entry->fired++; /* last: who sees it may arm it again */
}

static void arm(struct entry *entry, int64_t expiry)
{
    entry->timer.fire = entry_fire;
    sp__timers_arm(&fake, &entry->timer.node, SP__TIMER_ENTRY, expiry);
}

/* ---- entries ---- */

TEST(timers_fire_in_order_and_not_before_their_time)
{
    struct sp__context context;
    struct entry entries[3] = { 0 };
    fake_open(&context, 1);
    arm(&entries[0], 3000);
    arm(&entries[1], 2000);
    arm(&entries[2], 2000);
    CHECK_INT(sp__timers_count(fake.timers), 3);
    CHECK(sp__timers_next(fake.timers) <= 2000);
    CHECK_INT(sp__timers_expire(&fake, 1999), 0);
    CHECK_INT(sp__timers_expire(&fake, 2000), 2);
    CHECK_INT(sp__timers_expire(&fake, 2000), 0);
    CHECK_INT(sp__timers_expire(&fake, 10000), 1);
    CHECK(entries[1].order < entries[2].order && entries[2].order < entries[0].order);
    CHECK_INT(sp__timers_count(fake.timers), 0);
    CHECK_INT(sp__timers_next(fake.timers), INT64_MAX);
    fake_close(&context);
}

TEST(timers_that_are_cancelled_do_not_fire)
{
    struct sp__context context;
    struct entry entries[2] = { 0 };
    int64_t expiry = -1;
    fake_open(&context, 1);
    arm(&entries[0], 2000);
    arm(&entries[1], 2000);
    CHECK(sp__timers_cancel(&fake, &entries[0].timer.node, &expiry));
    CHECK_INT(expiry, 2000);
    CHECK(!sp__timers_cancel(&fake, &entries[0].timer.node, NULL));
    CHECK_INT(sp__timers_expire(&fake, 5000), 1);
    CHECK_INT(entries[0].fired, 0);
    expiry = -1;
    CHECK(!sp__timers_cancel(&fake, &entries[1].timer.node, &expiry));
    CHECK_INT(expiry, -1);
    fake_close(&context);
}

TEST(timers_of_more_than_a_batch_fire_in_some_goes)
{
    enum { COUNT = 3000 };
    struct sp__context context;
    struct entry *entries = calloc(COUNT, sizeof *entries);
    CHECK(entries != NULL);
    fake_open(&context, 1);
    for (int i = 0; i < COUNT; i++)
        arm(&entries[i], 1000000);
    size_t fired = 0;
    int goes = 0;
    for (; fired < COUNT; goes++) {
        CHECK(sp__timers_next(fake.timers) <= 1000000); /* who asks comes back */
        fired += sp__timers_expire(&fake, 1000000);
    }
    CHECK(goes > 1 && goes < 20);
    CHECK_INT(fired, COUNT);
    CHECK_INT(sp__timers_next(fake.timers), INT64_MAX);
    for (int i = 0; i < COUNT; i++)
        CHECK_INT(entries[i].fired, 1);
    fake_close(&context);
    free(entries);
}

/* A round of many is followed by a pause, but not in simulated time; one armed for earlier ends it. */
TEST(timers_after_a_round_of_many_are_looked_for_later)
{
    enum { COUNT = 8 };
    for (int real = 0; real < 2; real++) {
        struct sp__context context;
        struct entry entries[COUNT + 2] = { 0 };
        fake_open(&context, 1);
        fake.real = real != 0;
        for (int i = 0; i < COUNT; i++)
            arm(&entries[i], 2000 + i);
        arm(&entries[COUNT], 4000);
        CHECK_INT(sp__timers_expire(&fake, 3000), COUNT);
        CHECK(real ? sp__timers_next(fake.timers) > 4000 : sp__timers_next(fake.timers) == 4000);
        arm(&entries[COUNT + 1], 4001);
        CHECK_INT(sp__timers_next(fake.timers), real ? 4001 : 4000);
        CHECK_INT(sp__timers_expire(&fake, 4001), 2);
        CHECK_INT(sp__timers_next(fake.timers), INT64_MAX); /* few: no pause */
        fake_close(&context);
    }
}

TEST(timers_tell_who_sleeps_of_an_earlier_one_only)
{
    struct sp__context context;
    struct entry entries[4] = { 0 };
    fake_open(&context, 2);
    arm(&entries[0], 5000);
    CHECK_INT(told_earlier, 1);
    arm(&entries[1], 6000);
    arm(&entries[2], 5000);
    CHECK_INT(told_earlier, 1);
    arm(&entries[3], 4000);
    CHECK_INT(told_earlier, 2);
    CHECK_INT(sp__timers_expire(&fake, 6000), 4);
    fake_close(&context);
}

/* ---- deadlines of waits ---- */

static enum sp__turn no_turn(struct sp__actor *actor)
{
    (void)actor;
    return SP__TURN_IDLE;
}

static void actor_begin(struct sp__actor *actor)
{
    *actor = (struct sp__actor){ 0 };
    sp__actor_init(actor, &fake, no_turn, 1);
    CHECK(sp__scheduler_prepare_deadline(actor));
    CHECK(sp__scheduler_prepare_deadline(actor)); /* once is enough */
}

TEST(a_deadline_wakes_its_actor)
{
    struct sp__context context;
    struct sp__actor actor;
    fake_open(&context, 1);
    actor_begin(&actor);
    sp__scheduler_set_deadline(&actor, 3000);
    CHECK(sp__actor_try_park(&actor, true));
    CHECK_INT(sp__timers_count(fake.timers), 0); /* not a timer of the user's */
    CHECK_INT(sp__timers_expire(&fake, 2999), 0);
    CHECK_INT(readied, 0);
    CHECK_INT(sp__timers_expire(&fake, 3000), 1);
    CHECK_INT(readied, 1);
    sp__scheduler_clear_deadline(&actor);
    fake_close(&context);
    free(actor.timer);
}

/* A wait that is over leaves its timer armed: the next one finds it earlier
 * than its own. */
TEST(a_deadline_that_is_given_up_wakes_nobody)
{
    struct sp__context context;
    struct sp__actor actor;
    fake_open(&context, 1);
    actor_begin(&actor);
    sp__scheduler_set_deadline(&actor, 3000);
    sp__scheduler_set_deadline(&actor, INT64_MAX);
    CHECK(sp__actor_try_park(&actor, true));
    CHECK_INT(sp__timers_expire(&fake, 4000), 1);
    CHECK_INT(readied, 0);
    sp__scheduler_set_deadline(&actor, 9000); /* is armed anew */
    CHECK_INT(sp__timers_expire(&fake, 9000), 1);
    CHECK_INT(readied, 1);
    fake_close(&context);
    free(actor.timer);
}

TEST(a_deadline_that_is_moved_wakes_in_time)
{
    struct sp__context context;
    struct sp__actor actor;
    fake_open(&context, 1);
    actor_begin(&actor);
    sp__scheduler_set_deadline(&actor, 9000);
    sp__scheduler_set_deadline(&actor, 3000); /* earlier: armed anew */
    CHECK(sp__actor_try_park(&actor, true));
    CHECK_INT(sp__timers_expire(&fake, 3000), 1);
    CHECK_INT(readied, 1);
    sp__scheduler_set_deadline(&actor, 4000);
    sp__scheduler_set_deadline(&actor, 8000); /* later: it is woken early, and sets it again */
    CHECK_INT(sp__timers_expire(&fake, 4000), 1);
    sp__scheduler_set_deadline(&actor, 8000);
    CHECK_INT(sp__timers_expire(&fake, 7999), 0);
    CHECK_INT(sp__timers_expire(&fake, 8000), 1);
    sp__scheduler_set_deadline(&actor, 9000);
    sp__scheduler_clear_deadline(&actor);
    CHECK_INT(sp__timers_expire(&fake, 99999), 0);
    sp__scheduler_clear_deadline(&actor);
    fake_close(&context);
    free(actor.timer);
}

TEST(deadlines_become_instants)
{
    fake = (struct sp_runtime){ .ops = &fake_ops };
    fake_time = 5000;
    sp_deadline fallback = sp_after_ms(1);
    CHECK_INT(sp__scheduler_instant(&fake, sp_never(), fallback), INT64_MAX);
    CHECK_INT(sp__scheduler_instant(&fake, sp_nowait(), fallback), 0);
    CHECK_INT(sp__scheduler_instant(&fake, sp_after(sp_ns(7)), fallback), 5007);
    CHECK_INT(sp__scheduler_instant(&fake, sp_after(sp_ns(-7)), fallback), 0);
    CHECK_INT(sp__scheduler_instant(&fake, sp_after(sp_ns(INT64_MAX)), fallback), INT64_MAX);
    CHECK_INT(sp__scheduler_instant(&fake, sp_at((sp_time){ 77 }), fallback), 77);
    CHECK_INT(sp__scheduler_instant(&fake, (sp_deadline){ 0 }, fallback), 1005000);
    CHECK_INT(sp__scheduler_instant(&fake, (sp_deadline){ 0 }, sp_never()), INT64_MAX);
}

/* ---- many threads ---- */

enum { THREADS = 3, PER_THREAD = 200 };

struct armer {
    pthread_t thread;
    uint32_t index;
    struct entry entries[PER_THREAD];
    int cancelled;
    struct sp__context context;
};

static _Atomic bool armers_done;

static void *armer_run(void *arg)
{
    struct armer *self = arg;
    sp__context_init(&self->context, &fake, SP__CONTEXT_FOREIGN, self->index);
    for (int round = sp_test_slow() ? 5 : 100; round > 0; round--) {
        for (int i = 0; i < PER_THREAD; i++) {
            self->entries[i].fired = 0;
            arm(&self->entries[i],
                fake_time + (int64_t)(sp__random_next(&self->context.random) % 2000));
        }
        fake_time += 500;
        for (int i = 0; i < PER_THREAD; i++) {
            struct entry *entry = &self->entries[i];
            if (sp__timers_cancel(&fake, &entry->timer.node, NULL)) {
                CHECK_INT(entry->fired, 0);
                self->cancelled++;
            } else {
                while (entry->fired == 0) /* it is firing just now */
                    sp__scheduler_spin(100);
                CHECK_INT(entry->fired, 1);
            }
        }
    }
    sp__context_finish(&self->context);
    return NULL;
}

TEST(what_may_fire_next_is_in_order_and_one_fires_alone)
{
    struct sp__context context;
    struct entry entries[3] = { { .order = 0 } };
    static const int64_t due[] = { 9000, 3000, 6000 };
    struct sp__timer_armed armed[4];
    fake_open(&context, 1);
    for (int i = 0; i < 3; i++) {
        entries[i].timer.fire = entry_fire;
        sp__timers_arm(&fake, &entries[i].timer.node, SP__TIMER_ENTRY, due[i]);
    }
    CHECK_INT(sp__timers_armed(&fake, armed, 2), 2); /* the earliest */
    CHECK_INT(sp__timers_armed(&fake, armed, 4), 3);
    CHECK(armed[0].node == &entries[1].timer.node && armed[0].due_ns == 3000);
    CHECK(armed[1].node == &entries[2].timer.node && armed[2].node == &entries[0].timer.node);
    sp__timers_fire_one(&fake, armed[2].node);
    CHECK_INT(entries[0].fired, 1);
    CHECK_INT(entries[1].fired + entries[2].fired, 0);
    CHECK_INT(sp__timers_count(fake.timers), 2);
    fake_time = 9000;
    CHECK_INT(sp__timers_expire(&fake, fake_time), 2);
    CHECK_INT(entries[0].fired, 1);
    fake_close(&context);
}

static void *expirer_run(void *arg)
{
    struct sp__context *context = arg;
    sp__context_init(context, &fake, SP__CONTEXT_FOREIGN, 0);
    while (!armers_done) {
        if (sp__timers_expire(&fake, fake_time) == 0)
            sp__scheduler_spin(100);
    }
    sp__context_finish(context);
    return NULL;
}

TEST(every_timer_fires_or_is_cancelled_whoever_expires_it)
{
    struct sp__context context;
    static struct sp__context expirers[2];
    static struct armer armers[THREADS];
    pthread_t threads[2];
    fake_open(&context, THREADS);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, expirer_run, &expirers[i]), 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        armers[i].index = i;
        CHECK_INT(pthread_create(&armers[i].thread, NULL, armer_run, &armers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(armers[i].thread, NULL), 0);
    armers_done = true;
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(sp__timers_count(fake.timers), 0);
    fake_close(&context);
}
