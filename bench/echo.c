/* TCP echo: 64 bytes to a server and back, over 1, 100 and 10,000 connections.
 *
 *   this process    the server: ours, or for comparison plain C on the same calls of the system,
 *                   or with --connect PORT none, where another program serves
 *   its child       the client, plain C: an epoll loop with one message under way per connection
 *
 * Two processes, because the descriptors of both ends do not fit into the usual limit of one.
 * --size N leaves out what is above N connections. The child is forked before there are threads, learns the port through a pipe and says its figures
 * through another.
 *
 * Neighbours: bench.h.
 */
#include "bench.h"

#include "spawned/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ECHO_SIZE = 64,         /* of a message */
    ECHO_BUFFER = 4096,     /* of the server's reads */
    ECHO_EVENTS = 128,      /* taken from the system at once */
    ECHO_WARM_MS = 300,     /* before the figures count */
    ECHO_MEASURE_MS = 1000, /* they are taken for so long, per number of connections */
    ECHO_STEPS = 1000000,   /* of 1 us, for round trips */
    ECHO_THREADS_MAX = 256, /* of the server in plain C */
};

static const int echo_counts[] = { 1, 100, 10000 };

static void echo_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_fail("the limit of descriptors cannot be read");
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void echo_no_delay(int fd)
{
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        bench_fail("no TCP_NODELAY");
}

/* ---- the client --------------------------------------------------------------------------- */

struct echo_connection {
    int fd;
    int have; /* bytes of the answer */
    int64_t sent_ns;
};

struct echo_client {
    int epoll;
    int count;
    struct echo_connection *connections;
    uint32_t *steps; /* ECHO_STEPS counts */
    uint64_t trips;
    int64_t begin_ns; /* of what counts */
    int64_t end_ns;
};

static void client_connect(struct echo_client *client, struct echo_connection *connection, int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        bench_fail("no connection");
    echo_no_delay(fd);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
    if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_fail("no epoll");
    *connection = (struct echo_connection){ .fd = fd };
}

static void client_send(struct echo_connection *connection, int64_t now_ns)
{
    static const char message[ECHO_SIZE];
    connection->have = 0;
    connection->sent_ns = now_ns;
    if (send(connection->fd, message, sizeof message, MSG_NOSIGNAL) != ECHO_SIZE)
        bench_fail("a message was not sent");
}

/* What came of an answer. When it is complete it is counted, and the next message sent. */
static void client_receive(struct echo_client *client, struct echo_connection *connection)
{
    char answer[ECHO_SIZE];
    ssize_t n = recv(connection->fd, answer, (size_t)(ECHO_SIZE - connection->have), 0);
    if (n <= 0)
        bench_fail("a connection broke");
    connection->have += (int)n;
    if (connection->have < ECHO_SIZE)
        return;
    int64_t now_ns = bench_now_ns();
    if (now_ns >= client->begin_ns && now_ns < client->end_ns) {
        int64_t us = (now_ns - connection->sent_ns) / 1000;
        client->steps[us < ECHO_STEPS ? us : ECHO_STEPS - 1]++;
        client->trips++;
    }
    if (now_ns < client->end_ns)
        client_send(connection, now_ns);
    else
        client->count--; /* it rests */
}

/* The round trip that `rank` of them did not exceed. Units: microseconds. */
static double client_at(const struct echo_client *client, uint64_t rank)
{
    uint64_t seen = 0;
    int step = 0;
    while (step < ECHO_STEPS && (seen += client->steps[step]) < rank)
        step++;
    return step + 0.5;
}

static void client_say(const struct echo_client *client, int connections)
{
    char metric[48];
    snprintf(metric, sizeof metric, "p50_us_c%d", connections);
    bench_out(metric, client_at(client, client->trips / 2));
    snprintf(metric, sizeof metric, "p99_us_c%d", connections);
    bench_out(metric, client_at(client, client->trips * 99 / 100));
    snprintf(metric, sizeof metric, "messages_per_s_c%d", connections);
    bench_out(metric, (double)client->trips / (ECHO_MEASURE_MS / 1e3));
}

static void client_measure(int port, int connections)
{
    struct echo_client client = { .count = connections };
    client.epoll = epoll_create1(EPOLL_CLOEXEC);
    client.connections = calloc((size_t)connections, sizeof *client.connections);
    client.steps = calloc(ECHO_STEPS, sizeof *client.steps);
    if (client.epoll < 0 || !client.connections || !client.steps)
        bench_fail("no memory");
    for (int i = 0; i < connections; i++)
        client_connect(&client, &client.connections[i], port);
    client.begin_ns = bench_now_ns() + ECHO_WARM_MS * INT64_C(1000000);
    client.end_ns = client.begin_ns + ECHO_MEASURE_MS * INT64_C(1000000);
    for (int i = 0; i < connections; i++)
        client_send(&client.connections[i], bench_now_ns());
    while (client.count > 0) {
        struct epoll_event events[ECHO_EVENTS];
        int n = epoll_wait(client.epoll, events, ECHO_EVENTS, -1);
        for (int i = 0; i < n; i++)
            client_receive(&client, events[i].data.ptr);
    }
    client_say(&client, connections);
    for (int i = 0; i < connections; i++)
        close(client.connections[i].fd);
    close(client.epoll);
    free(client.connections);
    free(client.steps);
}

