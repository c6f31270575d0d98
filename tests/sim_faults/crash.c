/* Money between two accounts on disk, in two writes: a crash between them loses it. Corrected: what
 * is to be done is written before, and done again after a crash. */
#include "faults.h"

static struct {
    bool fixed;
    int from;
    int to;
    int moves;   /* of ten */
    int planned; /* what `from` is when the present one has been done; -1: none is */
} disk;

static void ledger_recover(void)
{
    if (!disk.fixed || disk.planned < 0)
        return;
    disk.from = disk.planned;
    disk.to = 10 - disk.planned;
    disk.moves = disk.to;
    disk.planned = -1;
}

static void ledger_main(void *arg)
{
    (void)arg;
    ledger_recover();
    while (disk.moves < 10) {
        if (disk.fixed)
            disk.planned = disk.from - 1;
        disk.from--;
        sp_yield(); /* the first write is done, the second is under way */
        disk.to++;
        disk.moves++;
        disk.planned = -1;
        sp_yield();
    }
}

static void crashed(sp_sim *s, bool fixed)
{
    disk.fixed = fixed;
    disk.from = 10;
    disk.to = 0;
    disk.moves = 0;
    disk.planned = -1;
    sp_sim_start(s, "ledger", ledger_main, NULL);
    sp_sim_run(s);
    if (disk.moves == 10)
        sp_sim_check(s, disk.from + disk.to == 10, "%d of 10 are left", disk.from + disk.to);
}

FAULT_TESTS(crash, crashed);
