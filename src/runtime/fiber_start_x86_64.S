/* Where a fiber begins on x86-64: by a switch, or by a return from a signal.
 * fiber_switch_x86_64.h has the switch, and the layout of its frame.
 */
#if defined(__x86_64__) && !defined(SPAWNED_UCONTEXT)

    .text

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
    .cfi_def_cfa %rsp, 24
    .cfi_offset %rip, -8
    .cfi_offset %rbp, -16
    endbr64
    movq %rdi, %rsp
    cld
    fninit
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    popq %rax
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rax
    notrack jmp *%rax
    .cfi_endproc
    .size sp__fiber_context_arrive, . - sp__fiber_context_arrive

/* The outermost frame of every fiber, %rsp at what a fresh fiber's frame has behind the part
 * that all have. Unwinders stop here: there is no return address (CFI), and the chain of frame
 * pointers ends in zero. */
    .globl sp__fiber_context_start
    .hidden sp__fiber_context_start
    .type sp__fiber_context_start, @function
    .p2align 4
sp__fiber_context_start:
    .cfi_startproc
    .cfi_undefined %rip
    endbr64
    popq %rax
    popq %rdi
    call *%rax
    ud2
    .cfi_endproc
    .size sp__fiber_context_start, . - sp__fiber_context_start

#endif

    .section .note.GNU-stack, "", @progbits
