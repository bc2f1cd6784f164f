// The addresses of libc's symbols, in a static program; in a dynamic one they are null.
//
// Weak and hidden, so that only a definition in the program itself is linked. Then neither the
// program nor the library needs a symbol of GLIBC_PRIVATE, which would tie it to one build of libc.
// This is assembly because link-time optimisation makes such a reference of C++ a strong one.

#include "runtime/thread/libc_symbols.h"

#define WEAK(name) .weak name; .hidden name;
#define ENTRY(name) .quad name;

HILO_LIBC_SYMBOLS(WEAK)

        .section .data.rel.ro, "aw", %progbits
        .balign 8
        .globl  hilo_libc_symbols
        .hidden hilo_libc_symbols
        .type   hilo_libc_symbols, %object
hilo_libc_symbols:
HILO_LIBC_SYMBOLS(ENTRY)
        .size   hilo_libc_symbols, . - hilo_libc_symbols

        .section .note.GNU-stack, "", %progbits
