/* Process groups; the contract is in spawned/group.h, the structure in group.h.
 *
 * A join flags the process first and adds it second, both under the lock: exit marks the
 * process as ending before it looks at the flag, so either the flag is refused (NOPROC) or
 * exit comes here and waits for the lock. Snapshots are copied into memory of the calling
 * process, so that nothing leaks when a callback ends the process.
 */
#include "process/group.h"

#include "base/alloc.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/strmap.h"
#include "process/callback.h"
#include "process/process.h"
#include "runtime/core.h"
#include "spawned/process.h"
#include "spawned/registry.h"

#include <string.h>

struct sp__groups {
    struct sp__lock lock;
    struct sp__hash_seed seed;
    struct sp__strmap by_name SP__GUARDED_BY(lock); /* struct group, in order of creation */
    struct sp__map by_pid SP__GUARDED_BY(lock);     /* first struct membership of a pid */
    size_t name_bytes SP__GUARDED_BY(lock);         /* of all names, zeros included */
    struct sp__list watches SP__GUARDED_BY(lock);   /* struct sp__group_watch */
};

struct group {
    struct sp__map members; /* pid key => struct membership, in order of the first join */
    size_t name_size;       /* without the zero */
    char name[];
};

/** One process in one group. */
struct membership {
    sp_pid pid;
    struct group *group;
    uint64_t joins;
    struct membership *next; /* of the same process, in another group */
};

/** Pids that a small snapshot holds without memory. */
#define GROUP_PIDS_FEW 64

/** A copy of a group's members. */
struct group_snapshot {
    size_t count;
    sp_pid *pids;
    sp_pid few[GROUP_PIDS_FEW];
};

sp_err sp__groups_create(struct sp__hash_seed seed, struct sp__groups **out_groups)
{
    struct sp__groups *groups = sp__calloc(1, sizeof *groups);
    if (groups == NULL)
        return SP_ERR_NOMEM;
    sp__lock_init(&groups->lock);
    groups->seed = seed;
    sp__strmap_init(&groups->by_name, seed);
    sp__map_init(&groups->by_pid, seed);
    sp__list_init(&groups->watches);
    *out_groups = groups;
    return SP_OK;
}

/** Free a group and its memberships, whoever else points at them. */
static void group_free(struct group *group)
{
    sp__map_item item;
    for (uint32_t at = 0; sp__map_next(&group->members, &at, &item);)
        sp__free(item.value);
    sp__map_finish(&group->members);
    sp__free(group);
}

void sp__groups_destroy(struct sp__groups *groups)
{
    if (groups == NULL)
        return;
    sp__strmap_item item;
    for (uint32_t at = 0; sp__strmap_next(&groups->by_name, &at, &item);)
        group_free(item.value);
    sp__strmap_finish(&groups->by_name);
    sp__map_finish(&groups->by_pid);
    sp__free(groups);
}

/** The members of a group have changed. */
static void group_tell(struct sp__groups *groups, const char *name) SP__REQUIRES(groups->lock)
{
    if (sp__list_empty(&groups->watches))
        return;
    sp__process_enter();
    for (struct sp__list *at = groups->watches.next; at != &groups->watches; at = at->next) {
        struct sp__group_watch *watch = sp__container_of(at, struct sp__group_watch, link);
        /* Refused: it is ending, and does not want to know any more. */
        if (strcmp(watch->name, name) == 0)
            (void)sp__callback_post(&watch->process->actor, watch->changed);
    }
    sp__process_leave();
}

void sp__group_watch(struct sp__groups *groups, struct sp__group_watch *watch, const char *name,
                     struct sp_process *process, struct sp__callback *changed)
{
    memcpy(watch->name, name, strlen(name) + 1);
    watch->process = process;
    watch->changed = changed;
    sp__lock_lock(&groups->lock);
    sp__list_push_back(&groups->watches, &watch->link);
    sp__lock_unlock(&groups->lock);
}

void sp__group_unwatch(struct sp__groups *groups, struct sp__group_watch *watch)
{
    sp__lock_lock(&groups->lock);
    sp__list_remove(&watch->link);
    sp__lock_unlock(&groups->lock);
}

static struct group *group_find(const struct sp__groups *groups, const char *name)
{
    return sp__strmap_get(&groups->by_name, name, strlen(name));
}

/** The membership of exactly this pid: keys repeat after 2^32 uses of a slot. */
static struct membership *group_member(const struct group *group, sp_pid pid)
{
    struct membership *one = sp__map_get(&group->members, sp_pid_key(pid));
    return one != NULL && sp_pid_equal(one->pid, pid) ? one : NULL;
}

static sp_err group_create(struct sp__groups *groups, const char *name, struct group **out_group)
{
    size_t name_size = strlen(name);
    struct group *group = sp__malloc(sizeof *group + name_size + 1);
    if (group == NULL)
        return SP_ERR_NOMEM;
    group->name_size = name_size;
    memcpy(group->name, name, name_size + 1);
    sp__map_init(&group->members, groups->seed);
    sp_err err = sp__strmap_add(&groups->by_name, name, group->name_size, group);
    if (err != SP_OK) {
        sp__free(group);
        return err;
    }
    groups->name_bytes += group->name_size + 1;
    *out_group = group;
    return SP_OK;
}

