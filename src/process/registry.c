#include "process/registry.h"

#include "base/alloc.h"
#include "base/strmap.h"
#include "process/relation.h"

#include <string.h>

struct sp__registry {
    struct sp__lock lock;
    struct sp__strmap names SP__GUARDED_BY(lock); /* name -> struct sp_process */
};

sp_err sp__registry_create(struct sp__hash_seed seed, struct sp__registry **out)
{
    struct sp__registry *registry = sp__malloc(sizeof(*registry));
    if (registry == NULL)
        return SP_ERR_NOMEM;
    sp__lock_init(&registry->lock);
    sp__strmap_init(&registry->names, seed);
    *out = registry;
    return SP_OK;
}

void sp__registry_destroy(struct sp__registry *registry)
{
    if (registry == NULL)
        return;
    sp__strmap_finish(&registry->names);
    sp__free(registry);
}

bool sp__registry_name_valid(const char *name)
{
    size_t length = strnlen(name, SP_NAME_MAX + 1);
    return length != 0 && length <= SP_NAME_MAX && strcmp(name, "undefined") != 0;
}

/* Both locks held. */
static sp_err registry_insert(struct sp__registry *registry, struct sp_process *process,
                              const char *name)
{
    struct sp__extra *extra = process->extra;
    if (process->leaving)
        return SP_ERR_NOPROC;
    if (extra->name != NULL)
        return SP_ERR_EXISTS;
    char *copy = sp__strdup(name);
    if (copy == NULL)
        return SP_ERR_NOMEM;
    sp_err err = sp__strmap_add(&registry->names, name, strlen(name), process);
    if (err != SP_OK)
        sp__free(copy);
    else
        extra->name = copy;
    return err;
}

sp_err sp__registry_add(struct sp_process *process, const char *name)
{
    struct sp__registry *registry = sp__process_runtime(process)->registry;
    if (sp__process_extra(process) == NULL)
        return SP_ERR_NOMEM;
    sp__lock_lock(&registry->lock);
    sp__lock_lock(&process->lock);
    sp_err err = registry_insert(registry, process, name);
    sp__lock_unlock(&process->lock);
    sp__lock_unlock(&registry->lock);
    return err;
}

/* Registry's lock held. */
static void registry_remove(struct sp__registry *registry, struct sp_process *process)
{
    sp__lock_lock(&process->lock);
    char *name = process->extra == NULL ? NULL : process->extra->name;
    if (name != NULL)
        process->extra->name = NULL;
    sp__lock_unlock(&process->lock);
    if (name == NULL)
        return;
    sp__strmap_remove(&registry->names, name, strlen(name));
    sp__free(name);
}

void sp__registry_release(struct sp_process *process)
{
    struct sp__registry *registry = sp__process_runtime(process)->registry;
    sp__lock_lock(&process->lock);
    process->leaving = true; /* no name can come after this */
    bool named = process->extra != NULL && process->extra->name != NULL;
    sp__lock_unlock(&process->lock);
    if (!named)
        return;
    sp__lock_lock(&registry->lock);
    registry_remove(registry, process);
    sp__lock_unlock(&registry->lock);
}

/* ---- the public calls ---- */

sp_err sp_register(const char *name, sp_pid pid)
{
    sp__point_name(name, "register");
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    if (!sp__registry_name_valid(name))
        return SP_ERR_INVALID;
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(runtime, pid);
    sp_err err = process == NULL ? SP_ERR_NOPROC : sp__registry_add(process, name);
    sp__process_leave();
    return err;
}

static struct sp_process *registry_find(struct sp_runtime *runtime, const char *name)
{
    struct sp__registry *registry = runtime->registry;
    sp__lock_lock(&registry->lock);
    struct sp_process *process = sp__strmap_get(&registry->names, name, strlen(name));
    sp__lock_unlock(&registry->lock);
    return process;
}

sp_err sp_unregister(const char *name)
{
    sp__point_name(name, "unregister");
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp__registry *registry = runtime->registry;
    sp__lock_lock(&registry->lock);
    struct sp_process *process = sp__strmap_get(&registry->names, name, strlen(name));
    if (process != NULL)
        registry_remove(registry, process);
    sp__lock_unlock(&registry->lock);
    return process == NULL ? SP_ERR_NOTFOUND : SP_OK;
}

sp_err sp_whereis(const char *name, sp_pid *out_pid)
{
    sp__point_name(name, "whereis");
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    sp__process_enter();
    struct sp_process *process = registry_find(runtime, name);
    sp_pid pid = process == NULL ? SP_PID_NONE : sp__process_pid(process);
    sp__process_leave();
    if (process == NULL || (pid.serial & SP__SERIAL_DEAD))
        return SP_ERR_NOTFOUND;
    *out_pid = pid;
    return SP_OK;
}

