/* The switch of fibers for x86-64, System V calling convention: inline. See fiber_context.h.
 *
 * The switch frame, from the saved stack pointer upwards:
 *     0  mxcsr (4), x87 control word (2), unused (2)
 *     8  rbp           a fresh fiber: 0
 *    16  where to go on; a fresh fiber: sp__fiber_context_start
 *    24  a fresh fiber: the entry function, then its argument
 *
 * The offsets are those of struct fiber_switch_frame in fiber_x86_64.c.
 *
 * There is neither a call nor a return in it. A processor predicts returns by a stack of its own,
 * which knows of one stack only: a switch that is called and left by a jump leaves an entry too
 * many there, one that is left by a return takes the wrong one, and every later return of the
 * fiber is mispredicted. As it is, a fiber that is left and gone on with, while what ran in
 * between returned as often as it called, finds the entries it left. In ns per switch, best of
 * 40 runs on an EPYC:
 *
 *                               inline   called, left by a jump
 *     under one call              5.6          9.5
 *     under five                  7.1         16.7
 *
 * The registers that a callee keeps are clobbers, so the compiler saves those it uses. The red
 * zone of a leaf function lies below the stack pointer and must be stepped over.
 *
 * Control-flow enforcement: whatever is reached by a jump begins with endbr64 or is jumped
 * to with notrack. Shadow stacks are not switched, so fiber_start_x86_64.S deliberately carries
 * no SHSTK property note: the linker and the loader then leave shadow stacks off.
 */
#ifndef SP_RUNTIME_FIBER_SWITCH_X86_64_H
#define SP_RUNTIME_FIBER_SWITCH_X86_64_H

#include "runtime/fiber_context.h"

#if defined(__x86_64__) && !defined(SPAWNED_UCONTEXT)

/** Suspend the caller in `from` and go on in `to`. The caller goes on when somebody, perhaps on
 *  another thread, switches to `from`.
 *  Context: any. */
__attribute__((always_inline)) static inline void sp__fiber_context_switch(
    struct sp__fiber_context *from, struct sp__fiber_context *to)
{
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "pushq %%rbp\n\t"
                     "pushq %%rax\n\t" /* room for: */
                     "stmxcsr (%%rsp)\n\t"
                     "fnstcw 4(%%rsp)\n\t"
                     "movq %%rsp, (%%rdi)\n\t"
                     "movq (%%rsi), %%rsp\n\t"
                     "ldmxcsr (%%rsp)\n\t"
                     "fldcw 4(%%rsp)\n\t"
                     "popq %%rax\n\t"
                     "popq %%rbp\n\t"
                     "popq %%rax\n\t"
                     "notrack jmp *%%rax\n"
                     "1:\n\t"
                     "leaq 128(%%rsp), %%rsp\n\t"
                     : "+D"(from), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
#ifdef __AVX512F__
                       "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",
                       "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1",
                       "k2", "k3", "k4", "k5", "k6", "k7",
#endif
                       "memory", "cc");
}

#endif
#endif
