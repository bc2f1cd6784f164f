// locks.so: tells hilo which fiber holds which pthread mutex
// (runtime/sched/watch/lock_warnings.hpp).
//
// LD_PRELOAD puts it before libc. So it sees the program's calls of pthread_mutex_lock and their
// like, and those that std::mutex makes; it does not see libc's own. It passes them on, and notes
// the caller under the name that hilo gives it. pthread_cond_wait gives the mutex up and takes it
// again inside of libc, and the caller is in that call all the time, so the note stays right.
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>

#include <dlfcn.h>
#include <pthread.h>

#include "runtime/sched/watch/lock_warnings.hpp"

namespace {

using hilo::sched::held_mutex;
using hilo::sched::holder_question;
using hilo::sched::mutex_question;

// Asked by fibers and threads that have begun to run; null: hilo does not ask.
constinit std::atomic<holder_question> current_holder{nullptr};

// The notes of all holders whose names fall into this shelf. Its lock is no pthread mutex, and
// nothing is called under it.
struct alignas(64) shelf {
  static constexpr std::size_t room = 30;
  struct note {
    const void* holder;
    held_mutex what;
  };

  void lock() noexcept {
    while (taken.exchange(true, std::memory_order_acquire)) {
    }
  }
  void unlock() noexcept { taken.store(false, std::memory_order_release); }

  std::atomic<bool> taken;
  note notes[room];  // the holder of a free one is null
};
constexpr std::size_t shelf_count = 1024;
constinit shelf shelves[shelf_count] = {};

shelf& shelf_of(const void* holder) noexcept {
  const auto number = reinterpret_cast<std::uintptr_t>(holder);
  return shelves[(number * 0x9e3779b97f4a7c15U >> 32) % shelf_count];
}

// Calls f(holder, notes of its shelf) for the caller, if hilo asks.
template <class F>
void with_notes(F f) noexcept {
  const holder_question who = current_holder.load(std::memory_order_acquire);
  if (who == nullptr) return;
  const void* const holder = who();
  shelf& its = shelf_of(holder);
  its.lock();
  f(holder, its.notes);
  its.unlock();
}

// If the shelf is full, the mutex is not watched this time.
void note_locked(const pthread_mutex_t* mutex, const void* at) noexcept {
  with_notes([=](const void* holder, auto& notes) noexcept {
    for (shelf::note& each : notes) {
      if (each.holder != nullptr) continue;
      each = {holder, {mutex, at}};
      break;
    }
  });
}

void note_unlocked(const pthread_mutex_t* mutex) noexcept {
  with_notes([=](const void* holder, auto& notes) noexcept {
    for (shelf::note& each : notes) {
      if (each.holder != holder || each.what.mutex != mutex) continue;
      each.holder = nullptr;
      break;
    }
  });
}

held_mutex held_by(const void* holder) {
  held_mutex found{nullptr, nullptr};
  shelf& its = shelf_of(holder);
  its.lock();
  for (const shelf::note& each : its.notes) {
    if (each.holder == holder) found = each.what;
  }
  its.unlock();
  return found;
}

// The function behind this library. Resolved at its first call, which may come before main.
template <class F>
class next_function {
 public:
  constexpr explicit next_function(const char* name) noexcept : name_(name) {}
  template <class... A>
  int operator()(A... arguments) noexcept {
    F* found = found_.load(std::memory_order_relaxed);
    if (found == nullptr) {
      found = reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name_));
      found_.store(found, std::memory_order_relaxed);
    }
    return found(arguments...);
  }

 private:
  const char* const name_;
  std::atomic<F*> found_{nullptr};
};

constinit next_function<int(pthread_mutex_t*)> next_lock("pthread_mutex_lock");
constinit next_function<int(pthread_mutex_t*)> next_trylock("pthread_mutex_trylock");
constinit next_function<int(pthread_mutex_t*)> next_unlock("pthread_mutex_unlock");
constinit next_function<int(pthread_mutex_t*, const timespec*)> next_timedlock(
    "pthread_mutex_timedlock");
constinit next_function<int(pthread_mutex_t*, clockid_t, const timespec*)> next_clocklock(
    "pthread_mutex_clocklock");

// EOWNERDEAD: locked, though the one before has died.
int note_result(int result, const pthread_mutex_t* mutex, const void* at) noexcept {
  if (result == 0 || result == EOWNERDEAD) note_locked(mutex, at);
  return result;
}

}  // namespace

extern "C" {

#define HILO_SEEN [[gnu::visibility("default")]]

HILO_SEEN mutex_question hilo_watch_mutexes(holder_question who) {
  // In the child of a fork, a thread that had a shelf locked does not exist.
  if (current_holder.load(std::memory_order_relaxed) == nullptr) {
    ::pthread_atfork(nullptr, nullptr, [] {
      for (shelf& each : shelves) each.unlock();
    });
  }
  current_holder.store(who, std::memory_order_release);
  return held_by;
}

HILO_SEEN int pthread_mutex_lock(pthread_mutex_t* mutex) {
  return note_result(next_lock(mutex), mutex, __builtin_return_address(0));
}
HILO_SEEN int pthread_mutex_trylock(pthread_mutex_t* mutex) {
  return note_result(next_trylock(mutex), mutex, __builtin_return_address(0));
}
HILO_SEEN int pthread_mutex_timedlock(pthread_mutex_t* mutex, const timespec* until) {
  return note_result(next_timedlock(mutex, until), mutex, __builtin_return_address(0));
}
HILO_SEEN int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock,
                                      const timespec* until) {
  return note_result(next_clocklock(mutex, clock, until), mutex, __builtin_return_address(0));
}
// The note goes first: afterwards the mutex may be another's, or gone.
HILO_SEEN int pthread_mutex_unlock(pthread_mutex_t* mutex) {
  note_unlocked(mutex);
  return next_unlock(mutex);
}

}  // extern "C"
