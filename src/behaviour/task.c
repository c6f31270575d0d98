#include "behaviour/task.h"

#include "process/trace_own.h"
#include "process/deadlock.h"
#include "process/spawn_site.h"
#include "runtime/slab.h"

#include <string.h>

enum {
    TASK_SLOTS_MAX = SP__SLAB_MAX,
};

/** Who waits for a task, on its own stack. */
struct task_waiter {
    struct sp__list link; /* under the task's lock */
    struct sp__resource resource;
    struct sp__task *task;
    struct sp__actor *actor;
    uint64_t token;
    bool owner; /* takes the result itself, when it comes back */
    bool told;
    void *out;
    sp_err err;
    const struct sp_reason *reason; /* a reference, once told */
};

union task_item {
    struct sp__task task;
    struct sp__task_group group;
};

/* ---- slots ---- */

static struct sp__slab *task_slab(struct sp_runtime *runtime)
{
    /* acquire: pairs with the release of whoever made it. */
    return atomic_load_explicit(&runtime->task_slots, memory_order_acquire);
}

/* Made by the first task of a runtime. */
static sp_err task_slab_make(struct sp_runtime *runtime)
{
    sp_err err = SP_OK;
    sp__lock_lock(&runtime->task_lock);
    if (task_slab(runtime) == NULL) {
        struct sp__slab *slab;
        err = sp__slab_create(sizeof(union task_item), 64, TASK_SLOTS_MAX, &slab);
        /* release: pairs with the acquire above. */
        if (err == SP_OK)
            atomic_store_explicit(&runtime->task_slots, slab, memory_order_release);
    }
    sp__lock_unlock(&runtime->task_lock);
    return err;
}

/* One use begins or ends. Who looks with a handle of another one reads nothing else. */
static void task_slot_count(struct sp__task_slot *slot)
{
    /* relaxed: one writer at a time, who has the slot to itself; see sp__task_slot_serial(). */
    atomic_store_explicit(&slot->serial, sp__task_slot_serial(slot) + 1, memory_order_relaxed);
}

sp_err sp__task_slot_take(struct sp_runtime *runtime, struct sp__task_slot **out)
{
    struct sp__context *context = sp__context();
    uint32_t number;
    void *item;
    sp_err err = task_slab(runtime) == NULL ? task_slab_make(runtime) : SP_OK;
    if (err != SP_OK)
        return err;
    context->task_cache.slab = task_slab(runtime);
    err = sp__slab_cache_take(&context->task_cache, &number, &item);
    if (err != SP_OK)
        return err;
    struct sp__task_slot *slot = item;
    slot->number = number;
    task_slot_count(slot);
    *out = slot;
    return SP_OK;
}

void sp__task_slot_give(struct sp_runtime *runtime, struct sp__task_slot *moved_slot, bool locked)
{
    uint32_t number = moved_slot->number;
    task_slot_count(moved_slot);
    moved_slot->kind = SP__TASK_NOTHING;
    if (locked)
        sp__task_slot_unlock(moved_slot);
    struct sp__context *context = sp__context();
    context->task_cache.slab = task_slab(runtime);
    sp__slab_cache_give(&context->task_cache, number);
}

struct sp__task_slot *sp__task_slot_get(struct sp_runtime *runtime, uint32_t number)
{
    struct sp__slab *slab = task_slab(runtime);
    return slab == NULL ? NULL : sp__slab_get(slab, number);
}

struct sp__task_slot *sp__task_slot_find(struct sp_runtime *runtime, uint32_t number,
                                         uint64_t serial)
{
    struct sp__task_slot *slot = serial == 0 ? NULL : sp__task_slot_get(runtime, number);
    if (slot == NULL)
        return NULL;
    sp__task_slot_lock(slot);
    if (sp__task_slot_serial(slot) == serial && slot->kind != SP__TASK_NOTHING)
        return slot;
    sp__task_slot_unlock(slot);
    return NULL;
}

static struct sp__task *task_find(struct sp_runtime *runtime, sp_task handle)
{
    struct sp__task_slot *slot = sp__task_slot_find(runtime, handle.slot, handle.serial);
    return (struct sp__task *)slot;
}

/* ---- the result ---- */

