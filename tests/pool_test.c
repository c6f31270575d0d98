/* Pools on threads: cases 93 and 97 in full size, options, backpressure, supervision. Their races
 * are searched in sim_acceptance/pool.c.
 */
#include "spawned/pool.h"

#include "spawned/inspect.h"
#include "spawned/supervisor.h"
#include "support/lab.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { ITEMS = 1000, KEYS = 50 };

struct item {
    int number;
    int key;
};

static struct {
    _Atomic int done[ITEMS];
    _Atomic int last[KEYS];
    _Atomic int finished;
    _Atomic int disorder;
} books;

/* Does nothing while the gate is closed. */
SP_SERVER(smith, gate_ref);
SP_CAST(smith, forge, struct item);
SP_CALL(smith, count, int, int);
SP_CALL(smith, pass, sp_empty, sp_empty);
SP_CALL(smith, fault, sp_empty, sp_empty);
SP_POOL(smith);
SP_POOL_CAST(smith, forge);

struct smith {
    gate_ref gate;
    bool waited;
};

static sp_err smith_init(struct smith *self, const gate_ref *gate)
{
    self->gate = *gate;
    return SP_OK;
}

static void smith_on_forge(struct smith *self, const struct item *item)
{
    sp_empty nothing = { 0 };
    if (!self->waited)
        CHECK_OK(gate_pass(self->gate, &nothing, &nothing, WORLD_PATIENCE));
    self->waited = true;
    if (atomic_exchange(&books.last[item->key], item->number) > item->number)
        atomic_fetch_add(&books.disorder, 1);
    atomic_fetch_add(&books.done[item->number], 1);
    atomic_fetch_add(&books.finished, 1);
}

static sp_err smith_on_count(struct smith *self, const int *in, int *out)
{
    (void)self;
    *out = *in + 1;
    return *in < 0 ? SP_ERR_INVALID : SP_OK;
}

static sp_err smith_on_pass(struct smith *self, const sp_empty *in, sp_empty *out)
{
    return gate_pass(self->gate, in, out, WORLD_PATIENCE);
}

static sp_err smith_on_fault(struct smith *self, const sp_empty *in, sp_empty *out)
{
    (void)self;
    (void)in;
    (void)out;
    abort();
}

SP_STATE(smith, struct smith);
SP_ON_INIT(smith);
SP_ON_CAST(smith, forge);
SP_ON_CALL(smith, count);
SP_ON_CALL(smith, pass);
SP_ON_CALL(smith, fault);
SP_CLASS(smith, .init = smith__init);

static void books_clear(void)
{
    for (int i = 0; i < ITEMS; i++)
        atomic_store(&books.done[i], 0);
    for (int i = 0; i < KEYS; i++)
        atomic_store(&books.last[i], -1);
    atomic_store(&books.finished, 0);
    atomic_store(&books.disorder, 0);
}

static smith_pool begin_pool(gate_ref gate, struct sp_pool_options options)
{
    smith_pool pool;
    books_clear();
    CHECK_OK(smith_pool_start(&gate, &options, &pool));
    return pool;
}

static void check_balance(const struct sp_pool_info *info)
{
    uint64_t lost = 0;
    for (int i = 0; i < SP_POOL_LOSSES; i++)
        lost += info->lost[i];
    CHECK_INT(info->accepted, info->finished + lost + info->queued + info->held);
    CHECK_INT(info->given, info->finished + info->lost[SP_POOL_LOST_DIED] +
                               info->lost[SP_POOL_LOST_STUCK] + info->handed_over + info->held);
}

static struct sp_pool_info look(smith_pool pool)
{
    struct sp_pool_info info;
    CHECK_OK(smith_pool_info(pool, &info));
    check_balance(&info);
    return info;
}

static struct sp_pool_info end_pool(smith_pool pool)
{
    struct sp_pool_info info;
    CHECK_OK(smith_pool_stop(pool, WORLD_PATIENCE, &info));
    CHECK(!sp_is_alive(pool.jobs.pid));
    check_balance(&info);
    CHECK_INT(info.queued + info.held, 0);
    return info;
}

