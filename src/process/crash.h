/* Crash reports: a file for each contained fault, where sp_runtime_options.crash says so.
 *
 *   the process, after its fault: facts as text --> a thread that may block: frames with symbols, file
 *
 * Threads: as marked. Neighbours: exit.c (calls it), runtime.c (options).
 */
#ifndef SPAWNED_PROCESS_CRASH_H
#define SPAWNED_PROCESS_CRASH_H

#include "process/process.h"

/** Write a report of what the process was at, and its path into the fault. Without memory, or a thread
 *  for it, the log says so. Context: the owner, after its fault, not on the stack that faulted. */
void sp__crash_report(struct sp_process *self, struct sp_fault *fault) SP_NONNULL;

#endif
