// Warnings about locks, for programs that ask for them (runtime_options::warn_about_locks):
//
//   cycles            fibers wait for each other in a cycle of mutexes and joins, though others
//                     still run. The monitor looks for them (runtime/tool/lock_cycles.cpp).
//   pthread mutexes   a fiber leaves its carrier while it holds one. tools/locks/locks.cpp sees the
//                     program's calls of pthread_mutex_lock, and so knows the holders.
#pragma once

#include <atomic>
#include <cstdint>

namespace hilo::sched {

struct fiber;

// What HILO_WARN says, and otherwise `wanted`. Throws std::system_error for an unknown word.
bool lock_warnings_of_environment(bool wanted);

// Reports each cycle that was not reported before. Implemented in runtime/tool.
void report_lock_cycles() noexcept;

// When the monitor looks for cycles: once a period, and when all workers have fallen asleep.
class lock_cycle_schedule {
 public:
  static constexpr std::int64_t period = 1'000'000'000;  // ns

  explicit lock_cycle_schedule(bool wanted) noexcept : on_(wanted) {}

  void look_if_due(std::int64_t now) noexcept {
    if (!on_ || now - last_ < period) return;
    last_ = now;
    report_lock_cycles();
  }
  void look() const noexcept {
    if (on_) report_lock_cycles();
  }

 private:
  const bool on_;
  std::int64_t last_ = 0;
};

// --- pthread mutexes ---

struct held_mutex {
  const void* mutex;      // null: the holder holds none
  const void* locked_at;  // the return address of the call
};
using holder_question = const void* (*)();                      // the caller's name, as holder
using mutex_question = held_mutex (*)(const void* holder);      // one that this holder holds
using begin_mutex_watch = mutex_question (*)(holder_question);  // hilo_watch_mutexes in locks.so

// Null as long as no mutexes are watched. relaxed: set before the first carrier starts.
extern constinit std::atomic<mutex_question> mutexes_watched;

// From now on workers tell of each fiber that leaves, if locks.so is loaded.
void watch_mutexes() noexcept;

inline bool leaves_are_watched() noexcept {
  return mutexes_watched.load(std::memory_order_relaxed) != nullptr;
}
// For a worker: `one`, which runs here, leaves for this reason. Warns if it holds a pthread mutex,
// once for each place where one was locked.
[[gnu::cold]] void check_leave(const fiber& one, const char* reason) noexcept;

}  // namespace hilo::sched
