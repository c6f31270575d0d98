#include "http/relations.h"

#include "process/relation.h"

/* A list being filled. */
struct relations_list {
    sp_pid *pids;
    size_t count;
};

static void relations_add(struct relations_list *list, sp_pid pid)
{
    if (list->count < SP__HTTP_RELATIONS_MAX && !(pid.serial & SP__SERIAL_DEAD))
        list->pids[list->count++] = pid;
}

/* The next three with the process's lock held: so who is at the other end of a relation is still
 * there, because whoever takes it apart holds both locks. */

static void relations_links(const struct sp__relations *relations, struct relations_list *list)
{
    uint32_t cursor = 0;
    sp__map_item item;
    while (sp__map_next(&relations->links, &cursor, &item))
        relations_add(list, ((const struct sp__link *)item.value)->peer_pid);
}

static void relations_monitors(const struct sp__relations *relations, struct relations_list *list)
{
    uint32_t cursor = 0;
    sp__map_item item;
    while (sp__map_next(&relations->monitors, &cursor, &item)) {
        const struct sp__monitor *monitor = item.value;
        if (monitor->target != NULL)
            relations_add(list, sp__process_pid(monitor->target));
    }
}

static void relations_watchers(const struct sp__relations *relations, struct relations_list *list)
{
    for (struct sp__list *link = sp__list_first(&relations->watchers); link != NULL;
         link = sp__list_next(&relations->watchers, link)) {
        const struct sp__monitor *monitor = sp__container_of(link, struct sp__monitor, link);
        relations_add(list, sp__process_pid(monitor->watcher));
    }
}

size_t sp__http_relations_read(sp_pid pid, enum sp__http_relation which,
                               sp_pid pids[SP__HTTP_RELATIONS_MAX])
{
    static void (*const read[])(const struct sp__relations *,
                                struct relations_list *) = { relations_links, relations_monitors,
                                                             relations_watchers };
    struct relations_list list = { .pids = pids };
    struct sp_runtime *runtime = sp_runtime_current();
    if (runtime == NULL)
        return 0;
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(runtime, pid);
    if (process != NULL) {
        sp__lock_lock(&process->lock);
        if (!process->closed && process->relations != NULL)
            read[which](process->relations, &list);
        sp__lock_unlock(&process->lock);
    }
    sp__process_leave();
    return list.count;
}
