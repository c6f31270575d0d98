/* The thread that writes a log's lines, and what is written of them after a fault.
 *
 *   asleep  AWAKE it looks at the ring by itself · LINGERS it looks again within a millisecond,
 *           unless half the ring is full · SLEEPS the next line wakes it
 *
 * Whoever reads the ring holds `reading`: the thread, or, in a program that is about to end by a
 * fault, the thread that has it, which waits a moment for it and then gives up.
 *
 * Invariants: nobody who logs waits for this thread; a line leaves the ring when it was written,
 * or could not be.
 *
 * Threads: its own; wake and flush any; stop the runtime's end; crash inside a signal handler.
 * Neighbours: runtime/log.h, log_sink.h, fault.c.
 */
#ifndef SPAWNED_RUNTIME_REAL_LOG_WRITER_H
#define SPAWNED_RUNTIME_REAL_LOG_WRITER_H

#include "runtime/log.h"

/** What the real backend does for logs. */
extern const struct sp__log_ops sp__log_writer_ops;

/** The program is about to end by a signal: write what waits in the logs of 16 runtimes at most,
 *  for 100 ms at most each. Callbacks are not called. Context: a handler of a fault. */
void sp__log_writer_crash(void);

#endif
