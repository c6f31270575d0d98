/* A payment whose message is not sent for want of memory is taken off all the same. Corrected: it is
 * taken off when it was sent. */
#include "faults.h"

SP_MESSAGE(payment, int);

static struct {
    bool fixed;
    int starts;
    bool done;
    int here;
    int there;
} purse;

/* Both in one process, so that nobody can be killed between. */
static void purse_main(void *arg)
{
    (void)arg;
    purse.starts++;
    sp_pid self = sp_self();
    for (int i = 0; i < 10; i++) {
        sp_err err = payment_send(self, &(int){ 1 });
        if (err == SP_OK || !purse.fixed)
            purse.here--;
        struct sp_message *message;
        if (sp_receive(sp_nowait(), &message) != SP_OK)
            continue;
        purse.there++;
        sp_message_free(message);
    }
    purse.done = true;
}

static void without_memory(sp_sim *s, bool fixed)
{
    purse.fixed = fixed;
    purse.starts = 0;
    purse.done = false;
    purse.here = 10;
    purse.there = 0;
    sp_sim_start(s, "purse", purse_main, NULL);
    sp_sim_run(s);
    if (purse.done && purse.starts == 1) /* a crash takes what is in the mailbox */
        sp_sim_check(s, purse.here + purse.there == 10, "%d of 10 are left",
                     purse.here + purse.there);
}

FAULT_TESTS(memory, without_memory);
