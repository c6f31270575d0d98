/* A deadline says its unit: a bare integer is none. */
// expect-gcc: incompatible type for argument 3 of .sp_stop
// expect-clang: passing 'int' to parameter of incompatible type 'sp_deadline'
#include "spawned/process.h"

sp_err stop(sp_pid pid);

sp_err stop(sp_pid pid)
{
#ifndef FIXED
    return sp_stop(pid, NULL, 500); // here
#else
    return sp_stop(pid, NULL, sp_after_ms(500));
#endif
}
