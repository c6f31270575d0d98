/* Workloads of calls: request and reply. */
#include "bench.h"

SP_SERVER(counter, sp_empty);
struct counter_value {
    int64_t value;
};
SP_CALL(counter, next, sp_empty, struct counter_value);

struct counter {
    int64_t value;
};

static sp_err counter_init(struct counter *self, const sp_empty *args)
{
    (void)args;
    self->value = 0;
    return SP_OK;
}

static sp_err counter_on_next(struct counter *self, const sp_empty *in, struct counter_value *out)
{
    (void)in;
    out->value = ++self->value;
    return SP_OK;
}

SP_STATE(counter, struct counter);
SP_ON_INIT(counter);
SP_ON_CALL(counter, next);
SP_CLASS(counter, .init = counter__init);

struct client {
    counter_ref server;
    sp_pid main;
    int64_t calls;
};

static void client_call(counter_ref server, int64_t calls)
{
    struct counter_value value = { 0 };
    for (int64_t i = 0; i < calls; i++)
        bench_must(counter_next(server, &(sp_empty){ 0 }, &value, sp_never()), "calling");
}

static void client_run(void *arg)
{
    const struct client *self = arg;
    client_call(self->server, self->calls);
    bench_must(bench_done_send(self->main, &(struct bench_done){ 0 }), "done");
}

static void call_run(const struct bench_options *options)
{
    int64_t calls = (int64_t)bench_size(options, 1000000);
    counter_ref server;
    bench_must(counter_start(&(sp_empty){ 0 }, NULL, &server), "starting");
    int64_t start_ns = bench_now_ns();
    client_call(server, calls);
    bench_out("ns_per_call", (double)(bench_now_ns() - start_ns) / (double)calls);
}

static void call_c1000_run(const struct bench_options *options)
{
    enum { CLIENTS = 1000 };
    struct client client = { .main = sp_self(), .calls = (int64_t)bench_size(options, 1000) };
    bench_must(counter_start(&(sp_empty){ 0 }, NULL, &client.server), "starting");
    struct sp_spawn_options spawn = { .arg_size = sizeof client };
    int64_t start_ns = bench_now_ns();
    for (int i = 0; i < CLIENTS; i++)
        bench_must(sp_spawn(client_run, &client, &spawn, NULL), "spawning a client");
    bench_await(CLIENTS);
    double ns = (double)(bench_now_ns() - start_ns);
    bench_out("ns_per_call", ns / (CLIENTS * (double)client.calls));
}

static int64_t calls_timed(counter_ref server, int64_t calls)
{
    int64_t start_ns = bench_now_ns();
    client_call(server, calls);
    return bench_now_ns() - start_ns;
}

double bench_calls_ns(int64_t calls)
{
    counter_ref server;
    bench_must(counter_start(&(sp_empty){ 0 }, NULL, &server), "starting");
    double ns = (double)calls_timed(server, calls);
    bench_must(counter_stop(server, sp_never()), "stopping");
    return ns;
}

/* The same calls with the recorder off and on, in turn; then how many events they are. */
static void recorder_run(const struct bench_options *options)
{
    enum { ROUNDS = 10, EVENTS = 4096, COUNTED = 500 };
    static struct sp_record records[4 * EVENTS];
    struct sp_runtime *runtime = sp_runtime_current();
    int64_t calls = (int64_t)bench_size(options, 100000);
    int64_t off_ns = 0;
    int64_t on_ns = 0;
    uint64_t since = 0;
    counter_ref server;
    bench_must(counter_start(&(sp_empty){ 0 }, NULL, &server), "starting");
    (void)calls_timed(server, calls);
    for (int i = 0; i < ROUNDS; i++) {
        off_ns += calls_timed(server, calls);
        bench_must(sp_recorder_start(runtime, NULL), "recording");
        on_ns += calls_timed(server, calls);
        (void)sp_recorder_read(runtime, &since, records, 4 * EVENTS);
        client_call(server, COUNTED);
        sp_recorder_stop(runtime);
    }
    double events = (double)sp_recorder_read(runtime, &since, records, 4 * EVENTS) / COUNTED;
    double all = (double)calls * ROUNDS;
    bench_out("events_per_call", events);
    bench_out("ns_per_call_off", (double)off_ns / all);
    bench_out("ns_per_call_on", (double)on_ns / all);
    bench_out("ns_per_event", (double)(on_ns - off_ns) / all / events);
}

const struct bench_workload bench_calls[] = {
    { .name = "call", .about = "1 client x 1,000,000 calls of a server", .run = call_run },
    { .name = "call_c1000",
      .about = "1,000 clients x 1,000 calls of one server",
      .run = call_c1000_run },
    { .name = "observe_recorder",
      .about = "calls with the flight recorder off and on, the cost of an event",
      .run = recorder_run },
    { .name = NULL },
};
