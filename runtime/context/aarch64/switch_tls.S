// std::uint32_t hilo_switch_context_and_tls(context* from, context* to, void* thread_pointer)
//
//   x0  from: left here    x1  to: continued    x2  the thread pointer it continues with
//   w0  to->result         stack: as hilo_switch_context, which does the rest
//
// tpidr_el0 is moved first. Once `from` is published as off its CPU, another carrier may run on the
// thread block of `from`.

        .text
        .globl  hilo_switch_context_and_tls
        .hidden hilo_switch_context_and_tls
        .type   hilo_switch_context_and_tls, %function
        .balign 16
hilo_switch_context_and_tls:
        .cfi_startproc
        msr     tpidr_el0, x2           // from here on, libc's variables are those of `to`
        b       hilo_switch_context     // its return address is our caller's
        .cfi_endproc
        .size   hilo_switch_context_and_tls, . - hilo_switch_context_and_tls

        .section .note.GNU-stack, "", %progbits
