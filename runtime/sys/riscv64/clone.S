// long hilo_sys_clone(unsigned long flags, clone_start* stack, uint32_t* parent_tid,
//                     uint32_t* child_tid, void* thread_pointer)
//
//   a0 flags   a1 stack   a2 parent_tid   a3 child_tid   a4 thread_pointer
//
// The kernel wants the last two in the other order here. The caller returns as from any function.
// The child's stack, which the caller prepared, before and after:
//
//       stack + 16  ->  |          |            |          |  <- sp
//       stack + 8       | argument |            | argument |
//       stack       ->  |  entry   |  <- sp     |  entry   |

        .text
        .p2align 2
        .globl  hilo_sys_clone
        .hidden hilo_sys_clone
        .type   hilo_sys_clone, @function
hilo_sys_clone:
        .cfi_startproc
        mv      t1, a3                  // child_tid, out of the way
        mv      a3, a4                  // the kernel's fourth argument: thread_pointer
        mv      a4, t1                  // and its fifth
        li      a7, 220                 // SYS_clone
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
        .size   hilo_sys_clone, . - hilo_sys_clone

        .section .note.GNU-stack, "", @progbits
