/* Where NULL means nothing, the compiler says so. */
// expect-gcc: argument 1 null where non-null expected
// expect-clang: null passed to a callee that requires a non-null argument
#include "spawned/process.h"

void watch(sp_pid pid, sp_monitor_ref *ref);

void watch(sp_pid pid, sp_monitor_ref *ref)
{
#ifndef FIXED
    sp_ignore(sp_monitor(pid, ref) == SP_OK && sp_defer(NULL, ref) == SP_OK); // here
#else
    sp_ignore(sp_monitor(pid, ref));
#endif
}
