/* See pool_scale.h. */
#include "behaviour/pool_scale.h"

#define SCALING_GROW_ABOVE UINT32_C(150)
#define SCALING_SHRINK_BELOW UINT32_C(50)
#define SCALING_GROW_BY UINT32_C(20)
#define SCALING_SHRINK_BY UINT32_C(10)
#define SCALING_COOLDOWN_SEC 1
#define SCALING_SHRINK_AFTER_SEC 10
/* Percentages beyond this are no percentages, and with it no product overflows. */
#define SCALING_PERCENT_MAX UINT32_C(1000000)

static uint32_t or_else(uint32_t value, uint32_t otherwise)
{
    return value == 0 ? otherwise : value;
}

struct sp_pool_scaling sp__scaling_complete(const struct sp_pool_scaling *scaling)
{
    struct sp_pool_scaling all = *scaling;
    all.grow_above = or_else(all.grow_above, SCALING_GROW_ABOVE);
    all.shrink_below = or_else(all.shrink_below, SCALING_SHRINK_BELOW);
    all.grow_by = or_else(all.grow_by, SCALING_GROW_BY);
    all.shrink_by = or_else(all.shrink_by, SCALING_SHRINK_BY);
    if (all.cooldown.ns == 0)
        all.cooldown = sp_sec(SCALING_COOLDOWN_SEC);
    if (all.shrink_after.ns == 0)
        all.shrink_after = sp_sec(SCALING_SHRINK_AFTER_SEC);
    return all;
}

bool sp__scaling_valid(const struct sp_pool_scaling *scaling)
{
    return scaling->shrink_below < scaling->grow_above &&
           scaling->grow_above <= SCALING_PERCENT_MAX && scaling->grow_by <= SCALING_PERCENT_MAX &&
           scaling->shrink_by <= SCALING_PERCENT_MAX && scaling->cooldown.ns >= 0 &&
           scaling->shrink_after.ns >= 0;
}

/* ---- the size ---- */

/* So many percent of `size`, rounded up. */
static uint32_t share(uint32_t size, uint32_t percent)
{
    uint64_t whole = ((uint64_t)size * percent + 99) / 100;
    return whole > size ? size : (uint32_t)whole;
}

static uint32_t size_grown(const struct sp_pool_scaling *scaling, const struct sp__pool_load *load)
{
    uint32_t size = load->size + share(load->size, scaling->grow_by);
    return size < load->max ? size : load->max;
}

/* Not below the size at which the same jobs would make it grow again. */
static uint32_t size_shrunk(const struct sp_pool_scaling *scaling, const struct sp__pool_load *load)
{
    uint64_t least = load->jobs * 100 / scaling->grow_above + 1;
    uint32_t size = load->size - share(load->size, scaling->shrink_by);
    if (size < load->min)
        size = load->min;
    if (size < least)
        size = least < load->size ? (uint32_t)least : load->size;
    return size;
}

static void resizer_look(struct sp__resizer *resizer, bool low, sp_time now)
{
    if (low && !resizer->low)
        resizer->low_since = now;
    resizer->low = low;
}

/* When the next change may come, if it comes because of what has been so since `since`. */
static int64_t resizer_due(const struct sp__resizer *resizer, const struct sp_pool_scaling *scaling,
                           int64_t since)
{
    if (!resizer->changed)
        return since;
    int64_t cooled = sp_time_add(resizer->changed_at, scaling->cooldown).ns;
    return cooled > since ? cooled : since;
}

static uint32_t resizer_change(struct sp__resizer *resizer, const struct sp_pool_scaling *scaling,
                               uint32_t size, sp_time now, int64_t *out_look_at)
{
    resizer->changed = true;
    resizer->changed_at = now;
    *out_look_at = sp_time_add(now, scaling->cooldown).ns;
    return size;
}

uint32_t sp__resizer_judge(struct sp__resizer *resizer, const struct sp_pool_scaling *scaling,
                           const struct sp__pool_load *load, sp_time now, int64_t *out_look_at)
{
    uint64_t percent = load->jobs * 100 / load->size;
    bool high = percent > scaling->grow_above && load->size < load->max;
    *out_look_at = INT64_MAX;
    resizer_look(resizer, percent < scaling->shrink_below && load->size > load->min, now);
    if (!high && !resizer->low)
        return load->size;
    int64_t since = high ? now.ns : sp_time_add(resizer->low_since, scaling->shrink_after).ns;
    int64_t due = resizer_due(resizer, scaling, since);
    if (now.ns < due) {
        *out_look_at = due;
        return load->size;
    }
    uint32_t size = high ? size_grown(scaling, load) : size_shrunk(scaling, load);
    if (size == load->size)
        return size;
    return resizer_change(resizer, scaling, size, now, out_look_at);
}

/* ---- the rate ---- */

struct sp__bucket sp__bucket_make(const struct sp_pool_rate *rate)
{
    if (rate->jobs == 0)
        return (struct sp__bucket){ 0 };
    int64_t per = rate->per.ns == 0 ? SP_NS_PER_S : rate->per.ns;
    int64_t interval = per / rate->jobs;
    if (interval == 0)
        interval = 1;
    int64_t burst = (int64_t)or_else(rate->burst, 1) - 1;
    if (burst > INT64_MAX / 4 / interval)
        burst = INT64_MAX / 4 / interval;
    return (struct sp__bucket){ .interval_ns = interval, .burst_ns = burst * interval };
}

bool sp__bucket_take(struct sp__bucket *bucket, sp_time now, int64_t *out_at)
{
    if (bucket->interval_ns == 0)
        return true;
    int64_t full_at = bucket->full_at > now.ns ? bucket->full_at : now.ns;
    if (full_at - now.ns > bucket->burst_ns) {
        *out_at = full_at - bucket->burst_ns;
        return false;
    }
    bucket->full_at = sp_time_add((sp_time){ full_at }, sp_ns(bucket->interval_ns)).ns;
    return true;
}