/* Its mailbox is empty, and it waits for a message, but what no worker has taken is still its own. */
TEST(jobs_that_wait_in_a_pool_are_in_its_mailbox_on_a_page)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    sp_empty nothing = { 0 };
    smith_pool pool = begin_pool(gate, (struct sp_pool_options){ .min = 1, .max = 1, .window = 1 });
    for (int i = 0; i < 5; i++)
        CHECK_OK(smith_forge(pool.jobs, &(struct item){ .number = i, .key = 0 }));
    CHECK_INT(expect_note(), GATE_ARRIVED);
    while (look(pool).accepted < 5)
        sp_yield();
    struct sp_inspect row;
    struct sp_inspect_page page;
    struct sp_inspect_query query = { .sort = SP_INSPECT_MAILBOX, .descending = true };
    do {
        CHECK_OK(sp_inspect(pool.jobs.pid, &row));
    } while (row.process.status != SP_STATUS_IDLE);
    CHECK_OK(sp_inspect_list(&query, &row, 1, &page));
    CHECK(sp_pid_equal(row.process.pid, pool.jobs.pid));
    CHECK_INT(row.process.mailbox, 4);
    CHECK_OK(gate_open(gate, &nothing));
    CHECK_INT(end_pool(pool).finished, 5);
    world_close();
}

/* case 97: ten with 100 each; two remain. */
static void shrink(uint64_t (*key)(const struct sp_op *op, const void *in, void *arg))
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    sp_empty nothing = { 0 };
    smith_pool pool =
        begin_pool(gate, (struct sp_pool_options){ .min = 10, .window = 100, .key = key });
    for (int i = 0; i < ITEMS; i++)
        CHECK_OK(smith_forge(pool.jobs, &(struct item){ .number = i, .key = i % KEYS }));
    while (look(pool).accepted < ITEMS)
        sp_yield();
    CHECK_OK(smith_pool_resize(pool, 2, 2));
    CHECK_INT(look(pool).size, 2); /* and what is not begun is back */
    CHECK_OK(gate_open(gate, &nothing));
    struct sp_pool_info info = end_pool(pool);
    CHECK_INT(info.accepted, ITEMS);
    CHECK_INT(info.finished, ITEMS);
    CHECK_INT(info.given, ITEMS + info.handed_over);
    CHECK(info.handed_over >= (key == NULL ? 700 : 1)); /* a key may be on few lanes */
    for (int i = 0; i < ITEMS; i++)
        CHECK_INT(atomic_load(&books.done[i]), 1);
    if (key != NULL)
        CHECK_INT(atomic_load(&books.disorder), 0);
    world_close();
}

TEST(case_97_shrinking_loses_nothing)
{
    shrink(NULL);
}

static uint64_t item_key(const struct sp_op *op, const void *in, void *arg)
{
    (void)arg;
    return op == &smith_forge_op ? (uint64_t)((const struct item *)in)->key : 0;
}

TEST(case_97_shrinking_keeps_the_order_of_keys)
{
    shrink(item_key);
}

/* case 93 */
TEST(case_93_a_pool_whose_last_worker_dies_stops_and_its_watchers_are_told)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    sp_empty nothing = { 0 };
    CHECK_OK(gate_open(gate, &nothing));
    smith_pool pool =
        begin_pool(gate, (struct sp_pool_options){ .min = 4, .max_restarts = SP_RESTARTS_NONE });
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(pool.jobs.pid, &ref));
    CHECK_ERR(smith_fault(pool.jobs, &nothing, &nothing, WORLD_PATIENCE), SP_ERR_DIED);
    for (int i = 0; i < 100; i++)
        CHECK_OK(smith_forge(pool.jobs, &(struct item){ .number = i }));
    while (atomic_load(&books.finished) < 100)
        sp_yield();
    CHECK_INT(look(pool).size, 3);
    for (int i = 0; i < 3; i++)
        CHECK_ERR(smith_fault(pool.jobs, &nothing, &nothing, WORLD_PATIENCE), SP_ERR_DIED);
    struct sp_message *message;
    do
        CHECK_OK(sp_receive(WORLD_PATIENCE, &message));
    while (sp_message_down(message) == NULL);
    CHECK_STR(sp_reason_text(sp_message_down(message)->reason), "shutdown");
    CHECK_CONTAINS(sp_reason_text(sp_reason_cause(sp_message_down(message)->reason)), "SIGABRT");
    sp_message_free(message);
    world_close();
}

