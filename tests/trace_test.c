/* Tracing: that each operation of a request is a span of the right trace under the right parent,
 * wherever the request goes; what is followed, what is told of without being followed, what is lost. */
#include "base/alloc.h"
#include "support/test.h"

#include <spawned/spawned.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 4096 };

/* ---- a request goes through two servers ---- */

struct order {
    int how; /* HOW_ */
};

enum { HOW_WELL, HOW_FAILS, HOW_FAULTS, HOW_CASTS, HOW_TIMER, HOW_TASK, HOW_SPAN, HOW_ADOPTS };

SP_SERVER(back, sp_empty);
SP_CALL(back, work, struct order, int);
SP_CAST(back, note, int);

static _Atomic int notes;

static sp_err back_on_work(sp_empty *self, const struct order *in, int *out)
{
    (void)self;
    *out = 1;
    if (in->how == HOW_FAULTS)
        abort();
    return in->how == HOW_FAILS ? SP_ERR_IO : SP_OK;
}

static void back_on_note(sp_empty *self, const int *in)
{
    (void)self;
    (void)in;
    atomic_fetch_add(&notes, 1);
}

SP_STATE(back, sp_empty);
SP_ON_CALL(back, work);
SP_ON_CAST(back, note);
SP_CLASS(back, .init = NULL);

SP_TASK(notes_one, back_ref, int);
static sp_err notes_one_run(const back_ref *in, int *out)
{
    *out = 0;
    return back_note(*in, &(int){ 1 });
}
SP_ON_TASK(notes_one);

SP_SERVER(front, back_ref);
SP_CALL(front, order, struct order, int);
SP_CAST(front, order_later, struct order);

struct front {
    back_ref back;
};

static sp_err front_init(struct front *self, const back_ref *in)
{
    self->back = *in;
    return SP_OK;
}

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"

static sp_err front_on_order(struct front *self, const struct order *in, int *out)
{
    notes_one_task task;
    sp_trace_span span;
    switch (in->how) {
    case HOW_CASTS:
        return back_note(self->back, &(int){ 1 });
    case HOW_TIMER:
        return sp_timer_start(self->back.pid, &back_note_op.in, &(int){ 1 },
                              &(struct sp_timer_options){ .after = sp_ms(1) }, NULL);
    case HOW_TASK:
        CHECK_OK(notes_one_spawn(&self->back, NULL, &task));
        return notes_one_join(task, out, sp_never());
    case HOW_ADOPTS:
        CHECK_OK(sp_trace_adopt(PARENT "01", "vendor=1"));
        break;
    case HOW_SPAN:
        span = sp_trace_span_start("cooking");
        sp_trace_span_set(span, "dish", "soup");
        sp_trace_span_set_int(span, "plates", 2);
        sp_err err = back_work(self->back, in, out, sp_after_sec(5));
        sp_trace_span_end(span, SP_ERR_TIMEOUT);
        return err;
    default:
        break;
    }
    return back_work(self->back, in, out, sp_after_sec(5));
}

static void front_on_order_later(struct front *self, const struct order *in)
{
    int out;
    sp_ignore(front_on_order(self, in, &out));
}

SP_STATE(front, struct front);
SP_ON_INIT(front);
SP_ON_CALL(front, order);
SP_ON_CAST(front, order_later);
SP_CLASS(front, .init = front__init);

/* ---- reading ---- */

static struct sp_trace_record records[RECORDS];
static size_t count;

static void records_forget(void)
{
    sp_trace_release(records, count);
    count = 0;
}

/* All that is there is added to what was read. */
static void records_read(void)
{
    count += sp_trace_read(sp_runtime_current(), records + count, RECORDS - count);
}

static const struct sp_trace_record *find(const char *name)
{
    const struct sp_trace_record *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (strcmp(records[i].name, name) == 0) {
            CHECK(found == NULL);
            found = &records[i];
        }
    return found;
}

/* The only one of that name, which must be there, now or soon. */
static const struct sp_trace_record *expect(const char *name)
{
    while (find(name) == NULL) {
        sp_yield();
        records_read();
    }
    return find(name);
}

static void check_child(const struct sp_trace_record *child, const struct sp_trace_record *parent)
{
    CHECK(child->context.trace.high == parent->context.trace.high);
    CHECK(child->context.trace.low == parent->context.trace.low);
    CHECK(child->parent == parent->context.span);
    CHECK(child->context.span != parent->context.span);
}

