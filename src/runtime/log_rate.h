/* How many lines a place in the program had this second.
 *
 * Invariant: a place keeps the row that it found first, as long as the log lives; places for which
 * no row was left share the last one.
 *
 * Threads: any, without a lock. Neighbours: log.c.
 */
#ifndef SPAWNED_RUNTIME_LOG_RATE_H
#define SPAWNED_RUNTIME_LOG_RATE_H

#include "spawned/log.h"

#include <stdatomic.h>

enum { SP__LOG_PLACES = 1024 };

struct sp__log_place {
    const struct sp_log_site *_Atomic site;
    _Atomic uint64_t window; /* second << 32 | lines in it */
    _Atomic uint64_t suppressed;
};

struct sp__log_rates {
    struct sp__log_place places[SP__LOG_PLACES];
};

/** May `site` have a line, at `limit` in the second `now_s`? Then `*out_suppressed` is how many had
 *  to be left out before. Context: any. */
bool sp__log_rate_admits(struct sp__log_rates *rates, const struct sp_log_site *site,
                         uint32_t limit, uint32_t now_s, uint64_t *out_suppressed) SP_NONNULL;

#endif
