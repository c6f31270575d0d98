/* Does a run follow from its seed alone?
 *
 *   twin    the same schedule again, under another layout of memory, other bytes in memory and on
 *           stacks that nobody has written, another environment; where the two part, both are
 *           shown
 *   traps   the same in a child process in which asking for what is not determined ends it
 *           (traps.h)
 *
 * What only changes the bytes of a message is not seen until somebody acts on them: messages may
 * have addresses in them, and those differ.
 *
 * Threads: one. Neighbours: main.c, memory.c (layouts), traps.c.
 */
#ifndef SPAWNED_SIM_DETECT_H
#define SPAWNED_SIM_DETECT_H

#include "sim/run.h"

/** Makes the run again as a twin, number `nth` of them, and compares.
 *  False: they differ, which was reported. Ends the program where there is no memory. */
SP_NODISCARD bool sim_detect_twin(const struct sim_plan *plan, const struct sim_result *result,
                                  uint64_t nth) SP_NONNULL;

/** Makes the run again with traps. False: something was trapped, which was reported, as a failure
 *  or, with `note`, as a remark. Ends the program where there is no memory. */
SP_NODISCARD bool sim_detect_trap(const struct sim_plan *plan, const struct sim_result *result,
                                  bool note) SP_NONNULL;

#endif
