/* Looking at processes, from inside: what pages and edges are made of.
 *
 * Threads: any with a context. Neighbours: inspect.c, page.c, edges.c.
 */
#ifndef SPAWNED_OBSERVE_INSPECT_H
#define SPAWNED_OBSERVE_INSPECT_H

#include "process/process.h"
#include "spawned/inspect.h"

enum {
    /** Slots looked at in one epoch section: what ends meanwhile waits for it. */
    SP__INSPECT_BATCH = 256,
};

/** Pids being collected: `total` may be more than fits. */
struct sp__inspect_pids {
    sp_pid *pids;
    size_t max;
    size_t total;
};

/** What it is. Context: any, with its lock held and the process not closed. */
enum sp_process_kind sp__inspect_kind(const struct sp_process *process) SP_NONNULL;

/** How long it has been at its call; 0: at none. Context: any, inside an epoch section. */
int64_t sp__inspect_handling(struct sp_process *process, int64_t now_ns) SP_NONNULL;

/** The name of the operation that its handler is at, cut; empty: it is at none, or it moves on.
 *  Context: any, with its lock held and the process not closed. */
void sp__inspect_operation(const struct sp_process *process, char *text, size_t size) SP_NONNULL;

/** Add the other ends of its LINK, MONITOR or WATCHER relations. Takes its lock.
 *  Context: any, inside an epoch section. */
void sp__inspect_tied(struct sp_process *process, enum sp_relation relation,
                      struct sp__inspect_pids *list) SP_NONNULL;

#endif
