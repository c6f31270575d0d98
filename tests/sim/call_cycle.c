/* Each of two servers calls the other while it handles a call: they may wait for each other.
 * Corrected: the request is handed over, and the other one answers it. */
#include "suite.h"

struct desk_job {
    sp_request request;
};

SP_SERVER(desk, int);
SP_CALL(desk, work, sp_empty, int);
SP_CALL(desk, help, sp_empty, int);
SP_CAST(desk, take_over, struct desk_job);

static struct {
    struct suite suite;
    desk_ref desks[2];
} office;

static sp_err desk_init(int *number, const int *args)
{
    *number = *args;
    return SP_OK;
}

static sp_err desk_on_work(int *number, const sp_empty *empty, int *out)
{
    desk_ref other = office.desks[1 - *number];
    struct desk_job job;
    if (!office.suite.fixed)
        return desk_help(other, empty, out, sp_never());
    sp_err err = sp_request_take(&job.request);
    if (err != SP_OK)
        return err;
    sp_ignore(desk_take_over(other, &job));
    return SP_ERR_DEFERRED;
}

static sp_err desk_on_help(int *number, const sp_empty *empty, int *out)
{
    (void)empty;
    *out = *number;
    return SP_OK;
}

static void desk_on_take_over(int *number, const struct desk_job *job)
{
    sp_ignore(desk_work_reply(job->request, number));
}

SP_STATE(desk, int);
SP_ON_INIT(desk);
SP_ON_CALL(desk, work);
SP_ON_CALL(desk, help);
SP_ON_CAST(desk, take_over);
SP_CLASS(desk, .init = desk__init);

static void client_main(void *arg)
{
    const desk_ref *desk = arg;
    int answer;
    suite_steps(desk == &office.desks[0] ? office.suite.skew : 0);
    sp_ignore(desk_work(*desk, &(sp_empty){ 0 }, &answer, sp_never()));
}

static void office_main(void *arg)
{
    (void)arg;
    static const char *const labels[] = { "desk1", "desk2" };
    for (int i = 0; i < 2; i++)
        sp_ignore(desk_start(&i, &(struct sp_server_options){ .spawn.name = labels[i] },
                             &office.desks[i]));
    suite_run(&office.suite,
              (const struct suite_actor[]){
                  { .name = "client1", .fn = client_main, .arg = &office.desks[0] },
                  { .name = "client2", .fn = client_main, .arg = &office.desks[1] },
              },
              2);
}

static void call_cycle_run(sp_sim *s, const struct suite *suite)
{
    office.suite = *suite;
    sp_sim_start(s, "node", office_main, NULL);
    sp_sim_run(s);
}

SUITE_TESTS(call_cycle, call_cycle_run);
