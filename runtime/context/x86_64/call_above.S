// void hilo_call_above(void* sp, void (*call)(void*), void* argument)
//
//   rdi  sp of a suspended context    rsi  call    rdx  its argument
//
// Calls call(argument), and tells unwinders that the call was made from the suspended context. So an
// unwinder that begins inside finds the frames of that context. The picture of its stack is at the
// head of switch.S; rbx holds its sp during the call.

        .text
        .globl  hilo_call_above
        .hidden hilo_call_above
        .type   hilo_call_above, @function
        .balign 16
hilo_call_above:
        .cfi_startproc
        pushq   %rbx                    // the caller's; this aligns the stack too
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        movq    %rdi, %rbx
        movq    %rdx, %rdi              // the argument
        .cfi_remember_state
        .cfi_def_cfa %rbx, 56           // from here on the caller is the suspended context
        .cfi_offset %r15, -56
        .cfi_offset %r14, -48
        .cfi_offset %r13, -40
        .cfi_offset %r12, -32
        .cfi_offset %rbx, -24
        .cfi_offset %rbp, -16
        callq   *%rsi
        nop                             // the return address belongs to the state above
        .cfi_restore_state
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        retq
        .cfi_endproc
        .size   hilo_call_above, . - hilo_call_above

        .section .note.GNU-stack, "", @progbits