/** Delete a group that has lost its last member. */
static void group_reap(struct sp__groups *groups, struct group *group)
{
    if (sp__map_count(&group->members) != 0)
        return;
    groups->name_bytes -= group->name_size + 1;
    sp_ignore(sp__strmap_remove(&groups->by_name, group->name, group->name_size));
    group_free(group);
}

/** Put a new membership into both maps. */
static sp_err membership_add(struct sp__groups *groups, struct group *group, sp_pid pid)
{
    uint64_t key = sp_pid_key(pid);
    struct membership *one = sp__calloc(1, sizeof *one);
    if (one == NULL)
        return SP_ERR_NOMEM;
    one->pid = pid;
    one->group = group;
    one->joins = 1;
    one->next = sp__map_get(&groups->by_pid, key);
    sp_err err = sp__map_add(&group->members, key, one);
    if (err != SP_OK) {
        sp__free(one);
        return err;
    }
    err = sp__map_put(&groups->by_pid, key, one);
    if (err != SP_OK) {
        sp_ignore(sp__map_remove(&group->members, key));
        sp__free(one);
    }
    return err;
}

/** Take a membership out of its process's list. */
static void membership_unlink(struct sp__groups *groups, struct membership *one)
{
    uint64_t key = sp_pid_key(one->pid);
    struct membership *at = sp__map_get(&groups->by_pid, key);
    if (at != one) {
        while (at->next != one)
            at = at->next;
        at->next = one->next;
    } else if (one->next == NULL) {
        sp_ignore(sp__map_remove(&groups->by_pid, key));
    } else {
        /* The key is there: replacing its value needs no memory and cannot fail. */
        sp_err err = sp__map_put(&groups->by_pid, key, one->next);
        (void)err;
    }
}

static sp_err group_join_locked(struct sp__groups *groups, const char *name, sp_pid pid)
    SP__REQUIRES(groups->lock)
{
    struct group *group = group_find(groups, name);
    struct membership *one = group == NULL ? NULL : group_member(group, pid);
    if (one != NULL) {
        one->joins++;
        return SP_OK;
    }
    if (group == NULL) {
        sp_err err = group_create(groups, name, &group);
        if (err != SP_OK)
            return err;
    }
    sp_err err = membership_add(groups, group, pid);
    if (err == SP_OK)
        group_tell(groups, name);
    group_reap(groups, group); /* it is empty only if it was created for nothing */
    return err;
}

static sp_err group_leave_locked(struct sp__groups *groups, const char *name, sp_pid pid)
    SP__REQUIRES(groups->lock)
{
    struct group *group = group_find(groups, name);
    struct membership *one = group == NULL ? NULL : group_member(group, pid);
    if (one == NULL)
        return SP_ERR_NOTMEMBER;
    if (--one->joins > 0)
        return SP_OK;
    membership_unlink(groups, one);
    sp_ignore(sp__map_remove(&group->members, sp_pid_key(pid)));
    sp__free(one);
    group_tell(groups, name);
    group_reap(groups, group);
    return SP_OK;
}

void sp__groups_leave_all(struct sp__groups *groups, sp_pid pid)
{
    uint64_t key = sp_pid_key(pid);
    sp__lock_lock(&groups->lock);
    struct membership *next;
    for (struct membership *one = sp__map_remove(&groups->by_pid, key); one != NULL; one = next) {
        next = one->next;
        struct group *group = one->group;
        sp_ignore(sp__map_remove(&group->members, key));
        sp__free(one);
        group_tell(groups, group->name);
        group_reap(groups, group);
    }
    sp__lock_unlock(&groups->lock);
}

static bool group_name_ok(const char *name)
{
    return name[0] != 0 && strlen(name) <= SP_NAME_MAX;
}

sp_err sp_group_join(const char *group, sp_pid pid)
{
    sp__point_name(group, "join group");
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    if (!group_name_ok(group))
        return SP_ERR_INVALID;
    if (pid.node != 0)
        return SP_ERR_NONODE;
    struct sp__groups *groups = runtime->groups;
    sp__lock_lock(&groups->lock);
    sp_err err = SP_ERR_NOPROC;
    if (sp__process_flag_group_member(runtime, pid))
        err = group_join_locked(groups, group, pid);
    sp__lock_unlock(&groups->lock);
    return err;
}

sp_err sp_group_leave(const char *group, sp_pid pid)
{
    sp__point_name(group, "leave group");
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp__groups *groups = runtime->groups;
    sp__lock_lock(&groups->lock);
    sp_err err = group_leave_locked(groups, group, pid);
    sp__lock_unlock(&groups->lock);
    return err;
}

