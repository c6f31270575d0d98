/* Instants and lengths of time do not mix. */
// expect-gcc: incompatible type for argument 2 of .sp_time_add
// expect-clang: passing 'sp_time'.* to parameter of incompatible type 'sp_duration'
#include "spawned/runtime.h"

sp_time later(sp_time a, sp_duration b);

sp_time later(sp_time a, sp_duration b)
{
#ifndef FIXED
    (void)b;
    return sp_time_add(a, sp_now()); // here
#else
    return sp_time_add(a, b);
#endif
}
