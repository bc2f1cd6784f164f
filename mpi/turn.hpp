// What thread level MPI grants, and the lock that less than MPI_THREAD_MULTIPLE needs.
#pragma once

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
// thread that initialised MPI. Held across no park.
class turn {
 public:
  turn() noexcept : lock_(is_multiple() ? nullptr : take()) {}
  ~turn() {
    if (lock_ != nullptr) lock_->unlock();
  }
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;

 private:
  static hilo::detail::spin_lock* take() noexcept;

  hilo::detail::spin_lock* const lock_;
};

}  // namespace hilo::mpi::detail
