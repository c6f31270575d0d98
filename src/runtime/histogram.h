/* Histograms: how often which value came, within 3 % of the value, in little memory.
 *
 *   value    0 ... 31 | 32 ... 63 | 64 ... 127 | 128 ... 255 | ...
 *   a bucket is 1     | 1         | 2          | 4           | ... wide: 32 buckets for each power of two
 *
 * So a bucket is at most 1/32 of its values wide, whatever their size, and two histograms are merged by
 * adding their buckets. The buckets of a power of two are one page, allocated when a value comes
 * there first: a histogram of times has some five pages of 256 bytes.
 *
 * Threads: one writer, or several with sp__histogram_add_shared(); any reader at any time. What is read while
 * somebody writes has every value that was added before, and perhaps some that come just now.
 * Neighbours: spawned/metrics.h has the same as values; watch.h and meter.h keep one per thread.
 * Source: G. Tene, HdrHistogram (2012): the layout of the buckets.
 */
#ifndef SPAWNED_RUNTIME_HISTOGRAM_H
#define SPAWNED_RUNTIME_HISTOGRAM_H

#include "spawned/base.h"

#include <stdatomic.h>

enum {
    SP__HISTOGRAM_BITS = 5,
    SP__HISTOGRAM_PAGE = 1 << SP__HISTOGRAM_BITS, /* buckets of a page */
    SP__HISTOGRAM_PAGES = 64 - SP__HISTOGRAM_BITS + 1,
    SP__HISTOGRAM_BUCKETS = SP__HISTOGRAM_PAGE * SP__HISTOGRAM_PAGES,
};

struct sp__histogram_page {
    _Atomic uint64_t counts[SP__HISTOGRAM_PAGE];
};

struct sp__histogram {
    _Atomic(struct sp__histogram_page *) pages[SP__HISTOGRAM_PAGES]; /* NULL: no value came there */
    _Atomic uint64_t sum;
    _Atomic uint64_t max;
    _Atomic uint64_t lost; /* without memory for a page */
};

/** The bucket of a value. */
static inline uint32_t sp__histogram_bucket(uint64_t value)
{
    if (value < 2 * SP__HISTOGRAM_PAGE)
        return (uint32_t)value;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - SP__HISTOGRAM_BITS;
    return shift * SP__HISTOGRAM_PAGE + (uint32_t)(value >> shift);
}

/** The smallest value of a bucket. */
static inline uint64_t sp__histogram_low(uint32_t bucket)
{
    if (bucket < 2 * SP__HISTOGRAM_PAGE)
        return bucket;
    uint32_t shift = bucket / SP__HISTOGRAM_PAGE - 1;
    return (uint64_t)(bucket - shift * SP__HISTOGRAM_PAGE) << shift;
}

/** The largest value of a bucket. */
static inline uint64_t sp__histogram_high(uint32_t bucket)
{
    return bucket == SP__HISTOGRAM_BUCKETS - 1 ? UINT64_MAX : sp__histogram_low(bucket + 1) - 1;
}

/** Add a value `weight` times. Without memory for a page it is counted as lost. Context: the only
 *  writer. */
void sp__histogram_add(struct sp__histogram *histogram, uint64_t value, uint64_t weight) SP_NONNULL;

/** The same by any thread. Context: any. */
void sp__histogram_add_shared(struct sp__histogram *histogram, uint64_t value, uint64_t weight)
    SP_NONNULL;

/** Its memory goes, not itself. Context: when nobody uses it any more. */
void sp__histogram_finish(struct sp__histogram *histogram) SP_NONNULL;

#endif
