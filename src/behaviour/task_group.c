/* Groups: opening, running, telling, closing. See task.h; what waits for several is task_map.c.
 *
 *      owner ── owned ──> group <── shown ── its process, "task_group"
 *        ^                 │ │                      (parent of the tasks)
 *        └──── waiter ─────┘ └─> running: task task     each has a process
 *                              finished: task task      these have none any more
 *
 * The owner alone spawns, takes results and closes. Whoever ends, tells: a task moves itself from
 * running to finished and wakes the owner if it waits; the owner's end kills the tasks, and so does
 * the end of the group's process. The owner fetches all that have finished at once.
 */
#include "behaviour/task.h"

#include "process/deadlock.h"

enum {
    /* Tasks whose own waits are looked at before the owner waits for all. */
    GROUP_LOOK_MAX = 64,
    /* Tasks that are told under one hold of the lock. */
    GROUP_TOLD_AT_ONCE = 64,
    /* An owner that waited less than this lets others run before it goes on: its tasks are short, and
     * it finds many that have ended, where each would cost two switches. */
    GROUP_GATHER_NS = 20000,
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

static struct sp_process *group_owner(const struct sp__task_group *group)
{
    /* relaxed: compared with oneself, and only oneself writes that; else under the lock. */
    return atomic_load_explicit(&group->slot.owner, memory_order_relaxed);
}

static bool group_cancelled(const struct sp__task_group *group)
{
    /* relaxed: the owner's look before it starts a task; a task looks again under the lock. */
    return atomic_load_explicit(&group->cancelled, memory_order_relaxed);
}

/* Under the lock. */
static void group_set_cancelled(struct sp__task_group *group)
{
    atomic_store_explicit(&group->cancelled, true, memory_order_relaxed);
}

/* The running process's own. Errors: NOPROC, NOTCONTEXT. */
static sp_err group_own(struct sp_process *self, sp_task_group handle, struct sp__task_group **out)
{
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct sp__task_slot *slot = sp__task_slot_get(runtime, handle.slot);
    if (slot == NULL || handle.serial == 0)
        return SP_ERR_NOPROC;
    struct sp__task_group *group = (struct sp__task_group *)slot;
    if (group_owner(group) == self && sp__task_slot_serial(slot) == handle.serial) {
        *out = group;
        return SP_OK;
    }
    group = group_lookup(runtime, handle);
    if (group == NULL)
        return SP_ERR_NOPROC;
    sp__task_slot_unlock(&group->slot);
    return SP_ERR_NOTCONTEXT;
}

/* The same, and its lock is held on SP_OK. */
static sp_err group_own_locked(struct sp_process *self, sp_task_group handle,
                               struct sp__task_group **out)
{
    sp_err err = group_own(self, handle, out);
    if (err == SP_OK)
        sp__task_slot_lock(&(*out)->slot);
    return err;
}

/* The lock is held, and let go. */
static void group_unref(struct sp_runtime *runtime, struct sp__task_group *group)
{
    if (--group->references == 0)
        sp__task_slot_give(runtime, &group->slot, true);
    else
        sp__task_slot_unlock(&group->slot);
}

/* ---- telling all tasks ---- */

enum tell {
    TELL_CANCEL,
    TELL_KILL,
    TELL_KILL_AGAIN,
};

/* The lock is held. */
static void group_tell_one(struct sp_runtime *runtime, struct sp__task *task, enum tell what)
{
    if (what == TELL_KILL)
        sp__task_kill(runtime, task);
    else if (what == TELL_KILL_AGAIN)
        sp__task_kill_again(runtime, task);
    else
        sp_ignore(sp__process_cancel(runtime, task->pid));
}

/* Whom this round has told goes to the end of the list: so it is over when the first was told. */
static bool group_tell_some(struct sp_runtime *runtime, struct sp__task_group *group,
                            uint64_t round, enum tell what)
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
        group_tell_one(runtime, task, what);
    }
    return true;
}

/* The lock is held; it is let go now and then. The caller has a reference. */
static void group_tell(struct sp_runtime *runtime, struct sp__task_group *group, enum tell what)
{
    uint64_t round = ++group->rounds;
    while (group_tell_some(runtime, group, round, what)) {
        sp__task_slot_unlock(&group->slot);
        sp__task_slot_lock(&group->slot);
    }
}

static void group_cancel(struct sp_runtime *runtime, struct sp__task_group *group)
{
    sp__task_slot_lock(&group->slot);
    if (!group_cancelled(group)) {
        group_set_cancelled(group);
        group_tell(runtime, group, TELL_CANCEL);
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
        cancelled = group_cancelled(parent);
        group->parent = parent;
        sp__list_push_back(&parent->beneath, &group->link);
        sp__task_slot_unlock(&parent->slot);
    }
    if (cancelled)
        group_set_cancelled(group);
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
    group_set_cancelled(group);
    group_tell(runtime, group, TELL_KILL);
    group_unref(runtime, group);
}

