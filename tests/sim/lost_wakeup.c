/* A consumer finds a queue empty and then says that it waits: what is put in between wakes nobody.
 * Corrected: the queue looks again when somebody says so. */
#include "suite.h"

SP_MESSAGE(lost_item, int);

SP_SERVER(queue, sp_empty);
SP_CALL(queue, poll, sp_empty, int);
SP_CAST(queue, await, sp_pid);
SP_CAST(queue, put, int);

static struct {
    struct suite suite;
    queue_ref queue;
} waiting;

struct queue_state {
    int items;
    sp_pid waiter;
};

static void queue_hand_out(struct queue_state *queue)
{
    if (queue->items == 0 || sp_pid_equal(queue->waiter, SP_PID_NONE))
        return;
    sp_ignore(lost_item_send(queue->waiter, &(int){ 1 }));
    queue->waiter = SP_PID_NONE;
    queue->items--;
}

static sp_err queue_on_poll(struct queue_state *queue, const sp_empty *empty, int *out)
{
    (void)empty;
    *out = queue->items;
    queue->items = 0;
    return SP_OK;
}

static void queue_on_await(struct queue_state *queue, const sp_pid *waiter)
{
    queue->waiter = *waiter;
    if (waiting.suite.fixed)
        queue_hand_out(queue);
}

static void queue_on_put(struct queue_state *queue, const int *count)
{
    queue->items += *count;
    queue_hand_out(queue);
}

SP_STATE(queue, struct queue_state);
SP_ON_CALL(queue, poll);
SP_ON_CAST(queue, await);
SP_ON_CAST(queue, put);
SP_CLASS(queue, .init = NULL);

static void consumer_main(void *arg)
{
    (void)arg;
    int items = 0;
    struct sp_message *message;
    sp_pid self = sp_self();
    sp_ignore(queue_poll(waiting.queue, &(sp_empty){ 0 }, &items, sp_never()));
    if (items > 0)
        return;
    sp_ignore(queue_await(waiting.queue, &self));
    if (sp_receive(sp_never(), &message) == SP_OK)
        sp_message_free(message);
}

static void producer_main(void *arg)
{
    (void)arg;
    suite_steps(waiting.suite.skew);
    sp_ignore(queue_put(waiting.queue, &(int){ 1 }));
}

static void waiting_main(void *arg)
{
    (void)arg;
    sp_ignore(queue_start(&(sp_empty){ 0 }, NULL, &waiting.queue));
    suite_run(&waiting.suite,
              (const struct suite_actor[]){
                  { .name = "producer", .fn = producer_main },
                  { .name = "consumer", .fn = consumer_main },
              },
              2);
}

static void lost_wakeup_run(sp_sim *s, const struct suite *suite)
{
    waiting.suite = *suite;
    sp_sim_start(s, "node", waiting_main, NULL);
    sp_sim_run(s);
}

SUITE_TESTS(lost_wakeup, lost_wakeup_run);
