// void hilo_set_thread_pointer(void* thread_pointer)
//
//   rdi  the thread pointer, of a block whose header says the same
//
// Needs FSGSBASE (Linux 5.9): the caller made sure.

        .text
        .globl  hilo_set_thread_pointer
        .hidden hilo_set_thread_pointer
        .type   hilo_set_thread_pointer, @function
        .balign 16
hilo_set_thread_pointer:
        .cfi_startproc
        wrfsbase %rdi                   // libc's variables are another thread block's from here on
        ret
        .cfi_endproc
        .size   hilo_set_thread_pointer, . - hilo_set_thread_pointer

        .section .note.GNU-stack, "", @progbits
