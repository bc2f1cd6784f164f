// The libc thread block: what makes a task of the kernel a thread of glibc.
//
// A block is allocated once and used by one thread after another. It is never freed: glibc's
// routine that empties a thread's malloc cache is not exported, so freeing the block would lose
// that cache, while a block that is kept hands a warm one to its next thread. There are as many
// blocks as threads ever lived at once.
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
  // Where clone has to store the thread's number before the thread runs: recursive mutexes compare
  // it.
  [[nodiscard]] std::uint32_t* tid(const libc_layout& layout) const noexcept;

  // In the starting thread: puts it on libc's list of threads, if it is not there.
  void join_list(const libc_layout& layout) noexcept { join_thread_list(layout, block_, place_); }

  // In the starting thread: sets what pthread_getattr_np reads.
  void describe_stack(const libc_layout& layout, const stack& where) const noexcept {
    describe_stack(layout, where.bottom(), where.size());
  }
  void describe_stack(const libc_layout& layout, const void* bottom,
                      std::size_t size) const noexcept;

  // Whether parts of it are set only by enter(): no thread has run on it yet, or modules were
  // loaded after the last one made it new.
  [[nodiscard]] bool incomplete() const noexcept;

  // From here on libc takes it for the block of a thread that runs, until hide(): thread_list.hpp.
  // The first in the starting thread, right before clone; the second in the thread, or in the
  // starting one when there is none.
  void show(const libc_layout& layout) noexcept { show_thread(layout, block_, place_); }
  void hide(const libc_layout& layout) noexcept { hide_thread(layout, block_); }

  // In the new thread, first thing. A signal handler may come earlier if the block is complete.
  void enter(const libc_layout& layout) noexcept;
  // The same for a block that goes from one kernel thread to another, a fiber's: the kernel, which
  // knows one robust list and one rseq area a thread, is not told of this one's.
  void enter_untold(const libc_layout& layout) noexcept;
  // For such a block, what the kernel does at a thread's end: robust mutexes that are still held
  // get EOWNERDEAD, and one who waits for each is woken.
  void abandon_robust_mutexes(const libc_layout& layout) noexcept;
  // In the thread, when its function has ended: the destructors of thread_local objects and of
  // pthread keys.
  void run_destructors(const libc_layout& layout) noexcept;
  // In the thread, last thing and with all signals blocked: leaves the block as a new thread wants
  // to find it.
  void renew(const libc_layout& layout) noexcept;

 private:
  unsigned char* block_ = nullptr;
  void* thread_pointer_ = nullptr;  // into the block, or right behind it
  bool fresh_ = true;
  std::uint64_t place_ = 0;       // on libc's list
  std::uint64_t generation_ = 0;  // of the modules whose images it has
};

}  // namespace hilo::kernel
