/* The public functions of pools: options checked and completed, calls made; see spawned/pool.h.
 *
 * Threads: any process. Neighbours: pool.c.
 */
#include "behaviour/pool.h"
#include "process/spawn_site.h"

#define POOL_QUEUE_MAX UINT32_C(65536)
#define POOL_QUEUE_LIMIT (UINT32_C(1) << 30)
#define POOL_ATTEMPTS_MAX UINT32_C(3)
#define POOL_RESTARTS_PERIOD_SEC 5

const char *sp_pool_loss_name(enum sp_pool_loss why)
{
    static const char *const names[SP_POOL_LOSSES] = {
        [SP_POOL_LOST_FULL] = "FULL",     [SP_POOL_LOST_EXPIRED] = "EXPIRED",
        [SP_POOL_LOST_CALLER] = "CALLER", [SP_POOL_LOST_DIED] = "DIED",
        [SP_POOL_LOST_STUCK] = "STUCK",   [SP_POOL_LOST_SHUTDOWN] = "SHUTDOWN",
        [SP_POOL_LOST_NOMEM] = "NOMEM",
    };
    return (unsigned)why < SP_POOL_LOSSES ? names[why] : "unknown";
}

static uint32_t or_else(uint32_t value, uint32_t otherwise)
{
    return value == 0 ? otherwise : value;
}

static struct sp_pool_options options_complete(const struct sp_pool_options *options)
{
    struct sp_pool_options all = *options;
    all.min = or_else(all.min, sp_runtime_current()->options.workers);
    all.max = or_else(all.max, all.min);
    all.queue_max = or_else(all.queue_max, POOL_QUEUE_MAX);
    all.attempts_max = or_else(all.attempts_max, POOL_ATTEMPTS_MAX);
    all.max_restarts = or_else(all.max_restarts, all.max);
    all.scaling = sp__scaling_complete(&all.scaling);
    if (all.period.ns == 0)
        all.period = sp_sec(POOL_RESTARTS_PERIOD_SEC);
    if (all.worker.mailbox_max == 0)
        all.worker.mailbox_max = SP_MAILBOX_UNBOUNDED; /* the window bounds it */
    return all;
}

static bool bounds_valid(uint32_t min, uint32_t max)
{
    return min > 0 && min <= max && max <= SP_POOL_WORKERS_MAX;
}

static bool options_valid(const struct sp_pool_options *all)
{
    return bounds_valid(all->min, all->max) && sp__scaling_valid(&all->scaling) &&
           all->queue_max <= POOL_QUEUE_LIMIT && all->begin_within.ns >= 0 &&
           all->stuck_after.ns >= 0 && all->rate.per.ns >= 0 &&
           sp__restart_window_valid(all->max_restarts, all->period) && all->worker.name == NULL &&
           all->worker.out_monitor == NULL && all->server.spawn.mailbox_max == 0 &&
           all->server.spawn.overflow == SP_OVERFLOW_REFUSE;
}

/* What is not taken yet may be as much as what waits, where jobs are discarded from there. */
static uint32_t pool_mailbox_max(const struct sp_pool_options *all)
{
    return all->full == SP_POOL_REFUSE ? all->queue_max : 2 * (all->queue_max - 1) + 1;
}

sp_err sp_pool_start(const struct sp_server_class *worker_class, const void *args,
                     const struct sp_pool_options *options, sp_pid *out_pid)
{
    static const struct sp_pool_options defaults;
    if (sp__process_self() == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp_pool_options all = options_complete(options == NULL ? &defaults : options);
    if (worker_class->hook != NULL || !options_valid(&all))
        return SP_ERR_INVALID;
    struct sp_server_options server = all.server;
    server.spawn.trap_exit = true;
    server.spawn.mailbox_max = pool_mailbox_max(&all);
    struct sp__pool_start start = { .users = worker_class, .args = args, .options = &all };
    sp__spawn_here(__builtin_return_address(0));
    return sp_server_start(&sp__pool_class, &start, &server, out_pid);
}

sp_err sp_pool_stop(sp_pid pool, sp_deadline budget, struct sp_pool_info *out_info)
{
    struct sp_process *self = sp__process_self();
    struct sp_pool_info info;
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp__pool_stop in = { .given = budget.kind != SP_DEADLINE_DEFAULT };
    in.until_ns = sp__scheduler_instant(sp__process_runtime(self), budget, sp_never());
    sp_err err = sp_server_call(pool, &sp__pool_stop_op, &in, &info, sp_never());
    if (err == SP_OK)
        err = sp_join(pool, sp_never(), NULL);
    if (err == SP_OK && out_info != NULL)
        *out_info = info;
    return err;
}

sp_err sp_pool_resize(sp_pid pool, uint32_t min, uint32_t max)
{
    struct sp__pool_bounds bounds = { .min = min, .max = max };
    sp_empty out;
    if (!bounds_valid(min, max))
        return SP_ERR_INVALID;
    return sp_server_call(pool, &sp__pool_resize_op, &bounds, &out, sp_after_sec(5));
}

sp_err sp_pool_info(sp_pid pool, struct sp_pool_info *out_info)
{
    return sp_server_call(pool, &sp__pool_info_op, &(sp_empty){ 0 }, out_info, sp_after_sec(5));
}
