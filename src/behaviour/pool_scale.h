/* The arithmetic of pools: how many workers there should be, and when a job may begin.
 *
 *     load    0 ........ shrink_below ........ grow_above ........
 *             |  shrinks  |      stays as it is     |  grows
 *
 * Pure: no clock, the caller passes the time. Between the two thresholds nothing changes
 * (hysteresis); after a change there is none for `cooldown`; a low load has to last.
 *
 * Threads: any. Neighbours: pool.c.
 */
#ifndef SP_BEHAVIOUR_POOL_SCALE_H
#define SP_BEHAVIOUR_POOL_SCALE_H

#include "spawned/pool.h"

/** What the resizer remembers. Zeroed: nothing. */
struct sp__resizer {
    bool changed; /* ever, */
    bool low;     /* now */
    sp_time changed_at;
    sp_time low_since;
};

/** What it looks at. */
struct sp__pool_load {
    uint32_t size; /* workers, not 0 */
    uint32_t min;
    uint32_t max;
    uint64_t jobs; /* that wait or are being done */
};

/** The defaults in place of zeroes. Context: any. */
struct sp_pool_scaling sp__scaling_complete(const struct sp_pool_scaling *scaling) SP_NONNULL;

/** Do completed numbers make sense? Context: any. */
bool sp__scaling_valid(const struct sp_pool_scaling *scaling) SP_NONNULL;

/** The size there should be from `now` on; a change is remembered. `*out_look_at`: when to look again
 *  even if nothing happens until then, INT64_MAX: never. Context: any. */
uint32_t sp__resizer_judge(struct sp__resizer *resizer, const struct sp_pool_scaling *scaling,
                           const struct sp__pool_load *load, sp_time now, int64_t *out_look_at)
    SP_NONNULL;

/** A limit of rate, as the instant at which all tokens will be back. */
struct sp__bucket {
    int64_t interval_ns; /* of a token; 0: no limit */
    int64_t burst_ns;    /* that may be taken in advance */
    int64_t full_at;
};

/** A full bucket. Context: any. */
struct sp__bucket sp__bucket_make(const struct sp_pool_rate *rate) SP_NONNULL;

/** Take a token. False: there is none before `*out_at`. Context: any.
 *  Source: the virtual scheduling algorithm, ITU-T Recommendation I.371. */
bool sp__bucket_take(struct sp__bucket *bucket, sp_time now, int64_t *out_at) SP_NONNULL;

#endif