struct shop {
    back_ref back;
    front_ref front;
};

static struct shop shop_open(double ratio)
{
    struct shop shop;
    sp_empty none = { 0 };
    CHECK_OK(back_start(&none, NULL, &shop.back));
    CHECK_OK(front_start(&shop.back, NULL, &shop.front));
    CHECK_OK(sp_trace_start(sp_runtime_current(), &(struct sp_trace_options){ .ratio = ratio }));
    return shop;
}

static sp_err shop_order(const struct shop *shop, int how)
{
    int out = 0;
    return front_order(shop->front, &(struct order){ how }, &out, sp_after_sec(5));
}

static void run(int (*fn)(void *arg))
{
    count = 0;
    atomic_store(&notes, 0);
    CHECK_INT(sp_main(fn, NULL, &(struct sp_runtime_options){ .workers = 2 }), 0);
    records_forget();
}

/* ---- cases ---- */

static int calls_main(void *arg)
{
    (void)arg;
    struct shop shop = shop_open(1);
    sp_time before = sp_now();
    CHECK_OK(shop_order(&shop, HOW_WELL));
    records_read();
    CHECK_INT((int)count, 2);
    const struct sp_trace_record *order = expect("order");
    const struct sp_trace_record *work = expect("work");
    check_child(work, order);
    CHECK(order->parent == 0);
    CHECK_STR(order->service, "front");
    CHECK_STR(work->service, "back");
    CHECK(sp_pid_equal(order->pid, shop.front.pid) && sp_pid_equal(order->from, sp_self()));
    CHECK(sp_pid_equal(work->pid, shop.back.pid) && sp_pid_equal(work->from, shop.front.pid));
    CHECK_INT(order->outcome, SP_TRACE_OK);
    CHECK_INT((int)order->context.flags, SP_TRACE_SAMPLED);
    CHECK(order->start.ns - order->queued.ns >= before.ns && order->queued.ns >= 0);
    CHECK(work->start.ns >= order->start.ns && work->end.ns <= order->end.ns);
    /* The next is another trace. */
    struct sp_trace_record first = *order;
    records_forget();
    CHECK_OK(shop_order(&shop, HOW_WELL));
    CHECK(expect("order")->context.trace.high != first.context.trace.high);
    return 0;
}

TEST(trace_goes_through_calls)
{
    run(calls_main);
}

static int others_main(void *arg)
{
    (void)arg;
    struct shop shop = shop_open(1);
    CHECK_OK(shop_order(&shop, HOW_CASTS));
    check_child(expect("note"), expect("order"));
    records_forget();
    CHECK_OK(shop_order(&shop, HOW_TIMER));
    check_child(expect("note"), expect("order"));
    CHECK(expect("note")->queued.ns < SP_NS_PER_S);
    records_forget();
    CHECK_OK(shop_order(&shop, HOW_TASK));
    check_child(expect("notes_one"), expect("order"));
    check_child(expect("note"), expect("notes_one"));
    CHECK_INT(expect("notes_one")->kind, SP_TRACE_TASK);
    records_forget();
    CHECK_OK(front_order_later(shop.front, &(struct order){ HOW_WELL }));
    check_child(expect("work"), expect("order_later"));
    return 0;
}

TEST(trace_goes_through_casts_timers_and_tasks)
{
    run(others_main);
}

static int failing_main(void *arg)
{
    (void)arg;
    struct shop shop = shop_open(1);
    CHECK_ERR(shop_order(&shop, HOW_FAILS), SP_ERR_IO);
    CHECK_INT(expect("work")->outcome, SP_TRACE_ERROR);
    CHECK_INT(expect("work")->err, SP_ERR_IO);
    CHECK_INT(expect("order")->outcome, SP_TRACE_ERROR);
    records_forget();
    CHECK_ERR(shop_order(&shop, HOW_FAULTS), SP_ERR_DIED);
    CHECK_INT(expect("work")->outcome, SP_TRACE_FAULT);
    check_child(expect("work"), expect("order"));
    CHECK_INT(expect("order")->outcome, SP_TRACE_ERROR);
    return 0;
}

TEST(trace_says_what_became_of_an_operation)
{
    run(failing_main);
}

