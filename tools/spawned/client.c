/* Questions to a node; see client.h. */
#include "client.h"

#include "text.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLIENT_ANSWER_MAX = 32 * 1024 * 1024,
    CLIENT_ERROR_MAX = 512,
    CLIENT_URL_MAX = 1024,
    CLIENT_SHOWN_MAX = 160,
};

struct client {
    CURL *curl;
    struct curl_slist *headers;
    struct curl_slist *action_headers;
    char base[CLIENT_URL_MAX]; /* "http://host:port" */
    char shown[CLIENT_SHOWN_MAX];
    char curl_error[CURL_ERROR_SIZE];
    char error[CLIENT_ERROR_MAX];
    uint64_t timeout_s;
    client_stop_fn stop;
    void *stop_arg;
    /* The answer of the present question. */
    char *bytes;
    size_t size;
    size_t room;
    bool too_big;
    bool stopped;
    bool unknown;          /* the node does not know the question */
    client_write_fn write; /* NULL: it is collected */
    void *write_arg;
};

/* ---- what went wrong ---- */

enum status client_fail(struct client *client, enum status status, const char *format, ...)
{
    char text[CLIENT_ERROR_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    text_show(client->error, sizeof(client->error), text, CLIENT_ERROR_MAX);
    return status;
}

const char *client_error(const struct client *client)
{
    return client->error;
}

bool client_is_unknown(const struct client *client)
{
    return client->unknown;
}

static enum status client_fail_curl(struct client *client, CURLcode code)
{
    const char *text =
        client->curl_error[0] != '\0' ? client->curl_error : curl_easy_strerror(code);
    switch (code) {
    case CURLE_WRITE_ERROR:
        if (client->too_big)
            return client_fail(client, STATUS_ANSWER, "the answer of %s is over %d MiB",
                               client->shown, CLIENT_ANSWER_MAX >> 20);
        client->stopped = true; /* who takes it wants no more */
        return STATUS_OK;
    case CURLE_ABORTED_BY_CALLBACK:
        client->stopped = true;
        return client_fail(client, STATUS_UNREACHABLE, "given up");
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
        return client_fail(client, STATUS_ANSWER, "the answer of %s was cut off: %s", client->shown,
                           text);
    case CURLE_GOT_NOTHING:
        return client_fail(client, STATUS_ANSWER, "%s closes the connection without an answer",
                           client->shown);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return client_fail(client, STATUS_ANSWER, "%s does not speak HTTP: %s", client->shown,
                           text);
    case CURLE_OPERATION_TIMEDOUT:
        return client_fail(client, STATUS_UNREACHABLE, "%s does not answer within %llu s",
                           client->shown, (unsigned long long)client->timeout_s);
    case CURLE_URL_MALFORMAT:
        return client_fail(client, STATUS_USAGE, "%s is no address", client->shown);
    default:
        return client_fail(client, STATUS_UNREACHABLE, "cannot reach %s: %s", client->shown, text);
    }
}

/* ---- libcurl ---- */

static bool client_collect(struct client *client, const char *bytes, size_t size)
{
    if (client->size + size > CLIENT_ANSWER_MAX) {
        client->too_big = true;
        return false;
    }
    if (client->size + size > client->room) {
        size_t room = 2 * (client->size + size);
        char *more = realloc(client->bytes, room);
        if (more == NULL) {
            client->too_big = true;
            return false;
        }
        client->bytes = more;
        client->room = room;
    }
    memcpy(client->bytes + client->size, bytes, size);
    client->size += size;
    return true;
}

static size_t client_on_bytes(char *bytes, size_t one, size_t count, void *arg)
{
    struct client *client = arg;
    long status = 0;
    size_t size = one * count;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    bool ok = client->write != NULL && status == 200 ? client->write(client->write_arg, bytes, size)
                                                     : client_collect(client, bytes, size);
    return ok ? size : 0;
}

static int client_on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct client *client = arg;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return client->stop != NULL && client->stop(client->stop_arg);
}

static void client_set_up(struct client *client)
{
    CURL *curl = client->curl;
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->curl_error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, client_on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, client_on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, client);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "spawned");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)client->timeout_s);
}

/* ---- addresses and headers ---- */

/* "unix:PATH", a path, a URL, or host and port. */
static enum status client_address(struct client *client, const char *address)
{
    static const char local[] = "unix:";
    bool has_scheme = strncmp(address, "http://", 7) == 0 || strncmp(address, "https://", 8) == 0;
    text_show(client->shown, sizeof(client->shown), address, CLIENT_SHOWN_MAX);
    if (strncmp(address, local, sizeof(local) - 1) == 0 || address[0] == '/') {
        const char *path = address[0] == '/' ? address : address + sizeof(local) - 1;
        curl_easy_setopt(client->curl, CURLOPT_UNIX_SOCKET_PATH, path);
        snprintf(client->base, sizeof(client->base), "http://localhost");
        return path[0] == '\0' ? client_fail(client, STATUS_USAGE, "unix: wants a path")
                               : STATUS_OK;
    }
    int size =
        snprintf(client->base, sizeof(client->base), "%s%s", has_scheme ? "" : "http://", address);
    if (size < 0 || (size_t)size >= sizeof(client->base))
        return client_fail(client, STATUS_USAGE, "%s is no address", client->shown);
    while (size > 0 && client->base[size - 1] == '/')
        client->base[--size] = '\0';
    return STATUS_OK;
}

static bool client_header(struct curl_slist **list, const char *header)
{
    struct curl_slist *more = curl_slist_append(*list, header);
    if (more != NULL)
        *list = more;
    return more != NULL;
}

