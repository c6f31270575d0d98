#include "process/relation.h"

#include "base/alloc.h"

#include <string.h>

/* The analysis cannot follow two locks that may be one; every caller pairs the next two. */
SP__NO_THREAD_SAFETY
void sp__relation_lock2(struct sp_process *a, struct sp_process *b)
{
    struct sp_process *first = a < b ? a : b;
    struct sp_process *second = a < b ? b : a;
    sp__lock_lock(&first->lock);
    if (second != first)
        sp__lock_lock(&second->lock);
}

SP__NO_THREAD_SAFETY
void sp__relation_unlock2(struct sp_process *a, struct sp_process *b)
{
    sp__lock_unlock(&a->lock);
    if (a != b)
        sp__lock_unlock(&b->lock);
}

struct sp__relations *sp__process_relations(struct sp_process *process)
{
    if (process->relations != NULL)
        return process->relations;
    struct sp__relations *relations = sp__malloc(sizeof(*relations));
    if (relations == NULL)
        return NULL;
    struct sp__hash_seed seed = sp__process_runtime(process)->seed;
    sp__map_init(&relations->links, seed);
    sp__map_init(&relations->monitors, seed);
    sp__list_init(&relations->watchers);
    relations->watcher_count = 0;
    relations->timers = 0;
    relations->timer_count = 0;
    process->relations = relations;
    return relations;
}

/* ---- links ---- */

/* Its pid, also of one that has just ended: it still tells who links itself now. */
static sp_pid relation_pid(const struct sp_process *process)
{
    sp_pid pid = sp__process_pid(process);
    pid.serial &= ~SP__SERIAL_DEAD;
    return pid;
}

static struct sp__link *link_new(struct sp_process *peer)
{
    struct sp__link *link = sp__calloc(1, sizeof(*link));
    if (link == NULL)
        return NULL;
    link->signal.kind = SP__SIGNAL_LINK;
    link->peer = peer;
    link->peer_pid = relation_pid(peer);
    link->signal.from = link->peer_pid;
    return link;
}

void sp__link_free(struct sp__link *link)
{
    sp_reason_unref(link->signal.reason);
    sp__free(link);
}

static sp_err link_insert(struct sp_process *owner, struct sp_process *peer)
{
    struct sp__relations *relations = sp__process_relations(owner);
    struct sp__link *link = relations == NULL ? NULL : link_new(peer);
    if (link == NULL)
        return SP_ERR_NOMEM;
    sp_err err = sp__map_add(&relations->links, sp_pid_key(link->peer_pid), link);
    if (err != SP_OK)
        sp__free(link);
    return err;
}

static struct sp__link *link_remove(struct sp_process *owner, sp_pid peer)
{
    if (owner->relations == NULL)
        return NULL;
    return sp__map_remove(&owner->relations->links, sp_pid_key(peer));
}

static sp_err relation_link_locked(struct sp_process *a, struct sp_process *b)
{
    if (b->closed || a->closed)
        return SP_ERR_NOPROC;
    sp_err err = link_insert(a, b);
    if (err == SP_ERR_EXISTS)
        return SP_OK;
    if (err != SP_OK)
        return err;
    err = link_insert(b, a);
    if (err != SP_OK)
        sp__free(link_remove(a, relation_pid(b)));
    return err;
}

sp_err sp__relation_link(struct sp_process *a, struct sp_process *b)
{
    sp__relation_lock2(a, b);
    sp_err err = relation_link_locked(a, b);
    sp__relation_unlock2(a, b);
    return err;
}

void sp__relation_unlink(struct sp_process *a, struct sp_process *b)
{
    sp__relation_lock2(a, b);
    struct sp__link *mine = link_remove(a, relation_pid(b));
    struct sp__link *theirs = mine == NULL ? NULL : link_remove(b, relation_pid(a));
    sp__relation_unlock2(a, b);
    if (mine != NULL)
        sp__link_free(mine);
    if (theirs != NULL)
        sp__link_free(theirs);
}

bool sp__relation_linked(struct sp_process *process, sp_pid peer)
{
    sp__lock_lock(&process->lock);
    bool linked = !process->closed && process->relations != NULL &&
                  sp__map_get(&process->relations->links, sp_pid_key(peer)) != NULL;
    sp__lock_unlock(&process->lock);
    return linked;
}

