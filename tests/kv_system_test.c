/* spawned-kv as a whole: the program on a free port, driven over raw sockets and by redis-cli.
 *
 * Threads: cases that need load make it with threads of their own or with many sockets.
 */
#include "support/run.h"
#include "support/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KV SP_TEST_BIN_DIR "/spawned-kv"

enum { KV_REPLY_MAX = 1 << 16, KV_OPTIONS_MAX = 16, KV_SHARDS = 4 };

/* --- the program ------------------------------------------------------------------------- */

struct kv {
    struct sp_test_program *program;
    uint16_t port;
};

/* Starts it on a free port; `options` are more of them, ending with NULL. */
static void kv_start(struct kv *kv, const char *const *options)
{
    const char *args[KV_OPTIONS_MAX] = { "--port", "0", "--shards", "4", "--workers", "2" };
    size_t count = 6;
    if (access(KV, X_OK) != 0)
        SKIP("built without the examples");
    for (; options != NULL && *options != NULL; options++)
        args[count++] = *options;
    struct sp_test_command command = { .program = KV, .args = args };
    kv->program = sp_test_program_start(&command);
    sp_test_program_await(kv->program, " workers\n");
    const char *colon = strrchr(sp_test_program_out(kv->program), ':');
    CHECK(colon != NULL);
    kv->port = (uint16_t)strtol(colon + 1, NULL, 10);
}

/* It ends with status 0; what it said on stderr is the caller's to free. */
static char *kv_await_end(struct kv *kv)
{
    struct sp_test_output output;
    sp_test_program_finish(kv->program, &output);
    CHECK_INT(output.signal, 0);
    CHECK_INT(output.status, 0);
    char *err = strdup(output.err);
    sp_test_output_free(&output);
    sp_test_drop_lines(err, " is stuck: ");
    return err;
}

static void kv_stop(struct kv *kv)
{
    sp_test_program_signal(kv->program, SIGTERM);
    char *err = kv_await_end(kv);
    CHECK_STR(err, "");
    free(err);
}

/* --- clients ----------------------------------------------------------------------------- */

static int client_open(const struct kv *kv)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(kv->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    int on = 1; /* requests in pieces do not wait for each other */
    CHECK_INT(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    return fd;
}

static void client_send(int fd, const void *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = send(fd, (const char *)bytes + at, len - at, MSG_NOSIGNAL);
        CHECK(n > 0);
        at += (size_t)n;
    }
}

