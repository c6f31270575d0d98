/* What befalls a machine of a simulated world: its power, its clock.
 *
 *     machine   name, clock; stands still or not
 *       MAIN    threads of the program, each of which may create
 *       node    a runtime, with its tasks
 *
 * A machine's clock follows the world's, faster or slower by its drift:
 *
 *     monotonic = base + (world's now - since) * (1 + ppm / 10^6)
 *     wall      = monotonic + what was stepped; or, frozen, what it was then
 *
 * Timers go by the monotonic one. While a machine stands still, as a program does that was sent
 * SIGSTOP or whose virtual machine is moved, its clocks go on, so that all of its timers that
 * came due meanwhile are late.
 *
 * Threads: the world's. Neighbours: host.h, world.h.
 */
#ifndef SPAWNED_RUNTIME_SIM_MACHINE_H
#define SPAWNED_RUNTIME_SIM_MACHINE_H

#include "runtime/sim/host.h"

struct sp__clock {
    int64_t base;   /* what it showed ... */
    int64_t since;  /* ... when the world's clock showed this */
    int64_t drift;  /* parts per million */
    int64_t offset; /* of the wall clock, from its beginning */
    int64_t stands; /* what the wall clock shows while it is frozen */
    bool frozen;
};

/** Its tasks do not go on (`paused`), or do again. Context: any in the world. */
void sp__host_pause(struct sp__host *host, bool paused) SP_NONNULL;

/** Everything that runs on it is gone at once: no process learns of its end, no terminate is called,
 *  and what its processes had is lost. `end` NULL: their memory stays where it is, to be taken back
 *  with the rest of the world's. Else end(runtime) kills a runtime's processes, in its context, and
 *  they and their threads run to their ends here and now, so that their memory is freed:
 *  the world's clock stands, and nothing is chosen or drawn for that. `how`: what of it the others
 *  see on the network.
 *  Context: the loop, between two steps. */
void sp__host_crash(struct sp__host *host, enum sp__net_gone how,
                    void (*end)(struct sp_runtime *runtime)) SP_NONNULL_ARGS(1);

/** The system's signal to the program that runs on it. False: no node of it takes signals, and
 *  such a program would end at once. Context: the loop, between two steps. */
bool sp__host_signal(struct sp__host *host, int signo) SP_NONNULL;

/** Does anything run on it? Context: any in the world. */
bool sp__host_runs(const struct sp__host *host) SP_NONNULL;

/* ---- its clock; NULL is a machine whose clock is right ---- */

/** Units: nanoseconds. Context: any in the world. */
int64_t sp__clock_now(const struct sp__host *host, int64_t world_now);
int64_t sp__clock_wall(const struct sp__host *host, int64_t world_now);

/** When the world's clock is when the machine's monotonic one comes to `at`. INT64_MAX stays. */
int64_t sp__clock_world(const struct sp__host *host, int64_t at);

/** The wall clock jumps. Units: nanoseconds. */
void sp__clock_step(struct sp__host *host, int64_t by_ns) SP_NONNULL;

/** It goes too fast (above 0) or too slowly from now on. Units: parts per million, at least
 *  -500,000 and at most 1,000,000; what is beyond counts as that. */
void sp__clock_drift(struct sp__host *host, int64_t ppm) SP_NONNULL;

/** The wall clock stands, or goes on from where it should be. */
void sp__clock_freeze(struct sp__host *host, bool frozen) SP_NONNULL;

#endif
