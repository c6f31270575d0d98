/* Replies compared byte for byte with a reference server of the protocol, where one is
 * installed (Debian package redis-server, 7.0).
 *
 * The reference listens on a Unix socket in a directory of its own; the store under test runs
 * in this process (local.h) with several shards, or is the program spawned-kv. Each line of tests/kv_corpus/ is sent to
 * both, once as RESP2 and once as RESP3. What may differ is written in the corpus, as a
 * directive on the line before:
 *
 *     @sorted      the elements (or pairs) of the reply come in any order
 *     @near N      integers may differ by N (times to live)
 *     @shape       only the kind of the reply is compared (INFO, CLIENT LIST, ids)
 *     @scan        the line is a SCAN without its cursor: run to the end, keys compared sorted
 *     @gone KEY    wait until the reference says that KEY is gone
 *     @new         both clients reconnect
 *     @raw         the line is sent as it is, escapes replaced, not as a command
 *     @together    the lines up to the next empty one are sent in one piece
 *     @resp 2|3    the rest of the file is for this version alone
 *
 * and in the code: the ids of clients, which HELLO tells.
 */
#include "local.h"

#include "support/run.h"
#include "support/test.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { DIFF_SHARDS = 4, DIFF_MARK_MAX = 64 };

/* Bytes that grow. */
struct bytes {
    char *data;
    size_t len;
    size_t cap;
};

static void bytes_add(struct bytes *bytes, const void *data, size_t len)
{
    if (bytes->len + len + 1 > bytes->cap) {
        bytes->cap = (bytes->len + len + 1) * 2;
        bytes->data = realloc(bytes->data, bytes->cap);
        CHECK(bytes->data != NULL);
    }
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
    bytes->data[bytes->len] = '\0';
}

static void bytes_addf(struct bytes *bytes, const char *format, ...) SP_PRINTF(2, 3);

static void bytes_addf(struct bytes *bytes, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    CHECK(len >= 0);
    bytes_add(bytes, text, (size_t)len);
    free(text);
}

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* --- the reference ----------------------------------------------------------------------- */

struct reference {
    char dir[64];
    char path[96];
    struct sp_test_program *program;
    int fd;
};

static bool reference_installed(void)
{
    return access("/usr/bin/redis-server", X_OK) == 0;
}

static void reference_start(struct reference *reference)
{
    *reference = (struct reference){ .dir = "/tmp/spawned-kv-XXXXXX", .fd = -1 };
    CHECK(mkdtemp(reference->dir) != NULL);
    snprintf(reference->path, sizeof(reference->path), "%s/socket", reference->dir);
    const char *const args[] = { "--port",      "0", "--unixsocket", reference->path, "--save", "",
                                 "--databases", "1", "--dir",        reference->dir,  NULL };
    struct sp_test_command command = { .program = "redis-server", .args = args };
    reference->program = sp_test_program_start(&command);
    sp_test_program_await(reference->program, "ready to accept connections");
}