static void client_say(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

/* The next bytes are exactly these. */
static void client_expect(int fd, const char *text)
{
    static _Thread_local char reply[KV_REPLY_MAX];
    size_t want = strlen(text), len = 0;
    CHECK(want < sizeof(reply));
    while (len < want && memcmp(reply, text, len) == 0) {
        ssize_t n = recv(fd, reply + len, want - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    reply[len] = '\0';
    CHECK_STR(reply, text);
}

/* Reads until `part` has come; what came is in the static buffer that is returned. */
static const char *client_await(int fd, const char *part)
{
    static _Thread_local char reply[KV_REPLY_MAX];
    size_t len = 0;
    reply[0] = '\0';
    while (strstr(reply, part) == NULL) {
        CHECK(len < sizeof(reply) - 1);
        ssize_t n = recv(fd, reply + len, sizeof(reply) - 1 - len, 0);
        if (n <= 0)
            FAIL("the server closed; \"%s\" has not come, but \"%s\"", part, reply);
        len += (size_t)n;
        reply[len] = '\0';
    }
    return reply;
}

/* The server closes, whatever else it sends before. */
static void client_expect_end(int fd)
{
    char chunk[4096];
    ssize_t n;
    do
        n = recv(fd, chunk, sizeof(chunk), 0);
    while (n > 0);
    CHECK(n == 0 || errno == ECONNRESET);
    close(fd);
}

/* Nothing has come: a later request is answered first. */
static void client_expect_silence(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    CHECK_INT(poll(&poll_fd, 1, 0), 0);
}

/* Asks and expects, on a connection of its own. */
static void kv_ask(const struct kv *kv, const char *request, const char *reply)
{
    int fd = client_open(kv);
    client_say(fd, request);
    client_expect(fd, reply);
    close(fd);
}

/* A figure of INFO, asked on a connection. */
static long client_figure(int fd, const char *name)
{
    char line[64];
    client_say(fd, "INFO\r\nPING\r\n");
    const char *text = client_await(fd, "+PONG\r\n");
    snprintf(line, sizeof(line), "\n%s:", name);
    const char *at = strstr(text, line);
    CHECK(at != NULL);
    return strtol(at + strlen(line), NULL, 10);
}

/* The same, on a connection of its own. */
static long kv_figure(const struct kv *kv, const char *name)
{
    int fd = client_open(kv);
    long value = client_figure(fd, name);
    close(fd);
    return value;
}

/* Waits until a figure has reached `value`; the watchdog ends a wait for ever. */
static void kv_await_figure(const struct kv *kv, const char *name, long value)
{
    while (kv_figure(kv, name) != value)
        ;
}

/* --- commands ---------------------------------------------------------------------------- */

TEST(requests_in_pieces_and_pipelines_are_answered_in_order)
{
    struct kv kv;
    kv_start(&kv, NULL);
    int fd = client_open(&kv);
    client_say(fd, "*3\r\n$3\r\nSET\r\n$1\r");
    client_say(fd, "\nk\r\n$5\r\nhel");
    client_say(fd, "lo\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\nincr n\r\nmget k n none\r\n");
    client_expect(fd,
                  "+OK\r\n$5\r\nhello\r\n+PONG\r\n:1\r\n*3\r\n$5\r\nhello\r\n$1\r\n1\r\n$-1\r\n");
    for (int i = 0; i < 3000; i++)
        client_say(fd, "incr n\r\n");
    client_await(fd, ":3001\r\n");
    client_say(fd, "quit\r\n");
    client_expect(fd, "+OK\r\n");
    client_expect_end(fd);
    kv_stop(&kv);
}

TEST(a_big_value_comes_back_whole)
{
    enum { SIZE = 8 << 20 };
    struct kv kv;
    char head[64];
    char *value = malloc(SIZE);
    CHECK(value != NULL);
    for (size_t i = 0; i < SIZE; i++)
        value[i] = (char)('a' + i % 23);
    kv_start(&kv, NULL);
    int fd = client_open(&kv);
    snprintf(head, sizeof(head), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", SIZE);
    client_say(fd, head);
    client_send(fd, value, SIZE);
    client_say(fd, "\r\nGET k\r\nPING\r\n");
    snprintf(head, sizeof(head), "+OK\r\n$%d\r\n", SIZE);
    client_expect(fd, head);
    for (size_t at = 0; at < SIZE;) {
        char chunk[1 << 15];
        size_t want = SIZE - at < sizeof(chunk) ? SIZE - at : sizeof(chunk);
        ssize_t n = recv(fd, chunk, want, 0);
        CHECK(n > 0);
        CHECK_MEM(chunk, value + at, (size_t)n);
        at += (size_t)n;
    }
    client_expect(fd, "\r\n+PONG\r\n");
    close(fd);
    free(value);
    kv_stop(&kv);
}

TEST(keys_expire_without_being_looked_at)
{
    struct kv kv;
    kv_start(&kv, NULL);
    kv_ask(&kv, "set a 1 px 1\r\nset b 1 px 30\r\nset c 1\r\n", "+OK\r\n+OK\r\n+OK\r\n");
    kv_await_figure(&kv, "expired_keys", 2);
    kv_ask(&kv, "dbsize\r\n", ":1\r\n");
    kv_stop(&kv);
}

/* --- clients that wait ------------------------------------------------------------------- */

TEST(blpop_waits_and_is_served)
{
    struct kv kv;
    kv_start(&kv, NULL);
    int fd = client_open(&kv);
    client_say(fd, "blpop q 0\r\nping\r\nping\r\n");
    kv_await_figure(&kv, "blocked_clients", 1);
    client_expect_silence(fd);
    kv_ask(&kv, "rpush q one two\r\n", ":2\r\n");
    client_expect(fd, "*2\r\n$1\r\nq\r\n$3\r\none\r\n+PONG\r\n+PONG\r\n");
    kv_ask(&kv, "lrange q 0 -1\r\n", "*1\r\n$3\r\ntwo\r\n");
    CHECK_INT(kv_figure(&kv, "blocked_clients"), 0);
    client_say(fd, "brpop none 0.01\r\n");
    client_expect(fd, "*-1\r\n");
    close(fd);
    kv_stop(&kv);
}

/* Ten keys lie in several shards, whatever the seed. */
#define KV_MANY_KEYS "k0 k1 k2 k3 k4 k5 k6 k7 k8 k9"

TEST(blpop_across_shards_gives_each_element_to_one_client)
{
    enum { CLIENTS = 8, ELEMENTS = 400 };
    struct kv kv;
    int fd[CLIENTS];
    kv_start(&kv, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = client_open(&kv);
        client_say(fd[i], "blpop " KV_MANY_KEYS " 0\r\n");
    }
    kv_await_figure(&kv, "blocked_clients", CLIENTS);
    int pusher = client_open(&kv);
    for (int i = 0; i < ELEMENTS; i++) {
        char line[64];
        snprintf(line, sizeof(line), "rpush k%d %d\r\n", i % 10, i);
        client_say(pusher, line);
    }
    bool seen[ELEMENTS] = { false };
    for (int served = 0; served < ELEMENTS;) {
        struct pollfd polls[CLIENTS];
        for (int i = 0; i < CLIENTS; i++)
            polls[i] = (struct pollfd){ .fd = fd[i], .events = POLLIN };
        CHECK(poll(polls, CLIENTS, -1) > 0);
        for (int i = 0; i < CLIENTS; i++) {
            if (polls[i].revents == 0)
                continue;
            char reply[64];
            ssize_t n = recv(fd[i], reply, sizeof(reply) - 1, 0);
            CHECK(n > 0);
            reply[n] = '\0';
            int value;
            CHECK_INT(sscanf(reply, "*2\r\n$2\r\nk%*d\r\n$%*d\r\n%d\r\n", &value), 1);
            CHECK(value >= 0 && value < ELEMENTS && !seen[value]);
            seen[value] = true;
            served++;
            client_say(fd[i], "blpop " KV_MANY_KEYS " 0\r\n");
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    close(pusher);
    kv_await_figure(&kv, "blocked_clients", 0);
    kv_ask(&kv, "exists " KV_MANY_KEYS "\r\n", ":0\r\n");
    kv_stop(&kv);
}

TEST(a_client_that_hangs_up_in_blpop_takes_nothing)
{
    struct kv kv;
    kv_start(&kv, NULL);
    int one = client_open(&kv), many = client_open(&kv);
    client_say(one, "blpop q 0\r\n");
    client_say(many, "blpop q " KV_MANY_KEYS " 0\r\n");
    kv_await_figure(&kv, "blocked_clients", 2);
    close(one);
    close(many);
    kv_await_figure(&kv, "blocked_clients", 0);
    kv_await_figure(&kv, "connected_clients", 1);
    kv_ask(&kv, "rpush q x\r\nlrange q 0 -1\r\n", ":1\r\n*1\r\n$1\r\nx\r\n");
    kv_stop(&kv);
}

TEST(blpop_across_shards_gives_up_in_time)
{
    struct kv kv;
    kv_start(&kv, NULL);
    int fd = client_open(&kv);
    client_say(fd, "blpop " KV_MANY_KEYS " 0.05\r\nrpush k3 x\r\n");
    client_expect(fd, "*-1\r\n:1\r\n");
    close(fd);
    kv_stop(&kv);
}

/* --- messages ---------------------------------------------------------------------------- */

TEST(what_is_published_reaches_channels_and_patterns)
{
    struct kv kv;
    kv_start(&kv, NULL);
    int channel = client_open(&kv), pattern = client_open(&kv), publisher = client_open(&kv);
    client_say(channel, "subscribe news other\r\n");
    client_expect(channel, "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
                           "*3\r\n$9\r\nsubscribe\r\n$5\r\nother\r\n:2\r\n");
    client_say(pattern, "hello 3\r\npsubscribe n*\r\n");
    client_await(pattern, "$10\r\npsubscribe\r\n$2\r\nn*\r\n:1\r\n");
    client_say(publisher, "publish news hi\r\npublish nobody x\r\npublish xx y\r\n");
    client_expect(publisher, ":2\r\n:1\r\n:0\r\n");
    client_expect(channel, "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n");
    client_expect(pattern, ">4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$2\r\nhi\r\n"
                           ">4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$6\r\nnobody\r\n$1\r\nx\r\n");
    client_say(channel, "unsubscribe news\r\n");
    client_expect(channel, "*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    client_say(publisher, "publish news again\r\n");
    client_expect(publisher, ":1\r\n");
    close(pattern);
    close(channel);
    kv_await_figure(&kv, "pubsub_patterns", 0);
    kv_await_figure(&kv, "pubsub_channels", 0);
    client_say(publisher, "hello 3\r\nsubscribe me\r\n");
    client_await(publisher, "$9\r\nsubscribe\r\n$2\r\nme\r\n:1\r\n");
    client_say(publisher, "publish me x\r\n");
    client_expect(publisher, ">3\r\n$7\r\nmessage\r\n$2\r\nme\r\n$1\r\nx\r\n:1\r\n");
    close(publisher);
    kv_stop(&kv);
}

static long client_id(int fd)
{
    client_say(fd, "client id\r\n");
    return strtol(client_await(fd, "\r\n") + 1, NULL, 10);
}

TEST(clients_are_listed_and_ended)
{
    struct kv kv;
    char line[96];
    kv_start(&kv, NULL);
    int one = client_open(&kv), two = client_open(&kv);
    client_say(one, "client setname one\r\n");
    client_expect(one, "+OK\r\n");
    client_say(two, "client list\r\nping\r\n");
    const char *list = client_await(two, "+PONG\r\n");
    CHECK_CONTAINS(list, "name=one ");
    CHECK_CONTAINS(list, "cmd=client|list ");
    snprintf(line, sizeof(line), "client kill id %ld\r\nclient kill id 77\r\n", client_id(one));
    client_say(two, line);
    client_expect(two, ":1\r\n:0\r\n");
    client_expect_end(one);
    snprintf(line, sizeof(line), "client kill id %ld\r\n", client_id(two));
    client_say(two, line);
    client_expect(two, ":0\r\n"); /* not oneself, unless one says so */
    snprintf(line, sizeof(line), "client kill id %ld skipme no\r\n", client_id(two));
    client_say(two, line);
    client_expect(two, ":1\r\n");
    client_expect_end(two);
    kv_stop(&kv);
}

/* The port of this end, as the server sees it. */
static unsigned client_port(int fd)
{
    struct sockaddr_in address = { 0 };
    socklen_t size = sizeof(address);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

TEST(clients_are_ended_by_address_type_and_user)
{
    struct kv kv;
    char line[128];
    kv_start(&kv, NULL);
    int admin = client_open(&kv), one = client_open(&kv), two = client_open(&kv);
    int ear = client_open(&kv);
    client_say(one, "ping\r\n");
    client_expect(one, "+PONG\r\n");
    client_say(two, "ping\r\n");
    client_expect(two, "+PONG\r\n");
    client_say(ear, "subscribe news\r\n");
    client_await(ear, "news\r\n:1\r\n");

    snprintf(line, sizeof(line), "client kill 127.0.0.1:%u\r\nclient kill 127.0.0.1:1\r\n",
             client_port(one));
    client_say(admin, line);
    client_expect(admin, "+OK\r\n-ERR No such client\r\n");
    client_expect_end(one);
    snprintf(line, sizeof(line), "client kill type normal addr 127.0.0.1:%u\r\n", client_port(ear));
    client_say(admin, line);
    client_expect(admin, ":0\r\n"); /* all that is said must hold */
    client_say(admin, "client kill type pubsub\r\n");
    client_expect(admin, ":1\r\n");
    client_expect_end(ear);
    snprintf(line, sizeof(line), "client kill laddr 127.0.0.1:%u user default\r\n",
             (unsigned)kv.port);
    client_say(admin, line);
    client_expect(admin, ":1\r\n"); /* all but oneself */
    client_expect_end(two);
    client_say(admin, "client kill type cats\r\nclient kill user joe skipme yes\r\n"
                      "client kill id 1 type\r\nclient kill skipme perhaps\r\n"
                      "client kill id 0\r\n");
    client_expect(admin, "-ERR Unknown client type 'cats'\r\n-ERR No such user 'joe'\r\n"
                         "-ERR syntax error\r\n-ERR syntax error\r\n"
                         "-ERR client-id should be greater than 0\r\n");
    snprintf(line, sizeof(line), "client kill 127.0.0.1:%u\r\n", client_port(admin));
    client_say(admin, line);
    client_expect(admin, "+OK\r\n"); /* the old form spares nobody */
    client_expect_end(admin);
    kv_stop(&kv);
}

/* Both ask for the list at the same time, again and again: neither may wait for the other. */
static void *list_asker(void *arg)
{
    int fd = client_open(arg);
    for (int i = 0; i < 50; i++) {
        client_say(fd, "client list\r\nping\r\n");
        client_await(fd, "+PONG\r\n");
    }
    close(fd);
    return NULL;
}

TEST(two_lists_at_the_same_time_do_not_wait_for_each_other)
{
    struct kv kv;
    pthread_t thread[4];
    kv_start(&kv, NULL);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&thread[i], NULL, list_asker, &kv), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    kv_stop(&kv);
}

/* --- bad input --------------------------------------------------------------------------- */

TEST(what_is_not_the_protocol_ends_that_connection_alone)
{
    static const char *const bad[][2] = {
        { "*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n" },
        { "*1\r\n$99999999999999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n" },
        { "*1\r\n$999999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n" },
        { "*99999999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n" },
        { "*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n" },
        { "*1\r\n:5\r\n", "-ERR Protocol error: expected '$', got ':'\r\n" },
        { "set \"a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n" },
    };
    enum { COUNT = sizeof(bad) / sizeof(bad[0]) };
    struct kv kv;
    kv_start(&kv, NULL);
    int other = client_open(&kv);
    for (int i = 0; i < COUNT; i++) {
        int fd = client_open(&kv);
        client_say(fd, "ping\r\n");
        client_say(fd, bad[i][0]);
        client_expect(fd, "+PONG\r\n");
        client_expect(fd, bad[i][1]);
        client_expect_end(fd);
        client_say(other, "ping\r\n");
        client_expect(other, "+PONG\r\n");
    }
    close(other);
    CHECK_INT(kv_figure(&kv, "protocol_errors"), COUNT);
    kv_stop(&kv);
}

TEST(a_line_without_end_is_refused)
{
    struct kv kv;
    kv_start(&kv, NULL);
    int fd = client_open(&kv);
    char chunk[1024];
    memset(chunk, 'x', sizeof(chunk));
    for (int i = 0; i < 70; i++)
        client_send(fd, chunk, sizeof(chunk));
    client_expect(fd, "-ERR Protocol error: too big inline request\r\n");
    client_expect_end(fd);
    kv_stop(&kv);
}

/* Resident memory of the program. */
static long kv_resident(const struct kv *kv)
{
    char path[64];
    long pages = 0;
    snprintf(path, sizeof(path), "/proc/%d/statm", sp_test_program_pid(kv->program));
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    CHECK_INT(fscanf(file, "%*s %ld", &pages), 1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

TEST(a_promised_length_costs_no_memory)
{
    enum { CLIENTS = 50 };
    struct kv kv;
    int fd[CLIENTS];
    kv_start(&kv, NULL);
    long before = kv_resident(&kv);
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = client_open(&kv);
        client_say(fd[i], "ping\r\n*1000000\r\n$500000000\r\nabc");
        client_expect(fd[i], "+PONG\r\n");
    }
    kv_ask(&kv, "ping\r\n", "+PONG\r\n");
    if (!sp_test_slow())
        CHECK(kv_resident(&kv) - before < 8 << 20);
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    kv_stop(&kv);
}

TEST(limits_of_the_command_line_hold)
{
    struct kv kv;
    kv_start(&kv, (const char *const[]){ "--max-value", "2048", "--max-request", "4096", NULL });
    int fd = client_open(&kv);
    client_say(fd, "*3\r\n$3\r\nset\r\n$1\r\nk\r\n$2049\r\n");
    client_expect(fd, "-ERR Protocol error: invalid bulk length\r\n");
    client_expect_end(fd);
    fd = client_open(&kv);
    char big[2049];
    memset(big, 'x', 2048);
    big[2048] = '\0';
    client_say(fd, "*4\r\n$4\r\nmset\r\n$2048\r\n");
    client_say(fd, big);
    client_say(fd, "\r\n$2048\r\n");
    client_expect(fd, "-ERR Protocol error: too big request\r\n");
    client_expect_end(fd);
    kv_ask(&kv, "setrange k 2040 123456789\r\n",
           "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
    kv_stop(&kv);
}

TEST(half_a_request_for_too_long_is_cut_off)
{
    struct kv kv;
    kv_start(&kv, (const char *const[]){ "--request-timeout", "1", NULL });
    int slow = client_open(&kv), idle = client_open(&kv);
    client_say(slow, "*2\r\n$3\r\nGET\r\n");
    client_expect_end(slow);
    CHECK_INT(kv_figure(&kv, "slow_request_disconnections"), 1);
    client_say(idle, "ping\r\n"); /* between requests one may be silent */
    client_expect(idle, "+PONG\r\n");
    close(idle);
    kv_stop(&kv);
}

TEST(idle_clients_are_cut_off_but_not_those_who_wait)
{
    struct kv kv;
    kv_start(&kv, (const char *const[]){ "--timeout", "1", NULL });
    int idle = client_open(&kv), subscriber = client_open(&kv), waiter = client_open(&kv);
    client_say(subscriber, "subscribe a\r\n");
    client_say(waiter, "blpop q 0\r\n");
    client_expect(subscriber, "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    client_expect_end(idle);
    CHECK_INT(kv_figure(&kv, "client_idle_disconnections"), 1);
    kv_ask(&kv, "publish a x\r\nrpush q y\r\n", ":1\r\n:1\r\n");
    client_expect(subscriber, "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n");
    client_expect(waiter, "*2\r\n$1\r\nq\r\n$1\r\ny\r\n");
    close(subscriber);
    close(waiter);
    kv_stop(&kv);
}

TEST(a_subscriber_that_does_not_read_is_cut_off)
{
    struct kv kv;
    kv_start(&kv, (const char *const[]){ "--max-output", "100000", NULL });
    int small = 4096;
    int subscriber = client_open(&kv), publisher = client_open(&kv);
    setsockopt(subscriber, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    client_say(subscriber, "subscribe flood\r\n");
    client_await(subscriber, ":1\r\n");
    char message[20001];
    memset(message, 'm', 20000);
    message[20000] = '\0';
    long heard = 1;
    for (int i = 0; heard == 1; i++) {
        client_say(publisher, "*3\r\n$7\r\npublish\r\n$5\r\nflood\r\n$20000\r\n");
        client_say(publisher, message);
        client_say(publisher, "\r\n");
        heard = strtol(client_await(publisher, "\r\n") + 1, NULL, 10);
    }
    CHECK_INT(kv_figure(&kv, "client_output_buffer_limit_disconnections"), 1);
    client_expect_end(subscriber);
    close(publisher);
    kv_stop(&kv);
}

TEST(a_reset_in_the_middle_of_a_reply_hurts_nobody_else)
{
    struct kv kv;
    kv_start(&kv, NULL);
    int other = client_open(&kv);
    client_say(other, "setrange big 4000000 x\r\n");
    client_expect(other, ":4000001\r\n");
    for (int i = 0; i < 20; i++) {
        char byte;
        int fd = client_open(&kv);
        client_say(fd, "get big\r\nget big\r\nget big\r\n");
        CHECK_INT(recv(fd, &byte, 1, 0), 1);
        struct linger at_once = { .l_onoff = 1 };
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        close(fd);
    }
    client_say(other, "strlen big\r\n");
    client_expect(other, ":4000001\r\n");
    close(other);
    kv_await_figure(&kv, "connected_clients", 1);
    kv_stop(&kv);
}

/* --- limits of connections --------------------------------------------------------------- */

TEST(one_client_too_many_is_told_so)
{
    struct kv kv;
    kv_start(&kv, (const char *const[]){ "--maxclients", "3", NULL });
    int fd[3];
    for (int i = 0; i < 3; i++) {
        fd[i] = client_open(&kv);
        client_say(fd[i], "ping\r\n");
        client_expect(fd[i], "+PONG\r\n");
    }
    int more = client_open(&kv);
    client_expect(more, "-ERR max number of clients reached\r\n");
    client_expect_end(more);
    CHECK_INT(client_figure(fd[0], "rejected_connections"), 1);
    close(fd[1]);
    close(fd[2]);
    while (client_figure(fd[0], "connected_clients") != 1)
        ;
    kv_ask(&kv, "ping\r\n", "+PONG\r\n");
    close(fd[0]);
    kv_stop(&kv);
}

TEST(out_of_descriptors_it_waits_and_goes_on)
{
    enum { CLIENTS = 60 };
    struct rlimit limit, few;
    struct kv kv;
    int fd[CLIENTS];
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = (struct rlimit){ .rlim_cur = 40, .rlim_max = limit.rlim_max };
    kv_start(&kv, (const char *const[]){ "--maxclients", "10000", NULL });
    CHECK_INT(prlimit(sp_test_program_pid(kv.program), RLIMIT_NOFILE, &few, NULL), 0);
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = client_open(&kv);
        client_say(fd[i], "ping\r\n");
    }
    for (int i = 0; i < 20; i++)
        client_expect(fd[i], "+PONG\r\n");
    sp_test_program_await(kv.program, "out of file descriptors");
    for (int i = 0; i < 40; i++)
        close(fd[i]);
    for (int i = 40; i < CLIENTS; i++) {
        client_expect(fd[i], "+PONG\r\n");
        close(fd[i]);
    }
    sp_test_program_signal(kv.program, SIGTERM);
    free(kv_await_end(&kv));
}

TEST(a_thousand_clients_are_served)
{
    enum { CLIENTS = 1000 };
    static int fd[CLIENTS];
    struct kv kv;
    kv_start(&kv, NULL);
    for (int i = 0; i < CLIENTS; i++)
        fd[i] = client_open(&kv);
    for (int i = 0; i < CLIENTS; i++) {
        char line[64];
        snprintf(line, sizeof(line), "set k%d %d\r\nincr n\r\n", i, i);
        client_say(fd[i], line);
    }
    for (int i = 0; i < CLIENTS; i++)
        client_await(fd[i], "\r\n:");
    CHECK_INT(kv_figure(&kv, "connected_clients"), CLIENTS + 1);
    kv_ask(&kv, "get n\r\ndbsize\r\n", "$4\r\n1000\r\n:1001\r\n");
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    kv_await_figure(&kv, "connected_clients", 1);
    kv_stop(&kv);
}

/* --- shards that crash or are stuck ------------------------------------------------------ */

TEST(a_shard_that_crashes_takes_its_own_keys_only)
{
    struct kv kv;
    char line[64];
    kv_start(&kv, NULL);
    int fd = client_open(&kv);
    for (int i = 0; i < 400; i++) {
        snprintf(line, sizeof(line), "set k%d v\r\n", i);
        client_say(fd, line);
        client_expect(fd, "+OK\r\n");
    }
    client_say(fd, "debug crash-shard 1\r\ndebug crash-shard 4\r\ndbsize\r\n");
    client_expect(fd, "+OK\r\n-ERR no such shard\r\n:");
    long left = strtol(client_await(fd, "\r\n"), NULL, 10);
    CHECK(left > 200 && left < 400);
    CHECK_INT(kv_figure(&kv, "shard_crashes"), 1);
    client_say(fd, "debug tree\r\nping\r\n");
    CHECK_CONTAINS(client_await(fd, "+PONG\r\n"), "restarts by its supervisor: 1");
    close(fd);
    sp_test_program_await(kv.program, "shard 1 was restarted after a crash: its keys are lost");
    sp_test_program_signal(kv.program, SIGTERM);
    char *err = kv_await_end(&kv);
    CHECK_CONTAINS(err, "fault: SIGSEGV at 0x0 in crash");
    free(err);
}

TEST(a_client_that_waits_in_a_shard_that_crashes_gets_an_error)
{
    struct kv kv;
    char line[64];
    kv_start(&kv, NULL);
    int fd = client_open(&kv);
    client_say(fd, "blpop " KV_MANY_KEYS " 0\r\nping\r\n");
    kv_await_figure(&kv, "blocked_clients", 1);
    for (int i = 0; i < KV_SHARDS; i++) {
        snprintf(line, sizeof(line), "debug crash-shard %d\r\n", i);
        kv_ask(&kv, line, "+OK\r\n");
    }
    client_expect(fd, "-ERR shard ");
    CHECK_CONTAINS(client_await(fd, "+PONG\r\n"), " crashed: its keys are lost\r\n");
    close(fd);
    kv_ask(&kv, "rpush k1 x\r\nblpop k1 1\r\n", ":1\r\n*2\r\n$2\r\nk1\r\n$1\r\nx\r\n");
    sp_test_program_signal(kv.program, SIGTERM);
    free(kv_await_end(&kv));
}

/* Load: each request is answered with +OK or says that a shard crashed. */
struct load {
    const struct kv *kv;
    _Atomic bool stop;
    _Atomic long ok;
    _Atomic long lost;
};

static void load_request(struct load *load, int fd, int i)
{
    char line[64];
    snprintf(line, sizeof(line), "set key:%d v\r\n", i);
    client_say(fd, line);
    const char *reply = client_await(fd, "\r\n");
    if (strcmp(reply, "+OK\r\n") == 0) {
        load->ok++;
    } else {
        CHECK_CONTAINS(reply, "crashed: its keys are lost\r\n");
        load->lost++;
    }
}

static void *load_run(void *arg)
{
    struct load *load = arg;
    int fd = client_open(load->kv);
    for (int i = 0; !load->stop; i++)
        load_request(load, fd, i);
    close(fd);
    return NULL;
}

TEST(crashes_under_load_cost_errors_but_no_connection)
{
    enum { THREADS = 4, CRASHES = 30 };
    struct kv kv;
    pthread_t thread[THREADS];
    kv_start(&kv, NULL);
    struct load load = { .kv = &kv };
    int fd = client_open(&kv);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&thread[i], NULL, load_run, &load), 0);
    for (int i = 0; i < CRASHES; i++) {
        char line[64];
        long before = load.ok;
        snprintf(line, sizeof(line), "debug crash-shard %d\r\n", i % KV_SHARDS);
        client_say(fd, line);
        client_expect(fd, "+OK\r\n");
        while (load.ok < before + 50) /* they go on */
            sched_yield();
    }
    load.stop = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    close(fd);
    CHECK_INT(kv_figure(&kv, "shard_crashes"), CRASHES);
    sp_test_program_signal(kv.program, SIGTERM);
    free(kv_await_end(&kv));
}

TEST(a_shard_that_spins_holds_up_only_its_own_clients)
{
    struct kv kv;
    kv_start(&kv, (const char *const[]){ "--shard-timeout", "100", NULL });
    int fd = client_open(&kv);
    client_say(fd, "debug spin-shard 0 1500\r\ndbsize\r\n");
    client_expect(fd, "+OK\r\n");
    client_expect(fd, "-ERR shard 0 does not answer in time\r\n");
    int answered = 0;
    for (int i = 0; i < 40; i++) {
        char line[64];
        snprintf(line, sizeof(line), "set other:%d v\r\n", i);
        client_say(fd, line);
        answered += strcmp(client_await(fd, "\r\n"), "+OK\r\n") == 0;
        if (answered >= 3)
            break;
    }
    CHECK(answered >= 3);
    close(fd);
    kv_stop(&kv);
}

/* --- start and stop ---------------------------------------------------------------------- */

TEST(shutdown_ends_it_with_all_its_connections)
{
    struct kv kv;
    kv_start(&kv, NULL);
    int idle = client_open(&kv), waiter = client_open(&kv), fd = client_open(&kv);
    client_say(waiter, "blpop q 0\r\n");
    kv_await_figure(&kv, "blocked_clients", 1);
    client_say(fd, "shutdown\r\n");
    client_expect_end(fd);
    client_expect_end(idle);
    client_expect_end(waiter);
    char *err = kv_await_end(&kv);
    CHECK_STR(err, "");
    free(err);
}

/* Sends as fast as it can until the server closes. */
static void *flood_run(void *arg)
{
    char chunk[4096];
    char request[2048];
    size_t len = 0;
    int fd = client_open(arg);
    while (len + 32 < sizeof(request))
        len += (size_t)sprintf(request + len, "set a 1\r\nincr n\r\n");
    while (send(fd, request, len, MSG_NOSIGNAL) > 0 && recv(fd, chunk, sizeof(chunk), 0) > 0)
        ;
    close(fd);
    return NULL;
}

TEST(it_stops_under_load_within_its_budget)
{
    enum { THREADS = 8 };
    struct kv kv;
    pthread_t thread[THREADS];
    struct timespec from, to;
    kv_start(&kv, NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&thread[i], NULL, flood_run, &kv), 0);
    while (kv_figure(&kv, "total_commands_processed") < 20000)
        ;
    clock_gettime(CLOCK_MONOTONIC, &from);
    sp_test_program_signal(kv.program, SIGTERM);
    char *err = kv_await_end(&kv);
    clock_gettime(CLOCK_MONOTONIC, &to);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    CHECK_STR(err, "");
    free(err);
    /* The status says that nothing had to be killed; the promise is ten seconds. */
    CHECK(sp_test_slow() || to.tv_sec - from.tv_sec <= 10);
}

/* --- redis-cli --------------------------------------------------------------------------- */

TEST(redis_cli_works)
{
    struct kv kv;
    char port[16];
    struct sp_test_output output;
    if (access("/usr/bin/redis-cli", X_OK) != 0)
        SKIP("redis-cli is not installed");
    kv_start(&kv, NULL);
    snprintf(port, sizeof(port), "%u", (unsigned)kv.port);
    static const char input[] = "set a 1\nincr a\nhset h f v\nhgetall h\nrpush l x y\nblpop l 1\n"
                                "nonsense\nget h\n";
    struct sp_test_command command = { .program = "redis-cli",
                                       .args = (const char *const[]){ "-p", port, NULL },
                                       .input = input,
                                       .input_len = sizeof(input) - 1 };
    sp_test_run(&command, &output);
    CHECK_STR(output.out, "OK\n2\n1\nf\nv\n2\nl\nx\n"
                          "ERR unknown command 'nonsense', with args beginning with: \n\n"
                          "WRONGTYPE Operation against a key holding the wrong kind of value\n\n");
    sp_test_output_free(&output);
    kv_stop(&kv);
}
