/* Counts in rows found by a hash of the type's address; the rest under a lock.
 *
 *     runtime.dead ──> rows: type | count by reason      made by the first letter
 *                      ring of the last letters · subscribers · what the log was given
 *
 * A row belongs to the first type that claims it, for good. Without memory letters are counted by
 * reason only, in the contexts' counters, as always.
 */
#include "process/dead_letter.h"

#include "base/alloc.h"
#include "process/process.h"
#include "process/resource.h"
#include "runtime/log.h"
#include "runtime/mailbox.h"
#include "runtime/message_pool.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEAD_ROWS_FIRST = 16, /* a power of two: enough for most programs */
    DEAD_ROWS_MORE = 256, /* a power of two: made when those are taken */
    DEAD_ROWS = DEAD_ROWS_FIRST + DEAD_ROWS_MORE,
    DEAD_RECENT = 64,
    DEAD_PENDING = 1024,
    DEAD_LINES = 10, /* of the log, a second */
};

struct dead_row {
    _Atomic(const struct sp_msg_type *) type;
    _Atomic uint64_t counts[SP_DEAD_REASONS];
};

/* A resource of its process, which takes it off the list before anything else of it goes. */
struct dead_subscriber {
    struct sp__resource resource;
    struct sp__list link;
    struct sp_process *process;
    uint32_t pending_max;
    uint64_t lost;
};

struct sp__dead_letters {
    struct dead_row rows[DEAD_ROWS_FIRST];
    _Atomic(struct dead_row *) more; /* DEAD_ROWS_MORE of them, or NULL */
    _Atomic uint64_t others[SP_DEAD_REASONS];
    struct sp__lock lock;
    struct sp__list subscribers SP__GUARDED_BY(lock);
    uint64_t told SP__GUARDED_BY(lock);
    int64_t second SP__GUARDED_BY(lock); /* in which `lines` were written */
    uint32_t lines SP__GUARDED_BY(lock);
    uint64_t unlogged SP__GUARDED_BY(lock);
    struct sp_dead_letter recent[DEAD_RECENT] SP__GUARDED_BY(lock); /* the last `told` */
};

const struct sp_msg_type sp_dead_letter_type = { "dead_letter", sizeof(struct sp_dead_letter), 0,
                                                 NULL };

const char *sp_dead_reason_text(enum sp_dead_reason reason)
{
    static const char *const texts[SP_DEAD_REASONS] = {
        "no process", "process ended", "mailbox full", "timer cancelled", "draining", "overload",
    };
    return (unsigned)reason < SP_DEAD_REASONS ? texts[reason] : "unknown";
}

static struct sp__dead_letters *dead_of(struct sp_runtime *runtime)
{
    /* acquire: pairs with the release in make. */
    return atomic_load_explicit(&runtime->dead, memory_order_acquire);
}

