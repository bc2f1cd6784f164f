// Who sleeps, and who must be woken: the protocol that keeps work and sleepers from missing each
// other.
//
// Whoever makes a fiber runnable publishes it, then looks whether somebody sleeps. Whoever goes to
// sleep says so, then looks whether there is work. Each puts a store before a load, with nothing of
// x86's or ARM's ordinary order between them:
//
//   publisher                               sleeper
//   (P1) put the fiber into a queue         (Q1) state_ += sleeping      seq_cst
//   (P2) full barrier                       (Q2) full barrier (the RMW itself)
//   (P3) read state_                        (Q3) read every queue        seq_cst
//
// Forbidden: (P3) sees no sleeper and (Q3) sees no fiber. With both barriers one of the two loads
// follows the other side's store. Then either the publisher wakes the sleeper or the sleeper stays
// up.
//
// So that one fiber does not wake all carriers, a publisher wakes nobody while a worker is
// searching; the last searcher that finds work wakes the next one, before it runs what it found.
//
// Fibers that wait behind a running one, in its next slot or because they were woken or gave way,
// are no surplus: their worker takes them as soon as that parks, and a thief would only drag them
// to a cold cache (steal.cpp). They become one when it goes on computing, or when there are too
// many. So their publisher wakes a sleeper only when there is no watcher: a sleeper that looks
// again after some microseconds, and steals where a fiber waits for longer than it is worth.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hilo/detail/spin_lock.hpp"

#include "runtime/base/cpu.hpp"

namespace hilo::sched {

class worker;
struct place;

// A StoreLoad barrier. On x86-64 compilers emit mfence for the standard's fence, 22 ns measured;
// a locked operation on the stack is 5.6 ns and orders the same for ordinary memory.
inline void full_barrier() noexcept {
#if defined(__x86_64__)
  asm volatile("lock orl $0, -4(%%rsp)" ::: "memory", "cc");
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

class idle_workers {
 public:
  void reserve(std::size_t workers) {
    sleepers_.reserve(workers);
    aside_.reserve(workers);
  }

  // After a push to a ring or the injector (P2, P3): wakes a sleeper unless somebody searches.
  void published() noexcept {
    full_barrier();                                                    // (P2)
    const std::uint64_t now = state_.load(std::memory_order_seq_cst);  // (P3)
    if (sleeping(now) != 0 && searching(now) == 0) [[unlikely]]
      wake_one();
  }

  // The same after a push of a fiber that waits behind the running one.
  void behind_published() noexcept {
    full_barrier();  // (P2)
    slot_published();
  }

  // After a slot was filled by a locked operation, which is (P2).
  void slot_published() noexcept {
    const std::uint64_t now = state_.load(std::memory_order_seq_cst);  // (P3)
    if (sleeping(now) != 0 && searching(now) == 0 && (now & watcher_bit) == 0) [[unlikely]] {
      wake_one();
    }
  }

  // Becomes a searcher, unless half of the workers already are: more would only fight over the
  // same victims.
  bool begin_search(std::size_t workers) noexcept;

  // Ends a search. True: it was the last one; if it found work, call published() before running it.
  bool end_search() noexcept;

  // (Q1): from here on a publisher may wake `self`. A searcher says so, and stops being one.
  void enter(worker& self, bool was_searching) noexcept;

  // Takes `self` back; it counts as searching from here on, so that it wakes the next one if it
  // finds work (whoever published that may have woken nobody because of it), or the next watcher.
  // False: a publisher was faster; its wake-up is coming, and `self` counts as searching already.
  bool leave(worker& self) noexcept;

  // Whether a worker searches or sleeps: (F4) in fork.cpp.
  bool anybody_idle() const noexcept {
    const std::uint64_t now = state_.load(std::memory_order_seq_cst);
    return searching(now) + sleeping(now) != 0;
  }

  // At most one sleeper watches slots.
  bool begin_watch() noexcept;
  void end_watch() noexcept;

  // Wakes this one if it sleeps, also aside.
  void wake(worker& one) noexcept;
  // Wakes the worker that holds this place, if it sleeps: its timers have changed.
  void wake_holder(const place& at) noexcept;

  // The same as enter() and leave() for a worker that sleeps for its own mail only (retire.cpp). It
  // is not a sleeper: no publisher wakes it, and it never searches.
  void enter_aside(worker& self) noexcept;
  bool leave_aside(worker& self) noexcept;

  // How many sleep. (D)
  std::size_t sleepers() const noexcept { return sleeping(state_.load(std::memory_order_seq_cst)); }

  // Wakes every sleeper (the end of the runtime).
  void wake_all() noexcept;

 private:
  // state_:  bits 0-15 workers searching | 16-31 workers sleeping | 32 somebody watches
  // Changed by RMW from any worker, relaxed nowhere: it is one side of the pattern above.
  static constexpr std::uint64_t one_searching = 1;
  static constexpr std::uint64_t one_sleeping = 1 << 16;
  static constexpr std::uint64_t watcher_bit = std::uint64_t{1} << 32;
  static constexpr std::uint64_t searching(std::uint64_t s) noexcept { return s & 0xffff; }
  static constexpr std::uint64_t sleeping(std::uint64_t s) noexcept { return (s >> 16) & 0xffff; }

  [[gnu::cold]] void wake_one() noexcept;
  bool take_out(worker& one) noexcept;

  alignas(base::cache_line) std::atomic<std::uint64_t> state_{0};
  alignas(base::cache_line) detail::spin_lock lock_;
  std::vector<worker*> sleepers_;  // guarded by lock_; the last to sleep is woken first
  std::vector<worker*> aside_;     // likewise; only wake() wakes these
};

}  // namespace hilo::sched
