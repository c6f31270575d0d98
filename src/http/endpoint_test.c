/* The endpoint over raw sockets: what it answers, what it refuses, what it bears. */
#include "spawned/http.h"
#include "runtime/core.h"
#include "spawned/recorder.h"
#include "support/io.h"
#include "support/lab.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TOKEN "0123456789abcdef-token"

enum { REPLY_MAX = 1 << 20 };

/* ---- a client ---- */

static sp_http_ref http;
static uint16_t port;
static char reply[REPLY_MAX + 1];

static void http_open(const struct sp_http_options *options)
{
    struct sp_http_info info;
    CHECK_OK(sp_http_start(options, NULL, &http));
    CHECK_OK(sp_http_info(http, &(sp_empty){ 0 }, &info, WORLD_PATIENCE));
    port = info.address.port;
}

static void http_close(void)
{
    CHECK_OK(sp_http_stop(http, WORLD_PATIENCE));
}

static struct sp_http_info http_counts(void)
{
    struct sp_http_info info;
    CHECK_OK(sp_http_info(http, &(sp_empty){ 0 }, &info, WORLD_PATIENCE));
    return info;
}

static int client_connect(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct timeval patience = { .tv_sec = 60 };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void client_write(int fd, const char *bytes)
{
    size_t size = strlen(bytes);
    CHECK_INT(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

/* All until the end of the stream; a guard of a minute. */
static const char *client_read(int fd)
{
    size_t count = 0;
    ssize_t more;
    while (count < REPLY_MAX && (more = recv(fd, reply + count, REPLY_MAX - count, 0)) > 0)
        count += (size_t)more;
    reply[count] = '\0';
    close(fd);
    return reply;
}

/* Sends it as it is, and reads what comes until the end. */
static const char *raw(const char *request)
{
    int fd = client_connect();
    client_write(fd, request);
    return client_read(fd);
}

/* A request with a Host and these further headers, each with its CRLF. */
static const char *ask(const char *line, const char *headers)
{
    char request[1024];
    snprintf(request, sizeof(request),
             "%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n%s\r\n", line, port,
             headers);
    return raw(request);
}

static int status(const char *answer)
{
    int number = 0;
    if (sscanf(answer, "HTTP/1.1 %d", &number) != 1)
        sscanf(answer, "HTTP/1.0 %d", &number);
    return number;
}

/* "/api/processes/0.17.4" and more behind it. */
static const char *pid_path(char path[128], const char *method, sp_pid pid, const char *more)
{
    snprintf(path, 128, "%s /api/processes/%u.%u.%llu%s", method, pid.node, pid.slot,
             (unsigned long long)pid.serial, more);
    return path;
}

SP_MESSAGE(nobodys, int);

static void send_note_to_nobody(sp_pid gone)
{
    CHECK_ERR(nobodys_send(gone, &(int){ 1 }), SP_ERR_NOPROC);
}

/* ---- what it answers ---- */

TEST(http_serves_the_dashboard_health_and_questions)
{
    io_open(NULL);
    http_open(&(struct sp_http_options){ .program = "tested" });
    CHECK_INT(status(ask("GET /", "")), 200);
    CHECK_CONTAINS(reply, "text/html");
    CHECK_CONTAINS(reply, "Content-Security-Policy: default-src 'none'; script-src 'self';");
    CHECK_CONTAINS(reply, "X-Content-Type-Options: nosniff");
    CHECK_INT(status(ask("GET /dashboard.js", "")), 200);
    CHECK_INT(status(ask("GET /dashboard.css", "")), 200);
    CHECK_INT(status(ask("GET /favicon.svg", "")), 200);
    CHECK_CONTAINS(ask("GET /healthz", ""), "\r\n\r\nok\n");
    CHECK_CONTAINS(ask("GET /readyz", ""), "\r\n\r\nready\n");
    CHECK_CONTAINS(ask("GET /api/overview", ""), "\"program\":\"tested\"");
    CHECK_CONTAINS(ask("GET /api/overview", ""),
                   "\"spans\":{\"recorded\":0,\"taken\":0,\"lost\":0,\"failed\":0}");
    CHECK_CONTAINS(ask("GET /api/overview", ""), "\"abandoned\":0,\"abandoned_left\":0}");
    CHECK_CONTAINS(ask("GET /api/tree", ""), "\"truncated\":false");
    CHECK_CONTAINS(ask("GET /api/graph", ""), "\"cycles\":[]");
    CHECK_CONTAINS(ask("HEAD /api/overview", ""), "200 OK");
    CHECK(strstr(reply, "\"program\"") == NULL);
    http_close();
    io_close();
}

SP_SERVER(patient, int);

static sp_err patient_init(int *state, const int *status)
{
    *state = *status;
    return SP_OK;
}

static void patient_health(const int *state, struct sp_health *out)
{
    out->status = (enum sp_health_status) * state;
    (void)snprintf(out->text, sizeof(out->text), "is \"%d\"", *state);
}

SP_STATE(patient, int);
SP_ON_INIT(patient);
SP_ON_HEALTH(patient);
SP_CLASS(patient, .init = patient__init, .health = patient__health);

TEST(http_shows_the_health_of_servers)
{
    patient_ref patients[2];
    io_open(NULL);
    http_open(&(struct sp_http_options){ .program = "tested" });
    CHECK_CONTAINS(ask("GET /api/health", ""), "{\"status\":\"healthy\",\"asked\":0,");
    for (int status = SP_HEALTHY; status <= SP_DEGRADED; status++)
        CHECK_OK(patient_start(&status, NULL, &patients[status]));
    /* On a machine that is busy it may take a second look until both have answered. */
    while (strstr(ask("GET /api/health", ""), "\"answered\":false") != NULL)
        continue;
    CHECK_CONTAINS(reply, "{\"status\":\"degraded\",\"asked\":2,\"healthy\":1,\"degraded\":1,"
                          "\"unhealthy\":0,\"unasked\":0,\"checks\":[{\"pid\":\"");
    CHECK_CONTAINS(reply, "\"label\":\"patient\",\"status\":\"degraded\",\"text\":\"is \\\"1\\\"\","
                          "\"answered\":true}");
    CHECK_INT(status(ask("GET /api/health?limit=x", "")), 400);
    http_close();
    io_close();
}

static bool not_ready(void *arg)
{
    return arg != NULL;
}

TEST(http_ready_is_what_the_program_says)
{
    io_open(NULL);
    http_open(&(struct sp_http_options){ .ready = not_ready });
    CHECK_INT(status(ask("GET /readyz", "")), 503);
    CHECK_INT(status(ask("GET /healthz", "")), 200);
    http_close();
    io_close();
}

TEST(http_is_not_ready_once_a_shutdown_has_begun)
{
    io_open(NULL);
    http_open(&(struct sp_http_options){ .program = "tested" });
    CHECK_INT(status(ask("GET /readyz", "")), 200);
    atomic_store(&sp_runtime_current()->unready, true);
    CHECK_INT(status(ask("GET /readyz", "")), 503);
    CHECK_INT(status(ask("GET /healthz", "")), 200);
    http_close();
    io_close();
}

/* Until it waits for a message. */
static void idle_wait(sp_pid pid)
{
    struct sp_process_info info;
    do {
        sp_yield();
        CHECK_OK(sp_process_info(pid, &info));
    } while (info.status != SP_STATUS_IDLE);
}

TEST(http_pages_sorts_and_searches_the_process_table)
{
    char name[16];
    io_open(NULL);
    http_open(&(struct sp_http_options){ .address = "127.0.0.1:0" });
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "Page %d", i);
        idle_wait(puppet_start(&(struct sp_spawn_options){ .name = name }));
    }
    CHECK_CONTAINS(ask("GET /api/processes?search=page%20&sort=name&limit=2&offset=1", ""),
                   "\"matched\":5,\"offset\":1,\"limit\":2,\"sort\":\"name\",\"order\":\"asc\"");
    const char *first = strstr(reply, "\"name\":\"Page 1\"");
    const char *second = strstr(reply, "\"name\":\"Page 2\"");
    CHECK(first != NULL && second > first);
    CHECK(strstr(reply, "Page 0") == NULL && strstr(reply, "Page 3") == NULL);
    ask("GET /api/processes?search=page&sort=name&order=desc&limit=1", "");
    CHECK_CONTAINS(reply, "\"name\":\"Page 4\"");
    CHECK(strstr(reply, "Page 3") == NULL);
    ask("GET /api/processes?search=page&offset=4", "");
    CHECK_CONTAINS(reply, "\"name\":\"Page 4\"");
    CHECK(strstr(reply, "Page 3") == NULL);
    CHECK_CONTAINS(ask("GET /api/processes?search=page&status=idle&sort=uptime", ""), "Page 0");
    CHECK_CONTAINS(ask("GET /api/processes?search=page&status=exiting", ""), "\"matched\":0");
    CHECK_CONTAINS(ask("GET /api/processes?search=page&kind=plain", ""), "\"matched\":5");
    CHECK_CONTAINS(ask("GET /api/processes?search=page&kind=task", ""), "\"matched\":0");
    CHECK_CONTAINS(ask("GET /api/processes?search=page&sort=handling", ""), "\"handling_ms\":0");
    http_close();
    io_close();
}

/* Rows come in the order of the table, forwards and backwards, page by page. */
TEST(http_pages_the_table_in_both_directions)
{
    char line[128];
    char want[64];
    sp_pid pids[5];
    io_open(NULL);
    http_open(&(struct sp_http_options){ .address = "127.0.0.1:0" });
    for (int i = 0; i < 5; i++)
        pids[i] = puppet_start(&(struct sp_spawn_options){ .label = "paged" });
    for (int i = 0; i < 5; i++) {
        snprintf(line, sizeof(line), "GET /api/processes?search=paged&limit=1&offset=%d", i);
        ask(line, "");
        CHECK_CONTAINS(reply, "\"matched\":5,");
        snprintf(want, sizeof(want), "{\"pid\":\"0.%u.", pids[i].slot);
        CHECK_CONTAINS(reply, want);
        snprintf(line, sizeof(line), "GET /api/processes?search=paged&limit=1&order=desc&offset=%d",
                 4 - i);
        ask(line, "");
        CHECK_CONTAINS(reply, "\"matched\":5,");
        CHECK_CONTAINS(reply, want);
    }
    CHECK_CONTAINS(ask("GET /api/processes?search=paged&order=desc&offset=5", ""),
                   "\"processes\":[]");
    snprintf(want, sizeof(want), "{\"pid\":\"0.%u.", pids[0].slot);
    CHECK_CONTAINS(ask("GET /api/processes?search=paged&order=desc&offset=4&limit=3", ""), want);
    /* All of them, the last one first. */
    CHECK_INT(status(ask("GET /api/processes?order=desc&limit=1", "")), 200);
    snprintf(line, sizeof(line), "GET /api/processes?search=%u.%llu", pids[2].slot,
             (unsigned long long)pids[2].serial);
    snprintf(want, sizeof(want), "{\"pid\":\"0.%u.", pids[2].slot);
    CHECK_CONTAINS(ask(line, ""), want);
    http_close();
    io_close();
}

TEST(http_lists_children_and_counts_them)
{
    char line[128];
    sp_pid top;
    static const struct sp_http_options inner = { .address = "127.0.0.1:0" };
    struct sp_child_spec child = { .id = "child", .server = &sp_http_class, .args = &inner };
    const struct sp_supervisor_spec spec = { .children = &child, .child_count = 1 };
    const struct sp_server_options named = { .spawn.name = "the top" };
    io_open(NULL);
    http_open(&(struct sp_http_options){ .address = "127.0.0.1:0" });
    CHECK_OK(sp_supervisor_start(&spec, &named, &top));
    snprintf(line, sizeof(line), "GET /api/processes?parent=0.%u.%llu", top.slot,
             (unsigned long long)top.serial);
    CHECK_CONTAINS(ask(line, ""), "\"matched\":1,");
    ask(pid_path(line, "GET", top, ""), "");
    CHECK_CONTAINS(reply, "\"kind\":\"supervisor\"");
    CHECK_CONTAINS(reply, "\"children_total\":1");
    CHECK_CONTAINS(reply, ":\"sp_http\"");
    ask("GET /api/tree", "");
    const char *node = strstr(reply, "\"name\":\"the top\"");
    CHECK(node != NULL);
    CHECK_CONTAINS(node, "\"kind\":\"supervisor\"");
    CHECK_CONTAINS(node, "\"children\":1}");
    CHECK_CONTAINS(ask("GET /api/tree?limit=1", ""), "\"truncated\":true");
    CHECK_OK(sp_stop(top, NULL, WORLD_PATIENCE));
    http_close();
    io_close();
}

static void wait_forever(void *arg)
{
    (void)arg;
    struct sp_message *message;
    while (sp_receive(sp_never(), &message) == SP_OK)
        sp_message_free(message);
}

TEST(http_a_name_is_text_whatever_it_contains)
{
    sp_pid pid;
    io_open(NULL);
    http_open(&(struct sp_http_options){ .address = "127.0.0.1:0" });
    CHECK_OK(sp_spawn(
        wait_forever, NULL,
        &(struct sp_spawn_options){ .name = "</script>\"><img src=x onerror=a()>\xff" }, &pid));
    ask("GET /api/processes?search=onerror", "");
    CHECK_CONTAINS(reply, "Content-Type: application/json");
    CHECK_CONTAINS(reply, "</script>\\\"><img src=x onerror=a()>\xEF\xBF\xBD\"");
    CHECK_CONTAINS(reply, "\"matched\":1");
    CHECK_OK(sp_kill(pid));
    http_close();
    io_close();
}

/* An edge as the reply tells it. */
static const char *edge(char text[256], sp_pid from, sp_pid to, const char *kind)
{
    snprintf(text, 256, "{\"from\":\"0.%u.%llu\",\"to\":\"0.%u.%llu\",\"kind\":\"%s\"", from.slot,
             (unsigned long long)from.serial, to.slot, (unsigned long long)to.serial, kind);
    return text;
}

static void monitor_it(void *pid)
{
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(*(sp_pid *)pid, &ref));
}

