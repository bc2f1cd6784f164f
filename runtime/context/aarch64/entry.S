// hilo_context_entry: the first instruction of a fiber. Not called: the first switch to a context
// that prepare_context() laid out continues here, with
//
//   x19  entry    x20  its argument    x29  0    sp  16-byte aligned
//
// entry is entered by a jump, with a return address that nothing returns to: the fiber ends by
// hilo_leave_context. x86_64/leave.S says why.
//
// The undefined return address tells unwinders (gdb, perf, C++ exceptions) that the stack ends here.

        .text
        .globl  hilo_context_entry
        .hidden hilo_context_entry
        .type   hilo_context_entry, %function
        .balign 16
hilo_context_entry:
        .cfi_startproc
        .cfi_undefined x30              // no caller: unwinding ends
        mov     x0, x20                 // the argument
        adr     x30, .Lreturned         // entry's return address, where unwinding ends
        br      x19                     // entry(argument)
.Lreturned:
        brk     #0                      // it never returns
        .cfi_endproc
        .size   hilo_context_entry, . - hilo_context_entry

        .section .note.GNU-stack, "", %progbits
