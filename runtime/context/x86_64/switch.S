// std::uint32_t hilo_switch_context(context* from, context* to)
//
//   rdi  from: left here           rsi  to: continued
//   eax  to->result, the value that the call which suspended `to` returns
//
// Stack of a suspended context, from sp upwards:
//   +0 r15  +8 r14  +16 r13  +24 r12  +32 rbx  +40 rbp  +48 address to continue at
//
// MXCSR and the x87 control word are not saved: they are the carrier's, as errno is.
// On x86-64 every store is a release, so the plain store to from->on_cpu is label (S).

#define CONTEXT_SP 0
#define CONTEXT_ON_CPU 8
#define CONTEXT_RESULT 12

        .text
        .globl  hilo_switch_context
        .hidden hilo_switch_context
        .type   hilo_switch_context, @function
        .balign 64
hilo_switch_context:
        .cfi_startproc
        pushq   %rbp                    // the callee-saved registers go onto the stack of from
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        movq    %rsp, CONTEXT_SP(%rdi)      // from is suspended once this is published
        movq    CONTEXT_SP(%rsi), %rsp      // now on the other stack, whose frame looks the same
        movl    $0, CONTEXT_ON_CPU(%rdi)    // (S) from may be continued elsewhere from here on
        movl    CONTEXT_RESULT(%rsi), %eax  // the suspended call's return value
        popq    %r15                        // the callee-kept registers of `to`
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        popq    %rcx                        // where `to` continues
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        jmpq    *%rcx                       // not ret: the return predictor expects another call
        .cfi_endproc
        .size   hilo_switch_context, . - hilo_switch_context

        .section .note.GNU-stack, "", @progbits
