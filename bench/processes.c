/* Workloads of processes: starting, ending, idling, and a tree of a million. */
#include "bench.h"

#include <stdatomic.h>

/* ---- spawn ------------------------------------------------------------------------------ */

/* Reading the runtime's own count of processes looks at every one: too costly to wait with. */
static void nothing(void *arg)
{
    /* relaxed: only the count matters. */
    atomic_fetch_add_explicit((_Atomic uint64_t *)arg, 1, memory_order_relaxed);
}

static void spawn_run(const struct bench_options *options)
{
    uint64_t count = bench_size(options, 1000000);
    _Atomic uint64_t ran = 0;
    int64_t start_ns = bench_now_ns();
    for (uint64_t i = 0; i < count; i++)
        bench_must(sp_spawn(nothing, &ran, NULL, NULL), "spawning");
    while (atomic_load_explicit(&ran, memory_order_relaxed) < count)
        sp_yield();
    bench_out("ns_per_spawn_exit", (double)(bench_now_ns() - start_ns) / (double)count);
}

/* ---- idle memory --------------------------------------------------------------------------- */

struct idler_args {
    int64_t value;
};
SP_SERVER(idler, struct idler_args);
SP_CAST(idler, add, struct idler_args);

struct idler {
    int64_t value;
};

static sp_err idler_init(struct idler *self, const struct idler_args *args)
{
    self->value = args->value;
    return SP_OK;
}

static void idler_on_add(struct idler *self, const struct idler_args *in)
{
    self->value += in->value;
}

SP_STATE(idler, struct idler);
SP_ON_INIT(idler);
SP_ON_CAST(idler, add);
SP_CLASS(idler, .init = idler__init);

static void idle_memory_run(const struct bench_options *options)
{
    uint64_t count = bench_size(options, 1000000);
    sp_sleep(sp_ms(200));
    double before = bench_memory("VmRSS:");
    int64_t start_ns = bench_now_ns();
    for (uint64_t i = 0; i < count; i++)
        bench_must(idler_start(&(struct idler_args){ (int64_t)i }, NULL, NULL), "starting");
    double ns = (double)(bench_now_ns() - start_ns);
    sp_sleep(sp_ms(500));
    double after = bench_memory("VmRSS:");
    double cpu_s = bench_cpu_s();
    sp_sleep(sp_ms(1000));
    bench_out("bytes_per_actor", (after - before) / (double)count);
    bench_out("ns_per_start", ns / (double)count);
    bench_out("rss_mib", after / 1048576);
    bench_out("idle_cpu_s_per_s", bench_cpu_s() - cpu_s);
}

/* ---- skynet ---------------------------------------------------------------------------------- */

/* An inner node is a server, which waits for ten sums without a stack; a leaf is a plain process. */
struct node_args {
    sp_pid parent; /* a node, or the main process at the top */
    int64_t first;
    int64_t size;
    bool top;
};
struct node_sum {
    int64_t value;
};
SP_SERVER(node, struct node_args);
SP_CAST(node, sum, struct node_sum);

struct node {
    struct node_args args;
    int64_t sum;
    int missing;
};

static void leaf(void *arg)
{
    const struct node_args *self = arg;
    bench_must(node_sum((node_ref){ self->parent }, &(struct node_sum){ self->first }), "a leaf");
}

static sp_err node_init(struct node *self, const struct node_args *args)
{
    *self = (struct node){ .args = *args, .missing = 10 };
    sp_server_continue();
    return SP_OK;
}

static void node_continue(struct node *self)
{
    int64_t part = self->args.size / 10;
    struct sp_spawn_options spawn = { .arg_size = sizeof(struct node_args) };
    for (int i = 0; i < 10; i++) {
        struct node_args child = { .parent = sp_self(),
                                   .first = self->args.first + i * part,
                                   .size = part };
        sp_err err =
            part == 1 ? sp_spawn(leaf, &child, &spawn, NULL) : node_start(&child, NULL, NULL);
        bench_must(err, "a child");
    }
}

static void node_on_sum(struct node *self, const struct node_sum *in)
{
    self->sum += in->value;
    if (--self->missing > 0)
        return;
    sp_err err = self->args.top
                     ? bench_done_send(self->args.parent, &(struct bench_done){ self->sum })
                     : node_sum((node_ref){ self->args.parent }, &(struct node_sum){ self->sum });
    bench_must(err, "a sum");
    sp_server_stop_self(sp_reason_normal());
}

SP_STATE(node, struct node);
SP_ON_INIT(node);
SP_ON_CONTINUE(node);
SP_ON_CAST(node, sum);
SP_CLASS(node, .init = node__init, .on_continue = node__continue);

static void skynet_run(const struct bench_options *options)
{
    int64_t leaves = (int64_t)bench_size(options, 1000000);
    struct node_args args = { .parent = sp_self(), .size = leaves, .top = true };
    int64_t start_ns = bench_now_ns();
    bench_must(node_start(&args, NULL, NULL), "the top");
    int64_t sum = bench_await(1);
    double ns = (double)(bench_now_ns() - start_ns);
    if (sum != leaves * (leaves - 1) / 2)
        bench_fail("the sum is wrong (the size must be a power of ten)");
    bench_out("ms", ns / 1e6);
}

const struct bench_workload bench_processes[] = {
    { .name = "spawn",
      .about = "1 process spawns 1,000,000 that do nothing and end",
      .run = spawn_run },
    { .name = "idle_memory",
      .about = "1,000,000 servers with 8 bytes of state, waiting",
      .run = idle_memory_run },
    { .name = "skynet", .about = "1,000,000 leaves, fan-out 10, sum checked", .run = skynet_run },
    { .name = NULL },
};
