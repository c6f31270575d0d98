/* Names of processes: a map under one lock, in order of registration.
 *
 * Invariant: a name is in the map iff its process's extra.name is that name; both change
 * under the registry's lock, the pointer also under the process's.
 * Threads: any with a context. Neighbours: exit.c releases, spawn.c adds.
 */
#ifndef SPAWNED_PROCESS_REGISTRY_H
#define SPAWNED_PROCESS_REGISTRY_H

#include "process/process.h"
#include "spawned/registry.h"

struct sp__registry;

/** An empty registry. Errors: NOMEM. Context: startup. */
SP_NODISCARD sp_err sp__registry_create(struct sp__hash_seed seed, struct sp__registry **out)
    SP_NONNULL;
/** NULL is fine. Context: the runtime's end. */
void sp__registry_destroy(struct sp__registry *registry);

/** Not empty, not too long, not reserved. Context: any. */
bool sp__registry_name_valid(const char *name) SP_NONNULL;

/** Errors: EXISTS, NOMEM, NOPROC (ending). Context: inside an epoch section, or unpublished. */
SP_NODISCARD sp_err sp__registry_add(struct sp_process *process, const char *name) SP_NONNULL;

/** Free the name of a process that ends; it gets no other, and no timer. Context: the owner. */
void sp__registry_release(struct sp_process *process) SP_NONNULL;

#endif
