/* Groups: opening, running, telling, closing. See task.h; what waits for several is task_map.c.
 *
 *      owner ── owned ──> group <── shown ── its process, "task_group"
 *        ^                 │ │                      (parent of the tasks)
 *        └──── waiter ─────┘ └─> running: task task     each has a process
 *                              finished: task task      these have none any more
 *
 * The owner alone spawns, takes results and closes. Whoever ends, tells: a task moves itself from
 * running to finished and wakes the owner if it waits; the owner's end kills the tasks, and so does
 * the end of the group's process.
 */
#include "behaviour/task.h"

#include "process/deadlock.h"

enum {
    /* Tasks whose own waits are looked at before the owner waits for all. */
    GROUP_LOOK_MAX = 64,
    /* Tasks that are told under one hold of the lock. */
    GROUP_TOLD_AT_ONCE = 64,
};

/* ---- handles and references ---- */

static struct sp__task_group *group_lookup(struct sp_runtime *runtime, sp_task_group handle)
{
    struct sp__task_slot *slot = sp__task_slot_find(runtime, handle.slot, handle.serial);
    if (slot == NULL)
        return NULL;
    if (slot->kind == SP__TASK_GROUP)
        return (struct sp__task_group *)slot;
    sp__task_slot_unlock(slot);
    return NULL;
}

/* The running process's own. Errors: NOPROC, NOTCONTEXT. Its lock is held on SP_OK. */
static sp_err group_own(struct sp_process *self, sp_task_group handle, struct sp__task_group **out)
{
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp__task_group *group = group_lookup(sp__process_runtime(self), handle);
    if (group == NULL)
        return SP_ERR_NOPROC;
    if (!sp_pid_equal(group->owner, sp__process_pid(self))) {
        sp__task_slot_unlock(&group->slot);
        return SP_ERR_NOTCONTEXT;
    }
    *out = group;
    return SP_OK;
}

/* The lock is held, and let go. */
static void group_unref(struct sp_runtime *runtime, struct sp__task_group *group)
{
    if (--group->references == 0)
        sp__task_slot_give(runtime, &group->slot);
    else
        sp__task_slot_unlock(&group->slot);
}

/* ---- telling all tasks ---- */

/* Whom this round has told goes to the end of the list: so it is over when the first was told. */
static bool group_tell_some(struct sp_runtime *runtime, struct sp__task_group *group,
                            uint64_t round, bool kill)
{
    for (unsigned i = 0; i < GROUP_TOLD_AT_ONCE; i++) {
        struct sp__list *link = sp__list_first(&group->running);
        if (link == NULL)
            return false;
        struct sp__task *task = sp__container_of(link, struct sp__task, link);
        if (task->told >= round)
            return false;
        task->told = round;
        sp__list_remove(&task->link);
        sp__list_push_back(&group->running, &task->link);
        if (kill) {
            sp__task_slot_lock(&task->slot);
            sp__task_kill(runtime, task);
            sp__task_slot_unlock(&task->slot);
        } else {
            sp_ignore(sp__process_cancel(runtime, task->pid));
        }
    }
    return true;
}

/* The lock is held; it is let go now and then. The caller has a reference. */
static void group_tell(struct sp_runtime *runtime, struct sp__task_group *group, bool kill)
{
    uint64_t round = ++group->rounds;
    while (group_tell_some(runtime, group, round, kill)) {
        sp__task_slot_unlock(&group->slot);
        sp__task_slot_lock(&group->slot);
    }
}

static void group_cancel(struct sp_runtime *runtime, struct sp__task_group *group)
{
    sp__task_slot_lock(&group->slot);
    if (!group->cancelled) {
        group->cancelled = true;
        group_tell(runtime, group, false);
    }
    sp__task_slot_unlock(&group->slot);
}

