/* Watching messages: what the threads have counted is what the runtime has, whatever way a message takes. */
#include "runtime/watch.h"

#include "support/test.h"

#include "runtime/recorder.h"

#include <spawned/spawned.h>
#include <string.h>

SP_SERVER(sink, sp_empty);
SP_CALL(sink, ask, int64_t, int64_t);
SP_CALL(sink, relay, sp_pid, int64_t);
SP_CAST(sink, add, int64_t);

struct sink {
    int64_t sum;
};

static sp_err sink_on_ask(struct sink *self, const int64_t *in, int64_t *out)
{
    *out = self->sum + *in;
    return SP_OK;
}

static sp_err sink_on_relay(struct sink *self, const sp_pid *in, int64_t *out)
{
    (void)self;
    return sink_ask((sink_ref){ *in }, &(int64_t){ 1 }, out, sp_never());
}

static void sink_on_add(struct sink *self, const int64_t *in)
{
    self->sum += *in;
}

SP_STATE(sink, struct sink);
SP_ON_CALL(sink, ask);
SP_ON_CALL(sink, relay);
SP_ON_CAST(sink, add);
SP_CLASS(sink, .init = NULL);

/* What is in the cells, of all threads. */
struct totals {
    uint64_t handled;
    uint64_t put_back;
    uint64_t adds;
    uint64_t exits;
    uint64_t handlers; /* weights of the samples */
    uint64_t delays;
};

static uint64_t samples(const struct sp__histogram *histogram)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < SP__HISTOGRAM_PAGES; i++)
        for (uint32_t j = 0; histogram->pages[i] != NULL && j < SP__HISTOGRAM_PAGE; j++)
            count += histogram->pages[i]->counts[j];
    return count;
}

static void add_watch(struct totals *totals, const struct sp__watch *watch)
{
    totals->put_back += watch->put_back;
    totals->handled += watch->rest.count;
    for (uint32_t i = 0; i < SP__WATCH_OWN + watch->mask + 1; i++) {
        const struct sp__watch_cell *cell =
            i < SP__WATCH_OWN ? &watch->own[i] : &watch->other[i - SP__WATCH_OWN];
        if (cell->type == NULL)
            continue;
        totals->handled += cell->count;
        totals->handlers += samples(&cell->detail->handler);
        totals->delays += samples(&cell->detail->delay);
        if (strcmp(cell->detail->message, "add") == 0) {
            CHECK_STR(cell->detail->process, "sink");
            totals->adds += cell->count;
        }
    }
    for (uint32_t i = 0; i <= SP__WATCH_EXITS; i++)
        for (uint32_t j = 0; j < SP__WATCH_REASONS; j++)
            totals->exits += watch->exits[i].counts[j];
}

static struct totals add_all(struct sp_runtime *runtime)
{
    struct totals totals = { 0 };
    struct sp__meters *meters = sp__meters_of(runtime);
    for (struct sp__meter *meter = sp__meters_blocks(meters); meter != NULL; meter = meter->next)
        if (meter->watch != NULL)
            add_watch(&totals, meter->watch);
    return totals;
}

enum { CLIENTS = 8, ROUNDS = 2000 };

static void client_main(void *arg)
{
    const sink_ref *sinks = arg;
    int64_t out;
    for (int64_t i = 0; i < ROUNDS; i++) {
        CHECK_OK(sink_add(sinks[0], &i));
        CHECK_OK(sink_ask(sinks[1], &i, &out, sp_never()));
        if (i % 100 == 0)
            CHECK_OK(sink_relay(sinks[0], &sinks[1].pid, &out, sp_never()));
    }
}

static void run_clients(void)
{
    sp_monitor_ref refs[CLIENTS];
    sink_ref sinks[2];
    for (int i = 0; i < 2; i++)
        CHECK_OK(sink_start(&(sp_empty){ 0 }, NULL, &sinks[i]));
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(sp_spawn(client_main, sinks,
                          &(struct sp_spawn_options){ .arg_size = sizeof(sinks),
                                                      .out_monitor = &refs[i],
                                                      .own_thread = i == 0 },
                          NULL));
    for (int i = 0; i < CLIENTS; i++) {
        struct sp_message *message;
        CHECK_OK(sp_receive(sp_never(), &message));
        sp_message_free(message);
    }
    /* Behind the last cast: a stop goes ahead of what is in the mailbox. */
    CHECK_OK(sink_ask(sinks[0], &(int64_t){ 0 }, &(int64_t){ 0 }, sp_never()));
    for (int i = 0; i < 2; i++)
        CHECK_OK(sink_stop(sinks[i], sp_never()));
}

