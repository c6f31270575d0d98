#include "http/request.h"

#include "base/alloc.h"
#include "http/metrics.h"
#include "http/page.h"
#include "http/parse.h"
#include "runtime/core.h"
#include "spawned/recorder.h"

#include <string.h>

/* A path that is answered. */
struct request_route {
    const char *path;       /* `*` stands for a pid */
    bool changes;           /* POST, else GET and HEAD */
    bool open;              /* without the token */
    sp__http_question json; /* of the API; else: */
    enum MHD_Result (*plain)(struct sp__http_ask *ask);
    const char *params[SP__HTTP_PARAMS_MAX];
};

/* ---- what is told with every answer ---- */

static const char *const request_headers[][2] = {
    { "Cache-Control", "no-store" },
    { "X-Content-Type-Options", "nosniff" },
    { "X-Frame-Options", "DENY" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Cross-Origin-Opener-Policy", "same-origin" },
    /* No script but ours, no style but ours, nothing from elsewhere. */
    { "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
      "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
};

/* Ownership: takes the response, which may be NULL. */
static enum MHD_Result request_queue(struct sp__http_ask *ask, struct MHD_Response *moved_response,
                                     const char *type)
{
    if (moved_response == NULL)
        return MHD_NO; /* no memory: the connection is closed */
    MHD_add_response_header(moved_response, "Content-Type", type);
    for (size_t i = 0; i < sizeof(request_headers) / sizeof(request_headers[0]); i++)
        MHD_add_response_header(moved_response, request_headers[i][0], request_headers[i][1]);
    if (ask->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(moved_response, "WWW-Authenticate", "Bearer");
    if (ask->allow != NULL)
        MHD_add_response_header(moved_response, "Allow", ask->allow);
    enum MHD_Result result = MHD_queue_response(ask->connection, ask->status, moved_response);
    MHD_destroy_response(moved_response);
    atomic_fetch_add_explicit(&ask->http->requests, 1, memory_order_relaxed);
    if (ask->status >= MHD_HTTP_BAD_REQUEST)
        atomic_fetch_add_explicit(&ask->http->refused, 1, memory_order_relaxed);
    return result;
}

static enum MHD_Result request_static(struct sp__http_ask *ask, const void *bytes, size_t size,
                                      const char *type)
{
    union {
        const void *borrowed;
        void *bytes; /* libmicrohttpd does not write to it */
    } body = { .borrowed = bytes };
    return request_queue(
        ask, MHD_create_response_from_buffer(size, body.bytes, MHD_RESPMEM_PERSISTENT), type);
}

static enum MHD_Result request_text(struct sp__http_ask *ask, const char *text)
{
    return request_static(ask, text, strlen(text), "text/plain; charset=utf-8");
}

/* ---- refusals ---- */

void sp__http_refuse(struct sp__http_ask *ask, unsigned status, const char *code, const char *text)
{
    if (sp__http_refused(ask))
        return;
    ask->status = status;
    ask->code = code;
    ask->text = text;
}

void sp__http_refuse_err(struct sp__http_ask *ask, sp_err err)
{
    if (err == SP_ERR_NOPROC)
        sp__http_refuse(ask, MHD_HTTP_NOT_FOUND, "noproc", sp_err_text(err));
    else if (err == SP_ERR_TOOBIG)
        sp__http_refuse(ask, MHD_HTTP_INTERNAL_SERVER_ERROR, "toobig", "the answer is too long");
    else
        sp__http_refuse(ask, MHD_HTTP_SERVICE_UNAVAILABLE,
                        err == SP_ERR_NOMEM ? "nomem" : "stopping", sp_err_text(err));
}

static void request_error(struct sp__http_ask *ask, struct sp__json *json)
{
    sp__json_open(json, NULL, '{');
    sp__json_open(json, "error", '{');
    sp__json_text(json, "code", ask->code);
    sp__json_text(json, "text", ask->text);
    sp__json_close(json, '}');
    sp__json_close(json, '}');
}

/* ---- JSON ---- */

static void request_free(void *bytes)
{
    sp__free(bytes);
}

/* Ownership: takes what is in the buffer. `err`: it is not complete. */
static enum MHD_Result request_buffer(struct sp__http_ask *ask, struct sp__buf *buf, sp_err err,
                                      const char *type)
{
    struct MHD_Response *response = NULL;
    size_t size = sp__buf_len(buf);
    if (err == SP_OK)
        response =
            MHD_create_response_from_buffer_with_free_callback(size, buf->bytes, request_free);
    if (response == NULL)
        sp__buf_finish(buf);
    return request_queue(ask, response, type);
}

static enum MHD_Result request_answer(struct sp__http_ask *ask, sp__http_question question)
{
    struct sp__json json;
    sp__json_init(&json, SP__HTTP_ANSWER_MAX);
    if (!sp__http_refused(ask)) {
        sp__json_open(&json, NULL, '{');
        question(ask, &json);
        sp__json_close(&json, '}');
        if (json.err != SP_OK)
            sp__http_refuse_err(ask, json.err);
    }
    if (sp__http_refused(ask)) {
        sp__json_finish(&json);
        sp__json_init(&json, SP__HTTP_ANSWER_MAX);
        request_error(ask, &json);
    }
    return request_buffer(ask, &json.out, json.err, "application/json");
}

/* ---- what is not JSON ---- */

static enum MHD_Result request_healthz(struct sp__http_ask *ask)
{
    return request_text(ask, "ok\n");
}

static enum MHD_Result request_readyz(struct sp__http_ask *ask)
{
    const struct sp__http_settings *settings = &ask->http->settings;
    const struct sp_runtime *runtime = ask->http->runtime;
    /* relaxed: both are flags that nothing hangs on. */
    bool ready = settings->ready != NULL
                     ? settings->ready(settings->ready_arg)
                     : !atomic_load_explicit(&runtime->stopping, memory_order_relaxed);
    ready = ready && !atomic_load_explicit(&runtime->unready, memory_order_relaxed);
    if (!ready)
        ask->status = MHD_HTTP_SERVICE_UNAVAILABLE;
    return request_text(ask, ready ? "ready\n" : "not ready\n");
}

static enum MHD_Result request_metrics(struct sp__http_ask *ask)
{
    enum sp_metrics_format format = sp__http_metrics_format(
        MHD_lookup_connection_value(ask->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
    struct sp__buf text;
    sp__buf_init(&text, SP__HTTP_ANSWER_MAX);
    sp_err err = sp__http_metrics(ask->http->runtime, format, &text);
    return request_buffer(ask, &text, err, sp__http_metrics_type(format));
}

static bool request_on_recording(void *arg, const char *text, size_t size)
{
    return sp__buf_append(arg, text, size) == SP_OK;
}

/* As large as the rings are, which the program chose. */
static enum MHD_Result request_recording(struct sp__http_ask *ask)
{
    struct sp_record first;
    uint64_t cursor = 0;
    struct sp__buf text;
    if (sp_recorder_read(ask->http->runtime, &cursor, &first, 1) == 0)
        sp__http_refuse(ask, MHD_HTTP_NOT_FOUND, "empty",
                        "nothing was recorded: sp_recorder_start() turns the recorder on");
    sp__buf_init(&text, SP__HTTP_RECORDING_MAX);
    if (!sp__http_refused(ask)) {
        sp_err err = sp_recorder_export(ask->http->runtime, request_on_recording, &text);
        if (err == SP_OK)
            return request_buffer(ask, &text, SP_OK, "application/json");
        sp__http_refuse_err(ask, err == SP_ERR_IO ? SP_ERR_NOMEM : err);
    }
    sp__buf_finish(&text);
    return request_answer(ask, NULL);
}

/* ---- routes ---- */

static const struct request_route request_routes[] = {
    { .path = "/healthz", .open = true, .plain = request_healthz },
    { .path = "/readyz", .open = true, .plain = request_readyz },
    { .path = "/metrics", .plain = request_metrics },
    { .path = "/api/overview", .json = sp__http_overview, .params = { "since" } },
    { .path = "/api/health", .json = sp__http_health, .params = { "limit" } },
    { .path = "/api/processes",
      .json = sp__http_processes,
      .params = { "sort", "order", "offset", "limit", "search", "status", "kind", "parent" } },
    { .path = "/api/processes/*", .json = sp__http_process },
    { .path = "/api/processes/*/state", .json = sp__http_state },
    { .path = "/api/processes/*/statistics", .json = sp__http_statistics },
    { .path = "/api/processes/*/suspend", .changes = true, .json = sp__http_suspend },
    { .path = "/api/processes/*/resume", .changes = true, .json = sp__http_resume },
    { .path = "/api/processes/*/measure",
      .changes = true,
      .json = sp__http_measure,
      .params = { "on" } },
    { .path = "/api/processes/*/messages",
      .json = sp__http_messages,
      .params = { "since", "limit" } },
    { .path = "/api/processes/*/trace",
      .changes = true,
      .json = sp__http_trace,
      .params = { "limit", "operation", "from", "failed" } },
    { .path = "/api/processes/*/untrace", .changes = true, .json = sp__http_untrace },
    { .path = "/api/processes/*/kill", .changes = true, .json = sp__http_kill },
    { .path = "/api/tree", .json = sp__http_tree, .params = { "limit" } },
    { .path = "/api/graph", .json = sp__http_graph, .params = { "limit" } },
    { .path = "/api/exits", .json = sp__http_exits, .params = { "since", "limit" } },
    { .path = "/api/dead-letters", .json = sp__http_dead_letters, .params = { "since", "limit" } },
    { .path = "/api/events", .json = sp__http_events, .params = { "since", "limit", "process" } },
    { .path = "/api/recording", .plain = request_recording },
};

static const struct request_route *request_route(struct sp__http_ask *ask, const char *path)
{
    for (size_t i = 0; i < sizeof(request_routes) / sizeof(request_routes[0]); i++)
        if (sp__http_parse_path(request_routes[i].path, path, &ask->pid))
            return &request_routes[i];
    return NULL;
}

/* ---- parameters ---- */

/* What the walk over the parameters of a request needs. */
struct request_params {
    struct sp__http_ask *ask;
    const struct request_route *route;
};

static enum MHD_Result request_param(void *arg, enum MHD_ValueKind kind, const char *key,
                                     size_t key_size, const char *value, size_t value_size)
{
    struct request_params *params = arg;
    (void)kind;
    const char *fault = "no such parameter";
    for (int i = 0; i < SP__HTTP_PARAMS_MAX && params->route->params[i] != NULL; i++) {
        if (strlen(key) != key_size || strcmp(key, params->route->params[i]) != 0)
            continue;
        if (value == NULL || strlen(value) != value_size || value_size > SP__HTTP_PARAM_SIZE_MAX)
            fault = "a parameter's value is missing or too long";
        else if (params->ask->param[i] != NULL)
            fault = "a parameter is given twice";
        else
            fault = NULL;
        params->ask->param[i] = value;
        break;
    }
    if (fault == NULL)
        return MHD_YES;
    sp__http_refuse(params->ask, MHD_HTTP_BAD_REQUEST, "invalid", fault);
    return MHD_NO;
}

uint64_t sp__http_number(struct sp__http_ask *ask, int index, uint64_t otherwise, uint64_t max)
{
    const char *text = ask->param[index];
    uint64_t value;
    if (text == NULL)
        return otherwise;
    if (sp__http_parse_number(&text, max, &value) && *text == '\0')
        return value;
    sp__http_refuse(ask, MHD_HTTP_BAD_REQUEST, "invalid",
                    "a parameter is no number, or out of range");
    return otherwise;
}

sp_pid sp__http_pid(struct sp__http_ask *ask, int index)
{
    const char *text = ask->param[index];
    sp_pid pid = SP_PID_NONE;
    if (text == NULL || (sp__http_parse_pid(&text, &pid) && *text == '\0'))
        return pid;
    sp__http_refuse(ask, MHD_HTTP_BAD_REQUEST, "invalid", "a parameter is no pid");
    return SP_PID_NONE;
}

int sp__http_word(struct sp__http_ask *ask, int index, const char *const *words, int otherwise)
{
    if (ask->param[index] == NULL)
        return otherwise;
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], ask->param[index]) == 0)
            return i;
    sp__http_refuse(ask, MHD_HTTP_BAD_REQUEST, "invalid",
                    "a parameter's value is none of its words");
    return otherwise;
}

/* ---- a request ---- */

static bool request_has_body(struct sp__http_ask *ask)
{
    const char *length = MHD_lookup_connection_value(ask->connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);
    return (length != NULL && strcmp(length, "0") != 0) ||
           MHD_lookup_connection_value(ask->connection, MHD_HEADER_KIND,
                                       MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
}

static void request_check_method(struct sp__http_ask *ask, const char *method, bool changes)
{
    bool looks = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (changes ? strcmp(method, "POST") == 0 : looks)
        return;
    ask->allow = changes ? "POST" : "GET, HEAD";
    sp__http_refuse(ask, MHD_HTTP_METHOD_NOT_ALLOWED, "method", "not with this method");
}

static enum MHD_Result request_page(struct sp__http_ask *ask, const char *path, const char *method)
{
    const struct sp__http_page *page = sp__http_page(path);
    sp__http_guard(ask, page == NULL, false);
    if (page == NULL)
        sp__http_refuse(ask, MHD_HTTP_NOT_FOUND, "notfound", "no such path");
    request_check_method(ask, method, false);
    if (sp__http_refused(ask))
        return request_answer(ask, NULL);
    return request_static(ask, page->begin, (size_t)(page->end - page->begin), page->type);
}

static enum MHD_Result request_routed(struct sp__http_ask *ask, const struct request_route *route,
                                      const char *method)
{
    struct request_params params = { ask, route };
    request_check_method(ask, method, route->changes);
    sp__http_guard(ask, !route->open, route->changes);
    if (!sp__http_refused(ask))
        MHD_get_connection_values_n(ask->connection, MHD_GET_ARGUMENT_KIND, request_param, &params);
    if (route->plain != NULL && !sp__http_refused(ask))
        return route->plain(ask);
    return request_answer(ask, route->json);
}

/* What a request begins with whose path is shorter than it was sent. */
static char request_nul;

void *sp__http_on_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
    const char *nul = strstr(uri, "%00");
    (void)arg;
    (void)connection;
    return nul != NULL && nul < uri + strcspn(uri, "?") ? &request_nul : NULL;
}

enum MHD_Result sp__http_on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                    const char *method, const char *version, const char *body,
                                    size_t *body_size, void **request)
{
    static char seen;
    bool nul = *request == &request_nul;
    (void)version;
    (void)body;
    struct sp__http_ask ask = { .http = arg, .connection = connection, .status = MHD_HTTP_OK };
    if (*request != &seen) {
        *request = &seen;
        if (nul)
            sp__http_refuse(&ask, MHD_HTTP_BAD_REQUEST, "invalid", "a path has no NUL");
        /* Answered before the body is read, and the connection closed. */
        if (!nul && !request_has_body(&ask))
            return MHD_YES;
        sp__http_refuse(&ask, MHD_HTTP_CONTENT_TOO_LARGE, "toobig", "no request here has a body");
        return request_answer(&ask, NULL);
    }
    if (*body_size != 0)
        return MHD_NO;
    const struct request_route *route = request_route(&ask, path);
    if (route == NULL)
        return request_page(&ask, path, method);
    return request_routed(&ask, route, method);
}
