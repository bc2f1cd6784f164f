// Idle workers: the protocol that keeps a runnable fiber and a sleeping worker from missing each
// other.
//
// A publisher makes a fiber runnable and then checks for sleeping workers. A worker that goes to
// sleep says so and then checks for work. Each side stores before it loads, and neither x86 nor ARM
// keeps that order by itself:
//
//   publisher                               sleeper
//   (P1) put the fiber into a queue         (Q1) state_ += sleeping      seq_cst
//   (P2) full barrier                       (Q2) full barrier (the RMW itself)
//   (P3) read state_                        (Q3) read every queue        seq_cst
//
// Forbidden: (P3) sees no sleeper and (Q3) sees no fiber. With both barriers, at least one of the
// two loads sees the other side's store. Then either the publisher wakes the sleeper or the sleeper
// stays up.
//
// One fiber must not wake all carriers. So a publisher wakes no worker while another worker is
// searching. The last searcher that finds work wakes the next worker, before it runs the fiber that
// it found.
//
// Some fibers wait behind a running one: in its next slot, or in the ring because they were woken
// or gave way. They are not surplus: their worker takes them as soon as the running fiber parks,
// and a thief would only move them to a cold cache (steal.cpp). They become surplus when the
// running fiber computes for long, or when there are too many of them. So their publisher wakes a
// sleeper only if there is no watcher. A watcher is a sleeper that looks again after some
// microseconds, and steals a fiber if it waits for longer than a theft costs. It becomes the
// watcher before it enters the sleepers, and stays it from nap to nap, because a publisher that
// finds no watcher for an instant wakes a worker. A worker that gives up its watch looks once more
// afterwards.
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

// A StoreLoad barrier. For the standard's fence, compilers emit mfence on x86-64, 22 ns measured. A
// locked operation on the stack takes 5.6 ns and orders ordinary memory just as well.
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

  // After a push to a ring or the injector (P2, P3): wakes a sleeper unless a worker searches.
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

  // Becomes a searcher, unless half of the workers already search: more of them would only fight
  // over the same victims.
  bool begin_search(std::size_t workers) noexcept;

  // Ends a search. True: this was the last searcher; if it found work, it must call published()
  // before it runs that work.
  bool end_search() noexcept;

  // (Q1): from here on a publisher may wake `self`. `was_searching`: `self` also stops being a
  // searcher.
  void enter(worker& self, bool was_searching) noexcept;

  // Takes `self` out of the sleepers; from here on it counts as searching. So if it finds work, it
  // wakes the next worker, or the next watcher: the publisher of that work may have woken no worker
  // because `self` was searching. False: a publisher was faster. Its wake-up is coming, and `self`
  // counts as searching already.
  bool leave(worker& self) noexcept;

  // Whether a worker searches or sleeps: (F4) in fork.cpp.
  bool anybody_idle() const noexcept {
    const std::uint64_t now = state_.load(std::memory_order_seq_cst);
    return searching(now) + sleeping(now) != 0;
  }

  // At most one worker watches slots. end_watch() comes before its last look at them.
  bool begin_watch() noexcept;
  void end_watch() noexcept;

  // Wakes this worker if it sleeps, also if it sleeps aside.
  void wake(worker& one) noexcept;
  // Wakes the worker that holds this place, if it sleeps: its timers have changed.
  void wake_holder(const place& at) noexcept;

  // The same as enter() and leave() for a worker that sleeps only for its own mail (retire.cpp). It
  // is not a sleeper: no publisher wakes it, and it never searches.
  void enter_aside(worker& self) noexcept;
  bool leave_aside(worker& self) noexcept;

  // The number of sleepers. (D)
  std::size_t sleepers() const noexcept { return sleeping(state_.load(std::memory_order_seq_cst)); }

  // Wakes every sleeper, at the end of the runtime.
  void wake_all() noexcept;

 private:
  // state_:  bits 0-15 workers searching | 16-31 workers sleeping | 32 a worker watches
  //  Changed by an RMW of any worker. No change is relaxed, because state_ is one side of the
  //  pattern above.
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
