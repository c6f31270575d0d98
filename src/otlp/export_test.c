/* The exporter against a collector of the test's own: what arrives, as protoc reads it; and one that is
 * slow, busy, dead, or says no. */
#include "spawned/otlp.h"

#include "otlp/encode.h"
#include "support/run.h"
#include "support/test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a collector ---- */

enum { COLLECTOR_BODY_MAX = 1 << 20, COLLECTOR_ANSWERS_MAX = 8 };

struct collector {
    int fd;
    uint16_t port;
    pthread_t thread;
    const char *answers[COLLECTOR_ANSWERS_MAX]; /* status lines and headers; then the last again */
    bool silent;                                /* it never answers */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned requests;
    char head[4096]; /* of the last request */
    char *body;
    size_t size;
};

static size_t collector_read(int fd, char *bytes, size_t max, const char *until)
{
    size_t size = 0;
    while (size < max && (until == NULL || strstr(bytes, until) == NULL)) {
        ssize_t got = read(fd, bytes + size, until == NULL ? max - size : 1);
        if (got <= 0)
            break;
        size += (size_t)got;
        if (until != NULL)
            bytes[size] = '\0';
    }
    return size;
}

/* One request of a connection. False: there is none any more. */
static bool collector_serve(struct collector *collector, int fd)
{
    char head[4096] = "";
    if (collector_read(fd, head, sizeof(head) - 1, "\r\n\r\n") == 0)
        return false;
    const char *length = strstr(head, "Content-Length: ");
    size_t size = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
    char *body = malloc(size + 1);
    size = collector_read(fd, body, size, NULL);
    pthread_mutex_lock(&collector->lock);
    unsigned number = collector->requests++;
    memcpy(collector->head, head, sizeof(head));
    free(collector->body);
    collector->body = body;
    collector->size = size;
    pthread_cond_broadcast(&collector->changed);
    pthread_mutex_unlock(&collector->lock);
    if (collector->silent) {
        char rest;
        return read(fd, &rest, 1) > 0; /* until the other side has had enough */
    }
    unsigned last = number;
    while (last > 0 && (last >= COLLECTOR_ANSWERS_MAX || collector->answers[last] == NULL))
        last--;
    char answer[512];
    int written = snprintf(answer, sizeof(answer), "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n",
                           collector->answers[last]);
    return write(fd, answer, (size_t)written) == written;
}

static void *collector_main(void *arg)
{
    struct collector *collector = arg;
    for (int fd; (fd = accept(collector->fd, NULL, NULL)) >= 0; close(fd))
        while (collector_serve(collector, fd))
            continue;
    return NULL;
}

static void collector_open(struct collector *collector)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    pthread_mutex_init(&collector->lock, NULL);
    pthread_cond_init(&collector->changed, NULL);
    collector->fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(collector->fd, (struct sockaddr *)&address, size) == 0);
    CHECK(listen(collector->fd, 8) == 0);
    CHECK(getsockname(collector->fd, (struct sockaddr *)&address, &size) == 0);
    collector->port = ntohs(address.sin_port);
    CHECK(pthread_create(&collector->thread, NULL, collector_main, collector) == 0);
}

static void collector_close(struct collector *collector)
{
    shutdown(collector->fd, SHUT_RDWR);
    pthread_join(collector->thread, NULL);
    close(collector->fd);
    free(collector->body);
    pthread_mutex_destroy(&collector->lock);
    pthread_cond_destroy(&collector->changed);
}

static void collector_await(struct collector *collector, unsigned requests)
{
    pthread_mutex_lock(&collector->lock);
    while (collector->requests < requests)
        pthread_cond_wait(&collector->changed, &collector->lock);
    pthread_mutex_unlock(&collector->lock);
}

/* ---- a program that is traced ---- */

SP_SERVER(desk, sp_empty);
SP_CALL(desk, ask, int, int);

static sp_err desk_on_ask(sp_empty *self, const int *in, int *out)
{
    (void)self;
    *out = *in;
    return *in < 0 ? SP_ERR_IO : SP_OK;
}

SP_STATE(desk, sp_empty);
SP_ON_CALL(desk, ask);
SP_CLASS(desk, .init = NULL);

struct program {
    struct collector *collector;
    struct sp_otlp *otlp;
    struct sp_otlp_options options;
    int asks;
    bool stops_itself;
    unsigned awaits; /* requests, before it goes on */
    char url[64];
};

