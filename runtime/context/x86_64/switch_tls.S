// std::uint32_t hilo_switch_context_and_tls(context* from, context* to, void* thread_pointer)
//
//   rdi  from: left here    rsi  to: continued    rdx  the thread pointer it continues with
//   eax  to->result         stack: as hilo_switch_context, which does the rest
//
// fs is moved first: once `from` is published as off its CPU, its thread block is another carrier's
// to run on. Needs FSGSBASE (Linux 5.9): the caller made sure.

        .text
        .globl  hilo_switch_context_and_tls
        .hidden hilo_switch_context_and_tls
        .type   hilo_switch_context_and_tls, @function
        .balign 16
hilo_switch_context_and_tls:
        .cfi_startproc
        wrfsbase %rdx                   // from here on, libc's variables are those of `to`
        jmp     hilo_switch_context     // its return address is our caller's
        .cfi_endproc
        .size   hilo_switch_context_and_tls, . - hilo_switch_context_and_tls

        .section .note.GNU-stack, "", @progbits
