/* Small helpers over C11 atomics.
 *
 * Every use names its memory order at the call; these are only what the standard does
 * not have: a pause for spinning, the size of a cache line, a light (compiler-only) and a
 * full fence that also work under the thread sanitizer.
 *
 * Threads: any. Neighbours: none.
 */
#ifndef SP_BASE_ATOMIC_H
#define SP_BASE_ATOMIC_H

#include <stdatomic.h>

/** Data of two threads that write it should be this far apart. Units: bytes. */
#define SP__CACHE_LINE 64

/** On a struct or a member: starts a cache line of its own. */
#define SP__CACHE_ALIGNED _Alignas(SP__CACHE_LINE)

#if defined(SP__TSAN)
/* tests/memory_model says 0: it instruments as for the sanitizer, and understands fences. */
#elif defined(__SANITIZE_THREAD__)
#define SP__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SP__TSAN 1
#endif
#endif
#ifndef SP__TSAN
/** 1 when the thread sanitizer watches: it does not understand fences. */
#define SP__TSAN 0
#endif

/** Tells the core that this is a spin loop: its twin and the power budget get the time. */
static inline void sp__cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    /* `isb` waits about as long as x86's `pause`; `yield` is a no-op on most cores. */
    __asm__ volatile("isb" ::: "memory");
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/** Keeps the compiler, not the core, from moving memory accesses across. The other half
 *  of a pair whose rare side interrupts every core (see runtime/epoch.h). */
static inline void sp__fence_light(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

/** A full fence of compiler and core. */
static inline void sp__fence_full(void)
{
#if SP__TSAN
    /* The sanitizer rejects a bare fence; a sequentially consistent read-modify-write is
     * one on the machines it runs on. */
    _Atomic int dummy = 0;
    atomic_fetch_add_explicit(&dummy, 1, memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

#endif
