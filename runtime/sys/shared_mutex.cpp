// The shared mutex of two words. Readers sleep on the state, writers on a count, so that either
// kind can be woken alone. The protocol is that of Rust's standard library
// (std::sys::sync::rwlock::futex), with deadlines added.
//
//   * A bit of the state says that readers may sleep; another bit says the same of writers. Only an
//     unlock after which no thread holds the lock clears a bit, and it wakes the sleepers behind
//     that bit.
//   * A writer that was woken cannot know whether other writers still sleep. So it sets the
//     writers' bit again as it takes the lock. The bit may then stand for no sleeper: an unlock
//     that finds no writer to wake turns to the readers.
//   * A writer reads the count before it looks at the state for the last time. An unlock raises the
//     count after it changed the state. So a writer that misses the change sees a new count and
//     does not sleep.
//   * A writer that gives up may be the last behind the writers' bit, which keeps readers out. So
//     it clears both bits and wakes all sleepers. A thread that still has to wait sets its bit
//     again.
#include "hilo/kernel/shared_mutex.hpp"

#include "runtime/sys/backoff.hpp"

namespace hilo::kernel {
namespace {

// Returns the state once it is worth acting on, or when it is time to sleep.
template <class Condition>
std::uint32_t look(const detail::kernel_word& state, Condition&& is_worth) noexcept {
  sys::backoff moment;
  while (true) {
    const std::uint32_t seen = state.load(std::memory_order_relaxed);
    if (is_worth(seen) || !moment.pause()) return seen;
  }
}

}  // namespace

bool shared_mutex::lock_shared_slow(const detail::kernel_deadline* deadline) noexcept {
  const auto worth = [](std::uint32_t state) {
    return (state & readers) != writing || (state & waiting) != 0;
  };
  std::uint32_t state = look(state_, worth);
  while (true) {
    if (may_read(state)) {
      // (S2) acquire: pairs with (S3)
      if (state_.compare_exchange_weak(state, state + one_reader, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        return true;
      }
      continue;
    }
    if ((state & readers) == most_readers) {
      detail::kernel_misuse("a hilo::kernel::shared_mutex is held shared 2^30 times");
    }
    if ((state & readers_wait) == 0) {
      // relaxed: the kernel compares the word again before the sleep
      if (!state_.compare_exchange_weak(state, state | readers_wait, std::memory_order_relaxed,
                                        std::memory_order_relaxed)) {
        continue;
      }
      state |= readers_wait;
    }
    if (!detail::kernel_sleep(state_, state, deadline)) return try_lock_shared();
    state = look(state_, worth);
  }
}

bool shared_mutex::lock_slow(const detail::kernel_deadline* deadline) noexcept {
  const auto worth = [](std::uint32_t state) {
    return (state & readers) == 0 || (state & writers_wait) != 0;
  };
  std::uint32_t state = look(state_, worth);
  std::uint32_t others = 0;  // writers_wait once other writers may be behind the bit, too
  while (true) {
    if ((state & readers) == 0) {
      // (S1) acquire: pairs with (S3) and (S4)
      if (state_.compare_exchange_weak(state, state | writing | others, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        return true;
      }
      continue;
    }
    if ((state & writers_wait) == 0 &&
        !state_.compare_exchange_weak(state, state | writers_wait, std::memory_order_relaxed,
                                      std::memory_order_relaxed)) {
      continue;
    }
    others = writers_wait;
    // (S5) acquire: pairs with (S6); the state read next is not older than the turn
    const std::uint32_t turn = writer_turns_.load(std::memory_order_acquire);
    state = state_.load(std::memory_order_relaxed);
    if ((state & readers) == 0 || (state & writers_wait) == 0) continue;
    if (!detail::kernel_sleep(writer_turns_, turn, deadline)) {
      give_up_writing();
      return false;
    }
    state = look(state_, worth);
  }
}

void shared_mutex::unlock_slow() noexcept {
  std::uint32_t state = state_.load(std::memory_order_relaxed);
  do {
    if ((state & readers) != writing) {
      detail::kernel_misuse("unlock of a hilo::kernel::shared_mutex that no writer holds");
    }
    // (S3) release: publishes the critical section
  } while (!state_.compare_exchange_weak(state, state & waiting, std::memory_order_release,
                                         std::memory_order_relaxed));
  if ((state & waiting) != 0) wake_waiting(state & waiting);
}

void shared_mutex::unlock_shared_slow(std::uint32_t was) noexcept {
  if ((was & readers) == 0 || (was & readers) == writing) {
    detail::kernel_misuse("unlock_shared of a hilo::kernel::shared_mutex that no reader holds");
  }
  wake_waiting(was - one_reader);
}

// The state was seen free, with these bits of the waiting kinds. A thread that takes the lock
// meanwhile takes over the duty to wake.
void shared_mutex::wake_waiting(std::uint32_t state) noexcept {
  // relaxed throughout: a wake publishes nothing; the next holder synchronizes with the last holder
  // by (S1) or (S2)
  if (state == writers_wait) {
    if (state_.compare_exchange_strong(state, 0, std::memory_order_relaxed,
                                       std::memory_order_relaxed)) {
      wake_writer();
      return;
    }
  }
  if (state == waiting) {
    if (!state_.compare_exchange_strong(state, readers_wait, std::memory_order_relaxed,
                                        std::memory_order_relaxed)) {
      return;
    }
    if (wake_writer()) return;
    state = readers_wait;
  }
  if (state == readers_wait && state_.compare_exchange_strong(state, 0, std::memory_order_relaxed,
                                                              std::memory_order_relaxed)) {
    detail::kernel_wake_all(&state_);
  }
}

bool shared_mutex::wake_writer() noexcept {
  // (S6) release: pairs with (S5)
  writer_turns_.fetch_add(1, std::memory_order_release);
  return detail::kernel_wake_one(&writer_turns_) > 0;
}

void shared_mutex::give_up_writing() noexcept {
  std::uint32_t state = state_.load(std::memory_order_relaxed);
  while (!state_.compare_exchange_weak(state, state & ~waiting, std::memory_order_relaxed,
                                       std::memory_order_relaxed)) {
  }
  // (S6) release: pairs with (S5)
  writer_turns_.fetch_add(1, std::memory_order_release);
  detail::kernel_wake_all(&writer_turns_);
  detail::kernel_wake_all(&state_);
}

}  // namespace hilo::kernel