/* The next one of the tree below `root`, in depth-first order; NULL: that was the last. */
static struct sp__task_group *tree_next(struct sp__task_group *root, struct sp__task_group *at)
{
    struct sp__list *link = sp__list_first(&at->beneath);
    while (link == NULL && at != root) {
        link = sp__list_next(&at->parent->beneath, &at->link);
        at = at->parent;
    }
    return link == NULL ? NULL : sp__container_of(link, struct sp__task_group, link);
}

/* The lock that holds the tree keeps the groups in it, too: who closes one takes it out first. */
static void group_cancel_tree(struct sp_runtime *runtime, struct sp__task_group *root)
{
    sp__lock_lock(&runtime->task_lock);
    for (struct sp__task_group *at = root; at != NULL; at = tree_next(root, at))
        group_cancel(runtime, at);
    sp__lock_unlock(&runtime->task_lock);
}

/* ---- the tree of groups ---- */

static bool tree_add(struct sp_runtime *runtime, struct sp__task_group *group,
                     const sp_task_group *handle, struct sp__task_group *parent)
{
    bool cancelled = false;
    sp__lock_lock(&runtime->task_lock);
    if (handle != NULL)
        parent = group_lookup(runtime, *handle);
    else if (parent != NULL)
        sp__task_slot_lock(&parent->slot);
    if (parent != NULL) {
        /* A group that is being closed is out of the tree, or takes its tasks with it. */
        cancelled = parent->cancelled;
        group->parent = parent;
        sp__list_push_back(&parent->beneath, &group->link);
        sp__task_slot_unlock(&parent->slot);
    }
    group->cancelled = cancelled;
    sp__lock_unlock(&runtime->task_lock);
    return handle == NULL || parent != NULL;
}

static void tree_remove(struct sp_runtime *runtime, struct sp__task_group *group)
{
    sp__lock_lock(&runtime->task_lock);
    for (struct sp__list *link; (link = sp__list_pop_front(&group->beneath)) != NULL;)
        sp__container_of(link, struct sp__task_group, link)->parent = NULL;
    sp__list_remove(&group->link);
    group->parent = NULL;
    sp__lock_unlock(&runtime->task_lock);
}

/* ---- its process ---- */

struct keeper {
    sp_task_group handle;
    int64_t deadline_ns; /* left; 0: none */
    struct sp__task_group *group;
};
SP_SERVER(sp__task_keeper, struct keeper);
SP_STATE(sp__task_keeper, struct keeper);

static void keeper_ends(struct sp__resource *resource)
{
    struct sp__task_group *group = sp__container_of(resource, struct sp__task_group, shown);
    struct sp_runtime *runtime = sp__context()->runtime;
    sp__task_slot_lock(&group->slot);
    group->cancelled = true;
    group_tell(runtime, group, true);
    group_unref(runtime, group);
}

/* The owner may have ended meanwhile. */
static sp_err sp__task_keeper_init(struct keeper *self, const struct keeper *args)
{
    *self = *args;
    self->group = group_lookup(sp__context()->runtime, args->handle);
    if (self->group == NULL)
        return SP_ERR_NOPROC;
    bool owned = !sp_pid_is_none(self->group->owner);
    if (owned) {
        self->group->references++;
        self->group->pid = sp_self();
    }
    sp__task_slot_unlock(&self->group->slot);
    if (!owned)
        return SP_ERR_NOPROC;
    self->group->shown = (struct sp__resource){ .release = keeper_ends };
    sp__resource_add(sp__process_self(), &self->group->shown);
    if (self->deadline_ns != 0)
        sp_server_idle_after(sp_ns(self->deadline_ns));
    return SP_OK;
}

static void keeper_on_timeout(void *state)
{
    struct keeper *self = state;
    group_cancel_tree(sp__context()->runtime, self->group);
}

SP_ON_INIT(sp__task_keeper);
const struct sp_server_class sp__task_keeper_class = {
    .name = "task_group",
    .state_size = sizeof(struct keeper),
    .args_size = sizeof(struct keeper),
    .init = sp__task_keeper__init,
    .on_timeout = keeper_on_timeout,
};

