#include "process/signal.h"

#include "base/alloc.h"
#include "process/callback.h"
#include "process/give_up.h"
#include "process/relation.h"
#include "process/reply.h"
#include "process/scheduling.h"

static sp_err signal_push(struct sp_process *to, enum sp__signal_kind kind, sp_pid from,
                          const struct sp_reason *moved_reason, bool counted)
{
    struct sp__process_signal *signal = sp__malloc(sizeof(*signal));
    if (signal == NULL) {
        sp_reason_unref(moved_reason);
        return SP_ERR_NOMEM;
    }
    *signal = (struct sp__process_signal){
        .kind = kind, .counted = counted, .from = from, .reason = moved_reason
    };
    if (sp__actor_signal(&to->actor, &signal->base))
        return SP_OK;
    sp__signal_discard(signal);
    return SP_ERR_NOPROC;
}

sp_err sp__signal_send(struct sp_process *to, enum sp__signal_kind kind, sp_pid from,
                       const struct sp_reason *moved_reason)
{
    return signal_push(to, kind, from, moved_reason, false);
}

/* Is there room for one more? Then it is taken. */
static bool signal_count(struct sp_process *to)
{
    uint32_t max = to->actor.mailbox_max < UINT16_MAX ? to->actor.mailbox_max : UINT16_MAX;
    uint16_t count = atomic_load_explicit(&to->exit_signals, memory_order_relaxed);
    do {
        if (count >= max)
            return false;
        /* relaxed: only the number counts. */
    } while (!atomic_compare_exchange_weak_explicit(&to->exit_signals, &count,
                                                    (uint16_t)(count + 1), memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

sp_err sp__signal_send_counted(struct sp_process *to, sp_pid from,
                               const struct sp_reason *moved_reason)
{
    bool parent = to->parent_slot == from.slot && to->parent_serial == from.serial;
    if (parent || sp_reason_kind(moved_reason) == SP_REASON_KILL)
        return sp__signal_send(to, SP__SIGNAL_EXIT, from, moved_reason);
    if (!signal_count(to)) {
        sp_reason_unref(moved_reason);
        return SP_ERR_FULL;
    }
    sp_err err = signal_push(to, SP__SIGNAL_EXIT, from, moved_reason, true);
    if (err != SP_OK)
        atomic_fetch_sub_explicit(&to->exit_signals, 1, memory_order_relaxed);
    return err;
}

void sp__signal_discard(struct sp__process_signal *signal)
{
    switch (signal->kind) {
    case SP__SIGNAL_LINK:
        sp__link_free((struct sp__link *)signal);
        break;
    case SP__SIGNAL_DOWN:
        sp__monitor_free((struct sp__monitor *)signal);
        break;
    case SP__SIGNAL_CALLBACK:
        break; /* its owner's memory */
    case SP__SIGNAL_EXIT:
    case SP__SIGNAL_STOP:
    case SP__SIGNAL_SHUTDOWN:
    case SP__SIGNAL_DRAIN:
    case SP__SIGNAL_OVERFLOW:
        sp_reason_unref(signal->reason);
        if (signal->borrowed) /* release: pairs with the acquire of who sends it once more */
            atomic_store_explicit(&signal->queued, false, memory_order_release);
        else
            sp__free(signal);
        break;
    }
}

/* ---- what each does; a reason returned is a reference, and ends the process ---- */

static const struct sp_reason *signal_trapped(struct sp_process *self,
                                              const struct sp__process_signal *signal)
{
    sp_pid from = signal->from;
    unsigned flags = SP__MESSAGE_NOTICE | (signal->counted ? SP__MESSAGE_SIGNALLED : 0);
    struct sp_message *notice =
        sp__message_new(&sp_exit_notice_type, sizeof(struct sp_exit_notice), flags, from);
    if (notice == NULL)
        return sp_reason_out_of_memory();
    *(struct sp_exit_notice *)sp__message_payload(notice) =
        (struct sp_exit_notice){ from, sp_reason_ref(signal->reason) };
    sp__process_append(self, notice, self->flags & SP__PROCESS_NOTICES_FIRST);
    return NULL;
}

static const struct sp_reason *signal_exit(struct sp_process *self,
                                           const struct sp__process_signal *signal)
{
    bool linked = signal->kind == SP__SIGNAL_LINK;
    /* Only a signal that was sent is the kill that cannot be trapped; a linked process that
     * itself exited with `kill` is an ordinary reason. */
    bool kill = !linked && sp_reason_kind(signal->reason) == SP_REASON_KILL;
    if (!kill && (self->flags & SP__PROCESS_TRAP_EXIT))
        return signal_trapped(self, signal);
    if (signal->counted) /* relaxed: only the number counts */
        atomic_fetch_sub_explicit(&self->exit_signals, 1, memory_order_relaxed);
    if (!kill && sp_reason_kind(signal->reason) == SP_REASON_NORMAL)
        return NULL;
    self->flags |= SP__PROCESS_NO_TERMINATE;
    if (kill)
        return sp_reason_killed();
    return linked ? sp__reason_derive(signal->reason) : sp_reason_ref(signal->reason);
}

static const struct sp_reason *signal_stop(struct sp_process *self,
                                           const struct sp__process_signal *signal)
{
    if (!(self->flags & SP__PROCESS_HOOK_STOP))
        return sp_reason_ref(signal->reason);
    struct sp__extra *extra = sp__process_extra(self);
    if (extra == NULL)
        return sp_reason_out_of_memory();
    if (extra->stop == NULL)
        extra->stop = sp_reason_ref(signal->reason);
    self->attention |= SP__ATTEND_STOP;
    return NULL;
}

static void signal_down(struct sp_process *self, struct sp__monitor *monitor)
{
    struct sp__pending_slot *joiner = monitor->joiner;
    if (joiner != NULL) {
        /* Not when this process ends and has given the join up: nobody would drop the reference. */
        if (self->pending != NULL && self->pending->slots == joiner) {
            joiner->done = true;
            joiner->reason = sp_reason_ref(monitor->signal.reason);
        }
        return;
    }
    struct sp_down *down = sp__message_payload(monitor->down);
    down->reason = monitor->signal.reason;
    down->name = monitor->name;
    sp__process_append(self, monitor->down, self->flags & SP__PROCESS_NOTICES_FIRST);
    monitor->signal.reason = NULL;
    monitor->name = NULL;
    monitor->down = NULL;
}

static const struct sp_reason *signal_handle(struct sp_process *self,
                                             struct sp__process_signal *signal)
{
    switch (signal->kind) {
    case SP__SIGNAL_LINK:
    case SP__SIGNAL_EXIT:
        return signal_exit(self, signal);
    case SP__SIGNAL_STOP:
        return signal_stop(self, signal);
    case SP__SIGNAL_SHUTDOWN:
        return (self->flags & (SP__PROCESS_TRAP_EXIT | SP__PROCESS_HOOK_STOP))
                   ? signal_stop(self, signal)
                   : sp_reason_ref(signal->reason);
    case SP__SIGNAL_DRAIN:
        sp__process_drain(self);
        return NULL;
    case SP__SIGNAL_OVERFLOW:
        if (!(self->flags & SP__PROCESS_TRAP_EXIT))
            self->flags |= SP__PROCESS_NO_TERMINATE;
        return sp_reason_ref(signal->reason);
    case SP__SIGNAL_DOWN:
        signal_down(self, (struct sp__monitor *)signal);
        return NULL;
    case SP__SIGNAL_CALLBACK:
        sp__callback_queue(self, (struct sp__callback *)signal);
        return NULL;
    }
    return NULL;
}

const struct sp_reason *sp__process_signals(struct sp_process *self)
{
    const struct sp_reason *end = NULL;
    struct sp__signal *base = sp__actor_take_signals(&self->actor);
    while (base != NULL) {
        struct sp__process_signal *signal = sp__container_of(base, struct sp__process_signal, base);
        base = base->next;
        /* The first reason wins; the rest of the lane only has to be freed. */
        if (end == NULL)
            end = signal_handle(self, signal);
        sp__signal_discard(signal);
    }
    if (sp__process_given_up(self)) {
        sp_reason_unref(end);
        end = sp__process_given_up_reason(self);
    }
    return end;
}

/* Does it end the callback of the exit that is running? */
static bool ending_kills(const struct sp__process_signal *signal)
{
    return signal->kind == SP__SIGNAL_EXIT && sp_reason_kind(signal->reason) == SP_REASON_KILL;
}

static bool ending_stops(struct sp_process *self, const struct sp__process_signal *signal)
{
    /* One of a handler that has ended meanwhile changes nothing. */
    return signal->kind == SP__SIGNAL_OVERFLOW && sp__schedule_stops(self);
}

/* A callback's owner waits for it to be handed over; a DOWN or EXIT that the callback of the exit
 * asked for itself still reaches it. */
static void ending_pass(struct sp_process *self, struct sp__process_signal *signal)
{
    if (signal->kind == SP__SIGNAL_CALLBACK)
        sp__callback_queue(self, (struct sp__callback *)signal);
    else if (signal->kind == SP__SIGNAL_DOWN)
        signal_down(self, (struct sp__monitor *)signal);
    else if (signal->kind == SP__SIGNAL_LINK && (self->flags & SP__PROCESS_TRAP_EXIT))
        sp_reason_unref(signal_trapped(self, signal));
}

static void ending_kill_held(struct sp_process *self)
{
    self->attention |= SP__ATTEND_KILLED;
    self->flags |= SP__PROCESS_NO_TERMINATE;
    sp__process_set_exit(self, sp_reason_killed());
}

bool sp__process_signals_ending(struct sp_process *self)
{
    bool killed = false;
    bool stopped = false;
    struct sp__signal *base = sp__actor_take_signals(&self->actor);
    while (base != NULL) {
        struct sp__process_signal *signal = sp__container_of(base, struct sp__process_signal, base);
        base = base->next;
        killed = killed || ending_kills(signal);
        stopped = stopped || ending_stops(self, signal);
        ending_pass(self, signal);
        sp__signal_discard(signal);
    }
    if (sp__process_given_up(self) && !(self->attention & SP__ATTEND_GIVEN_UP)) {
        sp_reason_unref(sp__process_given_up_reason(self));
        killed = true;
    }
    if (self->attention & SP__ATTEND_HELD) {
        /* Others go first. */
        if (killed)
            ending_kill_held(self);
        return true;
    }
    if ((!killed && !stopped) || (self->flags & SP__PROCESS_FOREIGN) ||
        self->stage == SP__EXIT_DONE)
        return true;
    /* Why it ends stays as it was, unless it was killed. */
    sp__process_exit_now(self, killed ? sp_reason_killed() : sp_reason_normal());
}

bool sp__process_check(struct sp_process *self)
{
    if (!sp__actor_signalled(&self->actor))
        return true;
    /* Who looked for a deadlock meanwhile took us for one that can go on: so we look. relaxed:
     * the owner reads it next. */
    atomic_fetch_or_explicit(&self->shared, SP__SHARED_JOINED, memory_order_relaxed);
    if (self->stage != SP__EXIT_NOT) {
        /* It ends already; what comes now changes nothing but must not pile up. A kill still
         * counts: see exit.c. */
        return sp__process_signals_ending(self);
    }
    const struct sp_reason *end = sp__process_signals(self);
    if (end == NULL)
        return true;
    if (self->flags & SP__PROCESS_FOREIGN) {
        sp__process_exit(self, end);
        sp__context()->current = NULL;
        return false;
    }
    sp__process_exit_now(self, end);
}
