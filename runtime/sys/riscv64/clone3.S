// long hilo_sys_clone3(const clone_args* arguments, size_t size)
//
//   a0 arguments   a1 size: as the kernel wants them
//
// The caller returns as from any function. The child's stack, which the caller prepared, before and
// after; `end` is arguments->stack + arguments->stack_size:
//
//       end + 16    ->  |          |            |          |  <- sp
//       end + 8         | argument |            | argument |
//       end         ->  |  entry   |  <- sp     |  entry   |

        .text
        .p2align 2
        .globl  hilo_sys_clone3
        .hidden hilo_sys_clone3
        .type   hilo_sys_clone3, @function
hilo_sys_clone3:
        .cfi_startproc
        li      a7, 435                 // SYS_clone3
        ecall                           // returns twice: in the caller and in the child
        beqz    a0, .Lchild             // 0 in the child only, which must not use the return address
        ret                             // the caller, on its own stack
        .cfi_endproc

.Lchild:
        .cfi_startproc
        .cfi_undefined ra               // no caller: debuggers and exceptions stop here
        li      s0, 0                   // no frame above: frame-pointer walks stop as well
        li      ra, 0                   // where entry would return to: nowhere
        ld      t1, 0(sp)               // entry, left here by the caller
        ld      a0, 8(sp)               // its argument
        addi    sp, sp, 16              // the stack is empty now
        jr      t1                      // the first frame of the new stack
        .cfi_endproc
        .size   hilo_sys_clone3, . - hilo_sys_clone3

        .section .note.GNU-stack, "", @progbits
