/* A length of time says its unit: a bare integer is none. */
// expect-gcc: incompatible type for argument 1 of .sp_sleep
// expect-clang: passing 'int' to parameter of incompatible type 'sp_duration'
#include "spawned/runtime.h"

void nap(void);

void nap(void)
{
#ifndef FIXED
    sp_sleep(100); // here
#else
    sp_sleep(sp_ms(100));
#endif
}
