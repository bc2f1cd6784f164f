// void hilo_call_above(void* sp, void (*call)(void*), void* argument)
//
//   a0  sp of a suspended context    a1  call    a2  its argument
//
// Calls call(argument), and tells unwinders that the call was made from the suspended context. So an
// unwinder that begins inside finds the frames of that context. The picture of its stack is at the
// head of switch.S; s1 holds its sp during the call.

        .macro  kept register, at
        .cfi_offset \register, \at - 208
        .endm

        .text
        .globl  hilo_call_above
        .hidden hilo_call_above
        .type   hilo_call_above, @function
        .balign 16
hilo_call_above:
        .cfi_startproc
        .cfi_remember_state
        addi    sp, sp, -16
        .cfi_adjust_cfa_offset 16
        sd      ra, 8(sp)               // the caller's registers
        .cfi_rel_offset ra, 8
        sd      s1, 0(sp)
        .cfi_rel_offset s1, 0
        mv      s1, a0
        mv      a0, a2                  // the argument
        .cfi_remember_state
        .cfi_def_cfa s1, 208            // from here on the caller is the suspended context
        kept    ra, 0
        kept    s0, 8
        kept    s1, 16
        kept    s2, 24
        kept    s3, 32
        kept    s4, 40
        kept    s5, 48
        kept    s6, 56
        kept    s7, 64
        kept    s8, 72
        kept    s9, 80
        kept    s10, 88
        kept    s11, 96
        jalr    a1
        nop                             // the return address belongs to the state above
        .cfi_restore_state
        ld      s1, 0(sp)
        ld      ra, 8(sp)
        addi    sp, sp, 16
        .cfi_restore_state
        ret
        .cfi_endproc
        .size   hilo_call_above, . - hilo_call_above

        .section .note.GNU-stack, "", @progbits
