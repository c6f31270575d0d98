/* Deadlines of callbacks that are for no message: on_timeout, terminate, health, deferred functions,
 * and those of attached streams. docs/scheduling.md.
 */
#include "spawned/scheduling.h"

#include "spawned/health.h"
#include "spawned/server.h"
#include "support/io.h"

#include <stdatomic.h>
#include <string.h>

/* ---- a server whose callbacks sleep for an hour, or as long as they may ---- */

static struct {
    _Atomic int began;
    _Atomic int cancelled;
    _Atomic int lines;
    char line[200];
    _Atomic(const char *) slow; /* operation of the last slow handler that was told */
} books;

struct late_args {
    struct sp_scheduling scheduling;
    struct sp_stream *released; /* or NULL */
};

struct late {
    struct sp_stream *stream;
};

SP_SERVER(late, struct late_args);
/** Its inactivity timeout comes at once. */
SP_CALL(late, idle, sp_empty, sp_empty);
SP_CALL(late, ask, sp_empty, bool);
/** Two functions that sleep are deferred. */
SP_CALL(late, defer, sp_empty, sp_empty);

static void late_sleep(void)
{
    atomic_fetch_add(&books.began, 1);
    if (!sp_sleep(sp_sec(3600)))
        atomic_fetch_add(&books.cancelled, 1);
}

static void late_on_frame(void *arg, struct sp_stream *stream, const struct sp_frame *frame)
{
    (void)arg;
    (void)stream;
    (void)frame;
    late_sleep();
}

static void late_on_end(void *arg, struct sp_stream *stream, const struct sp_stream_end *end)
{
    (void)arg;
    (void)stream;
    (void)end;
    late_sleep();
}

static sp_err late_init(struct late *self, const struct late_args *args)
{
    self->stream = args->released;
    sp_err err = sp_scheduling_set(&args->scheduling);
    if (err != SP_OK || self->stream == NULL)
        return err;
    err = sp_stream_adopt(self->stream);
    return err != SP_OK ? err
                        : sp_stream_attach(self->stream, &(struct sp_attach){
                                                             .codec = &sp_lines,
                                                             .arg = self,
                                                             .on_frame = late_on_frame,
                                                             .on_end = late_on_end,
                                                         });
}

static sp_err late_on_idle(struct late *self, const sp_empty *in, sp_empty *out)
{
    (void)self;
    (void)in;
    (void)out;
    sp_server_idle_after(sp_ms(1));
    return SP_OK;
}

static sp_err late_on_ask(struct late *self, const sp_empty *in, bool *out)
{
    (void)self;
    (void)in;
    *out = sp_cancelled();
    return SP_OK;
}

static void late_deferred(void *unused)
{
    (void)unused;
    late_sleep();
}

static sp_err late_on_defer(struct late *self, const sp_empty *in, sp_empty *out)
{
    (void)self;
    (void)in;
    (void)out;
    CHECK_OK(sp_defer(late_deferred, NULL));
    return sp_defer(late_deferred, NULL);
}

static void late_health(const struct late *self, struct sp_health *out)
{
    (void)self;
    late_sleep();
    out->status = SP_DEGRADED;
}

static void late_timeout(struct late *self)
{
    (void)self;
    late_sleep();
}

static void late_terminate(struct late *self, const struct sp_reason *reason)
{
    (void)self;
    (void)reason;
    late_sleep();
}

SP_STATE(late, struct late);
SP_ON_INIT(late);
SP_ON_CALL(late, idle);
SP_ON_CALL(late, ask);
SP_ON_CALL(late, defer);
SP_ON_HEALTH(late);
SP_ON_TIMEOUT(late);
SP_ON_TERMINATE(late);
SP_CLASS(late, .init = late__init, .on_timeout = late__timeout, .terminate = late__terminate,
         .health = late__health);

static void log_line(void *context, const struct sp_log_record *record)
{
    (void)context;
    if (strstr(record->text, "has not returned") == NULL || atomic_load(&books.lines) != 0)
        return;
    strncpy(books.line, record->text, sizeof(books.line) - 1);
    atomic_fetch_add(&books.lines, 1);
}

static void on_slow(const struct sp_slow_handler *slow, void *arg)
{
    (void)arg;
    atomic_store(&books.slow, slow->operation);
}

static void late_open(void)
{
    memset(&books, 0, sizeof(books));
    io_open(&(struct sp_runtime_options){ .workers = 2, .log = { .fn = log_line } });
}

