/* Fetches many pages, at most so many at a time and so many a second.
 *
 *   main ── map of tasks, 4 at a time ── each: takes a token, connects, asks, reads the answer
 *        └─ bucket, a server: 10 tokens, and one more each 5 ms
 *        └─ web, a server to fetch from, in this program; counts who is there at once
 *
 * Two limits, and each has one place: how many at a time is an option of the map, how many a second is
 * the bucket's. The bucket never waits: it says how long the caller has to, and has that token
 * reserved. So it holds nothing of those who wait, and one that ends meanwhile leaves nothing behind.
 */
#include <spawned/serve.h>
#include <spawned/spawned.h>
#include <spawned/task.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES = 60, AT_A_TIME = 4, BURST = 10, LINE = 64 };

#define TOKEN_EVERY sp_ms(5)

/* ---- the bucket ---- */

SP_SERVER(bucket, sp_duration);
/** Reserve a token; it may be used after so long. */
SP_CALL(bucket, take, sp_empty, sp_duration);

struct bucket {
    sp_duration every;
    sp_time full; /* when it would be full again, if nobody took any more */
};

static sp_err bucket_init(struct bucket *self, const sp_duration *every)
{
    *self = (struct bucket){ .every = *every, .full = sp_now() };
    return SP_OK;
}

/* A token taken puts off the moment when the bucket is full; further off than its size: wait. */
static sp_err bucket_on_take(struct bucket *self, const sp_empty *in, sp_duration *out)
{
    (void)in;
    sp_time now = sp_now();
    int64_t full = self->full.ns > now.ns ? self->full.ns : now.ns;
    full += self->every.ns;
    self->full.ns = full;
    int64_t wait = full - now.ns - BURST * self->every.ns;
    *out = sp_ns(wait > 0 ? wait : 0);
    return SP_OK;
}

SP_STATE(bucket, struct bucket);
SP_ON_INIT(bucket);
SP_ON_CALL(bucket, take);
SP_CLASS(bucket, .init = bucket__init);

/* ---- the server to fetch from ---- */

static atomic_int web_open;
static atomic_int web_most;

static void web_answer(struct sp_stream *stream, void *arg)
{
    char page[LINE];
    char text[2 * LINE] = { 0 };
    (void)arg;
    int open = atomic_fetch_add(&web_open, 1) + 1;
    for (int most = atomic_load(&web_most);
         open > most && !atomic_compare_exchange_weak(&web_most, &most, open);)
        continue;
    sp_err err = sp_stream_read_exact(stream, page, sizeof(page), sp_after_sec(10));
    (void)sp_sleep(sp_ms(3));       /* it is not the fastest */
    atomic_fetch_sub(&web_open, 1); /* before the client can know, who comes again at once */
    if (err == SP_OK) {
        (void)snprintf(text, sizeof(text), "this is %s", page);
        sp_ignore(sp_stream_write(stream, text, sizeof(text), sp_after_sec(10)));
    }
}

/* ---- fetching ---- */

struct request {
    const char *address;
    bucket_ref bucket;
    int page;
};
struct answer {
    char text[2 * LINE];
    bool waited;
};

SP_TASK(fetch, struct request, struct answer);

static sp_err fetch_run(const struct request *in, struct answer *out)
{
    char page[LINE] = { 0 };
    struct sp_stream *stream;
    sp_duration wait;
    sp_err err = bucket_take(in->bucket, &(sp_empty){ 0 }, &wait, sp_after_sec(5));
    if (err != SP_OK)
        return err;
    out->waited = wait.ns > 0;
    if (out->waited && !sp_sleep(wait))
        return SP_ERR_CANCELLED;
    err = sp_connect(in->address, NULL, sp_after_sec(5), &stream);
    if (err != SP_OK)
        return err;
    (void)snprintf(page, sizeof(page), "page %d", in->page);
    err = sp_stream_write(stream, page, sizeof(page), sp_after_sec(5));
    if (err == SP_OK)
        err = sp_stream_read_exact(stream, out->text, sizeof(out->text), sp_after_sec(5));
    sp_stream_drop(stream);
    return err;
}
SP_ON_TASK(fetch);

static int fetch_all(const char *address, bucket_ref bucket)
{
    static struct request requests[PAGES];
    static struct answer answers[PAGES];
    static sp_err errs[PAGES];
    char wanted[LINE];
    int right = 0;
    int waited = 0;
    for (int i = 0; i < PAGES; i++)
        requests[i] = (struct request){ address, bucket, i };
    sp_time start = sp_now();
    sp_ignore(fetch_map(requests, PAGES, answers, errs,
                        &(struct sp_task_map_options){ .running_max = AT_A_TIME },
                        sp_after_sec(60)));
    int64_t took = sp_now().ns - start.ns;
    for (int i = 0; i < PAGES; i++) {
        (void)snprintf(wanted, sizeof(wanted), "this is page %d", i);
        right += errs[i] == SP_OK && strcmp(answers[i].text, wanted) == 0;
        waited += answers[i].waited;
    }
    bool slow = took >= (PAGES - BURST - 1) * TOKEN_EVERY.ns;
    bool few = atomic_load(&web_most) <= AT_A_TIME;
    printf("%d of %d pages\n", right, PAGES);
    printf("at most %d at a time: %s\n", AT_A_TIME, few ? "yes" : "no");
    printf("not faster than the bucket: %s\n", slow && waited > 0 ? "yes" : "no");
    return right == PAGES && few && slow ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run(void *arg)
{
    struct sp_serve_info info;
    sp_serve_ref web;
    bucket_ref bucket;
    char address[SP_ADDRESS_TEXT_MAX];
    sp_duration every = TOKEN_EVERY;
    (void)arg;
    if (sp_serve_start(&(struct sp_serve_options){ .address = "127.0.0.1:0", .run = web_answer },
                       NULL, &web) != SP_OK ||
        sp_serve_info(web, &(sp_empty){ 0 }, &info, sp_after_sec(5)) != SP_OK ||
        bucket_start(&every, NULL, &bucket) != SP_OK)
        return EXIT_FAILURE;
    return fetch_all(sp_address_format(&info.address, address), bucket);
}

int main(void)
{
    return sp_main(run, NULL, NULL);
}
