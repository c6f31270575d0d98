/* As nomem.c: pools, routers, dead letters, a drained server, and a program's shutdown. What
 * succeeded must be right, and each job is done once at most. */
#include "nomem.h"

#include <spawned/dead_letter.h>
#include <spawned/pool.h>
#include <spawned/router.h>
#include <spawned/shutdown.h>
#include <spawned/sim.h>
#include <spawned/spawned.h>

/* The library's promise is broken. */
static void must(bool held)
{
    if (!held)
        __builtin_trap();
}

/* ---- who does the work ---- */

enum { JOBS = 6 };

/* Of one run. Static, for who started the hands may end before them. */
static int done[JOBS];

SP_SERVER(hand, sp_empty);
SP_CAST(hand, job, int);
SP_CALL(hand, square, int, int);
SP_POOL(hand);
SP_POOL_CAST(hand, job);
SP_ROUTER(hand);
SP_ROUTED_CAST(hand, job);
SP_ROUTED_CALL(hand, square);

struct hand {
    int jobs;
};

static sp_err hand_init(struct hand *self, const sp_empty *args)
{
    (void)self;
    (void)args;
    return sp_group_join("hands", sp_self());
}

static void hand_on_job(struct hand *self, const int *in)
{
    self->jobs++;
    done[*in]++;
}

static sp_err hand_on_square(struct hand *self, const int *in, int *out)
{
    (void)self;
    *out = *in * *in;
    return SP_OK;
}

SP_STATE(hand, struct hand);
SP_ON_INIT(hand);
SP_ON_CAST(hand, job);
SP_ON_CALL(hand, square);
SP_CLASS(hand, .init = hand__init);

static void books_clear(void)
{
    for (int i = 0; i < JOBS; i++)
        done[i] = 0;
}

/* ---- pools ---- */

static uint64_t key_of(const struct sp_op *op, const void *in, void *arg)
{
    (void)op;
    (void)arg;
    return (uint64_t)(*(const int *)in % 2);
}

/* Everything that was accepted came to one end. */
static void pool_must_balance(const struct sp_pool_info *info)
{
    uint64_t lost = 0;
    for (int i = 0; i < SP_POOL_LOSSES; i++)
        lost += info->lost[i];
    must(info->accepted == info->finished + lost + info->queued + info->held);
}

static void pool_use(hand_pool pool)
{
    struct sp_pool_info info;
    int out;
    for (int i = 0; i < JOBS; i++)
        sp_ignore(hand_job_wait(pool.jobs, &i, sp_after_sec(5)));
    if (hand_square(pool.jobs, &(int){ 3 }, &out, sp_after_sec(5)) == SP_OK)
        must(out == 9);
    sp_ignore(hand_pool_resize(pool, 1, 1));
    sp_ignore(hand_pool_resize(pool, 3, 3));
    if (hand_square(pool.jobs, &(int){ 4 }, &out, sp_after_sec(5)) == SP_OK)
        must(out == 16);
    if (hand_pool_stop(pool, sp_after_sec(5), &info) == SP_OK) {
        pool_must_balance(&info);
        must(info.queued == 0 && info.held == 0);
    }
}

static void pool_case(const struct sp_pool_options *options)
{
    hand_pool pool;
    books_clear();
    (void)sp_trap_exit(true);
    if (hand_pool_start(&(sp_empty){ 0 }, options, &pool) == SP_OK)
        pool_use(pool);
    for (int i = 0; i < JOBS; i++)
        must(done[i] <= 1);
}

NOMEM_TEST(pools)
{
    (void)arg;
    pool_case(&(struct sp_pool_options){ .min = 2, .max = 3, .window = 2 });
}

NOMEM_TEST(pools_with_keys)
{
    (void)arg;
    pool_case(&(struct sp_pool_options){ .min = 2, .max = 3, .key = key_of, .queue_max = 3 });
}

/* ---- routers ---- */

static void router_use(hand_router router)
{
    struct sp_router_info info;
    struct sp_broadcast counts = { 0 };
    int out;
    for (int i = 0; i < JOBS; i++)
        sp_ignore(hand_route_job(router, &i));
    if (hand_route_square(router, &(int){ 5 }, &out, sp_after_sec(5)) == SP_OK)
        must(out == 25);
    if (hand_route_square_first(router, &(int){ 6 }, &out, sp_after_sec(5)) == SP_OK)
        must(out == 36);
    sp_ignore(hand_route_job_all(router, &(int){ 0 }, &counts));
    must(counts.sent + counts.failed <= 3);
    sp_ignore(sp_router_info(router.pid, &info));
    sp_ignore(hand_router_stop(router, sp_after_sec(5)));
}