/* ---- monitors ---- */

void sp__monitor_free(struct sp__monitor *monitor)
{
    sp_reason_unref(monitor->signal.reason);
    if (monitor->down != NULL)
        sp__message_release(monitor->down);
    sp__free(monitor->name);
    sp__free(monitor);
}

static struct sp__monitor *monitor_new(struct sp_process *watcher, sp_pid target_pid,
                                       const char *name)
{
    struct sp__monitor *monitor = sp__calloc(1, sizeof(*monitor));
    if (monitor == NULL)
        return NULL;
    monitor->signal.kind = SP__SIGNAL_DOWN;
    monitor->signal.from = target_pid;
    monitor->watcher = watcher;
    /* relaxed: only uniqueness is asked for. */
    monitor->id = 1 + atomic_fetch_add_explicit(&sp__process_runtime(watcher)->next_id, 1,
                                                memory_order_relaxed);
    monitor->name = name == NULL ? NULL : sp__strdup(name);
    monitor->down =
        sp__message_new(&sp_down_type, sizeof(struct sp_down), SP__MESSAGE_NOTICE, target_pid);
    if (monitor->down == NULL || (name != NULL && monitor->name == NULL)) {
        sp__monitor_free(monitor);
        return NULL;
    }
    *(struct sp_down *)sp__message_payload(monitor->down) = (struct sp_down){
        .ref = { monitor->id },
        .pid = target_pid,
        .name = NULL,
        .reason = NULL,
    };
    return monitor;
}

/* Both locked. Makes the monitor a signal to its watcher. */
static void monitor_tell(struct sp__monitor *monitor, const struct sp_reason *reason)
{
    monitor->signal.reason = sp_reason_ref(reason);
    if (!sp__actor_signal(&monitor->watcher->actor, &monitor->signal.base))
        sp__monitor_free(monitor);
}

static sp_err relation_monitor_locked(struct sp__monitor *monitor, struct sp_process *target)
{
    /* A destructor at its very end: nobody would take the monitor apart again. */
    if (monitor->watcher->closed)
        return SP_ERR_NOTCONTEXT;
    struct sp__relations *held = sp__process_relations(monitor->watcher);
    if (held == NULL)
        return SP_ERR_NOMEM;
    if (target == NULL || target->closed) {
        monitor_tell(monitor, sp_reason_noproc());
        return SP_OK;
    }
    struct sp__relations *watched = sp__process_relations(target);
    if (watched == NULL)
        return SP_ERR_NOMEM;
    sp_err err = sp__map_add(&held->monitors, monitor->id, monitor);
    if (err != SP_OK)
        return err;
    monitor->target = target;
    sp__list_push_back(&watched->watchers, &monitor->link);
    watched->watcher_count++;
    return SP_OK;
}

sp_err sp__relation_monitor(struct sp_process *watcher, struct sp_process *target,
                            sp_pid target_pid, const char *name, struct sp__pending_slot *joiner,
                            uint64_t *out_id)
{
    struct sp__monitor *monitor = monitor_new(watcher, target_pid, name);
    if (monitor == NULL)
        return SP_ERR_NOMEM;
    monitor->joiner = joiner;
    uint64_t id = monitor->id;
    struct sp_process *other = target == NULL ? watcher : target;
    sp__relation_lock2(watcher, other);
    sp_err err = relation_monitor_locked(monitor, target);
    sp__relation_unlock2(watcher, other);
    if (err == SP_OK)
        *out_id = id;
    else
        sp__monitor_free(monitor);
    return err;
}

/* ---- the end ---- */

/* False: somebody came meanwhile. */
static bool relation_close(struct sp_process *self)
{
    sp__lock_lock(&self->lock);
    const struct sp__relations *relations = self->relations;
    self->closed = relations == NULL ||
                   (sp__map_count(&relations->links) == 0 && sp__list_empty(&relations->watchers));
    bool closed = self->closed;
    sp__lock_unlock(&self->lock);
    return closed;
}

