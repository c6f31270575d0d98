/* Looking for stuck handlers, and taking their workers away. See handoff.h. */
#include "runtime/real/handoff.h"

#include "base/text.h"
#include "base/usdt.h"
#include "runtime/log.h"
#include "runtime/real/clock.h"
#include "runtime/real/futex.h"
#include "runtime/real/membarrier.h"
#include "runtime/real/real.h"

enum {
    HANDOFF_LOOKS = 2, /* that find nothing new */
    HANDOFF_DRAIN_BATCH = 64,
    HANDOFF_FRAMES_SHOWN = 8,
};

#define HANDOFF_REPORT_NS SP_NS_PER_S       /* a line at most so often */
#define HANDOFF_STACK_NS (5 * SP_NS_PER_MS) /* a stack is waited for so long */

/* How a stuck handler passes its time. */
enum handoff_kind {
    HANDOFF_WAITS_FOR_CPU, /* not stuck yet */
    HANDOFF_COMPUTES,
    HANDOFF_SLEEPS,
};

int64_t sp__handoff_period(struct sp__real *real)
{
    int64_t after = real->runtime->options.stuck_after.ns;
    return after < 0 ? INT64_MAX : after / HANDOFF_LOOKS;
}

/* ---- looking ---- */

static struct sp__effort effort_of(struct sp__runner *runner)
{
    struct sp__counters *counters = &runner->context.counters;
    /* relaxed: only whether they move. */
    return (struct sp__effort){
        .cpu_ns = sp__thread_cpu_ns(&runner->id),
        .calls = atomic_load_explicit(&counters->sent, memory_order_relaxed) +
                 atomic_load_explicit(&counters->spawned, memory_order_relaxed),
    };
}

/* Did it compute for half of a period since `before`? */
static bool effort_computes(const struct sp__effort *before, const struct sp__effort *now,
                            int64_t period_ns)
{
    return now->cpu_ns - before->cpu_ns >= period_ns / 2;
}

/* True: the worker is in the same handler as at the last look, and that got nowhere. */
static bool sample_same(struct sp__worker *worker, struct sp__sample *now)
{
    const struct sp__sample *before = &worker->sample;
    struct sp__runner *runner = worker->runner;
    *now = (struct sp__sample){
        .runner = runner,
        /* relaxed, all three: the hand-shake comes later. */
        .actor = atomic_load_explicit(&runner->running, memory_order_relaxed),
        .turns = atomic_load_explicit(&runner->turns, memory_order_relaxed),
        .handled = atomic_load_explicit(&runner->context.counters.handled, memory_order_relaxed),
    };
    return now->actor != NULL && now->runner == before->runner && now->actor == before->actor &&
           now->turns == before->turns && now->handled == before->handled;
}

static enum handoff_kind sample_kind(const struct sp__sample *sample, int64_t period_ns)
{
    struct sp__effort now = effort_of(sample->runner);
    if (effort_computes(&sample->effort, &now, period_ns))
        return HANDOFF_COMPUTES;
    return sp__thread_sleeps(&sample->runner->id) ? HANDOFF_SLEEPS : HANDOFF_WAITS_FOR_CPU;
}

/* ---- the hand-shake; runner.h explains it ---- */

/* True: the monitor has the worker, and must give it to somebody. */
static bool handoff_take(struct sp__real *real, struct sp__worker *worker)
    SP__REQUIRES(real->handoff_lock)
{
    struct sp__runner *runner = worker->runner;
    /* seq_cst and the barrier: before the load of `running`; pairs with sp__runner_enter(). */
    atomic_store_explicit(&runner->lost, 1, memory_order_seq_cst);
    if (real->runtime->epoch.asymmetric)
        sp__membarrier();
    else
        sp__fence_full();
    /* acquire: pairs with the release in sp__runner_leave(). */
    struct sp__actor *actor = atomic_load_explicit(&runner->running, memory_order_acquire);
    bool same = actor == worker->sample.actor &&
                atomic_load_explicit(&runner->turns, memory_order_relaxed) == worker->sample.turns;
    if (!same)
        atomic_store_explicit(&runner->lost, 0, memory_order_release);
    return same;
}

