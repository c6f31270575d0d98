/* Routers: every strategy, routees that come and go, ends, misuse. Their races are searched in
 * sim_acceptance/routers.c; the spread of keys has its own test.
 */
#include "spawned/router.h"

#include "support/lab.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- a worker that says what it got ---- */

struct worker_args {
    sp_pid reports_to;
    int64_t number;
};
struct text {
    char *bytes;
};
static _Atomic int texts;
static void text_destroy(struct text *text)
{
    if (text->bytes != NULL)
        atomic_fetch_sub(&texts, 1);
    free(text->bytes);
    text->bytes = NULL;
}
static struct text text_make(void)
{
    atomic_fetch_add(&texts, 1);
    return (struct text){ .bytes = calloc(1, 8) };
}
static void number_destroy(int64_t *number)
{
    (void)number;
}

SP_SERVER(worker, struct worker_args);
/** Reports its number times 1,000 and the argument. */
SP_CAST(worker, note, int64_t);
SP_CAST_MOVED(worker, keep, struct text, text_destroy);
/** Returns its number. */
SP_CALL(worker, who, sp_empty, int64_t);
SP_CALL_MOVED(worker, take, struct text, text_destroy, int64_t, number_destroy);
/** Waits at the gate, then returns its number. */
SP_CALL(worker, wait, gate_ref, int64_t);
SP_CAST(worker, hold, gate_ref);
/** Its number, or an error for the even ones. */
SP_CALL(worker, odd, sp_empty, int64_t);
SP_CALL(worker, die, sp_empty, int64_t);

SP_ROUTER(worker);
SP_ROUTED_CAST(worker, note);
SP_ROUTED_CAST(worker, keep);
SP_ROUTED_CAST(worker, hold);
SP_ROUTED_CALL(worker, who);
SP_ROUTED_CALL(worker, take);
SP_ROUTED_CALL(worker, wait);
SP_ROUTED_CALL(worker, odd);
SP_ROUTED_CALL(worker, die);

static sp_err worker_init(struct worker_args *self, const struct worker_args *args)
{
    *self = *args;
    return SP_OK;
}
static void worker_on_note(struct worker_args *self, const int64_t *in)
{
    send_note(self->reports_to, 1000 * self->number + *in);
}
static void worker_on_keep(struct worker_args *self, const struct text *in)
{
    (void)in;
    send_note(self->reports_to, self->number);
}
static sp_err worker_on_who(struct worker_args *self, const sp_empty *in, int64_t *out)
{
    (void)in;
    *out = self->number;
    return SP_OK;
}
static sp_err worker_on_take(struct worker_args *self, const struct text *in, int64_t *out)
{
    (void)in;
    *out = self->number;
    return SP_OK;
}
static sp_err worker_on_wait(struct worker_args *self, const gate_ref *in, int64_t *out)
{
    sp_empty nothing = { 0 };
    *out = self->number;
    return gate_pass(*in, &nothing, &nothing, WORLD_PATIENCE);
}
static void worker_on_hold(struct worker_args *self, const gate_ref *in)
{
    (void)self;
    sp_empty nothing = { 0 };
    CHECK_ERR(gate_pass(*in, &nothing, &nothing, WORLD_PATIENCE), SP_OK);
}
static sp_err worker_on_odd(struct worker_args *self, const sp_empty *in, int64_t *out)
{
    (void)in;
    *out = self->number;
    return self->number % 2 == 0 ? SP_ERR_IO : SP_OK;
}
static sp_err worker_on_die(struct worker_args *self, const sp_empty *in, int64_t *out)
{
    (void)in;
    *out = self->number;
    sp_exit_error(SP_ERR_IO, "boom");
}
SP_STATE(worker, struct worker_args);
SP_ON_INIT(worker);
SP_ON_CAST(worker, note);
SP_ON_CAST(worker, keep);
SP_ON_CAST(worker, hold);
SP_ON_CALL(worker, who);
SP_ON_CALL(worker, take);
SP_ON_CALL(worker, wait);
SP_ON_CALL(worker, odd);
SP_ON_CALL(worker, die);
SP_CLASS(worker, .init = worker__init);

static const sp_empty nothing;

static worker_ref worker_begin(int64_t number)
{
    struct worker_args args = { sp_self(), number };
    worker_ref ref;
    CHECK_ERR(worker_start(&args, NULL, &ref), SP_OK);
    return ref;
}

