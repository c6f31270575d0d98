/* What the log asks about the process that logs. See runtime/log.h. */
#include "process/log.h"

#include "runtime/log.h"
#include "spawned/trace.h"

#include <stdio.h>

uint8_t sp__process_log_level(struct sp__actor *actor)
{
    struct sp_process *process = (struct sp_process *)(void *)actor;
    /* acquire: pairs with the swap in sp__process_extra(). */
    struct sp__extra *extra = atomic_load_explicit(&process->extra, memory_order_acquire);
    /* relaxed: a line more or less around a change. */
    return extra == NULL ? SP_LOG_DEFAULT
                         : atomic_load_explicit(&extra->log_level, memory_order_relaxed);
}

void sp__process_log_who(struct sp__actor *actor, struct sp__log_who *who)
{
    struct sp_process *process = (struct sp_process *)(void *)actor;
    who->pid = sp__process_pid(process);
    who->pid.serial &= ~SP__SERIAL_DEAD;
    if (process->stage > SP__EXIT_LOG)
        return; /* what names it may be gone */
    sp__lock_lock(&process->lock);
    const char *name = process->extra == NULL ? NULL : process->extra->name;
    (void)snprintf(who->process, sizeof(who->process), "%s",
                   name == NULL ? sp__process_label(process) : name);
    sp__lock_unlock(&process->lock);
}

/* High byte first, as ids are written. */
static void log_put_id(uint8_t *bytes, uint64_t id)
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(id >> (56 - 8 * i));
}

bool sp__process_log_trace(struct sp__context *context, uint8_t trace_id[16], uint8_t span_id[8])
{
    struct sp_process *process = (struct sp_process *)(void *)context->current;
    struct sp_trace_context trace;
    if (process->stage != SP__EXIT_NOT || !sp_trace_current(&trace))
        return false; /* one that ends has no message any more */
    log_put_id(trace_id, trace.trace.high);
    log_put_id(trace_id + 8, trace.trace.low);
    log_put_id(span_id, trace.span);
    return true;
}

void sp__process_log_forget(struct sp_runtime *runtime, struct sp__extra *extra)
{
    /* relaxed: nobody finds the process any more. */
    uint8_t level = atomic_load_explicit(&extra->log_level, memory_order_relaxed);
    if (level != SP_LOG_DEFAULT && runtime->log != NULL)
        sp__log_process_changed(runtime->log, level, SP_LOG_DEFAULT);
}

static sp_err log_process_set(struct sp_runtime *runtime, sp_pid pid, enum sp_log_level level)
{
    struct sp_process *process = sp__process_lookup(runtime, pid);
    if (process == NULL)
        return SP_ERR_NOPROC;
    struct sp__extra *extra = sp__process_extra(process);
    if (extra == NULL)
        return SP_ERR_NOMEM;
    /* relaxed: the counts are kept by what was there before. */
    uint8_t before =
        atomic_exchange_explicit(&extra->log_level, (uint8_t)level, memory_order_relaxed);
    if (runtime->log != NULL)
        sp__log_process_changed(runtime->log, before, (uint8_t)level);
    return SP_OK;
}

sp_err sp_log_process_level(sp_pid pid, enum sp_log_level level)
{
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    if ((unsigned)level > SP_LOG_OFF)
        return SP_ERR_INVALID;
    sp__point(SP__POINT_PROCESS, sp__point_pid(pid), "log level");
    sp__process_enter();
    sp_err err = log_process_set(runtime, pid, level);
    sp__process_leave();
    return err;
}