static sp_err keeper_start(struct sp_process *self, sp_task_group handle,
                           const struct sp_task_group_options *options)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct keeper args = { .handle = handle };
    int64_t until = sp__scheduler_instant(runtime, options->deadline, sp_never());
    if (until != INT64_MAX) {
        int64_t left = until - sp__now(runtime);
        args.deadline_ns = left > 0 ? left : 1;
    }
    sp__task_keeper_ref ref;
    struct sp_server_options how = { .spawn = { .name = options->name } };
    return sp__task_keeper_start(&args, &how, &ref);
}

/* ---- waiting ---- */

static void group_wake(struct sp__task_group *group)
{
    struct sp__actor *waiter = group->waiter;
    if (waiter == NULL || !sp__wait_claim(waiter, group->token))
        return;
    group->waiter = NULL;
    sp__wait_finish(waiter, group->token);
}

/* Does one of the tasks wait for us already? One that comes to wait later sees it itself: our edge is
 * published, and who waits for us has published its own, and sent us a message, before it looks. */
static bool group_waits_for_owner(struct sp_process *self, struct sp__task_group *group)
{
    sp_pid pids[GROUP_LOOK_MAX];
    size_t count = 0;
    /* seq_cst: between our edge and the look at the mailbox; pairs with the push of a request, which goes
     * before its sender's seq_cst loads in the walk. */
    atomic_thread_fence(memory_order_seq_cst);
    if (!sp__process_has_next(self))
        return false;
    sp__task_slot_lock(&group->slot);
    for (struct sp__list *at = sp__list_first(&group->running);
         at != NULL && count < GROUP_LOOK_MAX; at = sp__list_next(&group->running, at))
        pids[count++] = sp__container_of(at, struct sp__task, link)->pid;
    sp__task_slot_unlock(&group->slot);
    bool closed = false;
    for (size_t i = 0; i < count && !closed; i++)
        closed = sp__deadlock_closed_by(self, pids[i]);
    return closed;
}

/* Until a task ends; `all`: and then for the others. The lock is held, let go, and held again but
 * for NOTCONTEXT. */
static sp_err group_wait(struct sp_process *self, struct sp__task_group *group, int64_t until,
                         bool all)
{
    struct sp__pending pending = { .slots = NULL };
    uint64_t token = sp__wait_open(&self->actor);
    group->token = token;
    group->waiter = &self->actor;
    sp_pid pid = group->pid;
    bool looks = group->for_all;
    all = all || looks;
    sp__task_slot_unlock(&group->slot);
    if (all)
        sp__edge_begin(self, &pending, pid, token, SP_WAIT_GROUP);
    sp_err err = SP_ERR_DEADLOCK;
    if (!looks || !group_waits_for_owner(self, group) || !sp__wait_close(&self->actor, token))
        err = sp__process_wait(self, token, until);
    if (err == SP_ERR_NOTCONTEXT)
        return err;
    sp__edge_end(self);
    if (err == SP_ERR_CANCELLED)
        group_cancel_tree(sp__process_runtime(self), group);
    sp__task_slot_lock(&group->slot);
    group->waiter = NULL;
    return err;
}

static struct sp__task *group_pop(struct sp__task_group *group)
{
    struct sp__list *link = sp__list_pop_front(&group->finished);
    if (link == NULL)
        return NULL;
    group->finished_count--;
    return sp__container_of(link, struct sp__task, link);
}

/* ---- beginning and end of a task ---- */

void sp__task_group_began(struct sp_runtime *runtime, struct sp__task *task)
{
    struct sp__task_group *group = task->group;
    sp__task_slot_lock(&group->slot);
    task->number = group->started++;
    group->running_count++;
    group->references++;
    sp__list_push_back(&group->running, &task->link);
    if (group->cancelled)
        sp_ignore(sp__process_cancel(runtime, task->pid));
    sp__task_slot_unlock(&group->slot);
}

