// long hilo_sys_clone3(const clone_args* arguments, size_t size)
//
//   rdi arguments   rsi size: as the kernel wants them
//
// The caller returns as from any function. The child's stack, which the caller prepared, before and
// after; `end` is arguments->stack + arguments->stack_size:
//
//       end + 16    ->  |          |            |          |
//       end + 8         | argument |            |     0    |  <- rsp: a null return address
//       end         ->  |  entry   |  <- rsp    |          |

        .text
        .p2align 4
        .globl  hilo_sys_clone3
        .hidden hilo_sys_clone3
        .type   hilo_sys_clone3, @function
hilo_sys_clone3:
        .cfi_startproc
        endbr64                         // a target of indirect calls where that is enforced
        mov     $435, %eax              // SYS_clone3
        syscall                         // returns twice: in the caller and in the child
        test    %rax, %rax              // 0 in the child only; -errno and the number go to the caller
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
        .size   hilo_sys_clone3, . - hilo_sys_clone3

        .section .note.GNU-stack, "", @progbits
