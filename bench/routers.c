/* Workloads of routers: what choosing costs, beside the same casts to a pid that is known.
 *
 * One sender casts in bursts to routees on its own worker and lets them handle each burst, so that
 * mailboxes are neither full nor on another core.
 *
 * Neighbours: bench.h.
 */
#include "bench.h"

#include "spawned/router.h"

#include <stdlib.h>

enum {
    ROUTER_CASTS = 4000000,
    ROUTER_BURST = 256,
    ROUTER_FEW = 8,
    ROUTER_MANY = 64,
    ROUTER_HASHED = 1000,
};

struct bench_sink {
    uint64_t count;
};
SP_SERVER(bench_sink, sp_empty);
SP_CAST(bench_sink, number, uint64_t);
SP_CALL(bench_sink, counted, sp_empty, uint64_t);
SP_ROUTER(bench_sink);
SP_ROUTED_CAST(bench_sink, number);
SP_ROUTED_CALL(bench_sink, counted);

static void bench_sink_on_number(struct bench_sink *self, const uint64_t *in)
{
    (void)in;
    self->count++;
}
static sp_err bench_sink_on_counted(struct bench_sink *self, const sp_empty *in, uint64_t *out)
{
    (void)in;
    *out = self->count;
    return SP_OK;
}
SP_STATE(bench_sink, struct bench_sink);
SP_ON_CAST(bench_sink, number);
SP_ON_CALL(bench_sink, counted);
SP_CLASS(bench_sink, .init = NULL);

/* The sinks of one measurement. */
struct sinks {
    bench_sink_ref *refs;
    uint32_t count;
};

static struct sinks sinks_start(uint32_t count)
{
    struct sinks sinks = { calloc(count, sizeof(*sinks.refs)), count };
    if (sinks.refs == NULL)
        bench_must(SP_ERR_NOMEM, "the sinks");
    for (uint32_t i = 0; i < count; i++)
        bench_must(bench_sink_start(&(sp_empty){ 0 }, NULL, &sinks.refs[i]), "a sink");
    return sinks;
}

/* Ends them, once all is handled; fails unless they got `total`. The most that one got, in percent
 * over the average. */
static double sinks_end(struct sinks *sinks, uint64_t total)
{
    uint64_t sum = 0;
    uint64_t most = 0;
    for (uint32_t i = 0; i < sinks->count; i++) {
        uint64_t counted;
        bench_must(bench_sink_counted(sinks->refs[i], &(sp_empty){ 0 }, &counted, sp_never()),
                   "counting");
        bench_must(bench_sink_stop(sinks->refs[i], sp_never()), "stopping");
        sum += counted;
        most = counted > most ? counted : most;
    }
    free(sinks->refs);
    if (sum != total)
        bench_fail("messages are missing");
    return 100.0 * ((double)most * sinks->count / (double)total - 1);
}

