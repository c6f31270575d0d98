#include "process/aside.h"

enum {
    /* A chain of more reentrant servers than this is not followed to its end: what comes through it
     * is taken for a stranger. */
    CHAIN_STEPS_MAX = 4096,
};

/* Most processes have never put anything aside: they are not locked for it. */
static bool aside_possible(struct sp_process *process)
{
    /* acquire, of the wait too: whoever found it closed finds the bit, which was set before. */
    (void)atomic_load_explicit(&process->actor.wait, memory_order_acquire);
    return (atomic_load_explicit(&process->shared, memory_order_acquire) & SP__SHARED_ASIDE) != 0;
}

/* With the lock held. */
static struct sp__aside *aside_find(struct sp_process *process, uint64_t token, uint64_t mask)
{
    struct sp__extra *extra = process->extra;
    if (process->closed || extra == NULL)
        return NULL;
    for (struct sp__list *at = extra->asides.next; at != &extra->asides; at = at->next) {
        struct sp__aside *aside = sp__container_of(at, struct sp__aside, link);
        if ((aside->token & mask) == (token & mask))
            return aside;
    }
    return NULL;
}

/* ---- the owner ---- */

void sp__aside_add(struct sp_process *self, struct sp__aside *aside)
{
    sp__lock_lock(&self->lock);
    sp__list_push_back(&self->extra->asides, &aside->link);
    self->extra->aside_count++;
    sp__lock_unlock(&self->lock);
    /* release: pairs with the acquire in possible(). */
    atomic_fetch_or_explicit(&self->shared, SP__SHARED_ASIDE, memory_order_release);
}

bool sp__aside_remove(struct sp_process *self, struct sp__aside *aside)
{
    sp__lock_lock(&self->lock);
    sp__list_remove(&aside->link);
    self->extra->aside_count--;
    bool done = aside->done;
    sp__lock_unlock(&self->lock);
    return done;
}

void sp__aside_done(struct sp_process *self, struct sp__aside *aside)
{
    sp__lock_lock(&self->lock);
    aside->done = true;
    sp__lock_unlock(&self->lock);
}

bool sp__aside_keeps(struct sp_process *self, const struct sp__pending *pending)
{
    struct sp__extra *extra = self->extra;
    bool keeps = false;
    if (extra == NULL || extra->aside_count == 0)
        return false;
    sp__lock_lock(&self->lock);
    for (struct sp__list *at = extra->asides.next; at != &extra->asides && !keeps; at = at->next)
        keeps = sp__container_of(at, struct sp__aside, link)->pending == pending;
    sp__lock_unlock(&self->lock);
    return keeps;
}

struct sp__aside *sp__aside_first_done(struct sp_process *self)
{
    struct sp__list *asides = &self->extra->asides;
    struct sp__aside *found = NULL;
    sp__lock_lock(&self->lock);
    for (struct sp__list *at = asides->next; at != asides && found == NULL; at = at->next) {
        struct sp__aside *aside = sp__container_of(at, struct sp__aside, link);
        if (aside->done)
            found = aside;
    }
    sp__lock_unlock(&self->lock);
    return found;
}

/* ---- who answers ---- */

bool sp__aside_reply(struct sp_process *caller, const struct sp__reply_to *to,
                     const struct sp__reply *reply)
{
    bool delivered = false;
    if (!aside_possible(caller))
        return false;
    sp__lock_lock(&caller->lock);
    struct sp__aside *aside = aside_find(caller, to->token, UINT64_MAX);
    if (aside != NULL && !aside->done && !aside->pending->slots[to->index].done) {
        sp__reply_write(aside->pending, to->index, reply);
        aside->done = aside->pending->remaining == 0;
        delivered = true;
    }
    sp__lock_unlock(&caller->lock);
    if (delivered)
        sp__actor_wake(&caller->actor);
    return delivered;
}

