/* See backoff.h.
 */
#include "behaviour/backoff.h"

#define BACKOFF_MAX_DEFAULT INT64_C(30)
#define BACKOFF_FACTOR_DEFAULT 2.0
#define BACKOFF_FACTOR_LIMIT 1000.0
#define BACKOFF_STASH_DEFAULT UINT32_C(1000)

/* The largest wait: far above any useful one, far below what overflows with jitter added. */
#define BACKOFF_WAIT_LIMIT (INT64_MAX / 4)

/* Written so that a NaN fails it. */
static bool backoff_in_range(double value, double low, double high)
{
    return value >= low && value <= high;
}

sp_err sp__backoff_resolve(const struct sp_backoff *settings, struct sp_backoff *out_settings)
{
    struct sp_backoff out = *settings;

    if (out.min.ns < 0 || out.max.ns < 0 || out.reset_after.ns < 0)
        return SP_ERR_INVALID;
    if (out.min.ns == 0) {
        *out_settings = (struct sp_backoff){ 0 };
        return SP_OK;
    }
    if (out.max.ns == 0)
        out.max =
            out.min.ns > sp_sec(BACKOFF_MAX_DEFAULT).ns ? out.min : sp_sec(BACKOFF_MAX_DEFAULT);
    if (out.max.ns < out.min.ns || out.max.ns > BACKOFF_WAIT_LIMIT)
        return SP_ERR_INVALID;
    if (out.factor == 0.0)
        out.factor = BACKOFF_FACTOR_DEFAULT;
    if (!backoff_in_range(out.factor, 1.0, BACKOFF_FACTOR_LIMIT) ||
        !backoff_in_range(out.jitter, 0.0, 1.0))
        return SP_ERR_INVALID;
    if (out.reset_after.ns == 0)
        out.reset_after = sp_ns((out.min.ns + out.max.ns) / 2);
    if (out.stash_max == 0)
        out.stash_max = BACKOFF_STASH_DEFAULT;
    *out_settings = out;
    return SP_OK;
}

void sp__backoff_started(struct sp__backoff *backoff, sp_time now)
{
    backoff->started = now;
    backoff->ran = true;
}

/* `last` times the factor, capped. */
static sp_duration backoff_grow(sp_duration last, const struct sp_backoff *settings)
{
    double grown = (double)last.ns * settings->factor;
    return grown >= (double)settings->max.ns ? settings->max : sp_ns((int64_t)grown);
}

sp_duration sp__backoff_next(struct sp__backoff *backoff, const struct sp_backoff *settings,
                             sp_time now, uint64_t random)
{
    bool quiet = backoff->ran && sp_time_diff(now, backoff->started).ns >= settings->reset_after.ns;
    backoff->ran = false;
    if (backoff->last.ns == 0 || quiet)
        backoff->last = settings->min;
    else
        backoff->last = backoff_grow(backoff->last, settings);

    double part = (double)(random >> 11) * 0x1p-53; /* 53 bits: [0, 1) */
    double extra = (double)backoff->last.ns * settings->jitter * part;
    return sp_ns(backoff->last.ns + (int64_t)extra);
}
