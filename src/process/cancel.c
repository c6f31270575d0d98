/* Cancelling: a process is asked to give up, and finds out at its next wait.
 *
 * One bit, set by anybody and never cleared while the process lives, and a wake-up: so cancelling
 * needs no memory and cannot be lost. Each wait looks at it before it parks (wait.c,
 * control.c, receive.c). Shields are the owner's: a second bit that hides the first.
 *
 * Threads: any process; the shield its owner. Neighbours: wait.c, behaviour/task.c.
 */
#include "process/process.h"

/* Under its lock and not closed the slot is still the process that was looked up. */
static sp_err cancel_process(struct sp_process *process)
{
    sp_err err = SP_OK;
    sp__lock_lock(&process->lock);
    if (process->closed)
        err = SP_ERR_NOPROC;
    else if (!process->behaviour->cancels)
        err = SP_ERR_NOTSUP;
    else
        /* relaxed: the wake-up below orders it. */
        atomic_fetch_or_explicit(&process->shared, SP__SHARED_CANCELLED, memory_order_relaxed);
    sp__lock_unlock(&process->lock);
    if (err == SP_OK)
        sp__actor_wake(&process->actor);
    return err;
}

sp_err sp__process_cancel(struct sp_runtime *runtime, sp_pid pid)
{
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(runtime, pid);
    sp_err err = process == NULL ? SP_ERR_NOPROC : cancel_process(process);
    sp__process_leave();
    return err;
}

sp_err sp_cancel(sp_pid pid)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(pid), "cancel");
    struct sp_process *self = sp__process_self();
    return self == NULL ? SP_ERR_NOTCONTEXT : sp__process_cancel(sp__process_runtime(self), pid);
}

bool sp_cancelled(void)
{
    const struct sp_process *self = sp__process_self();
    return self != NULL && sp__process_cancelled(self);
}

bool sp_shield(bool on)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return false;
    /* relaxed: the owner alone changes this bit. */
    uint32_t before =
        on ? atomic_fetch_or_explicit(&self->shared, SP__SHARED_SHIELDED, memory_order_relaxed)
           : atomic_fetch_and_explicit(&self->shared, ~(uint32_t)SP__SHARED_SHIELDED,
                                       memory_order_relaxed);
    return (before & SP__SHARED_SHIELDED) != 0;
}