static void reference_connect(struct reference *reference)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", reference->path);
    if (reference->fd >= 0)
        close(reference->fd);
    reference->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(reference->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

/* The program under test, on a free port; `path` holds the port. */
static void served_start(struct reference *served)
{
    const char *const args[] = { "--port", "0", "--shards", "4", "--workers", "2", NULL };
    struct sp_test_command command = { .program = SP_TEST_BIN_DIR "/spawned-kv", .args = args };
    *served = (struct reference){ .fd = -1 };
    served->program = sp_test_program_start(&command);
    sp_test_program_await(served->program, " workers\n");
    const char *colon = strrchr(sp_test_program_out(served->program), ':');
    CHECK(colon != NULL);
    snprintf(served->path, sizeof(served->path), "%ld", strtol(colon + 1, NULL, 10));
}

static void served_connect(struct reference *served)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)strtol(served->path, NULL, 10)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (served->fd >= 0)
        close(served->fd);
    served->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(served->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void served_stop(struct reference *served)
{
    struct sp_test_output output;
    close(served->fd);
    sp_test_program_signal(served->program, SIGTERM);
    sp_test_program_finish(served->program, &output);
    CHECK_INT(output.status, 0);
    sp_test_drop_lines(output.err, " is stuck: ");
    CHECK_STR(output.err, "");
    sp_test_output_free(&output);
}

static void reference_stop(struct reference *reference)
{
    struct sp_test_output output;
    close(reference->fd);
    sp_test_program_signal(reference->program, SIGKILL);
    sp_test_program_finish(reference->program, &output);
    sp_test_output_free(&output);
    unlink(reference->path);
    rmdir(reference->dir);
}

static void reference_send(struct reference *reference, const struct bytes *request)
{
    for (size_t at = 0; at < request->len;) {
        ssize_t n = send(reference->fd, request->data + at, request->len - at, MSG_NOSIGNAL);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return;
        CHECK(n > 0);
        at += (size_t)n;
    }
}

/* Reads until `end` stands at the end of the bytes, or until the server closes. */
static void reference_read(struct reference *reference, struct bytes *reply,
                           const char *const *ends)
{
    static char chunk[1 << 16];
    for (;;) {
        for (int i = 0; ends[i] != NULL; i++) {
            size_t len = strlen(ends[i]);
            if (reply->len >= len && memcmp(reply->data + reply->len - len, ends[i], len) == 0)
                return;
        }
        ssize_t n = recv(reference->fd, chunk, sizeof(chunk), 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return;
        CHECK(n > 0);
        bytes_add(reply, chunk, (size_t)n);
    }
}

/* --- both -------------------------------------------------------------------------------- */

struct diff {
    struct reference reference;
    struct kv_local local;
    struct reference served; /* instead of `local`, when it has a program */
    const char *file;
    int line;
    int protocol;
    unsigned marks;
    struct bytes theirs;
    struct bytes ours;
};

static void diff_local(struct diff *diff, const struct bytes *request)
{
    struct resp_out out;
    resp_out_init(&out, 2, 0);
    diff->local.now_ms = wall_ms();
    if (!diff->local.closed)
        CHECK_OK(kv_local_feed(&diff->local, request->data, request->len, &out));
    if (out.len > 0)
        bytes_add(&diff->ours, out.data, out.len);
    resp_out_finish(&out);
}

/* The end of the local reply must be the answer to the mark, too, unless the client was cut
 * off. */
static void diff_cut_mark(struct bytes *reply, const char *const *ends)
{
    for (int i = 0; ends[i] != NULL; i++) {
        size_t len = strlen(ends[i]);
        if (reply->len >= len && memcmp(reply->data + reply->len - len, ends[i], len) == 0) {
            reply->len -= len;
            reply->data[reply->len] = '\0';
            return;
        }
    }
    bytes_addf(reply, "<closed>");
}

/* Sends the same bytes to both and collects what they answer. A PING with a mark tells where
 * the answer ends; it is allowed in every state of a connection. */
static void diff_send(struct diff *diff, struct bytes *request)
{
    char mark[DIFF_MARK_MAX], bulk[DIFF_MARK_MAX + 8], pong[DIFF_MARK_MAX + 32];
    snprintf(mark, sizeof(mark), "--end-of-reply-%08u--", diff->marks++);
    snprintf(bulk, sizeof(bulk), "$%zu\r\n%s\r\n", strlen(mark), mark);
    snprintf(pong, sizeof(pong), "*2\r\n$4\r\npong\r\n%s", bulk);
    const char *const ends[] = { pong, bulk, NULL };
    diff->theirs.len = 0;
    diff->ours.len = 0;
    bytes_add(&diff->theirs, "", 0);
    bytes_add(&diff->ours, "", 0);
    bytes_addf(request, "*2\r\n$4\r\nPING\r\n%s", bulk);
    reference_send(&diff->reference, request);
    reference_read(&diff->reference, &diff->theirs, ends);
    if (diff->served.program != NULL) {
        reference_send(&diff->served, request);
        reference_read(&diff->served, &diff->ours, ends);
    } else {
        diff_local(diff, request);
    }
    diff_cut_mark(&diff->theirs, ends);
    diff_cut_mark(&diff->ours, ends);
}

static void diff_argv(struct bytes *request, const struct kv_arg *argv, size_t argc)
{
    bytes_addf(request, "*%zu\r\n", argc);
    for (size_t i = 0; i < argc; i++) {
        bytes_addf(request, "$%zu\r\n", argv[i].len);
        bytes_add(request, argv[i].ptr, argv[i].len);
        bytes_add(request, "\r\n", 2);
    }
}

static void diff_command(struct diff *diff, const char *const *words)
{
    struct kv_arg argv[16];
    size_t argc = 0;
    for (; words[argc] != NULL; argc++)
        argv[argc] = (struct kv_arg){ words[argc], strlen(words[argc]) };
    struct bytes request = { 0 };
    diff_argv(&request, argv, argc);
    diff_send(diff, &request);
    free(request.data);
}

static void diff_reconnect(struct diff *diff)
{
    reference_connect(&diff->reference);
    if (diff->served.program != NULL)
        served_connect(&diff->served);
    else
        CHECK_OK(kv_local_reconnect(&diff->local));
    if (diff->protocol == 3)
        diff_command(diff, (const char *const[]){ "hello", "3", NULL });
}

enum diff_under_test { DIFF_LOCAL, DIFF_SERVED };

static void diff_start(struct diff *diff, enum diff_under_test what)
{
    *diff = (struct diff){ .protocol = 2 };
    struct kv_local_options options = { .shards = DIFF_SHARDS, .seed = { 11, 22 } };
    reference_start(&diff->reference);
    CHECK_OK(kv_local_init(&diff->local, &options));
    if (what == DIFF_SERVED)
        served_start(&diff->served);
    diff_reconnect(diff);
}

static void diff_stop(struct diff *diff)
{
    reference_stop(&diff->reference);
    if (diff->served.program != NULL)
        served_stop(&diff->served);
    kv_local_finish(&diff->local);
    free(diff->theirs.data);
    free(diff->ours.data);
}

static void diff_show(struct bytes *text, const struct bytes *reply)
{
    for (size_t i = 0; i < reply->len && i < 4000; i++) {
        unsigned char c = (unsigned char)reply->data[i];
        if (c == '\r' || c == '\n')
            bytes_addf(text, c == '\r' ? "\\r" : "\\n");
        else if (c < 32 || c > 126)
            bytes_addf(text, "\\x%02x", c);
        else
            bytes_add(text, &c, 1);
    }
}

static void diff_fail(struct diff *diff, const char *sent)
{
    struct bytes theirs = { 0 }, ours = { 0 };
    diff_show(&theirs, &diff->theirs);
    diff_show(&ours, &diff->ours);
    FAIL("%s:%d (RESP%d): %s\n  reference: %s\n  ours:      %s", diff->file, diff->line,
         diff->protocol, sent, theirs.data != NULL ? theirs.data : "",
         ours.data != NULL ? ours.data : "");
}

/* --- normalising ------------------------------------------------------------------------- */

/* The length of the reply at `at`, nested ones included. */
static size_t reply_len(const struct bytes *bytes, size_t at)
{
    const char *start = bytes->data + at;
    const char *line_end = memchr(start, '\n', bytes->len - at);
    CHECK(line_end != NULL);
    size_t len = (size_t)(line_end - start) + 1;
    long count = strtol(start + 1, NULL, 10);
    if (strchr("$=", start[0]) != NULL)
        return count < 0 ? len : len + (size_t)count + 2;
    if (strchr("*~%>", start[0]) == NULL)
        return len;
    if (start[0] == '%')
        count *= 2;
    for (long i = 0; i < count; i++)
        len += reply_len(bytes, at + len);
    return len;
}

struct piece {
    const char *data;
    size_t len;
};

static int piece_compare(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    size_t len = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->data, y->data, len);
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* Sorts the elements of the aggregate in `bytes`, `group` of them at a time. */
static void reply_sort(struct bytes *bytes, size_t group)
{
    if (bytes->len == 0 || strchr("*~%>", bytes->data[0]) == NULL)
        return;
    size_t at = (size_t)(strchr(bytes->data, '\n') - bytes->data) + 1;
    size_t head = at, count = 0;
    struct piece *pieces = calloc(bytes->len + 1, sizeof(*pieces));
    while (at < bytes->len) {
        size_t start = at;
        for (size_t i = 0; i < group && at < bytes->len; i++)
            at += reply_len(bytes, at);
        pieces[count++] = (struct piece){ bytes->data + start, at - start };
    }
    qsort(pieces, count, sizeof(*pieces), piece_compare);
    struct bytes sorted = { 0 };
    bytes_add(&sorted, bytes->data, head);
    for (size_t i = 0; i < count; i++)
        bytes_add(&sorted, pieces[i].data, pieces[i].len);
    free(pieces);
    free(bytes->data);
    *bytes = sorted;
}

/* HELLO tells the client's id: a number of the server's own. */
static void reply_hide_id(struct bytes *bytes)
{
    static const char before[] = "$2\r\nid\r\n:";
    char *found = memmem(bytes->data, bytes->len, before, sizeof(before) - 1);
    if (found == NULL)
        return;
    char *digits = found + sizeof(before) - 1;
    char *end = strchr(digits, '\r');
    memmove(digits, end, (size_t)(bytes->data + bytes->len - end) + 1);
    bytes->len -= (size_t)(end - digits);
}

static bool reply_near(const struct diff *diff, long tolerance)
{
    if (diff->theirs.data[0] != ':' || diff->ours.data[0] != ':')
        return false;
    long theirs = strtol(diff->theirs.data + 1, NULL, 10);
    long ours = strtol(diff->ours.data + 1, NULL, 10);
    return labs(theirs - ours) <= tolerance && (theirs < 0) == (ours < 0);
}

/* --- the corpus -------------------------------------------------------------------------- */

struct directive {
    bool sorted, shape, scan, raw;
    long near;
};

static void diff_compare(struct diff *diff, const struct directive *directive, const char *sent)
{
    reply_hide_id(&diff->theirs);
    reply_hide_id(&diff->ours);
    if (directive->sorted) {
        size_t group = diff->theirs.data[0] == '%' ? 2 : 1;
        /* In RESP2 a map is an array of names and values; the corpus says so by "@sorted 2". */
        group = directive->near == 2 ? 2 : group;
        reply_sort(&diff->theirs, group);
        reply_sort(&diff->ours, group);
    } else if (directive->near != 0 && reply_near(diff, directive->near)) {
        return;
    } else if (directive->shape) {
        if (diff->theirs.data[0] != diff->ours.data[0])
            diff_fail(diff, sent);
        return;
    }
    if (diff->theirs.len != diff->ours.len ||
        memcmp(diff->theirs.data, diff->ours.data, diff->ours.len) != 0)
        diff_fail(diff, sent);
}

/* Splits a line as the inline form of the protocol does, into a request. */
static void line_request(char *line, struct bytes *request)
{
    struct resp_reader reader;
    struct kv_arg argv[1100];
    struct bytes copy = { 0 };
    bytes_addf(&copy, "%s\n", line);
    resp_reader_init(&reader, NULL);
    if (resp_read(&reader, copy.data, copy.len) != RESP_REQUEST)
        FAIL("not a line of words: %s", line);
    CHECK(reader.argc <= sizeof(argv) / sizeof(argv[0]));
    for (size_t i = 0; i < reader.argc; i++)
        argv[i] = (struct kv_arg){ copy.data + reader.span[i].offset, reader.span[i].len };
    diff_argv(request, argv, reader.argc);
    resp_reader_finish(&reader);
    free(copy.data);
}

/* The bytes of a @raw line: the one argument of its inline form. */
static void line_raw(const char *line, struct bytes *request)
{
    struct resp_reader reader;
    struct bytes copy = { 0 };
    bytes_add(&copy, "\"", 1);
    bytes_add(&copy, line, strlen(line));
    bytes_add(&copy, "\"\n", 2);
    resp_reader_init(&reader, NULL);
    CHECK_INT(resp_read(&reader, copy.data, copy.len), RESP_REQUEST);
    CHECK_INT(reader.argc, 1);
    bytes_add(request, copy.data + reader.span[0].offset, reader.span[0].len);
    resp_reader_finish(&reader);
    free(copy.data);
}

/* The cursor of the SCAN reply in `reply`; its keys are moved to `keys`. */
static uint64_t scan_page(const struct bytes *reply, struct bytes *keys, size_t *count)
{
    CHECK(strncmp(reply->data, "*2\r\n$", 5) == 0);
    uint64_t cursor = strtoull(strchr(reply->data + 5, '\n') + 1, NULL, 10);
    size_t at = 4 + reply_len(reply, 4);
    const char *array = reply->data + at;
    size_t n = strtoul(array + 1, NULL, 10);
    at += (size_t)(strchr(array, '\n') - array) + 1;
    *count += n;
    bytes_add(keys, reply->data + at, reply->len - at);
    return cursor;
}

/* Runs "SCAN cursor rest..." to its end on one side and leaves the keys, as an array. */
static void scan_all(struct diff *diff, const char *rest, bool ours, struct bytes *result)
{
    struct bytes keys = { 0 };
    bytes_add(&keys, "", 0);
    size_t count = 0;
    uint64_t cursor = 0;
    do {
        struct bytes request = { 0 }, line = { 0 };
        bytes_addf(&line, "scan %" PRIu64 " %s", cursor, rest);
        line_request(line.data, &request);
        diff_send(diff, &request);
        cursor = scan_page(ours ? &diff->ours : &diff->theirs, &keys, &count);
        free(request.data);
        free(line.data);
    } while (cursor != 0);
    result->len = 0;
    bytes_addf(result, "*%zu\r\n", count);
    bytes_add(result, keys.data, keys.len);
    free(keys.data);
    reply_sort(result, 1);
}

static void diff_scan(struct diff *diff, const char *rest)
{
    struct bytes theirs = { 0 }, ours = { 0 };
    scan_all(diff, rest, false, &theirs);
    scan_all(diff, rest, true, &ours);
    if (theirs.len != ours.len || memcmp(theirs.data, ours.data, ours.len) != 0) {
        diff->theirs.len = 0;
        diff->ours.len = 0;
        bytes_add(&diff->theirs, theirs.data, theirs.len);
        bytes_add(&diff->ours, ours.data, ours.len);
        diff_fail(diff, rest);
    }
    free(theirs.data);
    free(ours.data);
}

static void diff_wait_gone(struct diff *diff, const char *key)
{
    do
        diff_command(diff, (const char *const[]){ "exists", key, NULL });
    while (strcmp(diff->theirs.data, ":0\r\n") != 0 || strcmp(diff->ours.data, ":0\r\n") != 0);
}

static void diff_line(struct diff *diff, const struct directive *directive, char *line)
{
    if (directive->scan) {
        diff_scan(diff, line);
        return;
    }
    struct bytes request = { 0 };
    if (directive->raw)
        line_raw(line, &request);
    else
        line_request(line, &request);
    diff_send(diff, &request);
    diff_compare(diff, directive, line);
    free(request.data);
}

/* One directive line; false when the rest of the file is for the other version. */
static bool diff_directive(struct diff *diff, const char *line, struct directive *directive,
                           bool *together)
{
    if (strncmp(line, "@sorted", 7) == 0)
        *directive = (struct directive){ .sorted = true, .near = strtol(line + 7, NULL, 10) };
    else if (strncmp(line, "@near ", 6) == 0)
        *directive = (struct directive){ .near = strtol(line + 6, NULL, 10) };
    else if (strcmp(line, "@shape") == 0)
        *directive = (struct directive){ .shape = true };
    else if (strcmp(line, "@scan") == 0)
        *directive = (struct directive){ .scan = true };
    else if (strcmp(line, "@raw") == 0)
        *directive = (struct directive){ .raw = true };
    else if (strcmp(line, "@together") == 0)
        *together = true;
    else if (strcmp(line, "@new") == 0)
        diff_reconnect(diff);
    else if (strncmp(line, "@gone ", 6) == 0)
        diff_wait_gone(diff, line + 6);
    else if (strncmp(line, "@resp ", 6) == 0)
        return strtol(line + 6, NULL, 10) == diff->protocol;
    else
        FAIL("%s:%d: unknown directive %s", diff->file, diff->line, line);
    return true;
}

static char *line_strip(char *line)
{
    size_t len = strlen(line);
    if (len > 0 && line[len - 1] == '\n')
        line[--len] = '\0';
    return line;
}

static void diff_together(struct diff *diff, struct bytes *request, bool *together)
{
    struct directive exact = { 0 };
    if (request->len > 0) {
        diff_send(diff, request);
        diff_compare(diff, &exact, "(lines sent together)");
    }
    request->len = 0;
    *together = false;
}

static void diff_file(struct diff *diff, FILE *file)
{
    static char line[1 << 16];
    struct directive directive = { 0 };
    struct bytes block = { 0 };
    bool together = false;
    diff->line = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        diff->line++;
        line_strip(line);
        if (line[0] == '\0' && together)
            diff_together(diff, &block, &together);
        if (line[0] == '\0' || line[0] == '#')
            continue;
        if (line[0] == '@') {
            if (!diff_directive(diff, line, &directive, &together))
                break;
        } else if (together) {
            line_request(line, &block);
        } else {
            diff_line(diff, &directive, line);
            directive = (struct directive){ 0 };
        }
    }
    diff_together(diff, &block, &together);
    free(block.data);
}

static void corpus_path(char *path, size_t size, const char *name)
{
    snprintf(path, size, "%s/tests/kv_corpus/%s", SP_TEST_SOURCE_DIR, name);
}

static void diff_corpus(int protocol, enum diff_under_test what)
{
    if (!reference_installed())
        SKIP("redis-server is not installed");
    struct diff diff;
    char path[1024];
    corpus_path(path, sizeof(path), "");
    DIR *dir = opendir(path);
    CHECK(dir != NULL);
    diff_start(&diff, what);
    diff.protocol = protocol;
    int files = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strstr(entry->d_name, ".txt") == NULL)
            continue;
        corpus_path(path, sizeof(path), entry->d_name);
        FILE *file = fopen(path, "r");
        CHECK(file != NULL);
        diff.file = entry->d_name;
        diff_reconnect(&diff);
        diff_command(&diff, (const char *const[]){ "flushall", NULL });
        diff_file(&diff, file);
        fclose(file);
        files++;
    }
    closedir(dir);
    CHECK(files > 0);
    diff_stop(&diff);
}

