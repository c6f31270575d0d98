/* What one process does to another: signal it, stop it, wait for its end. */
#include "process/deadlock.h"
#include "process/process.h"
#include "process/relation.h"
#include "process/reply.h"
#include "process/signal.h"

bool sp_trap_exit(bool on)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return false;
    bool before = (self->flags & SP__PROCESS_TRAP_EXIT) != 0;
    /* An attached thread cannot be ended by a signal: it always traps. */
    if (!on && (self->flags & SP__PROCESS_FOREIGN))
        return before;
    /* relaxed: inspection only; what decides is the owner's flag. */
    if (on) {
        self->flags |= SP__PROCESS_TRAP_EXIT;
        atomic_fetch_or_explicit(&self->shared, SP__SHARED_TRAPS, memory_order_relaxed);
    } else {
        self->flags &= (uint8_t)~SP__PROCESS_TRAP_EXIT;
        atomic_fetch_and_explicit(&self->shared, ~(uint32_t)SP__SHARED_TRAPS, memory_order_relaxed);
    }
    return before;
}

static sp_err control_signal(struct sp_process *self, sp_pid pid,
                             const struct sp_reason *moved_reason)
{
    sp__process_enter();
    struct sp_process *to = sp__process_lookup(sp__process_runtime(self), pid);
    sp_err err = SP_ERR_NOPROC;
    if (to != NULL)
        err = sp__signal_send_counted(to, sp__process_pid(self), moved_reason);
    else
        sp_reason_unref(moved_reason);
    sp__process_leave();
    return err;
}

sp_err sp_signal(sp_pid pid, const struct sp_reason *moved_reason)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(pid), "signal");
    struct sp_process *self = sp__process_self();
    if (self == NULL) {
        sp_reason_unref(moved_reason);
        return SP_ERR_NOTCONTEXT;
    }
    bool own = sp_pid_equal(pid, sp_self());
    /* `normal` from oneself ends a process; from another it is ignored. */
    if (own && sp_reason_kind(moved_reason) == SP_REASON_NORMAL &&
        !(self->flags & SP__PROCESS_TRAP_EXIT))
        sp_exit(moved_reason);
    sp_err err = control_signal(self, pid, moved_reason);
    if (own)
        sp_ignore(sp__process_check(self)); /* a signal to oneself acts at once */
    return err;
}

sp_err sp_kill(sp_pid pid)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(pid), "kill");
    return sp_signal(pid, sp_reason_kill());
}

/* Park until the monitor told its joiner. */
static sp_err join_wait(struct sp_process *self, struct sp__pending_slot *joiner, uint64_t id,
                        uint64_t token, int64_t until)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    bool late = false;
    for (;;) {
        if (!sp__process_check(self))
            return SP_ERR_NOTCONTEXT;
        if (joiner->done)
            return SP_OK;
        if (!late && sp__deadlock_closed(self, token) && sp__relation_demonitor(self, id))
            return SP_ERR_DEADLOCK;
        bool cancelled = sp__process_cancelled(self) && !late;
        if (cancelled || (until != INT64_MAX && sp__now(runtime) >= until)) {
            if (sp__relation_demonitor(self, id))
                return cancelled ? SP_ERR_CANCELLED : SP_ERR_TIMEOUT;
            late = true; /* it ended at this moment: the signal is on its way */
            until = INT64_MAX;
            continue;
        }
        sp__process_park(self, false, until);
    }
}

/* How one who waits for an end asks for it; `reason` NULL: it does not. */
struct join_ask {
    enum sp__signal_kind kind;
    const struct sp_reason *reason; /* moved */
};

/* The target has the monitor already. Inside an epoch section. */
static sp_err join_ask(struct sp_process *self, struct sp_process *target,
                       const struct join_ask *ask, uint64_t id)
{
    sp_err sent = sp__signal_send(target, ask->kind, sp__process_pid(self), ask->reason);
    /* Behind the signal: whoever is refused is refused by one that knows that it drains. */
    if (sent == SP_OK && ask->kind == SP__SIGNAL_DRAIN)
        sp__actor_drain(&target->actor);
    return sent == SP_ERR_NOMEM && sp__relation_demonitor(self, id) ? sent : SP_OK;
}

static sp_err join(struct sp_process *self, sp_pid pid, int64_t until, const struct join_ask *ask,
                   struct sp__pending_slot *joiner)
{
    uint64_t id;
    sp__process_enter();
    struct sp_process *target = sp__process_lookup(sp__process_runtime(self), pid);
    sp_err err = ask->reason != NULL && target == NULL ? SP_ERR_NOPROC : SP_OK;
    if (err == SP_OK && target != NULL && ask->kind == SP__SIGNAL_DRAIN &&
        target->actor.bound != NULL && target->actor.bound->kind == SP__CONTEXT_FOREIGN)
        err = SP_ERR_NOTSUP;
    if (err == SP_OK)
        err = sp__relation_monitor(self, target, pid, NULL, joiner, &id);
    if (err != SP_OK)
        sp_reason_unref(ask->reason);
    else if (ask->reason != NULL)
        err = join_ask(self, target, ask, id);
    sp__process_leave();
    if (err != SP_OK)
        return err;
    /* If this process ends while it waits, it drops the reason for us. */
    struct sp__pending pending = { .slots = joiner, .count = 1 };
    /* Nobody completes this wait: it is there to be seen. */
    uint64_t token = sp__wait_open(&self->actor);
    sp__edge_begin(self, &pending, pid, token, ask->reason != NULL ? SP_WAIT_STOP : SP_WAIT_JOIN);
    err = join_wait(self, joiner, id, token, until);
    if (err == SP_ERR_NOTCONTEXT) /* it is no process any more */
        return err;
    sp__wait_close(&self->actor, token);
    sp__edge_end(self);
    return err;
}

static sp_err control_end(sp_pid pid, const struct join_ask *ask, sp_deadline deadline)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL || sp_pid_equal(pid, sp_self())) {
        sp_reason_unref(ask->reason);
        return self == NULL ? SP_ERR_NOTCONTEXT : SP_ERR_DEADLOCK;
    }
    struct sp__pending_slot joiner = { 0 };
    int64_t until = sp__scheduler_instant(sp__process_runtime(self), deadline, sp_never());
    sp_err err = join(self, pid, until, ask, &joiner);
    sp_reason_unref(joiner.reason);
    return err;
}

sp_err sp_stop(sp_pid pid, const struct sp_reason *moved_reason, sp_deadline deadline)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(pid), "stop");
    if (moved_reason == NULL)
        moved_reason = sp_reason_normal();
    return control_end(pid, &(struct join_ask){ SP__SIGNAL_STOP, moved_reason }, deadline);
}

sp_err sp_drain(sp_pid pid, sp_deadline deadline)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(pid), "drain");
    return control_end(pid, &(struct join_ask){ SP__SIGNAL_DRAIN, sp_reason_shutdown() }, deadline);
}

sp_err sp_join(sp_pid pid, sp_deadline deadline, const struct sp_reason **out_reason)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(pid), "join");
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    if (sp_pid_equal(pid, sp_self()))
        return SP_ERR_DEADLOCK;
    struct sp__pending_slot joiner = { 0 };
    int64_t until = sp__scheduler_instant(sp__process_runtime(self), deadline, sp_never());
    sp_err err = join(self, pid, until, &(struct join_ask){ .reason = NULL }, &joiner);
    if (err == SP_OK && out_reason != NULL)
        *out_reason = joiner.reason;
    else
        sp_reason_unref(joiner.reason);
    return err;
}