/* Tell one linked peer; its entry is its signal. */
static void tell_link(struct sp_process *self, sp_pid pid, struct sp__link *mine,
                      const struct sp_reason *reason)
{
    struct sp_process *peer = mine->peer;
    sp__relation_lock2(self, peer);
    /* The peer may have ended or unlinked before we had both locks. */
    struct sp__link *still = link_remove(self, mine->peer_pid);
    struct sp__link *theirs = still == NULL ? NULL : link_remove(peer, pid);
    if (theirs != NULL) {
        theirs->signal.reason = sp_reason_ref(reason);
        if (!sp__actor_signal(&peer->actor, &theirs->signal.base))
            sp__link_free(theirs);
    }
    sp__relation_unlock2(self, peer);
    if (still != NULL)
        sp__link_free(still);
}

/* A copy of what is needed to lock the other side: the entry itself may go meanwhile. */
static bool first_link(struct sp_process *self, struct sp__link *out)
{
    uint32_t cursor = 0;
    sp__lock_lock(&self->lock);
    sp__map_item item;
    bool found = self->relations != NULL && sp__map_next(&self->relations->links, &cursor, &item);
    if (found)
        *out = *(struct sp__link *)item.value;
    sp__lock_unlock(&self->lock);
    return found;
}

static bool first_watcher(struct sp_process *self, struct sp_process **out_watcher)
{
    sp__lock_lock(&self->lock);
    struct sp__list *link =
        self->relations == NULL ? NULL : sp__list_first(&self->relations->watchers);
    if (link != NULL)
        *out_watcher = sp__container_of(link, struct sp__monitor, link)->watcher;
    sp__lock_unlock(&self->lock);
    return link != NULL;
}

static bool first_monitor(struct sp_process *self, struct sp_process **out_target)
{
    uint32_t cursor = 0;
    sp__lock_lock(&self->lock);
    sp__map_item item;
    bool found =
        self->relations != NULL && sp__map_next(&self->relations->monitors, &cursor, &item);
    if (found)
        *out_target = ((struct sp__monitor *)item.value)->target;
    sp__lock_unlock(&self->lock);
    return found;
}

static void tell_watcher(struct sp_process *self, struct sp_process *watcher,
                         const struct sp_reason *reason)
{
    sp__relation_lock2(self, watcher);
    struct sp__list *link = sp__list_first(&self->relations->watchers);
    struct sp__monitor *monitor =
        link == NULL ? NULL : sp__container_of(link, struct sp__monitor, link);
    if (monitor != NULL && monitor->watcher == watcher) {
        sp__list_remove(link);
        self->relations->watcher_count--;
        sp__map_remove(&watcher->relations->monitors, monitor->id);
        monitor_tell(monitor, reason);
    }
    sp__relation_unlock2(self, watcher);
}

static void drop_monitor(struct sp_process *self, struct sp_process *target)
{
    struct sp__monitor *monitor = NULL;
    uint32_t cursor = 0;
    sp__relation_lock2(self, target);
    sp__map_item item;
    if (sp__map_next(&self->relations->monitors, &cursor, &item) &&
        ((struct sp__monitor *)item.value)->target == target) {
        monitor = item.value;
        sp__map_remove(&self->relations->monitors, monitor->id);
        sp__list_remove(&monitor->link);
        target->relations->watcher_count--;
    }
    sp__relation_unlock2(self, target);
    if (monitor != NULL)
        sp__monitor_free(monitor);
}

void sp__relation_tell(struct sp_process *self, sp_pid pid, const struct sp_reason *reason)
{
    /* The section keeps the others' slots: one may end between our looking and locking. */
    sp__process_enter();
    struct sp_process *other;
    /* First what nobody is told of: who learns of the end finds nothing left of it. */
    while (first_monitor(self, &other))
        drop_monitor(self, other);
    struct sp__link link;
    do {
        while (first_link(self, &link))
            tell_link(self, pid, &link, reason);
        while (first_watcher(self, &other))
            tell_watcher(self, other, reason);
    } while (!relation_close(self));
    sp__process_leave();
}

/* ---- the public calls ---- */

