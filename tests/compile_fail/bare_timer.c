/* A timer's times say their unit. */
// expect-gcc: (invalid initializer|braces|incompatible types when initializing)
// expect-clang: (braces around scalar|initializing 'sp_duration'|missing braces)
#include "spawned/timer.h"

struct sp_timer_options every(int period);

struct sp_timer_options every(int period)
{
#ifndef FIXED
    sp_duration length = period; // here
#else
    sp_duration length = sp_ms(period);
#endif
    return (struct sp_timer_options){ .period = length };
}
