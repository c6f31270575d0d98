/* Workloads of looking at a node with a million processes.
 *
 * Neighbours: bench.h.
 */
#include "bench.h"

#include "spawned/inspect.h"

enum {
    OBSERVE_PROCESSES = 1000000,
    OBSERVE_ROWS = 100,
    OBSERVE_TIMES = 9,
    OBSERVE_CURSOR = 1000, /* a page in the middle, where there are so many */
};

/* A server that waits has no stack. */
SP_SERVER(observed, int64_t);
SP_CAST(observed, set, int64_t);

struct observed {
    int64_t value;
};

static sp_err observed_init(struct observed *self, const int64_t *in)
{
    self->value = *in;
    return SP_OK;
}

static void observed_on_set(struct observed *self, const int64_t *in)
{
    self->value = *in;
}

SP_STATE(observed, struct observed);
SP_ON_INIT(observed);
SP_ON_CAST(observed, set);
SP_CLASS(observed, .init = observed__init);

static void observe_start(uint64_t count)
{
    for (int64_t i = 0; i < (int64_t)count; i++)
        bench_must(observed_start(&i, NULL, NULL), "starting");
}

/* The best of some: of what is asked for again and again nobody minds the first. */
static void observe_page(const char *metric, const struct sp_inspect_query *query)
{
    static struct sp_inspect rows[OBSERVE_ROWS];
    int64_t best_ns = INT64_MAX;
    for (int i = 0; i < OBSERVE_TIMES; i++) {
        struct sp_inspect_page page;
        int64_t start_ns = bench_now_ns();
        bench_must(sp_inspect_list(query, rows, OBSERVE_ROWS, &page), "a page");
        int64_t took_ns = bench_now_ns() - start_ns;
        if (page.count != OBSERVE_ROWS && page.total > 2 * OBSERVE_CURSOR)
            bench_fail("a page is not full");
        if (took_ns < best_ns)
            best_ns = took_ns;
    }
    bench_out(metric, (double)best_ns / 1e6);
}

static void observe_page_run(const struct bench_options *options)
{
    observe_start(bench_size(options, OBSERVE_PROCESSES));
    observe_page("table_ms", &(struct sp_inspect_query){ .cursor = OBSERVE_CURSOR });
    observe_page("mailbox_ms",
                 &(struct sp_inspect_query){ .sort = SP_INSPECT_MAILBOX, .descending = true });
    observe_page("memory_ms",
                 &(struct sp_inspect_query){ .sort = SP_INSPECT_MEMORY, .descending = true });
    observe_page("uptime_ms",
                 &(struct sp_inspect_query){ .sort = SP_INSPECT_UPTIME, .descending = true });
    observe_page("newest_ms", &(struct sp_inspect_query){ .sort = SP_INSPECT_UPTIME });
    observe_page("handled_ms",
                 &(struct sp_inspect_query){ .sort = SP_INSPECT_HANDLED, .descending = true });
    observe_page("handling_ms",
                 &(struct sp_inspect_query){ .sort = SP_INSPECT_HANDLING, .descending = true });
    observe_page("name_ms", &(struct sp_inspect_query){ .sort = SP_INSPECT_NAME });
}

const struct bench_workload bench_observe[] = {
    { .name = "observe_page",
      .about = "a page of 100 of a million processes, in several orders",
      .run = observe_page_run },
    { .name = NULL },
};