static bool client_headers(struct client *client, const char *token)
{
    char header[OPTIONS_TOKEN_MAX + 32];
    snprintf(header, sizeof(header), "Authorization: Bearer %s", token);
    bool ok = client_header(&client->action_headers, "Spawned-Action: 1");
    ok = ok && client_header(&client->headers, "Accept: application/json, text/plain");
    if (token[0] != '\0')
        ok = ok && client_header(&client->headers, header) &&
             client_header(&client->action_headers, header);
    memset(header, 0, sizeof(header));
    return ok;
}

enum status client_open(const struct options *options, struct client **out_client)
{
    struct client *client = calloc(1, sizeof(*client));
    *out_client = client;
    if (client == NULL)
        return STATUS_LOCAL;
    client->timeout_s = options->timeout_s;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    client->curl = curl_easy_init();
    if (client->curl == NULL || !client_headers(client, options->token))
        return client_fail(client, STATUS_LOCAL, "out of memory");
    client_set_up(client);
    return client_address(client, options->address);
}

void client_close(struct client *moved_client)
{
    if (moved_client == NULL)
        return;
    curl_easy_cleanup(moved_client->curl);
    curl_slist_free_all(moved_client->headers);
    curl_slist_free_all(moved_client->action_headers);
    free(moved_client->bytes);
    free(moved_client);
    curl_global_cleanup();
}

void client_stop_with(struct client *client, client_stop_fn stop, void *arg)
{
    client->stop = stop;
    client->stop_arg = arg;
}

/* ---- questions ---- */

/* Sends it, and takes the answer in; `*out_status` is HTTP's. */
static enum status client_ask(struct client *client, const char *path, long *out_status)
{
    char url[2 * CLIENT_URL_MAX];
    int size = snprintf(url, sizeof(url), "%s%s", client->base, path);
    if (size < 0 || (size_t)size >= sizeof(url))
        return client_fail(client, STATUS_USAGE, "a question of %d bytes is too long", size);
    client->size = 0;
    client->too_big = false;
    client->stopped = false;
    client->unknown = false;
    client->error[0] = '\0';
    client->curl_error[0] = '\0';
    curl_easy_setopt(client->curl, CURLOPT_URL, url);
    CURLcode code = curl_easy_perform(client->curl);
    if (code != CURLE_OK)
        return client_fail_curl(client, code);
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, out_status);
    return STATUS_OK;
}

/* The error that a node tells; anything else that is no 200 is not of Spawned. */
static enum status client_refused(struct client *client, long status)
{
    json_t *answer = json_loadb(client->bytes == NULL ? "" : client->bytes, client->size, 0, NULL);
    const json_t *error = json_object_get(answer, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *text = json_string_value(json_object_get(error, "text"));
    enum status result;
    if (status == 404 && code != NULL && strcmp(code, "empty") == 0)
        result = client_fail(client, STATUS_NOTFOUND, "%s", text == NULL ? code : text);
    else if (code == NULL || text == NULL)
        result = client_fail(client, STATUS_ANSWER,
                             "%s answers with status %ld, but is no Spawned endpoint",
                             client->shown, status);
    else if (strcmp(code, "noproc") == 0 || strcmp(code, "unmeasured") == 0)
        result = client_fail(client, STATUS_NOTFOUND, "%s", text);
    else if (strcmp(code, "notfound") == 0)
        result = client_fail(client, STATUS_ANSWER,
                             "the node at %s does not know this question: its version is older",
                             client->shown);
    else if (status == 503)
        result = client_fail(client, STATUS_UNREACHABLE, "%s", text);
    else if (strcmp(code, "invalid") == 0)
        result = client_fail(client, STATUS_USAGE, "%s", text);
    else
        result =
            client_fail(client, STATUS_REFUSED, "%s refuses (%s): %s", client->shown, code, text);
    client->unknown = code != NULL && strcmp(code, "notfound") == 0;
    json_decref(answer);
    return result;
}

static enum status client_parse(struct client *client, json_t **out_answer)
{
    json_error_t error;
    json_t *answer = json_loadb(client->bytes == NULL ? "" : client->bytes, client->size,
                                JSON_ALLOW_NUL, &error);
    if (json_is_object(answer)) {
        *out_answer = answer;
        return STATUS_OK;
    }
    json_decref(answer);
    return client_fail(client, STATUS_ANSWER, "%s answers, but is no Spawned endpoint: no JSON",
                       client->shown);
}

static enum status client_question(struct client *client, const char *path, json_t **out_answer)
{
    long http = 0;
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, (long)client->timeout_s);
    client->write = NULL;
    enum status status = client_ask(client, path, &http);
    if (status != STATUS_OK)
        return status;
    return http == 200 ? client_parse(client, out_answer) : client_refused(client, http);
}

enum status client_get(struct client *client, const char *path, json_t **out_answer)
{
    curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
    return client_question(client, path, out_answer);
}

enum status client_probe(struct client *client, const char *path, long *out_http)
{
    curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, (long)client->timeout_s);
    client->write = NULL;
    return client_ask(client, path, out_http);
}

enum status client_post(struct client *client, const char *path, json_t **out_answer)
{
    curl_easy_setopt(client->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, "");
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE, 0L);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->action_headers);
    return client_question(client, path, out_answer);
}

enum status client_stream(struct client *client, const char *path, bool endless,
                          client_write_fn write, void *arg)
{
    long http = 0;
    curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, endless ? 0L : (long)client->timeout_s);
    client->write = write;
    client->write_arg = arg;
    enum status status = client_ask(client, path, &http);
    if (status != STATUS_OK || client->stopped)
        return status;
    return http == 200 ? STATUS_OK : client_refused(client, http);
}

char *client_escape(struct client *client, const char *text)
{
    return curl_easy_escape(client->curl, text, 0);
}

void client_free(char *moved_escaped)
{
    curl_free(moved_escaped);
}
