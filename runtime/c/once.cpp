// hilo_call_once: a flag is one pointer, so that a static one needs no call to make it.
//
//   null    no caller has called the function
//   done    its call is over
//   other   a name of the caller that is in the function (detail::current_holder)
//
// Callers that wait share a few places, chosen by the address of the flag. They look again after
// each end of a call, so a place may be shared. The places are never destroyed, because an exit
// handler may use a flag.
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <new>

#include "hilo/c/sync.h"
#include "hilo/condition_variable.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/mutex.hpp"

namespace {

struct place {
  hilo::mutex guard;
  hilo::condition_variable over;
};

place& place_of(const hilo_once& flag) noexcept {
  using places = std::array<place, 16>;
  alignas(places) static unsigned char room[sizeof(places)];
  static places& all = *::new (room) places;
  const auto address = reinterpret_cast<std::uintptr_t>(&flag);
  return all[address / sizeof(hilo_once) % all.size()];
}

char done_mark;
constexpr void* done = &done_mark;

}  // namespace

int hilo_call_once(hilo_once* flag, void (*function)()) noexcept {
  if (flag == nullptr || function == nullptr) return -EINVAL;
  const std::atomic_ref<void*> state(flag->state);
  // (O2) acquire: pairs with (O1); the function's work happens before this return.
  if (state.load(std::memory_order_acquire) == done) return 0;
  place& its = place_of(*flag);
  void* const me = const_cast<void*>(hilo::detail::current_holder());
  std::unique_lock lock(its.guard);
  while (true) {
    void* const found = state.load(std::memory_order_relaxed);  // written under the lock we hold
    if (found == done) return 0;
    if (found == me) return -EDEADLK;
    if (found == nullptr) break;
    its.over.wait(lock);
  }
  state.store(me, std::memory_order_relaxed);  // as above
  lock.unlock();
  function();
  lock.lock();
  state.store(done, std::memory_order_release);  // (O1)
  its.over.notify_all();
  return 0;
}