TEST(http_shows_links_monitors_and_waits)
{
    char path[128];
    char text[256];
    io_open(NULL);
    http_open(&(struct sp_http_options){ .address = "127.0.0.1:0" });
    sp_pid a = puppet_start(NULL);
    sp_pid b = puppet_start(NULL);
    CHECK_OK(puppet_link(a, b));
    puppet_do(b, monitor_it, &a);
    gate_ref gate = gate_begin();
    lab_ref lab = lab_begin(&(struct lab_args){ .gate = gate }, NULL);
    CHECK_OK(lab_wait_cast(lab, &(sp_empty){ 0 }));
    CHECK_INT(expect_note(), GATE_ARRIVED);

    ask("GET /api/graph", "");
    sp_pid low = a.slot < b.slot ? a : b;
    sp_pid high = a.slot < b.slot ? b : a;
    CHECK_CONTAINS(reply, edge(text, low, high, "link"));
    CHECK(strstr(reply, edge(text, high, low, "link")) == NULL);
    CHECK_CONTAINS(reply, edge(text, b, a, "monitor"));
    CHECK_CONTAINS(reply, edge(text, lab.pid, gate.pid, "wait"));
    CHECK_CONTAINS(strstr(reply, text), ",\"wait\":\"call\",\"operation\":\"pass\",\"for_ms\":");
    CHECK_CONTAINS(reply, "\"cycles\":[]");
    ask(pid_path(path, "GET", a, ""), "");
    snprintf(text, sizeof(text), "\"watching\":[],\"watched_by\":[\"0.%u.%llu\"]", b.slot,
             (unsigned long long)b.serial);
    CHECK_CONTAINS(reply, text);
    snprintf(text, sizeof(text), "\"linked\":[\"0.%u.%llu\"]", b.slot,
             (unsigned long long)b.serial);
    CHECK_CONTAINS(reply, text);

    CHECK_OK(gate_open(gate, &(sp_empty){ 0 }));
    http_close();
    io_close();
}