void sp__task_group_failed(struct sp__task *task)
{
    struct sp__task_group *group = task->group;
    sp__task_slot_lock(&group->slot);
    group->started--;
    group->running_count--;
    group->references--; /* not the last: the owner spawns */
    sp__list_remove(&task->link);
    sp__task_slot_unlock(&group->slot);
}

void sp__task_group_ended(struct sp_runtime *runtime, struct sp__task *task)
{
    struct sp__task_group *group = task->group;
    sp__process_enter();
    sp__task_slot_lock(&group->slot);
    sp__task_slot_lock(&task->slot);
    task->slot.kind = SP__TASK_ENDED;
    sp__task_slot_unlock(&task->slot);
    group->running_count--;
    sp__list_remove(&task->link);
    bool kept = !sp_pid_is_none(group->owner);
    if (kept) {
        sp__list_push_back(&group->finished, &task->link);
        group->finished_count++;
    }
    group_wake(group);
    group_unref(runtime, group);
    sp__process_leave();
    if (!kept)
        sp__task_take(runtime, task, NULL, NULL, NULL);
}

/* ---- closing ---- */

/* Takes the results that nobody took; the lock is held, and let go. */
static void group_drop_finished(struct sp_runtime *runtime, struct sp__task_group *group)
{
    struct sp__task *task;
    while ((task = group_pop(group)) != NULL) {
        sp__task_slot_unlock(&group->slot);
        sp__task_take(runtime, task, NULL, NULL, NULL);
        sp__task_slot_lock(&group->slot);
    }
    sp__task_slot_unlock(&group->slot);
}

/* It belongs to nobody from now on; what still ends drops its own result. */
static void group_give_up(struct sp_runtime *runtime, struct sp__task_group *group)
{
    tree_remove(runtime, group);
    sp__task_slot_lock(&group->slot);
    group->owner = SP_PID_NONE;
    group->waiter = NULL;
    sp_pid pid = group->pid;
    group_drop_finished(runtime, group);
    if (!sp_pid_is_none(pid))
        sp__task_signal(runtime, pid, &group->kill);
    sp__task_slot_lock(&group->slot);
    group_unref(runtime, group);
}

/* Its owner ends. Of a scope the tasks may use the owner's stack: they go first. */
static void group_owner_ends(struct sp__resource *resource)
{
    struct sp__task_group *group = sp__container_of(resource, struct sp__task_group, owned);
    struct sp_process *self = sp__process_self();
    struct sp_runtime *runtime = sp__process_runtime(self);
    sp__task_slot_lock(&group->slot);
    group->cancelled = true;
    group->waiter = NULL;
    group_tell(runtime, group, true);
    while (group->scope && group->running_count != 0) {
        group->token = sp__wait_open(&self->actor);
        group->waiter = &self->actor;
        sp__task_slot_unlock(&group->slot);
        sp__process_wait_held(self, group->token);
        sp__task_slot_lock(&group->slot);
    }
    sp__task_slot_unlock(&group->slot);
    group_give_up(runtime, group);
}

/* Until nothing runs any more; a cancellation of the owner becomes one of the group, once. */
static sp_err group_wait_for_all(struct sp_process *self, struct sp__task_group *group)
{
    sp_err err = SP_OK;
    while (group->running_count != 0 && err != SP_ERR_NOTCONTEXT) {
        err = group_wait(self, group, INT64_MAX, true);
        if (err == SP_ERR_CANCELLED)
            (void)sp_shield(true);
    }
    return err;
}

