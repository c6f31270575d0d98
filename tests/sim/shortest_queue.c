/* Two routers look which of two workers has less to do and send a job there: to the same one, whose
 * mailbox takes only one. Corrected: who is refused tries the other. */
#include "suite.h"

SP_SERVER(worker, sp_empty);
SP_CAST(worker, job, sp_empty);

static struct {
    struct suite suite;
    worker_ref workers[2];
    int done;
} pool;

static void worker_on_job(int *done, const sp_empty *empty)
{
    (void)empty;
    ++*done;
    pool.done++;
}

SP_STATE(worker, int);
SP_ON_CAST(worker, job);
SP_CLASS(worker, .init = NULL);

static void router_main(void *arg)
{
    struct sp_process_info first = { .mailbox = 0 };
    struct sp_process_info second = { .mailbox = 0 };
    sp_empty empty = { 0 };
    suite_steps(arg != NULL ? pool.suite.skew : 0);
    sp_ignore(sp_process_info(pool.workers[0].pid, &first));
    sp_ignore(sp_process_info(pool.workers[1].pid, &second));
    int shorter = first.mailbox <= second.mailbox ? 0 : 1;
    if (worker_job(pool.workers[shorter], &empty) != SP_OK && pool.suite.fixed)
        sp_ignore(worker_job(pool.workers[1 - shorter], &empty));
}

static void pool_main(void *arg)
{
    (void)arg;
    struct sp_server_options options = { .spawn.mailbox_max = 1 };
    for (int i = 0; i < 2; i++)
        sp_ignore(worker_start(&(sp_empty){ 0 }, &options, &pool.workers[i]));
    suite_run(&pool.suite,
              (const struct suite_actor[]){
                  { .name = "router1", .fn = router_main, .arg = &pool },
                  { .name = "router2", .fn = router_main },
              },
              2);
    suite_settle();
}

static void shortest_queue_run(sp_sim *s, const struct suite *suite)
{
    pool.suite = *suite;
    pool.done = 0;
    sp_sim_start(s, "node", pool_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, pool.done == 2, "%d of 2 jobs are done", pool.done);
}

SUITE_TESTS(shortest_queue, shortest_queue_run);
