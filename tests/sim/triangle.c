/* A sends to C by way of B, then to C straight: the second message may overtake the first, as B
 * says that it has it before it has passed it on. Corrected: B passes it on first. */
#include "suite.h"

SP_MESSAGE(triangle_first, sp_pid);
SP_MESSAGE(triangle_second, int);
SP_MESSAGE(triangle_taken, int);

static struct {
    struct suite suite;
    bool overtaken;
} triangle;

static void forwarder_main(void *arg)
{
    (void)arg;
    struct sp_message *message;
    if (sp_receive(sp_never(), &message) != SP_OK)
        return;
    sp_pid from = *triangle_first_of(message);
    if (triangle.suite.fixed) {
        sp_ignore(sp_message_forward(message, suite_pid("c")));
        sp_ignore(triangle_taken_send(from, &(int){ 0 }));
        return;
    }
    sp_pid to = suite_pid("c");
    sp_ignore(triangle_taken_send(from, &(int){ 0 }));
    sp_ignore(sp_message_forward(message, to));
}

static void sender_main(void *arg)
{
    (void)arg;
    struct sp_message *message;
    sp_pid to = suite_pid("c");
    sp_pid self = sp_self();
    sp_ignore(triangle_first_send(suite_pid("b"), &self));
    if (sp_receive(sp_never(), &message) == SP_OK)
        sp_message_free(message);
    suite_steps(triangle.suite.skew);
    sp_ignore(triangle_second_send(to, &(int){ 0 }));
}

static void receiver_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        struct sp_message *message;
        if (sp_receive(sp_never(), &message) != SP_OK)
            return;
        triangle.overtaken = triangle.overtaken || (i == 0 && triangle_second_of(message) != NULL);
        sp_message_free(message);
    }
}

static void triangle_main(void *arg)
{
    (void)arg;
    suite_run(&triangle.suite,
              (const struct suite_actor[]){
                  { .name = "c", .fn = receiver_main },
                  { .name = "b", .fn = forwarder_main },
                  { .name = "a", .fn = sender_main },
              },
              3);
}

static void triangle_run(sp_sim *s, const struct suite *suite)
{
    triangle.suite = *suite;
    triangle.overtaken = false;
    sp_sim_start(s, "node", triangle_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, !triangle.overtaken, "the second message came first");
}

SUITE_TESTS(triangle, triangle_run);
