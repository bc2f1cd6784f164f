// void hilo_leave_context(context* from, context* to)
//
//   x0  from: left here for good    x1  to: continued
//   w0  to->result, the value that the call which suspended `to` returns
//
// Stack of a suspended context: as in switch.S. Nothing is saved, because `from` never continues.
// Ends in ret to a fiber that waits, and in a jump to a fresh one: x86_64/leave.S says why.

#define CONTEXT_SP 0
#define CONTEXT_ON_CPU 8
#define CONTEXT_RESULT 12

        .macro  kept one, other, at
        .cfi_offset \one, \at - 160
        .cfi_offset \other, \at - 152
        .endm

        .text
        .globl  hilo_leave_context
        .hidden hilo_leave_context
        .type   hilo_leave_context, %function
        .balign 64
hilo_leave_context:
        .cfi_startproc
        .cfi_remember_state
        ldr     x9, [x1, #CONTEXT_SP]
        mov     sp, x9                      // now on the stack of `to`
        .cfi_def_cfa_offset 160
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
        add     x10, x0, #CONTEXT_ON_CPU
        stlr    wzr, [x10]                  // (S) the stack of from may be used again from here on
        ldr     w0, [x1, #CONTEXT_RESULT]   // the suspended call's return value
        ldp     x21, x22, [sp, #16]         // the callee-kept registers of `to`
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        ldp     x19, x20, [sp], #160
        .cfi_restore_state                  // all registers are the caller's again
        adrp    x9, hilo_context_entry
        add     x9, x9, :lo12:hilo_context_entry
        cmp     x30, x9                     // where `to` continues
        b.eq    .Lfresh
        ret                                 // after the call that suspended it
.Lfresh:
        br      x9
        .cfi_endproc
        .size   hilo_leave_context, . - hilo_leave_context

        .section .note.GNU-stack, "", %progbits
