/* Traps: a run in a child process in which reading a clock, asking the system, or starting a
 * thread ends it, with the place in the program.
 *
 *   system calls      a filter (seccomp) raises SIGSYS for each that can say something else next
 *                     time
 *   clocks without    the kernel's clock pages are made unreadable, and the time stamp counter is
 *   a system call     switched off: both raise SIGSEGV
 *
 * Not trapped: writing (it is seen, not read back), memory, and what a process does to end.
 * rdrand cannot be trapped; spawned-sim-lint finds it.
 *
 * Threads: one; armed in a child process only, since a filter is for good.
 * Neighbours: detect.c; runtime/real/fault.h handles faults that are none of these.
 */
#ifndef SPAWNED_SIM_TRAPS_H
#define SPAWNED_SIM_TRAPS_H

#include "spawned/err.h"

#include <stdbool.h>

enum {
    SIM_TRAP_FRAMES = 8,
    SIM_TRAP_CALL = 32,
};

/** What was trapped. */
struct sim_trap {
    char call[SIM_TRAP_CALL]; /* name of the system call, "a clock of the C library", ... */
    int frame_count;
    void *frames[SIM_TRAP_FRAMES]; /* return addresses in the program, innermost first */
};

/** Memory for it. Context: startup, before sim_run_start(). */
void sim_traps_prepare(void);

/** Arm them. What is trapped is written to `fd` as a struct sim_trap, and the process ends with
 *  status SIM_TRAPPED. Errors: NOTSUP (this system or build cannot); ACCESS (all are armed but the
 *  one for the time stamp counter, which the system refuses). Context: a child process. */
SP_NODISCARD sp_err sim_traps_arm(int fd);

enum {
    SIM_TRAPPED = 99,
    SIM_NO_TRAPS = 98,   /* ends with it: the system refuses the filter */
    SIM_NO_COUNTER = 97, /* all but the time stamp counter was looked at */
};

/** Why the program should not ask for it. Never NULL. */
const char *sim_trap_reason(const struct sim_trap *trap) SP_NONNULL;

#endif