/* The owner may have ended meanwhile. */
static sp_err sp__task_keeper_init(struct keeper *self, const struct keeper *args)
{
    *self = *args;
    self->group = group_lookup(sp__context()->runtime, args->handle);
    if (self->group == NULL)
        return SP_ERR_NOPROC;
    bool owned = group_owner(self->group) != NULL;
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

/* Until a task ends; `all`: until the last one that runs has. The lock is held, let go, and held
 * again but for NOTCONTEXT. */
static sp_err group_wait(struct sp_process *self, struct sp__task_group *group, int64_t until,
                         bool all)
{
    struct sp__pending pending = { .slots = NULL };
    uint64_t token = sp__wait_open(&self->actor);
    group->token = token;
    group->waiter = &self->actor;
    group->for_last = all;
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

/* Until a task ends, and a little longer if that was soon, so that others end, too. The lock as in
 * group_wait(). */
static sp_err group_wait_for_some(struct sp_process *self, struct sp__task_group *group,
                                  int64_t until, bool gather)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    int64_t began_ns = gather ? sp__now(runtime) : 0;
    sp_err err = group_wait(self, group, until, false);
    if (err != SP_OK || !gather || sp__now(runtime) - began_ns >= GROUP_GATHER_NS)
        return err;
    sp__task_slot_unlock(&group->slot);
    sp_yield();
    if (sp__process_self() == NULL)
        return SP_ERR_NOTCONTEXT; /* an attached thread that was ended */
    sp__task_slot_lock(&group->slot);
    return SP_OK;
}

/* The oldest of those that are fetched. The owner's, without the lock. */
static struct sp__task *group_pop(struct sp__task_group *group)
{
    struct sp__list *link = sp__list_pop_front(&group->fetched);
    if (link == NULL)
        return NULL;
    /* relaxed: its one writer; for who else looks it is a recent value. */
    uint64_t taken = atomic_load_explicit(&group->taken, memory_order_relaxed);
    atomic_store_explicit(&group->taken, taken + 1, memory_order_relaxed);
    return sp__container_of(link, struct sp__task, link);
}

/* All that have ended. The lock is held. */
static void group_fetch(struct sp__task_group *group)
{
    sp__list_splice_back(&group->fetched, &group->finished);
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
    if (group_cancelled(group))
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
    task->slot.kind = SP__TASK_ENDED;
    group->running_count--;
    sp__list_remove(&task->link);
    bool kept = group_owner(group) != NULL;
    if (kept) {
        sp__list_push_back(&group->finished, &task->link);
        group->ended++;
    }
    if (!group->for_last || group->running_count == 0)
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
    group_fetch(group);
    sp__task_slot_unlock(&group->slot);
    while ((task = group_pop(group)) != NULL)
        sp__task_take(runtime, task, NULL, NULL, NULL);
}

/* It belongs to nobody from now on; what still ends drops its own result. */
static void group_give_up(struct sp_runtime *runtime, struct sp__task_group *group)
{
    tree_remove(runtime, group);
    sp__task_slot_lock(&group->slot);
    /* relaxed: under the lock. */
    atomic_store_explicit(&group->slot.owner, NULL, memory_order_relaxed);
    group->waiter = NULL;
    sp_pid pid = group->pid;
    group_drop_finished(runtime, group);
    if (!sp_pid_is_none(pid))
        sp__task_signal(runtime, pid, &group->kill);
    sp__task_slot_lock(&group->slot);
    group_unref(runtime, group);
}

/* Until that wait is over. Killed meanwhile: so are the tasks, once more, and what hangs in their
 * exits goes on. */
static void group_wait_held(struct sp_process *self, struct sp__task_group *group)
{
    while (!sp__wait_done(&self->actor, group->token)) {
        if (!sp__process_park_held(self))
            continue;
        sp__task_slot_lock(&group->slot);
        group_tell(sp__process_runtime(self), group, TELL_KILL_AGAIN);
        sp__task_slot_unlock(&group->slot);
    }
}

/* Its owner ends. Of a scope the tasks may use the owner's stack: they go first. */
static void group_owner_ends(struct sp__resource *resource)
{
    struct sp__task_group *group = sp__container_of(resource, struct sp__task_group, owned);
    struct sp_process *self = sp__process_self();
    struct sp_runtime *runtime = sp__process_runtime(self);
    sp__task_slot_lock(&group->slot);
    group_set_cancelled(group);
    group->waiter = NULL;
    group->for_last = true;
    group_tell(runtime, group, TELL_KILL);
    while (group->scope && group->running_count != 0) {
        group->token = sp__wait_open(&self->actor);
        group->waiter = &self->actor;
        sp__task_slot_unlock(&group->slot);
        group_wait_held(self, group);
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
    if (cancel)
        group_cancel_tree(runtime, group);
    bool before = sp_shield(cancel);
    sp__task_slot_lock(&group->slot);
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
                       struct sp_process *owner, bool scope)
{
    /* relaxed, as the next: nobody has the handle yet. */
    atomic_store_explicit(&group->slot.owner, owner, memory_order_relaxed);
    atomic_store_explicit(&group->cancelled, false, memory_order_relaxed);
    atomic_store_explicit(&group->taken, 0, memory_order_relaxed);
    group->pid = SP_PID_NONE;
    group->running_max = options->running_max;
    group->references = 1;
    group->scope = scope;
    group->for_all = false;
    group->for_last = false;
    group->running_count = 0;
    group->started = 0;
    group->ended = 0;
    group->rounds = 0;
    group->waiter = NULL;
    group->parent = NULL;
    group->owned = (struct sp__resource){ .release = group_owner_ends };
    sp__list_init(&group->running);
    sp__list_init(&group->finished);
    sp__list_init(&group->fetched);
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
    group_fill(group, options, self, scope);
    slot->kind = SP__TASK_GROUP;
    *out = (sp_task_group){ sp__task_slot_serial(slot), slot->number };
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

/* Until there is room for one more, or it is cancelled. The lock is held before and after, but for
 * NOTCONTEXT. */
static sp_err group_wait_for_room(struct sp_process *self, struct sp__task_group *group)
{
    sp_err err = SP_OK;
    while (err == SP_OK && !group_cancelled(group) && group->running_count >= group->running_max)
        err = group_wait_for_some(self, group, INT64_MAX, true);
    return err;
}

sp_err sp__task_group_start(sp_task_group handle, struct sp__task_start *start,
                            uint64_t *out_number)
{
    struct sp_process *self = sp__process_self();
    struct sp__task_group *group;
    sp_err err = group_own(self, handle, &group);
    if (err != SP_OK)
        return err;
    if (group->running_max != 0) {
        sp__task_slot_lock(&group->slot);
        err = group_wait_for_room(self, group);
        if (err == SP_ERR_NOTCONTEXT)
            return err;
        sp__task_slot_unlock(&group->slot);
    }
    if (err == SP_OK && group_cancelled(group))
        err = SP_ERR_CANCELLED;
    if (err != SP_OK)
        return err;
    struct sp__task *task;
    uint64_t number = group->started; /* which nobody else changes */
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

/* Fetch what has ended, as soon as there is something. Errors: NOTFOUND (nothing runs), as
 * sp__process_wait(). */
static sp_err group_fetch_some(struct sp_process *self, struct sp__task_group *group, int64_t until,
                               bool gather)
{
    sp_err err = SP_OK;
    sp__task_slot_lock(&group->slot);
    while (err == SP_OK && sp__list_empty(&group->finished)) {
        if (group->running_count == 0)
            err = SP_ERR_NOTFOUND;
        else
            err = group_wait_for_some(self, group, until, gather);
    }
    if (err == SP_ERR_NOTCONTEXT)
        return err;
    group_fetch(group);
    sp__task_slot_unlock(&group->slot);
    return err;
}

sp_err sp__task_group_take(sp_task_group handle, const struct sp__task_want *want,
                           struct sp_task_done *out_done)
{
    struct sp_process *self = sp__process_self();
    struct sp__task_group *group;
    sp_err err = group_own(self, handle, &group);
    if (err != SP_OK)
        return err;
    struct sp__task *task = group_pop(group);
    if (task == NULL) {
        err = group_fetch_some(self, group, want->until, !want->at_once);
        if (err == SP_ERR_NOTCONTEXT)
            return err;
        task = group_pop(group);
    }
    if (task == NULL)
        return err;
    sp__task_take(sp__process_runtime(self), task, want->type, want->out, out_done);
    return SP_OK;
}

sp_err sp_task_group_next(sp_task_group group, const struct sp_task_type *type, void *out,
                          struct sp_task_done *out_done, sp_deadline deadline)
{
    sp__point(SP__POINT_PROCESS, group.serial, "next task");
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp__task_want want = { .type = type,
                                  .out = out,
                                  .until = sp__scheduler_instant(runtime, deadline, sp_never()) };
    return sp__task_group_take(group, &want, out_done);
}

sp_err sp__task_group_drain(sp_task_group handle, int64_t until)
{
    struct sp_process *self = sp__process_self();
    struct sp__task_group *group;
    sp_err err = group_own_locked(self, handle, &group);
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
    sp_err err = group_own_locked(self, handle, &group);
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
    /* relaxed: a recent value, never more than ended. */
    uint64_t taken = atomic_load_explicit(&group->taken, memory_order_relaxed);
    *out_info = (struct sp_task_group_info){ .pid = group->pid,
                                             .started = group->started,
                                             .running = group->running_count,
                                             .finished = (size_t)(group->ended - taken),
                                             .cancelled = group_cancelled(group) };
    sp__task_slot_unlock(&group->slot);
    return SP_OK;
}
