/* Calls and requests beside what tests/server_test.c sees of the whole: refusals, what a failed call
 * says, requests in the wrong hands.
 */
#include "support/lab.h"
#include "support/stress.h"

#include <string.h>

static struct sp_call_outcome outcome(void)
{
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    return outcome;
}

TEST(a_call_that_was_not_sent_says_so)
{
    world_open(NULL);
    int64_t sum = -1;
    lab_ref nobody = { dead_pid() };
    CHECK_INT(outcome().stage, 0); /* no call has failed yet */
    CHECK_ERR(lab_add(nobody, &(int64_t){ 1 }, &sum, sp_never()), SP_ERR_NOPROC);
    CHECK_INT(outcome().stage, SP_CALL_NOT_SENT);
    CHECK_STR(outcome().operation, "add");
    CHECK(sp_pid_equal(outcome().server, nobody.pid));
    CHECK_INT(sum, -1);
    CHECK_ERR(lab_add((lab_ref){ SP_PID_NONE }, &(int64_t){ 1 }, &sum, sp_never()), SP_ERR_NOPROC);
    stress_settle();
    world_close();
}

TEST(a_call_with_no_time_is_sent_and_times_out)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    int64_t sum = -1;
    sp_err err = lab_add(lab, &(int64_t){ 1 }, &sum, sp_nowait());
    CHECK(err == SP_ERR_TIMEOUT || err == SP_OK); /* it may have been faster */
    CHECK_INT(sum, err == SP_OK ? 1 : -1);
    world_close();
}

/* ---- several at once ---- */

TEST(a_multi_call_calls_all_but_oneself_and_the_dead)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    int64_t in = 4;
    int64_t outs[4] = { -1, -1, -1, -1 };
    struct sp_multi all[4] = {
        { .server = lab.pid, .out = &outs[0] },
        { .server = sp_self(), .out = &outs[1] },
        { .server = dead_pid(), .out = &outs[2] },
        { .server = lab.pid, .out = &outs[3] }, /* twice is two requests */
    };
    CHECK_OK(sp_server_multi_call(&lab_add_op, &in, all, 4, WORLD_PATIENCE));
    CHECK_ERR(all[0].err, SP_OK);
    CHECK_ERR(all[1].err, SP_ERR_DEADLOCK);
    CHECK_ERR(all[2].err, SP_ERR_NOPROC);
    CHECK_ERR(all[3].err, SP_OK);
    CHECK_INT(outs[0], 4);
    CHECK_INT(outs[1], -1);
    CHECK_INT(outs[2], -1);
    CHECK_INT(outs[3], 8);
    world_close();
}

/* ---- requests ---- */

static sp_request take_request(lab_ref lab)
{
    struct sp_message *message = expect_message();
    const sp_request *found = lab_request_of(message);
    CHECK(found != NULL);
    sp_request request = *found;
    CHECK(sp_pid_equal(request.server, lab.pid));
    sp_message_free(message);
    return request;
}

struct asker {
    lab_ref lab;
    sp_pid answerer;
    sp_pid reports_to;
};

static void ask(void *arg)
{
    const struct asker *asker = arg;
    int64_t out = -1;
    sp_err err = lab_defer(asker->lab, &asker->answerer, &out, sp_never());
    CHECK_OK(note_send(asker->reports_to,
                       &(struct note){ err == SP_OK ? out : -(int64_t)err, sp_self() }));
}

TEST(a_request_is_answered_by_its_own_operation_only)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    struct asker asker = { lab, sp_self(), sp_self() };
    CHECK_OK(sp_spawn(ask, &asker, NULL, NULL));
    sp_request request = take_request(lab);
    int64_t out = 7;
    CHECK_ERR(lab_add_reply(request, &out), SP_ERR_INVALID);
    sp_request other = request;
    other.id++;
    CHECK_ERR(lab_defer_reply(other, &out), SP_ERR_STALE);
    other = request;
    other.server = dead_pid();
    CHECK_ERR(lab_defer_reply(other, &out), SP_ERR_STALE);
    CHECK(sp_request_expired(other));
    CHECK(!sp_request_expired(request));
    CHECK_OK(lab_defer_reply(request, &out));
    CHECK_INT(expect_note(), 7);
    CHECK_ERR(lab_defer_reply(request, &out), SP_ERR_STALE);
    CHECK(sp_request_expired(request));
    sp_request_drop(request); /* nothing happens */
    world_close();
}

TEST(a_request_that_fails_with_success_fails_all_the_same)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    struct asker asker = { lab, sp_self(), sp_self() };
    CHECK_OK(sp_spawn(ask, &asker, NULL, NULL));
    CHECK_OK(sp_request_fail(take_request(lab), SP_OK));
    CHECK_INT(expect_note(), -(int64_t)SP_ERR_NOREPLY);
    world_close();
}

TEST(a_request_belongs_to_who_adopted_it_last)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    struct asker asker = { lab, SP_PID_NONE, sp_self() };
    asker.answerer = sp_self();
    CHECK_OK(sp_spawn(ask, &asker, NULL, NULL));
    sp_request request = take_request(lab);
    CHECK_OK(sp_request_adopt(request));
    CHECK_OK(sp_request_adopt(request)); /* the first adoption is empty now */
    CHECK_OK(lab_defer_reply(request, &(int64_t){ 5 }));
    CHECK_INT(expect_note(), 5);
    CHECK_ERR(sp_request_adopt(request), SP_ERR_STALE);
    world_close();
}

TEST(calls_and_requests_need_a_process)
{
    sp_request request = { { 1, 0, 0 }, 1 };
    struct sp_multi one = { .server = SP_PID_NONE };
    int64_t out = 1;
    CHECK_ERR(sp_request_take(&request), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_request_adopt(request), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_request_fail(request, SP_ERR_IO), SP_ERR_NOTCONTEXT);
    CHECK_ERR(lab_defer_reply(request, &out), SP_ERR_NOTCONTEXT);
    CHECK(sp_request_expired(request));
    CHECK_ERR(sp_server_multi_call(&lab_add_op, &out, &one, 1, sp_never()), SP_ERR_NOTCONTEXT);
    CHECK_ERR(lab_start(NULL, NULL, &(lab_ref){ SP_PID_NONE }), SP_ERR_NOTCONTEXT);
    CHECK_INT(outcome().stage, 0);
    sp_server_continue(); /* all of these do nothing */
    sp_server_idle_after(sp_sec(1));
    sp_server_stop_self(sp_reason_error(SP_ERR_IO, "unused"));
    CHECK(sp_pid_is_none(sp_server_from()));
}
