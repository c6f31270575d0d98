/* Pools under every schedule: cases 93, 97, 130, and that no job is lost or done twice unless it
 * may be, whoever dies, and whenever the pool is resized or stopped.
 *
 * Each job has a number and a place in `books`; what the pool says it did must add up at each look.
 */
#include "accept.h"

#include <spawned/pool.h>
#include <spawned/property.h>
#include <spawned/supervisor.h>

enum { JOBS = 32, KEYS = 4, CASTS_KEYS = 3 };

/** What a job does. */
enum job_kind { JOB_PLAIN, JOB_DIES, JOB_DIES_ONCE, JOB_HANGS, JOB_HANGS_ONCE };

struct job {
    int number;
    int key;
    int yields;
    enum job_kind kind;
};

static struct {
    int begun[JOBS];
    int done[JOBS];
    int lost[JOBS];
    int last[KEYS]; /* number of the key's newest job, */
    bool busy[KEYS];
    bool check_order;
} books;

SP_SERVER(hand, int);
SP_CALL(hand, work, struct job, int);
SP_CAST(hand, toil, struct job);
SP_POOL(hand);

struct hand {
    int salary;
};

static sp_err hand_init(struct hand *self, const int *salary)
{
    self->salary = *salary;
    return *salary < 0 ? SP_ERR_IO : SP_OK;
}

static void hand_enters(const struct job *job)
{
    bool first = books.begun[job->number]++ == 0;
    if (books.check_order) {
        EXPECT(!books.busy[job->key]);
        EXPECT(books.last[job->key] <= job->number);
        books.busy[job->key] = true;
        books.last[job->key] = job->number;
    }
    for (int i = 0; i < job->yields; i++)
        sp_yield();
    if (job->kind == JOB_DIES || (job->kind == JOB_DIES_ONCE && first)) {
        books.busy[job->key] = false;
        accept_die("on purpose");
    }
    if (job->kind == JOB_HANGS || (job->kind == JOB_HANGS_ONCE && first))
        sp_sleep(sp_sec(1000));
    books.busy[job->key] = false;
    books.done[job->number]++;
}

static sp_err hand_on_work(struct hand *self, const struct job *in, int *out)
{
    EXPECT(self->salary == 7);
    hand_enters(in);
    *out = in->number;
    return SP_OK;
}

static void hand_on_toil(struct hand *self, const struct job *in)
{
    EXPECT(self->salary == 7);
    hand_enters(in);
}

SP_STATE(hand, struct hand);
SP_ON_INIT(hand);
SP_ON_CALL(hand, work);
SP_ON_CAST(hand, toil);
SP_CLASS(hand, .init = hand__init);

/* ---- the pool of a case ---- */

static uint64_t key_of(const struct sp_op *op, const void *in, void *arg)
{
    (void)arg;
    EXPECT(op == &hand_toil_op || op == &hand_work_op);
    return (uint64_t)((const struct job *)in)->key;
}

static bool any_may(const struct sp_op *op, const void *in, void *arg)
{
    (void)op;
    (void)in;
    (void)arg;
    return true;
}

static void note_lost(const struct sp_pool_lost *lost, void *arg)
{
    (void)arg;
    if (lost->in != NULL)
        books.lost[((const struct job *)lost->in)->number]++;
}

/* False: no memory, or somebody killed a worker before it began. */
static bool open_pool(struct sp_pool_options options, hand_pool *out_pool)
{
    memset(&books, 0, sizeof(books));
    books.check_order = options.key != NULL;
    options.on_lost = note_lost;
    return hand_pool_start(&(int){ 7 }, &options, out_pool) == SP_OK;
}

static void expect_balance(const struct sp_pool_info *info)
{
    uint64_t lost = 0;
    for (int i = 0; i < SP_POOL_LOSSES; i++)
        lost += info->lost[i];
    EXPECT(info->accepted == info->finished + lost + info->queued + info->held);
    EXPECT(info->given == info->finished + info->lost[SP_POOL_LOST_DIED] +
                              info->lost[SP_POOL_LOST_STUCK] + info->handed_over + info->held);
    EXPECT(info->size + info->leaving <= info->max || info->leaving > 0);
}

static struct sp_pool_info look(hand_pool pool)
{
    struct sp_pool_info info = { 0 };
    if (hand_pool_info(pool, &info) == SP_OK)
        expect_balance(&info);
    return info;
}

