/* Pids are compared with sp_pid_equal(): they are structs. */
// expect-gcc: invalid operands to binary ==
// expect-clang: invalid operands to binary expression
#include "spawned/pid.h"

bool same(sp_pid a, sp_pid b);

bool same(sp_pid a, sp_pid b)
{
#ifndef FIXED
    return a == b; // here
#else
    return sp_pid_equal(a, b);
#endif
}
