/* Random numbers from a seed: fast, repeatable, not for secrets.
 *
 * One 64-bit word is the whole state, so that every context can have a stream of its own. All
 * streams walk the same cycle of 2^64 states; each starts at a hash of seed and stream number,
 * so that two streams of 2^40 numbers overlap with a chance below one in a million.
 *
 * Threads: pure functions; the state is its owner's. Neighbours: runtime/core.h keeps a state
 * per context, runtime/real/clock.h has the system's entropy.
 * Source: G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators" (2014),
 * with the constants of D. Stafford's mix 13; D. Lemire, "Fast Random Integer Generation in an
 * Interval" (2019).
 */
#ifndef SP_RUNTIME_RANDOM_H
#define SP_RUNTIME_RANDOM_H

#include "spawned/base.h"

/** The start of stream `stream` of `seed`. Context: any. */
uint64_t sp__random_start(uint64_t seed, uint64_t stream);

/** The next number: every 64-bit value equally likely, period 2^64. Context: any. */
uint64_t sp__random_next(uint64_t *state) SP_NONNULL;

/** A number below `bound` (0: any number), each equally likely. Context: any. */
uint64_t sp__random_below(uint64_t *state, uint64_t bound) SP_NONNULL;

#endif
