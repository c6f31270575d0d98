/* Strategies: how schedules are searched.
 *
 *   delays   the reference with n delays at chosen decisions, all of them for n = 0, 1, 2 ...
 *   random   each ready task equally likely
 *   pct      random priorities, and n-1 places where the highest falls to the bottom
 *   pos      random priorities, drawn anew for whoever races with what was just done
 *   urw      as random, but weighted by how much each task is thought to have left
 *
 *   exhaust  every schedule, depth first: for small tests
 *   dpor     one of each class of schedules that differ in nothing that matters (reduce.h)
 *   switches the reference left at n decisions, for any other task: the shortest schedules
 *            there are, so many that they are only for shrinking
 *
 * No single one finds everything: a bug that needs one task to be far ahead defeats random,
 * one that needs many changes defeats pct, and noise defeats pct and delays. So a campaign
 * gives each the same number of schedules in turn.
 *
 * In abstract time a timer could always fire next, and if it were one more task, most runs would
 * consist of timeouts. So the random ones let a timer go first only at a few decisions, drawn
 * over the length of a run as pct draws its changes.
 *
 * Threads: one. Neighbours: run.h.
 * Source: M. Emmi, S. Qadeer, Z. Rakamaric, "Delay-Bounded Scheduling" (2011); S. Burckhardt et
 * al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs" (2010); X. Yuan,
 * J. Yang, R. Gu, "Partial Order Aware Concurrency Sampling" (2018); H. Zhao et al., "Selectively
 * Uniform Concurrency Testing" (2025).
 */
#ifndef SPAWNED_SIM_STRATEGY_H
#define SPAWNED_SIM_STRATEGY_H

#include "runtime/sim/world.h"

enum sim_strategy_kind {
    SIM_DELAYS,
    SIM_RANDOM,
    SIM_PCT,
    SIM_POS,
    SIM_URW,
    SIM_EXHAUST,
    SIM_DPOR,
    SIM_SWITCHES,
    SIM_STRATEGIES,
};

struct sim_strategy;

/** A search of `kind`; `depth` is the changes of pct (0: from 1 to 5, in turn) and the most delays
 *  of delays and switches (0: 3).
 *  Ownership: the caller's, sim_strategy_destroy(). Errors: NULL, no memory. */
SP_NODISCARD struct sim_strategy *sim_strategy_create(enum sim_strategy_kind kind, unsigned depth);
void sim_strategy_destroy(struct sim_strategy *moved_strategy);

/** "delays", "random", ...; NULL: there is no such kind. */
const char *sim_strategy_name(enum sim_strategy_kind kind);

/** In abstract time timers that are not due are among the ready tasks. */
void sim_strategy_set_abstract(struct sim_strategy *strategy, bool abstract) SP_NONNULL;

/** Delays: what is drawn is tried in all ways, too, with each set of delays. */
void sim_strategy_set_exact(struct sim_strategy *strategy) SP_NONNULL;

/** Begin a run. False: everything of this kind was tried. */
SP_NODISCARD bool sim_strategy_begin(struct sim_strategy *strategy, uint64_t seed) SP_NONNULL;

/** A task was born. */
void sim_strategy_born(struct sim_strategy *strategy, struct sp__task *task) SP_NONNULL;

/** Does it want to know of each step? Else sim_strategy_step() does nothing. */
bool sim_strategy_counts(const struct sim_strategy *strategy) SP_NONNULL;

/** A task makes a step, alone or not. */
void sim_strategy_step(struct sim_strategy *strategy, struct sp__task *task) SP_NONNULL;

/** Does it look at what steps do? Else it need not be told that they were made. */
bool sim_strategy_looks(const struct sim_strategy *strategy) SP_NONNULL;

/** It has made it. */
void sim_strategy_stepped(struct sim_strategy *strategy, struct sp__world *world) SP_NONNULL;

/** Nothing can go on, and the clock is about to jump. */
void sim_strategy_quiet(struct sim_strategy *strategy) SP_NONNULL;

/** Is there nothing to be learnt from the rest of this run? */
bool sim_strategy_cut(const struct sim_strategy *strategy) SP_NONNULL;

/** Why it cannot search on, although it has not tried everything; or NULL. */
const char *sim_strategy_refused(const struct sim_strategy *strategy) SP_NONNULL;

/** Which of several ready tasks goes on, where the reference would take `reference`. */
size_t sim_strategy_choose(struct sim_strategy *strategy, struct sp__task *const *tasks,
                           size_t count, size_t reference) SP_NONNULL;

/** Does it decide what is drawn, too? Else each draw is a hash of the seed. */
bool sim_strategy_draws(const struct sim_strategy *strategy) SP_NONNULL;

/** A number below `count` that is drawn in the middle of a step. */
uint32_t sim_strategy_draw(struct sim_strategy *strategy, uint32_t count) SP_NONNULL;

/** The run is over; `decisions` were between several. */
void sim_strategy_end(struct sim_strategy *strategy, uint64_t decisions) SP_NONNULL;

#endif
