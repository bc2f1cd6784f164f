// A libc thread block that a fiber owns: its errno, thread_local objects, pthread_self(), locale,
// exceptions in flight and malloc cache. The switch moves the thread pointer with the fiber.
//
// The block has the same form as a kernel thread's block (runtime/thread/thread_block.hpp) and is
// recycled in the same way. Three things differ, because the kernel knows only its own threads:
//
//   thread number  a number of the block's own. It differs from every other number in the process,
//                  is above all numbers that the kernel gives (PID_MAX_LIMIT is 2^22), and fits
//                  into a futex word (2^30). glibc compares it to see which thread owns a
//                  recursive, error-checking or robust mutex, so it must not change with the
//                  carrier. pthread_kill and other calls that pass it to the kernel get ESRCH,
//                  except on the caller itself: for the caller glibc asks the kernel.
//   robust list    not registered: the kernel has one for each thread. What the kernel does at a
//                  thread's end is done here, at the fiber's end; not if the process is killed.
//   rseq           not registered, and marked so: sched_getcpu() asks the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/thread/backend.hpp"
#include "runtime/thread/thread_block.hpp"

namespace hilo::context {

class tls_block {
 public:
  // A block that no fiber has. Only enter() is still missing. Throws std::system_error: ENOTSUP for
  // the reason in tls_refusal(), or ENOMEM.
  static tls_block* take(const void* stack_low, std::size_t stack_bytes);

  // Gives the block to the next fiber. No carrier may run on it any more.
  static void give(tls_block* one) noexcept;

  void* thread_pointer() const noexcept { return thread_pointer_; }

  // Called in the fiber, before its function.
  void enter() noexcept { block_.enter_untold(layout_); }

  // Called in the fiber, after its function. Destroys the fiber's thread_local objects and the
  // values of pthread keys, and gives up robust mutexes. Parks if a destructor parks.
  void run_destructors() noexcept;

  // Called last in the fiber: makes the block new for the next fiber, and returns on the carrier's
  // block.
  void leave(void* carriers_thread_pointer) noexcept;

 private:
  tls_block(const kernel::libc_layout& layout, kernel::thread_block block) noexcept;

  const kernel::libc_layout& layout_;
  kernel::thread_block block_;
  void* const thread_pointer_;
  tls_block* next_free_ = nullptr;  // guarded by the list's lock
};

// Why fibers cannot own thread blocks in this process. Empty if they can.
const std::string& tls_refusal();

// Decides that. hardware_capabilities: AT_HWCAP2 of getauxval(3).
std::string refuse_tls(const thread_backend_report& backend, unsigned long hardware_capabilities);

}  // namespace hilo::context
