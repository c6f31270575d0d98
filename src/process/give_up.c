/* See give_up.h. */
#include "process/give_up.h"

#include "process/aside.h"
#include "process/deadlock.h"
#include "process/exits.h"
#include "process/group.h"
#include "process/registry.h"
#include "process/relation.h"
#include "process/reply.h"
#include "process/send.h"
#include "process/signal.h"
#include "process/watched.h"
#include "runtime/backend.h"
#include "runtime/log.h"

enum {
    /* Slots looked at in one section. */
    GIVE_UP_SECTION = 1024,
    /* For the thread that runs it. */
    GIVE_UP_LOOKS = 50,
};

/* What its callers are told. */
struct give_up {
    sp_pid pid; /* as it was */
    const struct sp_reason *reason;
};

/* ---- the owner ---- */

const struct sp_reason *sp__process_given_up_reason(struct sp_process *self)
{
    self->attention |= SP__ATTEND_GIVEN_UP;
    self->flags |= SP__PROCESS_NO_TERMINATE;
    return sp_reason_error(SP_ERR_ABANDONED, "was given up");
}

bool sp__process_refused(struct sp_process *self)
{
    if (!sp__process_given_up(self))
        return false;
    sp_ignore(sp__process_check(self)); /* ends it, the first time */
    return true;
}

/* ---- the threads it runs on ---- */

static bool give_up_marked(struct sp_runtime *runtime, struct sp__actor *actor)
{
    bool found = false;
    sp__lock_lock(&runtime->contexts_lock);
    for (struct sp__list *at = sp__list_first(&runtime->contexts); at != NULL && !found;
         at = sp__list_next(&runtime->contexts, at)) {
        struct sp__context *context = sp__container_of(at, struct sp__context, link);
        found = runtime->ops->runs(context, actor);
        if (found)
            sp__watch_deviate(context, actor);
    }
    sp__lock_unlock(&runtime->contexts_lock);
    return found;
}

/* One that sends at every moment is with the scheduler now and then. One that nobody runs finds out
 * when it goes on. */
static void give_up_mark(struct sp_runtime *runtime, struct sp__actor *actor)
{
    if (runtime->ops->runs == NULL)
        return; /* all sends pass a point */
    for (unsigned looks = 0; looks < GIVE_UP_LOOKS && !give_up_marked(runtime, actor); looks++)
        sp__scheduler_spin(looks);
}

void sp__process_given_up_end(struct sp_process *self)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    sp__lock_lock(&runtime->contexts_lock);
    for (struct sp__list *at = sp__list_first(&runtime->contexts); at != NULL;
         at = sp__list_next(&runtime->contexts, at)) {
        struct sp__context *context = sp__container_of(at, struct sp__context, link);
        if (atomic_load_explicit(&context->deviates, memory_order_relaxed) == &self->actor)
            sp__watch_deviate(context, NULL);
    }
    sp__lock_unlock(&runtime->contexts_lock);
    /* relaxed: statistics. */
    atomic_fetch_and_explicit(&self->shared, ~(uint32_t)SP__SHARED_GIVEN_UP, memory_order_relaxed);
    atomic_fetch_sub_explicit(&runtime->abandoned_left, 1, memory_order_relaxed);
}

/* ---- callers ---- */

/* The wait that the process is in. */
static void caller_fail_wait(struct sp_process *caller, const struct give_up *to)
{
    /* acquire: the edge is read after the wait it belongs to; pairs with the release in open. */
    uint64_t wait = atomic_load_explicit(&caller->actor.wait, memory_order_acquire);
    uint64_t token = wait >> 2;
    if ((wait & 3) != SP__WAIT_OPEN && (wait & 3) != SP__WAIT_BUSY)
        return;
    bool named =
        atomic_load_explicit(&caller->waits_token, memory_order_acquire) == (uint32_t)token;
    uint32_t slot = atomic_load_explicit(&caller->waits_slot, memory_order_acquire);
    bool edge = named && !(slot & SP__WAITS_GROUP) && (slot & SP__WAITS_SLOT) == to->pid.slot &&
                atomic_load_explicit(&caller->waits_serial, memory_order_acquire) ==
                    (uint32_t)to->pid.serial;
    if ((named && !edge) || !sp__wait_claim(&caller->actor, token))
        return;
    struct sp__pending *pending = caller->pending;
    bool shown = pending == NULL || sp__aside_shows(caller, pending, token);
    if (!shown)
        sp__reply_fail_from(pending, edge, to->pid, to->reason);
    if (!shown && pending->remaining == 0)
        sp__wait_finish(&caller->actor, token);
    else
        sp__wait_release(&caller->actor, token);
}

