#include "process/exits.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

enum { EXITS_KINDS = SP_REASON_OUT_OF_MEMORY + 1 };

struct sp__exits {
    struct sp__lock lock;
    uint64_t last SP__GUARDED_BY(lock); /* seq of the newest; 0: none */
    uint64_t counts[EXITS_KINDS] SP__GUARDED_BY(lock);
    struct sp_exit ring[SP_EXITS_KEPT] SP__GUARDED_BY(lock); /* number n is at n % KEPT */
};

const char *sp_reason_kind_text(enum sp_reason_kind kind)
{
    static const char *const texts[EXITS_KINDS] = {
        "normal", "shutdown",     "shutdown", "kill",  "killed",
        "noproc", "noconnection", "error",    "fault", "out_of_memory",
    };
    return (unsigned)kind < EXITS_KINDS ? texts[kind] : "unknown";
}

static struct sp__exits *exits_of(struct sp_runtime *runtime)
{
    /* acquire: pairs with the release in make. */
    return atomic_load_explicit(&runtime->exits, memory_order_acquire);
}

/* NULL: no memory. */
static struct sp__exits *exits_make(struct sp_runtime *runtime)
{
    struct sp__exits *exits = exits_of(runtime);
    if (exits != NULL)
        return exits;
    struct sp__exits *made = sp__calloc(1, sizeof(*made));
    if (made == NULL)
        return NULL;
    sp__lock_init(&made->lock);
    /* acq_rel: release pairs with the acquire in exits_of(), acquire with somebody else's. */
    if (atomic_compare_exchange_strong_explicit(&runtime->exits, &exits, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    sp__free(made);
    return exits;
}

void sp__exits_destroy(struct sp_runtime *runtime)
{
    sp__free(exits_of(runtime));
}

/* All but its number. */
static void exits_describe(struct sp_process *self, const struct sp_reason *reason,
                           struct sp_exit *out)
{
    const struct sp_reason *cause = sp_reason_cause(reason);
    *out = (struct sp_exit){ .pid = sp__process_pid(self),
                             .at = { sp__now(sp__process_runtime(self)) },
                             .kind = sp_reason_kind(reason),
                             .label = sp__process_label(self) };
    out->pid.serial &= ~SP__SERIAL_DEAD;
    out->age = sp_ns(out->at.ns - sp__process_started(self));
    out->parent = (sp_pid){ self->parent_serial, self->parent_slot, 0 };
    if (cause != NULL)
        out->cause = sp_reason_process(cause);
    (void)snprintf(out->reason, sizeof(out->reason), "%s", sp_reason_text(reason));
    const struct sp_fault *fault = sp_reason_fault(reason);
    if (fault != NULL)
        memcpy(out->report, fault->report, sizeof(out->report));
    sp__lock_lock(&self->lock);
    const char *name = self->extra == NULL ? NULL : self->extra->name;
    if (name != NULL)
        (void)snprintf(out->name, sizeof(out->name), "%s", name);
    sp__lock_unlock(&self->lock);
}

void sp__exits_note(struct sp_process *self, const struct sp_reason *reason)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct sp_exit one;
    /* relaxed: whoever is killed at the end of a runtime may be told of, or not. */
    if (sp_reason_kind(reason) == SP_REASON_KILLED &&
        atomic_load_explicit(&runtime->stopping, memory_order_relaxed))
        return;
    struct sp__exits *exits = exits_make(runtime);
    if (exits == NULL)
        return;
    exits_describe(self, reason, &one);
    sp__lock_lock(&exits->lock);
    one.seq = ++exits->last;
    exits->counts[one.kind]++;
    exits->ring[one.seq % SP_EXITS_KEPT] = one;
    sp__lock_unlock(&exits->lock);
}

static uint64_t exits_first(const struct sp__exits *exits) SP__REQUIRES(exits->lock)
{
    return exits->last > SP_EXITS_KEPT ? exits->last - SP_EXITS_KEPT + 1 : 1;
}

void sp__exits_restarted(struct sp_runtime *runtime, sp_pid ended, sp_pid pid)
{
    struct sp__exits *exits = exits_of(runtime);
    if (exits == NULL)
        return;
    sp__lock_lock(&exits->lock);
    /* The newest first: it has only just ended. */
    for (uint64_t seq = exits->last; seq >= exits_first(exits) && seq != 0; seq--) {
        struct sp_exit *one = &exits->ring[seq % SP_EXITS_KEPT];
        if (!sp_pid_equal(one->pid, ended))
            continue;
        one->restarted = pid;
        break;
    }
    sp__lock_unlock(&exits->lock);
}

size_t sp_exits_recent(struct sp_runtime *runtime, uint64_t since, struct sp_exit *exits,
                       size_t max)
{
    struct sp__exits *all = exits_of(runtime);
    size_t count = 0;
    if (all == NULL)
        return 0;
    sp__lock_lock(&all->lock);
    uint64_t before = exits_first(all) - 1;
    if (before < since)
        before = since;
    if (before < all->last && all->last - before > max)
        before = all->last - max;
    while (before < all->last && count < max)
        exits[count++] = all->ring[++before % SP_EXITS_KEPT];
    sp__lock_unlock(&all->lock);
    return count;
}

void sp_exits_count(struct sp_runtime *runtime, uint64_t *counts, size_t max)
{
    struct sp__exits *exits = exits_of(runtime);
    if (max > 0)
        memset(counts, 0, max * sizeof(*counts));
    if (exits == NULL)
        return;
    sp__lock_lock(&exits->lock);
    for (size_t kind = 0; kind < max && kind < EXITS_KINDS; kind++)
        counts[kind] = exits->counts[kind];
    sp__lock_unlock(&exits->lock);
}
