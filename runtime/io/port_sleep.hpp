// The sleep of a carrier in its port, and how it is ended if the eventfd that ends it is lost.
//
// A waker wakes a carrier that sleeps in a ring or in an epoll set by a write to an eventfd. If the
// program closed the eventfd's number, the waker cannot reach the carrier that way. Then the waker
// interrupts the carrier's system call by a signal, once, and marks the eventfd as lost. While the
// eventfd is lost, each sleep is short. When the carrier wants to sleep again, the port makes
// another eventfd, takes the mark away, and does not sleep.
//
//   the carrier, before it sleeps            the waker that finds the eventfd lost
//   (Z1) carrier_ := its thread              (Z3) lost_ := true
//   light_fence                              heavy_fence
//   (Z2) read lost_                          (Z4) read carrier_
//
// Forbidden: (Z2) sees no loss and (Z4) sees no carrier. The fences are asymmetric
// (hilo/detail/fence.hpp). So either the sleep is short, or the waker interrupts it. The signal may
// come before the system call begins, so the waker sends it again until the sleep is over.
//
// (Z5) Why the carrier does not sleep then: between its last look at its queue and found() a waker
// may set the mark and find no carrier (Z4), and found() takes that mark away too. But a waker
// comes here only after it set the word of the carrier's bed (K1), and the carrier reads that word
// when it leaves its port (bed::doze). So it is enough that the carrier comes back once. Only the
// carrier calls found(): if another thread did, the carrier might still go to sleep.
#pragma once

#include <atomic>
#include <cstdint>

namespace hilo::io {

class port_sleep {
 public:
  // --- on the carrier ---

  // Around the system call that sleeps. begin() returns how long that may sleep at most (ns;
  // negative: without end), if `longest` is what the caller wants.
  std::int64_t begin(std::int64_t longest) noexcept;
  // relaxed: publishes nothing
  void end() noexcept { carrier_.store(0, std::memory_order_relaxed); }
  // The port has another eventfd. The caller returns to its bed and does not sleep now (Z5).
  void found() noexcept { lost_.store(false, std::memory_order_relaxed); }

  // --- from any thread ---

  // Whether a waker found the eventfd lost. relaxed: a hint, except in begin().
  bool lost() const noexcept { return lost_.load(std::memory_order_relaxed); }
  // Marks the eventfd as lost, and ends the sleep under way.
  void interrupt() noexcept;

 private:
  // Bits 0 to 31: the thread that sleeps; 0: none. The rest: the number of its sleep, so that a
  // waker does not take the next sleep for this one. (Z1), (Z4).
  std::atomic<std::uint64_t> carrier_{0};
  std::uint64_t sleeps_ = 0;       // written by a carrier that is about to sleep
  std::atomic<bool> lost_{false};  // (Z2), (Z3)
};

}  // namespace hilo::io