/* A router with `count` workers, numbered from 0. */
static worker_router router_begin(struct sp_router_options options, worker_ref *workers,
                                  size_t count)
{
    worker_router router;
    CHECK_ERR(worker_router_start(&options, &router), SP_OK);
    for (size_t i = 0; i < count; i++)
        workers[i] = worker_begin((int64_t)i);
    if (count != 0)
        CHECK_ERR(worker_router_add(router, workers, count), SP_OK);
    return router;
}

static struct sp_router_info info_of(worker_router router)
{
    struct sp_router_info info;
    CHECK_ERR(sp_router_info(router.pid, &info), SP_OK);
    return info;
}

/* Until the router has seen that someone died. */
static void await_routees(worker_router router, uint32_t count)
{
    while (info_of(router).routees != count)
        sp_yield();
}

static int64_t who(worker_router router)
{
    int64_t number = -1;
    CHECK_ERR(worker_route_who(router, &nothing, &number, WORLD_PATIENCE), SP_OK);
    return number;
}

static int64_t who_of_key(worker_router router, uint64_t key)
{
    int64_t number = -1;
    CHECK_ERR(worker_route_who_key(router, key, &nothing, &number, WORLD_PATIENCE), SP_OK);
    return number;
}

static void end_worker(worker_ref worker)
{
    CHECK_ERR(worker_stop(worker, WORLD_PATIENCE), SP_OK);
}

/* ---- strategies ---- */

TEST(round_robin_takes_one_after_another)
{
    world_open(NULL);
    worker_ref workers[3];
    worker_router router = router_begin((struct sp_router_options){ 0 }, workers, 3);
    for (int i = 0; i < 9; i++)
        CHECK_INT(who(router), i % 3);
    CHECK_ERR(worker_router_add(router, &(worker_ref){ worker_begin(3).pid }, 1), SP_OK);
    int64_t seen = 0;
    for (int i = 0; i < 4; i++)
        seen |= 1 << who(router);
    CHECK_INT(seen, 15);
    CHECK_INT(info_of(router).routed, 13);
    CHECK_INT(info_of(router).routees, 4);
    CHECK_ERR(worker_router_stop(router, WORLD_PATIENCE), SP_OK);
    world_close();
}

TEST(round_robin_is_even_however_many_send)
{
    world_open(NULL);
    worker_ref workers[4];
    int64_t counts[4] = { 0 };
    worker_router router = router_begin((struct sp_router_options){ 0 }, workers, 4);
    for (int64_t i = 0; i < 400; i++)
        CHECK_ERR(worker_route_note(router, &(int64_t){ 7 }), SP_OK);
    for (int i = 0; i < 400; i++)
        counts[expect_note() / 1000]++;
    for (int i = 0; i < 4; i++)
        CHECK_INT(counts[i], 100);
    world_close();
}

TEST(random_takes_all_and_each_about_as_often)
{
    world_open(NULL);
    worker_ref workers[4];
    int64_t counts[4] = { 0 };
    worker_router router =
        router_begin((struct sp_router_options){ .strategy = SP_ROUTE_RANDOM }, workers, 4);
    for (int i = 0; i < 4000; i++)
        counts[who(router)]++;
    for (int i = 0; i < 4; i++)
        CHECK(counts[i] > 800 && counts[i] < 1200); /* seven deviations */
    CHECK_INT(info_of(router).routed, 4000);
    world_close();
}

/* One of two is held in its handler: nothing goes to it. */
static void idle_is_preferred(enum sp_router_strategy strategy)
{
    world_open(NULL);
    worker_ref workers[2];
    gate_ref gate = gate_begin();
    worker_router router =
        router_begin((struct sp_router_options){ .strategy = strategy }, workers, 2);
    CHECK_ERR(worker_hold(workers[1], &gate), SP_OK);
    CHECK_INT(expect_note(), GATE_ARRIVED);
    for (int i = 0; i < 20; i++) {
        /* It is parked before it can be chosen again, or it has as much to do as the other. */
        while (sp_mailbox_length() != 0)
            sp_yield();
        CHECK_ERR(worker_note(workers[1], &(int64_t){ i }), SP_OK);
        CHECK_INT(who(router), 0);
    }
    CHECK_ERR(gate_open(gate, &nothing), SP_OK);
    for (int i = 0; i < 20; i++)
        CHECK_INT(expect_note(), 1000 + i);
    world_close();
}

