#include "process/timer.h"

#include "base/usdt.h"
#include "process/dead_letter.h"
#include "process/dropper.h"
#include "process/give_up.h"
#include "process/relation.h"
#include "process/send.h"
#include "process/trace.h"
#include "runtime/mailbox.h"
#include "runtime/message_pool.h"
#include "runtime/slab.h"

enum {
    TIMER_NUMBER_BITS = 24, /* the slab's 16,777,216 slots */
    /* Timers fired per hold of their process's lock: a microsecond, so that who arms or cancels
     * meanwhile spins and does not fall asleep. */
    TIMER_FIRE_MAX = 32,
};

#define TIMER_RESERVED_KEY (UINT64_C(1) << 63)

/* One cache line: with a million of them, each line is a miss when it fires. */
struct timer {
    struct sp__timer_node node; /* first */
    _Atomic uint64_t id;        /* use of the slot << 24 | number; bit 63: free */
    /* Whose slot it is in; read by cancel before the lock, which guards what follows. */
    _Atomic(struct sp_process *) target;
    struct sp_message *message; /* what it will send; NULL: sent, or cancelled */
    uint32_t newer;             /* on the list of its target: number + 1, or 0, */
    _Atomic uint32_t older;     /* or TIMER_UNLISTED: it is over, or cancelled */
};

_Static_assert(sizeof(struct timer) == 64, "a timer is a cache line");

#define TIMER_FREE (UINT64_C(1) << 63)
#define TIMER_UNLISTED UINT32_MAX

static uint32_t timer_number(uint64_t id)
{
    return (uint32_t)(id & ((1u << TIMER_NUMBER_BITS) - 1));
}

static struct timer *timer_of(struct sp_runtime *runtime, uint64_t id)
{
    struct timer *timer = sp__slab_get(runtime->timer_slots, timer_number(id));
    /* acquire: pairs with the release in take. */
    if (timer == NULL || atomic_load_explicit(&timer->id, memory_order_acquire) != id)
        return NULL;
    return timer;
}

/* Written by who has the lock of its process, or knows alone of it. release: pairs with the acquire
 * in cancel: who sees what a new user of the slot wrote here does not take its id for the old. */
static void timer_set_older(struct timer *timer, uint32_t older)
{
    atomic_store_explicit(&timer->older, older, memory_order_release);
}

/* relaxed: the lock of its process lies between. */
static uint32_t timer_older(const struct timer *timer)
{
    return atomic_load_explicit(&timer->older, memory_order_relaxed);
}

static struct timer *timer_of_node(struct sp__timer_node *node)
{
    return sp__container_of(node, struct timer, node);
}

/* Of one that is due. */
static struct sp_process *timer_target(struct sp__timer_node *node)
{
    /* relaxed: the wheel's lock lies between who armed it and us. */
    return atomic_load_explicit(&timer_of_node(node)->target, memory_order_relaxed);
}

static sp_err timer_take(struct sp__context *context, struct timer **out)
{
    uint32_t number;
    void *item;
    sp_err err = sp__slab_cache_take(&context->timer_cache, &number, &item);
    if (err != SP_OK)
        return err;
    struct timer *timer = item;
    uint64_t use =
        (atomic_load_explicit(&timer->id, memory_order_relaxed) & ~TIMER_FREE) >> TIMER_NUMBER_BITS;
    uint64_t id = ((use + 1) << TIMER_NUMBER_BITS) | number;
    atomic_store_explicit(&timer->target, NULL, memory_order_relaxed);
    timer_set_older(timer, TIMER_UNLISTED);
    /* release: pairs with the acquire in timer_of(): whoever finds it sees no older target. */
    atomic_store_explicit(&timer->id, id, memory_order_release);
    *out = timer;
    return SP_OK;
}

/* Nobody else knows of it any more, or only by its id; its message is gone. */
static void timer_free(struct sp__context *context, struct timer *timer)
{
    uint64_t id = atomic_load_explicit(&timer->id, memory_order_relaxed);
    /* release: pairs with the acquire in timer_of(): who finds it free finds it off its list. */
    atomic_store_explicit(&timer->id, id | TIMER_FREE, memory_order_release);
    sp__slab_cache_give(&context->timer_cache, timer_number(id));
}

/* ---- the list of a process; under its lock ---- */

static struct timer *timer_at(const struct timer *timer, uint32_t link, uint32_t own)
{
    /* Slots lie side by side. */
    return (struct timer *)(uintptr_t)timer + ((int64_t)link - 1 - own);
}

