/* Tests of events: each arm leads to one run or is stopped, whenever the source fires. */
#include "io/event.h"

#include "base/alloc.h"
#include "support/puppet.h"

struct counted {
    struct sp__time_event timer;
    int runs;
    bool again; /* posts itself from its run, once */
};

static void counted_run(struct sp__event *event)
{
    struct counted *self = sp__container_of(event, struct counted, timer.event);
    self->runs++;
    if (self->again) {
        self->again = false;
        sp__event_post(event);
    }
}

/* Events run between the messages of a server; `order` is the next one it handles. */
SP_SERVER(host, sp_empty);
struct host_order {
    void (*fn)(struct counted *counted);
};
SP_CALL(host, run, struct host_order, sp_empty);
SP_CALL(host, runs, sp_empty, int);

struct host {
    struct counted *counted;
};

static sp_err host_init(struct host *self, const sp_empty *args)
{
    (void)args;
    self->counted = sp__calloc(1, sizeof(*self->counted));
    return self->counted == NULL
               ? SP_ERR_NOMEM
               : sp__time_event_init(&self->counted->timer, sp__process_self(), counted_run);
}

static sp_err host_on_run(struct host *self, const struct host_order *in, sp_empty *out)
{
    (void)out;
    in->fn(self->counted);
    return SP_OK;
}

static sp_err host_on_runs(struct host *self, const sp_empty *in, int *out)
{
    (void)in;
    *out = self->counted->runs;
    return SP_OK;
}

static void host_terminate(struct host *self, const struct sp_reason *reason)
{
    (void)reason;
    sp__time_event_stop(&self->counted->timer);
    sp__free(self->counted);
}

SP_STATE(host, struct host);
SP_ON_INIT(host);
SP_ON_TERMINATE(host);
SP_ON_CALL(host, run);
SP_ON_CALL(host, runs);
SP_CLASS(host, .init = host__init, .terminate = host__terminate);

static host_ref host;

static void host_do(void (*fn)(struct counted *counted))
{
    sp_empty nothing;
    CHECK_OK(host_run(host, &(struct host_order){ fn }, &nothing, WORLD_PATIENCE));
}

static int host_count(void)
{
    int runs;
    CHECK_OK(host_runs(host, &(sp_empty){ 0 }, &runs, WORLD_PATIENCE));
    return runs;
}

static void host_await(int runs)
{
    while (host_count() < runs)
        sp_yield();
}

static void host_open(void)
{
    world_open(NULL);
    CHECK_OK(host_start(&(sp_empty){ 0 }, NULL, &host));
}

static void host_close(void)
{
    CHECK_OK(host_stop(host, WORLD_PATIENCE));
    world_close();
}

/* ---- orders ---- */

static int64_t soon(int64_t ns)
{
    return sp_time_add(sp_now(), sp_ns(ns)).ns;
}

static void order_arm(struct counted *counted)
{
    sp__time_event_arm(&counted->timer, soon(1000));
}

static void order_post_twice(struct counted *counted)
{
    sp__event_post(&counted->timer.event);
    sp__event_post(&counted->timer.event);
}

static void order_post_and_stop(struct counted *counted)
{
    sp__event_post(&counted->timer.event);
    sp__time_event_stop(&counted->timer);
}

static void order_post_again(struct counted *counted)
{
    counted->again = true;
    sp__event_post(&counted->timer.event);
}

/* The source fires at about the moment when it is stopped. */
static void order_arm_and_stop(struct counted *counted)
{
    for (int i = 0; i < 300; i++) {
        sp__time_event_arm(&counted->timer, soon(i * 500));
        if (i % 2)
            sp_yield();
        for (int spin = 0; spin < i * 20; spin++)
            sp__cpu_relax();
        sp__time_event_stop(&counted->timer);
        CHECK(!counted->timer.event.armed);
    }
}

/* ---- cases ---- */

TEST(event_armed_runs_once)
{
    host_open();
    for (int i = 1; i <= 100; i++) {
        host_do(order_arm);
        host_await(i);
        CHECK_INT(host_count(), i);
    }
    host_close();
}

TEST(event_posted_twice_runs_once)
{
    host_open();
    host_do(order_post_twice);
    CHECK_INT(host_count(), 1);
    host_close();
}

TEST(event_posted_by_its_own_run_runs_again)
{
    host_open();
    host_do(order_post_again);
    host_await(2);
    CHECK_INT(host_count(), 2);
    host_close();
}

TEST(event_stopped_does_not_run)
{
    host_open();
    host_do(order_post_and_stop);
    CHECK_INT(host_count(), 0);
    host_close();
}

TEST(event_stopped_while_its_source_fires_does_not_run)
{
    host_open();
    host_do(order_arm_and_stop);
    int runs = host_count(); /* those that fired during a yield were stopped after it */
    CHECK_INT(runs, 0);
    host_close();
}

TEST(event_armed_when_the_process_ends_is_stopped)
{
    for (int i = 0; i < 20; i++) {
        host_open();
        host_do(order_arm);
        host_close();
    }
}
