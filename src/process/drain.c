/* Draining: a process takes nothing new, finishes what it has, and ends.
 *
 *     sp_drain() ──> signal, DRAINING in the state word ──> sends are refused with SHUTDOWN
 *     owner      ──> after each message: anything left?  ──> ends with `shutdown`
 *
 * The bit is in the word that each send swaps, so a message is refused, or it counts as accepted
 * and is waited for: nothing comes between. Accepted is what is in the mailbox, requests that were
 * taken and are not answered, and callbacks that are due.
 *
 * Threads: the owner; the bit is also set by who asks. Neighbours: control.c (sp_drain()), send.c
 * (the refusal), server.c and wait.c (the end), behaviour/request.c (wakes it).
 */
#include "process/send.h"

void sp__process_drain(struct sp_process *self)
{
    if (self->stage != SP__EXIT_NOT || (self->attention & SP__ATTEND_DRAIN))
        return;
    self->attention |= SP__ATTEND_DRAIN | SP__ATTEND_PARK;
    sp__actor_drain(&self->actor);
    sp__send_room_all(self); /* who waits for room is refused */
}

bool sp_draining(void)
{
    struct sp_process *self = sp__process_self();
    /* relaxed: whoever waits for it looks again. */
    return self != NULL &&
           (sp__actor_draining(&self->actor) ||
            atomic_load_explicit(&sp__process_runtime(self)->draining, memory_order_relaxed));
}

bool sp__process_drained(struct sp_process *self)
{
    struct sp__extra *extra = self->extra;
    if (sp__mailbox_length(&self->actor) != 0 || self->saved != NULL)
        return false;
    if (extra == NULL)
        return true;
    /* Who answers a request in another process takes it out under the lock, then wakes us. */
    sp__lock_lock(&self->lock);
    bool drained = sp__map_count(&extra->requests) == 0 && sp__list_empty(&extra->callbacks);
    sp__lock_unlock(&self->lock);
    return drained;
}