TEST(the_smallest_of_two_mailboxes_is_taken)
{
    idle_is_preferred(SP_ROUTE_SMALLEST);
}

TEST(the_smallest_of_all_mailboxes_is_taken)
{
    idle_is_preferred(SP_ROUTE_SMALLEST_OF_ALL);
}

/* All are busy, and have different numbers of messages: casts level them, to the last one. Among them is
 * one that has died and looks emptier than all. */
TEST(the_smallest_of_all_levels_what_waits)
{
    enum { LEVELLED = 21, STEP = 7 }; /* STEP and LEVELLED + 1 have no common factor */
    world_open(NULL);
    worker_ref workers[LEVELLED + 1];
    int64_t counts[LEVELLED + 1] = { 0 };
    gate_ref gate = gate_begin();
    int64_t to_route = 0;
    worker_router router = router_begin(
        (struct sp_router_options){ .strategy = SP_ROUTE_SMALLEST_OF_ALL }, workers, LEVELLED + 1);
    CHECK_ERR(worker_stop(workers[LEVELLED], WORLD_PATIENCE), SP_OK);
    for (int i = 0; i < LEVELLED; i++) {
        CHECK_ERR(worker_hold(workers[i], &gate), SP_OK);
        CHECK_INT(expect_note(), GATE_ARRIVED);
    }
    for (int i = 0; i < LEVELLED; i++) {
        int waiting = (i + 1) * STEP % (LEVELLED + 1);
        for (int j = 0; j < waiting; j++)
            CHECK_ERR(worker_note(workers[i], &(int64_t){ 7 }), SP_OK);
        to_route += LEVELLED - waiting;
    }
    for (int64_t i = 0; i < to_route; i++)
        CHECK_ERR(worker_route_note(router, &(int64_t){ 7 }), SP_OK);
    CHECK_ERR(gate_open(gate, &nothing), SP_OK);
    for (int i = 0; i < LEVELLED * LEVELLED; i++)
        counts[expect_note() / 1000]++;
    for (int i = 0; i < LEVELLED; i++)
        CHECK_INT(counts[i], LEVELLED);
    world_close();
}

TEST(a_key_always_goes_to_the_same_routee)
{
    enum { KEYS = 300 };
    world_open(NULL);
    worker_ref workers[5];
    int64_t before[KEYS];
    int moved = 0;
    worker_router router =
        router_begin((struct sp_router_options){ .strategy = SP_ROUTE_HASH }, workers, 5);
    for (int i = 0; i < KEYS; i++)
        before[i] = who_of_key(router, (uint64_t)i);
    worker_ref more = worker_begin(5);
    CHECK_ERR(worker_router_add(router, &more, 1), SP_OK);
    for (int i = 0; i < KEYS; i++) {
        int64_t now = who_of_key(router, (uint64_t)i);
        CHECK(now == before[i] || now == 5);
        moved += now == 5;
    }
    CHECK(moved > KEYS / 12 && moved < KEYS / 3);
    CHECK_ERR(worker_router_remove(router, more), SP_OK);
    for (int i = 0; i < KEYS; i++)
        CHECK_INT(who_of_key(router, (uint64_t)i), before[i]);
    int64_t number;
    CHECK_ERR(worker_route_who(router, &nothing, &number, WORLD_PATIENCE), SP_ERR_INVALID);
    CHECK_ERR(worker_route_note(router, &(int64_t){ 1 }), SP_ERR_INVALID);
    world_close();
}

TEST(a_new_routee_takes_the_place_of_a_dead_one)
{
    enum { KEYS = 100 };
    world_open(NULL);
    worker_ref workers[4];
    int64_t before[KEYS];
    worker_router router =
        router_begin((struct sp_router_options){ .strategy = SP_ROUTE_HASH }, workers, 4);
    for (int i = 0; i < KEYS; i++)
        before[i] = who_of_key(router, (uint64_t)i);
    end_worker(workers[1]);
    for (int i = 0; i < KEYS; i++)
        CHECK(who_of_key(router, (uint64_t)i) == before[i] || before[i] == 1);
    await_routees(router, 3);
    for (int i = 0; i < KEYS; i++)
        CHECK(who_of_key(router, (uint64_t)i) == before[i] || before[i] == 1);
    worker_ref again = worker_begin(1);
    CHECK_ERR(worker_router_add(router, &again, 1), SP_OK);
    for (int i = 0; i < KEYS; i++)
        CHECK_INT(who_of_key(router, (uint64_t)i), before[i]);
    world_close();
}

