// What the programs of this folder are told by programs.hpp.
#pragma once

#include <cstdlib>

#include "hilo/runtime.hpp"

namespace hilo::test {

inline runtime_options options() {
  const char* const carriers = std::getenv("CARRIERS");
  return {.carriers = carriers != nullptr ? static_cast<unsigned>(std::atoi(carriers)) : 2};
}

}  // namespace hilo::test