static void handoff_demote(struct sp__runner *runner)
{
    if (!runner->priority.demoted && !runner->starting)
        sp__thread_demote(&runner->id, &runner->priority);
}

/* ---- when there is no other runner ---- */

/* Anything that waits in the worker, in the order in which it would have run. */
static struct sp__actor *handoff_pop(struct sp__worker *worker)
{
    struct sp__actor *actor = sp__runner_take_next(worker->runner);
    if (actor == NULL)
        actor = sp__young_stack_pop(&worker->young);
    return actor != NULL ? actor : sp__run_queue_pop(&worker->queue);
}

/* All of it, to where others take it. Returns how many. */
static size_t handoff_drain(struct sp__worker *worker)
{
    struct sp__actor *batch[HANDOFF_DRAIN_BATCH];
    size_t total = 0;
    size_t count;
    do {
        count = 0;
        while (count < HANDOFF_DRAIN_BATCH && (batch[count] = handoff_pop(worker)) != NULL)
            count++;
        if (count != 0)
            sp__real_global_push(worker->real, batch, count);
        total += count;
    } while (count == HANDOFF_DRAIN_BATCH);
    return total;
}

static void handoff_limit(struct sp__real *real, struct sp__worker *worker)
{
    size_t moved = 0;
    sp__lock_lock(&real->handoff_lock);
    if (handoff_take(real, worker)) {
        moved = handoff_drain(worker);
        /* release: pairs with the acquire in sp__runner_enter(); the worker is changed. */
        atomic_store_explicit(&worker->runner->lost, 0, memory_order_release);
    }
    sp__lock_unlock(&real->handoff_lock);
    if (moved != 0)
        sp__real_notify(real);
    if (!real->report.limit_told)
        sp__log(real->runtime, SP_LOG_ERROR,
                "a handler is stuck, and there is no other thread for its worker "
                "(%u threads, stuck_threads_max %u)",
                atomic_load_explicit(&real->runtime->worker_threads, memory_order_relaxed),
                real->runtime->options.stuck_threads_max);
    real->report.limit_told = true;
}

/* ---- reports ---- */

struct handoff_report {
    bool due;
    bool has_stack;
    char process[128];
};

/* What has to be asked before the worker changes hands: later the process may be gone. */
static void report_prepare(struct sp__real *real, struct sp__runner *runner,
                           struct sp__actor *actor, enum handoff_kind kind,
                           struct handoff_report *report)
{
    struct sp_runtime *runtime = real->runtime;
    *report = (struct handoff_report){
        .due =
            sp__log_on(runtime, SP_LOG_WARNING) && sp__clock_monotonic_ns() >= real->report.next_ns,
    };
    if (!report->due)
        return;
    struct sp__context *context = &real->watcher.context;
    sp__context_init(context, runtime, SP__CONTEXT_FOREIGN, 0);
    sp__epoch_enter(&context->epoch);
    runtime->describe(actor, report->process, sizeof(report->process));
    sp__epoch_leave(&context->epoch);
    sp__context_finish(context);
    report->has_stack =
        kind == HANDOFF_COMPUTES && sp__probe_ask(&runner->probe, &runner->id, HANDOFF_STACK_NS);
}

static void report_stack(struct sp__text *text, const struct sp__probe *probe)
{
    char frame[96];
    for (int i = 0; i < probe->count && i < HANDOFF_FRAMES_SHOWN; i++) {
        sp__probe_frame_text(probe->frames[i], frame, sizeof(frame));
        sp__text_add(text, "%s%s", i == 0 ? "; at " : ", ", frame);
    }
}

static void report_send(struct sp__real *real, const struct sp__probe *probe,
                        const struct sp__sample *sample, enum handoff_kind kind,
                        const struct handoff_report *report)
{
    if (!report->due) {
        real->report.omitted++;
        return;
    }
    char line[900];
    struct sp__text text;
    int64_t now = sp__clock_monotonic_ns();
    sp__text_init(&text, line, sizeof(line));
    sp__text_add(&text, "%s is stuck: its handler %s for %lld ms; others go on", report->process,
                 kind == HANDOFF_COMPUTES ? "computes" : "blocks its thread",
                 (long long)((now - sample->since_ns) / SP_NS_PER_MS));
    if (real->report.omitted != 0)
        sp__text_add(&text, " (%llu more not reported)", (unsigned long long)real->report.omitted);
    if (report->has_stack)
        report_stack(&text, probe);
    real->report.omitted = 0;
    real->report.next_ns = now + HANDOFF_REPORT_NS;
    sp__log(real->runtime, SP_LOG_WARNING, "%s", sp__text_str(&text));
}