bool sp__aside_waits(struct sp_process *caller, uint64_t token)
{
    if (!aside_possible(caller))
        return false;
    sp__lock_lock(&caller->lock);
    const struct sp__aside *aside = aside_find(caller, token, UINT64_MAX);
    bool waits = aside != NULL && !aside->done;
    sp__lock_unlock(&caller->lock);
    return waits;
}

bool sp__aside_shows(struct sp_process *caller, const struct sp__pending *pending, uint64_t token)
{
    bool shows = false;
    if (!aside_possible(caller))
        return false;
    sp__lock_lock(&caller->lock);
    struct sp__extra *extra = caller->extra;
    for (struct sp__list *at = extra->asides.next; at != &extra->asides && !shows; at = at->next) {
        const struct sp__aside *aside = sp__container_of(at, struct sp__aside, link);
        shows = aside->pending == pending && aside->token != token;
    }
    sp__lock_unlock(&caller->lock);
    return shows;
}

/* With the lock held. True: it is done now. */
static bool aside_fail_one(struct sp_process *caller, struct sp__aside *aside, sp_pid server,
                           const struct sp_reason *reason)
{
    /* acquire: pairs with the owner's closing; then its slots are ours. */
    uint64_t wait = atomic_load_explicit(&caller->actor.wait, memory_order_acquire);
    if (aside->done || ((wait >> 2) == aside->token && (wait & 3) != SP__WAIT_NONE))
        return false;
    sp__reply_fail_from(aside->pending, sp_pid_equal(aside->to, server), server, reason);
    aside->done = aside->pending->remaining == 0;
    return aside->done;
}

void sp__aside_fail(struct sp_process *caller, sp_pid server, const struct sp_reason *reason)
{
    bool done = false;
    if (!aside_possible(caller))
        return;
    sp__lock_lock(&caller->lock);
    struct sp__extra *extra = caller->extra;
    for (struct sp__list *at = extra->asides.next; !caller->closed && at != &extra->asides;
         at = at->next)
        done =
            aside_fail_one(caller, sp__container_of(at, struct sp__aside, link), server, reason) ||
            done;
    sp__lock_unlock(&caller->lock);
    if (done)
        sp__actor_wake(&caller->actor);
}

void sp__aside_defer(struct sp_process *caller, const struct sp__reply_to *to, bool loosen)
{
    if (!aside_possible(caller))
        return;
    sp__lock_lock(&caller->lock);
    struct sp__aside *aside = aside_find(caller, to->token, UINT64_MAX);
    if (aside != NULL && loosen)
        aside->deferred = true;
    else if (aside != NULL && !aside->done)
        aside->pending->slots[to->index].deferred = true;
    sp__lock_unlock(&caller->lock);
}

/* ---- chains ---- */

/* The chain of the call that this one names: what it goes on with, or 0; `*out_found`: it waits. */
static uint64_t chain_outer(struct sp_process *process, uint64_t chain, bool *out_found)
{
    uint64_t mask = (UINT64_C(1) << SP__CHAIN_TOKEN_BITS) - 1;
    sp__lock_lock(&process->lock);
    const struct sp__aside *aside = aside_find(process, chain, mask);
    *out_found = aside != NULL && !aside->done;
    uint64_t outer = aside == NULL ? 0 : aside->chain_outer;
    sp__lock_unlock(&process->lock);
    return outer;
}

bool sp__chain_passes(struct sp_process *self, uint64_t chain)
{
    struct sp__slab *processes = sp__process_runtime(self)->processes;
    bool found = true;
    for (uint32_t steps = 0; chain != 0 && found && steps < CHAIN_STEPS_MAX; steps++) {
        /* The slot's memory is a process's for good; its tokens go on counting over its users. */
        struct sp_process *at = sp__slab_get(processes, (uint32_t)(chain >> SP__CHAIN_TOKEN_BITS));
        if (at == NULL)
            return false;
        sp__process_enter();
        uint64_t outer = chain_outer(at, chain, &found);
        sp__process_leave();
        if (found && at == self)
            return true;
        chain = outer;
    }
    return false;
}
