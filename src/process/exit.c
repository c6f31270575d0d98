/* The end of a process: the same steps on every way out.
 *
 *   TERMINATE  the behaviour's terminate callback, where it is due      user's code
 *   RELEASE    deferred functions and resources, last registered first  user's code
 *   DONE       name and groups, timers, serial, mailbox closed; links and watchers told;
 *              requests failed, messages destroyed, slot retired        ours
 *
 * The stage is advanced before the code of it runs, and each resource leaves the list
 * before it is released: so a second exit or a fault inside user's code simply goes on with
 * what is left, on the same or on a fresh stack.
 */
#include "base/alloc.h"
#include "process/callback.h"
#include "process/group.h"
#include "process/registry.h"
#include "process/relation.h"
#include "process/reply.h"
#include "process/resource.h"
#include "process/send.h"
#include "process/timer.h"
#include "runtime/log.h"
#include "runtime/slab.h"

static void exit_log(struct sp_process *self)
{
    if (sp_reason_is_normal(self->exit) ||
        sp__process_runtime(self)->options.log == NULL)
        return;
    char who[64];
    char pid[SP_PID_TEXT_MAX];
    sp__log(sp__process_runtime(self), SP_LOG_WARNING, "process %s (%s %s) ended: %s",
            sp__process_text(self, who), sp__process_label(self),
            sp_pid_format(sp__process_pid(self), pid), sp_reason_text(self->exit));
}

static void exit_release_names(struct sp_process *self)
{
    sp__registry_release(self);
    /* seq_cst: pairs with flag_group_member, which sets its bit and then looks at ENDING. */
    uint32_t shared =
        atomic_fetch_or_explicit(&self->shared, SP__SHARED_ENDING, memory_order_seq_cst);
    if (shared & SP__SHARED_GROUP_MEMBER)
        sp__groups_leave_all(sp__process_runtime(self)->groups, sp__process_pid(self));
    /* Only now: who is refused a link or a monitor takes it for dead, and finds its name free. */
    sp__relation_close(self);
    sp__timers_drop(self);
    sp__scheduler_clear_deadline(&self->actor);
}

static void exit_discard_signals(struct sp__signal *base)
{
    while (base != NULL) {
        struct sp__process_signal *signal = sp__container_of(base, struct sp__process_signal, base);
        base = base->next;
        sp__signal_discard(signal);
    }
}

/* What is left in the mailbox is dead: callers are told, payloads destroyed. */
static void exit_drain(struct sp_process *self)
{
    struct sp__counters *counters = &sp__context()->counters;
    for (unsigned spins = 0; sp__process_has_next(self);) {
        struct sp_message *message = sp__process_next(self);
        if (message == NULL) {
            sp__scheduler_spin(spins++); /* a sender is about to link its message */
            continue;
        }
        if (!(message->flags & SP__MESSAGE_NOTICE))
            sp__count(&counters->dead_noproc);
        sp__reply_fail_message(message, SP_ERR_DIED, self->exit);
        sp__message_destroy(message);
    }
    while (!sp__process_is_server(self) && self->received != NULL)
        sp__receive_free(self, self->received);
}

static void exit_free(struct sp_process *self)
{
    if (self->relations != NULL) {
        sp__map_finish(&self->relations->links);
        sp__map_finish(&self->relations->monitors);
        sp__free(self->relations);
        self->relations = NULL;
    }
    if (self->extra != NULL) {
        sp__extra_free(self->extra);
        self->extra = NULL;
    }
    sp_reason_unref(self->exit);
    self->exit = NULL;
}

static void exit_retire(struct sp__epoch_node *node)
{
    struct sp_process *self = sp__container_of(node, struct sp_process, retired);
    sp__slab_give(self->actor.runtime->processes, self->slot);
}

static void exit_slot(struct sp_process *self)
{
    sp__epoch_retire(&sp__context()->epoch, &self->retired, exit_retire);
}

/* It cannot be found any more. The runtime does not go before its threads do, and so not before
 * what is left of this exit. */