/* A key from a number: neighbours are far apart. */
static inline uint64_t key_of(uint64_t i)
{
    i = (i ^ (i >> 31)) * UINT64_C(0x9e3779b97f4a7c15);
    return (i ^ (i >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
}

/* ns of a cast, of the casts alone: what handling takes is not in it. */
static double direct_ns(const struct sinks *sinks, uint64_t casts, bool keyed)
{
    int64_t spent_ns = 0;
    uint32_t at = 0;
    for (uint64_t i = 0; i < casts; i += ROUTER_BURST) {
        int64_t start_ns = bench_now_ns();
        for (uint64_t j = 0; j < ROUTER_BURST; j++) {
            if (keyed) /* in no order, as by keys */
                at = (uint32_t)((key_of(i + j) >> 32) * sinks->count >> 32);
            else
                at = at + 1 == sinks->count ? 0 : at + 1;
            bench_must(bench_sink_number(sinks->refs[at], &j), "casting");
        }
        spent_ns += bench_now_ns() - start_ns;
        sp_yield();
    }
    return (double)spent_ns / (double)casts;
}

static double routed_ns(bench_sink_router router, uint64_t casts)
{
    int64_t spent_ns = 0;
    for (uint64_t i = 0; i < casts; i += ROUTER_BURST) {
        int64_t start_ns = bench_now_ns();
        for (uint64_t j = 0; j < ROUTER_BURST; j++)
            bench_must(bench_sink_route_number(router, &j), "routing");
        spent_ns += bench_now_ns() - start_ns;
        sp_yield();
    }
    return (double)spent_ns / (double)casts;
}

static double keyed_ns(bench_sink_router router, uint64_t casts)
{
    int64_t spent_ns = 0;
    for (uint64_t i = 0; i < casts; i += ROUTER_BURST) {
        int64_t start_ns = bench_now_ns();
        for (uint64_t j = 0; j < ROUTER_BURST; j++)
            bench_must(bench_sink_route_number_key(router, key_of(i + j), &j), "routing");
        spent_ns += bench_now_ns() - start_ns;
        sp_yield();
    }
    return (double)spent_ns / (double)casts;
}

/* Direct, routed, direct, ...: what the machine does meanwhile falls on both. */
static void router_measure(const struct bench_options *options, enum sp_router_strategy strategy,
                           uint32_t routees)
{
    enum { ROUNDS = 8 };
    uint64_t casts = bench_size(options, ROUTER_CASTS) / ROUNDS / ROUTER_BURST * ROUTER_BURST;
    bool keyed = strategy == SP_ROUTE_HASH || strategy == SP_ROUTE_STICKY;
    struct sinks sinks = sinks_start(routees);
    struct sinks plain = sinks_start(routees);
    bench_sink_router router;
    double direct = 0;
    double routed = 0;
    bench_must(
        bench_sink_router_start(&(struct sp_router_options){ .strategy = strategy }, &router),
        "the router");
    bench_must(bench_sink_router_add(router, sinks.refs, sinks.count), "adding");
    for (int i = 0; i < ROUNDS; i++) {
        direct += direct_ns(&plain, casts, keyed) / ROUNDS;
        routed += (keyed ? keyed_ns(router, casts) : routed_ns(router, casts)) / ROUNDS;
    }
    bench_out("ns_direct", direct);
    bench_out("ns_routed", routed);
    bench_out("ns_over", routed - direct);
    double imbalance = sinks_end(&sinks, casts * ROUNDS);
    if (!keyed) /* with so few keys it is chance; the test of the spread looks at that */
        bench_out("imbalance_percent", imbalance);
    (void)sinks_end(&plain, casts * ROUNDS);
    bench_must(bench_sink_router_stop(router, sp_never()), "stopping");
}

static void router_round_robin_run(const struct bench_options *options)
{
    router_measure(options, SP_ROUTE_ROUND_ROBIN, ROUTER_FEW);
}

static void router_random_run(const struct bench_options *options)
{
    router_measure(options, SP_ROUTE_RANDOM, ROUTER_FEW);
}

static void router_smallest_run(const struct bench_options *options)
{
    router_measure(options, SP_ROUTE_SMALLEST, ROUTER_MANY);
}

static void router_smallest_of_all_run(const struct bench_options *options)
{
    router_measure(options, SP_ROUTE_SMALLEST_OF_ALL, ROUTER_MANY);
}

static void router_hash_run(const struct bench_options *options)
{
    router_measure(options, SP_ROUTE_HASH, ROUTER_HASHED);
}

static void router_sticky_run(const struct bench_options *options)
{
    router_measure(options, SP_ROUTE_STICKY, ROUTER_FEW);
}

static void router_call_run(const struct bench_options *options)
{
    uint64_t calls = bench_size(options, ROUTER_CASTS) / 4;
    struct sinks sinks = sinks_start(ROUTER_FEW);
    bench_sink_router router;
    uint64_t out;
    sp_empty in = { 0 };
    bench_must(bench_sink_router_start(NULL, &router), "the router");
    bench_must(bench_sink_router_add(router, sinks.refs, sinks.count), "adding");
    int64_t start_ns = bench_now_ns();
    for (uint64_t i = 0; i < calls; i++)
        bench_must(bench_sink_counted(sinks.refs[i % ROUTER_FEW], &in, &out, sp_never()),
                   "calling");
    int64_t middle_ns = bench_now_ns();
    for (uint64_t i = 0; i < calls; i++)
        bench_must(bench_sink_route_counted(router, &in, &out, sp_never()), "routing");
    int64_t end_ns = bench_now_ns();
    bench_out("ns_direct", (double)(middle_ns - start_ns) / (double)calls);
    bench_out("ns_routed", (double)(end_ns - middle_ns) / (double)calls);
    bench_out("ns_over", (double)(end_ns - 2 * middle_ns + start_ns) / (double)calls);
}

const struct bench_workload bench_routers[] = {
    { .name = "router_cast",
      .about = "4,000,000 casts by a router, round robin over 8, beside as many to known pids",
      .run = router_round_robin_run },
    { .name = "router_random", .about = "the same at random", .run = router_random_run },
    { .name = "router_smallest",
      .about = "the same to the smaller mailbox of two, of 64",
      .run = router_smallest_run },
    { .name = "router_smallest_all",
      .about = "the same to the smallest mailbox of 64",
      .run = router_smallest_of_all_run },
    { .name = "router_hash",
      .about = "the same by key, consistent, among 1,000",
      .run = router_hash_run },
    { .name = "router_sticky",
      .about = "the same by key to who is busy with it, of 8; each key once",
      .run = router_sticky_run },
    { .name = "router_call",
      .about = "1,000,000 calls by a router, round robin over 8, beside as many to known pids",
      .run = router_call_run },
    { .name = NULL },
};
