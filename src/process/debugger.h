/* What a debugger needs of us: where the runtimes are, and how to read them.
 *
 * A core file has no function that could be asked, so all runtimes of the program are on one list,
 * and tools/gdb/spawned-gdb.py, which reads their structures, is part of the debug information.
 *
 * Threads: any; a lock of its own. Neighbours: process/runtime.c.
 */
#ifndef SPAWNED_PROCESS_DEBUGGER_H
#define SPAWNED_PROCESS_DEBUGGER_H

#include "runtime/core.h"

/** It is complete. Context: startup. */
void sp__debugger_add(struct sp_runtime *runtime) SP_NONNULL;

/** It is about to be freed; one that was not added is fine. Context: the runtime's end. */
void sp__debugger_remove(struct sp_runtime *runtime) SP_NONNULL;

#endif