TEST(corpus_resp2_replies_equal_the_reference)
{
    diff_corpus(2, DIFF_LOCAL);
}

TEST(corpus_resp3_replies_equal_the_reference)
{
    diff_corpus(3, DIFF_LOCAL);
}

TEST(corpus_resp2_replies_over_the_network_equal_the_reference)
{
    diff_corpus(2, DIFF_SERVED);
}

TEST(corpus_resp3_replies_over_the_network_equal_the_reference)
{
    diff_corpus(3, DIFF_SERVED);
}

/* --- random commands --------------------------------------------------------------------- */

struct draw {
    uint64_t state;
};

static uint64_t draw(struct draw *d, uint64_t below)
{
    d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (d->state >> 33) % below;
}

/* What stands for a letter of a template: a few that collide, and some that are wrong. The two
 * servers see the clock a moment apart, so nothing here depends on it: no TTL, no GT, no LT, and no
 * key that is to expire now;
 * the corpus has those. */
static const char *const draw_keys[] = { "k0", "k1", "k2", "k3", "k4", "k5", "k6", "", "l0", "h0" };
static const char *const draw_values[] = {
    "v",
    "0",
    "-1",
    "42",
    "",
    "abc",
    "3.5",
    "9223372036854775807",
    "xx",
    "a b",
    "a value as long as a packed hash takes: 64 bytes, not one more.."
};
static const char *const draw_ints[] = { "0",
                                         "1",
                                         "2",
                                         "-1",
                                         "-2",
                                         "5",
                                         "100",
                                         "-100",
                                         "x",
                                         "",
                                         "9223372036854775807",
                                         "-9223372036854775808" };
