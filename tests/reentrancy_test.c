/* Reentrancy on threads: chains through several servers, many at once, and what is refused. Acceptance
 * case 85 (with call-chain reentrancy). Every schedule of the small ones, and case 87:
 * tests/sim_acceptance/reentrancy.c. */
#include "support/stress.h"

enum { KNOTS = 4, HOPS = 5 };

/* ---- servers that call each other at random ---- */

struct tour {
    uint32_t dice;
    int hops;
    int patience_ms; /* 0: however long it takes */
};

SP_SERVER(knot, sp_empty);
SP_CALL(knot, walk, struct tour, int); /* how many stations came after it */
SP_CALL(knot, fault, struct tour, int);

struct knot {
    int inside; /* handlers that run: plain, so that the thread sanitizer sees two at once */
    int handled;
};

static knot_ref knots[KNOTS];

static void knot_work(struct knot *self)
{
    CHECK_INT(self->inside, 0);
    self->inside++;
    stress_spin();
    self->handled++;
    self->inside--;
}

static sp_err knot_on_walk(struct knot *self, const struct tour *in, int *out)
{
    knot_work(self);
    if (in->hops == 0)
        return SP_OK;
    struct tour rest = *in;
    rest.hops--;
    rest.dice = in->dice * 1103515245U + 12345U;
    size_t to = (rest.dice >> 16) % KNOTS;
    if (sp_pid_equal(knots[to].pid, sp_self()))
        to = (to + 1) % KNOTS;
    sp_deadline deadline = in->patience_ms == 0 ? sp_never() : sp_after_ms(in->patience_ms);
    int after = 0;
    sp_err err = knot_walk(knots[to], &rest, &after, deadline);
    knot_work(self);
    *out = after + 1;
    return err;
}

static sp_err knot_on_fault(struct knot *self, const struct tour *in, int *out)
{
    (void)self;
    (void)in;
    (void)out;
    volatile uintptr_t nowhere = 8;
    *(volatile int *)nowhere = 1; /* NOLINT(performance-no-int-to-ptr) */
    return SP_OK;
}

SP_STATE(knot, struct knot);
SP_ON_CALL(knot, walk);
SP_ON_CALL(knot, fault);
SP_CLASS(knot, .reentrancy = SP_REENTRANCY_FULL);

static void walker(void *arg)
{
    const int *patience_ms = arg;
    for (int i = 0; i < stress_times(300); i++) {
        struct tour tour = { .dice = (uint32_t)stress_dice(1000000),
                             .hops = HOPS,
                             .patience_ms = *patience_ms };
        int out = 0;
        sp_err err = knot_walk(knots[stress_dice(KNOTS)], &tour, &out, sp_never());
        if (*patience_ms == 0)
            CHECK(err == SP_OK && out == HOPS);
        else
            CHECK(err == SP_OK || err == SP_ERR_TIMEOUT);
    }
}

static void knots_begin(void)
{
    for (int i = 0; i < KNOTS; i++)
        CHECK_OK(knot_start(NULL, NULL, &knots[i]));
}

static void knots_walk(int patience_ms)
{
    struct stress_crew crew = { 0 };
    world_open(&(struct sp_runtime_options){ .workers = 4 });
    knots_begin();
    stress_processes(&crew, 6, walker, &patience_ms);
    stress_threads(&crew, 2, walker, &patience_ms);
    stress_wait(&crew);
    for (int i = 0; i < KNOTS; i++)
        CHECK_OK(knot_stop(knots[i], WORLD_PATIENCE));
    stress_settle();
    world_close();
}

TEST(servers_that_call_each_other_crosswise_all_come_back)
{
    knots_walk(0);
}

TEST(deadlines_of_many_handlers_put_aside)
{
    knots_walk(1);
}

/* Those that wait when their server is killed: their callers are told, whatever they wait for. */
static void doomed(void *arg)
{
    (void)arg;
    for (sp_err err = SP_OK; err == SP_OK || err == SP_ERR_TIMEOUT;) {
        struct tour tour = { .dice = (uint32_t)stress_dice(1000000), .hops = HOPS };
        int out = 0;
        err = knot_walk(knots[stress_dice(KNOTS)], &tour, &out, sp_never());
        CHECK(err == SP_OK || err == SP_ERR_DIED || err == SP_ERR_NOPROC);
    }
}