static struct sp_scheduling late_scheduling(enum sp_overrun on_overrun)
{
    return (struct sp_scheduling){ .handler_deadline = sp_ms(2),
                                   .on_overrun = on_overrun,
                                   .slow_after = sp_ms(1),
                                   .on_slow = on_slow,
                                   .slow_every = sp_ms(-1) };
}

static late_ref late_begin(enum sp_overrun on_overrun, struct sp_stream *released)
{
    struct late_args args = { late_scheduling(on_overrun), released };
    late_ref late;
    CHECK_OK(late_start(&args, NULL, &late));
    return late;
}

static uint64_t overruns(void)
{
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    return stats.overruns;
}

static void await(_Atomic int *count, int value)
{
    while (atomic_load(count) < value)
        sp_yield();
}

static void check_line(const char *expected)
{
    await(&books.lines, 1);
    CHECK(strstr(books.line, expected) != NULL);
}

/* The next notice of its end: error(TIMEOUT) with that text. */
static void expect_stopped(const char *text)
{
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL);
    CHECK_INT(sp_reason_kind(down->reason), SP_REASON_ERROR);
    CHECK_ERR(sp_reason_code(down->reason), SP_ERR_TIMEOUT);
    CHECK_STR(sp_reason_text(down->reason), text);
    sp_message_free(message);
}

/* ---- on_timeout ---- */

TEST(a_late_on_timeout_is_cancelled_and_what_comes_next_is_not)
{
    late_open();
    late_ref late = late_begin(SP_OVERRUN_CANCEL, NULL);
    CHECK_OK(late_idle(late, &(sp_empty){ 0 }, &(sp_empty){ 0 }, IO_PATIENCE));
    await(&books.cancelled, 1);
    bool cancelled = true;
    CHECK_OK(late_ask(late, &(sp_empty){ 0 }, &cancelled, IO_PATIENCE));
    CHECK(!cancelled);
    CHECK_STR(atomic_load(&books.slow), "on_timeout");
    check_line("its handler of on_timeout has not returned after");
    CHECK_OK(sp_kill(late.pid));
    io_close();
}

TEST(a_late_on_timeout_ends_its_process)
{
    late_open();
    late_ref late = late_begin(SP_OVERRUN_STOP, NULL);
    sp_monitor_ref monitor;
    CHECK_OK(sp_monitor(late.pid, &monitor));
    CHECK_OK(late_idle(late, &(sp_empty){ 0 }, &(sp_empty){ 0 }, IO_PATIENCE));
    expect_stopped("handler of on_timeout passed its deadline");
    CHECK_INT(overruns(), 1);
    io_close();
}

/* ---- terminate ---- */

static void late_terminate_ends(enum sp_overrun on_overrun)
{
    late_open();
    late_ref late = late_begin(on_overrun, NULL);
    sp_monitor_ref monitor;
    CHECK_OK(sp_monitor(late.pid, &monitor));
    CHECK_OK(sp_stop(late.pid, sp_reason_shutdown(), IO_PATIENCE));
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL);
    CHECK_INT(sp_reason_kind(down->reason), SP_REASON_SHUTDOWN);
    sp_message_free(message);
    CHECK_INT(overruns(), 1);
    CHECK_INT(atomic_load(&books.began), 1);
    CHECK_INT(atomic_load(&books.cancelled), on_overrun == SP_OVERRUN_CANCEL);
    check_line("its handler of terminate has not returned after");
    io_close();
}

TEST(a_late_terminate_is_cancelled)
{
    late_terminate_ends(SP_OVERRUN_CANCEL);
    CHECK_STR(atomic_load(&books.slow), "terminate");
}

TEST(a_late_terminate_is_stopped_and_the_reason_stays)
{
    late_terminate_ends(SP_OVERRUN_STOP);
}

TEST(a_late_terminate_that_is_only_told_is_ended_by_a_kill)
{
    late_open();
    late_ref late = late_begin(SP_OVERRUN_WARN, NULL);
    sp_monitor_ref monitor;
    CHECK_OK(sp_monitor(late.pid, &monitor));
    CHECK_ERR(sp_stop(late.pid, NULL, sp_nowait()), SP_ERR_TIMEOUT);
    check_line("its handler of terminate has not returned after");
    CHECK_OK(sp_kill(late.pid));
    struct sp_message *message = expect_message();
    CHECK_INT(sp_reason_kind(sp_message_down(message)->reason), SP_REASON_KILLED);
    sp_message_free(message);
    io_close();
}

/* ---- deferred functions ---- */

