/* See restart_window.h.
 */
#include "behaviour/restart_window.h"

#include "base/alloc.h"

#define RESTART_WINDOW_MAX_DEFAULT UINT32_C(1)
#define RESTART_WINDOW_PERIOD_DEFAULT INT64_C(5)

bool sp__restart_window_valid(uint32_t max_restarts, sp_duration period)
{
    if (period.ns < 0)
        return false;
    return max_restarts <= SP_RESTARTS_MAX || max_restarts == SP_RESTARTS_NONE ||
           max_restarts == SP_RESTARTS_UNLIMITED;
}

sp_err sp__restart_window_init(struct sp__restart_window *window, uint32_t max_restarts,
                               sp_duration period)
{
    *window = (struct sp__restart_window){ 0 };
    if (!sp__restart_window_valid(max_restarts, period))
        return SP_ERR_INVALID;
    window->period = period.ns == 0 ? sp_sec(RESTART_WINDOW_PERIOD_DEFAULT) : period;
    window->max = max_restarts == 0 ? RESTART_WINDOW_MAX_DEFAULT : max_restarts;
    if (max_restarts == SP_RESTARTS_UNLIMITED)
        return SP_OK;
    if (max_restarts == SP_RESTARTS_NONE)
        window->max = 0;
    window->times = sp__calloc((size_t)window->max + 1, sizeof(*window->times));
    return window->times == NULL ? SP_ERR_NOMEM : SP_OK;
}

void sp__restart_window_finish(struct sp__restart_window *window)
{
    sp__free(window->times);
    *window = (struct sp__restart_window){ 0 };
}

/* Forgets what is older than the period. */
static void restart_window_slide(struct sp__restart_window *window, sp_time now)
{
    while (window->count > 0 &&
           sp_time_diff(now, window->times[window->first]).ns > window->period.ns) {
        window->first = (window->first + 1) % (window->max + 1);
        window->count--;
    }
}

bool sp__restart_window_add(struct sp__restart_window *window, sp_time now)
{
    window->total++;
    if (window->times == NULL)
        return true;
    restart_window_slide(window, now);
    if (window->count > window->max)
        return false;
    window->times[(window->first + window->count) % (window->max + 1)] = now;
    window->count++;
    return window->count <= window->max;
}

uint32_t sp__restart_window_count(struct sp__restart_window *window, sp_time now,
                                  sp_duration *out_oldest)
{
    *out_oldest = sp_ns(0);
    if (window->times == NULL)
        return 0;
    restart_window_slide(window, now);
    if (window->count > 0)
        *out_oldest = sp_time_diff(now, window->times[window->first]);
    return window->count;
}

void sp__restart_window_report(struct sp__restart_window *window, sp_time now,
                               struct sp_supervisor_info *info)
{
    info->max_restarts = window->times == NULL ? SP_RESTARTS_UNLIMITED : window->max;
    info->period = window->period;
    info->restarts = window->total;
    info->restarts_in_period = sp__restart_window_count(window, now, &info->oldest_restart);
}
