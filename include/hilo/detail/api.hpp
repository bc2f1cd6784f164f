// What the shared library exports. Everything is compiled with hidden visibility, so a symbol is
// visible to programs only where a public header says HILO_API; calls inside the library then need
// no indirection, and no internal name becomes part of the interface by accident.
#pragma once

// Every public header comes here first, so a compiler that hilo cannot use is refused here, by one
// line instead of a hundred that follow from it.
#if __cplusplus < 202002L
#error "hilo needs C++20: compile with -std=c++20 or newer"
#elif !defined(__cpp_exceptions)
#error "hilo needs exceptions: compile without -fno-exceptions"
#endif

// Stands before a function, or between `class` and the name of a class whose members are not all
// inline. Templates and inline functions need none. The examples link against the shared library,
// so a public function that lacks it fails there.
#define HILO_API __attribute__((visibility("default")))