TEST(bounded_load_passes_over_who_has_too_much)
{
    world_open(NULL);
    worker_ref workers[4];
    gate_ref gate = gate_begin();
    worker_router router = router_begin(
        (struct sp_router_options){ .strategy = SP_ROUTE_HASH, .load_percent = 125 }, workers, 4);
    int64_t own = who_of_key(router, 1);
    for (int i = 0; i < 4; i++) {
        CHECK_ERR(worker_hold(workers[i], &gate), SP_OK);
        CHECK_INT(expect_note(), GATE_ARRIVED);
    }
    for (int i = 0; i < 400; i++)
        CHECK_ERR(worker_route_note_key(router, 1, &(int64_t){ 1 }), SP_OK);
    for (int i = 0; i < 4; i++) {
        struct sp_process_info info;
        CHECK_ERR(sp_process_info(workers[i].pid, &info), SP_OK);
        CHECK(info.mailbox > 20 && info.mailbox < 180);
    }
    CHECK_ERR(gate_open(gate, &nothing), SP_OK);
    for (int i = 0; i < 400; i++)
        (void)expect_note();
    CHECK_INT(who_of_key(router, 1), own); /* none has anything to do */
    world_close();
}

TEST(a_sticky_key_stays_with_who_is_busy_with_it)
{
    world_open(NULL);
    worker_ref workers[4];
    int64_t held = -1;
    gate_ref gate = gate_begin();
    worker_router router =
        router_begin((struct sp_router_options){ .strategy = SP_ROUTE_STICKY }, workers, 4);
    CHECK_ERR(worker_route_hold_key(router, 42, &gate), SP_OK);
    CHECK_INT(expect_note(), GATE_ARRIVED);
    for (int64_t i = 0; i < 50; i++)
        CHECK_ERR(worker_route_note_key(router, 42, &(int64_t){ i }), SP_OK);
    for (uint64_t key = 100; key < 150; key++)
        (void)who_of_key(router, key); /* others are not held up: p2c would take an idle one */
    expect_nothing();
    CHECK_ERR(gate_open(gate, &nothing), SP_OK);
    for (int64_t i = 0; i < 50; i++) {
        int64_t note = expect_note();
        if (held < 0)
            held = note / 1000;
        CHECK_INT(note, 1000 * held + i); /* one did them all, in order */
    }
    world_close();
}

TEST(a_sticky_key_that_is_done_may_go_elsewhere)
{
    world_open(NULL);
    worker_ref workers[4];
    int64_t seen = 0;
    worker_router router =
        router_begin((struct sp_router_options){ .strategy = SP_ROUTE_STICKY }, workers, 4);
    for (int i = 0; i < 5000; i++) {
        for (int j = 0; j < 100; j++)
            sp_yield(); /* the last one parks */
        seen |= 1 << who_of_key(router, 7);
        if (seen == 15)
            break;
    }
    CHECK_INT(seen, 15);
    CHECK_ERR(worker_route_note(router, &(int64_t){ 1 }), SP_ERR_INVALID);
    world_close();
}

/* ---- all of them ---- */

TEST(a_broadcast_reaches_every_routee)
{
    world_open(NULL);
    worker_ref workers[70]; /* more than fit a small list */
    struct sp_broadcast counts;
    worker_router router = router_begin((struct sp_router_options){ 0 }, workers, 70);
    CHECK_ERR(worker_route_note_all(router, &(int64_t){ 5 }, &counts), SP_OK);
    CHECK_INT(counts.sent, 70);
    CHECK_INT(counts.failed, 0);
    int64_t sum = 0;
    for (int i = 0; i < 70; i++)
        sum += expect_note();
    CHECK_INT(sum, 70 * 5 + 1000 * (69 * 70 / 2));
    CHECK_INT(info_of(router).routed, 70);
    struct text text = text_make();
    CHECK_ERR(worker_route_keep_all(router, &text, NULL), SP_ERR_INVALID);
    CHECK_INT(atomic_load(&texts), 0);
    world_close();
}