/* Nothing is followed; but what fails is told of, all of a request in one trace. */
static int errors_main(void *arg)
{
    (void)arg;
    struct shop shop = shop_open(0);
    CHECK_OK(shop_order(&shop, HOW_WELL));
    records_read();
    CHECK_INT((int)count, 0);
    CHECK_ERR(shop_order(&shop, HOW_FAILS), SP_ERR_IO);
    check_child(expect("work"), expect("order"));
    CHECK(expect("order")->parent == 0);
    CHECK_INT((int)expect("work")->context.flags, 0);
    struct sp_trace_record first = *expect("order");
    records_forget();
    CHECK_ERR(shop_order(&shop, HOW_FAULTS), SP_ERR_DIED);
    check_child(expect("work"), expect("order"));
    CHECK_INT(expect("work")->outcome, SP_TRACE_FAULT);
    CHECK(expect("order")->context.trace.low != first.context.trace.low);
    struct sp_trace_stats stats;
    sp_trace_stats(sp_runtime_current(), &stats);
    CHECK_INT((int)stats.recorded, 4);
    CHECK_INT((int)stats.failed, 4);
    CHECK_INT((int)stats.taken, 4);
    CHECK_INT((int)stats.lost, 0);
    return 0;
}

TEST(trace_tells_of_errors_in_requests_that_are_not_followed)
{
    run(errors_main);
}

static int quiet_main(void *arg)
{
    (void)arg;
    struct shop shop = shop_open(0);
    struct sp_runtime *runtime = sp_runtime_current();
    CHECK_OK(sp_trace_start(runtime, &(struct sp_trace_options){ .errors_dropped = true }));
    CHECK_ERR(shop_order(&shop, HOW_FAILS), SP_ERR_IO);
    records_read();
    CHECK_INT((int)count, 0);
    CHECK_OK(sp_trace_start(runtime, &(struct sp_trace_options){ .ratio = 1 }));
    sp_trace_stop(runtime);
    CHECK_ERR(shop_order(&shop, HOW_FAILS), SP_ERR_IO);
    records_read();
    CHECK_INT((int)count, 0);
    return 0;
}

TEST(trace_is_silent_when_told_so)
{
    run(quiet_main);
}

static int spans_main(void *arg)
{
    (void)arg;
    struct shop shop = shop_open(1);
    CHECK_OK(shop_order(&shop, HOW_SPAN));
    const struct sp_trace_record *cooking = expect("cooking");
    check_child(cooking, expect("order"));
    check_child(expect("work"), cooking);
    CHECK_INT(cooking->kind, SP_TRACE_OWN);
    CHECK_INT(cooking->err, SP_ERR_TIMEOUT);
    CHECK(cooking->attributes != NULL && cooking->attributes->next != NULL);
    CHECK_STR(cooking->attributes->key, "plates");
    CHECK_INT((int)cooking->attributes->number, 2);
    CHECK_STR(cooking->attributes->next->key, "dish");
    CHECK_STR(cooking->attributes->next->text, "soup");
    records_forget();
    /* Of a plain process: a request of two calls, one span within another. */
    sp_trace_span outer = sp_trace_span_start("outer");
    sp_trace_span inner = sp_trace_span_start("inner");
    CHECK_OK(shop_order(&shop, HOW_CASTS));
    struct sp_trace_context context;
    CHECK(sp_trace_current(&context));
    CHECK(context.span == inner.id);
    sp_trace_span_end(outer, SP_OK); /* and what is within */
    sp_trace_span_end(inner, SP_OK); /* nothing */
    CHECK(!sp_trace_current(&context));
    check_child(expect("inner"), expect("outer"));
    check_child(expect("order"), expect("inner"));
    return 0;
}

TEST(trace_has_spans_of_the_programs_own)
{
    run(spans_main);
}

