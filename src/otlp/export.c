/* The exporter: a thread that takes spans out of the runtime's buffer and posts them.
 *
 *   recorded span -> exporter_some() -> wakes the thread -> waits `delay` -> takes, encodes, posts
 *                                                           429, 5xx: waits, posts again
 *
 * Threads: `lock` guards the flags; the batch, the buffer and the curl handle are the thread's own. The
 * thread that ends the runtime, and the one in sp_otlp_stop(), wait for it.
 * Neighbours: encode.c; process/trace_buffer.h tells when there is something.
 */
#include "spawned/otlp.h"

#include "base/alloc.h"
#include "otlp/encode.h"
#include "process/trace.h"
#include "runtime/real/os_thread.h"
#include "spawned/trace.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum {
    EXPORT_BATCH = 512,
    EXPORT_BATCH_MAX = 8192,
    EXPORT_REQUEST_MAX = 64 << 20, /* bytes */
    EXPORT_TEXT_MAX = 4096,        /* bytes of a header, an attribute, or the URL */
};

struct sp_otlp {
    struct sp_runtime *runtime;
    struct sp_otlp_options options; /* defaults filled in, texts copied */
    char *texts[2 * SP_OTLP_TEXTS_MAX + 2];
    size_t text_count;
    const char *attributes[SP_OTLP_TEXTS_MAX];
    pthread_t thread;
    bool running; /* of who stops it */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool some;        /* spans came, */
    bool much;        /* so many that the buffer fills up */
    bool stopping;    /* send what is left */
    int64_t until_ns; /* for that */
    bool ended;       /* the runtime has */
    _Atomic uint64_t exported;
    _Atomic uint64_t dropped;
    _Atomic uint64_t requests;
    _Atomic uint64_t failed;
    /* The thread's own. */
    struct sp_trace_record *batch;
    struct sp__buf body;
    CURL *curl;
    struct curl_slist *headers;
};

/* ---- time ---- */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * SP_NS_PER_S + now.tv_nsec;
}

/* With the lock held: until something happens, or an instant. */
static void exporter_wait(struct sp_otlp *otlp, int64_t until_ns)
{
    struct timespec until = { .tv_sec = (time_t)(until_ns / SP_NS_PER_S),
                              .tv_nsec = (long)(until_ns % SP_NS_PER_S) };
    (void)pthread_cond_timedwait(&otlp->wake, &otlp->lock, &until);
}

/* For so long, unless it is to end; then no longer than it has. False: it is at its end. */
static bool exporter_pause(struct sp_otlp *otlp, int64_t ns)
{
    int64_t until_ns = clock_ns(CLOCK_MONOTONIC) + ns;
    bool time_left = true;
    pthread_mutex_lock(&otlp->lock);
    while (time_left) {
        int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
        if (otlp->stopping && until_ns > otlp->until_ns)
            until_ns = otlp->until_ns;
        if (now_ns >= until_ns)
            break;
        exporter_wait(otlp, until_ns);
    }
    time_left = !otlp->stopping || clock_ns(CLOCK_MONOTONIC) < otlp->until_ns;
    pthread_mutex_unlock(&otlp->lock);
    return time_left;
}

/* ---- posting ---- */

static size_t post_ignore(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * count;
}

/* Called about once a second while a request waits. Not 0: give it up. */
static int post_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct sp_otlp *otlp = arg;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    pthread_mutex_lock(&otlp->lock);
    bool over = otlp->stopping && clock_ns(CLOCK_MONOTONIC) >= otlp->until_ns;
    pthread_mutex_unlock(&otlp->lock);
    return over ? 1 : 0;
}

static bool post_prepare(struct sp_otlp *otlp)
{
    otlp->curl = curl_easy_init();
    if (otlp->curl == NULL)
        return false;
    CURL *curl = otlp->curl;
    bool good = curl_easy_setopt(curl, CURLOPT_URL, otlp->options.url) == CURLE_OK;
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    good = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK && good;
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, otlp->headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, post_ignore);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, post_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, otlp);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     (long)(otlp->options.request_time.ns / SP_NS_PER_MS + 1));
    return good;
}

enum post_result { POST_DONE, POST_AGAIN, POST_REFUSED };

