/* Histograms as values: adding up and asking. See spawned/metrics.h. */
#include "runtime/histogram.h"
#include "spawned/metrics.h"

_Static_assert(SP_HISTOGRAM_BUCKETS == SP__HISTOGRAM_BUCKETS, "as runtime/histogram.h has them");

uint32_t sp_histogram_bucket(uint64_t value)
{
    return sp__histogram_bucket(value);
}

uint64_t sp_histogram_bucket_high(uint32_t bucket)
{
    return bucket >= SP_HISTOGRAM_BUCKETS ? UINT64_MAX : sp__histogram_high(bucket);
}

void sp_histogram_merge(struct sp_histogram_values *into, const struct sp_histogram_values *from)
{
    for (uint32_t i = 0; i < SP_HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    into->count += from->count;
    into->sum += from->sum;
    if (from->max > into->max)
        into->max = from->max;
}

uint64_t sp_histogram_quantile(const struct sp_histogram_values *values, double q)
{
    double wanted = q * (double)values->count;
    double below = 0;
    for (uint32_t i = 0; i < SP_HISTOGRAM_BUCKETS; i++) {
        below += (double)values->buckets[i];
        if (values->buckets[i] == 0 || below < wanted)
            continue;
        uint64_t high = sp__histogram_high(i);
        return high < values->max ? high : values->max;
    }
    return values->max;
}
