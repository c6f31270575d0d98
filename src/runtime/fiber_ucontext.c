/* The switch of fibers by ucontext: for machines without assembly of ours, and for builds
 * with SPAWNED_UCONTEXT. See fiber_context.h.
 *
 * Differs from the assembly in three ways. The C library's switch sets the signal mask,
 * which is a system call: some 280 ns instead of 6. The mask therefore moves with the
 * fiber; all workers have the same one. And a fresh fiber starts with the floating-point
 * modes of the thread that got it, not with the defaults.
 */
#include "runtime/fiber_context.h"

#ifdef SPAWNED_UCONTEXT

#include <stdlib.h>

/* makecontext() passes ints; a pointer takes two. */
static void fiber_context_thunk(unsigned entry_high, unsigned entry_low, unsigned arg_high,
                                unsigned arg_low)
{
    uintptr_t entry = (uintptr_t)((uint64_t)entry_high << 32 | entry_low);
    uintptr_t arg = (uintptr_t)((uint64_t)arg_high << 32 | arg_low);
    ((sp__fiber_entry_fn)entry)((void *)arg);
    abort();
}

void sp__fiber_context_init(struct sp__fiber_context *context, void *low, void *high,
                            sp__fiber_entry_fn entry, void *arg)
{
    uint64_t e = (uintptr_t)entry;
    uint64_t a = (uintptr_t)arg;
    (void)getcontext(&context->saved);
    context->saved.uc_stack.ss_sp = low;
    context->saved.uc_stack.ss_size = (size_t)((char *)high - (char *)low);
    context->saved.uc_link = NULL;
    makecontext(&context->saved, (void (*)(void))fiber_context_thunk, 4, (unsigned)(e >> 32),
                (unsigned)e, (unsigned)(a >> 32), (unsigned)a);
}

void sp__fiber_context_switch(struct sp__fiber_context *from, struct sp__fiber_context *to)
{
    /* Fails only where the arguments are no contexts. */
    if (swapcontext(&from->saved, &to->saved) != 0)
        abort();
}

static struct sp__fiber_frame fiber_context_registers(const ucontext_t *saved)
{
    struct sp__fiber_frame frame = { 0 };
#if defined(__x86_64__)
    frame.pc = (uintptr_t)saved->uc_mcontext.gregs[REG_RIP];
    frame.fp = (uintptr_t)saved->uc_mcontext.gregs[REG_RBP];
    frame.sp = (uintptr_t)saved->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    frame.pc = (uintptr_t)saved->uc_mcontext.pc;
    frame.fp = (uintptr_t)saved->uc_mcontext.regs[29];
    frame.sp = (uintptr_t)saved->uc_mcontext.sp;
    frame.lr = (uintptr_t)saved->uc_mcontext.regs[30];
#else
    (void)saved;
#endif
    return frame;
}

struct sp__fiber_frame sp__fiber_context_interrupted(const void *ucontext)
{
    return fiber_context_registers(ucontext);
}

void sp__fiber_context_redirect(struct sp__fiber_context *to, void *ucontext,
                                struct sp__fiber_frame *out_frame)
{
    const ucontext_t *interrupted = ucontext;
    *out_frame = fiber_context_registers(interrupted);
    to->saved.uc_sigmask = interrupted->uc_sigmask;
    (void)setcontext(&to->saved);
    abort();
}

struct sp__fiber_frame sp__fiber_context_frame(const struct sp__fiber_context *context)
{
    return fiber_context_registers(&context->saved);
}

#endif
