// hilo_context_entry: the first instruction of a fiber. Not called: the first switch to a context
// that prepare_context() laid out continues here, with
//
//   s1  entry    s2  its argument    s0  0    sp  16-byte aligned
//
// The undefined return address tells unwinders (gdb, perf, C++ exceptions) that the stack ends here.

        .text
        .globl  hilo_context_entry
        .hidden hilo_context_entry
        .type   hilo_context_entry, @function
        .balign 16
hilo_context_entry:
        .cfi_startproc
        .cfi_undefined ra               // no caller: unwinding ends
        mv      ra, zero                // also for tools that follow the link register
        mv      a0, s2                  // the argument
        jalr    s1                      // entry(argument)
        unimp                           // it never returns
        .cfi_endproc
        .size   hilo_context_entry, . - hilo_context_entry

        .section .note.GNU-stack, "", @progbits
