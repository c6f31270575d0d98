/* The detector of starvation: setting it up, and telling. runtime/real/starvation.h looks. */
#include "process/starvation.h"

#include "process/send.h"
#include "spawned/starvation.h"

enum {
    STARVATION_INTERVAL_MS = 10,
    STARVATION_WARNING_MS = 100,
    STARVATION_CRITICAL_MS = 1000,
};

const struct sp_msg_type sp_starvation_type = { "starvation", sizeof(struct sp_starvation), 0,
                                                NULL };

static int64_t starvation_default(sp_duration given, int64_t otherwise_ms)
{
    return given.ns == 0 ? otherwise_ms * SP_NS_PER_MS : given.ns;
}

sp_err sp_starvation_start(struct sp_runtime *runtime, const struct sp_starvation_options *options)
{
    struct sp__starvation *starvation = &runtime->starvation;
    int64_t interval = starvation_default(options->interval, STARVATION_INTERVAL_MS);
    int64_t warning = starvation_default(options->warning, STARVATION_WARNING_MS);
    int64_t critical = starvation_default(options->critical, STARVATION_CRITICAL_MS);
    if (interval < SP_NS_PER_MS || warning < interval || critical < warning)
        return SP_ERR_INVALID;
    if (!runtime->real)
        return SP_ERR_NOTSUP;
    sp__lock_lock(&starvation->lock);
    starvation->fn = options->on_starvation;
    starvation->arg = options->arg;
    starvation->notify = options->notify;
    /* relaxed, all three: the watcher takes what it finds; whom to tell is under the lock. */
    atomic_store_explicit(&starvation->warning_ns, warning, memory_order_relaxed);
    atomic_store_explicit(&starvation->critical_ns, critical, memory_order_relaxed);
    atomic_store_explicit(&starvation->interval_ns, interval, memory_order_relaxed);
    sp__lock_unlock(&starvation->lock);
    return SP_OK;
}

void sp_starvation_stop(struct sp_runtime *runtime)
{
    struct sp__starvation *starvation = &runtime->starvation;
    sp__lock_lock(&starvation->lock);
    starvation->fn = NULL;
    starvation->notify = SP_PID_NONE;
    /* relaxed: as above. */
    atomic_store_explicit(&starvation->interval_ns, 0, memory_order_relaxed);
    sp__lock_unlock(&starvation->lock);
}

void sp__starvation_tell(struct sp_runtime *runtime, const struct sp_starvation *event)
{
    struct sp__starvation *starvation = &runtime->starvation;
    sp__lock_lock(&starvation->lock);
    if (starvation->fn != NULL)
        starvation->fn(event, starvation->arg);
    if (!sp_pid_is_none(starvation->notify))
        sp_ignore(
            sp__send_from(runtime, SP_PID_NONE, starvation->notify, &sp_starvation_type, event));
    sp__lock_unlock(&starvation->lock);
}