static int counting_main(void *arg)
{
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    struct sp_stats before;
    struct sp_stats after;
    CHECK_OK(sp__watch_start(runtime, 1000, 16));
    sp_runtime_stats(runtime, &before);
    run_clients();
    sp_runtime_stats(runtime, &after);
    struct totals totals = add_all(runtime);
    CHECK_INT(totals.handled - totals.put_back, after.handled - before.handled);
    CHECK_INT(totals.adds, CLIENTS * ROUNDS);
    CHECK_INT(totals.exits, after.exited - before.exited);
    CHECK(totals.handlers > 0 && totals.handlers <= totals.handled);
    CHECK(totals.delays > 0);
    sp__watch_stop(runtime);
    run_clients();
    CHECK_INT(add_all(runtime).handled, totals.handled);
    return 0;
}

TEST(each_message_is_counted_once)
{
    CHECK_INT(sp_main(counting_main, NULL, NULL), 0);
}

TEST(each_message_is_counted_once_by_one_worker)
{
    CHECK_INT(sp_main(counting_main, NULL, &(struct sp_runtime_options){ .workers = 1 }), 0);
}

static int recorded_main(void *arg)
{
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    static struct sp_record records[512];
    uint64_t cursor = 0;
    CHECK_OK(sp__watch_start(runtime, 1000, 16));
    CHECK_OK(sp_recorder_start(runtime, &(struct sp_recorder_options){ .events = 128 }));
    run_clients();
    CHECK_INT(add_all(runtime).adds, CLIENTS * ROUNDS);
    size_t count = sp_recorder_read(runtime, &cursor, records, 512);
    size_t handled = 0;
    for (size_t i = 0; i < count; i++)
        handled += records[i].kind == SP_RECORD_HANDLE;
    CHECK(handled > 0);
    sp_recorder_stop(runtime);
    run_clients();
    CHECK_INT(add_all(runtime).adds, 2 * CLIENTS * ROUNDS);
    return 0;
}

TEST(the_recorder_sees_them_too)
{
    CHECK_INT(sp_main(recorded_main, NULL, NULL), 0);
}

/* ---- what is at the point of those who send ---- */

static sp__point_fn point_now(void)
{
    return sp__point_of(sp__context());
}

/* Each may be switched on and off while the others are on. */
static int points_main(void *arg)
{
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    struct sp__context *context = sp__context();
    CHECK(point_now() == NULL);
    CHECK_OK(sp_trace_start(runtime, &(struct sp_trace_options){ 0 }));
    CHECK(point_now() == sp__point_ids);
    sp__lock_lock(&runtime->contexts_lock);
    sp__watch_deviate(context, context->current);
    CHECK(point_now() == sp__point_nothing);
    sp__watch_deviate(context, NULL);
    sp__lock_unlock(&runtime->contexts_lock);
    CHECK(point_now() == sp__point_ids);
    CHECK_OK(sp__watch_start(runtime, 100000, 64));
    CHECK(point_now() == sp__point_nothing); /* the first that is sent is stamped */
    sp_trace_stop(runtime);
    CHECK(point_now() == sp__point_nothing);
    sp__watch_stop(runtime);
    CHECK(point_now() == NULL);
    CHECK(!sp__point_acts(context));
    CHECK_OK(sp_recorder_start(runtime, &(struct sp_recorder_options){ .events = 128 }));
    CHECK(sp__point_acts(context));
    CHECK_OK(sp_trace_start(runtime, &(struct sp_trace_options){ 0 }));
    CHECK(sp__point_acts(context) && point_now() != sp__point_ids);
    sp_recorder_stop(runtime);
    CHECK(point_now() == sp__point_ids && !sp__point_acts(context));
    sp_trace_stop(runtime);
    CHECK(point_now() == NULL);
    return 0;
}

TEST(each_who_looks_at_sends_may_come_and_go)
{
    CHECK_INT(sp_main(points_main, NULL, NULL), 0);
}

/* A stamp is due now and then, and what is sent has its number again after it. */
static int stamped_main(void *arg)
{
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    sink_ref sink;
    int64_t out;
    CHECK_OK(sink_start(&(sp_empty){ 0 }, NULL, &sink));
    CHECK_OK(sp_trace_start(runtime, &(struct sp_trace_options){ 0 }));
    CHECK_OK(sp__watch_start(runtime, 100000, 64));
    unsigned numbered = 0;
    for (int i = 0; i < 100000; i++) {
        CHECK_OK(sink_ask(sink, &(int64_t){ 1 }, &out, sp_never()));
        numbered += point_now() == sp__point_ids;
    }
    CHECK(numbered > 0);
    sp__watch_stop(runtime);
    sp_trace_stop(runtime);
    return 0;
}

TEST(numbers_go_on_between_two_stamps)
{
    struct sp_runtime_options options = { .workers = 1 };
    CHECK_INT(sp_main(stamped_main, NULL, &options), 0);
}