static void cast(hand_pool pool, struct job job)
{
    EXPECT(hand_toil(pool.jobs, &job) == SP_OK);
}

static void cast_all(hand_pool pool, int from, int to)
{
    for (int i = from; i < to; i++)
        cast(pool, (struct job){ .number = i, .key = i % CASTS_KEYS, .yields = i % 2 });
}

static struct sp_pool_info close_pool_within(hand_pool pool, sp_duration most)
{
    struct sp_pool_info info = { 0 };
    sp_time began = sp_now();
    EXPECT(hand_pool_stop(pool, sp_after_sec(100), &info) == SP_OK);
    EXPECT(sp_time_diff(sp_now(), began).ns <= most.ns);
    expect_balance(&info);
    EXPECT(info.queued == 0 && info.held == 0 && info.size == 0);
    accept_settle();
    EXPECT(accept_alone());
    accept_close();
    return info;
}

static struct sp_pool_info close_pool(hand_pool pool)
{
    return close_pool_within(pool, sp_sec(200));
}

static void expect_each_once(int count)
{
    for (int i = 0; i < count; i++)
        EXPECT(books.done[i] == 1 && books.begun[i] == 1 && books.lost[i] == 0);
}

/* A worker: a process that the pool has started. */
static sp_pid some_worker(hand_pool pool, uint64_t which)
{
    sp_pid pids[32];
    size_t cursor = 0;
    size_t count = sp_process_list(&cursor, pids, 32);
    sp_pid found = SP_PID_NONE;
    uint64_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        struct sp_process_info info;
        if (sp_process_info(pids[i], &info) == SP_OK && sp_pid_equal(info.parent, pool.jobs.pid) &&
            seen++ <= which)
            found = pids[i];
    }
    return found;
}

/* ---- workers die ---- */

static void case_93(void *unused)
{
    (void)unused;
    hand_pool pool;
    if (!open_pool((struct sp_pool_options){ .min = 4, .max_restarts = SP_RESTARTS_NONE }, &pool))
        return;
    sp_monitor_ref ref;
    EXPECT(sp_monitor(pool.jobs.pid, &ref) == SP_OK);
    sp_ignore(sp_kill(some_worker(pool, 0)));
    accept_settle();
    EXPECT(look(pool).size == 3);
    cast_all(pool, 0, 8);
    accept_settle();
    expect_each_once(8);
    for (int i = 8; i < 11; i++)
        cast(pool, (struct job){ .number = i, .kind = JOB_DIES });
    accept_settle();
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.downs == 1 && strcmp(mail.text, "shutdown") == 0);
    EXPECT(!sp_is_alive(pool.jobs.pid));
    EXPECT(accept_alone());
    accept_close();
}
ACCEPT(case_93_a_pool_loses_its_workers, case_93);

static void dying(void *unused)
{
    (void)unused;
    hand_pool pool;
    int out = -1;
    if (!open_pool((struct sp_pool_options){ .min = 2 }, &pool))
        return;
    cast_all(pool, 0, 4);
    struct job job = { .number = 4, .kind = JOB_DIES, .yields = 1 };
    EXPECT(hand_work(pool.jobs, &job, &out, sp_never()) == SP_ERR_DIED);
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    EXPECT(accept_is(outcome.reason, "on purpose"));
    job = (struct job){ .number = 5 };
    EXPECT(hand_work(pool.jobs, &job, &out, sp_never()) == SP_OK && out == 5);
    accept_settle();
    struct sp_pool_info info = look(pool);
    EXPECT(info.size == 2 && info.deaths == 1 && info.restarts == 1);
    info = close_pool(pool);
    EXPECT(info.finished == 5 && info.lost[SP_POOL_LOST_DIED] == 1);
    expect_each_once(4);
}
ACCEPT(a_job_fails_with_its_worker, dying);

static void kill_some(void *arg)
{
    hand_pool pool = *(hand_pool *)arg;
    for (uint64_t i = 0; i < 3; i++) {
        sp_ignore(sp_kill(some_worker(pool, sp_random() % 3)));
        sp_yield();
    }
}

