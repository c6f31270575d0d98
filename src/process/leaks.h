/* What a process had not given back when it ended: nothing of it is lost, since its end releases
 * all; but a process that lives for months must give back itself what it no longer needs.
 *
 *   exit, RELEASE  sp__leaks_release() instead of the release itself, where reports are on
 *   exit, LOG      sp__leaks_report(): one line of the log, if there is anything
 *
 * What a deferred function of the user's gives back is not left. Memory is told with the places in
 * the program that asked for it.
 *
 * Threads: the owner. Neighbours: exit.c, memory.c, resource.h.
 */
#ifndef SPAWNED_PROCESS_LEAKS_H
#define SPAWNED_PROCESS_LEAKS_H

#include "process/resource.h"

/** Does this runtime report? Context: any. */
static inline bool sp__leaks_reported(const struct sp_runtime *runtime)
{
    return runtime->options.leak_report == SP_LEAK_REPORT_ON;
}

/** Release it, at the end of the process; noted for the report. Context: the owner, in its exit. */
void sp__leaks_release(struct sp_process *self, struct sp__resource *resource) SP_NONNULL;

/** The report; takes what was noted. Context: the owner, in its exit, before its timers go. */
void sp__leaks_report(struct sp_process *self) SP_NONNULL;

/** Is it an allocation of sp_alloc(), how large, and who asked for it? Context: the owner. */
SP_NODISCARD bool sp__memory_of(const struct sp__resource *resource, size_t *out_size,
                                const void **out_site) SP_NONNULL;

#endif