TEST(a_call_gets_what_its_handler_returns)
{
    world_open(NULL);
    smith_pool pool = begin_pool(gate_begin(), (struct sp_pool_options){ .max = 3 });
    int out = 0;
    for (int i = 0; i < 100; i++) {
        CHECK_OK(smith_count(pool.jobs, &i, &out, WORLD_PATIENCE));
        CHECK_INT(out, i + 1);
    }
    CHECK_ERR(smith_count(pool.jobs, &(int){ -1 }, &out, WORLD_PATIENCE), SP_ERR_INVALID);
    struct sp_pool_info info = end_pool(pool);
    CHECK_INT(info.finished, 101);
    CHECK_ERR(smith_count(pool.jobs, &(int){ 1 }, &out, WORLD_PATIENCE), SP_ERR_NOPROC);
    CHECK_ERR(smith_pool_stop(pool, sp_never(), NULL), SP_ERR_NOPROC);
    CHECK_ERR(smith_pool_info(pool, &info), SP_ERR_NOPROC);
    world_close();
}

TEST(other_operations_are_refused)
{
    world_open(NULL);
    smith_pool pool = begin_pool(gate_begin(), (struct sp_pool_options){ .min = 1 });
    sp_empty nothing = { 0 };
    struct sp_pool_info info;
    CHECK_ERR(gate_pass((gate_ref){ pool.jobs.pid }, &nothing, &nothing, WORLD_PATIENCE),
              SP_ERR_BADCALL);
    gate_ref gate = gate_begin();
    CHECK_ERR(sp_pool_info(gate.pid, &info), SP_ERR_BADCALL);
    CHECK_INT(end_pool(pool).accepted, 0);
    world_close();
}

TEST(a_full_pool_refuses_or_lets_wait)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    sp_empty nothing = { 0 };
    smith_pool pool = begin_pool(gate, (struct sp_pool_options){ .min = 1, .queue_max = 10 });
    int sent = 0;
    for (; look(pool).held + look(pool).queued < 11; sent++)
        CHECK_OK(smith_forge_wait(pool.jobs, &(struct item){ .number = sent }, WORLD_PATIENCE));
    CHECK_ERR(smith_forge(pool.jobs, &(struct item){ .number = sent }), SP_ERR_FULL);
    CHECK_ERR(smith_forge_wait(pool.jobs, &(struct item){ .number = sent }, sp_after_ms(20)),
              SP_ERR_TIMEOUT);
    CHECK_INT(look(pool).max, 1); /* it answers even so */
    CHECK_OK(gate_open(gate, &nothing));
    for (; sent < 200; sent++)
        CHECK_OK(smith_forge_wait(pool.jobs, &(struct item){ .number = sent }, WORLD_PATIENCE));
    CHECK_INT(end_pool(pool).finished, 200);
    CHECK_INT(atomic_load(&books.disorder), 0);
    world_close();
}

TEST(numbers_that_make_no_sense_are_refused)
{
    static const struct sp_pool_options wrong[] = {
        { .min = 3, .max = 2 },
        { .max = SP_POOL_WORKERS_MAX + 1 },
        { .queue_max = UINT32_MAX },
        { .begin_within = { -1 } },
        { .stuck_after = { -1 } },
        { .rate = { .per = { -1 } } },
        { .scaling = { .grow_above = 10, .shrink_below = 10 } },
        { .worker = { .name = "all the same" } },
        { .server = { .spawn = { .mailbox_max = 1 } } },
        { .max_restarts = SP_RESTARTS_MAX + 1 },
    };
    world_open(NULL);
    smith_pool pool;
    gate_ref gate = gate_begin();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_ERR(smith_pool_start(&gate, &wrong[i], &pool), SP_ERR_INVALID);
    pool = begin_pool(gate, (struct sp_pool_options){ .min = 1 });
    CHECK_ERR(smith_pool_resize(pool, 0, 1), SP_ERR_INVALID);
    CHECK_ERR(smith_pool_resize(pool, 2, 1), SP_ERR_INVALID);
    CHECK_INT(end_pool(pool).size, 0);
    CHECK_STR(sp_pool_loss_name(SP_POOL_LOST_STUCK), "STUCK");
    CHECK_STR(sp_pool_loss_name(SP_POOL_LOSSES), "unknown");
    world_close();
}