/* Casts that may be done twice: each is done, however many workers are killed meanwhile. */
static void killing(bool keyed)
{
    hand_pool pool;
    struct sp_pool_options options = { .min = 2,
                                       .window = (uint32_t)sp_choose(4),
                                       .max_restarts = SP_RESTARTS_UNLIMITED,
                                       .attempts_max = 10,
                                       .retry = any_may,
                                       .key = keyed ? key_of : NULL };
    if (!open_pool(options, &pool))
        return;
    books.check_order = false; /* of what was killed, `busy` is not reset */
    sp_pid killer = accept_spawn("killer", kill_some, &pool);
    cast_all(pool, 0, 9);
    look(pool);
    accept_join(killer);
    accept_settle();
    struct sp_pool_info info = close_pool(pool);
    EXPECT(info.finished == 9 && info.accepted == 9);
    for (int i = 0; i < 9; i++)
        EXPECT(books.done[i] >= 1 && books.lost[i] == 0);
}

static void killing_any(void *unused)
{
    (void)unused;
    killing(false);
}
ACCEPT(what_may_be_done_twice_is_done, killing_any);

static void killing_keyed(void *unused)
{
    (void)unused;
    killing(true);
}
ACCEPT(what_may_be_done_twice_is_done_with_keys, killing_keyed);

/* And what may not be, is done once or lost, and its submitter is told. */
static void killing_plain(void *unused)
{
    (void)unused;
    hand_pool pool;
    if (!open_pool((struct sp_pool_options){ .min = 2,
                                             .window = 2,
                                             .max_restarts = SP_RESTARTS_UNLIMITED },
                   &pool))
        return;
    sp_pid killer = accept_spawn("killer", kill_some, &pool);
    cast_all(pool, 0, 4);
    int answered = 0;
    for (int i = 4; i < 8; i++) {
        struct job job = { .number = i, .yields = 1 };
        int out = -1;
        sp_err err = hand_work(pool.jobs, &job, &out, sp_never());
        EXPECT(err == SP_ERR_DIED || (err == SP_OK && out == i));
        /* Whoever is killed after the job was done has not answered: so DIED means perhaps. */
        EXPECT(books.begun[i] == 1 && (err != SP_OK || books.done[i] == 1));
        answered += err == SP_OK;
    }
    accept_join(killer);
    accept_settle();
    struct sp_pool_info info = close_pool(pool);
    EXPECT(info.finished + info.lost[SP_POOL_LOST_DIED] == 8);
    EXPECT(info.finished >= (uint64_t)answered);
    for (int i = 0; i < 8; i++)
        EXPECT(books.begun[i] == 1);
}
ACCEPT(what_may_not_be_done_twice_is_not, killing_plain);

/* Workers die in the middle of their keys, and others go on with those: in order, also where the job
 * that was begun is done again, and never two of a key at once. */
static void dying_keyed(bool again)
{
    hand_pool pool;
    struct sp_pool_options options = { .min = 2,
                                       .window = (uint32_t)sp_choose(4),
                                       .max_restarts = SP_RESTARTS_UNLIMITED,
                                       .key = key_of,
                                       .retry = again ? any_may : NULL };
    if (!open_pool(options, &pool))
        return;
    for (int i = 0; i < 9; i++)
        cast(pool, (struct job){ .number = i,
                                 .key = i % CASTS_KEYS,
                                 .yields = i % 2,
                                 .kind = i == 1 || i == 3 ? JOB_DIES_ONCE : JOB_PLAIN });
    accept_settle();
    struct sp_pool_info info = close_pool(pool);
    EXPECT(info.deaths == 2);
    EXPECT(info.finished == (again ? 9 : 7));
    for (int i = 0; i < 9; i++) {
        bool died = i == 1 || i == 3;
        EXPECT(books.begun[i] == (died && again ? 2 : 1));
        EXPECT(books.done[i] == (died && !again ? 0 : 1));
    }
}

static void dying_keyed_once(void *unused)
{
    (void)unused;
    dying_keyed(false);
}
ACCEPT(a_key_stays_in_order_when_its_worker_dies, dying_keyed_once);

static void dying_keyed_again(void *unused)
{
    (void)unused;
    dying_keyed(true);
}
ACCEPT(a_key_stays_in_order_when_its_job_is_done_again, dying_keyed_again);

static struct {
    hand_pool pool;
    bool confirmed[JOBS];
} producers;

static void produce(void *arg)
{
    struct job job = *(struct job *)arg;
    int out = -1;
    sp_err err = hand_work(producers.pool.jobs, &job, &out, sp_never());
    EXPECT(err == SP_OK && out == job.number);
    EXPECT(books.done[job.number] == 1);
    producers.confirmed[job.number] = true;
}

