// The futex: "sleep while this word holds that value", the one way a kernel thread waits in hilo.
//
// A wait may return early for no reason the caller can see (a signal, a wake meant for an earlier
// use of the same address), so every caller loops over its own condition. The value check and the
// sleep are one step for the kernel, ordered by its hash bucket lock against a wake on the same
// word: a store before wake() is seen by a wait() that starts after it. Ordering between the two
// threads comes from the atomic word itself; the call promises none.
//
// A private futex is keyed by (address space, address) and is cheaper. Shared is for words in
// memory shared between processes, and for words that the kernel wakes itself: the word of
// CLONE_CHILD_CLEARTID is woken as shared, and a private waiter would sleep through it.
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

// CLOCK_MONOTONIC on Linux in both libstdc++ and libc++, which is the clock FUTEX_WAIT_BITSET
// counts a deadline in.
using futex_clock = std::chrono::steady_clock;

inline const std::uint32_t* futex_address(const futex_word& word) noexcept {
  return reinterpret_cast<const std::uint32_t*>(&word);
}

// Sleeps while `word` holds `expected`. Returns 0 when woken, -EAGAIN when the word held another
// value, -EINTR after a signal handler.
inline long futex_wait(const futex_word& word, std::uint32_t expected,
                       futex_scope scope = futex_scope::process) noexcept {
  return call(SYS_futex, futex_address(word), FUTEX_WAIT | static_cast<int>(scope), expected,
              nullptr);
}

// The same with an absolute deadline: -ETIMEDOUT once it has passed, also when it had passed
// before.
inline long futex_wait_until(const futex_word& word, std::uint32_t expected,
                             futex_clock::time_point deadline,
                             futex_scope scope = futex_scope::process) noexcept {
  using namespace std::chrono;
  const auto since_boot = deadline.time_since_epoch();
  // The kernel refuses negative times; they are before boot, so they have passed.
  if (since_boot < futex_clock::duration::zero()) return -ETIMEDOUT;
  const auto whole = duration_cast<seconds>(since_boot);
  timespec time{};
  time.tv_sec = static_cast<std::time_t>(whole.count());
  time.tv_nsec = static_cast<long>(duration_cast<nanoseconds>(since_boot - whole).count());
  // Only the BITSET form takes an absolute time; the full mask makes it an ordinary wait.
  return call(SYS_futex, futex_address(word), FUTEX_WAIT_BITSET | static_cast<int>(scope), expected,
              &time, nullptr, FUTEX_BITSET_MATCH_ANY);
}

// Wakes up to `count` sleepers and returns how many. The word may be gone by then (its sleeper can
// have seen the store and freed it): the kernel uses its address only, and a stray wake is what
// every waiter has to expect anyway.
inline long futex_wake(const futex_word* word, int count,
                       futex_scope scope = futex_scope::process) noexcept {
  long woken = 0;
  // A wake that is lost is a thread that hangs. Of itself the kernel fails it only for an address
  // that is gone; whatever else refuses it is asked once more.
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
