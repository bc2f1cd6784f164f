// Runs a function exactly once, in the first caller; 4 bytes.
//
//   constinit hilo::kernel::once loaded;
//   loaded.call([] { table = load_table(); });
//
// As std::call_once (C++20 [thread.once]): while one caller runs the function, the others wait. If
// the function throws, its caller gets the exception, and the next caller tries again. Puts the
// whole thread to sleep. A call from within the function itself would wait for itself.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "hilo/detail/kernel_wait.hpp"

namespace hilo::kernel {

class once {
 public:
  constexpr once() noexcept = default;
  once(const once&) = delete;
  once& operator=(const once&) = delete;

  // Calls callable(arguments...) unless that was done before. Errors: exceptions of the callable.
  // Ordering: everything that the callable did happens before every call returns.
  template <class Callable, class... Arguments>
  void call(Callable&& callable, Arguments&&... arguments) {
    if (done()) [[likely]]
      return;
    if (!begin()) return;
    attempt mine(*this);
    std::invoke(std::forward<Callable>(callable), std::forward<Arguments>(arguments)...);
    mine.outcome = finished;
  }

  // (O1) acquire: pairs with (O2)
  [[nodiscard]] bool done() const noexcept {
    return word_.load(std::memory_order_acquire) == finished;
  }

 private:
  static constexpr std::uint32_t fresh = 0, running = 1, awaited = 2, finished = 3;

  // Ends an attempt; if `outcome` was not set, the callable threw.
  struct attempt {
    explicit attempt(once& of) noexcept : self(of) {}
    ~attempt() {
      // (O2) release: publishes what the function did, also before it threw, to (O1) and (O3)
      if (self.word_.exchange(outcome, std::memory_order_release) == awaited) {
        detail::kernel_wake_all(&self.word_);
      }
    }
    once& self;
    std::uint32_t outcome = fresh;
  };

  // True if the caller must run the function; false if it is done.
  bool begin() noexcept {
    while (true) {
      std::uint32_t seen = fresh;
      // (O3) acquire: pairs with (O2)
      if (word_.compare_exchange_strong(seen, running, std::memory_order_acquire,
                                        std::memory_order_acquire)) {
        return true;
      }
      if (seen == finished) return false;
      // relaxed: the kernel compares the word again before the sleep
      if (seen == running &&
          !word_.compare_exchange_strong(seen, awaited, std::memory_order_relaxed,
                                         std::memory_order_relaxed)) {
        continue;
      }
      detail::kernel_sleep(word_, awaited);
    }
  }

  detail::kernel_word word_{fresh};
};
static_assert(sizeof(once) == 4);

}  // namespace hilo::kernel
