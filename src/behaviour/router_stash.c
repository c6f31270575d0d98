#include "behaviour/router_stash.h"

void sp__router_stash_init(struct sp__router_stash *stash, uint32_t max)
{
    *stash = (struct sp__router_stash){ .max = max };
    sp__lock_init(&stash->lock);
}

sp_err sp__router_stash_put(struct sp__router_stash *stash, struct sp_message *message)
{
    sp_err err = SP_OK;
    sp__lock_lock(&stash->lock);
    if (stash->state == SP__STASH_CLOSED) {
        err = SP_ERR_NOPROC;
    } else if (stash->state == SP__STASH_LISTED) {
        err = SP_ERR_STALE;
    } else if (stash->count >= stash->max) {
        err = SP_ERR_FULL;
    } else {
        sp__message_set_next(message, NULL);
        if (stash->first == NULL)
            stash->first = message;
        else
            sp__message_set_next(stash->last, message);
        stash->last = message;
        stash->count++;
        stash->stashed++;
    }
    sp__lock_unlock(&stash->lock);
    return err;
}

struct sp_message *sp__router_stash_take(struct sp__router_stash *stash)
{
    sp__lock_lock(&stash->lock);
    struct sp_message *message = stash->first;
    if (message != NULL) {
        stash->first = sp__message_next(message);
        stash->count--;
    }
    sp__lock_unlock(&stash->lock);
    return message;
}

bool sp__router_stash_end(struct sp__router_stash *stash, void (*change)(void *arg), void *arg)
{
    sp__lock_lock(&stash->lock);
    bool empty = stash->first == NULL;
    if (empty) {
        change(arg);
        stash->state = SP__STASH_LISTED;
    }
    sp__lock_unlock(&stash->lock);
    return empty;
}

void sp__router_stash_close(struct sp__router_stash *stash)
{
    sp__lock_lock(&stash->lock);
    stash->state = SP__STASH_CLOSED;
    sp__lock_unlock(&stash->lock);
}

uint64_t sp__router_stash_total(struct sp__router_stash *stash)
{
    sp__lock_lock(&stash->lock);
    uint64_t stashed = stash->stashed;
    sp__lock_unlock(&stash->lock);
    return stashed;
}