static int program_main(void *arg)
{
    struct program *program = arg;
    struct sp_runtime *runtime = sp_runtime_current();
    desk_ref desk;
    sp_empty none = { 0 };
    CHECK_OK(desk_start(&none, NULL, &desk));
    CHECK_OK(sp_trace_start(runtime, &(struct sp_trace_options){ .ratio = 1 }));
    snprintf(program->url, sizeof(program->url), "http://127.0.0.1:%u/v1/traces",
             program->collector->port);
    program->options.url = program->url;
    CHECK_OK(sp_otlp_start(runtime, &program->options, &program->otlp));
    CHECK_ERR(sp_otlp_start(runtime, &program->options, &(struct sp_otlp *){ NULL }),
              SP_ERR_EXISTS);
    CHECK_OK(sp_trace_adopt("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=b"));
    for (int i = 0; i < program->asks; i++) {
        int out;
        CHECK_INT(desk_ask(desk, &(int){ i == 0 ? -1 : i }, &out, sp_never()),
                  i == 0 ? SP_ERR_IO : SP_OK);
    }
    sp_trace_span span = sp_trace_span_start("wrap \xff up");
    sp_trace_span_set(span, "colour", "red");
    sp_trace_span_set_int(span, "weight", -3);
    sp_trace_span_end(span, SP_OK);
    if (program->awaits != 0)
        collector_await(program->collector, program->awaits);
    if (program->stops_itself) {
        sp_otlp_stop(program->otlp);
        program->otlp = NULL;
    }
    return 0;
}

/* Stops the exporter after the runtime, where the program did not. */
static struct sp_otlp_stats program_run(struct program *program)
{
    struct sp_otlp_stats stats = { 0 };
    CHECK_INT(sp_main(program_main, program, &(struct sp_runtime_options){ .workers = 2 }), 0);
    if (program->otlp != NULL)
        sp_otlp_stats(program->otlp, &stats);
    sp_otlp_stop(program->otlp);
    return stats;
}

/* ---- cases ---- */

#ifdef SP_TEST_PROTOC
static char *decode(const char *body, size_t size)
{
    struct sp_test_output output;
    const char *const args[] = { "--decode=otlp.Request", "-I", SP_TEST_SOURCE_DIR "/tests/otlp",
                                 "otlp.proto", NULL };
    sp_test_run(
        &(struct sp_test_command){
            .program = SP_TEST_PROTOC, .args = args, .input = body, .input_len = size },
        &output);
    CHECK_STR(output.err, "");
    CHECK_INT(output.status, 0);
    char *text = strdup(output.out);
    sp_test_output_free(&output);
    return text;
}

static unsigned occurrences(const char *text, const char *part)
{
    unsigned found = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        found++;
    return found;
}
#endif

TEST(spans_arrive_as_the_specification_says)
{
#ifndef SP_TEST_PROTOC
    SKIP("protoc is not there");
#else
    static const char *const headers[] = { "Authorization: Bearer secret" };
    static const char *const attributes[] = { "deployment.environment=test" };
    struct collector collector = { .answers = { "200 OK" } };
    collector_open(&collector);
    struct program program = { .collector = &collector,
                               .options = { .service = "shop",
                                            .delay = sp_sec(3600),
                                            .headers = headers,
                                            .header_count = 1,
                                            .attributes = attributes,
                                            .attribute_count = 1 },
                               .asks = 3 };
    struct sp_otlp_stats stats = program_run(&program);
    CHECK_INT((int)stats.exported, 4);
    CHECK_INT((int)stats.dropped, 0);
    CHECK_CONTAINS(collector.head, "POST /v1/traces HTTP/1.1\r\n");
    CHECK_CONTAINS(collector.head, "Content-Type: application/x-protobuf\r\n");
    CHECK_CONTAINS(collector.head, "Authorization: Bearer secret\r\n");
    char *text = decode(collector.body, collector.size);
    /* With resource_spans and scope_spans. */
    CHECK_INT((int)occurrences(text, "spans {"), 2 + 4);
    CHECK_CONTAINS(text, "key: \"service.name\"\n      value {\n        string_value: \"shop\"");
    CHECK_CONTAINS(text, "string_value: \"test\"");
    CHECK_INT((int)occurrences(text, "name: \"desk/ask\""), 3);
    CHECK_INT((int)occurrences(text, "trace_state: \"a=b\""), 4);
    CHECK_INT((int)occurrences(
                  text, "trace_id: \"\\n\\367e\\031\\026\\315C\\335\\204H\\353!\\034\\2001\\234\""),
              4);
    CHECK_INT((int)occurrences(text, "parent_span_id: \"\\267\\255kqi 31\""), 4);
    CHECK_INT((int)occurrences(text, "code: OK"), 3);
    CHECK_INT((int)occurrences(text, "code: ERROR"), 1);
    CHECK_CONTAINS(text, "message: \"input or output failed");
    CHECK_CONTAINS(text, "name: \"wrap ? up\"");
    CHECK_CONTAINS(text, "key: \"colour\"");
    CHECK_CONTAINS(text, "int_value: -3");
    CHECK_INT((int)occurrences(text, "key: \"spawned.queue_ns\""), 3);
    CHECK_INT((int)occurrences(text, "flags: 1"), 4);
    CHECK_CONTAINS(text, "start_time_unix_nano: 1"); /* 2001 to 2033 and more */
    free(text);
    collector_close(&collector);
#endif
}