/* The hands that could be started. */
static size_t hands_start(hand_ref hands[3])
{
    size_t count = 0;
    for (int i = 0; i < 3; i++)
        count += hand_start(&(sp_empty){ 0 }, NULL, &hands[count]) == SP_OK;
    return count;
}

NOMEM_TEST(routers)
{
    hand_ref hands[3];
    hand_router router;
    (void)arg;
    books_clear();
    size_t count = hands_start(hands);
    if (hand_router_start(NULL, &router) != SP_OK)
        return;
    if (hand_router_add(router, hands, count) == SP_OK && count > 1) {
        must(sp_router_routees(router.pid, NULL, 0) == count);
        sp_ignore(sp_kill(hands[0].pid));
        sp_ignore(hand_router_remove(router, hands[1]));
    }
    router_use(router);
}

NOMEM_TEST(routers_by_key)
{
    hand_ref hands[3];
    hand_router router;
    int out;
    (void)arg;
    books_clear();
    size_t count = hands_start(hands);
    enum sp_router_strategy strategy = sp_random() % 2 == 0 ? SP_ROUTE_HASH : SP_ROUTE_STICKY;
    struct sp_router_options options = { .strategy = strategy };
    if (hand_router_start(&options, &router) != SP_OK)
        return;
    sp_ignore(hand_router_add(router, hands, count));
    for (int i = 0; i < JOBS; i++)
        sp_ignore(hand_route_job_key(router, (uint64_t)i, &i));
    if (hand_route_square_key(router, 7, &(int){ 7 }, &out, sp_after_sec(5)) == SP_OK)
        must(out == 49);
    for (int i = 0; i < JOBS; i++)
        must(done[i] <= 1);
    sp_ignore(hand_router_stop(router, sp_after_sec(5)));
}

NOMEM_TEST(routers_of_groups)
{
    hand_ref hands[3];
    hand_router router;
    (void)arg;
    books_clear();
    struct sp_router_options options = { .group = "hands", .spawn = { .name = "router" } };
    if (hand_router_start(&options, &router) != SP_OK)
        return;
    (void)hands_start(hands);
    router_use(router);
}

/* ---- dead letters ---- */

SP_MESSAGE(line, int);

NOMEM_TEST(dead_letters)
{
    struct sp_dead_count counts[4];
    struct sp_dead_letter letters[8];
    struct sp_message *message;
    (void)arg;
    sp_ignore(sp_dead_letters_subscribe(4));
    for (int i = 0; i < 3; i++)
        sp_ignore(line_send(SP_PID_NONE, &i));
    while (sp_receive(sp_after_ms(5), &message) == SP_OK) {
        const struct sp_dead_letter *letter = sp_dead_letter_of(message);
        must(letter == NULL || letter->reason == SP_DEAD_NOPROC);
        sp_message_free(message);
    }
    must(sp_dead_letters_count(sp_runtime_current(), counts, 4) <= 4);
    must(sp_dead_letters_recent(sp_runtime_current(), letters, 8) <= 3);
    sp_dead_letters_unsubscribe();
}

/* ---- the program's end ---- */

static sp_err save(void *arg, sp_deadline deadline)
{
    (void)arg;
    (void)deadline;
    return SP_OK;
}

NOMEM_TEST(shutdowns)
{
    static const char *const after[] = { "drain", NULL };
    static const struct sp_shutdown_phase phases[] = { { .name = "save", .after = after } };
    static const struct sp_shutdown_options options = { .phases = phases, .phase_count = 1 };
    struct sp_shutdown_report report;
    struct sp_shutdown_step steps[16];
    size_t count;
    hand_ref hand;
    (void)arg;
    books_clear();
    if (sp_shutdown_start(&options, NULL) != SP_OK)
        return;
    sp_ignore(sp_shutdown_add("save", "books", save, NULL));
    if (hand_start(&(sp_empty){ 0 }, NULL, &hand) == SP_OK &&
        sp_shutdown_add_drain("drain", "hand", hand.pid) == SP_OK)
        sp_ignore(hand_job(hand, &(int){ 1 }));
    if (sp_shutdown_list(steps, 16, sp_after_sec(5), &count) == SP_OK)
        must(count >= 2);
    sp_ignore(sp_shutdown_remove("save", "nothing"));
    if (sp_shutdown_begin("done") == SP_OK && sp_shutdown_wait(sp_after_sec(30), &report) == SP_OK)
        must(report.killed == 0 && report.reason[0] == 'd');
}

NOMEM_TEST(drains)
{
    hand_ref hand;
    (void)arg;
    books_clear();
    if (hand_start(&(sp_empty){ 0 }, NULL, &hand) != SP_OK)
        return;
    bool sent = hand_job(hand, &(int){ 2 }) == SP_OK;
    if (sp_drain(hand.pid, sp_after_sec(5)) == SP_OK && sent)
        must(done[2] == 1);
}
