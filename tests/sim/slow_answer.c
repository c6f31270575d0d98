/* Who is asked takes 300 ms for an answer, who asks waits 100 ms: so it never comes in time, and
 * nobody reads it. But threads can be late, and then the two timers of two processes fire in the
 * other order. Corrected: an answer that does come is read. */
#include "suite.h"

SP_MESSAGE(slow_question, sp_pid);
SP_MESSAGE(slow_answer, int);

static struct {
    struct suite suite;
    bool wrong;
} slow;

static void thinker_main(void *arg)
{
    (void)arg;
    struct sp_message *message;
    while (sp_receive(sp_never(), &message) == SP_OK) {
        sp_pid from = *slow_question_of(message);
        sp_message_free(message);
        (void)sp_sleep(sp_ms(300));
        sp_ignore(slow_answer_send(from, &(int){ 42 }));
    }
}

static void hasty_main(void *arg)
{
    (void)arg;
    sp_pid self = sp_self();
    struct sp_message *message;
    suite_steps(slow.suite.skew);
    sp_ignore(slow_question_send(suite_pid("thinker"), &self));
    if (sp_receive(sp_after_ms(100), &message) != SP_OK)
        return;
    slow.wrong = !slow.suite.fixed;
    sp_message_free(message);
}

static void slow_main(void *arg)
{
    (void)arg;
    suite_run(&slow.suite,
              (const struct suite_actor[]){
                  { .name = "thinker", .fn = thinker_main, .serves = true },
                  { .name = "hasty", .fn = hasty_main },
              },
              2);
}

static void slow_answer_run(sp_sim *s, const struct suite *suite)
{
    slow.suite = *suite;
    slow.wrong = false;
    sp_sim_start(s, "node", slow_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, !slow.wrong, "an answer that cannot come was not read");
}

SUITE_TESTS(slow_answer, slow_answer_run, .abstract_time = true);