/* Its request owns memory: moved to the worker, or destroyed. */
struct parcel {
    char *bytes;
};
static _Atomic int parcels;
static void parcel_destroy(struct parcel *parcel)
{
    if (parcel->bytes != NULL)
        atomic_fetch_sub(&parcels, 1);
    free(parcel->bytes);
    parcel->bytes = NULL;
}
SP_SERVER(porter, int);
SP_CAST_MOVED(porter, carry, struct parcel, parcel_destroy);
SP_POOL(porter);
struct porter {
    int carried;
};
static void porter_on_carry(struct porter *self, const struct parcel *parcel)
{
    CHECK_STR(parcel->bytes, "x");
    if (++self->carried % 5 == 0)
        sp_exit_error(SP_ERR_IO, "too heavy");
}
SP_STATE(porter, struct porter);
SP_ON_CAST(porter, carry);
SP_CLASS(porter, 0);

static struct parcel parcel_make(void)
{
    struct parcel parcel = { .bytes = calloc(1, 2) };
    CHECK(parcel.bytes != NULL);
    parcel.bytes[0] = 'x';
    atomic_fetch_add(&parcels, 1);
    return parcel;
}

TEST(what_a_job_owns_is_destroyed_once)
{
    world_open(NULL);
    porter_pool pool;
    struct sp_pool_info info;
    struct sp_pool_options options = { .min = 2,
                                       .window = 3,
                                       .queue_max = 20,
                                       .full = SP_POOL_DISCARD_OLDEST,
                                       .max_restarts = SP_RESTARTS_UNLIMITED };
    CHECK_OK(porter_pool_start(NULL, &options, &pool));
    for (int i = 0; i < 200; i++) {
        struct parcel parcel = parcel_make();
        sp_err err = porter_carry(pool.jobs, &parcel);
        CHECK(err == SP_OK || err == SP_ERR_FULL);
    }
    CHECK_OK(porter_pool_stop(pool, WORLD_PATIENCE, &info));
    check_balance(&info);
    while (atomic_load(&parcels) != 0)
        sp_yield(); /* of a worker that has ended, on its last step */
    world_close();
}

/* A child of a supervisor: started by a function, ended by it. */
static sp_err start_smiths(void *args, sp_pid *out_pid)
{
    smith_pool pool;
    struct sp_pool_options options = { .min = 2,
                                       .server.spawn = { .name = "smiths", .link = true } };
    sp_err err = smith_pool_start(args, &options, &pool);
    if (err == SP_OK)
        *out_pid = pool.jobs.pid;
    return err;
}

TEST(a_pool_lives_under_a_supervisor)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    sp_empty nothing = { 0 };
    CHECK_OK(gate_open(gate, &nothing));
    books_clear();
    struct sp_child_spec child = { .id = "smiths",
                                   .start = start_smiths,
                                   .args = &gate,
                                   .type = SP_CHILD_SUPERVISOR,
                                   .shutdown = sp_never() };
    struct sp_supervisor_spec spec = { .children = &child, .child_count = 1 };
    sp_pid supervisor;
    CHECK_OK(sp_supervisor_start(&spec, NULL, &supervisor));
    smith_ref smiths;
    CHECK_OK(sp_whereis("smiths", &smiths.pid));
    for (int i = 0; i < 100; i++)
        CHECK_OK(smith_forge(smiths, &(struct item){ .number = i }));
    CHECK_OK(sp_stop(supervisor, sp_reason_shutdown(), WORLD_PATIENCE));
    CHECK_INT(atomic_load(&books.finished), 100);
    CHECK(!sp_is_alive(smiths.pid));
    world_close();
}

/* A worker may be through with a job before the pool goes on after giving it. */
TEST(a_job_that_was_given_is_the_workers)
{
    enum { MANY = 20000 };
    struct sp_pool_info info;
    world_open(&(struct sp_runtime_options){ .workers = 2 });
    gate_ref gate = gate_begin();
    CHECK_OK(gate_open(gate, &(sp_empty){ 0 }));
    smith_pool pool = begin_pool(gate, (struct sp_pool_options){ .min = 2 });
    for (int i = 0; i < MANY; i++)
        CHECK_OK(smith_forge_wait(pool.jobs, &(struct item){ .number = i % ITEMS }, sp_never()));
    CHECK_OK(smith_pool_stop(pool, WORLD_PATIENCE, &info));
    CHECK_INT(info.finished, MANY);
    check_balance(&info);
    world_close();
}
