/* Looking at processes: pids as text, the parts made on demand, inspection, listing.
 *
 * Inspection reads what others write: counters and state are atomic, the rest is read under
 * the process's lock and only while it is not closed.
 * Threads: any with a context. Neighbours: process.h, runtime/slab.h.
 */
#include "process/deadlock.h"
#include "process/process.h"

#include "base/alloc.h"
#include "process/registry.h"
#include "process/relation.h"
#include "runtime/slab.h"

#include <stdio.h>
#include <string.h>

const char *sp_pid_format(sp_pid pid, char text[SP_PID_TEXT_MAX])
{
    snprintf(text, SP_PID_TEXT_MAX, "<%u.%u.%llu>", pid.node, pid.slot,
             (unsigned long long)pid.serial);
    return text;
}

sp_pid sp_self(void)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_PID_NONE;
    sp_pid pid = sp__process_pid(self);
    pid.serial &= ~SP__SERIAL_DEAD; /* in its own exit */
    return pid;
}

bool sp_is_alive(sp_pid pid)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(pid), "is alive");
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return false;
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(runtime, pid);
    sp__process_leave();
    return process != NULL;
}

struct sp__extra *sp__process_extra(struct sp_process *process)
{
    struct sp__extra *extra = process->extra;
    if (extra != NULL)
        return extra;
    extra = sp__calloc(1, sizeof(*extra));
    if (extra == NULL)
        return NULL;
    struct sp__hash_seed seed = sp__process_runtime(process)->seed;
    sp__list_init(&extra->callbacks);
    sp__list_init(&extra->park_hooks);
    sp__list_init(&extra->waiters);
    sp__list_init(&extra->asides);
    sp__map_init(&extra->keyed, seed);
    sp__map_init(&extra->keyed_ids, seed);
    sp__map_init(&extra->requests, seed);
    struct sp__extra *nothing = NULL;
    /* acq_rel: somebody else may name the process at this moment. */
    if (atomic_compare_exchange_strong_explicit(&process->extra, &nothing, extra,
                                                memory_order_acq_rel, memory_order_acquire))
        return extra;
    sp__extra_free(extra);
    return nothing;
}

void sp__extra_free(struct sp__extra *extra)
{
    sp__map_finish(&extra->keyed);
    sp__map_finish(&extra->keyed_ids);
    sp__map_finish(&extra->requests);
    sp_reason_unref(extra->stop);
    sp_reason_unref(extra->call_reason);
    sp__free(extra->schedule);
    sp__free(extra->leaks);
    /* relaxed: nobody else is there any more. */
    sp__free(atomic_load_explicit(&extra->health, memory_order_relaxed));
    sp__free(atomic_load_explicit(&extra->sys, memory_order_relaxed));
    sp__free(extra->name);
    sp__free(extra);
}

bool sp__process_flag_group_member(struct sp_runtime *runtime, sp_pid pid)
{
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(runtime, pid);
    bool flagged = false;
    if (process != NULL) {
        sp__lock_lock(&process->lock);
        flagged = !process->leaving;
        /* relaxed: its exit looks at the bit under the lock, or after it. */
        if (flagged)
            atomic_fetch_or_explicit(&process->shared, SP__SHARED_GROUP_MEMBER,
                                     memory_order_relaxed);
        sp__lock_unlock(&process->lock);
    }
    sp__process_leave();
    return flagged;
}

sp_err sp__process_set_class(const void *class_tag)
{
    struct sp__extra *extra = sp__process_extra(sp__process_self());
    if (extra == NULL)
        return SP_ERR_NOMEM;
    sp__lock_lock(&sp__process_self()->lock);
    extra->class_tag = class_tag;
    sp__lock_unlock(&sp__process_self()->lock);
    return SP_OK;
}

const char *sp__process_label(struct sp_process *process)
{
    if (process->behaviour->name != NULL)
        return process->behaviour->name(process);
    struct sp__extra *extra = process->extra;
    return extra != NULL && extra->label != NULL ? extra->label : process->behaviour->label;
}

sp_pid sp__process_parent(struct sp_process *process)
{
    /* Once it is closed, its place is taken by what follows. */
    sp__lock_lock(&process->lock);
    sp_pid parent =
        process->closed ? SP_PID_NONE : (sp_pid){ process->parent_serial, process->parent_slot, 0 };
    sp__lock_unlock(&process->lock);
    return parent;
}

