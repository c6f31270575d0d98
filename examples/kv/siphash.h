/* SipHash-1-3: a keyed hash that an attacker who does not know the seed cannot steer into
 * collisions. One seed serves the whole server: the connection hashes a key once to choose
 * its shard, and the shard's table uses the same value.
 *
 * Threads: pure functions. Neighbours: dict.h.
 */
#ifndef KV_SIPHASH_H
#define KV_SIPHASH_H

#include "spawned/base.h"

/** The secret of the hash; random per server, fixed in a simulation. */
struct kv_seed {
    uint64_t k0;
    uint64_t k1;
};

/** The hash of `len` bytes under `seed`.
 *  Context: any. Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012),
 *  with one compression and three finalisation rounds. */
uint64_t kv_hash(const struct kv_seed *seed, const void *data, size_t len) SP_NONNULL_ARGS(1);

#endif
