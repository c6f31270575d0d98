/* Two clients read a counter and write it back, one more: an update may be lost. The corrected
 * twin lets the counter itself add. */
#include <spawned/sim.h>
#include <spawned/spawned.h>

SP_SERVER(counter, int);
SP_CALL(counter, get, int, int);
SP_CAST(counter, set, int);
SP_CAST(counter, add, int);

static sp_err counter_init(int *value, const int *first)
{
    *value = *first;
    return SP_OK;
}
static sp_err counter_on_get(int *value, const int *unused, int *out)
{
    (void)unused;
    *out = *value;
    return SP_OK;
}
static void counter_on_set(int *value, const int *in)
{
    *value = *in;
}
static void counter_on_add(int *value, const int *in)
{
    *value += *in;
}
SP_STATE(counter, int);
SP_ON_INIT(counter);
SP_ON_CALL(counter, get);
SP_ON_CAST(counter, set);
SP_ON_CAST(counter, add);
SP_CLASS(counter, .init = counter__init);

struct client {
    counter_ref counter;
    bool correct;
};

static void client_main(void *arg)
{
    struct client *client = arg;
    int value = 0;
    if (client->correct) {
        sp_ignore(counter_add(client->counter, &(int){ 1 }));
        return;
    }
    sp_ignore(counter_get(client->counter, &value, &value, sp_never()));
    value++;
    sp_ignore(counter_set(client->counter, &value));
}

/* Increments by two clients; what the counter says then is left in `*arg`. */
static void counting(int *total, bool correct)
{
    struct client client = { .correct = correct };
    sp_monitor_ref refs[2];
    struct sp_message *message;
    int zero = 0;
    sp_ignore(counter_start(&zero, NULL, &client.counter));
    for (int i = 0; i < 2; i++)
        sp_ignore(sp_spawn(client_main, &client,
                           &(struct sp_spawn_options){ .name = i == 0 ? "client1" : "client2",
                                                       .arg_size = sizeof(client),
                                                       .out_monitor = &refs[i] },
                           NULL));
    for (int i = 0; i < 2; i++)
        if (sp_receive(sp_never(), &message) == SP_OK)
            sp_message_free(message);
    sp_ignore(counter_get(client.counter, &zero, total, sp_never()));
}

static void counting_wrong(void *arg)
{
    counting(arg, false);
}

static void counting_right(void *arg)
{
    counting(arg, true);
}

SP_SIM_TEST(lost_update)
{
    int total = 0;
    sp_sim_start(s, "node", counting_wrong, &total);
    sp_sim_run(s);
    sp_sim_check(s, total == 2, "expected 2, got %d", total);
}

SP_SIM_TEST(lost_update_fixed)
{
    int total = 0;
    sp_sim_start(s, "node", counting_right, &total);
    sp_sim_run(s);
    sp_sim_check(s, total == 2, "expected 2, got %d", total);
}