/* The child. Its figures go where the parent's do. */
static SP_NORETURN void client_run(const struct bench_options *options, int port_pipe)
{
    int port = 0;
    if (read(port_pipe, &port, sizeof port) != (ssize_t)sizeof port)
        _exit(EXIT_FAILURE); /* the parent has said why */
    uint64_t most = bench_size(options, 10000);
    for (size_t i = 0; i < sizeof echo_counts / sizeof echo_counts[0]; i++)
        if ((uint64_t)echo_counts[i] <= most)
            client_measure(port, echo_counts[i]);
    fflush(stdout);
    _exit(EXIT_SUCCESS);
}

struct echo_child {
    pid_t pid;
    int port_pipe;
};

static struct echo_child client_fork(const struct bench_options *options)
{
    int pipes[2];
    echo_raise_limit();
    if (pipe(pipes) != 0)
        bench_fail("no pipe");
    fflush(NULL);
    struct echo_child child = { .pid = fork(), .port_pipe = pipes[1] };
    if (child.pid < 0)
        bench_fail("no process");
    if (child.pid == 0) {
        close(pipes[1]);
        client_run(options, pipes[0]);
    }
    close(pipes[0]);
    return child;
}

/* Tells the child where to connect, and waits for its end. */
static void client_drive(struct echo_child child, int port)
{
    int status = 0;
    if (write(child.port_pipe, &port, sizeof port) != (ssize_t)sizeof port)
        bench_fail("the client is gone");
    while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (status != 0)
        bench_fail("the client failed");
}

/* ---- our server --------------------------------------------------------------------------- */

static void echo_serve(struct sp_stream *stream, void *arg)
{
    (void)arg;
    char bytes[ECHO_BUFFER];
    size_t count;
    while (sp_stream_read(stream, bytes, sizeof bytes, sp_never(), &count) == SP_OK)
        if (sp_stream_write(stream, bytes, count, sp_never()) != SP_OK)
            return;
}

static void echo_raw(const struct bench_options *options)
{
    struct echo_child child = client_fork(options);
    if (options->connect != 0) {
        client_drive(child, options->connect);
        return;
    }
    struct sp_runtime *runtime = NULL;
    struct sp_runtime_options create = { .workers = options->workers };
    bench_must(sp_runtime_create(&create, &runtime), "creating the runtime");
    bench_must(sp_thread_attach(runtime), "attaching");
    sp_serve_ref serve;
    struct sp_serve_info info;
    struct sp_serve_options serving = { .address = "127.0.0.1:0", .run = echo_serve };
    bench_must(sp_serve_start(&serving, NULL, &serve), "serving");
    bench_must(sp_serve_info(serve, &(sp_empty){ 0 }, &info, sp_after_sec(5)), "asking");
    client_drive(child, info.address.port);
    sp_thread_detach();
    bench_must(sp_runtime_destroy(runtime, sp_after_sec(10), NULL), "stopping");
}

/* ---- the same in plain C ------------------------------------------------------------------ */

/* A thread with a set of its own; the first one has the listener in it. */
struct plain_thread {
    pthread_t thread;
    int epoll;
};

static struct {
    int listener;
    uint32_t count;
    uint32_t next; /* who gets the next connection; the first thread's */
    struct plain_thread threads[ECHO_THREADS_MAX];
} plain;

static void plain_accept(void)
{
    int fd;
    while ((fd = accept4(plain.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        echo_no_delay(fd);
        struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd };
        int epoll = plain.threads[plain.next++ % plain.count].epoll;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            bench_fail("no epoll");
    }
    if (errno != EAGAIN)
        bench_fail("accepting");
}

static void plain_echo(int fd)
{
    char bytes[ECHO_BUFFER];
    ssize_t n;
    do {
        n = recv(fd, bytes, sizeof bytes, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            close(fd);
            return;
        }
        if (n > 0 && send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
            bench_fail("an answer was not sent");
    } while (n == (ssize_t)sizeof bytes);
}

static void *plain_run(void *arg)
{
    struct plain_thread *self = arg;
    for (;;) {
        struct epoll_event events[ECHO_EVENTS];
        int n = epoll_wait(self->epoll, events, ECHO_EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == plain.listener)
                plain_accept();
            else
                plain_echo(events[i].data.fd);
        }
    }
    return NULL;
}

static int plain_listen(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    plain.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (plain.listener < 0 || bind(plain.listener, (struct sockaddr *)&at, size) != 0 ||
        listen(plain.listener, SOMAXCONN) != 0 ||
        getsockname(plain.listener, (struct sockaddr *)&at, &size) != 0)
        bench_fail("listening");
    return ntohs(at.sin_port);
}

/* The threads end with the process. */
static void echo_floor_raw(const struct bench_options *options)
{
    struct echo_child child = client_fork(options);
    int port = plain_listen();
    plain.count = options->workers < ECHO_THREADS_MAX ? options->workers : ECHO_THREADS_MAX;
    for (uint32_t i = 0; i < plain.count; i++)
        if ((plain.threads[i].epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
            bench_fail("no epoll");
    struct epoll_event event = { .events = EPOLLIN, .data.fd = plain.listener };
    if (epoll_ctl(plain.threads[0].epoll, EPOLL_CTL_ADD, plain.listener, &event) != 0)
        bench_fail("no epoll");
    for (uint32_t i = 0; i < plain.count; i++)
        if (pthread_create(&plain.threads[i].thread, NULL, plain_run, &plain.threads[i]) != 0)
            bench_fail("no thread");
    client_drive(child, port);
}

const struct bench_workload bench_echo[] = {
    { .name = "tcp_echo",
      .about = "64 bytes to a TCP server and back, over 1, 100 and 10,000 connections",
      .raw = echo_raw },
    { .name = "tcp_echo_floor",
      .about = "the same with a server in plain C: a thread with an epoll loop per worker",
      .raw = echo_floor_raw },
    { .name = NULL },
};