static void timer_list(struct timer *timer, struct sp__relations *relations)
{
    uint32_t number = timer_number(atomic_load_explicit(&timer->id, memory_order_relaxed));
    timer->newer = 0;
    timer_set_older(timer, relations->timers);
    if (relations->timers != 0)
        timer_at(timer, relations->timers, number)->newer = number + 1;
    relations->timers = number + 1;
    relations->timer_count++;
}

static void timer_unlist(struct timer *timer, struct sp__relations *relations)
{
    uint32_t number = timer_number(atomic_load_explicit(&timer->id, memory_order_relaxed));
    uint32_t older = timer_older(timer);
    if (older != 0)
        timer_at(timer, older, number)->newer = timer->newer;
    if (timer->newer != 0)
        timer_set_older(timer_at(timer, timer->newer, number), older);
    else
        relations->timers = older;
    timer_set_older(timer, TIMER_UNLISTED);
    relations->timer_count--;
}

/* ---- firing ---- */

/* What it sends now. NULL: it repeats, and there is no memory for a copy. */
static struct sp_message *timer_message(struct sp__context *context, struct timer *timer)
{
    struct sp_message *message = timer->message;
    if (message->flags & SP__MESSAGE_TEMPLATE) {
        struct sp_message *template = timer->message;
        unsigned flags = template->flags & ~(unsigned)SP__MESSAGE_TEMPLATE;
        message =
            (flags & SP__MESSAGE_TRACED)
                ? sp__trace_copy(context, template, flags)
                : sp__message_take(context, template->type, template->size, flags, template->from);
        if (message == NULL)
            return NULL;
        sp__payload_copy(sp__message_payload(message), template->body, template->size);
    } else {
        timer->message = NULL;
        if (message->flags & SP__MESSAGE_TRACED)
            sp__trace_sent(context, message);
    }
    message->aux = atomic_load_explicit(&timer->id, memory_order_relaxed);
    return message;
}

/* Target's lock held. Without memory for the message the tick is dropped and counted. What was not
 * delivered goes to `*refused`: its destructor is the user's, and not for here. */
static void timer_send(struct sp__context *context, struct timer *timer, struct sp_process *target,
                       struct sp_message **refused)
{
    struct sp_message *message = timer_message(context, timer);
    sp__count(&context->counters.sent);
    if (message == NULL) {
        sp__dead_count(context, SP_DEAD_FULL, timer->message->type);
        return;
    }
    uint32_t number;
    SP__USDT3(timer, message, message->type, target->slot);
    bool bounded =
        !(message->flags & SP__MESSAGE_KEYED) && !(message->type->kind & SP__KIND_RESERVED);
    /* What one that drains has sent to itself is part of what it has to finish. */
    if (sp__actor_draining(&target->actor) &&
        sp_pid_equal(message->from, sp__process_pid(target)) &&
        sp__mailbox_length(&target->actor) < target->actor.mailbox_max)
        bounded = false;
    sp_err err = sp__mailbox_push(&target->actor, message, bounded, &number);
    if (err == SP_OK)
        return;
    enum sp_dead_reason reason = SP_DEAD_NOPROC;
    if (err != SP_ERR_NOPROC)
        reason = err == SP_ERR_FULL ? SP_DEAD_FULL : SP_DEAD_DRAINING;
    sp__dead_count(context, reason, message->type);
    message->aux = reason;
    sp__message_set_next(message, *refused);
    *refused = message;
}

static void timer_rearm(struct sp_runtime *runtime, struct timer *timer)
{
    int64_t period = (int64_t)timer->message->aux;
    int64_t expiry = timer->node.expiry_ns;
    /* Whole periods that were missed are skipped, not made up. */
    int64_t missed = (sp__now(runtime) - expiry) / period * period;
    expiry = sp_time_add((sp_time){ expiry + missed }, sp_ns(period)).ns;
    sp__timers_arm(runtime, &timer->node, SP__TIMER_MESSAGE, expiry);
}

/* Target's lock held. False: it repeats, and is armed again. */
static bool timer_fire(struct sp__context *context, struct timer *timer, struct sp_process *target,
                       struct sp_message **refused)
{
    if (timer_older(timer) == TIMER_UNLISTED)
        return true; /* cancelled */
    timer_send(context, timer, target, refused);
    if (timer->message != NULL) {
        timer_rearm(context->runtime, timer);
        return false;
    }
    timer_unlist(timer, target->relations);
    return true;
}