/* Once. `*out_after_ns`: how long the collector wants to be left alone, or 0. */
static enum post_result post_once(struct sp_otlp *otlp, int64_t *out_after_ns)
{
    CURL *curl = otlp->curl;
    long status = 0;
    curl_off_t after = 0;
    *out_after_ns = 0;
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, sp__buf_data(&otlp->body));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)sp__buf_len(&otlp->body));
    atomic_fetch_add_explicit(&otlp->requests, 1, memory_order_relaxed);
    bool answered = curl_easy_perform(curl) == CURLE_OK;
    if (answered)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (answered && status >= 200 && status < 300)
        return POST_DONE;
    atomic_fetch_add_explicit(&otlp->failed, 1, memory_order_relaxed);
    if (answered && curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
        *out_after_ns = (after > 3600 ? 3600 : (int64_t)after) * SP_NS_PER_S;
    bool again = !answered || status == 429 || status == 502 || status == 503 || status == 504;
    return again ? POST_AGAIN : POST_REFUSED;
}

/* A fifth more or less, so that programs that lost the same collector do not come back as one. */
static int64_t post_spread(int64_t ns)
{
    int64_t noise = clock_ns(CLOCK_MONOTONIC) % 1000;
    return ns - ns / 5 + ns / 1000 * 2 * noise / 5;
}

/* Until it is accepted, refused, or too late. */
static bool post(struct sp_otlp *otlp)
{
    int64_t wait_ns = otlp->options.retry_first.ns;
    int64_t until_ns = clock_ns(CLOCK_MONOTONIC) + otlp->options.retry_total.ns;
    for (;;) {
        int64_t after_ns;
        enum post_result result = post_once(otlp, &after_ns);
        if (result != POST_AGAIN)
            return result == POST_DONE;
        int64_t pause_ns = after_ns > 0 ? after_ns : post_spread(wait_ns);
        if (clock_ns(CLOCK_MONOTONIC) + pause_ns > until_ns || !exporter_pause(otlp, pause_ns))
            return false;
        wait_ns =
            wait_ns < otlp->options.retry_most.ns / 2 ? wait_ns * 2 : otlp->options.retry_most.ns;
    }
}

static bool export_batch(struct sp_otlp *otlp, size_t count)
{
    struct sp__otlp_resource resource = {
        .service = otlp->options.service,
        .attributes = otlp->attributes,
        .attribute_count = otlp->options.attribute_count,
        .epoch_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC),
    };
    sp__buf_init(&otlp->body, EXPORT_REQUEST_MAX);
    bool good = sp__otlp_encode(&otlp->body, &resource, otlp->batch, count) == SP_OK && post(otlp);
    sp__buf_finish(&otlp->body);
    return good;
}

/* All that is there, or as much as there is time for. */
static void export_all(struct sp_otlp *otlp)
{
    for (size_t count;
         (count = sp_trace_read(otlp->runtime, otlp->batch, otlp->options.batch)) > 0;) {
        bool late = !exporter_pause(otlp, 0);
        bool good = !late && export_batch(otlp, count);
        atomic_fetch_add_explicit(good ? &otlp->exported : &otlp->dropped, count,
                                  memory_order_relaxed); /* statistics */
        sp_trace_release(otlp->batch, count);
    }
}

/* Until there are spans and the first has waited for others. False: it is to end. */
static bool exporter_idle(struct sp_otlp *otlp)
{
    pthread_mutex_lock(&otlp->lock);
    while (!otlp->some && !otlp->stopping)
        pthread_cond_wait(&otlp->wake, &otlp->lock);
    int64_t until_ns = clock_ns(CLOCK_MONOTONIC) + otlp->options.delay.ns;
    while (!otlp->much && !otlp->stopping && clock_ns(CLOCK_MONOTONIC) < until_ns)
        exporter_wait(otlp, until_ns);
    otlp->some = false;
    otlp->much = false;
    bool stopping = otlp->stopping;
    pthread_mutex_unlock(&otlp->lock);
    return !stopping;
}

static void *exporter_main(void *arg)
{
    struct sp_otlp *otlp = arg;
    while (exporter_idle(otlp))
        export_all(otlp);
    export_all(otlp);
    return NULL;
}