static const char *const draw_fields[] = { "f0", "f1", "f2", "f3", "f4", "" };
static const char *const draw_seconds[] = { "1000", "2000", "99999", "x", "-1", "0" };
static const char *const draw_millis[] = { "1000000", "2000000", "x", "-1", "0", "-100" };
static const char *const draw_words[] = { "nx",
                                          "xx",
                                          "get",
                                          "keepttl",
                                          "ex 1000",
                                          "px 1000000",
                                          "exat 9999999999",
                                          "persist",
                                          "foo",
                                          "pxat 9999999999999" };
static const char *const draw_globs[] = { "*",    "k?",     "k[0-3]", "?0", "[^k]*", "*[",
                                          "\\k1", "[k-l]0", "k*1",    "**", "[]",    "h[0" };

/* k key, v value, i integer, f field, s seconds, p milliseconds,
 * w option, g glob; a digit repeats what follows up to so
 * many times; other words stand for themselves. */
static const char *const draw_templates[] = {
    "set k v",          "set k v",         "set k v 3w",  "get k",          "getdel k",
    "getex k 2w",       "setnx k v",       "del 3k",      "unlink 2k",      "exists 4k",
    "expire k s",       "expire k s 2w",   "pexpire k p", "expireat k i",   "persist k",
    "incr k",           "decr k",          "incrby k i",  "decrby k i",     "type k",
    "incrbyfloat k v",  "append k v",      "strlen k",    "getrange k i i", "setrange k i v",
    "mget 5k",          "mset k v k v",    "mset k v k",  "dbsize",         "lpush k 4v",
    "rpush k 4v",       "lpop k",          "rpop k",      "lpop k i",       "rpop k i",
    "llen k",           "lrange k i i",    "hset k f v",  "hset k f v f v", "hget k f",
    "hdel k 3f",        "hgetall k",       "hlen k",      "hexists k f",    "hincrby k f i",
    "hmget k 3f",       "touch 3k",        "set k",       "get k k",        "foo k v",
    "hset k f",         "lrange k i",      "ping",        "echo v",         "client getname",
    "client setname v", "blpop k k 0.001",
};

