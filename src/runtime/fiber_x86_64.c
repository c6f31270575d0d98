/* The switch of fibers for x86-64: what is not assembly. See fiber_context.h and
 * fiber_switch_x86_64.h, whose frame layout is declared here a second time.
 */
#include "runtime/fiber_context.h"

#if defined(__x86_64__) && !defined(SPAWNED_UCONTEXT)

#include <ucontext.h>

/* Alignment check: some check their own code with it, and would trap in innocent code. */
#define FIBER_EFLAGS_AC 0x40000

#define FIBER_MXCSR_DEFAULT 0x1f80 /* all exceptions masked, round to nearest */
#define FIBER_FPUCW_DEFAULT 0x037f /* the same, extended precision */

struct fiber_switch_frame {
    uint32_t mxcsr;
    uint16_t fpucw;
    uint16_t unused;
    uint64_t rbp;
    uint64_t pc;
};

struct fiber_fresh_frame {
    struct fiber_switch_frame frame;
    uint64_t entry;
    uint64_t arg;
};

_Static_assert(offsetof(struct fiber_fresh_frame, frame.fpucw) == 4, "the assembly knows this");
_Static_assert(offsetof(struct fiber_fresh_frame, frame.pc) == 16, "the assembly knows this");
_Static_assert(offsetof(struct fiber_fresh_frame, entry) == 24, "the assembly knows this");
_Static_assert(sizeof(struct fiber_fresh_frame) == 40, "the assembly knows this");

extern void sp__fiber_context_start(void);
extern void sp__fiber_context_arrive(void);

void sp__fiber_context_init(struct sp__fiber_context *context, void *low, void *high,
                            sp__fiber_entry_fn entry, void *arg)
{
    (void)low;
    /* The call in sp__fiber_context_start needs a stack pointer aligned to 16 there,
     * which is the end of this frame. */
    uintptr_t top = (uintptr_t)high & ~(uintptr_t)15;
    struct fiber_fresh_frame *fresh = (struct fiber_fresh_frame *)(top - sizeof *fresh);
    *fresh = (struct fiber_fresh_frame){
        .frame = { .mxcsr = FIBER_MXCSR_DEFAULT,
                   .fpucw = FIBER_FPUCW_DEFAULT,
                   .pc = (uint64_t)(uintptr_t)sp__fiber_context_start },
        .entry = (uint64_t)(uintptr_t)entry,
        .arg = (uint64_t)(uintptr_t)arg,
    };
    context->sp = fresh;
}

struct sp__fiber_frame sp__fiber_context_interrupted(const void *ucontext)
{
    const greg_t *regs = ((const ucontext_t *)ucontext)->uc_mcontext.gregs;
    return (struct sp__fiber_frame){
        .pc = (uintptr_t)regs[REG_RIP],
        .fp = (uintptr_t)regs[REG_RBP],
        .sp = (uintptr_t)regs[REG_RSP],
    };
}

void sp__fiber_context_redirect(struct sp__fiber_context *to, void *ucontext,
                                struct sp__fiber_frame *out_frame)
{
    greg_t *regs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
    *out_frame = sp__fiber_context_interrupted(ucontext);
    regs[REG_RIP] = (greg_t)(uintptr_t)sp__fiber_context_arrive;
    regs[REG_RSP] = (greg_t)(uintptr_t)to->sp;
    regs[REG_RDI] = (greg_t)(uintptr_t)to->sp;
    regs[REG_EFL] &= ~(greg_t)FIBER_EFLAGS_AC;
}

__attribute__((no_sanitize("address", "thread"))) struct sp__fiber_frame sp__fiber_context_frame(
    const struct sp__fiber_context *context)
{
    const struct fiber_switch_frame *frame = context->sp;
    return (struct sp__fiber_frame){
        .pc = frame->pc,
        .fp = frame->rbp,
        .sp = (uintptr_t)(frame + 1),
    };
}

#endif
