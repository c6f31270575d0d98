/* The switch of fibers for aarch64, AAPCS64. See fiber_context.h.
 *
 * The switch frame, from the saved stack pointer upwards:
 *     0  x29 (frame pointer; a fresh fiber: 0), x30 (return address; a fresh fiber: sp__fiber_context_start)
 *    16  x19 (a fresh fiber: the entry function), x20 (a fresh fiber: the argument)
 *    32  x21, x22
 *    48  x23, x24
 *    64  x25, x26
 *    80  x27, x28
 *    96  d8, d9
 *   112  d10, d11
 *   128  d12, d13
 *   144  d14, d15
 *   160  fpcr, unused
 *   176
 *
 * The offsets are those of struct fiber_switch_frame in fiber_aarch64.c. x18 belongs to
 * the platform and is left alone.
 *
 * It leaves by ret, although a jump would be predicted better (fiber_switch_x86_64.h has
 * numbers for that machine): with branch target identification a jump must land on a
 * marked instruction, and the place a switch returns to is none. So these objects can carry
 * the BTI property note. Pointer authentication signs a return address with the stack
 * pointer, which is the same again when its fiber goes on. Guarded control stacks are not
 * switched; without their property note the linker and the loader leave them off.
 *
 * CFI: one description serves both sides of the switch,
 * because the frame left behind and the frame taken up have the same layout.
 */
#if defined(__aarch64__) && !defined(SPAWNED_UCONTEXT)

    .text

/* void sp__fiber_context_switch(struct sp__fiber_context *from, *to) */
    .globl sp__fiber_context_switch
    .hidden sp__fiber_context_switch
    .type sp__fiber_context_switch, %function
    .p2align 4
sp__fiber_context_switch:
    .cfi_startproc
    hint #34 /* bti c */
    stp x29, x30, [sp, #-176]!
    .cfi_def_cfa_offset 176
    .cfi_offset x29, -176
    .cfi_offset x30, -168
    stp x19, x20, [sp, #16]
    .cfi_offset x19, -160
    .cfi_offset x20, -152
    stp x21, x22, [sp, #32]
    .cfi_offset x21, -144
    .cfi_offset x22, -136
    stp x23, x24, [sp, #48]
    .cfi_offset x23, -128
    .cfi_offset x24, -120
    stp x25, x26, [sp, #64]
    .cfi_offset x25, -112
    .cfi_offset x26, -104
    stp x27, x28, [sp, #80]
    .cfi_offset x27, -96
    .cfi_offset x28, -88
    stp d8, d9, [sp, #96]
    .cfi_offset d8, -80
    .cfi_offset d9, -72
    stp d10, d11, [sp, #112]
    .cfi_offset d10, -64
    .cfi_offset d11, -56
    stp d12, d13, [sp, #128]
    .cfi_offset d12, -48
    .cfi_offset d13, -40
    stp d14, d15, [sp, #144]
    .cfi_offset d14, -32
    .cfi_offset d15, -24
    mrs x9, fpcr
    str x9, [sp, #160]
    mov x10, sp
    str x10, [x0]
    ldr x10, [x1]
    mov sp, x10
    ldr x10, [sp, #160]
    /* Writing the control register stalls; it rarely differs. */
    cmp x9, x10
    b.eq .Lresume
.Lresume_fpcr:
    msr fpcr, x10
.Lresume:
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #176
    .cfi_def_cfa_offset 0
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size sp__fiber_context_switch, . - sp__fiber_context_switch

/* A return from a signal arrives here, sp and x0 at the switch frame to take up. The move
 * changes nothing, but Valgrind notices a change of stacks only at an instruction that
 * writes sp. */
    .globl sp__fiber_context_arrive
    .hidden sp__fiber_context_arrive
    .type sp__fiber_context_arrive, %function
    .p2align 4
sp__fiber_context_arrive:
    .cfi_startproc
    .cfi_def_cfa sp, 176
    .cfi_offset x29, -176
    .cfi_offset x30, -168
    hint #36 /* bti j */
    mov sp, x0
    ldr x10, [sp, #160]
    b .Lresume_fpcr
    .cfi_endproc
    .size sp__fiber_context_arrive, . - sp__fiber_context_arrive

/* The outermost frame of every fiber. Unwinders stop here: there is no return address
 * (CFI), and the chain of frame pointers ends in zero. */
    .globl sp__fiber_context_start
    .hidden sp__fiber_context_start
    .type sp__fiber_context_start, %function
    .p2align 4
sp__fiber_context_start:
    .cfi_startproc
    .cfi_undefined x30
    hint #36 /* bti j */
    mov x0, x20
    blr x19
    brk #1
    .cfi_endproc
    .size sp__fiber_context_start, . - sp__fiber_context_start

    .section .note.gnu.property, "a", %note
    .p2align 3
    .word 4, 16, 5 /* sizes of name and value, NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .word 0xc0000000, 4, 1, 0 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI */

#endif

    .section .note.GNU-stack, "", %progbits
