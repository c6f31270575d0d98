#include "process/timer.h"

#include "base/alloc.h"
#include "process/relation.h"
#include "process/send.h"
#include "runtime/mailbox.h"
#include "runtime/message_pool.h"
#include "runtime/slab.h"

#include <string.h>

enum { TIMER_NUMBER_BITS = 24 }; /* the slab's 16,777,216 slots */

#define TIMER_RESERVED_KEY (UINT64_C(1) << 63)

struct timer {
    struct sp__timer_entry entry;
    _Atomic uint64_t id; /* use of the slot << 24 | number; bit 63: free */
    struct sp_runtime *runtime;
    _Atomic(struct sp_process *) target; /* its slot; read by cancel before the lock */
    sp_pid from;
    const struct sp_msg_type *type;
    void *payload;
    int64_t expiry_ns;
    int64_t period_ns;
    uint64_t key;
    bool cancelled;       /* target's lock */
    struct sp__list link; /* relations.timers of the target; target's lock */
};

#define TIMER_FREE (UINT64_C(1) << 63)

static struct timer *timer_of(struct sp_runtime *runtime, uint64_t id)
{
    struct timer *timer =
        sp__slab_get(runtime->timer_slots, (uint32_t)(id & ((1u << TIMER_NUMBER_BITS) - 1)));
    if (timer == NULL || atomic_load_explicit(&timer->id, memory_order_acquire) != id)
        return NULL;
    return timer;
}

static sp_err timer_take(struct sp_runtime *runtime, struct timer **out)
{
    uint32_t number;
    void *item;
    sp_err err = sp__slab_take(runtime->timer_slots, &number, &item);
    if (err != SP_OK)
        return err;
    struct timer *timer = item;
    uint64_t use =
        (atomic_load_explicit(&timer->id, memory_order_relaxed) & ~TIMER_FREE) >> TIMER_NUMBER_BITS;
    uint64_t id = ((use + 1) << TIMER_NUMBER_BITS) | number;
    memset(&timer->entry, 0, sizeof(timer->entry));
    timer->runtime = runtime;
    timer->cancelled = false;
    timer->payload = NULL;
    sp__list_init(&timer->link);
    atomic_store_explicit(&timer->id, id, memory_order_release);
    *out = timer;
    return SP_OK;
}

/* Nobody else knows of it any more, or only by its id. */
static void timer_free(struct timer *timer)
{
    uint64_t id = atomic_load_explicit(&timer->id, memory_order_relaxed);
    struct sp_runtime *runtime = timer->runtime;
    const struct sp_msg_type *type = timer->type;
    void *payload = timer->payload;
    atomic_store_explicit(&timer->id, id | TIMER_FREE, memory_order_release);
    sp__slab_give(runtime->timer_slots, (uint32_t)(id & ((1u << TIMER_NUMBER_BITS) - 1)));
    if (payload != NULL)
        sp__payload_free(type, payload); /* last: the destructor is the user's */
}

/* ---- firing ---- */

static unsigned timer_flags(const struct timer *timer)
{
    if (timer->key == 0)
        return SP__MESSAGE_TIMER;
    return SP__MESSAGE_TIMER | SP__MESSAGE_KEYED |
           (timer->period_ns == 0 ? SP__MESSAGE_LAST_TICK : 0);
}

/* Target's lock held. Without memory for the message the tick is dropped and counted. Returns
 * the message where it was not delivered: its destructor is the user's, and not for here. */
static struct sp_message *timer_send(struct timer *timer, struct sp_process *target)
{
    struct sp__context *context = sp__context();
    struct sp_message *message =
        sp__message_new(timer->type, timer->type->size, timer_flags(timer), timer->from);
    sp__count(&context->counters.sent);
    if (message == NULL) {
        sp__count(&context->counters.dropped_full);
        return NULL;
    }
    memcpy(sp__message_payload(message), timer->payload, timer->type->size);
    message->aux = atomic_load_explicit(&timer->id, memory_order_relaxed);
    if (timer->period_ns == 0) {
        sp__free(timer->payload); /* moved */
        timer->payload = NULL;
    }
    uint32_t number;
    bool bounded = timer->key == 0 && !(timer->type->kind & SP__KIND_RESERVED);
    sp_err err = sp__mailbox_push(&target->actor, message, bounded, &number);
    if (err == SP_OK)
        return NULL;
    sp__count(err == SP_ERR_FULL ? &context->counters.dropped_full
                                 : &context->counters.dead_noproc);
    return message;
}