TEST(of_scattered_calls_the_first_answer_wins)
{
    world_open(NULL);
    worker_ref workers[3];
    int64_t number = -1;
    gate_ref gate = gate_begin();
    worker_router router = router_begin((struct sp_router_options){ 0 }, workers, 3);
    CHECK_ERR(worker_hold(workers[0], &gate), SP_OK);
    CHECK_INT(expect_note(), GATE_ARRIVED);
    CHECK_ERR(worker_hold(workers[2], &gate), SP_OK);
    CHECK_INT(expect_note(), GATE_ARRIVED);
    CHECK_ERR(worker_route_who_first(router, &nothing, &number, WORLD_PATIENCE), SP_OK);
    CHECK_INT(number, 1);
    number = -1;
    CHECK_ERR(gate_open(gate, &nothing), SP_OK);
    int64_t rest;
    CHECK_ERR(worker_who(workers[0], &nothing, &rest, WORLD_PATIENCE), SP_OK);
    CHECK_ERR(worker_who(workers[2], &nothing, &rest, WORLD_PATIENCE), SP_OK);
    CHECK_INT(number, -1); /* late answers went nowhere */
    expect_nothing();
    world_close();
}

TEST(scattered_calls_fail_only_if_all_do)
{
    world_open(NULL);
    worker_ref workers[3];
    int64_t number = -1;
    worker_router router = router_begin((struct sp_router_options){ 0 }, workers, 3);
    CHECK_ERR(worker_route_odd_first(router, &nothing, &number, WORLD_PATIENCE), SP_OK);
    CHECK_INT(number, 1);
    end_worker(workers[1]);
    CHECK_ERR(worker_route_odd_first(router, &nothing, &number, WORLD_PATIENCE), SP_ERR_IO);
    CHECK_ERR(worker_route_die_first(router, &nothing, &number, WORLD_PATIENCE), SP_ERR_DIED);
    await_routees(router, 0);
    CHECK_ERR(worker_route_odd_first(router, &nothing, &number, WORLD_PATIENCE), SP_ERR_NOROUTEE);
    struct text text = text_make();
    CHECK_ERR(worker_route_take_first(router, &text, &number, WORLD_PATIENCE), SP_ERR_INVALID);
    CHECK_INT(atomic_load(&texts), 0);
    world_close();
}

TEST(scattered_calls_meet_their_deadline)
{
    world_open(NULL);
    worker_ref workers[2];
    int64_t number = -1;
    gate_ref gate = gate_begin();
    worker_router router = router_begin((struct sp_router_options){ 0 }, workers, 2);
    CHECK_ERR(worker_route_wait_first(router, &gate, &number, sp_after_ms(1)), SP_ERR_TIMEOUT);
    CHECK_INT(number, -1);
    CHECK_ERR(gate_open(gate, &nothing), SP_OK);
    world_close();
}

/* ---- routees that come and go ---- */

TEST(without_a_routee_nothing_is_routed_and_it_is_counted)
{
    world_open(NULL);
    worker_router router = router_begin((struct sp_router_options){ 0 }, NULL, 0);
    int64_t number;
    struct text text = text_make();
    CHECK_ERR(worker_route_keep(router, &text), SP_ERR_NOROUTEE);
    text = text_make();
    CHECK_ERR(worker_route_take(router, &text, &number, WORLD_PATIENCE), SP_ERR_NOROUTEE);
    CHECK_ERR(worker_route_note_all(router, &(int64_t){ 1 }, NULL), SP_ERR_NOROUTEE);
    CHECK_INT(atomic_load(&texts), 0);
    CHECK_INT(info_of(router).no_routee, 3);
    CHECK_INT(info_of(router).routed, 0);
    CHECK(info_of(router).listed);
    world_close();
}

static void the_dead_are_passed_over(enum sp_router_strategy strategy)
{
    world_open(NULL);
    worker_ref workers[8];
    worker_router router =
        router_begin((struct sp_router_options){ .strategy = strategy }, workers, 8);
    for (int i = 0; i < 7; i++) {
        end_worker(workers[i]);
        for (uint64_t j = 0; j < 20; j++)
            CHECK(who_of_key(router, j) > i); /* at once */
    }
    CHECK_ERR(worker_route_note_key(router, 1, &(int64_t){ 3 }), SP_OK);
    CHECK_INT(expect_note(), 7003);
    await_routees(router, 1);
    end_worker(workers[7]);
    CHECK_ERR(worker_route_note_key(router, 1, &(int64_t){ 3 }), SP_ERR_NOROUTEE);
    world_close();
}

TEST(the_dead_are_passed_over_whatever_the_strategy)
{
    for (int strategy = SP_ROUTE_ROUND_ROBIN; strategy <= SP_ROUTE_STICKY; strategy++)
        the_dead_are_passed_over((enum sp_router_strategy)strategy);
}

