// A libc thread block that a fiber owns: its errno, thread_local objects, pthread_self(), locale,
// exceptions in flight and malloc cache. The switch moves the thread pointer with the fiber.
//
// The block is one as kernel threads have them (runtime/thread/thread_block.hpp) and is recycled as
// theirs are. What differs, because the kernel knows its threads by themselves:
//
//   thread number  a number of the block's own, unlike any other in the process, above any that the
//                  kernel gives (PID_MAX_LIMIT is 2^22) and within the range of a futex word
//                  (2^30): glibc compares it to tell which thread owns a recursive, error-checking
//                  or robust mutex, so it may not change with the carrier. pthread_kill and others
//                  that pass it to the kernel get ESRCH, except on the caller itself, for which
//                  glibc asks the kernel.
//   robust list    not registered: the kernel has one a thread. Its work at a thread's end is done
//                  here, at the fiber's; not when the process is killed.
//   rseq           not registered, and said so: sched_getcpu() asks the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/thread/backend.hpp"
#include "runtime/thread/thread_block.hpp"

namespace hilo::context {

class tls_block {
 public:
  // A block that no fiber has, complete but for enter(). Throws std::system_error: ENOTSUP where
  // tls_refusal() says why, ENOMEM.
  static tls_block* take(const void* stack_low, std::size_t stack_bytes);

  // Gives it to the next fiber. No carrier runs on it any more.
  static void give(tls_block* one) noexcept;

  void* thread_pointer() const noexcept { return thread_pointer_; }

  // In the fiber, before its function.
  void enter() noexcept { block_.enter_untold(layout_); }

  // In the fiber, after its function: destroys its thread_local objects and the values of pthread
  // keys, and lets go of robust mutexes. Parks, if one of their destructors does.
  void run_destructors() noexcept;

  // In the fiber, last: makes the block new for the next one, and returns on the carrier's.
  void leave(void* carriers_thread_pointer) noexcept;

 private:
  tls_block(const kernel::libc_layout& layout, kernel::thread_block block) noexcept;

  const kernel::libc_layout& layout_;
  kernel::thread_block block_;
  void* const thread_pointer_;
  tls_block* next_free_ = nullptr;  // guarded by the list's lock
};

// Why fibers cannot own thread blocks in this process; empty when they can.
const std::string& tls_refusal();

// The decision. hardware_capabilities: AT_HWCAP2 of getauxval(3).
std::string refuse_tls(const thread_backend_report& backend, unsigned long hardware_capabilities);

}  // namespace hilo::context