/* Under its lock, for somebody who is not its owner. */
static void task_copy(const struct sp__task *task, struct task_waiter *waiter)
{
    waiter->told = true;
    waiter->err = task->err;
    waiter->reason = task->reason == NULL ? NULL : sp_reason_ref(task->reason);
    if (task->err != SP_OK)
        return;
    if (task->type->out_destroy != NULL)
        waiter->err = SP_ERR_NOTSUP;
    else if (task->type->out_size != 0)
        memcpy(waiter->out, task->out, task->type->out_size);
}

static void task_free_block(void *block, uint8_t block_class)
{
    struct sp__context *context = sp__context();
    if (block != NULL)
        sp__msg_free(&context->messages, &context->runtime->messages, block, block_class);
}

void sp__task_take(struct sp_runtime *runtime, struct sp__task *moved_task,
                   const struct sp_task_type *type, void *out, struct sp_task_done *out_done)
{
    const struct sp_task_type *own = moved_task->type;
    struct sp_task_done done = { .number = moved_task->number,
                                 .type = own,
                                 .err = moved_task->err,
                                 .reason = moved_task->reason };
    void *result = moved_task->out;
    void *block = moved_task->block;
    uint8_t block_class = moved_task->block_class;
    bool grouped = moved_task->group != NULL;
    if (!grouped)
        sp__task_slot_lock(&moved_task->slot);
    sp__task_slot_give(runtime, &moved_task->slot, !grouped);
    bool wanted = out != NULL && own == type;
    if (done.err == SP_OK && wanted && out != result && own->out_size != 0)
        memcpy(out, result, own->out_size);
    if (out_done != NULL)
        *out_done = done;
    else
        sp_reason_unref(done.reason);
    if (done.err == SP_OK && !wanted && block != NULL && own->out_destroy != NULL)
        own->out_destroy(result);
    task_free_block(block, block_class);
}

/* ---- its process ---- */

static void task_tell(struct sp__task *task)
{
    for (struct sp__list *link; (link = sp__list_pop_front(&task->waiters)) != NULL;) {
        struct task_waiter *waiter = sp__container_of(link, struct task_waiter, link);
        if (!sp__wait_claim(waiter->actor, waiter->token))
            continue; /* it has just given up */
        if (!waiter->owner)
            task_copy(task, waiter);
        sp__wait_finish(waiter->actor, waiter->token);
    }
}

/* The process is dead for everybody; its data is the task. Called again where a destructor of the
 * result did not come back. */
static void task_finish(struct sp_process *self, const struct sp_reason *reason)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct sp__task *task = self->data;
    if (task == NULL)
        return;
    self->data = NULL;
    if (!task->returned) {
        task->err = SP_ERR_DIED;
        task->reason = sp_reason_ref(reason);
    }
    if (task->group != NULL) {
        sp__task_group_ended(runtime, task);
        return;
    }
    sp__process_enter();
    sp__task_slot_lock(&task->slot);
    task->slot.kind = SP__TASK_ENDED;
    task_tell(task);
    bool kept = task->kept;
    sp__task_slot_unlock(&task->slot);
    sp__process_leave();
    if (!kept)
        sp__task_take(runtime, task, NULL, NULL, NULL);
}

static enum sp__turn task_turn(struct sp__actor *actor)
{
    struct sp_process *self = (struct sp_process *)(void *)actor;
    const struct sp_reason *end = sp__actor_signalled(actor) ? sp__process_signals(self) : NULL;
    if (end != NULL) {
        sp__process_exit(self, end);
        return SP__TURN_DEAD;
    }
    struct sp__task *task = self->data;
    task->err = task->type->run(task->in, task->out);
    task->returned = true;
    if (self->extra != NULL)
        sp__trace_task_done(self, task->err);
    sp__process_returned(self);
    return SP__TURN_DEAD;
}

static const char *task_name(struct sp_process *self)
{
    const struct sp__task *task = self->data;
    return task == NULL ? "task" : task->label;
}

static const char *task_running(struct sp_process *self)
{
    const struct sp__task *task = self->data;
    return task == NULL ? "task" : task->type->name;
}