TEST(adding_is_for_all_or_none)
{
    world_open(NULL);
    worker_ref workers[3];
    sp_pid pids[4];
    worker_router router = router_begin((struct sp_router_options){ .routees_max = 4 }, workers, 2);
    workers[2] = worker_begin(2);
    CHECK_ERR(worker_router_add(router, &workers[1], 2), SP_ERR_EXISTS);
    CHECK_INT(sp_router_routees(router.pid, pids, 4), 2);
    worker_ref twice[2] = { workers[2], workers[2] };
    CHECK_ERR(worker_router_add(router, twice, 2), SP_ERR_EXISTS);
    worker_ref many[3] = { workers[2], worker_begin(3), worker_begin(4) };
    CHECK_ERR(worker_router_add(router, many, 3), SP_ERR_LIMIT);
    sp_pid gate = gate_begin().pid;
    sp_pid mixed[2] = { workers[2].pid, gate };
    CHECK_ERR(sp_router_add(router.pid, mixed, 2), SP_ERR_BADCALL);
    mixed[1] = dead_pid();
    CHECK_ERR(sp_router_add(router.pid, mixed, 2), SP_ERR_NOPROC);
    mixed[1].node = 3;
    CHECK_ERR(sp_router_add(router.pid, mixed, 2), SP_ERR_NONODE);
    CHECK_ERR(worker_router_remove(router, workers[2]), SP_ERR_NOTMEMBER);
    CHECK_ERR(worker_router_add(router, &workers[2], 1), SP_OK);
    CHECK_INT(sp_router_routees(router.pid, pids, 4), 3);
    CHECK(sp_pid_equal(pids[2], workers[2].pid));
    CHECK_ERR(worker_router_remove(router, workers[0]), SP_OK);
    for (int i = 0; i < 10; i++)
        CHECK(who(router) != 0);
    CHECK_INT(sp_router_routees(router.pid, pids, 1), 2);
    world_close();
}

TEST(a_full_mailbox_is_the_senders_to_deal_with)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    worker_ref worker;
    struct worker_args args = { sp_self(), 1 };
    struct sp_server_options small = { .spawn.mailbox_max = 1 };
    worker_router router = router_begin((struct sp_router_options){ 0 }, NULL, 0);
    CHECK_ERR(worker_start(&args, &small, &worker), SP_OK);
    CHECK_ERR(worker_router_add(router, &worker, 1), SP_OK);
    CHECK_ERR(worker_route_hold(router, &gate), SP_OK);
    CHECK_INT(expect_note(), GATE_ARRIVED);
    CHECK_ERR(worker_route_note(router, &(int64_t){ 1 }), SP_OK);
    CHECK_ERR(worker_route_note(router, &(int64_t){ 2 }), SP_ERR_FULL);
    int64_t number;
    CHECK_ERR(worker_route_who(router, &nothing, &number, WORLD_PATIENCE), SP_ERR_FULL);
    CHECK_INT(info_of(router).refused, 2);
    CHECK_INT(info_of(router).routed, 4);
    CHECK_ERR(gate_open(gate, &nothing), SP_OK);
    CHECK_INT(expect_note(), 1001);
    world_close();
}

static _Atomic int above;
static void on_high_water(sp_pid pid, uint32_t length, void *arg)
{
    (void)pid;
    (void)length;
    (void)arg;
    atomic_fetch_add(&above, 1);
}

/* A mailbox that is no ordinary one takes another way, and is counted once all the same. */
TEST(special_mailboxes_are_routed_to_as_others)
{
    world_open(NULL);
    worker_ref workers[2];
    worker_router router = router_begin((struct sp_router_options){ 0 }, NULL, 0);
    for (int i = 0; i < 2; i++) {
        struct worker_args args = { sp_self(), i };
        struct sp_server_options marked = { .spawn.high_water = 1,
                                            .spawn.on_high_water = on_high_water };
        CHECK_ERR(worker_start(&args, &marked, &workers[i]), SP_OK);
    }
    CHECK_ERR(worker_router_add(router, workers, 2), SP_OK);
    gate_ref gate = gate_begin();
    int64_t sum = 0;
    for (int i = 0; i < 2; i++) {
        CHECK_ERR(worker_route_hold(router, &gate), SP_OK);
        CHECK_INT(expect_note(), GATE_ARRIVED);
    }
    for (int i = 0; i < 10; i++)
        CHECK_ERR(worker_route_note(router, &(int64_t){ 1 }), SP_OK);
    CHECK(atomic_load(&above) > 0); /* nobody takes them yet */
    CHECK_ERR(gate_open(gate, &nothing), SP_OK);
    for (int i = 0; i < 10; i++)
        sum += expect_note();
    CHECK_INT(sum, 10 + 5 * 1000);
    CHECK_INT(info_of(router).routed, 12);
    world_close();
}