/* ---- what the buffer tells ---- */

static void exporter_some(void *arg, bool much)
{
    struct sp_otlp *otlp = arg;
    pthread_mutex_lock(&otlp->lock);
    otlp->some = true;
    otlp->much = otlp->much || much;
    pthread_cond_signal(&otlp->wake);
    pthread_mutex_unlock(&otlp->lock);
}

static void exporter_join(struct sp_otlp *otlp)
{
    pthread_mutex_lock(&otlp->lock);
    otlp->stopping = true;
    otlp->until_ns = clock_ns(CLOCK_MONOTONIC) + otlp->options.flush.ns;
    pthread_cond_signal(&otlp->wake);
    pthread_mutex_unlock(&otlp->lock);
    pthread_join(otlp->thread, NULL);
    otlp->running = false;
}

/* The runtime ends. */
static void exporter_end(void *arg)
{
    struct sp_otlp *otlp = arg;
    exporter_join(otlp);
    pthread_mutex_lock(&otlp->lock);
    otlp->ended = true;
    pthread_mutex_unlock(&otlp->lock);
}

/* ---- beginning and end ---- */

static void otlp_free(struct sp_otlp *otlp)
{
    if (otlp->curl != NULL)
        curl_easy_cleanup(otlp->curl);
    curl_slist_free_all(otlp->headers);
    for (size_t i = 0; i < otlp->text_count; i++)
        sp__free(otlp->texts[i]);
    sp__free(otlp->batch);
    pthread_cond_destroy(&otlp->wake);
    pthread_mutex_destroy(&otlp->lock);
    sp__free(otlp);
}

/* NULL: no memory. */
static const char *otlp_copy(struct sp_otlp *otlp, const char *text)
{
    char *copy = sp__strdup(text);
    if (copy != NULL)
        otlp->texts[otlp->text_count++] = copy;
    return copy;
}

static bool otlp_header(struct sp_otlp *otlp, const char *header)
{
    struct curl_slist *headers = curl_slist_append(otlp->headers, header);
    if (headers != NULL)
        otlp->headers = headers;
    return headers != NULL;
}

static bool otlp_texts(struct sp_otlp *otlp, const struct sp_otlp_options *options)
{
    const char *url = options->url == NULL ? "http://127.0.0.1:4318/v1/traces" : options->url;
    const char *service = options->service == NULL ? "unknown_service" : options->service;
    otlp->options.url = otlp_copy(otlp, url);
    otlp->options.service = otlp_copy(otlp, service);
    bool good = otlp->options.url != NULL && otlp->options.service != NULL &&
                otlp_header(otlp, "Content-Type: application/x-protobuf") &&
                otlp_header(otlp, "Expect:");
    for (size_t i = 0; good && i < options->header_count; i++)
        good = otlp_header(otlp, options->headers[i]);
    for (size_t i = 0; good && i < options->attribute_count; i++)
        good = (otlp->attributes[i] = otlp_copy(otlp, options->attributes[i])) != NULL;
    return good;
}

static bool duration_default(sp_duration *duration, int64_t ns)
{
    bool valid = duration->ns >= 0 && duration->ns <= 3600 * SP_NS_PER_S;
    if (duration->ns == 0)
        duration->ns = ns;
    return valid;
}

static bool text_valid(const char *text, const char *needs)
{
    return strnlen(text, EXPORT_TEXT_MAX) < EXPORT_TEXT_MAX && strpbrk(text, "\r\n") == NULL &&
           (needs == NULL || strstr(text, needs) != NULL);
}

static bool texts_valid(const struct sp_otlp_options *options)
{
    bool valid =
        options->header_count <= SP_OTLP_TEXTS_MAX && options->attribute_count <= SP_OTLP_TEXTS_MAX;
    for (size_t i = 0; valid && i < options->header_count; i++)
        valid = text_valid(options->headers[i], ":");
    for (size_t i = 0; valid && i < options->attribute_count; i++)
        valid = text_valid(options->attributes[i], "=");
    if (options->url != NULL)
        valid =
            valid && text_valid(options->url, NULL) &&
            (strncmp(options->url, "http://", 7) == 0 || strncmp(options->url, "https://", 8) == 0);
    return valid && (options->service == NULL || text_valid(options->service, NULL));
}

