// std::uint32_t hilo_switch_context(context* from, context* to)
//
//   x0  from: left here            x1  to: continued
//   w0  to->result, the value that the call which suspended `to` returns
//
// Stack of a suspended context, from sp upwards (AAPCS64, 6.1.1 and 6.1.2: what a callee keeps):
//   +0 x19 x20  +16 x21 x22  +32 x23 x24  +48 x25 x26  +64 x27 x28  +80 x29 x30 (where to continue)
//   +96 d8 d9   +112 d10 d11 +128 d12 d13 +144 d14 d15
//
// FPCR is not saved: it is the carrier's, as errno is.

#define CONTEXT_SP 0
#define CONTEXT_ON_CPU 8
#define CONTEXT_RESULT 12

        .macro  keep one, other, at
        stp     \one, \other, [sp, #\at]
        .cfi_rel_offset \one, \at
        .cfi_rel_offset \other, \at + 8
        .endm

        .text
        .globl  hilo_switch_context
        .hidden hilo_switch_context
        .type   hilo_switch_context, %function
        .balign 64
hilo_switch_context:
        .cfi_startproc
        .cfi_remember_state
        stp     x19, x20, [sp, #-160]!      // the callee-saved registers go onto the stack of from
        .cfi_adjust_cfa_offset 160
        .cfi_rel_offset x19, 0
        .cfi_rel_offset x20, 8
        keep    x21, x22, 16
        keep    x23, x24, 32
        keep    x25, x26, 48
        keep    x27, x28, 64
        keep    x29, x30, 80                // frame pointer, and where `from` continues
        keep    d8, d9, 96                  // the low halves of v8 to v15 are the callee's too
        keep    d10, d11, 112
        keep    d12, d13, 128
        keep    d14, d15, 144
        mov     x9, sp
        str     x9, [x0, #CONTEXT_SP]       // from is suspended once this is published
        ldr     x9, [x1, #CONTEXT_SP]
        mov     sp, x9                      // now on the other stack, whose frame looks the same
        add     x10, x0, #CONTEXT_ON_CPU
        stlr    wzr, [x10]                  // (S) from may be continued elsewhere from here on
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
        br      x30                         // not ret: the return predictor expects another call
        .cfi_endproc
        .size   hilo_switch_context, . - hilo_switch_context

        .section .note.GNU-stack, "", %progbits
