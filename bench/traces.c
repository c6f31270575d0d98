/* What tracing costs: calls, and a token between two servers, in all its settings in turn.
 *
 * A call by the program's main process is a request of its own; the token's way is one request.
 * Neighbours: bench.h.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TRACES_ROUNDS = 20,
    TRACES_BUFFER = 1 << 17, /* all that is recorded in one round */
    TRACES_READ = 1024,
};

SP_SERVER(traced, sp_empty);
SP_CALL(traced, next, sp_empty, int64_t);

struct traced {
    int64_t value;
};

static sp_err traced_init(struct traced *self, const sp_empty *args)
{
    (void)args;
    self->value = 0;
    return SP_OK;
}

static sp_err traced_on_next(struct traced *self, const sp_empty *in, int64_t *out)
{
    (void)in;
    *out = ++self->value;
    return SP_OK;
}

SP_STATE(traced, struct traced);
SP_ON_INIT(traced);
SP_ON_CALL(traced, next);
SP_CLASS(traced, .init = traced__init);

struct bat_token {
    sp_pid main;
    sp_pid other;
    int64_t left;
};

SP_SERVER(bat, sp_empty);
SP_CAST(bat, token, struct bat_token);

static void bat_on_token(sp_empty *self, const struct bat_token *in)
{
    (void)self;
    if (in->left == 0)
        bench_must(bench_done_send(in->main, &(struct bench_done){ 0 }), "done");
    else
        bench_must(bat_token((bat_ref){ in->other },
                             &(struct bat_token){ in->main, sp_self(), in->left - 1 }),
                   "a hop");
}

SP_STATE(bat, sp_empty);
SP_ON_CAST(bat, token);
SP_CLASS(bat, .init = NULL);

/* ---- one setting after another ---- */

struct setting {
    const char *name;
    double ratio;
    bool off;
    bool errors_dropped;
};

static const struct setting settings[] = {
    { .name = "off", .off = true },
    { .name = "on", .errors_dropped = true },
    { .name = "ids" },
    { .name = "1_percent", .ratio = 0.01 },
    { .name = "all", .ratio = 1 },
};
enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static void setting_begin(const struct setting *setting)
{
    struct sp_runtime *runtime = sp_runtime_current();
    if (setting->off)
        sp_trace_stop(runtime);
    else
        bench_must(sp_trace_start(runtime, &(struct sp_trace_options){ .ratio = setting->ratio,
                                                                       .errors_dropped =
                                                                           setting->errors_dropped,
                                                                       .buffer = TRACES_BUFFER }),
                   "tracing");
}

/* So that the next round finds room. */
static void setting_end(void)
{
    static struct sp_trace_record records[TRACES_READ];
    struct sp_runtime *runtime = sp_runtime_current();
    for (size_t count; (count = sp_trace_read(runtime, records, TRACES_READ)) > 0;)
        sp_trace_release(records, count);
}

static int compare(const void *a, const void *b)
{
    double one = *(const double *)a;
    double other = *(const double *)b;
    return (one > other) - (one < other);
}

static void report(const char *what, double ns[SETTINGS][TRACES_ROUNDS])
{
    char metric[64];
    for (unsigned i = 0; i < SETTINGS; i++) {
        qsort(ns[i], TRACES_ROUNDS, sizeof(double), compare);
        snprintf(metric, sizeof(metric), "ns_per_%s_%s", what, settings[i].name);
        bench_out(metric, ns[i][TRACES_ROUNDS / 2]);
    }
}

static void traces_run(const struct bench_options *options)
{
    static double call_ns[SETTINGS][TRACES_ROUNDS];
    static double hop_ns[SETTINGS][TRACES_ROUNDS];
    int64_t calls = (int64_t)bench_size(options, 10000);
    traced_ref server;
    bat_ref bats[2];
    sp_empty none = { 0 };
    bench_must(traced_start(&none, NULL, &server), "starting");
    bench_must(bat_start(&none, NULL, &bats[0]), "starting");
    bench_must(bat_start(&none, NULL, &bats[1]), "starting");
    for (int round = 0; round < TRACES_ROUNDS; round++) {
        for (unsigned i = 0; i < SETTINGS; i++) {
            int64_t value;
            setting_begin(&settings[i]);
            int64_t start_ns = bench_now_ns();
            for (int64_t call = 0; call < calls; call++)
                bench_must(traced_next(server, &none, &value, sp_never()), "calling");
            call_ns[i][round] = (double)(bench_now_ns() - start_ns) / (double)calls;
            setting_end();
            start_ns = bench_now_ns();
            bench_must(bat_token(bats[0], &(struct bat_token){ sp_self(), bats[1].pid, 4 * calls }),
                       "the first hop");
            bench_await(1);
            hop_ns[i][round] = (double)(bench_now_ns() - start_ns) / (double)(4 * calls);
            setting_end();
        }
    }
    report("call", call_ns);
    report("message", hop_ns);
}

const struct bench_workload bench_traces[] = {
    { .name = "observe_trace",
      .about = "calls and messages with tracing off, on, with numbers, 1 % and all followed",
      .run = traces_run },
    { .name = NULL },
};