TEST(http_shows_what_the_recorder_has)
{
    io_open(NULL);
    http_open(&(struct sp_http_options){ .program = "tested" });
    CHECK_CONTAINS(ask("GET /api/events", ""), "\"available\":false");
    CHECK_INT(status(ask("GET /api/recording", "")), 404);
    CHECK_CONTAINS(reply, "\"code\":\"empty\"");
    CHECK_OK(sp_recorder_start(sp_runtime_current(), NULL));
    (void)http_counts(); /* a call */
    CHECK_CONTAINS(ask("GET /api/events?limit=1000", ""), "\"available\":true");
    CHECK_CONTAINS(reply, "\"kind\":\"send\"");
    CHECK_CONTAINS(reply, "\"kind\":\"handle\"");
    const char *last = strstr(reply, "\"last\":");
    unsigned long long seq;
    char line[64];
    CHECK(last != NULL && sscanf(last, "\"last\":%llu", &seq) == 1);
    snprintf(line, sizeof(line), "GET /api/events?since=%llu", seq);
    sp_recorder_stop(sp_runtime_current());
    (void)ask(line, "");
    snprintf(line, sizeof(line), "GET /api/events?process=0.%u.%llu", http.pid.slot,
             (unsigned long long)http.pid.serial);
    CHECK_CONTAINS(ask(line, ""), "\"kind\":\"handle\"");
    CHECK(strstr(reply, "\"kind\":\"park\"") == NULL); /* of the threads themselves */
    CHECK_CONTAINS(ask("GET /api/events?process=0.99.99", ""), "\"events\":[]");
    CHECK_CONTAINS(ask("GET /api/events?limit=0", ""), "\"events\":[]");
    ask("GET /api/events?limit=1", "");
    CHECK_CONTAINS(reply, "\"events\":[{\"seq\":");
    CHECK(strstr(strstr(reply, "\"seq\":") + 1, "\"seq\":") == NULL);
    CHECK_INT(status(ask("GET /api/events?process=x", "")), 400);
    CHECK_INT(status(ask("GET /api/recording", "")), 200);
    CHECK_CONTAINS(reply, "\"traceEvents\"");
    CHECK_INT(status(ask("GET /api/events?limit=1001", "")), 400);
    CHECK_INT(status(ask("GET /api/events?since=x", "")), 400);
    http_close();
    io_close();
}

