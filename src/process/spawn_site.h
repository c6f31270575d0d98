/* Where in the program a process was spawned: the address that the spawning function returns to.
 *
 *   public function -> context.spawn_site -> sp__process_create(): a number of the runtime's table
 *                                            -> sp_process.held
 *
 * The first function on the way in says where it was called, those that it calls itself find that
 * said. A process keeps the number of the place, in a byte: the table has 255, and whoever is
 * spawned at yet another place has none.
 *
 * Threads: the spawner's; the table is written once per place, by any.
 * Neighbours: spawn.c, observe/inspect.c; sp_spawn(), sp_server_start() and their like call.
 */
#ifndef SPAWNED_PROCESS_SPAWN_SITE_H
#define SPAWNED_PROCESS_SPAWN_SITE_H

#include "process/process.h"

/** What is spawned next is spawned there. Context: any. */
static inline void sp__spawn_here(const void *address)
{
    struct sp__context *context = sp__context();
    if (context != NULL && context->spawn_site == NULL)
        context->spawn_site = address;
}

/** Nothing was. Context: any. */
static inline void sp__spawn_not(void)
{
    struct sp__context *context = sp__context();
    if (context != NULL)
        context->spawn_site = NULL;
}

/** The number of the place where the context spawns, 0: not known. Context: the spawner. */
uint8_t sp__spawn_site_take(struct sp__context *context) SP_NONNULL;

/** The place, or NULL. Context: any, inside an epoch section. */
const void *sp__spawn_site_of(const struct sp_process *process) SP_NONNULL;

#endif
