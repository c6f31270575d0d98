/* Does a run follow from its seed alone? Twins: the same schedule again, with other addresses, other
 * garbage in fresh memory, another environment; where the two part, both are shown.
 *
 * Threads: one. Neighbours: main.c, memory.c (layouts), traps.c (system calls and clocks).
 */
#ifndef SPAWNED_SIM_DETECT_H
#define SPAWNED_SIM_DETECT_H

#include "sim/run.h"

/** Makes the run again under another layout, number `nth` of them, and compares.
 *  False: they differ, which was reported. Ends the program where there is no memory. */
SP_NODISCARD bool sim_detect_twin(const struct sim_plan *plan, const struct sim_result *result,
                                  uint64_t nth) SP_NONNULL;

#endif