/* In a group it is beneath that. */
static void task_prepare(struct sp_process *process)
{
    const struct sp__task *task = process->data;
    if (task->group == NULL)
        return;
    process->parent_slot = task->group->pid.slot;
    process->parent_serial = task->group->pid.serial;
    /* Who waits for the group waits for its tasks. relaxed: nobody else knows the process. */
    uint32_t shared = atomic_load_explicit(&process->shared, memory_order_relaxed);
    atomic_store_explicit(&process->shared, shared | SP__SHARED_JOINED, memory_order_relaxed);
}

static const struct sp__behaviour task_behaviour = {
    .label = "task",
    .prepare = task_prepare,
    .turn = task_turn,
    .finish = task_finish,
    .running = task_running,
    .name = task_name,
    .cancels = true,
};

struct sp__task *sp__task_of(const struct sp_process *process)
{
    return process->behaviour == &task_behaviour ? process->data : NULL;
}

/* ---- killing ---- */

void sp__task_signal(struct sp_runtime *runtime, sp_pid pid, struct sp__process_signal *signal)
{
    *signal = (struct sp__process_signal){
        .kind = SP__SIGNAL_EXIT, .borrowed = true, .queued = true, .reason = sp_reason_kill()
    };
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(runtime, pid);
    if (process == NULL || !sp__actor_signal(&process->actor, &signal->base))
        sp__signal_discard(signal);
    sp__process_leave();
}

void sp__task_signal_again(struct sp_runtime *runtime, sp_pid pid,
                           struct sp__process_signal *signal)
{
    /* acquire: pairs with the release in sp__signal_discard(). One that is not seen yet will do. */
    if (!atomic_load_explicit(&signal->queued, memory_order_acquire))
        sp__task_signal(runtime, pid, signal);
}

void sp__task_kill(struct sp_runtime *runtime, struct sp__task *task)
{
    if (task->killed || task->slot.kind != SP__TASK_RUNNING)
        return;
    task->killed = true;
    sp__task_signal(runtime, task->pid, &task->kill);
}

void sp__task_kill_again(struct sp_runtime *runtime, struct sp__task *task)
{
    if (!task->killed)
        sp__task_kill(runtime, task);
    else if (task->slot.kind == SP__TASK_RUNNING)
        sp__task_signal_again(runtime, task->pid, &task->kill);
}

/* Its owner ends. */
static void task_abandon(struct sp__resource *resource)
{
    struct sp__task *task = sp__container_of(resource, struct sp__task, resource);
    struct sp_runtime *runtime = sp__context()->runtime;
    sp__task_slot_lock(&task->slot);
    bool ended = task->slot.kind == SP__TASK_ENDED;
    task->kept = false;
    sp__task_kill(runtime, task);
    sp__task_slot_unlock(&task->slot);
    if (ended)
        sp__task_take(runtime, task, NULL, NULL, NULL);
}

/* ---- starting ---- */

/* Room for the input's copy, and the result behind it. */
static sp_err task_block(struct sp__context *context, const struct sp__task_start *start,
                         struct sp__task *task)
{
    const struct sp_task_type *type = start->type;
    size_t in_size = ((size_t)type->in_size + 15) & ~(size_t)15;
    task->block = NULL;
    task->in = start->in;
    task->out = start->out;
    if (start->out != NULL)
        return SP_OK;
    char *block = sp__msg_alloc(&context->messages, &context->runtime->messages,
                                in_size + type->out_size + 1, &task->block_class);
    if (block == NULL)
        return SP_ERR_NOMEM;
    if (type->in_size != 0)
        memcpy(block, start->in, type->in_size);
    memset(block + in_size, 0, type->out_size);
    task->block = block;
    task->in = block;
    task->out = block + in_size;
    return SP_OK;
}

static void task_fill(struct sp__task *task, const struct sp__task_start *start, sp_pid owner)
{
    const char *label = start->options == NULL ? NULL : start->options->label;
    task->type = start->type;
    task->label = label == NULL ? start->type->name : label;
    task->returned = false;
    task->kept = true;
    task->killed = false;
    task->err = SP_OK;
    task->reason = NULL;
    task->owner = owner;
    task->group = start->group;
    task->told = 0;
    task->resource = (struct sp__resource){ .release = task_abandon };
    sp__list_init(&task->waiters);
}