/* False: one of them is not valid. */
static bool options_fill(struct sp_otlp_options *options)
{
    if (options->batch == 0)
        options->batch = EXPORT_BATCH;
    bool valid = options->batch <= EXPORT_BATCH_MAX && texts_valid(options);
    valid = duration_default(&options->delay, SP_NS_PER_S) && valid;
    valid = duration_default(&options->request_time, 10 * SP_NS_PER_S) && valid;
    valid = duration_default(&options->retry_first, SP_NS_PER_S) && valid;
    valid = duration_default(&options->retry_most, 30 * SP_NS_PER_S) && valid;
    valid = duration_default(&options->retry_total, 60 * SP_NS_PER_S) && valid;
    return duration_default(&options->flush, 5 * SP_NS_PER_S) && valid;
}

static void otlp_global(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Errors: NOMEM. */
static sp_err otlp_new(struct sp_runtime *runtime, const struct sp_otlp_options *options,
                       struct sp_otlp **out)
{
    struct sp_otlp *otlp = sp__calloc(1, sizeof(*otlp));
    if (otlp == NULL)
        return SP_ERR_NOMEM;
    otlp->runtime = runtime;
    otlp->options = *options;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&otlp->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&otlp->lock, NULL);
    otlp->batch = sp__calloc(options->batch, sizeof(*otlp->batch));
    if (otlp->batch == NULL || !otlp_texts(otlp, options) || !post_prepare(otlp)) {
        otlp_free(otlp);
        return SP_ERR_NOMEM;
    }
    *out = otlp;
    return SP_OK;
}

sp_err sp_otlp_start(struct sp_runtime *runtime, const struct sp_otlp_options *options,
                     struct sp_otlp **out_otlp)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sp_otlp_options filled = *options;
    if (!runtime->real)
        return SP_ERR_NOTSUP;
    /* acquire: pairs with the release in sp_trace_start(). */
    struct sp__trace *trace = atomic_load_explicit(&runtime->trace, memory_order_acquire);
    if (!options_fill(&filled) || trace == NULL)
        return SP_ERR_INVALID;
    pthread_once(&once, otlp_global);
    struct sp_otlp *otlp;
    sp_err err = otlp_new(runtime, &filled, &otlp);
    if (err != SP_OK)
        return err;
    struct sp__trace_sink sink = { exporter_some, exporter_end, otlp };
    err = sp__trace_buffer_tell(&trace->buffer, &sink);
    if (err == SP_OK) {
        otlp->some = true; /* perhaps there is something already */
        err = sp__thread_create(&otlp->thread, exporter_main, otlp);
        if (err != SP_OK)
            sp_ignore(sp__trace_buffer_tell(&trace->buffer, NULL));
    }
    if (err != SP_OK) {
        otlp_free(otlp);
        return err;
    }
    otlp->running = true;
    *out_otlp = otlp;
    return SP_OK;
}

void sp_otlp_stats(struct sp_otlp *otlp, struct sp_otlp_stats *out)
{
    /* relaxed: statistics. */
    *out = (struct sp_otlp_stats){
        .exported = atomic_load_explicit(&otlp->exported, memory_order_relaxed),
        .dropped = atomic_load_explicit(&otlp->dropped, memory_order_relaxed),
        .requests = atomic_load_explicit(&otlp->requests, memory_order_relaxed),
        .failed = atomic_load_explicit(&otlp->failed, memory_order_relaxed),
    };
}

void sp_otlp_stop(struct sp_otlp *moved_otlp)
{
    if (moved_otlp == NULL)
        return;
    pthread_mutex_lock(&moved_otlp->lock);
    bool ended = moved_otlp->ended;
    pthread_mutex_unlock(&moved_otlp->lock);
    if (!ended) {
        struct sp__trace *trace =
            atomic_load_explicit(&moved_otlp->runtime->trace, memory_order_acquire);
        sp_ignore(sp__trace_buffer_tell(&trace->buffer, NULL));
        exporter_join(moved_otlp);
    }
    otlp_free(moved_otlp);
}
