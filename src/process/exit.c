/* The end of a process: the same steps on every way out.
 *
 *   TERMINATE  the behaviour's terminate callback, where it is due       user's code
 *   RELEASE    deferred functions and resources, last registered first   user's code
 *   LOG        the report of an abnormal end, noted in exits.c           user's code
 *   LEAVE      name, groups, timers                                      user's destructors
 *   DONE       serial, mailbox closed; links and watchers told
 *   FINISH     the behaviour's own data; requests failed                 user's destructors
 *   DRAIN      messages destroyed, slot retired                          user's destructors
 *
 * The stage is advanced before the code of it runs, and each resource or message leaves its
 * list before it is released: so a second exit or a fault inside user's code simply goes on
 * with what is left, on the same or on a fresh stack. From DONE on nothing wakes it any more: a
 * destructor that suspends ends there, see sp__process_park().
 */
#include "base/alloc.h"
#include "base/usdt.h"
#include "process/aside.h"
#include "process/callback.h"
#include "process/crash.h"
#include "process/dead_letter.h"
#include "process/exits.h"
#include "process/give_up.h"
#include "process/group.h"
#include "process/leaks.h"
#include "process/living.h"
#include "process/log.h"
#include "process/registry.h"
#include "process/relation.h"
#include "process/reply.h"
#include "process/resource.h"
#include "process/scheduling.h"
#include "process/send.h"
#include "process/timer.h"
#include "process/watched.h"
#include "runtime/log.h"
#include "runtime/recorder.h"

static void exit_log(struct sp_process *self)
{
    if (sp_reason_is_normal(self->exit))
        return;
    sp__exits_note(self, self->exit);
    if (!sp__log_on(sp__process_runtime(self), SP_LOG_WARNING))
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
    /* relaxed: the bit is set under the lock that release() took, and not after that. */
    if (atomic_load_explicit(&self->shared, memory_order_relaxed) & SP__SHARED_GROUP_MEMBER)
        sp__groups_leave_all(sp__process_runtime(self)->groups, sp__process_pid(self));
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
    for (unsigned spins = 0; sp__process_has_next(self);) {
        struct sp_message *message = sp__process_next(self);
        if (message == NULL) {
            sp__scheduler_spin(spins++); /* a sender is about to link its message */
            continue;
        }
        if (!(message->flags & SP__MESSAGE_NOTICE))
            sp__dead_letter(SP_DEAD_EXITED, message, sp__process_pid(self));
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
    sp_reason_unref(self->exit);
    self->exit = NULL;
}

/* Who found the process in time may still read the extra part, or make one. */
static void exit_retire(struct sp__epoch_node *node)
{
    struct sp_process *self = sp__container_of(node, struct sp_process, retired);
    /* acquire: pairs with the swap in sp__process_extra(), of whoever made it. */
    struct sp__extra *extra = atomic_load_explicit(&self->extra, memory_order_acquire);
    if (extra != NULL) {
        sp__process_log_forget(self->actor.runtime, extra);
        sp__extra_free(extra);
    }
    struct sp__context *context = sp__context();
    if (context != NULL && context->runtime == self->actor.runtime)
        sp__slab_cache_give(&context->process_cache, self->slot);
    else
        sp__slab_give(self->actor.runtime->processes, self->slot);
}

static void exit_slot(struct sp_process *self)
{
    sp__epoch_retire(&sp__context()->epoch, &self->retired, exit_retire);
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
        if (sp__leaks_reported(sp__process_runtime(self)))
            sp__leaks_release(self, resource);
        else
            resource->release(resource);
        at = &self->resources;
    }
}

/* Whoever learns that it has ended, in whatever way, finds nothing left of it. The runtime does
 * not go before its threads do, and so not before what is left of this exit. Returns what was
 * in the control lane. */
static struct sp__signal *exit_vanish(struct sp_process *self)
{
    uint64_t serial = atomic_load_explicit(&self->serial, memory_order_relaxed);
    sp__living_exited(sp__context());
    /* release: who finds it dead finds all that came before. */
    atomic_store_explicit(&self->serial, serial | SP__SERIAL_DEAD, memory_order_release);
    return sp__actor_close(&self->actor);
}

/* Most processes end as they were born, without a name, relations or anything else: then one hold
 * of the lock does all of LEAVE and DONE. False: there is something, nothing was done. */
static bool exit_bare(struct sp_process *self)
{
    if (self->resources != NULL || self->actor.timer != NULL)
        return false;
    struct sp__signal *signals = NULL;
    sp__lock_lock(&self->lock);
    /* relaxed: both are set under the lock, or by who looks at `closed` afterwards. */
    bool bare =
        self->relations == NULL &&
        atomic_load_explicit(&self->extra, memory_order_relaxed) == NULL &&
        !(atomic_load_explicit(&self->shared, memory_order_relaxed) & SP__SHARED_GROUP_MEMBER);
    if (bare) {
        self->leaving = true;
        sp__watched_exit(self, self->exit);
        signals = exit_vanish(self);
        self->closed = true;
    }
    sp__lock_unlock(&self->lock);
    exit_discard_signals(signals);
    return bare;
}

