#include "runtime/sched/fibers/local.hpp"

#include <atomic>
#include <optional>
#include <utility>

#include <cxxabi.h>
#include <pthread.h>
#include <unistd.h>

#include "runtime/sched/fibers/forked_fiber.hpp"
#include "runtime/sched/worker.hpp"

extern "C" {
[[gnu::visibility("hidden")]] extern void* __dso_handle;  // of crtbegin.o
}

namespace hilo {
namespace {

// The values of a kernel thread that runs no fiber. They end with its thread_local objects. A later
// destructor may make more values: the destructor of a thread_local object older than `ending`, or
// of a pthread key. A pthread key of ours destroys those. The main thread's keys are not looked at
// when it calls exit(), so the main thread asks for one more call, in the same way as thread_local
// objects do.
constinit thread_local detail::local_value* of_thread = nullptr;
constinit thread_local bool ended_once = false;

void end_thread_values(void*) noexcept {
  sched::destroy_locals(of_thread);
  ended_once = true;
}

struct end_of_thread {
  ~end_of_thread() { end_thread_values(nullptr); }
};
thread_local end_of_thread ending;

// Called before the first value of a list: makes sure that the list is destroyed.
[[gnu::cold, gnu::noinline]] void await_end_of_thread() noexcept {
  static const auto key = [] {
    pthread_key_t made{};
    return ::pthread_key_create(&made, end_thread_values) == 0 ? std::optional(made) : std::nullopt;
  }();
  // Without a key, or memory for its value, only values that a late destructor makes are lost.
  if (key.has_value()) (void)::pthread_setspecific(*key, &of_thread);
  if (!ended_once) {
    (void)&ending;
  } else if (::gettid() == ::getpid()) {
    (void)abi::__cxa_thread_atexit(end_thread_values, &of_thread, &__dso_handle);
  }
}

detail::local_value*& first_local() noexcept {
  sched::worker* const here = sched::current_worker();
  if (here != nullptr) return here->running().locals;
  return sched::forked_fiber == nullptr ? of_thread : sched::forked_fiber->locals;
}

}  // namespace

namespace detail {

std::uint64_t new_local_key() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;  // only has to differ
}

local_value* find_local(std::uint64_t key) noexcept {
  for (local_value* one = first_local(); one != nullptr; one = one->next) {
    if (one->key == key) return one;
  }
  return nullptr;
}

void add_local(local_value& value) noexcept {
  // The list is asked for again after find_local(): code that ran in between may have parked.
  local_value*& first = first_local();
  if (first == nullptr && &first == &of_thread) await_end_of_thread();
  value.next = first;
  first = &value;
}

}  // namespace detail

namespace {

// Destroys the values that are there now. New values come in front of them.
void destroy_round(detail::local_value*& first) noexcept {
  for (detail::local_value* one = first; one != nullptr;) {
    detail::local_value** link = &first;
    while (*link != one) link = &(*link)->next;
    detail::local_value* const after = one->next;
    *link = after;  // its variable has no value now: a destructor that uses it makes one
    one->destroy(*one);
    one = after;
  }
}

}  // namespace

void sched::destroy_locals(detail::local_value*& first) noexcept {
  for (int round = 0; round < local_rounds && first != nullptr; ++round) destroy_round(first);
  while (first != nullptr) {
    detail::local_value* const dropped = std::exchange(first, first->next);
    // A fiber's alarm (alarm.hpp) is not a user's value: it must not outlive the fiber.
    if (dropped->key == detail::local_value::no_key) dropped->destroy(*dropped);
  }
}

}  // namespace hilo
