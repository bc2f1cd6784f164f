// long hilo_sys_clone(unsigned long flags, clone_start* stack, uint32_t* parent_tid,
//                     uint32_t* child_tid, void* thread_pointer)
//
//   rdi flags   rsi stack   rdx parent_tid   rcx child_tid   r8 thread_pointer
//
// The kernel wants the same in rdi, rsi, rdx, r10, r8. The caller returns as from any function. The
// child's stack, which the caller prepared, before and after:
//
//       stack + 16  ->  |          |            |          |
//       stack + 8       | argument |            |     0    |  <- rsp: a null return address
//       stack       ->  |  entry   |  <- rsp    |          |
//
// so that entry sees the alignment of an ordinary call: 8 below a multiple of 16.

        .text
        .p2align 4
        .globl  hilo_sys_clone
        .hidden hilo_sys_clone
        .type   hilo_sys_clone, @function
hilo_sys_clone:
        .cfi_startproc
        endbr64                         // a target of indirect calls where that is enforced
        mov     %rcx, %r10              // the kernel's fourth argument: rcx holds its return address
        mov     $56, %eax               // SYS_clone
        syscall                         // returns twice: in the caller and in the child
        test    %rax, %rax              // 0 in the child only; -errno and the tid go to the caller
        jz      .Lchild                 // the child must not touch the caller's return address
        ret                             // the caller, on its own stack
        .cfi_endproc

.Lchild:
        .cfi_startproc
        .cfi_undefined %rip             // no caller: debuggers and exceptions stop here
        xor     %ebp, %ebp              // no frame above: frame-pointer walks stop as well
        pop     %rax                    // entry, left here by the caller
        pop     %rdi                    // its argument; the stack is empty now
        push    $0                      // where entry would return to: nowhere
        jmp     *%rax                   // the first frame of the new stack
        .cfi_endproc
        .size   hilo_sys_clone, . - hilo_sys_clone

        .section .note.GNU-stack, "", @progbits
