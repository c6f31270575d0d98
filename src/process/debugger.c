#include "process/debugger.h"

/* Only debuggers read them without the lock, in a program that stands still. */
struct sp_runtime *sp__debugger_runtimes;
static struct sp__lock debugger_lock;

/* The script, as gdb looks for it: kind 4 is a script in Python, its name on the first line. */
#ifdef SPAWNED_GDB_SCRIPT
__asm__(".pushsection \".debug_gdb_scripts\", \"MS\", %progbits, 1\n\t"
        ".byte 4\n\t"
        ".ascii \"gdb.inlined-script.spawned\\n\"\n\t"
        ".incbin \"" SPAWNED_GDB_SCRIPT "\"\n\t"
        ".byte 0\n\t"
        ".popsection");
#endif

void sp__debugger_add(struct sp_runtime *runtime)
{
    sp__lock_lock(&debugger_lock);
    runtime->debugger_next = sp__debugger_runtimes;
    sp__debugger_runtimes = runtime;
    sp__lock_unlock(&debugger_lock);
}

void sp__debugger_remove(struct sp_runtime *runtime)
{
    sp__lock_lock(&debugger_lock);
    struct sp_runtime **at = &sp__debugger_runtimes;
    while (*at != NULL && *at != runtime)
        at = &(*at)->debugger_next;
    if (*at != NULL)
        *at = runtime->debugger_next;
    sp__lock_unlock(&debugger_lock);
}
