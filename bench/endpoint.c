/* Workloads of the HTTP endpoint: what it answers over a node with a million processes, and how soon
 * while every worker is in a handler that does not end.
 *
 * The client is a thread of its own with plain sockets, so that it needs no worker either.
 * Neighbours: bench.h; observe.c measures the library's side of it.
 */
#include "bench.h"

#ifdef SPAWNED_HTTP

#include "spawned/http.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ENDPOINT_PROCESSES = 1000000,
    ENDPOINT_TIMES = 5,
    ENDPOINT_STUCK_TIMES = 20,
    ENDPOINT_REQUEST_MAX = 256,
};

/* What the client and the main process share. */
struct endpoint {
    uint16_t port;
    uint64_t processes;
    uint32_t workers;
    _Atomic uint32_t spinning;
    _Atomic bool all_spin; /* the client may ask */
    _Atomic bool done;
};

SP_SERVER(idle_one, int);
SP_CAST(idle_one, poke, int);

struct idle_one {
    int value;
};

static void idle_one_on_poke(struct idle_one *self, const int *in)
{
    self->value = *in;
}

SP_STATE(idle_one, struct idle_one);
SP_ON_CAST(idle_one, poke);
SP_CLASS(idle_one);

/* ---- the client ---- */

static int endpoint_connect(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        bench_fail("connecting to the endpoint");
    return fd;
}

/* Nanoseconds from the connection to the end of the answer. */
static int64_t endpoint_ask(uint16_t port, const char *path)
{
    char text[16384];
    char status[16] = "";
    ssize_t more;
    size_t total = 0;
    int64_t start_ns = bench_now_ns();
    int fd = endpoint_connect(port);
    int size = snprintf(text, ENDPOINT_REQUEST_MAX,
                        "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    if (send(fd, text, (size_t)size, MSG_NOSIGNAL) != size)
        bench_fail("asking the endpoint");
    while ((more = recv(fd, text, sizeof(text), 0)) > 0) {
        if (total == 0)
            (void)snprintf(status, sizeof(status), "%.12s", text);
        total += (size_t)more;
    }
    close(fd);
    if (strcmp(status, "HTTP/1.1 200") != 0)
        bench_fail("an answer is no success");
    return bench_now_ns() - start_ns;
}

static void endpoint_best(const struct endpoint *self, const char *metric, const char *path)
{
    int64_t best_ns = INT64_MAX;
    for (int i = 0; i < ENDPOINT_TIMES; i++) {
        int64_t took_ns = endpoint_ask(self->port, path);
        if (took_ns < best_ns)
            best_ns = took_ns;
    }
    bench_out(metric, (double)best_ns / 1e6);
}

static void endpoint_worst(const struct endpoint *self, const char *metric, const char *path)
{
    int64_t worst_ns = 0;
    for (int i = 0; i < ENDPOINT_STUCK_TIMES; i++) {
        int64_t took_ns = endpoint_ask(self->port, path);
        if (took_ns > worst_ns)
            worst_ns = took_ns;
    }
    bench_out(metric, (double)worst_ns / 1e6);
}

static void *endpoint_crowd(void *arg)
{
    struct endpoint *self = arg;
    char last[ENDPOINT_REQUEST_MAX];
    double before = bench_memory("VmRSS:");
    (void)snprintf(last, sizeof(last), "/api/processes?offset=%llu",
                   (unsigned long long)(self->processes - self->processes / 100));
    endpoint_best(self, "scrape_ms", "/metrics");
    endpoint_best(self, "overview_ms", "/api/overview");
    endpoint_best(self, "page_ms", "/api/processes");
    endpoint_best(self, "page_last_ms", last);
    endpoint_best(self, "page_mailbox_ms", "/api/processes?sort=mailbox");
    endpoint_best(self, "page_search_ms", "/api/processes?search=nobody");
    endpoint_best(self, "tree_ms", "/api/tree");
    endpoint_best(self, "graph_ms", "/api/graph");
    bench_out("peak_rss_mib", (bench_memory("VmHWM:") - before) / (1024 * 1024));
    /* release: pairs with the acquire of who waits for it. */
    atomic_store_explicit(&self->done, true, memory_order_release);
    return NULL;
}

static void *endpoint_stuck(void *arg)
{
    struct endpoint *self = arg;
    /* acquire: pairs with the release in spin. */
    while (!atomic_load_explicit(&self->all_spin, memory_order_acquire))
        sched_yield();
    endpoint_worst(self, "overview_ms", "/api/overview");
    endpoint_worst(self, "page_ms", "/api/processes?sort=mailbox");
    endpoint_worst(self, "tree_ms", "/api/tree");
    endpoint_worst(self, "health_ms", "/healthz");
    /* release: pairs with the acquire of who waits for it. */
    atomic_store_explicit(&self->done, true, memory_order_release);
    return NULL;
}

/* ---- the node ---- */

static void endpoint_open(struct endpoint *self, const struct bench_options *options,
                          uint64_t processes)
{
    sp_http_ref http;
    struct sp_http_info info;
    self->processes = processes;
    self->workers = options->workers;
    for (uint64_t i = 0; i < processes; i++)
        bench_must(idle_one_start(NULL, NULL, NULL), "starting");
    bench_must(sp_http_start(&(struct sp_http_options){ .program = "bench" }, NULL, &http),
               "the endpoint");
    bench_must(sp_http_info(http, &(sp_empty){ 0 }, &info, sp_after_sec(5)), "its address");
    self->port = info.address.port;
}

static bool endpoint_is_done(struct endpoint *self)
{
    /* acquire: pairs with the release of the client. */
    return atomic_load_explicit(&self->done, memory_order_acquire);
}

static void endpoint_crowd_run(const struct bench_options *options)
{
    static struct endpoint self;
    pthread_t client;
    endpoint_open(&self, options, bench_size(options, ENDPOINT_PROCESSES));
    if (pthread_create(&client, NULL, endpoint_crowd, &self) != 0)
        bench_fail("a thread for the client");
    while (!endpoint_is_done(&self))
        sp_ignore(sp_sleep(sp_ms(1)));
    pthread_join(client, NULL);
}

static void endpoint_spin(void *arg)
{
    struct endpoint *self = arg;
    /* relaxed: a count; release: pairs with the acquire of the client. */
    if (atomic_fetch_add_explicit(&self->spinning, 1, memory_order_relaxed) + 1 == self->workers)
        atomic_store_explicit(&self->all_spin, true, memory_order_release);
    while (!endpoint_is_done(self))
        continue;
}

static void endpoint_stuck_run(const struct bench_options *options)
{
    static struct endpoint self;
    pthread_t client;
    endpoint_open(&self, options, bench_size(options, 1000));
    if (pthread_create(&client, NULL, endpoint_stuck, &self) != 0)
        bench_fail("a thread for the client");
    for (uint32_t i = 1; i < options->workers; i++)
        bench_must(sp_spawn(endpoint_spin, &self, NULL, NULL), "a spinning process");
    endpoint_spin(&self);
    pthread_join(client, NULL);
}

#endif

const struct bench_workload bench_endpoint[] = {
#ifdef SPAWNED_HTTP
    { .name = "observe_endpoint",
      .about = "answers of the HTTP endpoint over a million processes",
      .run = endpoint_crowd_run },
    { .name = "observe_stuck",
      .about = "the slowest of its answers while every worker spins",
      .run = endpoint_stuck_run },
#endif
    { .name = NULL },
};
