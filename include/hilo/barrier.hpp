// A meeting point for a fixed number of participants, used again and again, between fibers, kernel
// threads, or both. The interface is that of std::barrier.
//
//   hilo::barrier step(4, [&] { std::swap(now, next); });
//   for (int i = 0; i < steps; ++i) { compute(part); step.arrive_and_wait(); }
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "hilo/detail/api.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo {

// When all participants have arrived, the last of them calls the completion. When the completion
// returns, the round is over and the barrier opens. An arrival during the completion counts for the
// next round.
class barrier {
 public:
  // The result of arrive(): the round to wait for.
  class arrival_token {
   public:
    arrival_token(arrival_token&&) noexcept = default;
    arrival_token& operator=(arrival_token&&) noexcept = default;

   private:
    friend barrier;
    explicit arrival_token(std::uint64_t round) noexcept : round_(round) {}
    std::uint64_t round_;
  };

  // The largest number of participants.
  static constexpr std::ptrdiff_t max() noexcept { return PTRDIFF_MAX; }

  // `completion` may park, and must not throw. Errors: a negative number aborts.
  HILO_API explicit barrier(std::ptrdiff_t participants, std::function<void()> completion = {});
  // Errors: destroying a barrier while a caller waits on it aborts.
  HILO_API ~barrier();
  barrier(const barrier&) = delete;
  barrier& operator=(const barrier&) = delete;

  // Arrives `count` times without waiting. Parks: while the completion parks, if this arrival is
  // the last. Callable from: any fiber or thread. Errors: more arrivals in a round than
  // participants abort. Ordering: everything before the arrivals of a round happens before its
  // completion, and the completion happens before the waits return.
  [[nodiscard]] HILO_API arrival_token arrive(std::ptrdiff_t count = 1) noexcept;
  // Waits until the round of the token is over. Parks: until then; no stop request and no limit
  // ends this. Callable from: any fiber or thread.
  void wait(arrival_token&& token) const noexcept {
    (void)wait_until(token.round_, detail::until_woken);
  }
  // The same, but a stop request or a limit ends it with cancelled or timed_out (hilo/limit.hpp).
  // The arrival still counts.
  [[nodiscard]] status wait(arrival_token&& token, interruptible_t) const noexcept {
    return wait_until(token.round_, detail::no_deadline);
  }
  // Arrives, then waits for the end of the round.
  void arrive_and_wait() noexcept { (void)arrive_and_wait_until(detail::until_woken); }
  [[nodiscard]] status arrive_and_wait(interruptible_t) noexcept {
    return arrive_and_wait_until(detail::no_deadline);
  }
  // The same. In each round exactly one of the callers of this function gets true: it may lead the
  // others.
  [[nodiscard]] HILO_API bool arrive_and_elect() noexcept;
  // Arrives, and does not take part in later rounds. Parks: as arrive.
  HILO_API void arrive_and_drop() noexcept;

 private:
  std::uint64_t arrive_locked(std::ptrdiff_t count) noexcept;
  bool complete_if_full() noexcept;
  HILO_API status wait_until(std::uint64_t round, std::int64_t deadline) const noexcept;
  HILO_API status arrive_and_wait_until(std::int64_t deadline) noexcept;
  status finish_arrival(std::uint64_t round, std::int64_t deadline) noexcept;
  detail::wait_list& waiters_of(std::uint64_t round) const noexcept { return waiters_[round % 2]; }

  mutable detail::sync_lock lock_;
  // All guarded by lock_.
  std::ptrdiff_t participants_;  // of the rounds after this one
  std::ptrdiff_t missing_;       // arrivals that this round still lacks
  std::ptrdiff_t early_ = 0;     // arrived for the next round, during a completion
  std::ptrdiff_t leaving_ = 0;   // participants that drop out after this round
  std::uint64_t round_ = 0;
  bool completing_ = false;                           // a completion runs, without the lock
  std::array<bool, 2> led_{};                         // this and the next round have a leader
  mutable std::array<detail::wait_list, 2> waiters_;  // by whether the round is odd
  std::function<void()> completion_;
};

}  // namespace hilo
