// A meeting point for a fixed number of kernel threads, used again and again.
//
//   hilo::kernel::barrier step(4, [&]() noexcept { std::swap(now, next); });
//   for (int i = 0; i < steps; ++i) { compute(part); step.arrive_and_wait(); }
//
// The members of std::barrier (C++20 [thread.barrier]). The completion function runs in the thread
// that arrives last, before any thread goes on. Puts the whole thread to sleep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "hilo/detail/kernel_wait.hpp"

namespace hilo::detail {

struct no_completion {
  void operator()() const noexcept {}
};

}  // namespace hilo::detail

namespace hilo::kernel {

template <class Completion = detail::no_completion>
class barrier {
 public:
  // The result of arrive: the phase to wait for.
  class arrival_token {
   public:
    arrival_token(arrival_token&&) noexcept = default;
    arrival_token& operator=(arrival_token&&) noexcept = default;

   private:
    friend barrier;
    explicit arrival_token(std::uint32_t phase) noexcept : phase_(phase) {}
    std::uint32_t phase_;
  };

  [[nodiscard]] static constexpr std::ptrdiff_t max() noexcept { return most; }

  // Aborts if `expected` is less than 0 or more than max().
  constexpr explicit barrier(std::ptrdiff_t expected, Completion completion = Completion())
      : missing_(static_cast<std::uint32_t>(expected)),
        expected_(static_cast<std::uint32_t>(expected)),
        completion_(std::move(completion)) {
    if (expected < 0 || expected > most) {
      detail::kernel_misuse("a hilo::kernel::barrier expects less than 0 or more than max()");
    }
  }
  barrier(const barrier&) = delete;
  barrier& operator=(const barrier&) = delete;

  // Arrives without waiting; more arrivals than the phase expects abort.
  // Ordering: everything before the arrivals happens before the completion of the phase, and the
  // completion happens before the waits return.
  [[nodiscard]] arrival_token arrive(std::ptrdiff_t count = 1) {
    // relaxed: the phase cannot end before this arrival
    const std::uint32_t phase = phase_.load(std::memory_order_relaxed);
    std::uint32_t seen = missing_.load(std::memory_order_relaxed);
    do {
      if (count < 1 || count > static_cast<std::ptrdiff_t>(seen)) {
        detail::kernel_misuse("more arrive at a hilo::kernel::barrier than it expects");
      }
      // (B1) acq_rel: the last arrival sees everything that the others did before their arrivals
    } while (!missing_.compare_exchange_weak(seen, seen - static_cast<std::uint32_t>(count),
                                             std::memory_order_acq_rel, std::memory_order_relaxed));
    if (static_cast<std::ptrdiff_t>(seen) == count) complete(phase);
    return arrival_token(phase);
  }

  // Sleeps: until the phase of the token is over.
  void wait(arrival_token&& token) const {
    // (B2) acquire: pairs with (B3)
    while (phase_.load(std::memory_order_acquire) == token.phase_) {
      detail::kernel_sleep(phase_, token.phase_);
    }
  }
  void arrive_and_wait() { wait(arrive()); }

  // Arrives for the last time: this phase counts the caller, later ones do not.
  void arrive_and_drop() {
    // relaxed: (B1) publishes it to the thread that ends the phase
    expected_.fetch_sub(1, std::memory_order_relaxed);
    (void)arrive();
  }

 private:
  static constexpr std::ptrdiff_t most = (std::ptrdiff_t{1} << 31) - 1;

  void complete(std::uint32_t phase) {
    completion_();
    missing_.store(expected_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    // (B3) release: publishes the completion and the new count to (B2)
    phase_.store(phase + 1, std::memory_order_release);
    detail::kernel_wake_all(&phase_);
  }

  detail::kernel_word phase_{0};
  detail::kernel_word missing_;
  detail::kernel_word expected_;
  [[no_unique_address]] Completion completion_;
};

}  // namespace hilo::kernel