/* ---- ends and misuse ---- */

TEST(a_call_fails_with_the_routee_that_handles_it)
{
    world_open(NULL);
    worker_ref workers[2];
    int64_t number;
    worker_router router = router_begin((struct sp_router_options){ 0 }, workers, 2);
    CHECK_ERR(worker_route_die(router, &nothing, &number, WORLD_PATIENCE), SP_ERR_DIED);
    await_routees(router, 1);
    CHECK_INT(who(router), 1);
    world_close();
}

TEST(after_its_end_a_router_is_no_process)
{
    world_open(NULL);
    worker_ref workers[2];
    int64_t number;
    struct sp_router_info info;
    worker_router router = router_begin((struct sp_router_options){ 0 }, workers, 2);
    CHECK_ERR(worker_router_stop(router, WORLD_PATIENCE), SP_OK);
    struct text text = text_make();
    CHECK_ERR(worker_route_keep(router, &text), SP_ERR_NOPROC);
    text = text_make();
    CHECK_ERR(worker_route_take(router, &text, &number, WORLD_PATIENCE), SP_ERR_NOPROC);
    CHECK_INT(atomic_load(&texts), 0);
    CHECK_ERR(worker_route_who_first(router, &nothing, &number, WORLD_PATIENCE), SP_ERR_NOPROC);
    CHECK_ERR(worker_route_note_all(router, &(int64_t){ 1 }, NULL), SP_ERR_NOPROC);
    CHECK_ERR(worker_router_add(router, workers, 2), SP_ERR_NOPROC);
    CHECK_ERR(worker_router_remove(router, workers[0]), SP_ERR_NOPROC);
    CHECK_ERR(sp_router_info(router.pid, &info), SP_ERR_NOPROC);
    CHECK_INT(sp_router_routees(router.pid, NULL, 0), 0);
    CHECK_ERR(worker_who(workers[0], &nothing, &number, WORLD_PATIENCE), SP_OK); /* they live */
    world_close();
}

TEST(what_is_no_router_is_no_router)
{
    world_open(NULL);
    worker_router router = { worker_begin(1).pid };
    worker_ref worker = worker_begin(2);
    int64_t number;
    CHECK_ERR(worker_route_note(router, &(int64_t){ 1 }), SP_ERR_NOPROC);
    CHECK_ERR(worker_route_who(router, &nothing, &number, WORLD_PATIENCE), SP_ERR_NOPROC);
    CHECK_ERR(worker_router_add(router, &worker, 1), SP_ERR_NOPROC);
    router.pid = SP_PID_NONE;
    CHECK_ERR(worker_route_note(router, &(int64_t){ 1 }), SP_ERR_NOPROC);
    world_close();
}

static void own_a_router(void *arg)
{
    struct sp_router_options options = { .spawn = { .link = true, .name = "owned" } };
    CHECK_ERR(worker_router_start(&options, arg), SP_OK);
    sp_exit_error(SP_ERR_IO, "boom");
}

TEST(a_linked_router_ends_with_its_starter)
{
    world_open(NULL);
    worker_router router = { SP_PID_NONE };
    sp_pid owner;
    CHECK_ERR(sp_spawn(own_a_router, &router, NULL, &owner), SP_OK);
    CHECK_ERR(sp_join(owner, WORLD_PATIENCE, NULL), SP_OK);
    CHECK_ERR(sp_join(router.pid, WORLD_PATIENCE, NULL), SP_OK);
    worker_router found;
    CHECK_ERR(worker_router_whereis("owned", &found), SP_ERR_NOTFOUND);
    world_close();
}

SP_ROUTER(gate);

TEST(a_named_router_is_found_as_what_it_is)
{
    world_open(NULL);
    worker_ref workers[1];
    worker_router found;
    gate_router other;
    worker_router router =
        router_begin((struct sp_router_options){ .spawn.name = "workers" }, workers, 1);
    CHECK_ERR(worker_router_whereis("workers", &found), SP_OK);
    CHECK(sp_pid_equal(found.pid, router.pid));
    CHECK_ERR(gate_router_whereis("workers", &other), SP_ERR_BADCALL);
    worker_router again;
    CHECK_ERR(worker_router_start(&(struct sp_router_options){ .spawn.name = "workers" }, &again),
              SP_ERR_EXISTS);
    world_close();
}

