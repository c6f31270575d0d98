/* Routers under every schedule: case 94, routees that die between the choice and the message, lists
 * that change while others route, groups that are joined and left.
 *
 * What is handled is counted, and in the end every message was handled, dead or dropped.
 */
#include "accept.h"

#include "spawned/router.h"

static struct {
    int handled;
    int per_worker[4];
    int last[2]; /* of each sender: its messages come in order */
} books;

struct job {
    int sender;
    int number;
};

SP_SERVER(clerk, int);
SP_CAST(clerk, job, struct job);
SP_CALL(clerk, number, sp_empty, int);
SP_ROUTER(clerk);
SP_ROUTED_CAST(clerk, job);
SP_ROUTED_CALL(clerk, number);

struct clerk {
    int number;
};
static sp_err clerk_init(struct clerk *self, const int *args)
{
    self->number = *args;
    return SP_OK;
}
static void clerk_on_job(struct clerk *self, const struct job *in)
{
    books.handled++;
    books.per_worker[self->number]++;
    books.last[in->sender] = in->number;
}
static sp_err clerk_on_number(struct clerk *self, const sp_empty *in, int *out)
{
    (void)in;
    *out = self->number;
    return SP_OK;
}
SP_STATE(clerk, struct clerk);
SP_ON_INIT(clerk);
SP_ON_CAST(clerk, job);
SP_ON_CALL(clerk, number);
SP_CLASS(clerk, .init = clerk__init);

static clerk_ref clerk_new(int number)
{
    clerk_ref clerk = { SP_PID_NONE };
    EXPECT(clerk_start(&number, NULL, &clerk) == SP_OK);
    return clerk;
}

static clerk_router router_new(struct sp_router_options options)
{
    clerk_router router = { SP_PID_NONE };
    memset(&books, 0, sizeof(books));
    EXPECT(clerk_router_start(&options, &router) == SP_OK);
    return router;
}

static void kill_it(void *arg)
{
    sp_ignore(sp_kill(*(sp_pid *)arg));
}

/* ---- a routee dies between the choice and the message ---- */

static void dying_with(enum sp_router_strategy strategy)
{
    clerk_router router = router_new((struct sp_router_options){ .strategy = strategy });
    clerk_ref clerks[2] = { clerk_new(0), clerk_new(1) };
    EXPECT(clerk_router_add(router, clerks, 2) == SP_OK);
    accept_spawn("killer", kill_it, &clerks[0].pid);
    for (int i = 0; i < 4; i++)
        EXPECT(clerk_route_job_key(router, (uint64_t)i, &(struct job){ 0, i }) == SP_OK);
    int number = -1;
    sp_err err = clerk_route_number_key(router, 1, &(sp_empty){ 0 }, &number, sp_never());
    EXPECT(err == SP_OK || err == SP_ERR_DIED);
    accept_settle();
    int before = books.per_worker[1];
    EXPECT(clerk_route_job_key(router, 0, &(struct job){ 0, 9 }) == SP_OK);
    accept_settle();
    EXPECT(books.per_worker[1] == before + 1);
    accept_close();
}

static void dying(void *unused)
{
    (void)unused;
    dying_with(SP_ROUTE_ROUND_ROBIN);
}
ACCEPT(a_routee_dies_between_choice_and_message, dying);

static void dying_smallest(void *unused)
{
    (void)unused;
    dying_with(SP_ROUTE_SMALLEST);
}
ACCEPT(a_routee_dies_and_the_smallest_is_chosen, dying_smallest);

static void dying_hash(void *unused)
{
    (void)unused;
    dying_with(SP_ROUTE_HASH);
}
ACCEPT(a_routee_dies_that_a_key_belongs_to, dying_hash);

static void dying_sticky(void *unused)
{
    (void)unused;
    dying_with(SP_ROUTE_STICKY);
}
ACCEPT(a_routee_dies_that_keys_stick_to, dying_sticky);

/* ---- adding and removing race with routing ---- */

static struct {
    clerk_router router;
    clerk_ref first;
    clerk_ref second;
} shop;

