/* Taking new processes late, and napping in between; the clock stands still but where it is moved. */
#include "runtime/real/lurk.h"

#include "runtime/real/real.h"
#include "support/test.h"

enum { LONG_NS = 1000000 };

static struct sp_runtime runtime;
static struct sp__real real;
static struct sp__worker workers[2];
static struct sp__actor actors[4];
static int64_t now_ns;

static int64_t clock_now(struct sp_runtime *unused)
{
    (void)unused;
    now_ns += 1000; /* who spins comes to an end */
    return now_ns;
}

static const struct sp__backend_ops ops = { .now = clock_now };

static struct sp__worker *thief(void)
{
    runtime.ops = &ops;
    runtime.real = true;
    now_ns = LONG_NS;
    real = (struct sp__real){ .runtime = &runtime, .worker_count = 2, .workers = workers };
    for (uint32_t i = 0; i < 2; i++) {
        workers[i] = (struct sp__worker){ .real = &real, .index = i };
        sp__young_stack_init(&workers[i].young);
        workers[i].seen_young.top = UINT64_MAX;
    }
    return &workers[1];
}

static void spawn(int number)
{
    CHECK(sp__young_stack_push(&workers[0].young, &actors[number]));
}

TEST(a_new_process_is_taken_when_it_has_waited)
{
    struct sp__worker *worker = thief();
    CHECK(sp__lurk_steal(worker, &workers[0]) == NULL);
    CHECK(!worker->lurk.fresh);
    spawn(0);
    CHECK(sp__lurk_steal(worker, &workers[0]) == NULL);
    CHECK(worker->lurk.fresh);
    now_ns += LONG_NS;
    CHECK(sp__lurk_steal(worker, &workers[0]) == &actors[0]);
}

TEST(those_behind_it_have_waited_too)
{
    struct sp__worker *worker = thief();
    spawn(0);
    spawn(1);
    CHECK(sp__lurk_steal(worker, &workers[0]) == NULL);
    now_ns += LONG_NS;
    CHECK(sp__lurk_steal(worker, &workers[0]) == &actors[0]);
    CHECK(sp__lurk_steal(worker, &workers[0]) == &actors[1]);
}

TEST(what_came_after_the_owner_took_all_is_fresh)
{
    struct sp__worker *worker = thief();
    spawn(0);
    CHECK(sp__lurk_steal(worker, &workers[0]) == NULL);
    CHECK(sp__young_stack_pop(&workers[0].young) == &actors[0]);
    spawn(1);
    now_ns += LONG_NS;
    CHECK(sp__lurk_steal(worker, &workers[0]) == NULL);
    CHECK(worker->lurk.fresh);
}

TEST(who_was_woken_takes_at_once)
{
    struct sp__worker *worker = thief();
    spawn(0);
    worker->lurk.woken = true;
    CHECK(sp__lurk_steal(worker, &workers[0]) == &actors[0]);
}

TEST(a_look_at_fresh_ones_is_repeated_for_a_while)
{
    struct sp__worker *worker = thief();
    CHECK(!sp__lurk_spin(worker)); /* there are none */
    spawn(0);
    int looks = 0;
    for (; looks < 1000 && sp__lurk_steal(worker, &workers[0]) == NULL; looks++)
        CHECK(sp__lurk_spin(worker));
    CHECK(looks > 1);
    CHECK(looks < 1000);
}

TEST(naps_get_longer_while_all_is_done_by_others)
{
    struct sp__worker *worker = thief();
    CHECK(sp__lurk_until(worker) == INT64_MAX);
    int64_t before = 0;
    for (int i = 0; i < 10; i++) {
        spawn(0);
        CHECK(sp__young_stack_pop(&workers[0].young) == &actors[0]);
        int64_t began = now_ns;
        int64_t nap = sp__lurk_until(worker) - began;
        CHECK(nap >= before);
        CHECK(nap < LONG_NS);
        CHECK_INT(real.lurking, 1);
        before = nap;
    }
    CHECK(sp__lurk_until(worker) == INT64_MAX); /* nothing moved */
    CHECK_INT(real.lurking, 0);
}

TEST(who_finds_something_lurks_no_more)
{
    struct sp__worker *worker = thief();
    spawn(0);
    CHECK(sp__lurk_steal(worker, &workers[0]) == NULL);
    CHECK(sp__lurk_until(worker) != INT64_MAX);
    CHECK(sp__lurk_end(worker));
    CHECK_INT(real.lurking, 0);
    CHECK(!sp__lurk_end(worker));
}

TEST(a_single_worker_has_nobody_to_wait_for)
{
    struct sp__worker *worker = thief();
    real.worker_count = 1;
    spawn(0);
    CHECK(sp__young_stack_pop(&workers[0].young) == &actors[0]);
    CHECK(sp__lurk_until(worker) == INT64_MAX);
}