/* ---- handing over ---- */

/* True: there is a spare runner. */
static bool handoff_provide(struct sp__real *real)
{
    uint32_t max = real->worker_count + real->runtime->options.stuck_threads_max;
    sp__lock_lock(&real->handoff_lock);
    bool have = !sp__list_empty(&real->spares);
    sp__lock_unlock(&real->handoff_lock);
    if (have)
        return true;
    return atomic_load_explicit(&real->runtime->worker_threads, memory_order_relaxed) < max &&
           sp__runner_create(real, NULL) == SP_OK;
}

/* Returns who has the worker now; NULL: the handler is not stuck after all. */
static struct sp__runner *handoff_pass(struct sp__real *real, struct sp__worker *worker,
                                       bool demote)
{
    struct sp__runner *stuck = worker->runner;
    struct sp__runner *spare = NULL;
    sp__lock_lock(&real->handoff_lock);
    struct sp__list *link = sp__list_first(&real->spares);
    if (link != NULL && handoff_take(real, worker)) {
        spare = sp__container_of(link, struct sp__runner, spare_link);
        sp__runner_give(spare, worker);
        SP__USDT1(handoff, worker->index);
        /* relaxed: a statistic. */
        atomic_fetch_add_explicit(&real->runtime->handoffs, 1, memory_order_relaxed);
        stuck->behind = true;
        stuck->effort = effort_of(stuck);
        if (demote)
            handoff_demote(stuck);
    }
    sp__lock_unlock(&real->handoff_lock);
    if (spare != NULL)
        sp__futex_wake(&spare->token, 1);
    return spare;
}

static void handoff_worker(struct sp__real *real, struct sp__worker *worker, enum handoff_kind kind)
{
    struct sp__sample sample = worker->sample;
    struct sp__effort now = effort_of(sample.runner);
    struct handoff_report report;
    if (!handoff_provide(real)) {
        handoff_limit(real, worker);
        return;
    }
    report_prepare(real, sample.runner, sample.actor, kind, &report);
    bool demote = kind == HANDOFF_COMPUTES && now.calls == sample.effort.calls;
    if (handoff_pass(real, worker, demote) == NULL)
        return;
    real->report.limit_told = false;
    report_send(real, &sample.runner->probe, &sample, kind, &report);
}

static void handoff_look_at(struct sp__real *real, struct sp__worker *worker, int64_t now_ns)
{
    struct sp__sample *sample = &worker->sample;
    struct sp__sample now;
    if (!sample_same(worker, &now)) {
        now.since_ns = now_ns;
        *sample = now;
        return;
    }
    if (++sample->looks == 1) {
        sample->effort = effort_of(sample->runner);
        return;
    }
    enum handoff_kind kind = sample_kind(sample, sp__handoff_period(real));
    if (kind != HANDOFF_WAITS_FOR_CPU)
        handoff_worker(real, worker, kind);
}

/* Those left behind that slept, and compute now. */
static void handoff_look_behind(struct sp__real *real)
{
    int64_t period = sp__handoff_period(real);
    sp__lock_lock(&real->handoff_lock);
    for (struct sp__list *at = sp__list_first(&real->runners); at != NULL;
         at = sp__list_next(&real->runners, at)) {
        struct sp__runner *runner = sp__container_of(at, struct sp__runner, link);
        if (!runner->behind || runner->priority.demoted)
            continue;
        struct sp__effort now = effort_of(runner);
        if (effort_computes(&runner->effort, &now, period) && now.calls == runner->effort.calls)
            handoff_demote(runner);
        runner->effort = now;
    }
    sp__lock_unlock(&real->handoff_lock);
}

void sp__handoff_look(struct sp__real *real)
{
    int64_t now = sp__clock_monotonic_ns();
    sp__runners_reap(real);
    for (uint32_t i = 0; i < real->worker_count; i++)
        handoff_look_at(real, &real->workers[i], now);
    handoff_look_behind(real);
}