static void exit_count(struct sp_process *self)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    sp__count(&sp__context()->counters.exited);
    if (atomic_fetch_sub_explicit(&runtime->live, 1, memory_order_acq_rel) <= 2)
        sp__runtime_last_gone(runtime);
}

/* Last registered first; a release may add new ones. */
static void exit_release(struct sp_process *self, bool late)
{
    struct sp__resource **at = &self->resources;
    while (*at != NULL) {
        struct sp__resource *resource = *at;
        if (resource->late && !late) {
            at = &resource->next;
            continue;
        }
        sp__resource_remove(resource);
        resource->release(resource);
        at = &self->resources;
    }
}

static void exit_done(struct sp_process *self)
{
    sp_pid pid = sp__process_pid(self);
    self->exit = sp__reason_of(self->exit, pid);
    exit_log(self);
    exit_release_names(self);
    /* release: who finds it dead finds its name free. */
    atomic_store_explicit(&self->serial, pid.serial | SP__SERIAL_DEAD, memory_order_release);
    exit_discard_signals(sp__actor_close(&self->actor));
    exit_release(self, true);
    exit_count(self);
    sp__relation_tell(self, pid, self->exit);
    sp__send_room_all(self);
    if (self->behaviour->finish != NULL)
        self->behaviour->finish(self, self->exit);
    exit_drain(self);
    exit_free(self);
    exit_slot(self);
}

static void exit_run(struct sp_process *self)
{
    if (self->stage == SP__EXIT_NOT) {
        self->stage = SP__EXIT_TERMINATE;
        if (self->behaviour->terminate != NULL && !(self->flags & SP__PROCESS_NO_TERMINATE))
            self->behaviour->terminate(self, self->exit);
    }
    self->stage = SP__EXIT_RELEASE;
    exit_release(self, false);
    self->stage = SP__EXIT_DONE;
    exit_done(self);
}

/* Nobody may write to the stack that is about to go. */
static void exit_close_wait(struct sp_process *self)
{
    uint64_t wait = atomic_load_explicit(&self->actor.wait, memory_order_relaxed);
    if ((wait & 3) != SP__WAIT_NONE && (wait & 3) != SP__WAIT_DONE)
        sp__wait_close(&self->actor, wait >> 2);
}

void sp__process_exit(struct sp_process *self, const struct sp_reason *moved_reason)
{
    exit_close_wait(self);
    if (self->stage == SP__EXIT_NOT) {
        self->exit = moved_reason;
    } else if (sp_reason_kind(moved_reason) == SP_REASON_KILLED) {
        sp_reason_unref(self->exit);
        self->exit = moved_reason;
    } else {
        sp_reason_unref(moved_reason);
    }
    exit_run(self);
}

void sp__process_exit_now(struct sp_process *self, const struct sp_reason *moved_reason)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct sp__actor *actor = &self->actor;
    sp__process_exit(self, moved_reason);
    runtime->ops->abandon(actor);
    __builtin_unreachable();
}

void sp_exit(const struct sp_reason *moved_reason)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL || (self->flags & SP__PROCESS_FOREIGN))
        __builtin_trap(); /* a foreign thread's stack is not ours to drop */
    sp__process_exit_now(self, moved_reason);
}

void sp_exit_error(sp_err code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const struct sp_reason *reason = sp__reason_errorv(code, format, args);
    va_end(args);
    sp_exit(reason);
}

/* ---- what the scheduler calls ---- */

void sp__process_on_fault(struct sp__actor *actor, const struct sp_fault *fault)
{
    struct sp_process *self = (struct sp_process *)(void *)actor;
    struct sp_fault own = *fault;
    if (own.handler == NULL)
        own.handler = self->behaviour->running != NULL ? self->behaviour->running(self)
                                                       : sp__process_label(self);
    sp__count(&sp__context()->counters.faults);
    sp__process_exit(self, sp__reason_fault(&own));
}

void sp__process_on_no_fiber(struct sp__actor *actor)
{
    sp__process_exit_now((struct sp_process *)(void *)actor, sp_reason_out_of_memory());
}

void sp__process_on_no_stack(struct sp__actor *actor)
{
    sp__process_exit((struct sp_process *)(void *)actor, sp_reason_out_of_memory());
}
