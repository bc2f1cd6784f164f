// The callbacks of C programs, as callables. An exception that leaves one ends the program.
#pragma once

#include "hilo/c/base.h"

namespace hilo::c {

struct callback {
  hilo_function* function;
  void* argument;

  void* operator()() const noexcept { return function(argument); }
};

inline void keep(void** result, void* value) noexcept {
  if (result != nullptr) *result = value;
}

}  // namespace hilo::c