/** Copy up to `max` members, first join first; returns how many there are. */
static size_t group_copy(struct sp__groups *groups, const char *name, sp_pid *pids, size_t max)
{
    size_t count = 0;
    sp__lock_lock(&groups->lock);
    struct group *group = group_find(groups, name);
    if (group != NULL) {
        sp__map_item item;
        uint32_t at = 0;
        for (size_t i = 0; i < max && sp__map_next(&group->members, &at, &item); i++)
            pids[i] = ((const struct membership *)item.value)->pid;
        count = sp__map_count(&group->members);
    }
    sp__lock_unlock(&groups->lock);
    return count;
}

size_t sp_group_members(const char *group, sp_pid *pids, size_t max)
{
    struct sp_runtime *runtime = sp_runtime_current();
    return runtime == NULL ? 0 : group_copy(runtime->groups, group, pids, max);
}

bool sp_group_is_member(const char *group, sp_pid pid)
{
    sp__point_name(group, "is member");
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return false;
    struct sp__groups *groups = runtime->groups;
    sp__lock_lock(&groups->lock);
    struct group *found = group_find(groups, group);
    bool is_member = found != NULL && group_member(found, pid) != NULL;
    sp__lock_unlock(&groups->lock);
    return is_member;
}

size_t sp_group_count(void)
{
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return 0;
    struct sp__groups *groups = runtime->groups;
    sp__lock_lock(&groups->lock);
    size_t count = sp__strmap_count(&groups->by_name);
    sp__lock_unlock(&groups->lock);
    return count;
}

/** Copy all members. The lock is never held while memory is allocated for them, so a group
 *  that grows meanwhile is copied again. */
static sp_err group_snapshot_take(struct sp__groups *groups, const char *name,
                                  struct group_snapshot *snapshot)
{
    size_t room = GROUP_PIDS_FEW;
    snapshot->pids = snapshot->few;
    for (;;) {
        snapshot->count = group_copy(groups, name, snapshot->pids, room);
        if (snapshot->count <= room)
            return SP_OK;
        if (snapshot->pids != snapshot->few)
            sp_free(snapshot->pids);
        room = snapshot->count + snapshot->count / 8;
        snapshot->pids = sp_try_alloc(room * sizeof *snapshot->pids);
        if (snapshot->pids == NULL)
            return SP_ERR_NOMEM;
    }
}

sp_err sp_group_send(const char *group, const struct sp_msg_type *type, const void *payload,
                     struct sp_broadcast *out_counts)
{
    sp__point_name(group, "send to group");
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    if (type->destroy != NULL)
        return SP_ERR_INVALID;
    struct group_snapshot snapshot;
    sp_err err = group_snapshot_take(runtime->groups, group, &snapshot);
    if (err != SP_OK)
        return err;
    struct sp_broadcast counts = { 0, 0 };
    for (size_t i = 0; i < snapshot.count; i++) {
        /* The analyser does not follow the copying of the snapshot. */
        if (sp_send(snapshot.pids[i], type, payload) == SP_OK) /* NOLINT */
            counts.sent++;
        else
            counts.failed++;
    }
    if (snapshot.pids != snapshot.few)
        sp_free(snapshot.pids);
    if (out_counts != NULL)
        *out_counts = counts;
    return SP_OK;
}

/** One group as sp_group_each() shows it; in a row of them, each padded to its alignment. */
struct group_entry {
    size_t members;
    size_t size; /* of this entry with its name and the padding behind it */
    char name[];
};

static size_t group_entry_size(size_t name_size)
{
    size_t align = _Alignof(struct group_entry);
    return (sizeof(struct group_entry) + name_size + 1 + align - 1) & ~(align - 1);
}

/** Write an entry for each group if `room` bytes are enough for all; returns the bytes that
 *  are needed. */
static size_t group_list(struct sp__groups *groups, char *buffer, size_t room)
{
    sp__lock_lock(&groups->lock);
    size_t count = sp__strmap_count(&groups->by_name);
    size_t need = groups->name_bytes + count * group_entry_size(0);
    sp__strmap_item item;
    char *at = buffer;
    for (uint32_t i = 0; need <= room && sp__strmap_next(&groups->by_name, &i, &item);) {
        const struct group *group = item.value;
        struct group_entry *entry = (struct group_entry *)(void *)at;
        /* Without a buffer `room` is 0, and there is no group if that is enough. */
        entry->members = sp__map_count(&group->members); /* NOLINT */
        entry->size = group_entry_size(group->name_size);
        memcpy(entry->name, group->name, group->name_size + 1);
        at += entry->size;
    }
    sp__lock_unlock(&groups->lock);
    return need <= room ? (size_t)(at - buffer) : need;
}

sp_err sp_group_each(sp_group_fn fn, void *arg)
{
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    size_t room = 0;
    size_t used;
    char *entries = NULL;
    while ((used = group_list(runtime->groups, entries, room)) > room) {
        sp_free(entries);
        room = used + used / 8;
        entries = sp_try_alloc(room);
        if (entries == NULL)
            return SP_ERR_NOMEM;
    }
    for (size_t at = 0; at < used;) {
        const struct group_entry *entry = (const struct group_entry *)(const void *)(entries + at);
        if (!fn(entry->name, entry->members, arg))
            break;
        at += entry->size;
    }
    sp_free(entries);
    return SP_OK;
}
