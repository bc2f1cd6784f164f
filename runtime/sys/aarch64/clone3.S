// long hilo_sys_clone3(const clone_args* arguments, size_t size)
//
//   x0 arguments   x1 size: as the kernel wants them
//
// The caller returns as from any function. The child's stack, which the caller prepared, before and
// after; `end` is arguments->stack + arguments->stack_size:
//
//       end + 16    ->  |          |            |          |  <- sp
//       end + 8         | argument |            | argument |
//       end         ->  |  entry   |  <- sp     |  entry   |

        .text
        .p2align 4
        .globl  hilo_sys_clone3
        .hidden hilo_sys_clone3
        .type   hilo_sys_clone3, %function
hilo_sys_clone3:
        .cfi_startproc
        hint    #34                     // bti c: a target of indirect calls where that is enforced
        mov     x8, #435                // SYS_clone3
        svc     #0                      // returns twice: in the caller and in the child
        cbz     x0, .Lchild             // 0 in the child only, which must not use the return address
        ret                             // the caller, on its own stack
        .cfi_endproc

.Lchild:
        .cfi_startproc
        .cfi_undefined x30              // no caller: debuggers and exceptions stop here
        mov     x29, xzr                // no frame above: frame-pointer walks stop as well
        mov     x30, xzr                // where entry would return to: nowhere
        ldp     x16, x0, [sp], #16      // entry and its argument; the stack is empty now
        br      x16                     // the first frame of the new stack
        .cfi_endproc
        .size   hilo_sys_clone3, . - hilo_sys_clone3

        .section .note.GNU-stack, "", %progbits