static void add_and_remove(void *unused)
{
    (void)unused;
    EXPECT(clerk_router_add(shop.router, &shop.second, 1) == SP_OK);
    EXPECT(clerk_router_remove(shop.router, shop.first) == SP_OK);
    int number = -1;
    /* What was removed is chosen no more by who comes later. */
    EXPECT(clerk_route_number(shop.router, &(sp_empty){ 0 }, &number, sp_never()) == SP_OK);
    EXPECT(number == 1);
}

static void changing(void *unused)
{
    (void)unused;
    shop.router = router_new((struct sp_router_options){ 0 });
    shop.first = clerk_new(0);
    shop.second = clerk_new(1);
    EXPECT(clerk_router_add(shop.router, &shop.first, 1) == SP_OK);
    accept_spawn("changer", add_and_remove, NULL);
    for (int i = 0; i < 4; i++)
        EXPECT(clerk_route_job(shop.router, &(struct job){ 0, i }) == SP_OK);
    accept_settle();
    EXPECT(books.handled == 4);
    struct sp_router_info info;
    EXPECT(sp_router_info(shop.router.pid, &info) == SP_OK);
    EXPECT(info.routed == 5 && info.refused == 0 && info.no_routee == 0 && info.routees == 1);
    accept_close();
}
ACCEPT(routees_change_while_others_route, changing);

/* ---- the router itself ends ---- */

static void ending(void *unused)
{
    (void)unused;
    clerk_router router = router_new((struct sp_router_options){ .group = "clerks" });
    clerk_ref clerk = clerk_new(0);
    EXPECT(sp_group_join("clerks", clerk.pid) == SP_OK);
    accept_spawn("killer", kill_it, &router.pid);
    int sent = 0;
    for (int i = 0; i < 4; i++) {
        sp_err err = clerk_route_job(router, &(struct job){ 0, i });
        EXPECT(err == SP_OK || err == SP_ERR_NOPROC || err == SP_ERR_NOROUTEE);
        sent += err == SP_OK;
    }
    accept_settle();
    EXPECT(books.handled <= sent);
    EXPECT(clerk_route_job(router, &(struct job){ 0, 9 }) == SP_ERR_NOPROC);
    accept_close();
}
ACCEPT(a_router_is_killed_while_others_route, ending);

/* ---- case 94 ---- */

static void first_listing(void *unused)
{
    (void)unused;
    clerk_ref clerk = clerk_new(0);
    EXPECT(sp_group_join("clerks", clerk.pid) == SP_OK);
    clerk_router router = router_new((struct sp_router_options){ .group = "clerks" });
    for (int i = 1; i <= 3; i++) {
        EXPECT(clerk_route_job(router, &(struct job){ 0, i }) == SP_OK);
        EXPECT(books.last[0] <= i);
    }
    accept_settle();
    EXPECT(books.handled == 3); /* kept or not */
    EXPECT(books.last[0] == 3); /* and none overtook another */
    struct sp_router_info info;
    EXPECT(sp_router_info(router.pid, &info) == SP_OK);
    EXPECT(info.listed && info.routed == 3 && info.stashed <= 3 && info.no_routee == 0);
    accept_close();
}
ACCEPT(case_94_casts_before_the_first_listing_are_delivered, first_listing);

static void empty_listing(void *unused)
{
    (void)unused;
    clerk_router router = router_new((struct sp_router_options){ .group = "nobody" });
    uint64_t refused = 0;
    for (int i = 1; i <= 3; i++) {
        sp_err err = clerk_route_job(router, &(struct job){ 0, i });
        EXPECT(err == SP_OK || err == SP_ERR_NOROUTEE);
        refused += err == SP_ERR_NOROUTEE;
    }
    int number;
    EXPECT(clerk_route_number(router, &(sp_empty){ 0 }, &number, sp_never()) == SP_ERR_NOROUTEE);
    accept_settle();
    struct sp_router_info info;
    EXPECT(sp_router_info(router.pid, &info) == SP_OK);
    EXPECT(info.no_routee == 4 && info.stashed == 3 - refused && info.routed == 0);
    EXPECT(books.handled == 0);
    accept_close();
}
ACCEPT(case_94_of_an_empty_group_they_are_dropped_and_counted, empty_listing);

