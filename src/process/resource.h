/* Resources: what a process owns and what is released when it ends, last first.
 *
 * Memory, deferred functions, streams, requests it answers for. A list with a pointer back,
 * so that one that ends early is taken out in O(1).
 * Threads: the owner. Neighbours: exit.c (releases), memory.c, io/.
 */
#ifndef SPAWNED_PROCESS_RESOURCE_H
#define SPAWNED_PROCESS_RESOURCE_H

#include "process/process.h"

struct sp__resource {
    struct sp__resource *next;
    struct sp__resource **place; /* the pointer that points here; NULL: on no list */
    /** Released after all others, when the control lane is closed: for what carries a callback.
     *  Its release may not suspend. */
    bool late;
    /** Called once, at the end of the process, off the list. May suspend only where
     *  it is a user's function. */
    void (*release)(struct sp__resource *resource);
};

/** `process` owns it from now on. Context: the owner. */
static inline void sp__resource_add(struct sp_process *process, struct sp__resource *resource)
{
    resource->next = process->resources;
    resource->place = &process->resources;
    if (resource->next != NULL)
        resource->next->place = &resource->next;
    process->resources = resource;
}

/** A resource on a list is at another address now: tell its neighbours. Context: the owner. */
static inline void sp__resource_moved(struct sp__resource *resource)
{
    *resource->place = resource;
    if (resource->next != NULL)
        resource->next->place = &resource->next;
}

/** It owns it no longer; does nothing when it is on no list. Context: the owner. */
static inline void sp__resource_remove(struct sp__resource *resource)
{
    if (resource->place == NULL)
        return;
    *resource->place = resource->next;
    if (resource->next != NULL)
        resource->next->place = resource->place;
    resource->place = NULL;
}

/** A socket that the process has, or has no longer. Context: the owner, or who makes it. */
static inline void sp__process_count_file(struct sp_process *process, int more)
{
    /* relaxed: a statistic; single writer. */
    uint32_t held = atomic_load_explicit(&process->held, memory_order_relaxed);
    uint32_t change = (uint32_t)more * SP__HELD_FILE;
    atomic_store_explicit(&process->held, held + change, memory_order_relaxed);
}

#endif
