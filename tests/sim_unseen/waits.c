/* Processes that wait for each other, or for what does not come.
 *
 *  - two servers call each other
 *  - who holds a lock is killed
 *  - a subscriber that leaves and joins again
 *  - a retry after a timeout charges twice
 */
#include "unseen.h"

static struct {
    bool fixed;
    int count;
    bool joined;
} world;

static void start(sp_sim *s, bool fixed, void (*fn)(void *arg))
{
    world.fixed = fixed;
    world.count = 0;
    world.joined = false;
    sp_sim_start(s, "node", fn, NULL);
    sp_sim_run(s);
}

/* ---- cycle: a stage asks the other whether it may ---- */

SP_SERVER(stage, int);
SP_CALL(stage, put, int, sp_empty);
SP_CALL(stage, room, sp_empty, int);

static sp_err stage_on_put(int *fill, const int *other, sp_empty *out)
{
    (void)out;
    stage_ref peer;
    int room = 0;
    *fill += 1;
    sp_err err = stage_whereis(*other == 0 ? "left" : "right", &peer);
    if (err == SP_OK && !world.fixed)
        err = stage_room(peer, &(sp_empty){ 0 }, &room, sp_never());
    return err;
}

static sp_err stage_on_room(int *fill, const sp_empty *unused, int *out)
{
    (void)unused;
    *out = 10 - *fill;
    return SP_OK;
}

SP_STATE(stage, int);
SP_ON_CALL(stage, put);
SP_ON_CALL(stage, room);
SP_CLASS(stage);

static void put_left(void *arg)
{
    (void)arg;
    stage_ref to;
    if (stage_whereis("left", &to) == SP_OK)
        sp_ignore(stage_put(to, &(int){ 1 }, &(sp_empty){ 0 }, sp_never()));
}

static void put_right(void *arg)
{
    (void)arg;
    stage_ref to;
    if (stage_whereis("right", &to) == SP_OK)
        sp_ignore(stage_put(to, &(int){ 0 }, &(sp_empty){ 0 }, sp_never()));
}

static void cycle_main(void *arg)
{
    (void)arg;
    sp_ignore(stage_start(&(int){ 0 }, &(struct sp_server_options){ .spawn.name = "left" }, NULL));
    sp_ignore(stage_start(&(int){ 0 }, &(struct sp_server_options){ .spawn.name = "right" }, NULL));
    play((const struct role[]){ { "one", put_left }, { "two", put_right } }, 2);
}

static void cycle_run(sp_sim *s, bool fixed)
{
    start(s, fixed, cycle_main);
}

UNSEEN(cycle);

/* ---- lock: a server that lends itself to one ---- */

SP_SERVER(lock, sp_empty);
SP_CALL(lock, acquire, sp_empty, sp_empty);
SP_CAST(lock, release, sp_empty);

struct lock {
    sp_pid holder;
    sp_request waiting[4];
    sp_pid pids[4];
    int count;
};

static void lock_lend(struct lock *lock, sp_pid to)
{
    sp_monitor_ref ref;
    lock->holder = to;
    if (world.fixed)
        sp_ignore(sp_monitor(to, &ref));
}

static sp_err lock_on_acquire(struct lock *lock, const sp_empty *unused, sp_empty *out)
{
    (void)unused;
    (void)out;
    if (sp_pid_equal(lock->holder, SP_PID_NONE)) {
        lock_lend(lock, sp_server_from());
        return SP_OK;
    }
    sp_err err = sp_request_take(&lock->waiting[lock->count]);
    if (err == SP_OK)
        lock->pids[lock->count++] = sp_server_from();
    return err == SP_OK ? SP_ERR_DEFERRED : err;
}

static void lock_on_release(struct lock *lock, const sp_empty *unused)
{
    (void)unused;
    lock->holder = SP_PID_NONE;
    if (lock->count == 0)
        return;
    lock->count--;
    lock_lend(lock, lock->pids[lock->count]);
    sp_ignore(lock_acquire_reply(lock->waiting[lock->count], &(sp_empty){ 0 }));
}