static void group_close(sp_task_group handle, bool cancel)
{
    struct sp_process *self = sp__process_self();
    struct sp__task_group *group;
    if (group_own(self, handle, &group) != SP_OK)
        return;
    struct sp_runtime *runtime = sp__process_runtime(self);
    if (cancel) {
        sp__task_slot_unlock(&group->slot);
        group_cancel_tree(runtime, group);
        sp__task_slot_lock(&group->slot);
    }
    bool before = sp_shield(cancel);
    sp_err err = group_wait_for_all(self, group);
    if (err == SP_ERR_NOTCONTEXT)
        return; /* an attached thread that was ended: group_owner_ends() has run */
    sp_pid pid = group->pid;
    sp__task_slot_unlock(&group->slot);
    sp__resource_remove(&group->owned);
    group_give_up(runtime, group);
    (void)sp_shield(true);
    sp_ignore(sp_join(pid, sp_never(), NULL));
    (void)sp_shield(before);
}

void sp_task_group_close(sp_task_group group)
{
    sp__point(SP__POINT_PROCESS, group.serial, "close group");
    group_close(group, true);
}

/* ---- opening ---- */

static void group_fill(struct sp__task_group *group, const struct sp_task_group_options *options,
                       sp_pid owner, bool scope)
{
    group->owner = owner;
    group->pid = SP_PID_NONE;
    group->running_max = options->running_max;
    group->references = 1;
    group->cancelled = false;
    group->scope = scope;
    group->for_all = false;
    group->running_count = 0;
    group->finished_count = 0;
    group->started = 0;
    group->rounds = 0;
    group->waiter = NULL;
    group->parent = NULL;
    group->owned = (struct sp__resource){ .release = group_owner_ends };
    sp__list_init(&group->running);
    sp__list_init(&group->finished);
    sp__list_init(&group->beneath);
    sp__list_init(&group->link);
}

sp_err sp__task_group_open(const struct sp_task_group_options *options, bool scope,
                           sp_task_group *out)
{
    static const struct sp_task_group_options defaults;
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    options = options == NULL ? &defaults : options;
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct sp__task_slot *slot;
    sp_err err = sp__task_slot_take(runtime, &slot);
    if (err != SP_OK)
        return err;
    struct sp__task_group *group = (struct sp__task_group *)slot;
    const struct sp__task *task = sp__task_of(self);
    group_fill(group, options, sp__process_pid(self), scope);
    slot->kind = SP__TASK_GROUP;
    *out = (sp_task_group){ slot->serial, slot->number };
    sp__task_slot_unlock(slot);
    if (!tree_add(runtime, group, options->parent, task == NULL ? NULL : task->group))
        err = SP_ERR_NOPROC;
    sp__resource_add(self, &group->owned);
    if (err == SP_OK)
        err = keeper_start(self, *out, options);
    if (err == SP_OK || err == SP_ERR_NOTCONTEXT)
        return err;
    sp__resource_remove(&group->owned);
    group_give_up(runtime, group);
    return err;
}

sp_err sp_task_group_open(const struct sp_task_group_options *options, sp_task_group *out_group)
{
    return sp__task_group_open(options, false, out_group);
}

sp_task_group sp__scope_enter(const struct sp_task_group_options *options)
{
    sp_task_group group;
    sp_err err = sp__task_group_open(options, true, &group);
    return err == SP_OK ? group : (sp_task_group){ .serial = 0 };
}

void sp__scope_leave(sp_task_group *group)
{
    sp__point(SP__POINT_PROCESS, group->serial, "leave scope");
    group_close(*group, false);
}

/* ---- what the owner does ---- */

/* Until there is room for one more. The lock is held before and after, but for NOTCONTEXT. */
static sp_err group_wait_for_room(struct sp_process *self, struct sp__task_group *group)
{
    sp_err err = SP_OK;
    while (err == SP_OK && !group->cancelled && group->running_max != 0 &&
           group->running_count >= group->running_max)
        err = group_wait(self, group, INT64_MAX, false);
    return err == SP_OK && group->cancelled ? SP_ERR_CANCELLED : err;
}