/* Each has its own deadline, after that of terminate. */
static void late_deferred_end(enum sp_overrun on_overrun, int cancelled)
{
    late_open();
    late_ref late = late_begin(on_overrun, NULL);
    sp_monitor_ref monitor;
    CHECK_OK(late_defer(late, &(sp_empty){ 0 }, &(sp_empty){ 0 }, IO_PATIENCE));
    CHECK_OK(sp_monitor(late.pid, &monitor));
    CHECK_OK(sp_stop(late.pid, sp_reason_shutdown(), IO_PATIENCE));
    struct sp_message *message = expect_message();
    CHECK_INT(sp_reason_kind(sp_message_down(message)->reason), SP_REASON_SHUTDOWN);
    sp_message_free(message);
    CHECK_INT(overruns(), 3);
    CHECK_INT(atomic_load(&books.began), 3);
    CHECK_INT(atomic_load(&books.cancelled), cancelled);
    io_close();
}

TEST(late_deferred_functions_are_cancelled)
{
    late_deferred_end(SP_OVERRUN_CANCEL, 3);
    CHECK_STR(atomic_load(&books.slow), "a deferred function");
}

TEST(late_deferred_functions_are_stopped)
{
    late_deferred_end(SP_OVERRUN_STOP, 0);
}

TEST(a_late_deferred_function_of_one_that_was_killed_is_stopped)
{
    late_open();
    late_ref late = late_begin(SP_OVERRUN_STOP, NULL);
    sp_monitor_ref monitor;
    CHECK_OK(late_defer(late, &(sp_empty){ 0 }, &(sp_empty){ 0 }, IO_PATIENCE));
    CHECK_OK(sp_monitor(late.pid, &monitor));
    CHECK_OK(sp_kill(late.pid));
    struct sp_message *message = expect_message();
    CHECK_INT(sp_reason_kind(sp_message_down(message)->reason), SP_REASON_KILLED);
    sp_message_free(message);
    CHECK_INT(overruns(), 2);
    CHECK_INT(atomic_load(&books.began), 2);
    io_close();
}

/* ---- health ---- */

TEST(a_late_health_is_cancelled)
{
    struct sp_health_options options = { .limit = sp_sec(60) };
    struct sp_health_report report;
    struct sp_health_check check;
    late_open();
    late_ref late = late_begin(SP_OVERRUN_CANCEL, NULL);
    CHECK_OK(sp_health(&options, &check, 1, &report));
    CHECK_INT(report.count, 1);
    CHECK_INT(check.health.status, SP_DEGRADED);
    CHECK_INT(atomic_load(&books.cancelled), 1);
    check_line("its handler of health has not returned after");
    CHECK_OK(sp_kill(late.pid));
    io_close();
}

/* ---- attached streams ---- */

static void order_release(void *arg)
{
    struct io_end *end = arg;
    CHECK_OK(sp_stream_release(end->stream));
}

static late_ref late_attached(enum sp_overrun on_overrun, struct io_end *out_peer)
{
    late_open();
    struct io_link link = link_open(NULL);
    puppet_do(link.b.puppet, order_release, &link.b);
    puppet_exit(link.b.puppet, NULL);
    *out_peer = link.a;
    return late_begin(on_overrun, link.b.stream);
}

TEST(each_late_frame_is_cancelled)
{
    struct io_end peer;
    late_ref late = late_attached(SP_OVERRUN_CANCEL, &peer);
    CHECK_OK(end_write(&peer, "one\ntwo\n", 8));
    await(&books.cancelled, 2);
    CHECK_INT(overruns(), 2);
    check_line("its handler of on_frame has not returned after");
    CHECK_OK(end_shutdown(&peer));
    await(&books.cancelled, 3);
    bool cancelled = true;
    CHECK_OK(late_ask(late, &(sp_empty){ 0 }, &cancelled, IO_PATIENCE));
    CHECK_STR(atomic_load(&books.slow), "on_end");
    CHECK_OK(sp_kill(late.pid));
    io_close();
}

TEST(a_late_frame_ends_its_process_before_the_next_one)
{
    struct io_end peer;
    late_ref late = late_attached(SP_OVERRUN_STOP, &peer);
    sp_monitor_ref monitor;
    CHECK_OK(sp_monitor(late.pid, &monitor));
    CHECK_OK(end_write(&peer, "one\ntwo\n", 8));
    expect_stopped("handler of on_frame passed its deadline");
    CHECK_INT(atomic_load(&books.began), 1);
    io_close();
}