static void exit_done(struct sp_process *self)
{
    sp_pid pid = sp__process_pid(self);
    bool given_up = sp__process_given_up(self);
    if (!given_up) /* else that was told when it was */
        sp__watched_exit(self, self->exit);
    exit_discard_signals(exit_vanish(self));
    exit_release(self, true);
    sp__relation_tell(self, pid, self->exit);
    sp__send_room_all(self);
    if (given_up)
        sp__process_given_up_end(self);
}

/* The user's code first; what is skipped because the stage is past it has run, or was left by a
 * fault or by sp_exit(). */
static void exit_run_stages(struct sp_process *self)
{
    if (self->stage == SP__EXIT_NOT) {
        self->stage = SP__EXIT_TERMINATE;
        if (self->behaviour->quiesce != NULL)
            self->behaviour->quiesce(self);
        if (self->behaviour->terminate != NULL && !(self->flags & SP__PROCESS_NO_TERMINATE) &&
            !sp__process_given_up(self))
            self->behaviour->terminate(self, self->exit);
    }
    if (self->stage <= SP__EXIT_RELEASE) {
        self->stage = SP__EXIT_RELEASE;
        if (sp__process_given_up(self)) /* the callback that was late has ended by itself */
            self->attention |= SP__ATTEND_GIVEN_UP;
        exit_release(self, false);
        if (self->attention & SP__ATTEND_SCHEDULE)
            sp__schedule_leave(self);
        self->stage = SP__EXIT_LOG;
        self->exit = sp__reason_of(self->exit, sp__process_pid(self));
        if (!sp__process_given_up(self))
            exit_log(self);
        if (sp__leaks_reported(sp__process_runtime(self)))
            sp__leaks_report(self);
    }
    if (self->stage <= SP__EXIT_LEAVE) {
        self->stage = SP__EXIT_LEAVE;
        if (!exit_bare(self)) {
            exit_release_names(self);
            exit_release(self, false); /* what was in a destructor that did not come back */
            self->stage = SP__EXIT_DONE;
            exit_done(self);
        }
        self->stage = SP__EXIT_FINISH;
    }
    if (self->stage == SP__EXIT_FINISH && self->behaviour->finish != NULL)
        self->behaviour->finish(self, self->exit);
    self->stage = SP__EXIT_DRAIN;
}

static void exit_run(struct sp_process *self)
{
    exit_run_stages(self);
    exit_drain(self);
    exit_release(self, true); /* what destructors asked for, or did not come back from */
    exit_free(self);
    exit_slot(self);
}

void sp__process_returned(struct sp_process *self)
{
    /* acquire: as in close_wait. */
    uint64_t wait = atomic_load_explicit(&self->actor.wait, memory_order_acquire);
    bool waits = (wait & 3) == SP__WAIT_OPEN || (wait & 3) == SP__WAIT_BUSY;
    if (waits || self->pending != NULL || sp__point_acts(sp__context()) || !exit_bare(self)) {
        sp__process_exit(self, sp_reason_normal());
        return;
    }
    self->exit = sp_reason_normal();
    SP__USDT2(exit, self->slot, SP_REASON_NORMAL);
    self->stage = SP__EXIT_FINISH;
    exit_run(self);
}

/* Nobody may write to the stack that is about to go; and what was written there already, and
 * nobody has looked at, goes with it. */
static void exit_close_wait(struct sp_process *self)
{
    /* acquire: pairs with finish, where the wait is done. */
    uint64_t wait = atomic_load_explicit(&self->actor.wait, memory_order_acquire);
    if ((wait & 3) != SP__WAIT_NONE && (wait & 3) != SP__WAIT_DONE)
        sp__wait_close(&self->actor, wait >> 2);
    if (self->pending != NULL && !sp__aside_keeps(self, self->pending))
        sp__pending_abandon(self);
    self->pending = NULL;
}

void sp__process_set_exit(struct sp_process *self, const struct sp_reason *moved_reason)
{
    bool killed = sp_reason_kind(moved_reason) == SP_REASON_KILLED && self->stage < SP__EXIT_LOG;
    const struct sp_reason *loses = self->exit == NULL || killed ? self->exit : moved_reason;
    if (loses == self->exit)
        self->exit = moved_reason;
    sp_reason_unref(loses);
}

void sp__process_exit(struct sp_process *self, const struct sp_reason *moved_reason)
{
    if (self->attention & SP__ATTEND_SCHEDULE)
        sp__schedule_break(self);
    /* It waits for nobody any more; see deadlock.h. No wait has the token 0. */
    atomic_store_explicit(&self->waits_token, 0, memory_order_release);
    if (self->stage == SP__EXIT_NOT) {
        SP__USDT2(exit, self->slot, sp_reason_kind(moved_reason));
        sp__point(SP__POINT_EXIT, sp__point_pid(sp__process_pid(self)), "exit");
    }
    sp__process_set_exit(self, moved_reason);
    exit_close_wait(self);
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
    /* Past LOG the behaviour's data may be gone. */
    if (own.handler == NULL && self->stage > SP__EXIT_LOG)
        own.handler = "a destructor";
    else if (own.handler == NULL)
        own.handler = self->behaviour->running != NULL ? self->behaviour->running(self)
                                                       : sp__process_label(self);
    sp__count(&sp__context()->counters.faults);
    sp__record(sp__context(), SP_RECORD_FAULT, 0, own.handler);
    if (sp__log_on(sp__process_runtime(self), SP_LOG_WARNING))
        sp__recorder_log(sp__context());
    sp__crash_report(self, &own);
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