/* A worker holds 2 and 3, and dies of the first: another one does both, and only then their
 * producers are told. */
static void case_130(void *unused)
{
    (void)unused;
    static struct job jobs[] = { { .number = 2, .kind = JOB_DIES_ONCE, .yields = 2 },
                                 { .number = 3 } };
    memset(&producers, 0, sizeof(producers));
    if (!open_pool((struct sp_pool_options){ .min = 1, .window = 2, .retry = any_may },
                   &producers.pool))
        return;
    sp_pid first = accept_spawn("first", produce, &jobs[0]);
    sp_pid second = accept_spawn("second", produce, &jobs[1]);
    accept_join(first);
    accept_join(second);
    EXPECT(producers.confirmed[2] && producers.confirmed[3]);
    EXPECT(books.begun[2] == 2 && books.done[2] == 1 && books.done[3] == 1);
    struct sp_pool_info info = close_pool(producers.pool);
    EXPECT(info.accepted == 2 && info.finished == 2 && info.handed_over >= 1);
}
ACCEPT(case_130_what_a_dead_worker_held_is_done_by_another, case_130);

static void poison(void *unused)
{
    (void)unused;
    hand_pool pool;
    int out;
    if (!open_pool((struct sp_pool_options){ .min = 1,
                                             .attempts_max = 2,
                                             .retry = any_may,
                                             .max_restarts = SP_RESTARTS_UNLIMITED },
                   &pool))
        return;
    struct job job = { .number = 1, .kind = JOB_DIES };
    EXPECT(hand_work(pool.jobs, &job, &out, sp_never()) == SP_ERR_DIED);
    EXPECT(books.begun[1] == 2);
    accept_settle();
    struct sp_pool_info info = close_pool(pool);
    EXPECT(info.lost[SP_POOL_LOST_DIED] == 1 && info.handed_over == 1 && info.deaths == 2);
}
ACCEPT(a_job_that_kills_every_worker_is_given_up, poison);

/* ---- resizing ---- */

static void shrinking(bool keyed)
{
    hand_pool pool;
    struct sp_pool_options options = { .min = 5,
                                       .window = (uint32_t)sp_choose(5),
                                       .key = keyed ? key_of : NULL };
    if (!open_pool(options, &pool))
        return;
    cast_all(pool, 0, JOBS - 2);
    EXPECT(hand_pool_resize(pool, 1, 1) == SP_OK);
    look(pool);
    cast_all(pool, JOBS - 2, JOBS);
    accept_settle();
    struct sp_pool_info info = look(pool);
    EXPECT(info.size == 1 && info.leaving == 0 && info.deaths == 0);
    info = close_pool(pool);
    EXPECT(info.accepted == JOBS && info.finished == JOBS);
    EXPECT(info.given == info.finished + info.handed_over);
    expect_each_once(JOBS);
}

static void shrinking_any(void *unused)
{
    (void)unused;
    shrinking(false);
}
ACCEPT(case_97_shrinking_loses_nothing, shrinking_any);

static void shrinking_keyed(void *unused)
{
    (void)unused;
    shrinking(true);
}
ACCEPT(case_97_shrinking_keeps_the_order_of_keys, shrinking_keyed);

static void resize_often(void *arg)
{
    hand_pool pool = *(hand_pool *)arg;
    for (int i = 0; i < 4; i++) {
        uint32_t size = 1 + (uint32_t)(sp_random() % 4);
        EXPECT(hand_pool_resize(pool, size, size) == SP_OK);
    }
}

static void resizing(void *unused)
{
    (void)unused;
    hand_pool pool;
    if (!open_pool((struct sp_pool_options){ .min = 2, .max = 4, .window = 2, .key = key_of },
                   &pool))
        return;
    sp_pid resizer = accept_spawn("resizer", resize_often, &pool);
    cast_all(pool, 0, 12);
    accept_join(resizer);
    struct sp_pool_info info = close_pool(pool);
    EXPECT(info.finished == 12);
    expect_each_once(12);
}
ACCEPT(resizing_keeps_the_order_of_keys, resizing);