/* All processes, living or in their exit. */
static void give_up_fail_callers(struct sp_runtime *runtime, const struct give_up *to)
{
    uint32_t high = sp__slab_high(runtime->processes);
    for (uint32_t first = 0; first < high; first += GIVE_UP_SECTION) {
        uint32_t end = high - first < GIVE_UP_SECTION ? high : first + GIVE_UP_SECTION;
        sp__process_enter();
        for (uint32_t slot = first; slot < end; slot++) {
            struct sp_process *caller = sp__slab_get(runtime->processes, slot);
            /* acquire: as in lookup. */
            uint64_t serial = atomic_load_explicit(&caller->serial, memory_order_acquire);
            if (serial == 0 || (serial & SP__SERIAL_DEAD))
                continue;
            caller_fail_wait(caller, to);
            sp__aside_fail(caller, to->pid, to->reason);
        }
        sp__process_leave();
    }
}

/* ---- giving up ---- */

static void give_up_tell(struct sp_process *process, const struct give_up *to,
                         const char *operation)
{
    struct sp_runtime *runtime = sp__process_runtime(process);
    char who[64];
    char pid[SP_PID_TEXT_MAX];
    sp__exits_note(process, to->reason);
    if (sp__log_on(runtime, SP_LOG_ERROR))
        sp__log(runtime, SP_LOG_ERROR,
                "process %s (%s %s) is given up: its handler of %s does not return",
                sp__process_text(process, who), sp__process_label(process),
                sp_pid_format(to->pid, pid), operation);
}

static void give_up_discard(struct sp__signal *base)
{
    while (base != NULL) {
        struct sp__process_signal *signal = sp__container_of(base, struct sp__process_signal, base);
        base = base->next;
        sp__signal_discard(signal);
    }
}

void sp__process_give_up(struct sp_process *process, const char *operation)
{
    struct sp_runtime *runtime = sp__process_runtime(process);
    const struct sp_reason *reason =
        sp_reason_error(SP_ERR_ABANDONED, "handler of %s did not return", operation);
    struct give_up to = { .pid = sp__process_pid(process) };
    to.reason = sp__reason_of(reason, to.pid);
    give_up_tell(process, &to, operation);
    /* relaxed: statistics. */
    atomic_fetch_add_explicit(&runtime->abandoned, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&runtime->abandoned_left, 1, memory_order_relaxed);
    /* release: with the lane below; before anything the owner could find changed. */
    atomic_fetch_or_explicit(&process->shared, SP__SHARED_GIVEN_UP, memory_order_release);
    give_up_mark(runtime, &process->actor);
    sp__registry_release(process);
    /* relaxed: as in exit_release_names(). */
    if (atomic_load_explicit(&process->shared, memory_order_relaxed) & SP__SHARED_GROUP_MEMBER)
        sp__groups_leave_all(runtime->groups, to.pid);
    sp__watched_exit(process, to.reason);
    /* release: as in exit_vanish(). */
    atomic_store_explicit(&process->serial, to.pid.serial | SP__SERIAL_DEAD, memory_order_release);
    give_up_discard(sp__actor_give_up(&process->actor));
    sp__relation_tell(process, to.pid, to.reason);
    sp__send_room_all(process);
    give_up_fail_callers(runtime, &to);
    sp_reason_unref(to.reason);
}
