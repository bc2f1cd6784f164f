// Watches a join word for a while before the joiner sleeps on it. This can save the sleep.
//
// Two sleeps lie between a thread's end and its joiner's return: the joiner's own sleep, and the
// sleep of its CPU, if the CPU has gone idle. A joiner that still looks when the word becomes 0
// pays for neither. Watching is worth as much time as it can save. It is worth nothing if the
// thread cannot run meanwhile (one CPU) or has long to go. So the time adapts: it is full after a
// success and halves with every failure, down to none. From there one join in `rest` tries again.
// If several threads join at once, the CPUs do not go idle. Then only the joiner's own sleep can be
// saved, and the time is shorter.
//
// A joiner that does not watch yields its CPU once. A new thread usually waits on the CPU that made
// it, so it runs now. If it is short, it runs to its end. This costs one switch there and one back,
// and the thread's exit finds no sleeper to wake. Measured on one CPU, create and join of a trivial
// thread: 14.2 us with the yield, 19.8 without, 21.2 for std::thread.
#pragma once

#include <algorithm>
#include <atomic>

#include <sched.h>

#include "runtime/base/cpu.hpp"
#include "runtime/sys/futex.hpp"

namespace hilo::kernel {

class join_spin {
 public:
  // Returns when the word is 0, or when the caller should sleep.
  void watch(const sys::futex_word& word) noexcept {
    // relaxed throughout: the numbers are estimates, and the caller reads the word again
    const bool alone = watching_.fetch_add(1, std::memory_order_relaxed) == 0;
    if (!look(word, alone ? longest : long_among_others) &&
        word.load(std::memory_order_relaxed) != 0) {
      ::sched_yield();
    }
    watching_.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  // Looks at the word for a while. Returns true if it became 0.
  bool look(const sys::futex_word& word, int most) noexcept {
    int looks = std::min(looks_.load(std::memory_order_relaxed), most);
    if (looks < shortest) {
      const bool again = joins_.fetch_add(1, std::memory_order_relaxed) % rest == rest - 1;
      if (!again) return false;
      looks = most;
    }
    for (int i = 0; i < looks; ++i) {
      if (word.load(std::memory_order_relaxed) == 0) {
        looks_.store(longest, std::memory_order_relaxed);
        return true;
      }
      base::cpu_relax();
    }
    const int tried = looks_.load(std::memory_order_relaxed);
    looks_.store(std::min(tried, most) / 2, std::memory_order_relaxed);
    return false;
  }

  // Counted in looks of some 20 ns.
  static constexpr int longest = 8000;  // the cost of both sleeps: 50 to 130 µs (measured on VMs)
  static constexpr int long_among_others = 1500;  // the cost of the joiner's own sleep
  static constexpr int shortest = 32;             // less than this saves nothing. Guess.
  static constexpr unsigned rest = 512;

  std::atomic<int> watching_{0};  // joiners inside watch()
  std::atomic<int> looks_{longest};
  std::atomic<unsigned> joins_{0};
};

}  // namespace hilo::kernel
