/* A leader that stands still is taken for dead, and goes on where it was: two write. Who takes over
 * looks at a count that the leader raises every 10 ms, which it compares every 500 ms by its own
 * clock. Corrected: what is written bears the number of the reign, and an old one is refused. */
#include "faults.h"

static struct {
    bool fixed;
    int reign; /* whose word it is: odd "a", even "b" */
    int beats;
    int writes;
} realm;

static void realm_write(int reign)
{
    if (realm.fixed && reign != realm.reign)
        return;
    sp_always(reign == realm.reign, "only the leader writes");
    realm.writes++;
}

static void leader_main(void *arg)
{
    (void)arg;
    int reign = realm.reign;
    for (int i = 0; i < 50 && realm.reign == reign; i++) {
        realm.beats++;
        sp_sleep(sp_ms(10)); /* what is to be written is made up meanwhile */
        realm_write(reign);
    }
}

static void heir_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++) {
        int beats = realm.beats;
        sp_sleep(sp_ms(500));
        if (realm.beats != beats)
            continue;
        realm.reign++;
        return;
    }
}

static void paused(sp_sim *s, bool fixed)
{
    realm.fixed = fixed;
    realm.reign = 1;
    realm.beats = 0;
    realm.writes = 0;
    sp_sim_start(s, "leader", leader_main, NULL);
    sp_sim_start(s, "heir", heir_main, NULL);
    sp_sim_run(s);
}

FAULT_TESTS(pause, paused);
