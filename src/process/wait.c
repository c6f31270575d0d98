/* Waiting: for an operation that somebody else completes, for time, for a turn.
 *
 * Every wait is the same loop: done? told to exit? too late? else park; a wake-up without a
 * cause is harmless. Threads: the owner. Neighbours: runtime/actor.h (tokens), signal.c.
 */
#include "process/deadlock.h"

sp_err sp__process_before_park(struct sp_process *self, struct sp__park_hook *hook)
{
    struct sp__extra *extra = sp__process_extra(self);
    if (extra == NULL)
        return SP_ERR_NOMEM;
    if (!sp__list_linked(&hook->link))
        sp__list_push_back(&extra->park_hooks, &hook->link);
    self->attention |= SP__ATTEND_PARK;
    return SP_OK;
}

/* A server looks between its messages, see server.c. */
static void wait_drained(struct sp_process *self, bool receiving)
{
    self->attention |= SP__ATTEND_PARK;
    if (receiving && self->stage == SP__EXIT_NOT && sp__process_drained(self))
        sp_exit(sp_reason_shutdown());
}

void sp__process_run_park_hooks(struct sp_process *self, bool receiving)
{
    struct sp__extra *extra = self->extra;
    self->attention &= (uint16_t)~SP__ATTEND_PARK;
    for (struct sp__list *link;
         extra != NULL && (link = sp__list_pop_front(&extra->park_hooks)) != NULL;) {
        struct sp__park_hook *hook = sp__container_of(link, struct sp__park_hook, link);
        hook->run(hook);
    }
    if ((self->attention & SP__ATTEND_DRAIN) && !sp__process_is_server(self))
        wait_drained(self, receiving);
}

/* The bits that made the owner look: is it to wait no longer? A wait that nobody joined and
 * nobody cancelled does not come here. */
static bool wait_ends(struct sp_process *self, uint64_t token, uint32_t shared, sp_err *out_err)
{
    *out_err = SP_ERR_CANCELLED;
    if (sp__process_cancelled(self))
        return true;
    *out_err = SP_ERR_DEADLOCK;
    return (shared & SP__SHARED_LOOKED_AT) != 0 && sp__deadlock_closed(self, token);
}

sp_err sp__process_wait(struct sp_process *self, uint64_t token, int64_t deadline_ns)
{
    struct sp__actor *actor = &self->actor;
    /* A deadline of the future was computed just now: the clock is read after the first park. */
    bool look = deadline_ns == 0;
    while (!sp__wait_done(actor, token)) {
        if (!sp__process_check(self))
            return SP_ERR_NOTCONTEXT;
        /* seq_cst: after the own edge; see deadlock.h. For the rest relaxed would do: who sets a
         * bit wakes the owner, which looks again. */
        uint32_t shared = atomic_load_explicit(&self->shared, memory_order_seq_cst);
        sp_err err;
        if ((shared & (SP__SHARED_CANCELLED | SP__SHARED_LOOKED_AT)) != 0 &&
            wait_ends(self, token, shared, &err))
            return sp__wait_close(actor, token) ? err : SP_OK;
        if (look && deadline_ns != INT64_MAX && sp__now(actor->runtime) >= deadline_ns)
            return sp__wait_close(actor, token) ? SP_ERR_TIMEOUT : SP_OK;
        sp__process_park(self, false, deadline_ns);
        look = true;
    }
    return SP_OK;
}

bool sp__process_park_held(struct sp_process *self)
{
    self->attention |= SP__ATTEND_HELD;
    sp__process_park(self, false, INT64_MAX); /* not while there are signals */
    sp_ignore(sp__process_check(self));
    bool killed = (self->attention & SP__ATTEND_KILLED) != 0;
    self->attention &= (uint16_t) ~(SP__ATTEND_HELD | SP__ATTEND_KILLED);
    return killed;
}

void sp_yield(void)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL || !sp__process_check(self))
        return;
    if (self->attention & SP__ATTEND_PARK)
        sp__process_run_park_hooks(self, false);
    /* relaxed: as in before_leaving. */
    if (atomic_load_explicit(&self->shared, memory_order_relaxed) & SP__SHARED_WAITED_FOR)
        sp__send_room_leaving(self, true);
    self->actor.runtime->ops->yield(&self->actor);
    sp_ignore(sp__process_check(sp__process_self()));
}

bool sp_sleep(sp_duration d)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return false;
    if (d.ns <= 0) {
        sp_yield();
        return !sp_cancelled();
    }
    int64_t until = sp__scheduler_instant(sp__process_runtime(self), sp_after(d), sp_after(d));
    return sp__process_wait(self, sp__wait_open(&self->actor), until) == SP_ERR_TIMEOUT;
}
