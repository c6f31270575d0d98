/* Shell-like patterns over byte strings: `*`, `?`, `[a-z]`, `[^a]`, and `\` to quote.
 *
 * Threads: pure functions. Neighbours: KEYS, SCAN and CONFIG GET, and the pattern subscriptions.
 */
#ifndef KV_GLOB_H
#define KV_GLOB_H

#include "spawned/base.h"

/** True when `text` matches `pattern` as a whole; an empty text matches only the empty pattern,
 *  not even "*". The work is at most the product of the two
 *  lengths, so that no pattern can stall a shard.
 *  Context: any. */
bool kv_glob_match(const char *pattern, size_t pattern_len, const char *text, size_t text_len,
                   bool ignore_case) SP_NODISCARD;

#endif
