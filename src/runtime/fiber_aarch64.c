/* The switch of fibers for aarch64: what is not assembly. See fiber_context.h and
 * fiber_switch_aarch64.S, whose frame layout is declared here a second time.
 */
#include "runtime/fiber_context.h"

#if defined(__aarch64__) && !defined(SPAWNED_UCONTEXT)

#include <ucontext.h>

/* Indirect branch type: set by a branch that was interrupted, it would be checked at ours. */
#define FIBER_PSTATE_BTYPE 0xc00

struct fiber_switch_frame {
    uint64_t fp;
    uint64_t pc;
    uint64_t x19;
    uint64_t x20;
    uint64_t x21_to_x28[8];
    uint64_t d8_to_d15[8];
    uint64_t fpcr;
    uint64_t unused;
};

_Static_assert(sizeof(struct fiber_switch_frame) == 176, "the assembly knows this layout");
_Static_assert(offsetof(struct fiber_switch_frame, fpcr) == 160, "the assembly knows this layout");

extern void sp__fiber_context_start(void);
extern void sp__fiber_context_arrive(void);

void sp__fiber_context_init(struct sp__fiber_context *context, void *low, void *high,
                            sp__fiber_entry_fn entry, void *arg)
{
    (void)low;
    uintptr_t top = (uintptr_t)high & ~(uintptr_t)15;
    struct fiber_switch_frame *frame = (struct fiber_switch_frame *)(top - sizeof *frame);
    *frame = (struct fiber_switch_frame){
        .pc = (uint64_t)(uintptr_t)sp__fiber_context_start,
        .x19 = (uint64_t)(uintptr_t)entry,
        .x20 = (uint64_t)(uintptr_t)arg,
    };
    context->sp = frame;
}

struct sp__fiber_frame sp__fiber_context_interrupted(const void *ucontext)
{
    const mcontext_t *regs = &((const ucontext_t *)ucontext)->uc_mcontext;
    return (struct sp__fiber_frame){
        .pc = (uintptr_t)regs->pc,
        .fp = (uintptr_t)regs->regs[29],
        .sp = (uintptr_t)regs->sp,
        .lr = (uintptr_t)regs->regs[30],
    };
}

void sp__fiber_context_redirect(struct sp__fiber_context *to, void *ucontext,
                                struct sp__fiber_frame *out_frame)
{
    mcontext_t *regs = &((ucontext_t *)ucontext)->uc_mcontext;
    *out_frame = sp__fiber_context_interrupted(ucontext);
    regs->pc = (uint64_t)(uintptr_t)sp__fiber_context_arrive;
    regs->sp = (uint64_t)(uintptr_t)to->sp;
    regs->regs[0] = (uint64_t)(uintptr_t)to->sp;
    regs->pstate &= ~(uint64_t)FIBER_PSTATE_BTYPE;
}

__attribute__((no_sanitize("address", "thread"))) struct sp__fiber_frame sp__fiber_context_frame(
    const struct sp__fiber_context *context)
{
    const struct fiber_switch_frame *frame = context->sp;
    return (struct sp__fiber_frame){
        .pc = frame->pc,
        .fp = frame->fp,
        .sp = (uintptr_t)(frame + 1),
    };
}

#endif
