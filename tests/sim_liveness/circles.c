/* Circles of waits with a request in them that its server has taken, to answer it later: `sim-liveness`
 * looks that they are named, and that none is where somebody else answers after all.
 *
 *   main --> anna --> bert, who has taken the request and asks anna, or lets carl answer
 */
#include <spawned/sim.h>
#include <spawned/spawned.h>

enum question {
    QUESTION_PLAIN,    /* is answered */
    QUESTION_PASS,     /* bert is asked what the test is about */
    QUESTION_BACK,     /* is taken; anna is asked first */
    QUESTION_HAND,     /* is taken, and carl adopts it, who asks anna first */
    QUESTION_LATE,     /* is taken, and carl answers in a second; meanwhile anna is asked */
    QUESTION_FORGOTTEN /* is taken */
};

SP_SERVER(clerk, sp_empty);
SP_CALL(clerk, ask, enum question, int);
SP_CAST(clerk, adopt, sp_request);
SP_CAST(clerk, answer_late, sp_request);

static struct {
    clerk_ref anna;
    clerk_ref bert;
    clerk_ref carl;
    enum question question;
    sp_deadline deadline;
} office;

static sp_err ask(clerk_ref clerk, enum question question)
{
    int out;
    return clerk_ask(clerk, &question, &out, office.deadline);
}

static void answer(sp_request request, sp_err err)
{
    sp_ignore(err == SP_OK ? clerk_ask_reply(request, &(int){ 0 }) : sp_request_fail(request, err));
}

static sp_err clerk_on_ask(int *state, const enum question *in, int *out)
{
    sp_request request;
    (void)state;
    *out = 0;
    if (*in == QUESTION_PLAIN)
        return SP_OK;
    if (*in == QUESTION_PASS)
        return ask(office.bert, office.question);
    if (sp_request_take(&request) != SP_OK)
        return SP_ERR_NOMEM;
    if (*in == QUESTION_HAND)
        sp_ignore(clerk_adopt(office.carl, &request));
    if (*in == QUESTION_LATE)
        sp_ignore(clerk_answer_late(office.carl, &request));
    if (*in == QUESTION_BACK || *in == QUESTION_LATE) {
        sp_err err = ask(office.anna, QUESTION_PLAIN);
        if (*in == QUESTION_BACK)
            answer(request, err);
    }
    return SP_ERR_DEFERRED;
}

static void clerk_on_adopt(int *state, const sp_request *request)
{
    (void)state;
    if (sp_request_adopt(*request) == SP_OK)
        answer(*request, ask(office.anna, QUESTION_PLAIN));
}

static void clerk_on_answer_late(int *state, const sp_request *request)
{
    (void)state;
    sp_sleep(sp_sec(1));
    answer(*request, SP_OK);
}

SP_STATE(clerk, int);
SP_ON_CALL(clerk, ask);
SP_ON_CAST(clerk, adopt);
SP_ON_CAST(clerk, answer_late);
SP_CLASS(clerk);

static clerk_ref clerk_hire(const char *name)
{
    clerk_ref ref = { SP_PID_NONE };
    sp_ignore(clerk_start(NULL, &(struct sp_server_options){ .spawn.name = name }, &ref));
    return ref;
}

static void office_main(void *unused)
{
    int out;
    (void)unused;
    office.anna = clerk_hire("anna");
    office.bert = clerk_hire("bert");
    office.carl = clerk_hire("carl");
    sp_ignore(clerk_ask(office.anna, &(enum question){ QUESTION_PASS }, &out, sp_never()));
}

static void office_run(sp_sim *s, enum question question, sp_deadline deadline)
{
    office.question = question;
    office.deadline = deadline;
    sp_sim_start(s, "office", office_main, NULL);
    sp_sim_run(s);
}

SP_SIM_TEST(taken_and_asked_back)
{
    office_run(s, QUESTION_BACK, sp_never());
}

/* The deadline would end the wait; it is a circle all the same. */
SP_SIM_TEST(taken_and_asked_back_in_time)
{
    office_run(s, QUESTION_BACK, sp_after(sp_sec(3)));
}

SP_SIM_TEST(adopted_and_asked_back)
{
    office_run(s, QUESTION_HAND, sp_never());
}

SP_SIM_TEST(taken_and_forgotten)
{
    office_run(s, QUESTION_FORGOTTEN, sp_never());
}

/* Not planted: carl answers in the end, though anna and bert wait for each other until then. */
SP_SIM_TEST(taken_and_answered_by_another)
{
    office_run(s, QUESTION_LATE, sp_never());
}

SP_SIM_TEST(taken_and_answered_by_another_in_time)
{
    office_run(s, QUESTION_LATE, sp_after(sp_sec(3)));
}

static void kill_bert(sp_sim *s, void *node)
{
    sp_sim_check(s, sp_sim_kill(node, "bert"), "there is no bert");
}

/* Not planted either: the test itself opens the circle. */
SP_SIM_TEST(taken_and_asked_back_until_one_is_killed)
{
    office.question = QUESTION_BACK;
    office.deadline = sp_never();
    sp_sim_node *node = sp_sim_start(s, "office", office_main, NULL);
    sp_sim_at(s, (sp_time){ sp_sec(1).ns }, kill_bert, node);
    sp_sim_run(s);
}
