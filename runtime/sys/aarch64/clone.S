// long hilo_sys_clone(unsigned long flags, clone_start* stack, uint32_t* parent_tid,
//                     uint32_t* child_tid, void* thread_pointer)
//
//   x0 flags   x1 stack   x2 parent_tid   x3 child_tid   x4 thread_pointer
//
// The kernel wants the last two in the other order here. The caller returns as from any function.
// The child's stack, which the caller prepared, before and after:
//
//       stack + 16  ->  |          |            |          |  <- sp
//       stack + 8       | argument |            | argument |
//       stack       ->  |  entry   |  <- sp     |  entry   |

        .text
        .p2align 4
        .globl  hilo_sys_clone
        .hidden hilo_sys_clone
        .type   hilo_sys_clone, %function
hilo_sys_clone:
        .cfi_startproc
        hint    #34                     // bti c: a target of indirect calls where that is enforced
        mov     x9, x3                  // child_tid, out of the way
        mov     x3, x4                  // the kernel's fourth argument: thread_pointer
        mov     x4, x9                  // and its fifth
        mov     x8, #220                // SYS_clone
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
        .size   hilo_sys_clone, . - hilo_sys_clone

        .section .note.GNU-stack, "", %progbits
