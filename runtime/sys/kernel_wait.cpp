#include "hilo/detail/kernel_wait.hpp"

#include <cerrno>

#include "runtime/base/check.hpp"
#include "runtime/sys/futex.hpp"

namespace hilo::detail {

void kernel_sleep(const kernel_word& word, std::uint32_t value) noexcept {
  sys::futex_wait(word, value);
}

bool kernel_sleep(const kernel_word& word, std::uint32_t value,
                  const kernel_deadline* deadline) noexcept {
  if (deadline == nullptr) {
    sys::futex_wait(word, value);
    return true;
  }
  return sys::futex_wait_until(word, value, *deadline) != -ETIMEDOUT;
}

long kernel_wake_one(const kernel_word* word) noexcept {
  return sys::futex_wake_one(word);
}

long kernel_wake_all(const kernel_word* word) noexcept {
  return sys::futex_wake_all(word);
}

void kernel_misuse(const char* what) noexcept {
  base::die("%s", what);
}

}  // namespace hilo::detail
