/* A client asks, gives up waiting, asks something else, and takes the first answer that comes for
 * that of its second question. Corrected: answers carry the number of their question. */
#include "suite.h"

struct question {
    sp_pid from;
    int number;
};

SP_MESSAGE(late_question, struct question);
SP_MESSAGE(late_answer, int);

static struct {
    struct suite suite;
    bool wrong;
} asking;

static void oracle_main(void *arg)
{
    (void)arg;
    struct sp_message *message;
    while (sp_receive(sp_never(), &message) == SP_OK) {
        struct question question = *late_question_of(message);
        sp_message_free(message);
        sp_ignore(late_answer_send(question.from, &question.number));
    }
}

static bool answer_is_of(const struct sp_message *message, void *arg)
{
    const int *number = arg;
    const int *answer = sp_message_peek(message);
    return sp_message_type(message) == &late_answer_type &&
           (!asking.suite.fixed || *answer == *number);
}

/* True: an answer came in time. */
static bool client_ask(sp_pid oracle, int number, sp_deadline deadline)
{
    struct sp_message *message;
    sp_ignore(late_question_send(oracle, &(struct question){ sp_self(), number }));
    if (sp_receive_select(answer_is_of, &number, deadline, &message) != SP_OK)
        return false;
    asking.wrong = asking.wrong || *late_answer_of(message) != number;
    sp_message_free(message);
    return true;
}

static void client_main(void *arg)
{
    (void)arg;
    sp_pid oracle = suite_pid("oracle");
    if (client_ask(oracle, 1, sp_after_ms(500)))
        return;
    suite_steps(asking.suite.skew);
    sp_ignore(client_ask(oracle, 2, sp_never()));
}

static void asking_main(void *arg)
{
    (void)arg;
    suite_run(&asking.suite,
              (const struct suite_actor[]){
                  { .name = "oracle", .fn = oracle_main, .serves = true },
                  { .name = "client", .fn = client_main },
              },
              2);
}

static void late_reply_run(sp_sim *s, const struct suite *suite)
{
    asking.suite = *suite;
    asking.wrong = false;
    sp_sim_start(s, "node", asking_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, !asking.wrong, "an answer was taken for another one's");
}

SUITE_TESTS(late_reply, late_reply_run, .abstract_time = true);