/* What firing it reads and writes was last used when it was armed. Target's lock held. */
static void timer_prefetch(const struct timer *timer)
{
    uint32_t number = timer_number(atomic_load_explicit(&timer->id, memory_order_relaxed));
    uint32_t older = timer_older(timer);
    if (older == TIMER_UNLISTED)
        return;
    __builtin_prefetch(timer->message);
    if (older != 0)
        __builtin_prefetch(timer_at(timer, older, number));
    if (timer->newer != 0)
        __builtin_prefetch(timer_at(timer, timer->newer, number));
}

/* How many at the front go to the same process, up to a number. */
static size_t timer_run(struct sp__timer_node *const *nodes, size_t count)
{
    const struct sp_process *target = timer_target(nodes[0]);
    size_t run = 1;
    while (run < count && run < TIMER_FIRE_MAX && timer_target(nodes[run]) == target)
        run++;
    return run;
}

/* Those of one process. */
static void timer_fire_run(struct sp__context *context, struct sp__timer_node *const *nodes,
                           size_t count)
{
    struct timer *over[TIMER_FIRE_MAX];
    size_t over_count = 0;
    struct sp_message *refused = NULL;
    struct sp_process *target = timer_target(nodes[0]);
    sp_pid to = sp__process_pid(target);
    sp__lock_lock(&target->lock);
    for (size_t i = 0; i < count; i++)
        timer_prefetch(timer_of_node(nodes[i]));
    for (size_t i = 0; i < count; i++)
        if (timer_fire(context, timer_of_node(nodes[i]), target, &refused))
            over[over_count++] = timer_of_node(nodes[i]);
    sp__lock_unlock(&target->lock);
    for (size_t i = 0; i < over_count; i++)
        timer_free(context, over[i]);
    for (struct sp_message *at = refused; at != NULL; at = sp__message_next(at))
        sp__dead_tell((enum sp_dead_reason)at->aux, at, to);
    if (refused != NULL)
        sp__messages_drop(context->runtime, refused);
}

struct sp__actor *sp__timer_actor(struct sp__timer_node *node)
{
    return &timer_target(node)->actor;
}

void sp__timers_fire(struct sp__timer_node *const *nodes, size_t count)
{
    struct sp__context *context = sp__context();
    while (count > 0) {
        size_t run = timer_run(nodes, count);
        timer_fire_run(context, nodes, run);
        nodes += run;
        count -= run;
    }
}

/* ---- ending ---- */

/* Target's lock held, listed. Returns its message, for the caller to destroy when no lock is held. */
static struct sp_message *timer_cancel_locked(struct timer *timer, struct sp_process *target)
{
    struct sp__context *context = sp__context();
    struct sp_message *message = timer->message;
    timer->message = NULL;
    timer_unlist(timer, target->relations);
    /* Off the wheel but not fired yet: fire() waits for this lock, sees it, and frees it. */
    if (sp__timers_cancel(context->runtime, &timer->node, NULL))
        timer_free(context, timer);
    return message;
}

void sp__timers_drop(struct sp_process *self)
{
    for (;;) {
        struct sp_message *message = NULL;
        sp__lock_lock(&self->lock);
        uint32_t first = self->relations == NULL ? 0 : self->relations->timers;
        if (first != 0)
            message = timer_cancel_locked(
                sp__slab_get(sp__process_runtime(self)->timer_slots, first - 1), self);
        sp__lock_unlock(&self->lock);
        if (message == NULL)
            return;
        sp__message_destroy(message);
    }
}

/* Inside an epoch section. Returns its message, for the caller to destroy outside of it; NULL: it is
 * over, or is no timer. */
static struct sp_message *timer_cancel(struct sp_runtime *runtime, uint64_t id, int64_t *out_expiry)
{
    struct timer *timer = timer_of(runtime, id);
    struct sp_message *message = NULL;
    /* acquire: pairs with the release in arm. */
    struct sp_process *target =
        timer == NULL ? NULL : atomic_load_explicit(&timer->target, memory_order_acquire);
    if (target == NULL)
        return NULL; /* also a guessed number, of one that is just being started */
    sp__lock_lock(&target->lock);
    /* One that is over may get a new user at any moment, lock or not; so `older` is read first.
     * acquire: pairs with the release in set_older(): if that was a new user's, the id differs. If it
     * does not, the timer is on the list of its process, which only we can change. */
    uint32_t older = atomic_load_explicit(&timer->older, memory_order_acquire);
    if (older != TIMER_UNLISTED && timer_of(runtime, id) == timer &&
        atomic_load_explicit(&timer->target, memory_order_relaxed) == target) {
        *out_expiry = timer->node.expiry_ns;
        message = timer_cancel_locked(timer, target);
    }
    sp__lock_unlock(&target->lock);
    return message;
}

