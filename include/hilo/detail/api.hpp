// The symbols that the shared library exports. Everything is compiled with hidden visibility:
// programs see a symbol only if a public header marks it HILO_API. So calls inside the library need
// no indirection, and no internal name becomes part of the interface by accident.
#pragma once

// Every public header includes this one first. So if hilo does not support a compiler, the error is
// one line here, and not a hundred lines elsewhere. An include that does not exist ends the
// compilation at once; #error alone does not.
#if __cplusplus < 202002L
#error "hilo needs C++20: compile with -std=c++20 or newer"
#include <hilo needs C++20>
#elif !defined(__cpp_exceptions)
#error "hilo needs exceptions: compile without -fno-exceptions"
#endif

// Stands before a function, or between `class` and the name of a class whose members are not all
// inline. Templates and inline functions need none. The examples link against the shared library,
// so the link fails if a public function that they use lacks it.
#define HILO_API __attribute__((visibility("default")))