#define DRAW(d, pool) ((pool)[draw((d), sizeof(pool) / sizeof((pool)[0]))])

static const char *draw_word(struct draw *d, char letter)
{
    switch (letter) {
    case 'k':
        return DRAW(d, draw_keys);
    case 'v':
        return DRAW(d, draw_values);
    case 'i':
        return DRAW(d, draw_ints);
    case 'f':
        return DRAW(d, draw_fields);
    case 's':
        return DRAW(d, draw_seconds);
    case 'p':
        return DRAW(d, draw_millis);
    case 'g':
        return DRAW(d, draw_globs);
    default:
        return DRAW(d, draw_words);
    }
}

/* Adds a drawn word: quoted, except for options, some of which are two words. */
static void draw_add(struct draw *d, char letter, struct bytes *line)
{
    const char *word = draw_word(d, letter);
    bytes_addf(line, letter == 'w' ? " %s" : " '%s'", word);
}

static void draw_command(struct draw *d, struct bytes *line)
{
    const char *at = DRAW(d, draw_templates);
    size_t name = strcspn(at, " ");
    line->len = 0;
    bytes_add(line, at, name);
    for (at += name; *at == ' ';) {
        size_t len = strcspn(++at, " ");
        if (len == 1 && strchr("kvifspwg", at[0]) != NULL)
            draw_add(d, at[0], line);
        else if (len == 2 && at[0] >= '1' && at[0] <= '9')
            for (uint64_t n = 1 + draw(d, (uint64_t)(at[0] - '0')); n > 0; n--)
                draw_add(d, at[1], line);
        else
            bytes_addf(line, " %.*s", (int)len, at);
        at += len;
    }
}

