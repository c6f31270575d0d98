/* Every order that matters, once: partial-order reduction for small tests.
 *
 * Two runs that differ only in the order of steps that do not touch the same thing end alike. So
 * of each class of such runs one is made. After each run its races (pairs of steps that touch
 * the same thing, neither of which follows from the other) say where somebody else must go first
 * in another run; who went already at a place, and whom nothing has touched since, sleeps.
 *
 *   follows    program order; sent -> taken; woken, spawned by; a jump of the clock comes after all
 *   touches    a mailbox grows, its length matters (a deadline, a bound), an answer is given, a life
 *              is looked at or ended, a name is read or written; a timer that is due while
 *              others run touches everything
 *
 * What the program's processes share without the library's knowledge (static variables) is not
 * seen, and neither is the exact time: a clock that is read does not make two runs different.
 *
 *   stack      a node for each step (who could, who must, who did go), and for each draw
 *   events     what the steps of the present run touched, and their vector clocks
 *
 * Limits: REDUCE_LANES tasks and 65,535 steps in a run; beyond, sim_reduce_refused() says so.
 *
 * Threads: one. Neighbours: strategy.c (`dpor`), run.c.
 * Source: P. Abdulla, S. Aronis, B. Jonsson, K. Sagonas, "Optimal Dynamic Partial Order
 * Reduction" (2014): source sets; P. Godefroid, "Partial-Order Methods for the Verification of
 * Concurrent Systems" (1996): sleep sets.
 */
#ifndef SPAWNED_SIM_REDUCE_H
#define SPAWNED_SIM_REDUCE_H

#include "runtime/sim/world.h"

struct sim_reduce;

/** Errors: NULL, no memory. Ownership: the caller's, sim_reduce_destroy(). */
SP_NODISCARD struct sim_reduce *sim_reduce_create(void);
void sim_reduce_destroy(struct sim_reduce *moved_reduce);

/** Begin a run. False: all were made, or it was refused. */
SP_NODISCARD bool sim_reduce_begin(struct sim_reduce *reduce) SP_NONNULL;

/** A task was born. */
void sim_reduce_born(struct sim_reduce *reduce, struct sp__task *task) SP_NONNULL;

/** Who goes on, of several. */
size_t sim_reduce_choose(struct sim_reduce *reduce, struct sp__task *const *tasks, size_t count,
                         size_t reference) SP_NONNULL;

/** A number below `count`; all are tried. */
uint32_t sim_reduce_draw(struct sim_reduce *reduce, uint32_t count) SP_NONNULL;

/** `task` makes a step; and it has made it. */
void sim_reduce_step(struct sim_reduce *reduce, struct sp__task *task) SP_NONNULL;
void sim_reduce_stepped(struct sim_reduce *reduce, struct sp__world *world) SP_NONNULL;

/** Nothing can go on, and the clock is about to jump. */
void sim_reduce_quiet(struct sim_reduce *reduce) SP_NONNULL;

/** Is this run of a class that was run already? Then it need not go on. */
bool sim_reduce_cut(const struct sim_reduce *reduce) SP_NONNULL;

/** Why it cannot be done, or NULL. */
const char *sim_reduce_refused(const struct sim_reduce *reduce) SP_NONNULL;

#endif
