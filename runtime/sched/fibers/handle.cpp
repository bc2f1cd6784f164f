// A fiber as its handle sees it: joining, waiting for its end, detaching, stopping.
#include <exception>
#include <new>
#include <system_error>

#include "hilo/detail/decision.hpp"
#include "hilo/fiber.hpp"
#include "hilo/stack_usage.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/cpu.hpp"
#include "runtime/base/error.hpp"
#include "runtime/context/stack_usage.hpp"
#include "runtime/sched/fibers/forked_fiber.hpp"
#include "runtime/sched/fibers/spawn.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

constexpr std::uint8_t only_user_stack(std::uint8_t made) noexcept {
  return static_cast<std::uint8_t>(made & stop_state::user_stack);
}
constexpr std::uint8_t with(std::uint8_t kept, std::uint8_t state) noexcept {
  return static_cast<std::uint8_t>(kept | state);
}

bool has_stop_state(const fiber& one) noexcept {
  return (one.stop_made.load(std::memory_order_acquire) & stop_state::there) != 0;  // (T2)
}

}  // namespace

// Made by the first side that needs it, the fiber or its handle. If that fails, another side that
// waits for it tries too.
std::stop_source& stop_source_of(fiber& one) {
  using namespace stop_state;
  while (true) {
    std::uint8_t seen = one.stop_made.load(std::memory_order_acquire);  // (T2)
    if ((seen & there) != 0) return one.stop;
    const std::uint8_t kept = only_user_stack(seen);
    seen = kept;
    if (one.stop_made.compare_exchange_strong(seen, with(kept, being_made),
                                              std::memory_order_acquire)) {
      try {
        one.stop = std::stop_source();
      } catch (...) {
        one.stop_made.store(kept, std::memory_order_release);
        throw;
      }
      one.stop_made.store(with(kept, there), std::memory_order_release);  // (T1) publishes it
      return one.stop;
    }
    base::cpu_relax();
  }
}

void set_stop_source(fiber& one, const std::stop_source& stop) noexcept {
  using namespace stop_state;
  const std::uint8_t kept = only_user_stack(one.stop_made.load(std::memory_order_relaxed));
  std::uint8_t seen = kept;
  if (!one.stop_made.compare_exchange_strong(
          seen, with(kept, being_made), std::memory_order_acquire, std::memory_order_relaxed)) {
    return;
  }
  one.stop = stop;
  one.stop_made.store(with(kept, there), std::memory_order_release);  // (T1)
}

bool shares_stop_state(const fiber& self, const std::stop_source& stop) noexcept {
  return has_stop_state(self) && self.stop == stop;
}

bool is_asked_to_stop(const fiber& self) noexcept {
  return self.stop_requested.load(std::memory_order_acquire) ||
         (has_stop_state(self) && self.stop.stop_requested());
}

bool watch_end(fiber& one) noexcept {
  std::uintptr_t seen = join_word::running;
  // (J4) acq_rel: as (J1)
  one.join.compare_exchange_strong(seen, join_word::watched, std::memory_order_acq_rel,
                                   std::memory_order_acquire);
  return seen == join_word::ended;
}

}  // namespace hilo::sched