TEST(killed_in_the_middle_of_it)
{
    for (int i = 0; i < stress_times(20); i++) {
        struct stress_crew crew = { 0 };
        world_open(&(struct sp_runtime_options){ .workers = 4 });
        knots_begin();
        stress_processes(&crew, 6, doomed, NULL);
        int out;
        for (int n = 0; n < 20; n++)
            sp_ignore(knot_walk(knots[0], &(struct tour){ .hops = 2 }, &out, sp_never()));
        for (int n = 0; n < KNOTS; n++)
            CHECK_OK(sp_kill(knots[n].pid));
        stress_wait(&crew);
        stress_settle();
        world_close();
    }
}

TEST(a_fault_ends_all_that_wait)
{
    struct stress_crew crew = { 0 };
    world_open(&(struct sp_runtime_options){ .workers = 4 });
    knots_begin();
    stress_processes(&crew, 6, doomed, NULL);
    int out;
    for (int i = 0; i < KNOTS; i++)
        CHECK_ERR(knot_fault(knots[i], &(struct tour){ 0 }, &out, sp_never()), SP_ERR_DIED);
    stress_wait(&crew);
    stress_settle();
    world_close();
}

/* ---- chains ---- */

struct path {
    sp_pid stations[4];
    int length;
    int at;
    bool several; /* each is called as one of several */
};

SP_SERVER(link, sp_empty);
SP_CALL(link, visit, struct path, int);
SP_CALL(link, later, sp_empty, int);

static sp_err link_on_visit(int *state, const struct path *in, int *out)
{
    struct path rest = *in;
    *out = ++*state;
    if (++rest.at == rest.length)
        return SP_OK;
    sp_pid to = rest.stations[rest.at];
    if (!in->several)
        return link_visit((link_ref){ to }, &rest, out, sp_never());
    struct sp_multi multi = { .server = to, .out = out };
    sp_err err = sp_server_multi_call(&link_visit_op, &rest, &multi, 1, sp_never());
    return err == SP_OK ? multi.err : err;
}

static sp_err link_on_later(int *state, const sp_empty *in, int *out)
{
    sp_request request;
    (void)in;
    (void)out;
    (*state)++;
    CHECK_OK(sp_request_take(&request));
    CHECK_OK(link_later_reply(request, state));
    return SP_ERR_DEFERRED;
}

SP_STATE(link, int);
SP_ON_CALL(link, visit);
SP_ON_CALL(link, later);
SP_CLASS(link, .reentrancy = SP_REENTRANCY_CALL_CHAIN);

static link_ref link_begin(void)
{
    link_ref ref;
    CHECK_OK(link_start(NULL, NULL, &ref));
    return ref;
}

/* case 85: with call-chain reentrancy it succeeds. */
TEST(a_chain_that_comes_back_is_let_in)
{
    world_open(NULL);
    link_ref a = link_begin();
    link_ref b = link_begin();
    int out = 0;
    struct path path = { .stations = { a.pid, b.pid, a.pid, b.pid }, .length = 4 };
    for (int i = 1; i <= 200; i++) {
        path.several = i % 2 == 0;
        CHECK_OK(link_visit(a, &path, &out, sp_never()));
        CHECK_INT(out, 2 * i);
    }
    CHECK_OK(link_later(a, &(sp_empty){ 0 }, &out, WORLD_PATIENCE));
    world_close();
}

TEST(a_call_to_itself_is_a_deadlock_all_the_same)
{
    world_open(NULL);
    link_ref a = link_begin();
    int out = 0;
    struct path path = { .stations = { a.pid, a.pid }, .length = 2 };
    CHECK_ERR(link_visit(a, &path, &out, sp_never()), SP_ERR_DEADLOCK);
    world_close();
}

TEST(a_reentrant_server_has_no_thread_of_its_own)
{
    world_open(NULL);
    link_ref ref;
    struct sp_server_options options = { .spawn.own_thread = true };
    CHECK_ERR(link_start(NULL, &options, &ref), SP_ERR_NOTSUP);
    world_close();
}

/* ---- what the predicate does ---- */

SP_SERVER(judge, sp_empty);
SP_CALL(judge, slow, sp_pid, int);
SP_CALL(judge, quick, int, int);

static sp_err judge_on_slow(int *state, const sp_pid *via, int *out)
{
    *state = 1;
    sp_err err = link_visit((link_ref){ *via }, &(struct path){ .length = 1 }, out, sp_never());
    *state = 0;
    return err;
}

