// Whether the program has a sanitizer and hilo was built without it. The program's code is then
// instrumented and hilo's code is not. So the sanitizer knows neither hilo's threads nor the stacks
// of its fibers.
#pragma once

#include "runtime/base/sanitizers.hpp"

namespace hilo::base {

enum class foreign_sanitizer : unsigned char { none, address, thread };

// The runtime of a sanitizer defines these. Without it they stay undefined, which is allowed for a
// weak symbol.
extern "C" {
[[gnu::weak]] void __asan_init();  // NOLINT(bugprone-reserved-identifier): the sanitizer's name
[[gnu::weak]] void __tsan_init();  // NOLINT(bugprone-reserved-identifier)
}

inline foreign_sanitizer find_foreign_sanitizer() noexcept {
  if (!HILO_TSAN && &__tsan_init != nullptr) return foreign_sanitizer::thread;
  if (!HILO_ASAN && &__asan_init != nullptr) return foreign_sanitizer::address;
  return foreign_sanitizer::none;
}

}  // namespace hilo::base