static void dies_of_markup(void *arg)
{
    (void)arg;
    sp_exit_error(SP_OK, "</script><img src=x onerror=\"a()\">\x01");
}

TEST(http_lists_exits_and_dead_letters)
{
    char line[128];
    unsigned long long seq;
    sp_pid pid;
    io_open(NULL);
    http_open(&(struct sp_http_options){ .address = "127.0.0.1:0" });
    CHECK_CONTAINS(ask("GET /api/exits", ""), "\"available\":true,\"last\":0,\"lost\":0,");
    CHECK_CONTAINS(reply, "\"exits\":[]");
    CHECK_CONTAINS(ask("GET /api/dead-letters", ""), "\"dead_letters\":[]");
    for (int i = 0; i < 2; i++) {
        CHECK_OK(sp_spawn(dies_of_markup, NULL,
                          &(struct sp_spawn_options){ .name = "mortal <b>", .label = "dies" },
                          &pid));
        CHECK_OK(sp_join(pid, WORLD_PATIENCE, NULL));
    }
    send_note_to_nobody(pid);
    ask("GET /api/exits", "");
    CHECK_CONTAINS(reply, "\"name\":\"mortal <b>\",\"label\":\"dies\",\"kind\":\"error\"");
    CHECK_CONTAINS(reply, "</script><img src=x onerror=\\\"a()\\\">\\u0001");
    CHECK_CONTAINS(reply, "\"error\":2");
    CHECK_CONTAINS(reply, "\"restarted\":null");
    const char *last = strstr(reply, "\"last\":");
    CHECK(last != NULL && sscanf(last, "\"last\":%llu", &seq) == 1);
    CHECK_INT(seq, 2);
    CHECK_CONTAINS(ask("GET /api/exits?since=2", ""), "\"last\":2,\"lost\":0,");
    CHECK_CONTAINS(reply, "\"exits\":[]");
    CHECK_CONTAINS(ask("GET /api/exits?limit=1", ""), "\"last\":2,\"lost\":1,");
    ask("GET /api/dead-letters", "");
    CHECK_CONTAINS(reply, "\"operation\":\"nobodys\",\"reason\":\"no process\"}]");
    CHECK_CONTAINS(reply, "\"counts\":[{\"operation\":\"nobodys\",\"no process\":1,");
    snprintf(line, sizeof(line), "\"to\":\"0.%u.%llu\"", pid.slot, (unsigned long long)pid.serial);
    CHECK_CONTAINS(reply, line);
    CHECK_CONTAINS(ask("GET /api/dead-letters?since=1", ""), "\"dead_letters\":[]");
    CHECK_CONTAINS(ask("GET /api/dead-letters?since=9", ""), "\"last\":9,\"lost\":0,");
    CHECK_INT(status(ask("GET /api/exits?since=-1", "")), 400);
    CHECK_INT(status(ask("GET /api/dead-letters?limit=1001", "")), 400);
    http_close();
    io_close();
}