TEST(options_out_of_range_are_refused)
{
    world_open(NULL);
    worker_router router;
    char name[300];
    memset(name, 'a', sizeof(name));
    name[299] = '\0';
    const struct sp_router_options bad[] = {
        { .strategy = (enum sp_router_strategy)6 },
        { .load_percent = 100 },
        { .routees_max = 65536 },
        { .group = "" },
        { .group = name },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(worker_router_start(&bad[i], &router), SP_ERR_INVALID);
    world_close();
}

TEST(who_is_no_process_routes_nothing)
{
    struct text text = text_make();
    worker_router router = { { 1, 1, 0 } };
    int64_t number;
    struct sp_router_info info;
    CHECK_ERR(worker_route_keep(router, &text), SP_ERR_NOTCONTEXT);
    text = text_make();
    CHECK_ERR(worker_route_take(router, &text, &number, sp_never()), SP_ERR_NOTCONTEXT);
    CHECK_INT(atomic_load(&texts), 0);
    CHECK_ERR(worker_route_note_all(router, &(int64_t){ 1 }, NULL), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_router_info(router.pid, &info), SP_ERR_NOTCONTEXT);
}

/* ---- groups ---- */

TEST(a_group_router_follows_its_group)
{
    world_open(NULL);
    worker_ref workers[3];
    for (int i = 0; i < 3; i++)
        workers[i] = worker_begin(i);
    gate_ref gate = gate_begin();
    CHECK_ERR(sp_group_join("w", workers[0].pid), SP_OK);
    CHECK_ERR(sp_group_join("w", gate.pid), SP_OK);
    worker_router router;
    CHECK_ERR(worker_router_start(&(struct sp_router_options){ .group = "w" }, &router), SP_OK);
    CHECK_INT(who(router), 0); /* waits for the first listing */
    CHECK_INT(info_of(router).foreign, 1);
    CHECK_ERR(sp_group_join("w", workers[1].pid), SP_OK);
    CHECK_ERR(sp_group_join("w", workers[2].pid), SP_OK);
    CHECK_ERR(sp_group_join("other", workers[2].pid), SP_OK);
    await_routees(router, 3);
    int64_t seen = 0;
    for (int i = 0; i < 3; i++)
        seen |= 1 << who(router);
    CHECK_INT(seen, 7);
    CHECK_ERR(sp_group_leave("w", workers[0].pid), SP_OK);
    end_worker(workers[1]);
    await_routees(router, 1);
    CHECK_INT(who(router), 2);
    CHECK_ERR(worker_router_add(router, workers, 1), SP_ERR_NOTSUP);
    CHECK_ERR(worker_router_remove(router, workers[2]), SP_ERR_NOTSUP);
    CHECK_ERR(worker_router_stop(router, WORLD_PATIENCE), SP_OK);
    CHECK_ERR(sp_group_leave("w", workers[2].pid), SP_OK);
    world_close();
}

/* Acceptance case 94; sim_acceptance/routers.c has every order of it. */
TEST(case_94_an_empty_group_drops_and_counts)
{
    world_open(NULL);
    worker_router router;
    CHECK_ERR(worker_router_start(&(struct sp_router_options){ .group = "nobody" }, &router),
              SP_OK);
    uint64_t failed = 0;
    for (int i = 0; i < 3; i++) {
        sp_err err = worker_route_note(router, &(int64_t){ i });
        CHECK(err == SP_OK || err == SP_ERR_NOROUTEE);
        failed += err == SP_ERR_NOROUTEE;
    }
    int64_t number;
    CHECK_ERR(worker_route_who(router, &nothing, &number, WORLD_PATIENCE), SP_ERR_NOROUTEE);
    CHECK_INT(info_of(router).no_routee, 4);
    CHECK_INT(info_of(router).stashed, 3 - failed);
    worker_ref worker = worker_begin(4);
    CHECK_ERR(sp_group_join("nobody", worker.pid), SP_OK);
    await_routees(router, 1);
    CHECK_ERR(worker_route_note(router, &(int64_t){ 1 }), SP_OK);
    CHECK_INT(expect_note(), 4001);
    world_close();
}
