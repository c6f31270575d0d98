/* Messages that nobody got, on a thread that runs no process: their destructors are the user's code,
 * which may fault, exit or suspend, and get a process of their own for it.
 *
 * Threads: any with a context. Neighbours: timer.c, destroy.c.
 */
#ifndef SPAWNED_PROCESS_DROPPER_H
#define SPAWNED_PROCESS_DROPPER_H

#include "process/process.h"

/** Destroy messages linked by their next: those without a destructor now, the others soon, in a process; or,
 *  where there is no memory for one, now.
 *  Ownership: taken. Context: the scheduler of a thread, without a lock. */
void sp__messages_drop(struct sp_runtime *runtime, struct sp_message *moved_first);

#endif
