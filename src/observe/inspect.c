/* Looking at one process: what it is, and whom it is tied to.
 *
 * What belongs together is read under the process's lock, while it is not closed: until then its
 * behaviour's data and the processes at the other ends are there, because whoever takes them
 * apart holds the lock too.
 *
 * Threads: any with a context. Neighbours: process/table.c reads the rest; page.c, edges.c.
 */
#include "observe/inspect.h"

#include "behaviour/server.h"
#include "behaviour/supervisor_ops.h"
#include "behaviour/task.h"
#include "process/busy.h"
#include "process/relation.h"
#include "process/spawn_site.h"
#include "runtime/real/probe.h"
#include "spawned/statem.h"

/* Under the process's lock, not closed. */
static enum sp_process_kind inspect_server_kind(const struct sp_process *process)
{
    const struct sp_server_class *class = ((const struct sp__server *)process->data)->class;
    if (class->hook == &sp_statem_hook)
        return SP_PROCESS_STATEM;
    bool supervises = class == &sp__supervisor_class || class == &sp__dynamic_supervisor_class;
    return supervises ? SP_PROCESS_SUPERVISOR : SP_PROCESS_SERVER;
}

enum sp_process_kind sp__inspect_kind(const struct sp_process *process)
{
    if (process->behaviour == &sp__server_behaviour)
        return inspect_server_kind(process);
    if (sp__task_of(process) != NULL)
        return SP_PROCESS_TASK;
    const struct sp__context *bound = process->actor.bound;
    return bound != NULL && bound->kind == SP__CONTEXT_FOREIGN ? SP_PROCESS_THREAD
                                                               : SP_PROCESS_PLAIN;
}

int64_t sp__inspect_handling(struct sp_process *process, int64_t now_ns)
{
    if (process->behaviour != &sp__server_behaviour)
        return 0;
    /* relaxed: a recent value. It is of a coarse clock, which may lag behind ours. */
    int64_t since = atomic_load_explicit(&process->handling_since, memory_order_relaxed);
    return since == 0 ? 0 : now_ns > since ? now_ns - since : 1;
}

/* Is it alive and a supervisor? Inside an epoch section. */
static bool inspect_supervises(struct sp_runtime *runtime, sp_pid pid)
{
    struct sp_process *process = sp__process_lookup(runtime, pid);
    if (process == NULL)
        return false;
    sp__lock_lock(&process->lock);
    bool supervises = !process->closed && sp__inspect_kind(process) == SP_PROCESS_SUPERVISOR;
    sp__lock_unlock(&process->lock);
    return supervises;
}

/* Under its lock, not closed. */
static void inspect_holdings(const struct sp_process *process, struct sp_inspect *info)
{
    /* relaxed, but for one: recent values. */
    uint32_t held = atomic_load_explicit(&process->held, memory_order_relaxed);
    info->files = held / SP__HELD_FILE;
    info->timers = process->relations == NULL ? 0 : process->relations->timer_count;
    info->notices = atomic_load_explicit(&process->exit_signals, memory_order_relaxed);
    /* acquire: pairs with whoever allocated it. */
    const struct sp__extra *extra = atomic_load_explicit(&process->extra, memory_order_acquire);
    info->interleaved = extra == NULL ? 0 : extra->aside_count;
    info->signalled = sp__actor_signalled(&process->actor);
    info->spawned_at = sp__spawn_site_of(process);
}

const char *sp_inspect_site(const void *spawned_at, char text[SP_INSPECT_SITE_MAX])
{
    text[0] = '\0';
    if (spawned_at != NULL)
        sp__probe_frame_text(spawned_at, text, SP_INSPECT_SITE_MAX);
    return text;
}

