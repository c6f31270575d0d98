#include "http/cycle.h"

static size_t cycle_follow(sp_pid start, sp__http_waits_fn waits, void *arg,
                           sp_pid cycle[SP__HTTP_CYCLE_MAX])
{
    sp_pid pid = start;
    for (size_t count = 0; count < SP__HTTP_CYCLE_MAX;) {
        if (pid.slot < start.slot)
            return 0;
        cycle[count++] = pid;
        pid = waits(pid, arg);
        if (sp_pid_is_none(pid))
            return 0;
        if (sp_pid_equal(pid, start))
            return count;
    }
    return 0;
}

size_t sp__http_cycle(sp_pid start, sp__http_waits_fn waits, void *arg,
                      sp_pid cycle[SP__HTTP_CYCLE_MAX])
{
    sp_pid again[SP__HTTP_CYCLE_MAX];
    size_t count = cycle_follow(start, waits, arg, cycle);
    if (count == 0 || cycle_follow(start, waits, arg, again) != count)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (!sp_pid_equal(cycle[i], again[i]))
            return 0;
    return count;
}
