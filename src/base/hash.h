/* A keyed hash that strangers cannot aim at.
 *
 * SipHash-1-3: who does not know the seed cannot choose keys that collide. The seed comes
 * from the runtime's random source; nothing observable may depend on it (the containers
 * iterate in insertion order).
 *
 * Threads: any. Neighbours: base/map.h, base/strmap.h.
 * Source: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF" (2012); the
 * variant with one round per word and three at the end.
 */
#ifndef SP_BASE_HASH_H
#define SP_BASE_HASH_H

#include "spawned/base.h"

/** The secret of a hash. */
struct sp__hash_seed {
    uint64_t k0;
    uint64_t k1;
};

/** The hash of `size` bytes at `data` (may be NULL if `size` is 0), the same on every machine.
 *  Context: any. */
uint64_t sp__hash_bytes(struct sp__hash_seed seed, const void *data, size_t size);

/** The hash of a 64-bit key: that of its eight bytes, least significant first.
 *  Context: any. */
uint64_t sp__hash_u64(struct sp__hash_seed seed, uint64_t key);

#endif
