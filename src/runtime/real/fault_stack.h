/* The frames of code that a signal interrupted, found by the unwinder.
 *
 * The unwinder follows the compiler's tables, so it needs no frame pointers; it may run into
 * a stack that the fault has ruined, and fault itself. Whoever calls it must be ready for a
 * signal meanwhile (see fault.c).
 *
 * Threads: signal handlers, on an alternate stack. Neighbours: fault.c, fault_code.h.
 * Source: the Itanium C++ ABI, "Exception Handling", level I; libgcc implements it.
 */
#ifndef SP_RUNTIME_REAL_FAULT_STACK_H
#define SP_RUNTIME_REAL_FAULT_STACK_H

#include "runtime/fiber.h"
#include "runtime/fiber_context.h"

/** Make the unwinder do what it does only once, and find the functions that abort.
 *  Context: startup. */
void sp__fault_stack_prepare(void);

/** Code addresses on the fiber that this signal handler interrupted, innermost first: the
 *  place, then return addresses. Writes `*out_count` as it goes, so that what was found before
 *  a fault of its own is there.
 *  Context: signal handler. */
void sp__fault_stack_walk(const struct sp__fiber *fiber, void **frames, int max,
                          volatile int *out_count) SP_NONNULL;

/** The same by frame pointers: never reads outside of the stack, but finds only the functions
 *  that were compiled with them. Returns how many.
 *  Context: signal handler. */
int sp__fault_stack_follow(const struct sp__fiber *fiber, const struct sp__fiber_frame *from,
                           void **frames, int max) SP_NONNULL;

/** Who jumped to the place, if that is no function with a frame: a null pointer that was
 *  called. 0: cannot be told.
 *  Context: signal handler. */
uintptr_t sp__fault_stack_caller(const struct sp__fiber *fiber, const struct sp__fiber_frame *from)
    SP_NONNULL;

/** Which of the frames called abort(), or assert() that did: its index, at least 1. 0: not the
 *  process's own code did, or it cannot be told.
 *  Context: signal handler. */
int sp__fault_stack_aborter(void *const *frames, int count) SP_NONNULL;

#endif
