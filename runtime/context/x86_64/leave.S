// void hilo_leave_context(context* from, context* to)
//
//   rdi  from: left here for good   rsi  to: continued
//   eax  to->result, the value that the call which suspended `to` returns
//
// Stack of a suspended context: as in switch.S. Nothing is saved, because `from` never continues.
//
// The balance of a life. The CPU predicts each ret from a stack of the calls that it has seen. A
// fiber is entered by a jump, its functions return, and its last function comes here by tail calls.
// So when it ends, that stack is as it was when the fiber began: on top is the call that suspended
// its joiner. ret is right about that call, and takes it off. No call suspended a fresh fiber, so a
// jump goes to its entry.

#define CONTEXT_SP 0
#define CONTEXT_ON_CPU 8
#define CONTEXT_RESULT 12

        .text
        .globl  hilo_leave_context
        .hidden hilo_leave_context
        .type   hilo_leave_context, @function
        .balign 64
hilo_leave_context:
        .cfi_startproc
        movq    CONTEXT_SP(%rsi), %rsp      // now on the stack of `to`
        .cfi_def_cfa_offset 56
        .cfi_offset %r15, -56
        .cfi_offset %r14, -48
        .cfi_offset %r13, -40
        .cfi_offset %r12, -32
        .cfi_offset %rbx, -24
        .cfi_offset %rbp, -16
        movl    $0, CONTEXT_ON_CPU(%rdi)    // (S) the stack of from may be used again from here on
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
        leaq    hilo_context_entry(%rip), %rcx
        cmpq    %rcx, (%rsp)                // where `to` continues
        je      .Lfresh
        retq                                // after the call that suspended it
.Lfresh:
        addq    $8, %rsp                    // as the switch leaves it for a fresh fiber
        .cfi_adjust_cfa_offset -8
        .cfi_undefined %rip                 // it has no caller
        jmpq    *%rcx
        .cfi_endproc
        .size   hilo_leave_context, . - hilo_leave_context

        .section .note.GNU-stack, "", @progbits
