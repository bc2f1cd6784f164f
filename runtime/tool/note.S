// An ELF note of hilo. Its content is the distance from itself to the root (runtime/tool/root.hpp).
//
// A note is found by the program headers, which are in memory and stay when a program is stripped.
// So this works in a shared library, and in a static program that has no symbols.

        .section .note.hilo, "a", %note
        .balign 4
        .globl  hilo_root_note
        .hidden hilo_root_note
        .type   hilo_root_note, %object
hilo_root_note:
        .long   5                       // bytes of the name, with its zero
        .long   8                       // bytes of the content
        .long   1                       // type: the root
        .asciz  "hilo"
        .balign 4
        .quad   hilo_root_here - .      // the content
        .size   hilo_root_note, . - hilo_root_note

        .section .note.GNU-stack, "", %progbits