static int adopting_main(void *arg)
{
    (void)arg;
    struct shop shop = shop_open(0);
    char text[SP_TRACE_PARENT_SIZE];
    struct sp_trace_context context;
    CHECK_OK(sp_trace_adopt(PARENT "01", "vendor=opaque"));
    CHECK(sp_trace_current(&context));
    CHECK_STR(sp_trace_format(&context, text), PARENT "01");
    CHECK_ERR(sp_trace_adopt("nonsense", NULL), SP_ERR_INVALID);
    CHECK_OK(shop_order(&shop, HOW_WELL));
    const struct sp_trace_record *order = expect("order");
    CHECK(order->parent == UINT64_C(0xb7ad6b7169203331));
    CHECK(order->context.trace.low == UINT64_C(0x8448eb211c80319c));
    CHECK_STR(order->state, "vendor=opaque");
    CHECK_STR(expect("work")->state, "vendor=opaque");
    check_child(expect("work"), order);
    records_forget();
    /* One that is not followed: not recorded, unless it fails, and then with its ids. */
    CHECK_OK(sp_trace_adopt(PARENT "00", NULL));
    CHECK_OK(shop_order(&shop, HOW_WELL));
    records_read();
    CHECK_INT((int)count, 0);
    CHECK_ERR(shop_order(&shop, HOW_FAILS), SP_ERR_IO);
    CHECK(expect("order")->parent == UINT64_C(0xb7ad6b7169203331));
    check_child(expect("work"), expect("order"));
    records_forget();
    CHECK_OK(sp_trace_adopt(NULL, NULL));
    CHECK(!sp_trace_current(&context));
    /* By a server: as long as it handles this message. */
    CHECK_OK(shop_order(&shop, HOW_ADOPTS));
    CHECK(expect("work")->parent == UINT64_C(0xb7ad6b7169203331));
    records_forget();
    CHECK_OK(shop_order(&shop, HOW_WELL));
    records_read();
    CHECK_INT((int)count, 0);
    return 0;
}

TEST(trace_of_another_program_is_adopted)
{
    run(adopting_main);
}

static int sampling_main(void *arg)
{
    enum { ROUNDS = 20000 };
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    struct shop shop = shop_open(0.05);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_OK(shop_order(&shop, HOW_WELL));
        records_read();
        CHECK_INT((int)count % 2, 0); /* whole requests */
        if (count > RECORDS / 2)
            records_forget();
    }
    struct sp_trace_stats stats;
    sp_trace_stats(runtime, &stats);
    CHECK(stats.recorded > 2 * ROUNDS * 0.04 && stats.recorded < 2 * ROUNDS * 0.06);
    CHECK_OK(sp_trace_sample(runtime, 0.5));
    for (int i = 0; i < 1000; i++)
        CHECK_OK(shop_order(&shop, HOW_WELL));
    struct sp_trace_stats after;
    sp_trace_stats(runtime, &after);
    CHECK(after.recorded - stats.recorded > 800 && after.recorded - stats.recorded < 1200);
    CHECK_ERR(sp_trace_sample(runtime, 1.01), SP_ERR_INVALID);
    CHECK_ERR(sp_trace_sample(runtime, -0.01), SP_ERR_INVALID);
    return 0;
}

TEST(trace_follows_the_share_that_was_asked_for)
{
    run(sampling_main);
}

/* By each who begins requests itself: who has had its turn begins with whole gaps again. */
static int changing_main(void *arg)
{
    enum { ROUNDS = 300 };
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    struct shop shop = shop_open(0);
    struct sp_trace_stats stats;
    for (int i = 0; i < ROUNDS; i++)
        CHECK_OK(shop_order(&shop, HOW_WELL));
    sp_trace_stats(runtime, &stats);
    CHECK_INT((int)stats.recorded, 0);
    CHECK_OK(sp_trace_sample(runtime, 1)); /* though the next was to have a number */
    CHECK_OK(shop_order(&shop, HOW_WELL));
    sp_trace_stats(runtime, &stats);
    CHECK_INT((int)stats.recorded, 2);
    CHECK_OK(sp_trace_sample(runtime, 0));
    for (int i = 0; i < ROUNDS; i++)
        CHECK_OK(shop_order(&shop, HOW_WELL));
    sp_trace_stats(runtime, &stats);
    CHECK_INT((int)stats.recorded, 2);
    return 0;
}

TEST(trace_follows_from_the_first_request_after_a_change)
{
    run(changing_main);
}