/* Under the process's lock, not closed. */
static const void *registry_tag(struct sp_process *process)
{
    if (process->behaviour->tag != NULL)
        return process->behaviour->tag(process);
    return process->extra == NULL ? NULL : process->extra->class_tag;
}

sp_err sp_whereis_class(const char *name, const void *class_tag, sp_pid *out_pid)
{
    sp__point_name(name, "whereis");
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    const void *tag = NULL;
    bool closed = true;
    sp__process_enter();
    struct sp_process *process = registry_find(runtime, name);
    sp_pid pid = process == NULL ? SP_PID_NONE : sp__process_pid(process);
    if (process != NULL) {
        sp__lock_lock(&process->lock);
        closed = process->closed;
        if (!closed)
            tag = registry_tag(process);
        sp__lock_unlock(&process->lock);
    }
    sp__process_leave();
    if (closed || (pid.serial & SP__SERIAL_DEAD))
        return SP_ERR_NOTFOUND;
    if (tag != class_tag)
        return SP_ERR_BADCALL;
    *out_pid = pid;
    return SP_OK;
}

sp_err sp_name_of(sp_pid pid, char name[SP_NAME_MAX + 1])
{
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(runtime, pid);
    sp_err err = process == NULL ? SP_ERR_NOPROC : SP_ERR_NOTFOUND;
    if (process != NULL) {
        sp__lock_lock(&process->lock);
        if (!process->closed && process->extra != NULL && process->extra->name != NULL) {
            strcpy(name, process->extra->name);
            err = SP_OK;
        }
        sp__lock_unlock(&process->lock);
    }
    sp__process_leave();
    return err;
}

size_t sp_registered_count(void)
{
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return 0;
    sp__lock_lock(&runtime->registry->lock);
    size_t count = sp__strmap_count(&runtime->registry->names);
    sp__lock_unlock(&runtime->registry->lock);
    return count;
}

/* One name as sp_registered_each() shows it; in a row of them, each padded to its alignment. */
struct registered {
    sp_pid pid;
    size_t size; /* of this entry with its name and the padding behind it */
    char name[];
};

static size_t registered_size(size_t name_size)
{
    size_t align = _Alignof(struct registered);
    return (sizeof(struct registered) + name_size + 1 + align - 1) & ~(align - 1);
}

/* Write an entry for each name while they fit; returns the bytes that are needed for all. */
static size_t registry_list(struct sp__registry *registry, char *buffer, size_t room)
{
    sp__strmap_item item;
    size_t need = 0;
    sp__lock_lock(&registry->lock);
    for (uint32_t i = 0; sp__strmap_next(&registry->names, &i, &item);) {
        size_t length = strlen(item.key);
        size_t size = registered_size(length);
        if (need + size <= room) {
            struct registered *entry = (struct registered *)(void *)(buffer + need);
            /* Without a buffer `room` is 0, and no name needs so little. */
            entry->pid = sp__process_pid(item.value); /* NOLINT */
            entry->size = size;
            memcpy(entry->name, item.key, length + 1);
        }
        need += size;
    }
    sp__lock_unlock(&registry->lock);
    return need;
}

/* The copy is memory of the calling process, so that nothing leaks when `fn` ends it. */
sp_err sp_registered_each(sp_registered_fn fn, void *arg)
{
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    size_t room = 0;
    size_t used;
    char *entries = NULL;
    while ((used = registry_list(runtime->registry, entries, room)) > room) {
        sp_free(entries);
        room = used + used / 8;
        entries = sp_try_alloc(room);
        if (entries == NULL)
            return SP_ERR_NOMEM;
    }
    for (size_t at = 0; at < used;) {
        const struct registered *entry = (const struct registered *)(const void *)(entries + at);
        if (!fn(entry->name, entry->pid, arg))
            break;
        at += entry->size;
    }
    sp_free(entries);
    return SP_OK;
}

sp_err sp_monitor_name(const char *name, sp_monitor_ref *out_ref)
{
    sp__point_name(name, "monitor name");
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    if (!sp__registry_name_valid(name))
        return SP_ERR_INVALID;
    struct sp_runtime *runtime = sp__process_runtime(self);
    sp__process_enter();
    struct sp_process *target = registry_find(runtime, name);
    sp_pid pid = target == NULL ? SP_PID_NONE : sp__process_pid(target);
    if (pid.serial & SP__SERIAL_DEAD)
        target = NULL;
    sp_err err = sp__relation_monitor(self, target, pid, name, NULL, &out_ref->id);
    sp__process_leave();
    return err;
}