sp_err sp__task_group_start(sp_task_group handle, struct sp__task_start *start,
                            uint64_t *out_number)
{
    struct sp_process *self = sp__process_self();
    struct sp__task_group *group;
    sp_err err = group_own(self, handle, &group);
    if (err != SP_OK)
        return err;
    err = group_wait_for_room(self, group);
    if (err == SP_ERR_NOTCONTEXT)
        return err;
    uint64_t number = group->started;
    sp__task_slot_unlock(&group->slot);
    if (err != SP_OK)
        return err;
    struct sp__task *task;
    start->group = group;
    err = sp__task_start(self, start, &task);
    if (err == SP_OK && out_number != NULL)
        *out_number = number;
    return err;
}

sp_err sp_task_group_spawn(sp_task_group group, const struct sp_task_type *type, const void *in,
                           const struct sp_task_options *options, uint64_t *out_number)
{
    struct sp__task_start start = { .type = type, .options = options, .in = in };
    start.site = __builtin_return_address(0);
    sp_err err = sp__task_group_start(group, &start, out_number);
    if (err == SP_OK)
        sp__process_give_way();
    return err;
}

sp_err sp__task_group_take(sp_task_group handle, const struct sp_task_type *type, void *out,
                           struct sp_task_done *out_done, int64_t until)
{
    struct sp_process *self = sp__process_self();
    struct sp__task_group *group;
    sp_err err = group_own(self, handle, &group);
    if (err != SP_OK)
        return err;
    struct sp__task *task;
    while ((task = group_pop(group)) == NULL && err == SP_OK) {
        if (group->running_count == 0)
            err = SP_ERR_NOTFOUND;
        else
            err = group_wait(self, group, until, false);
    }
    if (err == SP_ERR_NOTCONTEXT)
        return err;
    sp__task_slot_unlock(&group->slot);
    if (task == NULL)
        return err;
    sp__task_take(sp__process_runtime(self), task, type, out, out_done);
    return SP_OK;
}

sp_err sp_task_group_next(sp_task_group group, const struct sp_task_type *type, void *out,
                          struct sp_task_done *out_done, sp_deadline deadline)
{
    sp__point(SP__POINT_PROCESS, group.serial, "next task");
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    return sp__task_group_take(group, type, out, out_done,
                               sp__scheduler_instant(runtime, deadline, sp_never()));
}

sp_err sp__task_group_drain(sp_task_group handle, int64_t until)
{
    struct sp_process *self = sp__process_self();
    struct sp__task_group *group;
    sp_err err = group_own(self, handle, &group);
    if (err != SP_OK)
        return err;
    while (group->running_count != 0 && err == SP_OK)
        err = group_wait(self, group, until, true);
    if (err != SP_ERR_NOTCONTEXT)
        sp__task_slot_unlock(&group->slot);
    return err;
}

sp_err sp__task_group_for_all(sp_task_group handle, bool on)
{
    struct sp_process *self = sp__process_self();
    struct sp__task_group *group;
    sp_err err = group_own(self, handle, &group);
    if (err != SP_OK)
        return err;
    group->for_all = on;
    sp__task_slot_unlock(&group->slot);
    return err;
}

/* ---- what anyone does ---- */

sp_err sp_task_group_cancel(sp_task_group handle)
{
    sp__point(SP__POINT_PROCESS, handle.serial, "cancel group");
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp__task_group *group = group_lookup(runtime, handle);
    if (group == NULL)
        return SP_ERR_NOPROC;
    group->references++;
    sp__task_slot_unlock(&group->slot);
    group_cancel_tree(runtime, group);
    sp__task_slot_lock(&group->slot);
    group_unref(runtime, group);
    return SP_OK;
}

sp_err sp_task_group_info(sp_task_group handle, struct sp_task_group_info *out_info)
{
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp__task_group *group = group_lookup(runtime, handle);
    if (group == NULL)
        return SP_ERR_NOPROC;
    *out_info = (struct sp_task_group_info){ .pid = group->pid,
                                             .started = group->started,
                                             .running = group->running_count,
                                             .finished = group->finished_count,
                                             .cancelled = group->cancelled };
    sp__task_slot_unlock(&group->slot);
    return SP_OK;
}
