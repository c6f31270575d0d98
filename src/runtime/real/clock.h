/* The system's clocks and its random source.
 *
 * Both clocks are read through the C library (a vDSO call: 26 ns on the machine where it was
 * measured, against 10 ns for the cycle counter alone). A calibrated counter of our own would
 * save the difference and drift from the system's clock, which is disciplined while it runs,
 * does not jump when a virtual machine moves, and never goes back between cores. The scheduler
 * reads the clock once per turn of a process, not once per message.
 *
 * Threads: any. Neighbours: runtime/real/real.c.
 */
#ifndef SP_RUNTIME_REAL_CLOCK_H
#define SP_RUNTIME_REAL_CLOCK_H

#include "spawned/err.h"

/** Monotonic time since some moment in the past, the same on every core and for every runtime.
 *  Stands still while the system sleeps.
 *  Units: nanoseconds. Context: any. */
int64_t sp__clock_monotonic_ns(void);

/** sp__clock_monotonic_ns() as of the last tick of the system's clock (some milliseconds ago, never
 *  ahead), for a fifth of the price. Context: any. */
int64_t sp__clock_coarse_ns(void);

/** Wall-clock time since 1970-01-01 UTC; jumps when somebody sets it.
 *  Units: nanoseconds. Context: any. */
int64_t sp__clock_wall_ns(void);

/** Fill `size` bytes from the system's random source. Waits for it at the boot of the system.
 *  Errors: IO (the system has none). Context: any. */
SP_NODISCARD sp_err sp__entropy(void *bytes, size_t size) SP_NONNULL;

#endif
