/* The result of a call that can fail must be looked at. */
// expect: ignoring return value of
// expect-gcc: sp_kill.*unused-result
// expect-clang: unused-result
#include "spawned/process.h"

void forget(sp_pid pid);

void forget(sp_pid pid)
{
#ifndef FIXED
    sp_kill(pid); // here
#else
    sp_err err = sp_kill(pid);
    (void)err;
#endif
}
