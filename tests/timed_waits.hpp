// The timed waits that fibers and kernel threads have under the same names. Each function calls
// check(name, wait, end): wait() returns whether end() ended the wait.
#pragma once

#include <functional>
#include <mutex>

#include "tests/doctest.hpp"
#include "tests/extremes.hpp"

namespace hilo::test {

// Functions and not templates: a check is compiled once, and not for each wait and each type of a
// time.
using timed_wait = const std::function<bool()>&;
using end_of_wait = const std::function<void()>&;
using timed_check = std::function<void(const char* name, timed_wait, end_of_wait)>;

// A check: the time of the wait has passed.
inline void ends_at_once(const char* name, timed_wait wait, end_of_wait) {
  CAPTURE(name);
  CHECK_FALSE(wait());
}

template <class Event, class Latch, class Semaphore, class V>
void each_gate(V value, const timed_check& check) {
  Event happened;
  check(
      "event", [&] { return HILO_TIMED(happened.wait, value); }, [&] { happened.set(); });
  Latch gate(1);
  check(
      "latch", [&] { return HILO_TIMED(gate.wait, value); }, [&] { gate.count_down(); });
  Semaphore permits(0);
  check(
      "semaphore", [&] { return HILO_TIMED(permits.try_acquire, value); },
      [&] { permits.release(); });
}

// `notified`: the result of a wait that a notification ended.
template <class Mutex, class Condition, class V, class Result>
void each_condition_wait(V value, Result notified, const timed_check& check) {
  Mutex m;
  Condition c;
  bool ready = false;
  const auto notify = [&] {
    const std::scoped_lock lock(m);
    ready = true;
    c.notify_one();
  };
  std::unique_lock lock(m);
  check(
      "condition_variable", [&] { return HILO_TIMED(c.wait, value, lock) == notified; }, notify);
  ready = false;
  check(
      "condition_variable, with a condition",
      [&] {
        if constexpr (is_duration<V>) {
          return c.wait_for(lock, value, [&] { return ready; });
        } else {
          return c.wait_until(lock, value, [&] { return ready; });
        }
      },
      notify);
}

}  // namespace hilo::test