TEST(http_counts_in_prometheus_text)
{
    io_open(NULL);
    http_open(&(struct sp_http_options){ .address = "127.0.0.1:0" });
    CHECK_CONTAINS(ask("GET /metrics", ""), "Content-Type: text/plain; version=0.0.4");
    CHECK_CONTAINS(reply,
                   "# TYPE spawned_messages_sent_total counter\nspawned_messages_sent_total ");
    CHECK_CONTAINS(reply, "# TYPE spawned_processes gauge\nspawned_processes ");
    http_close();
    io_close();
}

/* ---- killing ---- */

TEST(http_kills_what_its_supervisor_starts_again)
{
    char path[128];
    static const struct sp_http_options inner = { .address = "127.0.0.1:0" };
    const struct sp_child_spec child = {
        .id = "child", .server = &sp_http_class, .args = &inner, .options.spawn.name = "child"
    };
    const struct sp_supervisor_spec spec = { .children = &child, .child_count = 1 };
    sp_pid top;
    sp_pid before;
    sp_pid after;
    sp_monitor_ref monitor;
    io_open(NULL);
    http_open(&(struct sp_http_options){ .control = true });
    CHECK_OK(sp_supervisor_start(&spec, NULL, &top));
    CHECK_OK(sp_whereis("child", &before));
    CHECK_OK(sp_monitor(before, &monitor));
    CHECK_CONTAINS(ask(pid_path(path, "POST", before, "/kill"), "Spawned-Action: 1\r\n"),
                   "\"killed\":true");
    expect_down(monitor, before, "killed");
    struct sp_child_info info;
    CHECK_OK(sp_supervisor_get_child(top, "child", WORLD_PATIENCE, &info));
    CHECK_OK(sp_whereis("child", &after));
    CHECK(!sp_pid_equal(before, after));
    CHECK_INT(status(ask(pid_path(path, "POST", before, "/kill"), "Spawned-Action: 1\r\n")), 404);
    CHECK_INT(status(ask(pid_path(path, "GET", before, ""), "")), 404);
    CHECK_INT(status(ask(pid_path(path, "GET", after, ""), "")), 200);
    CHECK_OK(sp_stop(top, NULL, WORLD_PATIENCE));
    http_close();
    io_close();
}

SP_SERVER(vault, int);
SP_CALL(vault, count, sp_empty, int);

static sp_err vault_init(int *coins, const int *args)
{
    *coins = *args;
    return SP_OK;
}

static sp_err vault_on_count(int *coins, const sp_empty *in, int *out)
{
    (void)in;
    *out = *coins;
    return SP_OK;
}

static void vault_format(const int *coins, char *text, size_t size)
{
    (void)snprintf(text, size, "%d \"coins\"\n", *coins);
}

SP_STATE(vault, int);
SP_ON_INIT(vault);
SP_ON_CALL(vault, count);
SP_ON_FORMAT(vault);
SP_CLASS(vault, .init = vault__init, .format = vault__format);

static void acts(const char *how, sp_pid pid, const char *what, int expected)
{
    char path[128];
    CHECK_INT(status(ask(pid_path(path, how, pid, what), "Spawned-Action: 1\r\n")), expected);
}

TEST(http_looks_into_servers_and_holds_them)
{
    vault_ref vault;
    int out;
    io_open(NULL);
    http_open(&(struct sp_http_options){ .control = true });
    CHECK_OK(vault_start(&(int){ 7 }, NULL, &vault));
    acts("GET", vault.pid, "/state", 200);
    CHECK_CONTAINS(reply, "\"state\":\"7 \\\"coins\\\"\\u000a\"");
    acts("GET", vault.pid, "/statistics", 409);
    acts("POST", vault.pid, "/measure?on=maybe", 400);
    acts("POST", vault.pid, "/measure", 200);
    CHECK_OK(vault_count(vault, &(sp_empty){ 0 }, &out, WORLD_PATIENCE));
    acts("GET", vault.pid, "/statistics", 200);
    CHECK_CONTAINS(reply, "\"handled\":1,\"failed\":0,");
    CHECK_CONTAINS(reply, "\"longest_operation\":\"count\"");
    acts("POST", vault.pid, "/measure?on=no", 200);
    acts("GET", vault.pid, "/statistics", 409);
    acts("POST", vault.pid, "/suspend", 200);
    CHECK_CONTAINS(reply, "\"suspended\":true");
    acts("GET", vault.pid, "", 200);
    CHECK_CONTAINS(reply, "\"status\":\"suspended\"");
    CHECK_INT(status(ask("GET /api/processes?status=suspended", "")), 200);
    CHECK_CONTAINS(reply, "\"matched\":1");
    acts("POST", vault.pid, "/resume", 200);
    CHECK_OK(vault_count(vault, &(sp_empty){ 0 }, &out, WORLD_PATIENCE));
    acts("GET", puppet_start(NULL), "/state", 409);
    acts("GET", vault.pid, "/suspend", 405);
    CHECK_OK(sp_stop(vault.pid, NULL, WORLD_PATIENCE));
    acts("POST", vault.pid, "/suspend", 404);
    http_close();
    io_close();
}

