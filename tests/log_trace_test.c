/* A line that is logged in a request which is followed has the trace and the span it was in. */
#include "support/test.h"

#include <spawned/log.h>
#include <spawned/spawned.h>
#include <spawned/trace.h>
#include <stdatomic.h>
#include <string.h>

static struct sp_trace_context seen;
static uint8_t trace_id[16];
static uint8_t span_id[8];
static _Atomic int traced;
static _Atomic int plain;

static void take_line(void *context, const struct sp_log_record *record)
{
    (void)context;
    if (!record->traced) {
        atomic_fetch_add(&plain, 1);
        return;
    }
    memcpy(trace_id, record->trace_id, sizeof(trace_id));
    memcpy(span_id, record->span_id, sizeof(span_id));
    atomic_fetch_add(&traced, 1);
}

SP_SERVER(clerk, sp_empty);
SP_CALL(clerk, work, sp_empty, bool);

static sp_err clerk_on_work(sp_empty *self, const sp_empty *in, bool *out)
{
    (void)self;
    (void)in;
    *out = sp_trace_current(&seen);
    sp_log(SP_LOG_INFO, "at work");
    return SP_OK;
}

SP_STATE(clerk, sp_empty);
SP_ON_CALL(clerk, work);
SP_CLASS(clerk, .init = NULL);

static int clerk_main(void *arg)
{
    (void)arg;
    sp_empty none = { 0 };
    clerk_ref clerk;
    bool is_traced;
    CHECK_OK(clerk_start(&none, NULL, &clerk));
    CHECK_OK(clerk_work(clerk, &none, &is_traced, sp_never()));
    CHECK(!is_traced);
    CHECK_OK(sp_trace_start(sp_runtime_current(), &(struct sp_trace_options){ .ratio = 1 }));
    CHECK_OK(clerk_work(clerk, &none, &is_traced, sp_never()));
    CHECK(is_traced);
    CHECK_OK(sp_log_flush(sp_runtime_current(), sp_after_sec(60)));
    return 0;
}

static uint64_t number_of(const uint8_t *bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | bytes[i];
    return number;
}

TEST(a_line_has_the_trace_it_was_logged_in)
{
    struct sp_runtime_options options = { .workers = 2, .log = { .fn = take_line } };
    CHECK_INT(sp_main(clerk_main, NULL, &options), 0);
    CHECK_INT(atomic_load(&traced), 1);
    CHECK(atomic_load(&plain) >= 1);
    CHECK(number_of(trace_id) == seen.trace.high && number_of(trace_id + 8) == seen.trace.low);
    CHECK(number_of(span_id) == seen.span && seen.span != 0);
}
