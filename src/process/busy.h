/* How long the handlers of each process have run, as far as metrics are on.
 *
 * A sample of the metrics (runtime/watch.h) stands for all messages of its kind on its thread since the last
 * one. Here its weight goes to the process that was sampled: each process is sampled in proportion to what it
 * handles, so over some seconds the estimates are as the times, and who takes most is known at the price of
 * what is measured anyway.
 *
 *   pages[slot / 1024] --> 1024 cells { serial, ns }, made by the first sample in them
 *
 * A cell belongs to the slot's process whose serial it has; the first sample of the next one begins anew.
 *
 * Threads: a cell is written by its process; read by any.
 * Neighbours: behaviour/server.c adds; observe/ reads; sp_metrics_start() makes it.
 */
#ifndef SPAWNED_PROCESS_BUSY_H
#define SPAWNED_PROCESS_BUSY_H

#include "process/process.h"

/** From now on there is something to add to. Errors: NOMEM. Context: any thread. */
SP_NODISCARD sp_err sp__busy_start(struct sp_runtime *runtime) SP_NONNULL;

/** The running process: so long in handlers, besides. Without memory it is left out. */
void sp__busy_add(struct sp_process *self, uint64_t ns) SP_NONNULL;

/** Nanoseconds in its handlers since metrics were first on; 0: none was sampled. Context: any with a context, inside
 *  an epoch section in which it was found. */
uint64_t sp__busy_of(struct sp_process *process) SP_NONNULL;

/** Context: the runtime's end. */
void sp__busy_free(struct sp_runtime *runtime) SP_NONNULL;

#endif