/* In virtual time: eight jobs of a second each make two workers more, and rest takes them away. */
static void scaling(void *unused)
{
    (void)unused;
    hand_pool pool;
    struct sp_pool_scaling how = {
        .grow_by = 100, .shrink_by = 50, .cooldown = sp_ms(100), .shrink_after = sp_sec(5)
    };
    if (!open_pool((struct sp_pool_options){ .min = 1, .max = 4, .scaling = how }, &pool))
        return;
    for (int i = 0; i < 8; i++)
        cast(pool, (struct job){ .number = i, .kind = JOB_HANGS });
    sp_sleep(sp_ms(500));
    struct sp_pool_info info = look(pool);
    EXPECT(info.size == 4 && info.grown == 2 && info.busy == 4 && info.queued == 4);
    sp_sleep(sp_sec(2020)); /* all are done, and it has rested */
    info = look(pool);
    EXPECT(info.finished == 8 && info.size == 1 && info.shrunk == 2);
    close_pool(pool);
    expect_each_once(8);
}
ACCEPT(a_pool_grows_and_shrinks_with_its_load, scaling);

/* ---- jobs given ahead ---- */

/* Casts short jobs until workers get some of them ahead, then one that takes its time, and others. */
static void cast_ahead(hand_pool pool, int slow)
{
    cast_all(pool, 0, slow);
    cast(pool, (struct job){ .number = slow, .key = slow % CASTS_KEYS, .kind = JOB_HANGS });
    cast_all(pool, slow + 1, JOBS);
}

/* What was given to a worker that does not come to it is another's soon. */
static void ahead(void *unused)
{
    (void)unused;
    hand_pool pool;
    if (!open_pool((struct sp_pool_options){ .min = 2 }, &pool))
        return;
    cast_ahead(pool, JOBS - 8);
    sp_sleep(sp_ms(20));
    for (int i = 0; i < JOBS; i++)
        EXPECT(books.done[i] == (i != JOBS - 8));
    struct sp_pool_info info = look(pool);
    EXPECT(info.finished == JOBS - 1 && info.held == 1 && info.queued == 0 && info.busy == 1);
    sp_sometimes(info.handed_over > 0, "a job that was given ahead is taken back");
    sp_sleep(sp_sec(1000));
    info = close_pool(pool);
    EXPECT(info.finished == JOBS);
    expect_each_once(JOBS);
}
ACCEPT(no_job_stays_behind_a_long_one, ahead);

/* Nor does what is done look as if it were not, though its worker is in the next. */
static void untold(void *unused)
{
    (void)unused;
    hand_pool pool;
    if (!open_pool((struct sp_pool_options){ .min = 1, .window = (uint32_t)sp_choose(2) * 16 },
                   &pool))
        return;
    cast_ahead(pool, JOBS - 8);
    sp_sleep(sp_us(1));
    bool long_one = books.begun[JOBS - 8] != 0; /* those before it are done */
    struct sp_pool_info info = look(pool);
    EXPECT(!long_one || info.finished == JOBS - 8);
    sp_sleep(sp_sec(2000));
    info = close_pool(pool);
    EXPECT(info.finished == JOBS);
    expect_each_once(JOBS);
}
ACCEPT(what_is_done_is_counted_at_once, untold);

static void disturb(void *arg)
{
    sp_pid worker = *(sp_pid *)arg;
    for (int i = 0; i < 3; i++)
        EXPECT(hand_toil((hand_ref){ worker }, &(struct job){ .number = JOBS - 1 }) == SP_OK);
}

/* A worker that gets messages of others in between says all the same when it has done its jobs. */
static void disturbed(void *unused)
{
    (void)unused;
    hand_pool pool;
    if (!open_pool((struct sp_pool_options){ .min = 1 }, &pool))
        return;
    sp_pid worker = some_worker(pool, 0);
    sp_pid other = accept_spawn("other", disturb, &worker);
    for (int i = 0; i < 8; i++)
        cast(pool, (struct job){ .number = i });
    accept_join(other);
    struct sp_pool_info info = close_pool_within(pool, sp_ms(100));
    EXPECT(info.finished == 8 && books.done[JOBS - 1] == 3);
    expect_each_once(8);
}
ACCEPT(a_disturbed_worker_says_what_it_has_done, disturbed);

/* ---- limits ---- */