static sp_err task_process(struct sp_process *self, struct sp__task *task,
                           const struct sp_spawn_options *options)
{
    struct sp_process *process;
    sp_err err =
        sp__process_create(sp__process_runtime(self), &task_behaviour, task, options, &process);
    if (err != SP_OK)
        return err;
    task->pid = sp__process_pid(process);
    if (task->group == NULL)
        sp__resource_add(self, &task->resource);
    else
        sp__task_group_began(sp__process_runtime(self), task);
    if (sp__point_of(sp__context()) != NULL)
        sp__trace_task(self, process, task->label);
    err = sp__process_publish(process, options, NULL);
    if (err != SP_OK && task->group == NULL)
        sp__resource_remove(&task->resource);
    else if (err != SP_OK)
        sp__task_group_failed(task);
    return err;
}

static sp_err task_start(struct sp_process *self, struct sp__task *task,
                         const struct sp_task_options *options)
{
    if (options == NULL)
        return task_process(self, task, NULL);
    struct sp_spawn_options spawn = { .own_thread = options->own_thread,
                                      .memory_max = options->memory_max };
    return task_process(self, task, &spawn);
}

sp_err sp__task_start(struct sp_process *self, const struct sp__task_start *start,
                      struct sp__task **out)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct sp__task_slot *slot;
    sp_err err = sp__task_slot_take(runtime, &slot);
    if (err != SP_OK)
        return err;
    struct sp__task *task = (struct sp__task *)slot;
    task_fill(task, start, sp__process_pid(self));
    err = task_block(sp__context(), start, task);
    slot->kind = SP__TASK_RUNNING;
    *out = task;
    sp__spawn_here(start->site);
    if (err == SP_OK)
        err = task_start(self, task, start->options);
    if (err != SP_OK) {
        sp__spawn_not();
        task_free_block(task->block, task->block_class);
        sp__task_slot_give(runtime, slot, false);
    }
    return err;
}

sp_err sp_task_spawn(const struct sp_task_type *type, const void *in,
                     const struct sp_task_options *options, sp_task *out_task)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp__task *task;
    struct sp__task_start start = { .type = type, .options = options, .in = in };
    start.site = __builtin_return_address(0);
    sp_err err = sp__task_start(self, &start, &task);
    if (err != SP_OK)
        return err;
    *out_task = (sp_task){ sp__task_slot_serial(&task->slot), task->slot.number };
    sp__process_give_way();
    return SP_OK;
}

/* ---- joining ---- */

/* The joiner ends while it waits. */
static void waiter_release(struct sp__resource *resource)
{
    struct task_waiter *waiter = sp__container_of(resource, struct task_waiter, resource);
    sp__task_slot_lock(&waiter->task->slot);
    if (sp__list_linked(&waiter->link))
        sp__list_remove(&waiter->link);
    sp__task_slot_unlock(&waiter->task->slot);
    sp_reason_unref(waiter->reason);
}

/* The owner takes it over. */
static sp_err join_take(struct sp_runtime *runtime, struct sp__task *task, void *out,
                        const struct sp_reason **out_reason)
{
    struct sp_task_done done;
    sp__resource_remove(&task->resource);
    sp__task_take(runtime, task, task->type, out, &done);
    if (out_reason != NULL && done.err != SP_OK)
        *out_reason = done.reason;
    else
        sp_reason_unref(done.reason);
    return done.err;
}

static sp_err join_told(struct task_waiter *waiter, const struct sp_reason **out_reason)
{
    if (out_reason != NULL && waiter->err != SP_OK)
        *out_reason = waiter->reason;
    else
        sp_reason_unref(waiter->reason);
    return waiter->err;
}

