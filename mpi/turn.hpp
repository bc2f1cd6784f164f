// What thread level MPI grants, and which calls may be inside MPI at the same time. With less than
// MPI_THREAD_MULTIPLE that is one call, by a lock. With MPI_THREAD_MULTIPLE all calls may, except
// that with Open MPI a cancel must be alone.
//
// Cancel. A thread of Open MPI that brings in a message takes the receive out of the list of posted
// receives under a lock, and releases the lock. Only then it notes in the receive that a message
// has come (4.1.4 and 5.0.9: mca_pml_ob1_recv_frag_callback_match()). In between another thread's
// MPI_Cancel does not see the note, takes the receive out of the list again, and answers
// "cancelled" (mca_pml_ob1_recv_request_cancel()). The message is lost. The list, which holds all
// receives from that rank, is broken: messages overtake each other, a receive never ends, or the
// process crashes. So no other thread may bring in messages during an MPI_Cancel.
//
// Gate. Calls that may bring in messages pass a gate together, and a cancel passes it alone. The
// word `gate_` counts the calls inside, and has a bit for a cancel inside and one for a cancel that
// waits. Every change of it is one atomic operation, so a cancel and a call are never both inside.
//
//   (T1) release, at the end of a call; pairs with the acquire (T2) at the start of a cancel. The
//        cancel sees the notes that the call made.
//   (T3) release, at the end of a cancel; pairs with the acquire (T4) at the start of a call. The
//        call sees the list without the receive.
//
// While a cancel waits, new calls hold back, but only for some microseconds. MPI's error handlers
// and other callbacks may make a call inside a call, and the cancel waits for the outer call.
//   Rejected: one lock for all calls. A send would wait for the progress fiber, which may look at
//   thousands of requests in one call.
//   Rejected: no MPI_Cancel. The abandoned receive would stay in MPI's list, so this library would
//   have to find the receive for each message itself, also with wildcards.
#pragma once

#include <atomic>
#include <cstdint>

#include <mpi.h>

#include "hilo/detail/spin_lock.hpp"

namespace hilo::mpi::detail {

// The level, from MPI itself; asked once, after the initialisation.
int thread_level() noexcept;
inline bool is_multiple() noexcept {
  return thread_level() == MPI_THREAD_MULTIPLE;
}

// Whether the caller is a fiber. Aborts with a message in a simulation.
bool in_fiber(const char* call) noexcept;

// Aborts with a message: the call is for fibers.
[[noreturn]] void refuse_thread(const char* call) noexcept;

// One call of MPI's. It holds the lock of all calls if MPI grants less than MPI_THREAD_MULTIPLE; if
// it grants less than MPI_THREAD_SERIALIZED, aborts with a message unless the caller is the kernel
// thread that initialised MPI. With MPI_THREAD_MULTIPLE it passes the gate. Held across no park.
class turn {
 public:
  enum company : std::uint8_t { together, alone };  // alone: for MPI_Cancel of a receive

  explicit turn(company its = together) noexcept
      : lock_(is_multiple() ? nullptr : take()), company_(its) {
    if (lock_ == nullptr && cancel_is_alone) company_ == alone ? enter_alone() : enter();
  }
  ~turn() {
    if (lock_ != nullptr) {
      lock_->unlock();
    } else if (cancel_is_alone) {
      // (T3), (T1)
      gate_.fetch_sub(company_ == alone ? cancels : 1, std::memory_order_release);
    }
  }
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;

 private:
#ifdef OPEN_MPI
  static constexpr bool cancel_is_alone = true;
#else
  static constexpr bool cancel_is_alone = false;
#endif
  static constexpr std::uint32_t cancels = 1U << 31;  // a cancel is inside
  static constexpr std::uint32_t waits = 1U << 30;    // a cancel waits
  // The bits below count the calls inside.

  static hilo::detail::spin_lock* take() noexcept;
  static void enter() noexcept {
    std::uint32_t seen = gate_.load(std::memory_order_relaxed);  // relaxed: a hint for (T4)
    if (seen >= waits ||
        !gate_.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire,  // (T4)
                                     std::memory_order_relaxed)) {
      enter_late();
    }
  }
  static void enter_late() noexcept;
  static void enter_alone() noexcept;

  static std::atomic<std::uint32_t> gate_;  // written and read by all callers; (T1) to (T4)

  hilo::detail::spin_lock* const lock_;
  const company company_;
};

}  // namespace hilo::mpi::detail