static void stuck(void *unused)
{
    (void)unused;
    hand_pool pool;
    int out = -1;
    if (!open_pool(
            (struct sp_pool_options){
                .min = 1, .window = 2, .stuck_after = sp_sec(1), .retry = any_may },
            &pool))
        return;
    struct job job = { .number = 1, .kind = JOB_HANGS_ONCE };
    sp_time began = sp_now();
    cast(pool, (struct job){ .number = 0 });
    EXPECT(hand_work(pool.jobs, &job, &out, sp_never()) == SP_OK && out == 1);
    EXPECT(sp_time_diff(sp_now(), began).ns >= sp_sec(1).ns);
    EXPECT(sp_time_diff(sp_now(), began).ns < sp_sec(3).ns);
    accept_settle();
    struct sp_pool_info info = close_pool(pool);
    EXPECT(info.deaths == 1 && info.restarts == 1 && info.finished == 2 && info.handed_over == 1);
    EXPECT(books.done[1] == 1 && books.begun[1] == 2);
}
ACCEPT(a_stuck_worker_is_replaced, stuck);

static void expiring(void *unused)
{
    (void)unused;
    hand_pool pool;
    if (!open_pool((struct sp_pool_options){ .min = 1, .begin_within = sp_sec(1) }, &pool))
        return;
    cast(pool, (struct job){ .number = 0, .kind = JOB_HANGS });
    struct job job = { .number = 1 };
    int out;
    EXPECT(hand_work(pool.jobs, &job, &out, sp_never()) == SP_ERR_TIMEOUT);
    EXPECT(hand_work(pool.jobs, &job, &out, sp_after_ms(100)) == SP_ERR_TIMEOUT);
    sp_sleep(sp_sec(1500));
    struct sp_pool_info info = close_pool(pool);
    EXPECT(info.lost[SP_POOL_LOST_EXPIRED] == 2 && info.finished == 1);
    EXPECT(books.begun[1] == 0 && books.lost[1] == 2);
}
ACCEPT(a_job_that_waits_too_long_is_lost, expiring);

static void limited(void *unused)
{
    (void)unused;
    hand_pool pool;
    struct sp_pool_rate rate = { .jobs = 10, .burst = 2 };
    if (!open_pool((struct sp_pool_options){ .min = 3, .rate = rate }, &pool))
        return;
    sp_time began = sp_now();
    cast_all(pool, 0, 12);
    sp_sleep(sp_ms(150));
    EXPECT(look(pool).given == 3);
    struct sp_pool_info info = close_pool(pool);
    EXPECT(info.finished == 12);
    EXPECT(sp_time_diff(sp_now(), began).ns >= sp_sec(1).ns);
    expect_each_once(12);
}
ACCEPT(a_rate_holds_even_at_the_end, limited);

static void discarding(enum sp_pool_full full)
{
    hand_pool pool;
    if (!open_pool((struct sp_pool_options){ .min = 1, .queue_max = 3, .full = full }, &pool))
        return;
    cast(pool, (struct job){ .number = 0, .kind = JOB_HANGS });
    sp_sleep(sp_ms(1));
    for (int i = 1; i < 8; i++) {
        cast(pool, (struct job){ .number = i });
        sp_sleep(sp_ms(1));
    }
    EXPECT(look(pool).queued == 3);
    sp_sleep(sp_sec(1001));
    struct sp_pool_info info = close_pool(pool);
    EXPECT(info.lost[SP_POOL_LOST_FULL] == 4 && info.finished == 4);
    for (int i = 1; i < 8; i++) {
        bool kept = full == SP_POOL_DISCARD_NEWEST ? i <= 3 : i > 4;
        EXPECT(books.done[i] == kept && books.lost[i] == !kept);
    }
}

static void discarding_newest(void *unused)
{
    (void)unused;
    discarding(SP_POOL_DISCARD_NEWEST);
}
ACCEPT(the_newest_is_discarded, discarding_newest);

static void discarding_oldest(void *unused)
{
    (void)unused;
    discarding(SP_POOL_DISCARD_OLDEST);
}
ACCEPT(the_oldest_is_discarded, discarding_oldest);

/* ---- the end ---- */

static void calls_much(void *arg)
{
    hand_pool pool = *(hand_pool *)arg;
    for (int i = 16; i < 20; i++) {
        struct job job = { .number = i, .key = CASTS_KEYS, .yields = 1 };
        int out = -1;
        sp_err err = hand_work(pool.jobs, &job, &out, sp_never());
        EXPECT(err == SP_OK || err == SP_ERR_SHUTDOWN || err == SP_ERR_NOPROC ||
               err == SP_ERR_DIED);
        EXPECT(err != SP_OK || books.done[i] == 1);
        EXPECT(err != SP_ERR_SHUTDOWN || books.begun[i] == 0);
    }
}

