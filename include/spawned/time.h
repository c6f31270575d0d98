/* Time as types: an instant, a length, and a deadline are not interchangeable.
 *
 * All three count nanoseconds in 64 bits, inside a struct so that a bare integer is
 * a compile error. The clock is the runtime's (monotonic, or virtual in simulation);
 * wall-clock time is asked for by its own call. A deadline is either an instant or a
 * length that starts to count when the wait begins, so `sp_after_ms(500)` needs no
 * clock where it is written.
 */
#ifndef SPAWNED_TIME_H
#define SPAWNED_TIME_H

#include "spawned/base.h"

SP_EXTERN_C_BEGIN

/** A length of time. Units: nanoseconds. */
typedef struct sp_duration {
    int64_t ns;
} sp_duration;

/** An instant of the runtime's monotonic clock. Units: nanoseconds since a
 *  moment that stays the same while the machine runs; only differences mean something. */
typedef struct sp_time {
    int64_t ns;
} sp_time;

/** When a wait gives up. Zero means: the documented default of the function it is given to. */
typedef struct sp_deadline {
    int64_t ns;    /**< instant, or length when `kind` says so */
    uint32_t kind; /**< one of the SP_DEADLINE_ values below */
} sp_deadline;

enum {
    SP_DEADLINE_DEFAULT = 0, /**< the callee's default */
    SP_DEADLINE_AFTER = 1,   /**< `ns` from the moment the wait begins */
    SP_DEADLINE_AT = 2,      /**< the instant `ns` */
    SP_DEADLINE_NEVER = 3,   /**< wait without end */
};

#define SP_NS_PER_US INT64_C(1000)
#define SP_NS_PER_MS INT64_C(1000000)
#define SP_NS_PER_S INT64_C(1000000000)

/** Saturating product, so that a huge count of milliseconds is "very long", not negative. */
static inline int64_t sp__time_scale(int64_t n, int64_t unit)
{
    int64_t out;
    if (__builtin_mul_overflow(n, unit, &out))
        return n < 0 ? INT64_MIN : INT64_MAX;
    return out;
}

static inline sp_duration sp_ns(int64_t n)
{
    sp_duration d;
    d.ns = n;
    return d;
}
static inline sp_duration sp_us(int64_t n)
{
    return sp_ns(sp__time_scale(n, SP_NS_PER_US));
}
static inline sp_duration sp_ms(int64_t n)
{
    return sp_ns(sp__time_scale(n, SP_NS_PER_MS));
}
static inline sp_duration sp_sec(int64_t n)
{
    return sp_ns(sp__time_scale(n, SP_NS_PER_S));
}

static inline sp_deadline sp__deadline(int64_t ns, uint32_t kind)
{
    sp_deadline d;
    d.ns = ns;
    d.kind = kind;
    return d;
}
/** Give up `d` after the wait began. */
static inline sp_deadline sp_after(sp_duration d)
{
    return sp__deadline(d.ns, SP_DEADLINE_AFTER);
}
static inline sp_deadline sp_after_us(int64_t n)
{
    return sp_after(sp_us(n));
}
static inline sp_deadline sp_after_ms(int64_t n)
{
    return sp_after(sp_ms(n));
}
static inline sp_deadline sp_after_sec(int64_t n)
{
    return sp_after(sp_sec(n));
}
/** Give up at the instant `t`. */
static inline sp_deadline sp_at(sp_time t)
{
    return sp__deadline(t.ns, SP_DEADLINE_AT);
}
/** Wait without end. */
static inline sp_deadline sp_never(void)
{
    return sp__deadline(0, SP_DEADLINE_NEVER);
}
/** Do not wait at all: only what is ready now. */
static inline sp_deadline sp_nowait(void)
{
    return sp__deadline(0, SP_DEADLINE_AFTER);
}

/** `t` + `d`, saturating. */
static inline sp_time sp_time_add(sp_time t, sp_duration d)
{
    sp_time out;
    if (__builtin_add_overflow(t.ns, d.ns, &out.ns))
        out.ns = d.ns < 0 ? INT64_MIN : INT64_MAX;
    return out;
}
/** `a` - `b`, saturating. */
static inline sp_duration sp_time_diff(sp_time a, sp_time b)
{
    sp_duration out;
    if (__builtin_sub_overflow(a.ns, b.ns, &out.ns))
        out.ns = a.ns < b.ns ? INT64_MIN : INT64_MAX;
    return out;
}

SP_EXTERN_C_END

#endif
