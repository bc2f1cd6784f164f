// void hilo_set_thread_pointer(void* thread_pointer)
//
//   a0  the thread pointer

        .text
        .globl  hilo_set_thread_pointer
        .hidden hilo_set_thread_pointer
        .type   hilo_set_thread_pointer, @function
        .balign 16
hilo_set_thread_pointer:
        .cfi_startproc
        mv      tp, a0                  // from here on libc's variables are the other block's
        ret
        .cfi_endproc
        .size   hilo_set_thread_pointer, . - hilo_set_thread_pointer

        .section .note.GNU-stack, "", @progbits