/* NULL: no memory. */
static struct sp__dead_letters *dead_make(struct sp_runtime *runtime)
{
    struct sp__dead_letters *dead = dead_of(runtime);
    if (dead != NULL)
        return dead;
    struct sp__dead_letters *made = sp__malloc(sizeof(*made));
    if (made == NULL)
        return NULL;
    /* Without the ring: nothing of it is read before it was written. */
    memset(made, 0, offsetof(struct sp__dead_letters, recent));
    sp__lock_init(&made->lock);
    sp__list_init(&made->subscribers);
    /* acq_rel: release pairs with the acquire in dead_of(), acquire with somebody else's. */
    if (atomic_compare_exchange_strong_explicit(&runtime->dead, &dead, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    sp__free(made);
    return dead;
}

void sp__dead_letters_destroy(struct sp_runtime *runtime)
{
    struct sp__dead_letters *dead = dead_of(runtime);
    if (dead != NULL)
        sp__free(atomic_load_explicit(&dead->more, memory_order_relaxed));
    sp__free(dead);
}

/* ---- counting ---- */

/* NULL: no memory. */
static struct dead_row *dead_more(struct sp__dead_letters *dead)
{
    /* acquire: pairs with the release below, of whoever made them. */
    struct dead_row *more = atomic_load_explicit(&dead->more, memory_order_acquire);
    if (more != NULL)
        return more;
    struct dead_row *made = sp__calloc(DEAD_ROWS_MORE, sizeof(*made));
    if (made == NULL)
        return NULL;
    /* acq_rel: release pairs with the acquires of readers, acquire with somebody else's release. */
    if (atomic_compare_exchange_strong_explicit(&dead->more, &more, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    sp__free(made);
    return more;
}

/* NULL: all `count` rows, a power of two, are taken by others. */
static struct dead_row *dead_claim(struct dead_row *rows, size_t count,
                                   const struct sp_msg_type *type)
{
    uint64_t hash = (uint64_t)(uintptr_t)type * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < count; i++) {
        struct dead_row *row = &rows[((size_t)(hash >> 32) + i) & (count - 1)];
        const struct sp_msg_type *owner = NULL;
        /* relaxed: a row is only a place for counts, and zero from the start. */
        if (atomic_compare_exchange_strong_explicit(&row->type, &owner, type, memory_order_relaxed,
                                                    memory_order_relaxed) ||
            owner == type)
            return row;
    }
    return NULL;
}

/* NULL: no row is left, or no memory for more of them. */
static struct dead_row *dead_row(struct sp__dead_letters *dead, const struct sp_msg_type *type)
{
    struct dead_row *row = dead_claim(dead->rows, DEAD_ROWS_FIRST, type);
    if (row != NULL)
        return row;
    struct dead_row *more = dead_more(dead);
    return more == NULL ? NULL : dead_claim(more, DEAD_ROWS_MORE, type);
}

static _Atomic uint64_t *dead_counter(struct sp__counters *counters, enum sp_dead_reason reason)
{
    switch (reason) {
    case SP_DEAD_NOPROC:
    case SP_DEAD_EXITED:
        return &counters->dead_noproc;
    case SP_DEAD_STALE:
        return &counters->dropped_stale;
    case SP_DEAD_DRAINING:
    case SP_DEAD_OVERLOAD:
        return &counters->dropped_shed;
    case SP_DEAD_FULL:
    case SP_DEAD_REASONS:
        break;
    }
    return &counters->dropped_full;
}

void sp__dead_count(struct sp__context *context, enum sp_dead_reason reason,
                    const struct sp_msg_type *type)
{
    sp__count(dead_counter(&context->counters, reason));
    sp__dead_note(context, reason, type);
}

void sp__dead_note(struct sp__context *context, enum sp_dead_reason reason,
                   const struct sp_msg_type *type)
{
    struct sp__dead_letters *dead = dead_make(context->runtime);
    if (dead == NULL)
        return;
    struct dead_row *row = dead_row(dead, type);
    /* relaxed: a statistic. */
    atomic_fetch_add_explicit(row == NULL ? &dead->others[reason] : &row->counts[reason], 1,
                              memory_order_relaxed);
}

static int dead_compare(const void *a, const void *b)
{
    return strcmp(((const struct sp_dead_count *)a)->type, ((const struct sp_dead_count *)b)->type);
}

/* True: there is something. */
static bool dead_read(_Atomic uint64_t counts[SP_DEAD_REASONS], const char *type,
                      struct sp_dead_count *out)
{
    uint64_t sum = 0;
    out->type = type;
    for (size_t i = 0; i < SP_DEAD_REASONS; i++) {
        out->counts[i] = atomic_load_explicit(&counts[i], memory_order_relaxed);
        sum += out->counts[i];
    }
    return sum != 0;
}

/* Appends to the `have` there are; returns how many there are then. */
static size_t dead_read_rows(struct dead_row *rows, size_t count, struct sp_dead_count *out,
                             size_t have)
{
    for (size_t i = 0; i < count; i++) {
        const struct sp_msg_type *type = atomic_load_explicit(&rows[i].type, memory_order_relaxed);
        if (type != NULL && dead_read(rows[i].counts, type->name, &out[have]))
            have++;
    }
    return have;
}

size_t sp_dead_letters_count(struct sp_runtime *runtime, struct sp_dead_count *counts, size_t max)
{
    struct sp__dead_letters *dead = dead_of(runtime);
    struct sp_dead_count all[DEAD_ROWS + 1];
    size_t count = 0;
    if (dead == NULL)
        return 0;
    count = dead_read_rows(dead->rows, DEAD_ROWS_FIRST, all, count);
    /* acquire: pairs with the release in dead_more(). */
    struct dead_row *more = atomic_load_explicit(&dead->more, memory_order_acquire);
    if (more != NULL)
        count = dead_read_rows(more, DEAD_ROWS_MORE, all, count);
    if (dead_read(dead->others, "(others)", &all[count]))
        count++;
    qsort(all, count, sizeof(*all), dead_compare);
    if (max > 0)
        memcpy(counts, all, (count < max ? count : max) * sizeof(*all));
    return count;
}

/* ---- telling ---- */

static void dead_push(struct sp__context *context, struct dead_subscriber *to,
                      struct sp_dead_letter letter)
{
    struct sp__actor *actor = &to->process->actor;
    struct sp_message *message = NULL;
    uint32_t number;
    letter.lost = to->lost++;
    if (sp__mailbox_length(actor) < to->pending_max)
        message = sp__message_take(context, &sp_dead_letter_type, sizeof(letter), 0, SP_PID_NONE);
    if (message == NULL)
        return;
    memcpy(sp__message_payload(message), &letter, sizeof(letter));
    if (sp__mailbox_push(actor, message, true, &number) != SP_OK) {
        sp__message_give(context, message);
        return;
    }
    sp__count(&context->counters.sent);
    to->lost = 0;
}

/* What the log is to be told; `*out_before`: how many it was not told of since. */
static bool dead_logs(struct sp_runtime *runtime, struct sp__dead_letters *dead,
                      uint64_t *out_before) SP__REQUIRES(dead->lock)
{
    int64_t second = runtime->ops->now_coarse(runtime) / SP_NS_PER_S + 1;
    if (!sp__log_on(runtime, SP_LOG_INFO))
        return false;
    if (dead->second != second)
        dead->lines = 0;
    dead->second = second;
    if (dead->lines == DEAD_LINES) {
        dead->unlogged++;
        return false;
    }
    dead->lines++;
    *out_before = dead->unlogged;
    dead->unlogged = 0;
    return true;
}

static void dead_log(struct sp_runtime *runtime, const struct sp_dead_letter *letter,
                     uint64_t before)
{
    char from[SP_PID_TEXT_MAX];
    char to[SP_PID_TEXT_MAX];
    if (before != 0)
        sp__log(runtime, SP_LOG_INFO, "dead letters: %llu more were not logged",
                (unsigned long long)before);
    sp__log(runtime, SP_LOG_INFO, "dead letter: %s from %s to %s: %s", letter->type,
            sp_pid_format(letter->from, from), sp_pid_format(letter->to, to),
            sp_dead_reason_text(letter->reason));
}

void sp__dead_tell(enum sp_dead_reason reason, const struct sp_message *message, sp_pid to)
{
    struct sp__context *context = sp__context();
    struct sp__dead_letters *dead = dead_of(context->runtime);
    uint64_t before = 0;
    if (dead == NULL || message->type == &sp_dead_letter_type)
        return;
    struct sp_dead_letter letter = { .reason = reason,
                                     .type = message->type->name,
                                     .from = message->from,
                                     .to = to,
                                     .at = {
                                         context->runtime->ops->now_coarse(context->runtime) } };
    letter.to.serial &= ~SP__SERIAL_DEAD; /* of one that is just ending */
    sp__process_enter();
    sp__lock_lock(&dead->lock);
    letter.seq = dead->told + 1;
    dead->recent[dead->told++ % DEAD_RECENT] = letter;
    for (struct sp__list *at = sp__list_first(&dead->subscribers); at != NULL;
         at = sp__list_next(&dead->subscribers, at))
        dead_push(context, sp__container_of(at, struct dead_subscriber, link), letter);
    bool logs = dead_logs(context->runtime, dead, &before);
    sp__lock_unlock(&dead->lock);
    sp__process_leave();
    if (logs)
        dead_log(context->runtime, &letter, before);
}

void sp__dead_letter(enum sp_dead_reason reason, const struct sp_message *message, sp_pid to)
{
    sp__dead_count(sp__context(), reason, message->type);
    sp__dead_tell(reason, message, to);
}

size_t sp_dead_letters_recent(struct sp_runtime *runtime, struct sp_dead_letter *letters,
                              size_t max)
{
    struct sp__dead_letters *dead = dead_of(runtime);
    size_t count = 0;
    if (dead == NULL)
        return 0;
    sp__lock_lock(&dead->lock);
    while (count < max && count < DEAD_RECENT && count < dead->told) {
        letters[count] = dead->recent[(dead->told - 1 - count) % DEAD_RECENT];
        count++;
    }
    sp__lock_unlock(&dead->lock);
    return count;
}

/* ---- subscribing ---- */

static void dead_unlist(struct dead_subscriber *one)
{
    struct sp__dead_letters *dead = dead_of(sp__process_runtime(one->process));
    sp__lock_lock(&dead->lock);
    sp__list_remove(&one->link);
    sp__lock_unlock(&dead->lock);
}

static void dead_release(struct sp__resource *resource)
{
    struct dead_subscriber *one = sp__container_of(resource, struct dead_subscriber, resource);
    dead_unlist(one);
    sp__free(one);
}

static struct dead_subscriber *dead_find(struct sp_process *self)
{
    for (struct sp__resource *at = self->resources; at != NULL; at = at->next)
        if (at->release == dead_release)
            return sp__container_of(at, struct dead_subscriber, resource);
    return NULL;
}

sp_err sp_dead_letters_subscribe(uint32_t pending_max)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp__dead_letters *dead = dead_make(sp__process_runtime(self));
    struct dead_subscriber *one = dead_find(self);
    bool is_new = one == NULL;
    if (is_new)
        one = sp__malloc(sizeof(*one));
    if (dead == NULL || one == NULL) {
        if (is_new)
            sp__free(one);
        return SP_ERR_NOMEM;
    }
    if (is_new)
        *one = (struct dead_subscriber){ .resource = { .release = dead_release }, .process = self };
    sp__lock_lock(&dead->lock);
    one->pending_max = pending_max == 0 ? DEAD_PENDING : pending_max;
    if (is_new)
        sp__list_push_back(&dead->subscribers, &one->link);
    sp__lock_unlock(&dead->lock);
    if (is_new)
        sp__resource_add(self, &one->resource);
    return SP_OK;
}

void sp_dead_letters_unsubscribe(void)
{
    struct sp_process *self = sp__process_self();
    struct dead_subscriber *one = self == NULL ? NULL : dead_find(self);
    if (one == NULL)
        return;
    sp__resource_remove(&one->resource);
    dead_release(&one->resource);
}