TEST(a_busy_collector_is_asked_again)
{
    struct collector collector = { .answers = { "503 Service Unavailable",
                                                "429 Too Many Requests\r\nRetry-After: 1",
                                                "200 OK" } };
    collector_open(&collector);
    struct program program = { .collector = &collector,
                               .options = { .delay = sp_ms(1), .retry_first = sp_ms(5) },
                               .asks = 10,
                               .awaits = 3 };
    struct sp_otlp_stats stats = program_run(&program);
    CHECK_INT((int)stats.exported, 11);
    CHECK(stats.requests >= 3);
    CHECK_INT((int)stats.failed, 2);
    collector_close(&collector);
}

TEST(a_collector_that_refuses_is_not_asked_again)
{
    struct collector collector = { .answers = { "400 Bad Request" } };
    collector_open(&collector);
    struct program program = { .collector = &collector,
                               .options = { .delay = sp_sec(3600) },
                               .asks = 1 };
    struct sp_otlp_stats stats = program_run(&program);
    CHECK_INT((int)stats.dropped, 2);
    CHECK_INT((int)stats.requests, 1);
    collector_close(&collector);
}

TEST(a_dead_collector_is_given_up)
{
    struct collector collector = { .answers = { "200 OK" } };
    collector_open(&collector);
    collector_close(&collector); /* its port is nobody's now */
    collector.body = NULL;
    struct program program = { .collector = &collector,
                               .options = { .retry_first = sp_ms(10),
                                            .retry_most = sp_ms(50),
                                            .retry_total = sp_sec(1),
                                            .flush = sp_sec(60) },
                               .asks = 5 };
    struct sp_otlp_stats stats = program_run(&program);
    CHECK_INT((int)stats.exported, 0);
    CHECK_INT((int)stats.dropped, 6);
    CHECK(stats.failed >= 2);
}

TEST(a_silent_collector_does_not_hold_the_end)
{
    struct collector collector = { .silent = true };
    collector_open(&collector);
    struct program program = {
        .collector = &collector,
        /* Over at once: the request that is under way is given up when the program ends. */
        .options = { .delay = sp_ms(1), .request_time = sp_sec(3600), .flush = sp_ns(1) },
        .asks = 5,
        .awaits = 1
    };
    struct sp_otlp_stats stats = program_run(&program);
    CHECK_INT((int)stats.exported, 0);
    CHECK_INT((int)stats.dropped, 6);
    collector_close(&collector);
}

TEST(many_spans_go_in_batches)
{
    struct collector collector = { .answers = { "200 OK" } };
    collector_open(&collector);
    struct program program = { .collector = &collector,
                               .options = { .batch = 64, .delay = sp_sec(3600) },
                               .asks = 383,
                               .stops_itself = true };
    (void)program_run(&program);
    CHECK_INT((int)collector.requests, 6);
    collector_close(&collector);
}

static int refused_main(void *arg)
{
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    static const char *const bad_header[] = { "no colon" };
    static const char *const split_header[] = { "A: b\r\nC: d" };
    static const char *const bad_pair[] = { "no equals sign" };
    const struct sp_otlp_options bad[] = {
        { .url = "ftp://127.0.0.1/" },
        { .url = "127.0.0.1:4318" },
        { .url = "http://127.0.0.1/\nHost: x" },
        { .headers = bad_header, .header_count = 1 },
        { .headers = split_header, .header_count = 1 },
        { .attributes = bad_pair, .attribute_count = 1 },
        { .headers = bad_header, .header_count = SP_OTLP_TEXTS_MAX + 1 },
        { .batch = 8193 },
        { .delay = sp_ns(-1) },
        { .flush = sp_sec(3601) },
    };
    struct sp_otlp *otlp = NULL;
    CHECK_ERR(sp_otlp_start(runtime, &(struct sp_otlp_options){ .batch = 1 }, &otlp),
              SP_ERR_INVALID); /* nothing is traced */
    CHECK_OK(sp_trace_start(runtime, &(struct sp_trace_options){ .ratio = 1 }));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(sp_otlp_start(runtime, &bad[i], &otlp), SP_ERR_INVALID);
    sp_otlp_stop(NULL);
    return 0;
}

TEST(options_that_make_no_sense_are_refused)
{
    CHECK_INT(sp_main(refused_main, NULL, NULL), 0);
}