/* Stopped in the middle: what was accepted is done, the rest is refused. */
static void stopping(void *unused)
{
    (void)unused;
    hand_pool pool;
    struct sp_pool_info info;
    if (!open_pool((struct sp_pool_options){ .min = 2, .window = 2, .key = key_of }, &pool))
        return;
    sp_pid caller = accept_spawn("caller", calls_much, &pool);
    cast_all(pool, 0, 8);
    EXPECT(hand_pool_stop(pool, sp_after_sec(100), &info) == SP_OK);
    expect_balance(&info);
    EXPECT(info.finished == info.accepted && info.queued + info.held == 0);
    EXPECT(!sp_is_alive(pool.jobs.pid));
    accept_join(caller);
    expect_each_once(8);
    EXPECT(accept_alone());
    accept_close();
}
ACCEPT(a_pool_that_stops_does_what_it_has_accepted, stopping);

static void giving_up(void *unused)
{
    (void)unused;
    hand_pool pool;
    struct sp_pool_info info;
    if (!open_pool((struct sp_pool_options){ .min = 1, .window = 2 }, &pool))
        return;
    for (int i = 0; i < 4; i++)
        cast(pool, (struct job){ .number = i, .kind = JOB_HANGS });
    sp_sleep(sp_ms(1));
    sp_time began = sp_now();
    EXPECT(hand_pool_stop(pool, sp_after_sec(2), &info) == SP_OK);
    EXPECT(sp_time_diff(sp_now(), began).ns < sp_sec(4).ns);
    expect_balance(&info);
    EXPECT(info.lost[SP_POOL_LOST_SHUTDOWN] == 3 && info.lost[SP_POOL_LOST_DIED] == 1);
    EXPECT(books.lost[1] + books.lost[2] + books.lost[3] == 3);
    EXPECT(accept_alone());
    accept_close();
}
ACCEPT(a_pool_that_cannot_finish_in_time_says_so, giving_up);

/* A supervisor's shutdown drains, too; whoever stops it twice is told. */
static void stop_it(void *arg)
{
    sp_ignore(sp_stop(((hand_pool *)arg)->jobs.pid, sp_reason_shutdown(), sp_never()));
}

static void shut_down(void *unused)
{
    (void)unused;
    hand_pool pool;
    if (!open_pool((struct sp_pool_options){ .min = 2 }, &pool))
        return;
    cast_all(pool, 0, 6);
    sp_pid stopper = accept_spawn("stopper", stop_it, &pool);
    sp_err err = hand_pool_stop(pool, sp_after_sec(100), NULL);
    EXPECT(err == SP_OK || err == SP_ERR_SHUTDOWN || err == SP_ERR_NOPROC || err == SP_ERR_DIED);
    accept_join(stopper);
    EXPECT(!sp_is_alive(pool.jobs.pid));
    expect_each_once(6);
    EXPECT(accept_alone());
    accept_close();
}
ACCEPT(a_shutdown_drains, shut_down);

static void kill_pool(void *arg)
{
    sp_ignore(sp_kill(((hand_pool *)arg)->jobs.pid));
}

/* All callers are told, and the workers go with it. */
static void killed(void *unused)
{
    (void)unused;
    hand_pool pool;
    if (!open_pool((struct sp_pool_options){ .min = 2, .window = 2, .retry = any_may }, &pool))
        return;
    sp_pid caller = accept_spawn("caller", calls_much, &pool);
    cast_all(pool, 0, 4);
    accept_spawn("killer", kill_pool, &pool);
    accept_join(caller);
    accept_settle();
    EXPECT(accept_alone());
    accept_close();
}
ACCEPT(a_killed_pool_leaves_nothing, killed);

static void failing_start(void *unused)
{
    (void)unused;
    hand_pool pool;
    EXPECT(hand_pool_start(&(int){ -1 }, &(struct sp_pool_options){ .min = 3 }, &pool) ==
           SP_ERR_IO);
    accept_settle();
    EXPECT(accept_alone());
    accept_close();
}
ACCEPT(a_pool_whose_workers_do_not_start_does_not, failing_start);
