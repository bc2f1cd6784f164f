// void hilo_call_above(void* sp, void (*call)(void*), void* argument)
//
//   x0  sp of a suspended context    x1  call    x2  its argument
//
// Calls call(argument), and tells unwinders that the call was made from the suspended context. So an
// unwinder that begins inside finds the frames of that context. The picture of its stack is at the
// head of switch.S; x19 holds its sp during the call.

        .macro  kept one, other, at
        .cfi_offset \one, \at - 160
        .cfi_offset \other, \at - 152
        .endm

        .text
        .globl  hilo_call_above
        .hidden hilo_call_above
        .type   hilo_call_above, %function
        .balign 16
hilo_call_above:
        .cfi_startproc
        .cfi_remember_state
        stp     x29, x30, [sp, #-32]!   // the caller's registers
        .cfi_adjust_cfa_offset 32
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        str     x19, [sp, #16]
        .cfi_rel_offset x19, 16
        mov     x19, x0
        mov     x0, x2                  // the argument
        .cfi_remember_state
        .cfi_def_cfa x19, 160           // from here on the caller is the suspended context
        kept    x19, x20, 0
        kept    x21, x22, 16
        kept    x23, x24, 32
        kept    x25, x26, 48
        kept    x27, x28, 64
        kept    x29, x30, 80
        kept    d8, d9, 96
        kept    d10, d11, 112
        kept    d12, d13, 128
        kept    d14, d15, 144
        blr     x1
        nop                             // the return address belongs to the state above
        .cfi_restore_state
        ldr     x19, [sp, #16]
        ldp     x29, x30, [sp], #32
        .cfi_restore_state
        ret
        .cfi_endproc
        .size   hilo_call_above, . - hilo_call_above

        .section .note.GNU-stack, "", %progbits
