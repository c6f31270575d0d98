#include "process/callback.h"

void sp__callback_init(struct sp__callback *callback, void (*run)(struct sp__callback *callback))
{
    callback->signal = (struct sp__process_signal){ .kind = SP__SIGNAL_CALLBACK };
    sp__list_init(&callback->link);
    atomic_init(&callback->posted, 0);
    callback->anytime = false;
    callback->run = run;
}

bool sp__callback_post(struct sp__actor *actor, struct sp__callback *callback)
{
    /* acq_rel: acquire pairs with the release of the run before: the link is free again. */
    if (atomic_exchange_explicit(&callback->posted, 1, memory_order_acq_rel) != 0)
        return true;
    if (sp__actor_signal(actor, &callback->signal.base))
        return true;
    atomic_store_explicit(&callback->posted, 0, memory_order_release);
    return false;
}

void sp__callback_queue(struct sp_process *self, struct sp__callback *callback)
{
    if (callback->anytime) {
        /* release: as in run. */
        atomic_store_explicit(&callback->posted, 0, memory_order_release);
        callback->run(callback);
        return;
    }
    struct sp__extra *extra = sp__process_extra(self);
    /* The callback's owner made room with sp__process_extra() before it was ever posted. */
    sp__list_push_back(&extra->callbacks, &callback->link);
    self->attention |= SP__ATTEND_CALLBACKS;
}

void sp__callback_cancel(struct sp_process *self, struct sp__callback *callback)
{
    /* acquire: pairs with the release of a post that was refused, or of a run. */
    if (atomic_load_explicit(&callback->posted, memory_order_acquire) == 0)
        return;
    /* It is in the control lane, or due already. Working off the lane may end the process, in
     * whose exit this is called again with the lane closed. */
    while (!sp__list_linked(&callback->link) && sp__actor_signalled(&self->actor))
        if (!sp__process_check(self))
            break;
    /* release: as in run; the next post finds the link free. */
    sp__list_remove(&callback->link);
    atomic_store_explicit(&callback->posted, 0, memory_order_release);
}

bool sp__callbacks_run(struct sp_process *self)
{
    self->attention &= (uint16_t)~SP__ATTEND_CALLBACKS;
    if (self->extra == NULL)
        return false;
    bool ran = false;
    for (struct sp__list *link; (link = sp__list_pop_front(&self->extra->callbacks)) != NULL;) {
        struct sp__callback *callback = sp__container_of(link, struct sp__callback, link);
        /* release: pairs with the acquire in post: what happens from here on posts anew. */
        atomic_store_explicit(&callback->posted, 0, memory_order_release);
        callback->run(callback);
        ran = true;
    }
    return ran;
}
