/* Two greetings arrive, in a simulated world. */
#include <spawned/sim.h>
#include <spawned/spawned.h>

SP_MESSAGE(greeting, int);

static void greets(void *arg)
{
    sp_ignore(greeting_send(*(sp_pid *)arg, &(int){ 1 }));
}

static void greeted(void *arg)
{
    sp_pid self = sp_self();
    int *count = arg;
    struct sp_message *message;
    for (int i = 0; i < 2; i++)
        sp_ignore(sp_spawn(greets, &self, NULL, NULL));
    while (*count < 2 && sp_receive(sp_never(), &message) == SP_OK) {
        *count += *greeting_of(message);
        sp_message_free(message);
    }
}

SP_SIM_TEST(both_arrive)
{
    int count = 0;
    sp_sim_start(s, "node", greeted, &count);
    sp_sim_run(s);
    sp_sim_check(s, count == 2, "%d arrived", count);
}
