/* The detector of starvation, the process layer's part. See spawned/starvation.h.
 *
 * Threads: the watcher tells. Neighbours: runtime/real/starvation.h, runtime/core.h.
 */
#ifndef SPAWNED_PROCESS_STARVATION_H
#define SPAWNED_PROCESS_STARVATION_H

#include "process/process.h"

struct sp_starvation;

/** Tell whoever wants to know. As sp_runtime.starvation.tell. Context: any with a context. */
void sp__starvation_tell(struct sp_runtime *runtime, const struct sp_starvation *event) SP_NONNULL;

#endif