static void lock_down(struct lock *lock, const struct sp_down *down)
{
    if (sp_pid_equal(lock->holder, down->pid))
        lock_on_release(lock, &(sp_empty){ 0 });
}

SP_STATE(lock, struct lock);
SP_ON_CALL(lock, acquire);
SP_ON_CAST(lock, release);
SP_ON_DOWN(lock);
SP_CLASS(lock, .on_down = lock__down);

static void lock_user(void *arg)
{
    (void)arg;
    lock_ref lock;
    sp_empty empty = { 0 };
    if (lock_whereis("lock", &lock) != SP_OK ||
        lock_acquire(lock, &empty, &empty, sp_never()) != SP_OK)
        return;
    sp_sleep(sp_ms(1));
    sp_ignore(lock_release(lock, &empty));
}

static void lock_main(void *arg)
{
    (void)arg;
    sp_ignore(
        lock_start(&(sp_empty){ 0 }, &(struct sp_server_options){ .spawn.name = "lock" }, NULL));
    play(
        (const struct role[]){ { "one", lock_user }, { "two", lock_user }, { "three", lock_user } },
        3);
}

static void lock_holder_run(sp_sim *s, bool fixed)
{
    start(s, fixed, lock_main);
}

UNSEEN(lock_holder, .faults = SP_SIM_KILL);

/* ---- news: a subscriber is away for a moment ---- */

SP_MESSAGE(news, int);

static void subscriber(void *arg)
{
    (void)arg;
    struct sp_message *message;
    sp_ignore(sp_group_join("news", sp_self()));
    world.joined = true;
    for (int i = 0; i < 2; i++) {
        if (!world.fixed) {
            sp_ignore(sp_group_leave("news", sp_self()));
            sp_ignore(sp_group_join("news", sp_self()));
        }
        sp_yield();
    }
    while (sp_receive(sp_after_sec(1), &message) == SP_OK) {
        world.count++;
        sp_message_free(message);
    }
}

static void publisher(void *arg)
{
    (void)arg;
    while (!world.joined)
        sp_sleep(sp_us(10));
    sp_ignore(sp_group_send("news", &news_type, &(int){ 7 }, NULL));
}

static void news_main(void *arg)
{
    (void)arg;
    play((const struct role[]){ { "publisher", publisher }, { "subscriber", subscriber } }, 2);
}

static void news_run(sp_sim *s, bool fixed)
{
    start(s, fixed, news_main);
    sp_sim_check(s, world.count == 1, "the subscriber has %d of 1", world.count);
}

UNSEEN(news);

/* ---- charge: a timeout says nothing about whether it was done ---- */

SP_SERVER(till, sp_empty);
SP_CALL(till, charge, int, sp_empty);

struct till {
    int last;
};

static sp_err till_on_charge(struct till *till, const int *order, sp_empty *out)
{
    (void)out;
    sp_sleep(sp_ms(10));
    if (world.fixed && till->last == *order)
        return SP_OK;
    till->last = *order;
    world.count++;
    return SP_OK;
}

SP_STATE(till, struct till);
SP_ON_CALL(till, charge);
SP_CLASS(till);

static void customer(void *arg)
{
    (void)arg;
    till_ref till;
    if (till_whereis("till", &till) != SP_OK)
        return;
    for (int i = 0; i < 2; i++)
        if (till_charge(till, &(int){ 17 }, &(sp_empty){ 0 }, sp_after_ms(500)) == SP_OK)
            return;
}

static void till_main(void *arg)
{
    (void)arg;
    sp_ignore(
        till_start(&(sp_empty){ 0 }, &(struct sp_server_options){ .spawn.name = "till" }, NULL));
    play((const struct role[]){ { "customer", customer } }, 1);
    sp_sleep(sp_sec(5));
}

static void charged_twice_run(sp_sim *s, bool fixed)
{
    start(s, fixed, till_main);
    sp_sim_check(s, world.count <= 1, "charged %d times", world.count);
}

UNSEEN(charged_twice, .abstract_time = true);
