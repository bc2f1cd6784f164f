// The libc thread block: what makes a task of the kernel a thread of glibc.
//
// A block is allocated once and used by one thread after another. It is never freed. glibc's
// routine that empties a thread's malloc cache is not exported, so freeing the block would lose
// that cache. A block that is kept hands a warm cache to its next thread. There are as many blocks
// as threads that ever lived at the same time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/thread/libc_layout.hpp"
#include "runtime/thread/stack.hpp"
#include "runtime/thread/thread_list.hpp"

namespace hilo::kernel {

class thread_block {
 public:
  thread_block() noexcept = default;

  // Throws std::system_error ENOMEM.
  static thread_block allocate(const libc_layout& layout);

  [[nodiscard]] explicit operator bool() const noexcept { return block_ != nullptr; }
  [[nodiscard]] void* thread_pointer() const noexcept { return thread_pointer_; }
  // clone has to store the thread's number here before the thread runs, because recursive mutexes
  // compare it.
  [[nodiscard]] std::uint32_t* tid(const libc_layout& layout) const noexcept;

  // In the starting thread: puts the block on libc's list of threads, if it is not there.
  void join_list(const libc_layout& layout) noexcept { join_thread_list(layout, block_, place_); }

  // In the starting thread: sets the values that pthread_getattr_np reads.
  void describe_stack(const libc_layout& layout, const stack& where) const noexcept {
    describe_stack(layout, where.bottom(), where.size());
  }
  void describe_stack(const libc_layout& layout, const void* bottom,
                      std::size_t size) const noexcept;

  // Whether parts of the block are set only by enter(). That is so if no thread has run on it yet,
  // or if modules were loaded after the last thread made it new.
  [[nodiscard]] bool incomplete() const noexcept;

  // From show() until hide(), libc takes the block for a running thread's block: thread_list.hpp.
  // show() is called in the starting thread, right before clone. hide() is called in the new
  // thread, or in the starting thread if there is no new thread.
  void show(const libc_layout& layout) noexcept { show_thread(layout, block_, place_); }
  void hide(const libc_layout& layout) noexcept { hide_thread(layout, block_); }

  // The first call in the new thread. If the block is complete, a signal handler may run even
  // earlier.
  void enter(const libc_layout& layout) noexcept;
  // The same for a fiber's block, which goes from one kernel thread to another. The kernel knows
  // one robust list and one rseq area for each thread, so the kernel is not told about this
  // block's.
  void enter_untold(const libc_layout& layout) noexcept;
  // For such a block: does what the kernel does at a thread's end. Robust mutexes that are still
  // held get EOWNERDEAD, and one waiter of each is woken.
  void abandon_robust_mutexes(const libc_layout& layout) noexcept;
  // In the thread, when its function has ended: runs the destructors of thread_local objects and of
  // pthread keys.
  void run_destructors(const libc_layout& layout) noexcept;
  // The last call in the thread, with all signals blocked: leaves the block as a new thread needs
  // it.
  void renew(const libc_layout& layout) noexcept;

 private:
  unsigned char* block_ = nullptr;
  void* thread_pointer_ = nullptr;  // into the block, or right behind it
  bool fresh_ = true;
  std::uint64_t place_ = 0;       // on libc's list
  std::uint64_t generation_ = 0;  // of the modules whose images it has
};

}  // namespace hilo::kernel
