/* Models for the checker: states as bytes, what the ready models share, texts of operations.
 *
 * Threads: pure functions. Neighbours: spawned/history.h, search.c, draw.c.
 */
#ifndef SPAWNED_SIM_HISTORY_MODEL_H
#define SPAWNED_SIM_HISTORY_MODEL_H

#include "spawned/history.h"

/** One more word in a hash. Context: any. */
static inline uint64_t sim__mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
    return hash ^ (hash >> 32);
}

/** A hash of bytes, the same on every machine of a byte order. Context: any. */
uint64_t sim__hash(const void *bytes, size_t size);

/** A hash of a value: the same for equal ones. Context: any. */
uint64_t sim__hash_value(sp_value value);

/** What the operation was, by the model or, where it has no words, in numbers. Context: any. */
void sim__describe(const struct sp_model *model, const struct sp_operation *operation, char *text,
                   size_t size) SP_NONNULL;

/** A value as people write it, cut to what fits. Context: any. */
void sim__value_text(sp_value value, char *text, size_t size) SP_NONNULL_ARGS(2);

#endif