static int bounded_main(void *arg)
{
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    struct sp_trace_stats stats;
    sp_empty none = { 0 };
    struct shop shop;
    CHECK_ERR(sp_trace_sample(runtime, 1), SP_ERR_NOTFOUND);
    CHECK_ERR(sp_trace_adopt(PARENT "01", NULL), SP_ERR_NOTFOUND);
    CHECK_ERR(sp_trace_start(runtime, &(struct sp_trace_options){ .buffer = 7 }), SP_ERR_INVALID);
    CHECK_ERR(sp_trace_start(runtime, &(struct sp_trace_options){ .ratio = 2 }), SP_ERR_INVALID);
    CHECK_OK(sp_trace_start(runtime, &(struct sp_trace_options){ .ratio = 1, .buffer = 16 }));
    CHECK_ERR(sp_trace_start(runtime, &(struct sp_trace_options){ .buffer = 99 }), SP_ERR_INVALID);
    CHECK_OK(back_start(&none, NULL, &shop.back));
    CHECK_OK(front_start(&shop.back, NULL, &shop.front));
    for (int i = 0; i < 100; i++)
        CHECK_OK(shop_order(&shop, HOW_WELL));
    sp_trace_stats(runtime, &stats);
    CHECK_INT((int)(stats.recorded + stats.lost), 202); /* with both inits */
    CHECK(stats.lost >= 202 - 16);
    records_read();
    CHECK_INT((int)count, (int)stats.recorded);
    /* Spans that are never ended do not pile up. */
    for (int i = 0; i < 2 * SP_TRACE_OPEN_MAX; i++)
        (void)sp_trace_span_start("open");
    sp_trace_stats(runtime, &stats);
    CHECK(stats.lost >= 202 - 16 + SP_TRACE_OPEN_MAX);
    return 0;
}

TEST(trace_is_bounded)
{
    run(bounded_main);
}

/* ---- plain processes ---- */

SP_MESSAGE(parcel, int);

static void porter(void *arg)
{
    struct sp_message *message;
    const struct shop *shop = arg;
    CHECK_OK(sp_receive(sp_never(), &message));
    CHECK_OK(back_note(shop->back, &(int){ 1 }));
    sp_message_free(message);
    CHECK_OK(sp_receive(sp_never(), &message));
    CHECK_OK(sp_message_forward(message, shop->back.pid));
}

static int plain_main(void *arg)
{
    (void)arg;
    struct shop shop = shop_open(1);
    sp_pid pid;
    CHECK_OK(sp_spawn(porter, &shop, &(struct sp_spawn_options){ .label = "porter" }, &pid));
    CHECK_OK(parcel_send(pid, &(int){ 1 }));
    check_child(expect("note"), expect("parcel"));
    CHECK_STR(expect("parcel")->service, "porter");
    CHECK(expect("parcel")->parent == 0);
    records_forget();
    CHECK_OK(sp_send(pid, &back_note_op.in, &(int){ 1 }));
    CHECK_STR(expect("note")->service, "back");
    return 0;
}

TEST(trace_goes_through_plain_processes)
{
    run(plain_main);
}

/* ---- without memory ---- */

#ifdef SPAWNED_FAULT_INJECTION
/* Every allocation on the way fails once: what cannot be recorded counts, nothing is left over. */
static int nomem_main(void *arg)
{
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    struct shop shop;
    sp_empty none = { 0 };
    CHECK_OK(back_start(&none, NULL, &shop.back));
    CHECK_OK(front_start(&shop.back, NULL, &shop.front));
    bool failed = true;
    for (int n = 0; failed && n < 300; n++) {
        int out = 0;
        sp__alloc_fail_after(n);
        sp_err err = sp_trace_start(runtime, &(struct sp_trace_options){ .ratio = 1 });
        if (err == SP_OK)
            err = sp_trace_adopt(PARENT "01", "vendor=1");
        sp_trace_span span = sp_trace_span_start("span");
        sp_trace_span_set(span, "key", "value");
        if (err == SP_OK)
            err = front_order(shop.front, &(struct order){ HOW_SPAN }, &out, sp_never());
        sp_trace_span_end(span, err);
        failed = sp__alloc_failed();
        sp__alloc_fail_after(-1);
        CHECK(err == SP_OK || err == SP_ERR_NOMEM);
        CHECK(failed || err == SP_OK);
        records_read();
        records_forget();
    }
    CHECK(!failed);
    return 0;
}

TEST(trace_without_memory_loses_spans_and_nothing_else)
{
    run(nomem_main);
}
#endif