const char *sp__process_text(struct sp_process *process, char text[64])
{
    sp__lock_lock(&process->lock);
    const char *name = process->extra == NULL ? NULL : process->extra->name;
    if (name != NULL)
        snprintf(text, 64, "%s", name);
    sp__lock_unlock(&process->lock);
    if (name == NULL)
        sp_pid_format(sp__process_pid(process), text);
    return text;
}

enum sp_process_status sp__process_status(struct sp_process *process)
{
    /* acquire: a recent value, not older than what the caller knows of; nothing hangs on it. */
    uint64_t state = atomic_load_explicit(&process->actor.state, memory_order_acquire);
    if (state & SP__ACTOR_CLOSED)
        return SP_STATUS_EXITING;
    /* relaxed: as for the state, nothing hangs on it. */
    if (atomic_load_explicit(&process->shared, memory_order_relaxed) & SP__SHARED_SUSPENDED)
        return SP_STATUS_SUSPENDED;
    if (state & SP__ACTOR_RECEIVING)
        return SP_STATUS_IDLE;
    if (!(state & SP__ACTOR_QUEUED))
        return SP_STATUS_WAITING;
    return process == sp__process_self() ? SP_STATUS_RUNNING : SP_STATUS_RUNNABLE;
}

/* Under the process's lock. */
static void info_relations(const struct sp_process *process, struct sp_process_info *info)
{
    const struct sp__relations *relations = process->relations;
    if (relations == NULL)
        return;
    info->links = (uint32_t)sp__map_count(&relations->links);
    info->monitors = (uint32_t)sp__map_count(&relations->monitors);
    info->watchers = relations->watcher_count;
}

/* Inside an epoch section. */
static sp_pid info_waits_for(struct sp_process *process)
{
    struct sp_process *other = sp__wait_target(process);
    sp_pid pid = other == NULL ? SP_PID_NONE : sp__process_pid(other);
    return pid.serial & SP__SERIAL_DEAD ? SP_PID_NONE : pid;
}

static void info_extra(const struct sp_process *process, struct sp_process_info *info)
{
    const struct sp__extra *extra = process->extra;
    if (extra == NULL)
        return;
    if (extra->name != NULL)
        snprintf(info->name, sizeof(info->name), "%s", extra->name);
    info->memory = atomic_load_explicit(&extra->memory, memory_order_relaxed);
}

sp_err sp_process_info(sp_pid pid, struct sp_process_info *out_info)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(pid), "info");
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(runtime, pid);
    if (process == NULL) {
        sp__process_leave();
        return SP_ERR_NOPROC;
    }
    struct sp_process_info info = { .pid = pid };
    sp__lock_lock(&process->lock);
    bool closed = process->closed;
    if (!closed) {
        info.label = sp__process_label(process);
        info_relations(process, &info);
        info_extra(process, &info);
        info.parent = (sp_pid){ process->parent_serial, process->parent_slot, 0 };
        info.uptime = sp_ns(sp__now(runtime) - sp__process_started(process));
    }
    sp__lock_unlock(&process->lock);
    info.status = sp__process_status(process);
    info.waits_for = info_waits_for(process);
    info.mailbox = sp__mailbox_length(&process->actor);
    info.trap_exit =
        (atomic_load_explicit(&process->shared, memory_order_relaxed) & SP__SHARED_TRAPS) != 0;
    info.handled = atomic_load_explicit(&process->handled, memory_order_relaxed);
    sp__process_leave();
    if (closed)
        return SP_ERR_NOPROC;
    *out_info = info;
    return SP_OK;
}

size_t sp_process_list(size_t *cursor, sp_pid *pids, size_t max)
{
    struct sp_runtime *runtime = sp_runtime_current();
    size_t count = 0;
    if (runtime == NULL || *cursor == SIZE_MAX)
        return 0;
    uint32_t high = sp__slab_high(runtime->processes);
    size_t slot = *cursor;
    for (; slot < high && count < max; slot++) {
        struct sp_process *process = sp__slab_get(runtime->processes, (uint32_t)slot);
        /* acquire: as in lookup. */
        uint64_t serial = atomic_load_explicit(&process->serial, memory_order_acquire);
        if (serial != 0 && !(serial & SP__SERIAL_DEAD))
            pids[count++] = (sp_pid){ serial, (uint32_t)slot, 0 };
    }
    *cursor = slot >= high ? SIZE_MAX : slot;
    return count;
}