namespace hilo::detail {

using sched::fiber;
using sched::worker;

namespace {

// If a fiber waited for its own end, it would wait for ever.
void refuse_own_end(const waiter& self, const fiber& one, const char* what) noexcept {
  if (&self != &one) [[likely]]
    return;
  char who[64];
  sched::describe_fiber(one, who, sizeof who);
  base::die("%s %s: it would wait for ever; detach() its handle, or let another fiber keep it", who,
            what);
}

[[gnu::noinline]] status join_anywhere(fiber& one) noexcept {
  // acquire: as (J1) if the fiber ended before this; its result is there.
  std::uintptr_t seen = one.join.load(std::memory_order_acquire);
  if (seen == sched::join_word::ended) return status::ok;
  if (one.home->left_behind()) [[unlikely]]
    sched::refuse_to_wait(one);
  waiter& self = current_waiter();
  refuse_own_end(self, one, "joins itself");
  seen = sched::join_word::running;
  // (J1) publishes the waiter to (J2), or acquires the result of a fiber that just ended.
  if (!one.join.compare_exchange_strong(seen, reinterpret_cast<std::uintptr_t>(&self),
                                        std::memory_order_acq_rel, std::memory_order_acquire)) {
    return wait_for_end(one, until_woken);  // ended, or watched
  }
  return park(self, "join");
}

}  // namespace

status join_fiber(fiber& one) noexcept {
  worker* const here = sched::current_worker();
  if (here == nullptr || !here->its_queue().alone_has_next(one) ||
      one.join.load(std::memory_order_relaxed) != sched::join_word::running) {
    return join_anywhere(one);
  }
  waiter& self = here->running();
  // (J1) relaxed: the fiber cannot run before we park, and then it runs here.
  one.join.store(reinterpret_cast<std::uintptr_t>(&self), std::memory_order_relaxed);
  return park(self, "join");
}

// The end of the fiber writes `ended` and then takes end_lock. A waiter links itself under
// end_lock, and only if the word is not `ended`. So the end finds the waiter, or the waiter sees
// `ended`.
status wait_for_end(fiber& one, std::int64_t deadline) noexcept {
  refuse_own_end(current_waiter(), one, "waits for its own end");
  decision_point();
  if (one.home->left_behind() && (deadline == no_deadline || deadline == until_woken) &&
      one.join.load(std::memory_order_acquire) != sched::join_word::ended) [[unlikely]] {
    sched::refuse_to_wait(one);
  }
  one.end_lock.lock();
  if (sched::watch_end(one)) {
    one.end_lock.unlock();
    return status::ok;
  }
  return wait_in_until(one.end_waiters, one.end_lock, nullptr, deadline, "join");
}

void abandon_fiber(fiber& one) noexcept {
  refuse_own_end(current_waiter(), one,
                 "destroys its own handle, or assigns another to it, and so joins itself");
  stop_fiber(one);
  (void)join_fiber(one);
}

void refuse_own_end(const fiber& one) noexcept {
  refuse_own_end(current_waiter(), one, "selects on its own end");
}

void detach_fiber(fiber& one) noexcept {
  // (J3) acquires the result of a fiber that has ended already. The word of such a fiber stays as
  // it is: a stop of all fibers (stop_all.cpp) takes every other word for a life.
  std::uintptr_t seen = one.join.load(std::memory_order_acquire);
  while (seen != sched::join_word::ended) {
    if (one.join.compare_exchange_weak(seen, sched::join_word::detached, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      return;
    }
  }
  sched::drop_result(one);
  discard_fiber(one);
}

namespace {

// Makes the request in the fiber's stop state. False: the state had a request before. If there is
// no memory for a state, nobody has a token that could tell of a request.
bool request_in_state(fiber& one) noexcept {
  try {
    return sched::stop_source_of(one).request_stop();
  } catch (const std::bad_alloc&) {
    return true;
  }
}

}  // namespace

// A request that finds no memory for the stop state is kept by the waiter's flag, for tokens that
// are taken later:
//
//   the request                      the taker of a token
//   (T3) stop_requested := true      (T1) stop_made := there, or (T2) it was
//   heavy_fence                      light_fence
//   (T2) read stop_made              (T4) read stop_requested
//
// Forbidden: (T2) of the request finds no state and (T4) finds no request. The fence makes all
// threads pass a full barrier. Either (T4) follows the barrier, and sees (T3); or the barrier
// follows (T1), and the request sees that, and makes itself in the state.
void stop_fiber(fiber& one) noexcept {
  if (one.join.load(std::memory_order_acquire) == sched::join_word::ended) return;
  if (one.home->left_behind()) return;
  if (!request_in_state(one)) return;
  begin_stop(one);  // (T3)
  heavy_fence();    // between (E3) and (E4), and between (T3) and (T2)
  finish_interrupt(one, 0);
  if (sched::has_stop_state(one)) (void)one.stop.request_stop();  // (T2)
  decision_point();
}

std::stop_token stop_token_of(fiber& one) {
  std::stop_source& its = sched::stop_source_of(one);
  light_fence();  // between (T1) and (T4)
  if (one.stop_requested.load(std::memory_order_acquire)) (void)its.request_stop();  // (T4)
  return its.get_token();
}

stack_usage_report stack_usage_of(const fiber* one) {
  if (one == nullptr) {
    worker* const here = sched::current_worker();
    if (here == nullptr) {
      base::fail(EINVAL, "tell how much of its stack the caller used", "it is no fiber");
    }
    one = &here->running();
  }
  const std::size_t size = sched::stack_bytes(*one);
  const char* const low = one->top - size;
  const char* const lowest = one->painted ? context::lowest_painted_over(low, one->top)
                                          : context::lowest_page_in_use(low, one->top);
  return {
      .size = size, .used = static_cast<std::size_t>(one->top - lowest), .painted = one->painted};
}

bool left_behind(const fiber& one) noexcept {
  return one.home->left_behind();
}

std::uint64_t id_of(const fiber& one) noexcept {
  return one.id;
}

void empty_handle(const char* what) noexcept {
  base::die("%s of an empty fiber handle: it was joined, detached or moved from before", what);
}

}  // namespace hilo::detail
