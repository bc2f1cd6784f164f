// The futex: "sleep while this word holds that value". Every wait of a kernel thread in hilo uses
// it.
//
// A wait may return early for a reason that the caller cannot see (a signal, a wake meant for an
// earlier use of the same address). So every caller loops over its own condition. For the kernel
// the value check and the sleep are one step. Its hash bucket lock orders this step against a wake
// on the same word: a store before wake() is seen by a wait() that starts after it. Ordering
// between the two threads comes from the atomic word itself; the call promises none.
//
// The key of a private futex is (address space, address), which is cheaper. Shared is for words in
// memory shared between processes, and for words that the kernel wakes itself: the kernel wakes the
// word of CLONE_CHILD_CLEARTID as shared, and a private waiter would sleep through it.
#pragma once

#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>
#include <ctime>

#include <linux/futex.h>

#include "runtime/sys/syscall.hpp"

namespace hilo::sys {

using futex_word = std::atomic<std::uint32_t>;
static_assert(sizeof(futex_word) == 4 && futex_word::is_always_lock_free);

enum class futex_scope : int { process = FUTEX_PRIVATE_FLAG, shared = 0 };

// CLOCK_MONOTONIC on Linux in both libstdc++ and libc++. FUTEX_WAIT_BITSET counts deadlines in that
// clock.
using futex_clock = std::chrono::steady_clock;

inline const std::uint32_t* futex_address(const futex_word& word) noexcept {
  return reinterpret_cast<const std::uint32_t*>(&word);
}

// Sleeps while `word` holds `expected`. Returns 0 after a wake, -EAGAIN if the word held another
// value, -EINTR after a signal handler.
inline long futex_wait(const futex_word& word, std::uint32_t expected,
                       futex_scope scope = futex_scope::process) noexcept {
  return call(SYS_futex, futex_address(word), FUTEX_WAIT | static_cast<int>(scope), expected,
              nullptr);
}

// The same with an absolute deadline. Returns -ETIMEDOUT once it has passed, also if it had passed
// before the call.
inline long futex_wait_until(const futex_word& word, std::uint32_t expected,
                             futex_clock::time_point deadline,
                             futex_scope scope = futex_scope::process) noexcept {
  using namespace std::chrono;
  const auto since_boot = deadline.time_since_epoch();
  // The kernel refuses negative times. A negative time is before boot, so it has passed.
  if (since_boot < futex_clock::duration::zero()) return -ETIMEDOUT;
  const auto whole = duration_cast<seconds>(since_boot);
  timespec time{};
  time.tv_sec = static_cast<std::time_t>(whole.count());
  time.tv_nsec = static_cast<long>(duration_cast<nanoseconds>(since_boot - whole).count());
  // Only the BITSET form takes an absolute time; the full mask makes it an ordinary wait.
  return call(SYS_futex, futex_address(word), FUTEX_WAIT_BITSET | static_cast<int>(scope), expected,
              &time, nullptr, FUTEX_BITSET_MATCH_ANY);
}

// Wakes up to `count` sleepers and returns how many. The word may be gone by then, because its
// sleeper may have seen the store and freed the word. That is harmless: the kernel uses only the
// address, and every waiter has to expect a stray wake anyway.
inline long futex_wake(const futex_word* word, int count,
                       futex_scope scope = futex_scope::process) noexcept {
  long woken = 0;
  // If a wake is lost, a thread hangs. The kernel itself fails a wake only if the address is gone.
  // Any other failure comes from outside (a filter), so the call is tried once more.
  for (int tries = 0; tries < 2; ++tries) {
    woken = call(SYS_futex, reinterpret_cast<const std::uint32_t*>(word),
                 FUTEX_WAKE | static_cast<int>(scope), count);
    if (woken >= 0 || woken == -EFAULT) break;
  }
  return woken;
}

inline long futex_wake_one(const futex_word* word,
                           futex_scope scope = futex_scope::process) noexcept {
  return futex_wake(word, 1, scope);
}

inline long futex_wake_all(const futex_word* word,
                           futex_scope scope = futex_scope::process) noexcept {
  return futex_wake(word, INT_MAX, scope);
}

}  // namespace hilo::sys
