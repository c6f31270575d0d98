/* Containment of faults: a handler that crashes ends its process, not the program.
 *
 * SIGSEGV, SIGBUS, SIGFPE, SIGILL, abort() and a failed assert() arrive in one signal handler,
 * on an alternate stack. When all of these hold, it makes the return from the signal start a
 * fresh fiber that runs the exit of the actor; the stack it was on is dropped:
 *
 *   - the runtime's policy is to contain, and an actor runs on a fiber of the calling thread:
 *     attached threads and blocking jobs are not contained;
 *   - the processor raised it (not kill() from elsewhere), or abort() was called;
 *   - the instruction is the actor's own code: neither this library's, nor that of the C
 *     library, the loader, an unwinder, a sanitizer or a known allocator, which may hold a
 *     lock. For abort(): it was called by the actor's own code, itself or through assert();
 *     the C library's own aborts (a corrupt heap, a smashed stack) are not contained;
 *   - the thread is in no epoch section, has a spare fiber, and the actor's exit has not
 *     itself faulted SP__FAULT_DEPTH_MAX times.
 *
 * Everything else goes on as if this file did not exist: the handler that was installed before
 * is called, or the default action taken at the faulting instruction, with a core.
 *
 * What cannot be known: a wild write before the fault, and locks of the program or of other
 * libraries that were held. All other libraries count as the actor's own code.
 *
 * Not contained at all are programs with a static C library (nothing tells its code from
 * theirs), with an allocator of their own in the executable (for the same reason), and
 * machines whose registers runtime/fiber_context.h does not know. Stack overflow is contained
 * where it happens in the actor's own code. On aarch64, integer division by zero raises
 * nothing, and __builtin_trap() raises SIGTRAP, which is left to debuggers.
 *
 * With the address or thread sanitizer, containment goes before the tool's own report of a
 * fault (what they find by instrumentation they still report); SP_FAULT_ABORT gives them theirs.
 *
 * The handlers belong to the program, not to a runtime: the first runtime installs them, the
 * last restores what was there.
 *
 * Threads: install and uninstall by any; the rest by the thread itself. Neighbours:
 * fault_code.h (whose code is it), fault_stack.h (frames), scheduler.c (SP__AFTER_FAULT).
 */
#ifndef SP_RUNTIME_REAL_FAULT_H
#define SP_RUNTIME_REAL_FAULT_H

#include "runtime/core.h"

/** Faults of one exit, its deferred functions included, that are contained; each holds a stack
 *  until the exit is done. */
#define SP__FAULT_DEPTH_MAX 32

/** Install the handlers, once per runtime.
 *  Errors: NOMEM, NOTSUP (the system refuses the handlers).
 *  Context: startup. */
SP_NODISCARD sp_err sp__fault_install(void);

/** Undo one install. Context: the runtime's end. */
void sp__fault_uninstall(void);

/** Give the calling thread an alternate stack for the handler, without which nothing of it is
 *  contained.
 *  Errors: NOMEM. Context: startup of a thread that runs actors on fibers. */
SP_NODISCARD sp_err sp__fault_thread_start(struct sp__context *context) SP_NONNULL;

/** Undo it; also where start failed. Context: end of the thread. */
void sp__fault_thread_end(struct sp__context *context) SP_NONNULL;

/** The fault that brought the running fiber here; without the handler's name. Overwritten by
 *  the next one.
 *  Context: the fiber that was started by the fault, before it suspends. */
const struct sp_fault *sp__fault_of(const struct sp__context *context) SP_NONNULL;

/** The registers at that fault. Returns how many; 0: this machine's are not known.
 *  Context: as above. */
size_t sp__fault_registers(const struct sp__context *context, const char *const **out_names,
                           const uint64_t **out_values) SP_NONNULL;

/** Code addresses of what a signal interrupted that has nothing to do with a fault, innermost
 *  first. Returns how many.
 *  Context: a signal handler of the context's thread. */
int sp__fault_sample(struct sp__context *context, const void *ucontext, void **frames, int max)
    SP_NONNULL;

#endif
