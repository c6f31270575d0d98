#include "support/accounts.h"

struct sp_stats accounts(void)
{
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    return stats;
}

void accounts_balance(void)
{
    struct sp_stats stats = accounts();
    CHECK_INT(stats.handled + stats.queued + stats.dead_noproc + stats.dropped_full +
                  stats.dropped_stale + stats.dropped_shed,
              stats.sent);
    CHECK_INT(stats.exited + stats.processes, stats.spawned);
}

void accounts_empty(void)
{
    struct sp_stats stats = accounts();
    CHECK_INT(stats.processes, 1);
    CHECK_INT(stats.queued, 0);
    CHECK_INT(stats.timers, 0);
    accounts_balance();
}