TEST(http_changes_are_refused_to_other_sites_and_without_control)
{
    char path[128];
    char origin[128];
    io_open(NULL);
    http_open(&(struct sp_http_options){ .control = true });
    sp_pid pid = puppet_start(NULL);
    pid_path(path, "POST", pid, "/kill");
    CHECK_INT(status(ask(path, "")), 403);
    CHECK_INT(status(ask(path, "Spawned-Action: 1\r\nOrigin: http://evil.example\r\n")), 403);
    snprintf(origin, sizeof(origin),
             "Spawned-Action: 1\r\nOrigin: http://127.0.0.1:%u.evil.example\r\n", port);
    CHECK_INT(status(ask(path, origin)), 403);
    CHECK_INT(status(ask(path, "Spawned-Action: 1\r\nOrigin: null\r\n")), 403);
    CHECK_INT(status(ask(path, "Spawned-Action: 1\r\nSec-Fetch-Site: cross-site\r\n")), 403);
    CHECK_INT(status(ask("GET /api/overview", "Sec-Fetch-Site: cross-site\r\n")), 403);
    CHECK_INT(status(ask(pid_path(path, "GET", pid, "/kill"), "Spawned-Action: 1\r\n")), 405);
    CHECK_CONTAINS(reply, "Allow: POST");
    CHECK_INT(status(ask("OPTIONS /api/overview", "Origin: http://evil.example\r\n")), 405);
    CHECK(strstr(reply, "Access-Control") == NULL);
    CHECK(sp_is_alive(pid));
    snprintf(origin, sizeof(origin), "Spawned-Action: 1\r\nOrigin: http://127.0.0.1:%u\r\n", port);
    CHECK_INT(status(ask(pid_path(path, "POST", pid, "/kill"), origin)), 200);
    http_close();

    http_open(&(struct sp_http_options){ .control = false });
    pid = puppet_start(NULL);
    CHECK_INT(status(ask(pid_path(path, "POST", pid, "/kill"), "Spawned-Action: 1\r\n")), 403);
    CHECK(sp_is_alive(pid));
    http_close();
    io_close();
}

/* ---- who may ask ---- */

TEST(http_wants_the_token)
{
    io_open(NULL);
    http_open(&(struct sp_http_options){ .token = TOKEN });
    CHECK_INT(status(ask("GET /api/overview", "")), 401);
    CHECK_CONTAINS(reply, "WWW-Authenticate: Bearer");
    CHECK_INT(status(ask("GET /api/overview", "Authorization: Bearer wrong\r\n")), 401);
    CHECK_INT(status(ask("GET /api/overview", "Authorization: Bearer " TOKEN "x\r\n")), 401);
    CHECK_INT(status(ask("GET /api/overview", "Authorization: Basic " TOKEN "\r\n")), 401);
    CHECK_INT(status(ask("GET /api/overview?token=" TOKEN, "")), 401);
    CHECK_INT(status(ask("GET /nothing", "")), 401);
    CHECK_INT(status(ask("GET /api/overview", "Authorization: Bearer " TOKEN "\r\n")), 200);
    CHECK_INT(status(ask("GET /", "")), 200);
    CHECK_INT(status(ask("GET /healthz", "")), 200);
    CHECK_INT(status(ask("POST /api/processes/0.0.1/kill", "Spawned-Action: 1\r\n")), 401);
    http_close();
    io_close();
}

TEST(http_answers_only_to_names_of_its_own)
{
    static const char *const hosts[] = { "inner.example" };
    io_open(NULL);
    http_open(&(struct sp_http_options){ .hosts = hosts, .host_count = 1 });
    CHECK_INT(status(raw("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")),
              421);
    CHECK_INT(status(raw("GET /api/overview HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n"
                         "Connection: close\r\n\r\n")),
              421);
    CHECK_INT(status(raw("GET / HTTP/1.1\r\nHost: [::1\r\nConnection: close\r\n\r\n")), 421);
    CHECK_INT(status(raw("GET / HTTP/1.1\r\nHost: 127.0.0.1:80x\r\nConnection: close\r\n\r\n")),
              421);
    CHECK_INT(
        status(raw("GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\nConnection: close\r\n\r\n")),
        400);
    CHECK_INT(status(raw("GET / HTTP/1.1\r\nConnection: close\r\n\r\n")), 400);
    CHECK_INT(status(raw("GET / HTTP/1.0\r\n\r\n")), 400);
    CHECK_INT(status(raw("GET / HTTP/1.1\r\nHost: LOCALHOST:1\r\nConnection: close\r\n\r\n")), 200);
    CHECK_INT(status(raw("GET / HTTP/1.1\r\nHost: [::1]:9\r\nConnection: close\r\n\r\n")), 200);
    CHECK_INT(status(raw("GET / HTTP/1.1\r\nHost: inner.example\r\nConnection: close\r\n\r\n")),
              200);
    http_close();
    io_close();
}

/* ---- what strangers send ---- */

