// hilo_context_entry: the first instruction of a fiber. Not called: the first switch to a context
// that prepare_context() laid out continues here, with
//
//   rbx  entry    r12  its argument    rbp  0    rsp  16-byte aligned
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
        callq   *%rbx                   // entry(argument)
        ud2                             // it never returns
        .cfi_endproc
        .size   hilo_context_entry, . - hilo_context_entry

        .section .note.GNU-stack, "", @progbits
