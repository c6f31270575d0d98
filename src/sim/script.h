/* Scripts: a whole order of steps, followed as far as it can be.
 *
 * A schedule says where a run leaves the reference; a script names every step. Of the ready tasks
 * the one goes on whose next step comes first in it. Steps that are not in it come last, in the
 * order of the reference, so a run that turns out differently still comes to an end.
 *
 * Threads: one. Neighbours: races.c makes them, run.c follows.
 */
#ifndef SPAWNED_SIM_SCRIPT_H
#define SPAWNED_SIM_SCRIPT_H

#include "base/map.h"
#include "runtime/sim/world.h"

struct sim_script {
    struct sp__map positions; /* of a task's step, and 1 */
    size_t count;
};

/** An empty one. Ownership: sim_script_finish(). */
void sim_script_init(struct sim_script *script) SP_NONNULL;
void sim_script_finish(struct sim_script *script) SP_NONNULL;

/** The next step is number `step` of `task`. Errors: NOMEM. */
SP_NODISCARD sp_err sim_script_add(struct sim_script *script, uint64_t task, uint64_t step)
    SP_NONNULL;

/** Which of the ready tasks goes on, where the reference would take `reference`. */
size_t sim_script_choose(const struct sim_script *script, struct sp__task *const *tasks,
                         size_t count, size_t reference) SP_NONNULL;

#endif
