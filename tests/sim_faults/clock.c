/* Three ways to trust a clock too much.
 *
 *  - how long something took, by the wall clock, is less than nothing when that is set back;
 *    corrected: by the monotonic one
 *  - a wall clock as a source of numbers gives the same twice when it stands; corrected: at
 *    least one more than the last
 *  - a lease of a second and a guard of a millisecond: two clocks are a thousandth apart;
 *    corrected: a guard for clocks that are as wrong as may be
 */
#include "faults.h"

/* ---- step ---- */

static bool stepped_fixed;

static void stopwatch_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        int64_t since = stepped_fixed ? sp_now().ns : sp_wall_ns();
        sp_sleep(sp_ms(1));
        int64_t now = stepped_fixed ? sp_now().ns : sp_wall_ns();
        sp_always(now >= since, "time goes forward");
    }
}

static void stepped(sp_sim *s, bool fixed)
{
    stepped_fixed = fixed;
    sp_sim_start(s, "stopwatch", stopwatch_main, NULL);
    sp_sim_run(s);
}

FAULT_TESTS(clock_step, stepped);

/* ---- freeze ---- */

static struct {
    bool fixed;
    int64_t last;
} tickets;

static void tickets_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        int64_t ticket = sp_wall_ns();
        if (tickets.fixed && ticket <= tickets.last)
            ticket = tickets.last + 1;
        sp_always(ticket != tickets.last, "no two tickets are the same");
        tickets.last = ticket;
        sp_sleep(sp_ms(1));
    }
}

static void frozen(sp_sim *s, bool fixed)
{
    tickets.fixed = fixed;
    tickets.last = 0;
    sp_sim_start(s, "tickets", tickets_main, NULL);
    sp_sim_run(s);
}

FAULT_TESTS(clock_freeze, frozen);

/* ---- drift ---- */

static struct {
    bool fixed;
    int grants;      /* to the first node */
    bool second_has; /* from now on */
} lease;

static void lease_first_main(void *arg)
{
    (void)arg;
    if (lease.grants > 0)
        return; /* it was granted before a crash: what is left of it is not used */
    lease.grants = 1;
    sp_time until = sp_time_add(sp_now(), sp_sec(1));
    while (sp_now().ns < until.ns) {
        sp_always(!lease.second_has, "a lease is one node's");
        sp_sleep(sp_ms(2));
    }
}

/* Begins to wait when the lease has begun, never before. */
static void lease_second_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100 && lease.grants == 0; i++)
        sp_sleep(sp_ms(1));
    if (lease.grants == 0)
        return;
    sp_time until = sp_time_add(sp_now(), lease.fixed ? sp_sec(4) : sp_ms(1001));
    while (sp_now().ns < until.ns)
        sp_sleep(sp_ms(1));
    lease.second_has = true;
}

static void drifted(sp_sim *s, bool fixed)
{
    lease.fixed = fixed;
    lease.grants = 0;
    lease.second_has = false;
    sp_sim_start(s, "first", lease_first_main, NULL);
    sp_sim_start(s, "second", lease_second_main, NULL);
    sp_sim_run(s);
}

FAULT_TESTS(clock_drift, drifted);