sp_err sp_link(sp_pid pid)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(pid), "link");
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    if (sp_pid_equal(pid, sp__process_pid(self)))
        return SP_OK;
    sp__process_enter();
    struct sp_process *peer = sp__process_lookup(sp__process_runtime(self), pid);
    sp_err err = peer == NULL ? SP_ERR_NOPROC : sp__relation_link(self, peer);
    sp__process_leave();
    if (err != SP_ERR_NOPROC)
        return err;
    if (sp__relation_linked(self, pid))
        return SP_OK; /* it is ending, and tells us of what */
    if (!(self->flags & SP__PROCESS_TRAP_EXIT))
        return err;
    if (!sp__process_check(self)) /* what it has told already comes first */
        return SP_ERR_NOTCONTEXT;
    struct sp_message *notice = sp__message_new(&sp_exit_notice_type, sizeof(struct sp_exit_notice),
                                                SP__MESSAGE_NOTICE, pid);
    if (notice == NULL)
        return SP_ERR_NOMEM;
    *(struct sp_exit_notice *)sp__message_payload(notice) =
        (struct sp_exit_notice){ pid, sp_reason_noproc() };
    sp__process_append(self, notice, self->flags & SP__PROCESS_NOTICES_FIRST);
    return SP_OK;
}

static bool purge_exit(struct sp_message *message, const void *arg)
{
    const struct sp_exit_notice *notice = sp_message_exit(message);
    return notice != NULL && sp_pid_equal(notice->pid, *(const sp_pid *)arg);
}

void sp_unlink(sp_pid pid)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(pid), "unlink");
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return;
    struct sp__link *mine = NULL;
    struct sp__link *theirs = NULL;
    sp__process_enter();
    struct sp_process *peer = sp__process_lookup(sp__process_runtime(self), pid);
    if (peer != NULL && peer != self) {
        sp__relation_lock2(self, peer);
        mine = link_remove(self, pid);
        if (mine != NULL)
            theirs = link_remove(peer, sp__process_pid(self));
        sp__relation_unlock2(self, peer);
    }
    sp__process_leave();
    if (theirs != NULL)
        sp__link_free(theirs);
    if (mine != NULL) {
        sp__link_free(mine);
        return;
    }
    /* It has ended, or is ending: its exit is told, or was. An ending peer that still has our
     * link is found by its own exit only: take our half away from it. One that is alive may
     * have linked itself with us just now: that link stays whole. */
    if (peer == NULL) {
        sp__lock_lock(&self->lock);
        mine = link_remove(self, pid);
        sp__lock_unlock(&self->lock);
    }
    if (mine != NULL)
        sp__link_free(mine);
    if (sp__process_check(self))
        sp__process_purge(self, purge_exit, &pid);
}

sp_err sp_monitor(sp_pid pid, sp_monitor_ref *out_ref)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(pid), "monitor");
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    sp__process_enter();
    struct sp_process *target = sp__process_lookup(sp__process_runtime(self), pid);
    sp_err err = sp__relation_monitor(self, target, pid, NULL, NULL, &out_ref->id);
    sp__process_leave();
    return err;
}

static bool purge_down(struct sp_message *message, const void *arg)
{
    const struct sp_down *down = sp_message_down(message);
    return down != NULL && down->ref.id == *(const uint64_t *)arg;
}

static struct sp__monitor *monitor_take(struct sp_process *self, uint64_t id)
{
    struct sp_process *target = NULL;
    sp__lock_lock(&self->lock);
    struct sp__monitor *monitor =
        self->relations == NULL ? NULL : sp__map_get(&self->relations->monitors, id);
    if (monitor != NULL)
        target = monitor->target;
    sp__lock_unlock(&self->lock);
    if (target == NULL)
        return NULL;
    sp__relation_lock2(self, target);
    monitor = sp__map_remove(&self->relations->monitors, id);
    if (monitor != NULL) {
        sp__list_remove(&monitor->link);
        target->relations->watcher_count--;
    }
    sp__relation_unlock2(self, target);
    return monitor;
}

bool sp__relation_demonitor(struct sp_process *self, uint64_t id)
{
    sp__process_enter();
    struct sp__monitor *monitor = monitor_take(self, id);
    sp__process_leave();
    if (monitor != NULL)
        sp__monitor_free(monitor);
    return monitor != NULL;
}

bool sp_demonitor(sp_monitor_ref ref, enum sp_demonitor how)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return false;
    bool active = sp__relation_demonitor(self, ref.id);
    if (!active && how == SP_DEMONITOR_FLUSH && sp__process_check(self))
        sp__process_purge(self, purge_down, &ref.id);
    return active;
}