sp_err sp_inspect(sp_pid pid, struct sp_inspect *out_info)
{
    struct sp_inspect info = { .kind = SP_PROCESS_PLAIN };
    sp_err err = sp_process_info(pid, &info.process);
    if (err != SP_OK)
        return err;
    struct sp_runtime *runtime = sp_runtime_current();
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(runtime, pid);
    bool closed = process == NULL;
    if (process != NULL) {
        sp__lock_lock(&process->lock);
        closed = process->closed;
        if (!closed) {
            info.kind = sp__inspect_kind(process);
            info.handling = sp_ns(sp__inspect_handling(process, sp__now(runtime)));
            info.busy = sp_ns((int64_t)sp__busy_of(process));
            inspect_holdings(process, &info);
            sp__inspect_operation(process, info.operation, sizeof(info.operation));
        }
        sp__lock_unlock(&process->lock);
        if (inspect_supervises(runtime, info.process.parent))
            info.supervisor = info.process.parent;
    }
    sp__process_leave();
    if (closed)
        return SP_ERR_NOPROC;
    *out_info = info;
    return SP_OK;
}

/* ---- relations of one ---- */

static void inspect_add(struct sp__inspect_pids *list, sp_pid pid)
{
    if (sp_pid_is_none(pid) || (pid.serial & SP__SERIAL_DEAD))
        return;
    if (list->total++ < list->max)
        list->pids[list->total - 1] = pid;
}

static void inspect_links(const struct sp_process *process, struct sp__inspect_pids *list)
{
    uint32_t cursor = 0;
    sp__map_item item;
    while (sp__map_next(&process->relations->links, &cursor, &item))
        inspect_add(list, ((const struct sp__link *)item.value)->peer_pid);
}

static void inspect_monitors(const struct sp_process *process, struct sp__inspect_pids *list)
{
    uint32_t cursor = 0;
    sp__map_item item;
    while (sp__map_next(&process->relations->monitors, &cursor, &item)) {
        const struct sp__monitor *monitor = item.value;
        if (monitor->target != NULL)
            inspect_add(list, sp__process_pid(monitor->target));
    }
}

static void inspect_watchers(const struct sp_process *process, struct sp__inspect_pids *list)
{
    const struct sp__list *watchers = &process->relations->watchers;
    for (struct sp__list *at = sp__list_first(watchers); at != NULL;
         at = sp__list_next(watchers, at))
        inspect_add(list, sp__process_pid(sp__container_of(at, struct sp__monitor, link)->watcher));
}

void sp__inspect_tied(struct sp_process *process, enum sp_relation relation,
                      struct sp__inspect_pids *list)
{
    static void (*const read[])(const struct sp_process *,
                                struct sp__inspect_pids *) = { inspect_links, inspect_monitors,
                                                               inspect_watchers };
    sp__lock_lock(&process->lock);
    if (!process->closed && process->relations != NULL)
        read[relation](process, list);
    sp__lock_unlock(&process->lock);
}

/* Whoever has it as its parent. The table is walked in parts, so that no epoch section is long. */
static void inspect_children(struct sp_runtime *runtime, sp_pid pid, struct sp__inspect_pids *list)
{
    sp_pid pids[SP__INSPECT_BATCH];
    size_t count;
    for (size_t cursor = 0; cursor != SIZE_MAX;) {
        count = sp_process_list(&cursor, pids, SP__INSPECT_BATCH);
        sp__process_enter();
        for (size_t i = 0; i < count; i++) {
            struct sp_process *process = sp__process_lookup(runtime, pids[i]);
            if (process != NULL && sp_pid_equal(sp__process_parent(process), pid))
                inspect_add(list, pids[i]);
        }
        sp__process_leave();
    }
}

sp_err sp_inspect_relations(sp_pid pid, enum sp_relation relation, sp_pid *pids, size_t max,
                            size_t *out_total)
{
    struct sp_process_info info;
    struct sp__inspect_pids list = { .pids = pids, .max = max };
    sp_err err = sp_process_info(pid, &info);
    if (err != SP_OK)
        return err;
    if ((unsigned)relation > SP_RELATION_WAIT)
        return SP_ERR_INVALID;
    struct sp_runtime *runtime = sp_runtime_current();
    if (relation == SP_RELATION_WAIT) {
        inspect_add(&list, info.waits_for);
    } else if (relation == SP_RELATION_CHILD) {
        inspect_children(runtime, pid, &list);
    } else {
        sp__process_enter();
        struct sp_process *process = sp__process_lookup(runtime, pid);
        if (process != NULL)
            sp__inspect_tied(process, relation, &list);
        sp__process_leave();
    }
    *out_total = list.total;
    return SP_OK;
}
