/* Traces under every schedule: where all requests are followed and nothing is lost, the parent of each span
 * is a span of the same trace, whoever was killed when; and the ids are the seed's.
 */
#include "accept.h"

enum { RECORDS = 512, DEPTH = 3 };

struct step {
    int left;
};

SP_SERVER(stage, sp_pid);
SP_CALL(stage, call, struct step, int);
SP_CAST(stage, cast, struct step);

struct stage {
    sp_pid next; /* or none */
};

static sp_err stage_init(struct stage *self, const sp_pid *in)
{
    self->next = *in;
    return SP_OK;
}

SP_TASK(relays, sp_pid, int);
static sp_err relays_run(const sp_pid *in, int *out)
{
    *out = 0;
    return stage_cast((stage_ref){ *in }, &(struct step){ 0 });
}
SP_ON_TASK(relays);

/* Goes on in one of several ways; what fails there fails here. */
static sp_err stage_go_on(struct stage *self, const struct step *in)
{
    stage_ref next = { self->next };
    struct step step = { in->left - 1 };
    int out = 0;
    relays_task task;
    if (in->left == 0 || sp_pid_is_none(self->next))
        return SP_OK;
    switch (sp_choose(5)) {
    case 0:
        return stage_call(next, &step, &out, sp_after_ms(20));
    case 1:
        return stage_cast(next, &step);
    case 2:
        return sp_timer_start(next.pid, &stage_cast_op.in, &step,
                              &(struct sp_timer_options){ .after = sp_us(10) }, NULL);
    case 3:
        if (relays_spawn(&self->next, NULL, &task) != SP_OK)
            return SP_ERR_NOMEM;
        return relays_join(task, &out, sp_never());
    default: {
        sp_trace_span span = sp_trace_span_start("own");
        sp_err err = stage_call(next, &step, &out, sp_after_ms(20));
        if (sp_choose(2) == 0)
            sp_trace_span_end(span, err);
        return err;
    }
    }
}

static sp_err stage_on_call(struct stage *self, const struct step *in, int *out)
{
    *out = 1;
    return stage_go_on(self, in);
}

static void stage_on_cast(struct stage *self, const struct step *in)
{
    sp_ignore(stage_go_on(self, in));
}

SP_STATE(stage, struct stage);
SP_ON_INIT(stage);
SP_ON_CALL(stage, call);
SP_ON_CAST(stage, cast);
SP_CLASS(stage, .init = stage__init);

static sp_pid stages[DEPTH];

/* Somebody is killed at any moment. */
static void strikes(void *unused)
{
    (void)unused;
    if (sp_choose(2) == 0)
        sp_sleep(sp_us(sp_choose(30)));
    sp_ignore(sp_kill(stages[sp_choose(DEPTH)]));
}

static void asks(void *unused)
{
    (void)unused;
    int out = 0;
    for (int i = 0; i < 3; i++)
        sp_ignore(
            stage_call((stage_ref){ stages[0] }, &(struct step){ DEPTH }, &out, sp_after_ms(20)));
}

static bool same_trace(const struct sp_trace_record *a, const struct sp_trace_record *b)
{
    return a->context.trace.high == b->context.trace.high &&
           a->context.trace.low == b->context.trace.low;
}

static uint64_t records_check(struct sp_trace_record *records, size_t count)
{
    uint64_t mixed = 0;
    for (size_t i = 0; i < count; i++) {
        bool found = records[i].parent == 0;
        for (size_t j = 0; j < count; j++) {
            found = found || (same_trace(&records[i], &records[j]) &&
                              records[i].parent == records[j].context.span);
            EXPECT(i == j || records[i].context.span != records[j].context.span);
        }
        EXPECT(found);
        EXPECT(records[i].end.ns >= records[i].start.ns && records[i].queued.ns >= 0);
        mixed = mixed * 31 + (records[i].context.span ^ records[i].context.trace.low);
    }
    return mixed;
}

static void tracing(void *unused)
{
    static struct sp_trace_record records[RECORDS];
    (void)unused;
    struct sp_runtime *runtime = sp_runtime_current();
    EXPECT(sp_trace_start(runtime, &(struct sp_trace_options){ .ratio = 1 }) == SP_OK);
    for (int i = DEPTH - 1; i >= 0; i--) {
        stage_ref ref;
        sp_pid next = i == DEPTH - 1 ? SP_PID_NONE : stages[i + 1];
        EXPECT(stage_start(&next, NULL, &ref) == SP_OK);
        stages[i] = ref.pid;
    }
    sp_pid first = accept_spawn(NULL, asks, NULL);
    sp_pid second = accept_spawn(NULL, asks, NULL);
    sp_pid killer = accept_spawn(NULL, strikes, NULL);
    accept_join(first);
    accept_join(second);
    accept_join(killer);
    accept_settle();
    for (int i = 0; i < DEPTH; i++) {
        sp_ignore(sp_kill(stages[i]));
        accept_join(stages[i]);
    }
    struct sp_trace_stats stats;
    sp_trace_stats(runtime, &stats);
    EXPECT(stats.lost == 0);
    size_t count = sp_trace_read(runtime, records, RECORDS);
    EXPECT(count == stats.recorded);
    uint64_t mixed = records_check(records, count);
    sp_trace_release(records, count);
    /* A replay whose ids are others goes another way here, which the simulation finds. */
    sp_sleep(sp_us((int64_t)(mixed % 7)));
    sp_trace_stop(runtime);
    accept_close();
}
ACCEPT(spans_have_their_parents, tracing);
