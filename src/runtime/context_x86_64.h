/* The context of the calling thread, on x86-64: two loads, inline.
 *
 * Written in assembly, so that no compiler keeps the address over a switch of fibers: the
 * offset is the same in all threads, and `fs` is read at each call. On other processors
 * runtime/context.c has a function that is never inlined.
 * Threads: any. Neighbours: runtime/core.h.
 */
#ifndef SPAWNED_RUNTIME_CONTEXT_X86_64_H
#define SPAWNED_RUNTIME_CONTEXT_X86_64_H

#if defined(__x86_64__) && defined(__LP64__)

struct sp__context;

/** The variable itself; only sp__context_set() writes it. */
extern _Thread_local struct sp__context *sp__context_current;

static inline struct sp__context *sp__context_x86_64(void)
{
    struct sp__context *context;
    __asm__ volatile("movq sp__context_current@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(context));
    return context;
}

#endif

#endif
