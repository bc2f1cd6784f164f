// hilo_context_entry: the first instruction of a fiber. Not called: the first switch to a context
// that prepare_context() laid out continues here, with
//
//   rbx  entry    r12  its argument    rbp  0    rsp  16-byte aligned
//
// entry is entered by a jump, with a return address that nothing returns to: the fiber ends by
// hilo_leave_context. leave.S says why.
//
// The undefined return address tells unwinders (gdb, perf, C++ exceptions) that the stack ends here.

        .text
        .globl  hilo_context_entry
        .hidden hilo_context_entry
        .type   hilo_context_entry, @function
        .balign 16
hilo_context_entry:
        .cfi_startproc
        .cfi_undefined %rip             // no caller: unwinding ends
        movq    %r12, %rdi              // the argument
        leaq    .Lreturned(%rip), %rax
        pushq   %rax                    // entry's return address, where unwinding ends
        jmpq    *%rbx                   // entry(argument)
.Lreturned:
        ud2                             // it never returns
        .cfi_endproc
        .size   hilo_context_entry, . - hilo_context_entry

        .section .note.GNU-stack, "", @progbits