sp_err sp_timer_cancel(sp_timer timer, sp_duration *out_left)
{
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    int64_t expiry = 0;
    sp__process_enter();
    struct sp_message *message = timer_cancel(runtime, timer.id, &expiry);
    sp__process_leave();
    if (message == NULL)
        return SP_ERR_STALE;
    if (out_left != NULL) {
        int64_t left = expiry - sp__now(runtime);
        *out_left = sp_ns(left < 0 ? 0 : left);
    }
    sp__message_destroy(message); /* last: its destructor may not come back */
    return SP_OK;
}

/* ---- keys ---- */

static void key_forget(struct sp__extra *extra, uint64_t key, uint64_t *out_id)
{
    void *id = sp__map_remove(&extra->keyed, key);
    *out_id = (uintptr_t)id;
    if (id != NULL)
        sp__map_remove(&extra->keyed_ids, *out_id);
}

static sp_err key_remember(struct sp__extra *extra, uint64_t key, uint64_t id)
{
    sp_err err = sp__map_put(&extra->keyed, key, (void *)(uintptr_t)id);
    if (err != SP_OK)
        return err;
    err = sp__map_put(&extra->keyed_ids, id, (void *)(uintptr_t)key);
    if (err != SP_OK)
        sp__map_remove(&extra->keyed, key);
    return err;
}

/* Take the timer of a key out of use. Returns its message, to be destroyed, or NULL. */
static struct sp_message *key_stop(struct sp_process *self, uint64_t key)
{
    int64_t expiry;
    uint64_t id;
    key_forget(self->extra, key, &id);
    if (id == 0)
        return NULL;
    sp__process_enter();
    struct sp_message *message = timer_cancel(sp__process_runtime(self), id, &expiry);
    sp__process_leave();
    return message;
}

sp_err sp__timer_stop_key(uint64_t key, sp_duration *out_left)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp__extra *extra = self->extra;
    uint64_t id = 0;
    if (extra != NULL)
        key_forget(extra, key, &id);
    if (id == 0)
        return SP_ERR_STALE;
    return sp_timer_cancel((sp_timer){ id }, out_left);
}

sp_err sp_timer_cancel_key(uint64_t key, sp_duration *out_left)
{
    return key & TIMER_RESERVED_KEY ? SP_ERR_STALE : sp__timer_stop_key(key, out_left);
}

/* The key of a tick that is still wanted; NULL: it is not. */
static void *key_of(struct sp_process *self, const struct sp_message *message)
{
    struct sp__extra *extra = self->extra;
    return extra == NULL ? NULL : sp__map_get(&extra->keyed_ids, message->aux);
}

bool sp__timer_message_stale(struct sp_process *self, const struct sp_message *message)
{
    return (message->flags & SP__MESSAGE_KEYED) && key_of(self, message) == NULL;
}

void sp__timer_message_taken(struct sp_process *self, struct sp_message *message)
{
    if (!(message->flags & SP__MESSAGE_KEYED))
        return;
    void *key = key_of(self, message);
    message->flags &= (uint16_t)~SP__MESSAGE_KEYED;
    if (key != NULL && (message->flags & SP__MESSAGE_LAST_TICK)) {
        uint64_t id;
        key_forget(self->extra, (uintptr_t)key, &id);
    }
}

/* ---- starting ---- */

/* Target found, inside an epoch section. */
static sp_err timer_arm(struct timer *timer, struct sp_process *target, int64_t expiry_ns)
{
    sp_err err = SP_ERR_NOPROC;
    sp__lock_lock(&target->lock);
    struct sp__relations *relations = target->leaving ? NULL : sp__process_relations(target);
    if (relations != NULL) {
        /* release: pairs with the acquire in cancel. */
        atomic_store_explicit(&timer->target, target, memory_order_release);
        timer_list(timer, relations);
        sp__timers_arm(sp__process_runtime(target), &timer->node, SP__TIMER_MESSAGE, expiry_ns);
        err = SP_OK;
    } else if (!target->leaving) {
        err = SP_ERR_NOMEM;
    }
    sp__lock_unlock(&target->lock);
    return err;
}