static void timer_rearm(struct timer *timer)
{
    int64_t now = sp__now(timer->runtime);
    /* Whole periods that were missed are skipped, not made up. */
    int64_t missed = (now - timer->expiry_ns) / timer->period_ns * timer->period_ns;
    timer->expiry_ns =
        sp_time_add((sp_time){ timer->expiry_ns + missed }, sp_ns(timer->period_ns)).ns;
    sp__timers_arm(timer->runtime, &timer->entry.node, SP__TIMER_MESSAGE, timer->expiry_ns);
}

/* In an epoch section, off the wheel. */
static void timer_fire(struct sp__timer_entry *entry)
{
    struct timer *timer = sp__container_of(entry, struct timer, entry);
    struct sp_process *target = timer->target;
    struct sp_message *refused = NULL;
    sp__lock_lock(&target->lock);
    bool over = timer->cancelled;
    if (!over) {
        refused = timer_send(timer, target);
        over = timer->period_ns == 0;
        if (over)
            sp__list_remove(&timer->link);
        else
            timer_rearm(timer);
    }
    sp__lock_unlock(&target->lock);
    if (over)
        timer_free(timer);
    if (refused != NULL)
        sp__message_destroy(refused);
}

/* ---- ending ---- */

/* Target's lock held, not cancelled yet. True: the caller frees it; false: fire() does. */
static bool timer_cancel_locked(struct timer *timer)
{
    sp__list_remove(&timer->link);
    timer->cancelled = true;
    return sp__timers_cancel(timer->runtime, &timer->entry.node, NULL);
}

void sp__timers_drop(struct sp_process *self)
{
    for (;;) {
        sp__lock_lock(&self->lock);
        struct sp__list *link =
            self->relations == NULL ? NULL : sp__list_first(&self->relations->timers);
        struct timer *timer = link == NULL ? NULL : sp__container_of(link, struct timer, link);
        bool ours = timer != NULL && timer_cancel_locked(timer);
        sp__lock_unlock(&self->lock);
        if (timer == NULL)
            return;
        if (ours)
            timer_free(timer);
    }
}

/* Inside an epoch section. `*out_timer` is for the caller to free, outside of it; NULL: none, or
 * fire() does. */
static sp_err timer_cancel(struct sp_runtime *runtime, uint64_t id, int64_t *out_expiry,
                           struct timer **out_timer)
{
    struct timer *timer = timer_of(runtime, id);
    if (timer == NULL)
        return SP_ERR_STALE;
    struct sp_process *target = timer->target;
    bool active = false;
    bool ours = false;
    if (target == NULL)
        return SP_ERR_STALE; /* a guessed number, of one that is just being started */
    sp__lock_lock(&target->lock);
    /* Under the lock of its process it is still the same, or it is over. */
    if (timer_of(runtime, id) == timer && timer->target == target && !timer->cancelled &&
        sp__list_linked(&timer->link)) {
        *out_expiry = timer->expiry_ns;
        /* Off the wheel but not fired yet: fire() waits for this lock and will see it. */
        active = true;
        ours = timer_cancel_locked(timer);
    }
    sp__lock_unlock(&target->lock);
    if (ours)
        *out_timer = timer;
    return active ? SP_OK : SP_ERR_STALE;
}

