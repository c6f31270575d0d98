/* The machine's part of a fiber: where it was suspended, and how to go on there.
 *
 * Three implementations, one of them in each build:
 *   fiber_switch_x86_64.h   fiber_x86_64.c     assembly, inline; fiber_start_x86_64.S
 *   fiber_switch_aarch64.S  fiber_aarch64.c    assembly; AAPCS64
 *   fiber_ucontext.c                           any other machine, or -DSPAWNED_UCONTEXT
 *
 * A switch saves what the calling convention lets a callee keep, and nothing else: the
 * caller already expects every other register to be lost. Where it is inline the compiler
 * saves those of them that it uses. The signal mask is the
 * thread's and does not move with the fiber (with ucontext it does, see there).
 * No thread-local state; callable on any thread. Used by fiber.c alone.
 */
#ifndef SP_RUNTIME_FIBER_CONTEXT_H
#define SP_RUNTIME_FIBER_CONTEXT_H

#include "spawned/base.h"

#if !defined(SPAWNED_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define SPAWNED_UCONTEXT 1
#endif

#ifdef SPAWNED_UCONTEXT
#include <ucontext.h>
struct sp__fiber_context {
    ucontext_t saved;
};
#else
struct sp__fiber_context {
    void *sp; /* the switch frame, on the suspended stack; the assembly knows offset 0 */
};
#endif

/** First function on a stack. Must not return. */
typedef void (*sp__fiber_entry_fn)(void *arg);

/** A point in some code: what a walk along the frame pointers starts from. */
struct sp__fiber_frame {
    uintptr_t pc;
    uintptr_t fp;
    uintptr_t sp;
    uintptr_t lr; /* the link register, where the machine has one and a signal took the frame */
};

/** Make `context` start entry(arg) on the stack [low, high) when first switched to.
 *  Writes less than 256 bytes below `high`.
 *  Context: any. */
void sp__fiber_context_init(struct sp__fiber_context *context, void *low, void *high,
                            sp__fiber_entry_fn entry, void *arg) SP_NONNULL_ARGS(1, 2, 3);

#if !defined(__x86_64__) || defined(SPAWNED_UCONTEXT)
/** Suspend the caller in `from` and go on in `to`. Returns when somebody, perhaps on
 *  another thread, switches to `from`.
 *  Context: any. */
void sp__fiber_context_switch(struct sp__fiber_context *from, struct sp__fiber_context *to)
    SP_NONNULL;
#endif

/** Where the code was that a signal interrupted: the place alone, nothing changes. All zero
 *  where this machine does not tell.
 *  Context: signal handler; `ucontext` is the handler's third argument. */
struct sp__fiber_frame sp__fiber_context_interrupted(const void *ucontext) SP_NONNULL;

/** In a signal handler: make the return from the signal go on in `to` instead of in the
 *  interrupted code, of which *out_frame tells the place. What was interrupted can not
 *  be resumed. Must be the handler's last act (with ucontext it does not return).
 *  Context: signal handler on an alternate stack; `ucontext` is the handler's third argument. */
void sp__fiber_context_redirect(struct sp__fiber_context *to, void *ucontext,
                                struct sp__fiber_frame *out_frame) SP_NONNULL;

/** Where `context` was suspended. All zero where this machine does not tell.
 *  Context: any; the fiber stays suspended. */
struct sp__fiber_frame sp__fiber_context_frame(const struct sp__fiber_context *context) SP_NONNULL;

#endif
