/* The switch of fibers for x86-64, System V calling convention. See fiber_context.h.
 *
 * The switch frame, from the saved stack pointer upwards:
 *     0  mxcsr (4), x87 control word (2), unused (2)
 *     8  r15
 *    16  r14
 *    24  r13
 *    32  r12      a fresh fiber: the argument
 *    40  rbx      a fresh fiber: the entry function
 *    48  rbp      a fresh fiber: 0
 *    56  return address; a fresh fiber: sp__fiber_context_start
 *    64
 *
 * The offsets are those of struct fiber_switch_frame in fiber_x86_64.c.
 *
 * It leaves by a jump: a return would be predicted to go where this fiber was called from,
 * and always wrongly. On an EPYC, in ns per switch, best of 40 runs:
 *
 *                                      jump    return
 *     ping-pong, 1 to 64 fibers         5.7      11.6
 *     the same under four calls        10.7      11.7    later returns mispredict anyway
 *     without mxcsr and x87             4.4       8.9
 *     those loaded only if different    6.6      11.4
 *     moves instead of pushes           5.8      11.7
 *
 * Control-flow enforcement: whatever is reached by a jump begins with endbr64 or is jumped
 * to with notrack. Shadow stacks are not switched, so these objects deliberately carry no
 * SHSTK property note: the linker and the loader then leave shadow stacks off.
 *
 * CFI: one description serves both sides of the switch, because the frame left behind
 * and the frame taken up have the same layout.
 */
#if defined(__x86_64__) && !defined(SPAWNED_UCONTEXT)

    .text

/* void sp__fiber_context_switch(struct sp__fiber_context *from, *to) */
    .globl sp__fiber_context_switch
    .hidden sp__fiber_context_switch
    .type sp__fiber_context_switch, @function
    .p2align 4
sp__fiber_context_switch:
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
.Lresume:
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    popq %rdx
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rdx
    notrack jmp *%rdx
    .cfi_endproc
    .size sp__fiber_context_switch, . - sp__fiber_context_switch

/* A return from a signal arrives here, %rsp and %rdi at the switch frame to take up. The
 * interrupted code may have left the direction flag set and x87 registers in use; the
 * calling convention allows neither at a call. The move changes nothing, but Valgrind
 * notices a change of stacks only at an instruction that writes %rsp. */
    .globl sp__fiber_context_arrive
    .hidden sp__fiber_context_arrive
    .type sp__fiber_context_arrive, @function
    .p2align 4
sp__fiber_context_arrive:
    .cfi_startproc
    .cfi_def_cfa %rsp, 64
    .cfi_offset %rip, -8
    .cfi_offset %rbp, -16
    .cfi_offset %rbx, -24
    .cfi_offset %r12, -32
    .cfi_offset %r13, -40
    .cfi_offset %r14, -48
    .cfi_offset %r15, -56
    endbr64
    movq %rdi, %rsp
    cld
    fninit
    jmp .Lresume
    .cfi_endproc
    .size sp__fiber_context_arrive, . - sp__fiber_context_arrive

/* The outermost frame of every fiber. Unwinders stop here: there is no return address
 * (CFI), and the chain of frame pointers ends in zero. */
    .globl sp__fiber_context_start
    .hidden sp__fiber_context_start
    .type sp__fiber_context_start, @function
    .p2align 4
sp__fiber_context_start:
    .cfi_startproc
    .cfi_undefined %rip
    endbr64
    movq %r12, %rdi
    call *%rbx
    ud2
    .cfi_endproc
    .size sp__fiber_context_start, . - sp__fiber_context_start

#endif

    .section .note.GNU-stack, "", @progbits
