/* What sanitizers and Valgrind must be told about stacks and switches.
 *
 * Each tool has its functions here, empty in builds without it. fiber.c calls them all, in
 * the order of a fiber's life:
 *
 *   stack_new · fresh · (leave ... arrive)* · drop · stack_gone
 *
 * AddressSanitizer keeps the bounds of the running stack and, when it looks for use after
 * return, a "fake stack" for each stack, which is stored here while a fiber is suspended. A
 * dropped fiber's fake stack is freed by taking it up for a moment, without leaving ours.
 * LeakSanitizer takes stacks in use as roots.
 *
 * ThreadSanitizer takes a fiber for a thread. It is told of a switch with the flag that
 * orders what came before on this thread before what comes after: that order is real
 * (program order of one thread), and worker-private state and thread-locals, touched from
 * many fibers without atomics, rely on it. Without it each of them would be a false report.
 * What it could hide is a race between two fibers that took turns on one worker; a missing
 * order when a fiber moves from one thread to another is not hidden, since the thread that
 * takes it reads the descriptor that the fiber's last thread wrote (fiber_test.c shows it).
 * A dropped fiber's record is destroyed with its shadow call stack; each get makes a new one.
 *
 * Valgrind learns where stacks lie, so that a jump between them is not taken for one huge
 * frame.
 */
#ifndef SP_RUNTIME_FIBER_HOOKS_H
#define SP_RUNTIME_FIBER_HOOKS_H

#include "spawned/base.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SP__FIBER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define SP__FIBER_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SP__FIBER_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define SP__FIBER_TSAN 1
#endif

/** For functions that run while a sanitizer's idea of the stack is not yet the real one. */
#define SP__FIBER_UNSANITIZED __attribute__((no_sanitize("address", "thread", "undefined")))

/** Hooks are part of their caller: a call of its own would enter a function on one fiber's
 *  shadow call stack and leave it on another's. */
#define SP__FIBER_HOOK static inline __attribute__((always_inline))

/** What the tools want remembered for a fiber. */
struct fiber_hook {
    void *asan_fake;
    void *tsan;
};

/* ---- AddressSanitizer ------------------------------------------------------------- */
#ifdef SP__FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

SP__FIBER_HOOK void fiber_asan_fresh(struct fiber_hook *hook, char *low, char *high)
{
    hook->asan_fake = NULL;
    __lsan_register_root_region(low, (size_t)(high - low));
}

SP__FIBER_HOOK void fiber_asan_leave(struct fiber_hook *from, const char *low, const char *high)
{
    __sanitizer_start_switch_fiber(&from->asan_fake, low, (size_t)(high - low));
}

SP__FIBER_HOOK void fiber_asan_arrive(const struct fiber_hook *self)
{
    __sanitizer_finish_switch_fiber(self->asan_fake, NULL, NULL);
}

SP__FIBER_HOOK void fiber_asan_free_fake(void *fake, char *low, char *high)
{
    void *ours = NULL;
    const void *our_low = NULL;
    size_t our_size = 0;
    __sanitizer_start_switch_fiber(&ours, low, (size_t)(high - low));
    __sanitizer_finish_switch_fiber(fake, &our_low, &our_size);
    __sanitizer_start_switch_fiber(NULL, our_low, our_size);
    __sanitizer_finish_switch_fiber(ours, NULL, NULL);
}

SP__FIBER_HOOK void fiber_asan_drop(struct fiber_hook *hook, char *low, char *high)
{
    if (hook->asan_fake)
        fiber_asan_free_fake(hook->asan_fake, low, high);
    hook->asan_fake = NULL;
    __lsan_unregister_root_region(low, (size_t)(high - low));
    __asan_unpoison_memory_region(low, (size_t)(high - low));
}
#else
SP__FIBER_HOOK void fiber_asan_fresh(struct fiber_hook *hook, char *low, char *high)
{
    (void)hook, (void)low, (void)high;
}
SP__FIBER_HOOK void fiber_asan_leave(struct fiber_hook *from, const char *low, const char *high)
{
    (void)from, (void)low, (void)high;
}
SP__FIBER_HOOK void fiber_asan_arrive(const struct fiber_hook *self)
{
    (void)self;
}
SP__FIBER_HOOK void fiber_asan_drop(struct fiber_hook *hook, char *low, char *high)
{
    (void)hook, (void)low, (void)high;
}
#endif

/* ---- ThreadSanitizer -------------------------------------------------------------- */
#ifdef SP__FIBER_TSAN
#include <sanitizer/tsan_interface.h>

SP__FIBER_HOOK void fiber_tsan_fresh(struct fiber_hook *hook)
{
    hook->tsan = __tsan_create_fiber(0);
}
SP__FIBER_HOOK void fiber_tsan_adopt(struct fiber_hook *hook)
{
    hook->tsan = __tsan_get_current_fiber();
}
SP__FIBER_HOOK void fiber_tsan_switch(const struct fiber_hook *to)
{
    __tsan_switch_to_fiber(to->tsan, 0);
}
SP__FIBER_HOOK void fiber_tsan_drop(struct fiber_hook *hook)
{
    __tsan_destroy_fiber(hook->tsan);
    hook->tsan = NULL;
}
#else
SP__FIBER_HOOK void fiber_tsan_fresh(struct fiber_hook *hook)
{
    (void)hook;
}
SP__FIBER_HOOK void fiber_tsan_adopt(struct fiber_hook *hook)
{
    (void)hook;
}
SP__FIBER_HOOK void fiber_tsan_switch(const struct fiber_hook *to)
{
    (void)to;
}
SP__FIBER_HOOK void fiber_tsan_drop(struct fiber_hook *hook)
{
    (void)hook;
}
#endif

/* ---- Valgrind --------------------------------------------------------------------- */
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>

SP__FIBER_HOOK unsigned fiber_hook_stack_new(const char *low, const char *high)
{
    return VALGRIND_STACK_REGISTER(low, high);
}
SP__FIBER_HOOK void fiber_hook_stack_gone(unsigned id)
{
    VALGRIND_STACK_DEREGISTER(id);
}
#else
SP__FIBER_HOOK unsigned fiber_hook_stack_new(const char *low, const char *high)
{
    (void)low, (void)high;
    return 0;
}
SP__FIBER_HOOK void fiber_hook_stack_gone(unsigned id)
{
    (void)id;
}
#endif

#endif