TEST(http_refuses_what_it_does_not_know)
{
    io_open(NULL);
    http_open(&(struct sp_http_options){ .address = "127.0.0.1:0" });
    static const char *const bad[] = {
        "GET /api/processes?limit=1001",   "GET /api/processes?limit=-1",
        "GET /api/processes?limit=1x",     "GET /api/processes?limit=99999999999999999999",
        "GET /api/processes?sort=evil",    "GET /api/processes?nothing=1",
        "GET /api/processes?limit",        "GET /api/processes?limit=1&limit=2",
        "GET /api/overview?since=1&x=2",   "GET /api/processes?sort=name&offset=10000",
        "GET /api/processes?search=a%00b", "GET /api/processes?parent=1.2",
        "GET /api/processes?kind=evil",    "GET /api/processes?parent=0.1.1x",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (status(ask(bad[i], "")) != 400)
            FAIL("%s: %.100s", bad[i], reply);
        CHECK_CONTAINS(reply, "{\"error\":{\"code\":\"invalid\",\"text\":");
    }
    CHECK_INT(status(ask("GET /nothing", "")), 404);
    CHECK_INT(status(ask("GET /../etc/passwd", "")), 404);
    CHECK_INT(status(ask("GET /api/processes/1.2", "")), 404);
    CHECK_INT(status(ask("GET /api/processes/0.4294967296.1", "")), 404);
    CHECK_INT(status(ask("GET /api/processes/0.1.1x", "")), 404);
    CHECK_INT(status(ask("GET /api/processes/0.0.0", "")), 404);
    CHECK_INT(status(ask("GET /api/processes/9.1.1", "")), 404);
    CHECK_INT(status(ask("DELETE /api/processes", "")), 405);
    CHECK_INT(status(ask("BREW /", "")), 405);
    CHECK_INT(status(ask("GET /api/overview", "Content-Length: 5\r\n")), 413);
    CHECK_INT(status(ask("POST /api/overview", "Transfer-Encoding: chunked\r\n")), 413);
    CHECK(http_counts().refused >= sizeof(bad) / sizeof(bad[0]) + 11);
    http_close();
    io_close();
}

/* As many parameters and headers as fit, and names that are written in another way. */
TEST(http_bears_queries_without_end)
{
    static char query[12000] = "GET /api/processes?";
    static char request[14000];
    size_t size = strlen(query);
    io_open(NULL);
    http_open(&(struct sp_http_options){ .address = "127.0.0.1:0" });
    while (size < sizeof(query) - 8) {
        memcpy(query + size, "limit&", 7);
        size += 6;
    }
    snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n",
             query);
    CHECK(status(raw(request)) >= 400 || reply[0] == '\0'); /* closed: it is out of room */
    memset(query + strlen("GET /api/processes?"), 'a', size - strlen("GET /api/processes?"));
    memcpy(query + strlen("GET /api/processes?"), "search=", 7);
    snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n",
             query);
    CHECK(status(raw(request)) >= 400);
    CHECK_INT(status(ask("GET /api/processes?%6cimit=1", "")), 200);
    CHECK_INT(status(ask("GET /%61pi/processes", "")), 200);
    CHECK_INT(status(ask("GET /api/processes?search=%", "")), 200);
    CHECK_INT(status(ask("GET /api/processes?search=%ff%fe", "")), 200);
    CHECK_INT(status(ask("GET //api/processes", "")), 404);
    CHECK_INT(status(ask("GET /api/processes%00", "")), 400);
    CHECK_INT(status(ask("GET /healthz%00/../x?a=1", "")), 400);
    http_close();
    io_close();
}

/* Who sends no more still gets the answer. */
TEST(http_answers_a_client_that_has_said_all)
{
    io_open(NULL);
    http_open(&(struct sp_http_options){ .address = "127.0.0.1:0" });
    int fd = client_connect();
    client_write(fd, "GET /healthz HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n");
    shutdown(fd, SHUT_WR);
    CHECK_INT(status(client_read(fd)), 200);
    http_close();
    io_close();
}

/* Nothing of it is answered with success, and what is right after it is. */
TEST(http_bears_what_is_not_http)
{
    static char longer[40000];
    static const char *const wrong[] = {
        "\r\n\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\nConnection: close\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "%s%n%x / HTTP/1.1\r\n\r\n",
    };
    io_open(NULL);
    http_open(&(struct sp_http_options){ .request_time = sp_ms(300) });
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int number = status(raw(wrong[i]));
        if (number != 0 && number < 400)
            FAIL("case %zu: status %d", i, number);
    }
    memset(longer, 'a', sizeof(longer) - 1);
    memcpy(longer, "GET /", 5);
    CHECK(status(raw(longer)) == 414 || status(reply) == 431);
    memcpy(longer, "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", 36);
    CHECK(status(raw(longer)) == 431 || status(reply) == 0);
    CHECK_INT(status(ask("GET /healthz", "")), 200);
    http_close();
    io_close();
}

/* ---- those who take their time ---- */

TEST(http_cuts_who_does_not_finish_a_request)
{
    io_open(NULL);
    http_open(&(struct sp_http_options){ .request_time = sp_ms(50) });
    CHECK_STR(raw(""), "");
    CHECK_STR(raw("GET / HTTP/1.1\r\nHost: loc"), "");
    CHECK(http_counts().cut >= 2);
    CHECK_INT(status(ask("GET /healthz", "")), 200);
    http_close();
    io_close();
}

