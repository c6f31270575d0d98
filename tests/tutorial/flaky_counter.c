/* Two clients count visitors, and now and then one is lost. */
#include <spawned/sim.h>
#include <spawned/spawned.h>

SP_SERVER(counter, int);
SP_CALL(counter, read, int, int);
SP_CAST(counter, write, int);

static sp_err counter_init(int *value, const int *first)
{
    *value = *first;
    return SP_OK;
}
static sp_err counter_on_read(int *value, const int *unused, int *out)
{
    (void)unused;
    *out = *value;
    return SP_OK;
}
static void counter_on_write(int *value, const int *in)
{
    *value = *in;
}
SP_STATE(counter, int);
SP_ON_INIT(counter);
SP_ON_CALL(counter, read);
SP_ON_CAST(counter, write);
SP_CLASS(counter, .init = counter__init);

static void visitor(void *arg)
{
    counter_ref counter = *(counter_ref *)arg;
    int value = 0;
    if (counter_read(counter, &value, &value, sp_never()) != SP_OK)
        return;
    value++;
    sp_ignore(counter_write(counter, &value));
}

/* The program under test: two visitors, then how many there were. */
static void count_visitors(void *arg)
{
    int *total = arg;
    int value = 0;
    counter_ref counter;
    sp_monitor_ref down;
    struct sp_message *message;
    struct sp_spawn_options options = { .arg_size = sizeof(counter), .out_monitor = &down };
    if (counter_start(&value, NULL, &counter) != SP_OK)
        return;
    for (int i = 0; i < 2; i++) {
        options.name = i == 0 ? "ann" : "bob";
        sp_ignore(sp_spawn(visitor, &counter, &options, NULL));
    }
    for (int i = 0; i < 2; i++)
        if (sp_receive(sp_never(), &message) == SP_OK)
            sp_message_free(message);
    sp_ignore(counter_read(counter, &value, total, sp_never()));
}

SP_SIM_TEST(every_visitor_counts)
{
    int total = 0;
    sp_sim_start(s, "door", count_visitors, &total);
    sp_sim_run(s);
    sp_sim_check(s, total == 2, "2 visitors came, %d were counted", total);
}