/* The task's lock is held, and let go. It runs. */
static sp_err join_wait(struct sp_process *self, struct sp__task *task, void *out, int64_t until,
                        const struct sp_reason **out_reason)
{
    struct task_waiter waiter = { .resource = { .release = waiter_release },
                                  .task = task,
                                  .actor = &self->actor,
                                  .owner = sp_pid_equal(task->owner, sp__process_pid(self)),
                                  .out = out };
    sp_pid pid = task->pid;
    waiter.token = sp__wait_open(&self->actor);
    sp__list_push_back(&task->waiters, &waiter.link);
    sp__task_slot_unlock(&task->slot);
    sp__resource_add(self, &waiter.resource);
    struct sp__pending pending = { .slots = NULL };
    sp__edge_begin(self, &pending, pid, waiter.token, SP_WAIT_TASK);
    sp_err err = SP_ERR_DEADLOCK;
    if (!sp__deadlock_closed(self, waiter.token) || !sp__wait_close(&self->actor, waiter.token))
        err = sp__process_wait(self, waiter.token, until);
    if (err == SP_ERR_NOTCONTEXT)
        return err;
    sp__edge_end(self);
    sp__resource_remove(&waiter.resource);
    if (err != SP_OK) {
        waiter_release(&waiter.resource);
        return err;
    }
    if (waiter.owner)
        return join_take(sp__process_runtime(self), task, out, out_reason);
    return join_told(&waiter, out_reason);
}

/* It has ended; the lock is held, and let go. */
static sp_err join_ended(struct sp_process *self, struct sp__task *task, void *out,
                         const struct sp_reason **out_reason)
{
    struct task_waiter waiter = { .out = out };
    bool owner = sp_pid_equal(task->owner, sp__process_pid(self));
    if (!owner)
        task_copy(task, &waiter);
    sp__task_slot_unlock(&task->slot);
    if (owner)
        return join_take(sp__process_runtime(self), task, out, out_reason);
    return join_told(&waiter, out_reason);
}

sp_err sp_task_join(sp_task handle, const struct sp_task_type *type, void *out,
                    sp_deadline deadline, const struct sp_reason **out_reason)
{
    sp__point(SP__POINT_PROCESS, handle.serial, "join task");
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    if (out_reason != NULL)
        *out_reason = NULL;
    int64_t until = sp__scheduler_instant(sp__process_runtime(self), deadline, sp_never());
    struct sp__task *task = task_find(sp__process_runtime(self), handle);
    if (task == NULL)
        return SP_ERR_NOPROC;
    sp_err err = SP_OK;
    if (task->slot.kind == SP__TASK_GROUP || task->group != NULL || !task->kept)
        err = SP_ERR_NOPROC;
    else if (task->type != type)
        err = SP_ERR_INVALID;
    else if (sp_pid_equal(task->pid, sp__process_pid(self)))
        err = SP_ERR_DEADLOCK;
    if (err != SP_OK)
        sp__task_slot_unlock(&task->slot);
    else if (task->slot.kind == SP__TASK_ENDED)
        err = join_ended(self, task, out, out_reason);
    else
        err = join_wait(self, task, out, until, out_reason);
    return err;
}

/* ---- the rest ---- */

sp_err sp_task_detach(sp_task handle)
{
    sp__point(SP__POINT_PROCESS, handle.serial, "detach task");
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct sp__task *task = task_find(runtime, handle);
    if (task == NULL)
        return SP_ERR_NOPROC;
    bool known = task->slot.kind != SP__TASK_GROUP && task->group == NULL && task->kept;
    if (!known || !sp_pid_equal(task->owner, sp__process_pid(self))) {
        sp__task_slot_unlock(&task->slot);
        return known ? SP_ERR_NOTCONTEXT : SP_ERR_NOPROC;
    }
    bool ended = task->slot.kind == SP__TASK_ENDED;
    sp__resource_remove(&task->resource);
    task->kept = false;
    sp__task_slot_unlock(&task->slot);
    if (ended)
        sp__task_take(runtime, task, NULL, NULL, NULL);
    return SP_OK;
}

sp_pid sp_task_pid(sp_task handle)
{
    struct sp_process *self = sp__process_self();
    struct sp__task *task = self == NULL ? NULL : task_find(sp__process_runtime(self), handle);
    if (task == NULL)
        return SP_PID_NONE;
    sp_pid pid = task->slot.kind == SP__TASK_GROUP ? SP_PID_NONE : task->pid;
    sp__task_slot_unlock(&task->slot);
    return pid;
}

sp_err sp_task_cancel(sp_task handle)
{
    if (sp__process_self() == NULL)
        return SP_ERR_NOTCONTEXT;
    sp_pid pid = sp_task_pid(handle);
    if (sp_pid_is_none(pid))
        return SP_ERR_NOPROC;
    sp_err err = sp_cancel(pid);
    return err == SP_ERR_NOPROC ? SP_OK : err; /* it has ended already */
}
