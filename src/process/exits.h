/* The last ends, from inside.
 *
 *     runtime.exits ──> ring of the last ends · counts by kind     made by the first of them
 *
 * Threads: any with a context; a lock is held while one entry is written, or a page is copied.
 * Neighbours: spawned/exits.h; exit.c notes, behaviour/supervisor_child.c says who came after.
 */
#ifndef SPAWNED_PROCESS_EXITS_H
#define SPAWNED_PROCESS_EXITS_H

#include "process/process.h"
#include "spawned/exits.h"

/** The process ends with `reason`, which is not normal. Context: the owner, in its exit, while it has
 *  its name; or who gives it up. */
void sp__exits_note(struct sp_process *process, const struct sp_reason *reason) SP_NONNULL;

/** `ended` was started again, as `pid`. Context: any with a context. */
void sp__exits_restarted(struct sp_runtime *runtime, sp_pid ended, sp_pid pid) SP_NONNULL;

/** The runtime ends. Context: its end. */
void sp__exits_destroy(struct sp_runtime *runtime) SP_NONNULL;

#endif