static sp_err judge_on_quick(int *state, const int *in, int *out)
{
    *out = *in + *state;
    return SP_OK;
}

/* What it says may depend on the state and on the request. */
static sp_err judge_may_interleave(const int *state, const struct sp_op *op, const void *in,
                                   bool *out_may)
{
    if (op != &judge_quick_op)
        return SP_OK;
    *out_may = *state == 1 && *(const int *)in > 0;
    return *(const int *)in < 0 ? SP_ERR_IO : SP_OK;
}

SP_STATE(judge, int);
SP_ON_CALL(judge, slow);
SP_ON_CALL(judge, quick);
SP_ON_MAY_INTERLEAVE(judge);
SP_CLASS(judge, .may_interleave = judge__may_interleave);

static void slow_caller(void *arg)
{
    const sp_pid *pids = arg;
    int out;
    for (int i = 0; i < stress_times(2000); i++)
        CHECK_OK(judge_slow((judge_ref){ pids[0] }, &pids[1], &out, sp_never()));
}

static void quick_caller(void *arg)
{
    const sp_pid *pids = arg;
    for (int i = 0; i < stress_times(2000); i++) {
        int in = i % 3 - 1;
        int out = -5;
        sp_err err = judge_quick((judge_ref){ pids[0] }, &in, &out, sp_never());
        CHECK(err == SP_OK || (err == SP_ERR_IO && in < 0));
        CHECK(err != SP_OK || out == in || (in > 0 && out == in + 1));
    }
}

TEST(a_predicate_decides_for_each_message)
{
    struct stress_crew crew = { 0 };
    judge_ref judge;
    world_open(&(struct sp_runtime_options){ .workers = 4 });
    CHECK_OK(judge_start(NULL, NULL, &judge));
    sp_pid pids[2] = { judge.pid, link_begin().pid };
    stress_processes(&crew, 2, slow_caller, pids);
    stress_processes(&crew, 4, quick_caller, pids);
    stress_wait(&crew);
    world_close();
}

/* ---- how many wait ---- */

SP_SERVER(gate, sp_pid);
SP_CALL(gate, pass, sp_empty, int); /* when the process has ended that it was started with */

static sp_err gate_on_pass(sp_pid *until, const sp_empty *in, int *out)
{
    (void)in;
    *out = 1;
    return sp_join(*until, sp_never(), NULL);
}

SP_STATE(gate, sp_pid);
SP_ON_CALL(gate, pass);
SP_CLASS(gate);

SP_SERVER(hall, gate_ref);
SP_CALL(hall, enter, sp_empty, int);

static sp_err hall_on_enter(gate_ref *gate, const sp_empty *in, int *out)
{
    return gate_pass(*gate, in, out, sp_never());
}

SP_STATE(hall, gate_ref);
SP_ON_CALL(hall, enter);
SP_CLASS(hall, .reentrancy = SP_REENTRANCY_FULL);

static void enterer(void *arg)
{
    int out;
    CHECK_OK(hall_enter(*(hall_ref *)arg, &(sp_empty){ 0 }, &out, sp_never()));
}

static void idler(void *unused)
{
    (void)unused;
    for (;;)
        sp_sleep(sp_sec(3600));
}

/* Looks until it is so; the test's own limit of time ends it otherwise. */
static void expect_interleaved(sp_pid pid, uint32_t count)
{
    struct sp_inspect info;
    do {
        sp_yield();
        CHECK_OK(sp_inspect(pid, &info));
    } while (info.interleaved != count);
}

TEST(inspection_counts_the_handlers_that_wait)
{
    struct stress_crew crew = { 0 };
    sp_pid idle;
    gate_ref gate;
    hall_ref hall;
    world_open(NULL);
    CHECK_OK(sp_spawn(idler, NULL, NULL, &idle));
    CHECK_OK(gate_start(&idle, NULL, &gate));
    CHECK_OK(hall_start(&gate, NULL, &hall));
    expect_interleaved(hall.pid, 0);
    stress_processes(&crew, 3, enterer, &hall);
    expect_interleaved(hall.pid, 3);
    CHECK_OK(sp_kill(idle));
    stress_wait(&crew);
    expect_interleaved(hall.pid, 0);
    world_close();
}