sp_err sp_timer_cancel(sp_timer timer, sp_duration *out_left)
{
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    int64_t expiry = 0;
    struct timer *ours = NULL;
    sp__process_enter();
    sp_err err = timer_cancel(runtime, timer.id, &expiry, &ours);
    sp__process_leave();
    if (ours != NULL)
        timer_free(ours);
    if (err == SP_OK && out_left != NULL) {
        int64_t left = expiry - sp__now(runtime);
        *out_left = sp_ns(left < 0 ? 0 : left);
    }
    return err;
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

/* Take the timer of a key out of use; for the caller to free, NULL: there is nothing to free. */
static struct timer *key_stop(struct sp_process *self, uint64_t key)
{
    struct timer *ours = NULL;
    int64_t expiry;
    uint64_t id;
    key_forget(self->extra, key, &id);
    if (id == 0)
        return NULL;
    sp__process_enter();
    sp_ignore(timer_cancel(sp__process_runtime(self), id, &expiry, &ours));
    sp__process_leave();
    return ours;
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
static sp_err timer_arm(struct timer *timer, struct sp_process *target)
{
    sp_err err = SP_ERR_NOPROC;
    sp__lock_lock(&target->lock);
    struct sp__relations *relations = target->leaving ? NULL : sp__process_relations(target);
    if (relations != NULL) {
        timer->target = target;
        sp__list_push_back(&relations->timers, &timer->link);
        sp__timers_arm(timer->runtime, &timer->entry.node, SP__TIMER_MESSAGE, timer->expiry_ns);
        err = SP_OK;
    } else if (!target->leaving) {
        err = SP_ERR_NOMEM;
    }
    sp__lock_unlock(&target->lock);
    return err;
}

static sp_err timer_fill(struct timer *timer, const struct sp_msg_type *type, const void *payload,
                         const struct sp_timer_options *options)
{
    timer->entry.fire = timer_fire;
    timer->target = NULL;
    timer->from = sp_self();
    timer->type = type;
    timer->key = options->key;
    timer->period_ns = options->period.ns;
    timer->expiry_ns =
        sp_time_add((sp_time){ sp__now(timer->runtime) }, sp_ns(options->after.ns)).ns;
    timer->payload = sp__malloc(type->size == 0 ? 1 : type->size);
    if (timer->payload == NULL)
        return SP_ERR_NOMEM;
    memcpy(timer->payload, payload, type->size);
    return SP_OK;
}

static bool timer_options_valid(sp_pid to, const struct sp_msg_type *type,
                                const struct sp_timer_options *options)
{
    return options->after.ns >= 0 && options->period.ns >= 0 &&
           (options->key == 0 || sp_pid_equal(to, sp_self())) &&
           (options->period.ns == 0 || type->destroy == NULL);
}

/* The payload is destroyed by the caller on failure. */
static sp_err timer_start(struct sp_runtime *runtime, sp_pid to, const struct sp_msg_type *type,
                          const void *payload, const struct sp_timer_options *options,
                          uint64_t *out_id)
{
    struct timer *timer;
    sp_err err = timer_take(runtime, &timer);
    if (err != SP_OK)
        return err;
    uint64_t id = atomic_load_explicit(&timer->id, memory_order_relaxed);
    err = timer_fill(timer, type, payload, options);
    if (err == SP_OK && options->key != 0)
        err = key_remember(sp__process_self()->extra, options->key, id);
    if (err == SP_OK) {
        sp__process_enter();
        struct sp_process *target = sp__process_lookup(runtime, to);
        err = target == NULL ? SP_ERR_NOPROC : timer_arm(timer, target);
        sp__process_leave();
    }
    if (err != SP_OK) {
        uint64_t unused;
        if (options->key != 0)
            key_forget(sp__process_self()->extra, options->key, &unused);
        sp__free(timer->payload);
        timer->payload = NULL;
        timer_free(timer);
        return err;
    }
    *out_id = id;
    return SP_OK;
}

static sp_err timer_start_any(sp_pid to, const struct sp_msg_type *type, const void *payload,
                              const struct sp_timer_options *options, sp_timer *out_timer)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    if (!timer_options_valid(to, type, options))
        return SP_ERR_INVALID;
    uint64_t id = 0;
    struct timer *before = NULL;
    if (options->key != 0) {
        if (sp__process_extra(self) == NULL)
            return SP_ERR_NOMEM;
        before = key_stop(self, options->key);
    }
    sp_err err = timer_start(sp__process_runtime(self), to, type, payload, options, &id);
    if (err == SP_OK && out_timer != NULL)
        out_timer->id = id;
    if (before != NULL)
        timer_free(before); /* last: its payload's destructor may not come back */
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
