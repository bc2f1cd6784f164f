// What hilo keeps of a child made by hilo::clone, from before the call until hilo saw its end.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <sys/types.h>

#include "hilo/detail/clone_core.hpp"

#include "runtime/sys/futex.hpp"
#include "runtime/thread/record.hpp"
#include "runtime/thread/stack.hpp"

namespace hilo::detail {

struct child_record {
  enum class relation : std::uint8_t {
    child,    // waitid sees its end
    sibling,  // share::parent: our parent's child; only its descriptor shows its end
    thread,   // share::thread_group: only the word that the kernel clears shows its end
  };

  relation kind = relation::child;
  pid_t id = 0;
  int pidfd = -1;

  // Only with shared memory. The word of CLONE_CHILD_CLEARTID: the caller's word, or `alive` of
  // `home`, or own_gone.
  sys::futex_word* gone = nullptr;
  sys::futex_word own_gone{0};

  kernel::record* home =
      nullptr;           // a thread block, and as a rule the stack, from the threads' cache
  kernel::stack memory;  // a stack without a thread block

  child_record* next_lost = nullptr;  // see clone_child.cpp
};

}  // namespace hilo::detail

namespace hilo::kernel {

using detail::child_record;
using until = std::optional<std::chrono::steady_clock::time_point>;

// Closes and gives back everything of a child that ended or never started. Deletes the record.
void discard(child_record* ended) noexcept;

// Waits until the descriptor of a process polls readable: the process ended. Returns false if the
// deadline passed first; with a deadline, a stop request or a limit ends a fiber's wait too. Parks
// a fiber, so its carrier goes on; a thread sleeps. Throws std::system_error if a fiber's wait
// cannot be set up. With a deadline that has passed: returns whether the process has ended by now.
[[nodiscard]] bool wait_readable(int descriptor, until deadline);

// The same, but waits until the kernel has cleared the word of a thread.
[[nodiscard]] bool wait_cleared(const sys::futex_word& word, until deadline);

// The same for callers that cannot fail: a fiber blocks its carrier.
bool sleep_readable(int descriptor, until deadline) noexcept;
bool sleep_cleared(const sys::futex_word& word, until deadline) noexcept;

}  // namespace hilo::kernel
