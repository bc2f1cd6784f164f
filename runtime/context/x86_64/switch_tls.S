// std::uint32_t hilo_switch_context_and_tls(context* from, context* to, void* thread_pointer)
//
//   rdi  from: left here    rsi  to: continued    rdx  the thread pointer it continues with
//   eax  to->result         stack: as hilo_switch_context, which does the rest
//
// fs is moved first. Once `from` is published as off its CPU, another carrier may run on the thread
// block of `from`. Needs FSGSBASE (Linux 5.9): the caller has checked that.

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