TEST(http_cuts_who_does_not_read_its_answer)
{
    char request[256];
    int small = 2048;
    io_open(NULL);
    http_open(&(struct sp_http_options){ .request_time = sp_ms(50) });
    snprintf(request, sizeof(request), "GET /dashboard.js HTTP/1.1\r\nHost: localhost\r\n\r\n");
    int fd = client_connect();
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    for (int i = 0; i < 200; i++) /* answers for more than fits between us */
        if (send(fd, request, strlen(request), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            break;
    while (http_counts().cut == 0)
        sp_yield();
    CHECK_INT(status(ask("GET /healthz", "")), 200);
    close(fd);
    http_close();
    io_close();
}

TEST(http_with_all_connections_taken_goes_on)
{
    int fd[4];
    io_open(NULL);
    http_open(&(struct sp_http_options){ .connections_max = 2, .request_time = sp_ms(100) });
    for (int i = 0; i < 4; i++) {
        fd[i] = client_connect();
        client_write(fd[i], "GET / HTTP/1.1\r\n");
    }
    CHECK_INT(status(ask("GET /healthz", "")), 200);
    for (int i = 0; i < 4; i++)
        close(fd[i]);
    http_close();
    io_close();
}

/* ---- the runtime ---- */

static _Atomic bool spin_on;
static _Atomic int spinning;

static void spin(void *arg)
{
    (void)arg;
    atomic_fetch_add_explicit(&spinning, 1, memory_order_relaxed);
    while (atomic_load_explicit(&spin_on, memory_order_relaxed))
        continue;
}

TEST(http_answers_while_every_worker_is_stuck)
{
    char path[128];
    io_open(&(struct sp_runtime_options){ .workers = 2, .stuck_after = sp_ns(-1) });
    http_open(&(struct sp_http_options){ .control = true });
    sp_pid idle = puppet_start(NULL);
    atomic_store_explicit(&spin_on, true, memory_order_relaxed);
    for (int i = 0; i < 2; i++)
        CHECK_OK(sp_spawn(spin, NULL, &(struct sp_spawn_options){ .label = "spin" }, NULL));
    while (atomic_load_explicit(&spinning, memory_order_relaxed) < 2)
        continue; /* the workers have nothing else to do */
    CHECK_INT(status(ask("GET /healthz", "")), 200);
    CHECK_CONTAINS(ask("GET /api/processes?search=spin", ""), "\"matched\":2");
    CHECK_INT(status(ask("GET /api/tree", "")), 200);
    CHECK_INT(status(ask("GET /api/overview", "")), 200);
    CHECK_INT(status(ask(pid_path(path, "POST", idle, "/kill"), "Spawned-Action: 1\r\n")), 200);
    CHECK_INT(atomic_load_explicit(&spinning, memory_order_relaxed), 2);
    atomic_store_explicit(&spin_on, false, memory_order_relaxed);
    http_close();
    io_close();
}

TEST(http_whose_own_process_is_killed_gets_another)
{
    sp_pid self;
    char name[64];
    char path[128];
    io_open(NULL);
    http_open(&(struct sp_http_options){ .control = true });
    snprintf(name, sizeof(name), "http 127.0.0.1:%u", port);
    CHECK_OK(sp_whereis(name, &self));
    CHECK_INT(status(ask(pid_path(path, "POST", self, "/kill"), "Spawned-Action: 1\r\n")), 403);
    sp_pid before = self;
    CHECK_OK(sp_kill(self));
    CHECK_CONTAINS(ask("GET /api/overview", ""), "\"self\":");
    CHECK_OK(sp_whereis(name, &self));
    CHECK(!sp_pid_equal(before, self));
    http_close();
    io_close();
}

TEST(http_ends_with_its_server_and_with_the_runtime)
{
    struct sp_http_options options = { .address = "127.0.0.1:0" };
    char text[SP_ADDRESS_TEXT_MAX];
    io_open(NULL);
    http_open(&options);
    struct sp_http_info info = http_counts();
    sp_http_ref second;
    options.address = sp_address_format(&info.address, text);
    struct sp_io_error why = { .err = SP_OK };
    options.out_error = &why;
    CHECK_ERR(sp_http_start(&options, NULL, &second), SP_ERR_ADDRINUSE);
    CHECK_ERR(why.err, SP_ERR_ADDRINUSE);
    CHECK_CONTAINS(why.text, options.address);
    CHECK_OK(sp_kill(http.pid));
    CHECK_OK(sp_join(http.pid, WORLD_PATIENCE, NULL));
    http_open(&options);
    CHECK_INT(status(ask("GET /healthz", "")), 200);
    io_close(); /* with a connection that is open, and the endpoint running */
}

TEST(http_options_are_checked)
{
    static const char *const nameless[] = { "" };
    static const struct sp_http_options bad[] = {
        { .address = "localhost:80" },
        { .address = "unix:/tmp/x" },
        { .unix_path = "" },
        { .unix_path = "@abstract" },
        { .unix_path = "/tmp/x", .address = "0.0.0.0:0" },
        { .address = "0.0.0.0:0" },
        { .address = "[::]:0" },
        { .address = "192.0.2.1:0", .token = NULL },
        { .token = "short" },
        { .token = "with space and more" },
        { .connections_max = 1025 },
        { .request_time = { 1 } },
        { .hosts = nameless, .host_count = 1 },
        { .host_count = SP_HTTP_HOSTS_MAX + 1 },
    };
    io_open(NULL);
    struct sp_io_error why;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sp_http_options options = bad[i];
        options.out_error = &why;
        why.err = SP_OK;
        if (sp_http_start(&options, NULL, &http) != SP_ERR_INVALID || why.err != SP_ERR_INVALID)
            FAIL("case %zu is accepted, or not explained", i);
    }
    CHECK_ERR(sp_http_start(&(struct sp_http_options){ .address = "[::]:0", .out_error = &why },
                            NULL, &http),
              SP_ERR_INVALID);
    CHECK_STR(why.text, "listen on [::]:0: an address that is not loopback needs a token");
    CHECK_ERR(sp_http_start(&(struct sp_http_options){ .token = "short", .out_error = &why }, NULL,
                            &http),
              SP_ERR_INVALID);
    CHECK_CONTAINS(why.text, "listen on 127.0.0.1:0: the token is too short");
    http_open(&(struct sp_http_options){ .address = "0.0.0.0:0", .token = TOKEN });
    CHECK_INT(status(ask("GET /api/overview", "")), 401);
    http_close();
    io_close();
}