/* ---- a group changes ---- */

static void join_and_leave(void *arg)
{
    clerk_ref *clerks = arg;
    EXPECT(sp_group_join("clerks", clerks[1].pid) == SP_OK);
    EXPECT(sp_group_leave("clerks", clerks[0].pid) == SP_OK);
}

static void following(void *unused)
{
    (void)unused;
    clerk_ref clerks[2] = { clerk_new(0), clerk_new(1) };
    EXPECT(sp_group_join("clerks", clerks[0].pid) == SP_OK);
    clerk_router router = router_new((struct sp_router_options){ .group = "clerks" });
    accept_spawn("changer", join_and_leave, clerks);
    for (int i = 0; i < 3; i++)
        EXPECT(clerk_route_job(router, &(struct job){ 0, i }) == SP_OK);
    accept_settle();
    EXPECT(books.handled == 3);
    sp_pid pids[2];
    EXPECT(sp_router_routees(router.pid, pids, 2) == 1);
    EXPECT(sp_pid_equal(pids[0], clerks[1].pid));
    sp_ignore(sp_kill(clerks[1].pid));
    accept_settle();
    EXPECT(sp_router_routees(router.pid, pids, 2) == 0);
    EXPECT(clerk_route_job(router, &(struct job){ 0, 9 }) == SP_ERR_NOROUTEE);
    accept_close();
}
ACCEPT(members_that_come_and_go_are_followed, following);

/* ---- scatter-gather ---- */

static void scattering(void *unused)
{
    (void)unused;
    clerk_router router = router_new((struct sp_router_options){ 0 });
    clerk_ref clerks[3] = { clerk_new(0), clerk_new(1), clerk_new(2) };
    int number = -1;
    EXPECT(clerk_router_add(router, clerks, 3) == SP_OK);
    accept_spawn("killer", kill_it, &clerks[1].pid);
    EXPECT(clerk_route_number_first(router, &(sp_empty){ 0 }, &number, sp_never()) == SP_OK);
    int won = number;
    EXPECT(won >= 0 && won < 3);
    accept_settle();
    EXPECT(number == won); /* late answers leave nothing */
    EXPECT(accept_mail_now().others == 0);
    accept_close();
}
ACCEPT(the_first_answer_wins_and_the_rest_leaves_nothing, scattering);

/* ---- sticky ---- */

static struct {
    int running;
    int at;
} one_at_a_time;

SP_SERVER(slow, int);
SP_CAST(slow, work, int);
SP_ROUTER(slow);
SP_ROUTED_CAST(slow, work);
static sp_err slow_init(int *self, const int *args)
{
    *self = *args;
    return SP_OK;
}
static void slow_on_work(int *self, const int *in)
{
    (void)in;
    EXPECT(one_at_a_time.running == 0 || one_at_a_time.at == *self);
    one_at_a_time.running++;
    one_at_a_time.at = *self;
    sp_yield();
    one_at_a_time.running--;
}
SP_STATE(slow, int);
SP_ON_INIT(slow);
SP_ON_CAST(slow, work);
SP_CLASS(slow, .init = slow__init);

static void work_twice(void *arg)
{
    slow_router router = *(slow_router *)arg;
    for (int i = 0; i < 2; i++)
        EXPECT(slow_route_work_key(router, 7, &i) == SP_OK);
}

static void sticking(void *unused)
{
    (void)unused;
    slow_router router;
    slow_ref workers[3];
    memset(&one_at_a_time, 0, sizeof(one_at_a_time));
    struct sp_router_options options = { .strategy = SP_ROUTE_STICKY };
    EXPECT(slow_router_start(&options, &router) == SP_OK);
    for (int i = 0; i < 3; i++)
        EXPECT(slow_start(&i, NULL, &workers[i]) == SP_OK);
    EXPECT(slow_router_add(router, workers, 3) == SP_OK);
    accept_spawn("other", work_twice, &router);
    work_twice(&router);
    accept_settle();
    accept_close();
}
ACCEPT(no_two_routees_are_busy_with_one_key, sticking);