static uint64_t draw_setting(const char *name, uint64_t standard)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : standard;
}

static void diff_random(int protocol, enum diff_under_test what)
{
    uint64_t seed = draw_setting("SPAWNED_KV_SEED", (uint64_t)protocol + what);
    int rounds = (int)draw_setting("SPAWNED_KV_ROUNDS", 500);
    if (!reference_installed())
        SKIP("redis-server is not installed");
    struct diff diff;
    struct draw d = { seed };
    struct directive exact = { 0 }, sorted = { .sorted = true };
    struct bytes line = { 0 }, request = { 0 }, shown = { 0 };
    diff_start(&diff, what);
    diff.protocol = protocol;
    diff.file = "random commands, seed";
    diff.line = (int)seed;
    diff_reconnect(&diff);
    for (int round = 0; round < rounds; round++) {
        request.len = shown.len = 0;
        for (uint64_t n = 1 + draw(&d, 20); n > 0; n--) {
            draw_command(&d, &line);
            line_request(line.data, &request);
            bytes_addf(&shown, "%s; ", line.data);
        }
        diff_send(&diff, &request);
        diff_compare(&diff, &exact, shown.data);
        request.len = line.len = 0;
        bytes_addf(&line, "keys '%s'", draw_word(&d, 'g'));
        line_request(line.data, &request);
        diff_send(&diff, &request);
        diff_compare(&diff, &sorted, line.data);
    }
    free(line.data);
    free(request.data);
    free(shown.data);
    diff_stop(&diff);
}

/* SPAWNED_KV_SEED=n runs one other seed, SPAWNED_KV_ROUNDS=n more rounds. */
TEST(random_commands_resp2_replies_equal_the_reference)
{
    diff_random(2, DIFF_LOCAL);
}

TEST(random_commands_resp3_replies_equal_the_reference)
{
    diff_random(3, DIFF_LOCAL);
}

TEST(random_commands_over_the_network_replies_equal_the_reference)
{
    diff_random(2, DIFF_SERVED);
}