static struct sp_message *timer_fill(struct sp__context *context, const struct sp_msg_type *type,
                                     const void *payload, const struct sp_timer_options *options)
{
    unsigned flags = SP__MESSAGE_TIMER;
    if (options->key != 0)
        flags |= SP__MESSAGE_KEYED | (options->period.ns == 0 ? SP__MESSAGE_LAST_TICK : 0);
    if (options->period.ns != 0)
        flags |= SP__MESSAGE_TEMPLATE;
    struct sp_message *message =
        sp__trace_take_ids(context, sp__process_self(), type, type->size, flags);
    if (message == NULL)
        return NULL;
    message->aux = (uint64_t)options->period.ns; /* of a template; a tick has the timer's id */
    sp__payload_copy(message->body, payload, type->size);
    return message;
}

static sp_err timer_find_and_arm(struct timer *timer, sp_pid to, sp_duration after)
{
    struct sp__context *context = sp__context();
    struct sp_runtime *runtime = context->runtime;
    int64_t expiry_ns = sp_time_add((sp_time){ sp__now(runtime) }, after).ns;
    sp__epoch_enter(&context->epoch);
    struct sp_process *target = sp__process_lookup(runtime, to);
    sp_err err = target == NULL ? SP_ERR_NOPROC : timer_arm(timer, target, expiry_ns);
    sp__epoch_leave(&context->epoch);
    return err;
}

static bool timer_options_valid(sp_pid to, const struct sp_msg_type *type,
                                const struct sp_timer_options *options)
{
    return options->after.ns >= 0 && options->period.ns >= 0 &&
           (options->key == 0 || sp_pid_equal(to, sp_self())) &&
           (options->period.ns == 0 || type->destroy == NULL);
}

/* The payload is destroyed by the caller on failure. */
static sp_err timer_start(struct sp_process *self, sp_pid to, const struct sp_msg_type *type,
                          const void *payload, const struct sp_timer_options *options,
                          uint64_t *out_id)
{
    struct sp__context *context = sp__context();
    struct timer *timer;
    sp_err err = timer_take(context, &timer);
    if (err != SP_OK)
        return err;
    uint64_t id = atomic_load_explicit(&timer->id, memory_order_relaxed);
    struct sp_message *message = timer_fill(context, type, payload, options);
    timer->message = message;
    if (message == NULL)
        err = SP_ERR_NOMEM;
    if (err == SP_OK && options->key != 0)
        err = key_remember(self->extra, options->key, id);
    if (err == SP_OK)
        err = timer_find_and_arm(timer, to, options->after);
    if (err == SP_OK) {
        *out_id = id;
        return SP_OK;
    }
    uint64_t unused;
    if (options->key != 0)
        key_forget(self->extra, options->key, &unused);
    if (message != NULL)
        sp__message_give(context, message);
    timer_free(context, timer);
    return err;
}

static sp_err timer_start_any(sp_pid to, const struct sp_msg_type *type, const void *payload,
                              const struct sp_timer_options *options, sp_timer *out_timer)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    if (sp__process_refused(self))
        return SP_ERR_NOTCONTEXT;
    if (!timer_options_valid(to, type, options))
        return SP_ERR_INVALID;
    uint64_t id = 0;
    struct sp_message *before = NULL;
    if (options->key != 0) {
        if (sp__process_extra(self) == NULL)
            return SP_ERR_NOMEM;
        before = key_stop(self, options->key);
    }
    sp_err err = timer_start(self, to, type, payload, options, &id);
    if (err == SP_OK && out_timer != NULL)
        out_timer->id = id;
    if (before != NULL)
        sp__message_destroy(before); /* last: its destructor may not come back */
    return err;
}

sp_err sp__timer_start_key(uint64_t key, const struct sp_msg_type *type, const void *payload,
                           const struct sp_timer_options *options, sp_timer *out_timer)
{
    struct sp_timer_options own = *options;
    own.key = key;
    sp_err err = timer_start_any(sp_self(), type, payload, &own, out_timer);
    if (err != SP_OK)
        sp__payload_destroy(type, payload);
    return err;
}

sp_err sp_timer_start(sp_pid to, const struct sp_msg_type *type, const void *payload,
                      const struct sp_timer_options *options, sp_timer *out_timer)
{
    sp_err err = options->key & TIMER_RESERVED_KEY
                     ? SP_ERR_INVALID
                     : timer_start_any(to, type, payload, options, out_timer);
    if (err != SP_OK)
        sp__payload_destroy(type, payload);
    return err;
}

size_t sp__timer_slot_size(void)
{
    return sizeof(struct timer);
}
