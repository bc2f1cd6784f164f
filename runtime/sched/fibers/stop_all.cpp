// Asking every fiber of a runtime to stop. Spawning pays nothing for it, because the fibers are
// found by their stacks. A pool knows which of its slots have a control block, and the join word of
// a control block says whether a fiber lives there.
//
// A fiber may end, and the next fiber may begin on its stack, at any moment. So the asker protects
// the control block as an interrupter does, by `interrupts` (hilo/detail/waiter.hpp). The end of a
// life looks at `interrupts` before its stack goes back:
//
//   the asker                                the end of a life
//   (L1) interrupts += 2                     (J2) join := ended
//   heavy_fence                              light_fence
//   (L2) read join                           (L3) read interrupts, in give_back()
//
// Forbidden: (L2) sees a fiber that lives and (L3) of that life sees no interrupt. The fence makes
// all threads pass a full barrier. Either (L3) follows the barrier, and sees (L1). Or (J2) comes
// before it, and (L2) sees that. Or (L2) sees the next life, and then that life is the protected
// one. An end that sees the interrupt waits in forget_requests() until it is over. That is short,
// because no user code runs meanwhile. An interrupt that is over has left bit 0 set, so the end
// takes the stop state away then too. The bit is set after the count (detail::begin_interrupt), so
// the end of the life before cannot clear it. The stop callbacks run between two such protections.
// The second protection asks only a life that still has the stop state of the first.
//
// Slots are not closed meanwhile, because that is done under `tidying_` only. No stack of a user's
// leaves the list of user stacks, because the list's lock is held too.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <stop_token>
#include <utility>

#include <sched.h>

#include "hilo/detail/deadline.hpp"

#include "runtime/base/check.hpp"
#include "runtime/sched/fibers/spawn.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

constexpr std::size_t at_a_time = 64;  // fibers for each two fences; kept in the caller's frame

constexpr std::int64_t first_pause = 1'000'000;  // ns between two rounds of stop_fibers()
constexpr std::int64_t longest_pause =
    50'000'000;  // guess: costs nothing, and ends a late fiber soon

bool lives(const fiber& one) noexcept {
  return one.join.load(std::memory_order_acquire) != join_word::ended;  // (L2)
}

void unprotect(fiber& one) noexcept {
  one.interrupts.fetch_sub(2, std::memory_order_release);  // pairs with forget_requests()
}

}  // namespace

// Some fibers, with what is needed to find each while it lives.
struct scheduler::asked {
  struct entry {
    fiber* who = nullptr;
    const char* top = nullptr;
    const context::stack_pool* pool = nullptr;  // null: it runs on a stack of the user's
    std::stop_source stop{std::nostopstate};
    bool claimed = false;  // its wait is ours to end
  };
  std::array<entry, at_a_time> entries;
  std::size_t count = 0;
};

// Called with slots kept open: protects the fibers that live, and drops the others.
template <class Keep>
void scheduler::protect(asked& some, Keep keep) {
  for (std::size_t i = 0; i < some.count; ++i)
    detail::begin_interrupt(*some.entries[i].who);  // (L1)
  detail::heavy_fence();                            // between (L1) and (L2)
  std::size_t kept = 0;
  for (std::size_t i = 0; i < some.count; ++i) {
    asked::entry& one = some.entries[i];
    if (lives(*one.who) && keep(one)) {
      if (kept != i) some.entries[kept] = std::move(one);
      ++kept;
    } else {
      unprotect(*one.who);
    }
  }
  some.count = kept;
}

void scheduler::keep_slots_open() noexcept {
  while (tidying_.exchange(true, std::memory_order_acquire)) ::sched_yield();  // (Y)
  user_stacks_.lock();
}
void scheduler::let_slots_close() noexcept {
  user_stacks_.unlock();
  tidying_.store(false, std::memory_order_release);  // (Y)
}

// Asks some fibers. The caller keeps the slots open since it found them, and they are open again at
// the end.
void scheduler::ask(asked& some) {
  std::exception_ptr failed;
  protect(some, [&](asked::entry& one) {
    try {
      one.stop = stop_source_of(*one.who);
      return true;
    } catch (...) {
      failed = std::current_exception();
      return false;
    }
  });
  for (std::size_t i = 0; i < some.count; ++i) unprotect(*some.entries[i].who);
  let_slots_close();
  for (std::size_t i = 0; i < some.count; ++i) (void)some.entries[i].stop.request_stop();
  keep_slots_open();
  std::size_t there = 0;
  for (std::size_t i = 0; i < some.count; ++i) {
    asked::entry& one = some.entries[i];
    if (one.pool != nullptr ? !one.pool->is_built(one.top) : !user_stacks_.has(*one.who)) continue;
    if (there != i) some.entries[there] = std::move(one);
    ++there;
  }
  some.count = there;
  protect(some, [](asked::entry& one) { return shares_stop_state(*one.who, one.stop); });
  for (std::size_t i = 0; i < some.count; ++i) {
    some.entries[i].who->stop_requested.store(true, std::memory_order_release);  // with (E3)
  }
  detail::heavy_fence();  // between (E3) and (E4)
  for (std::size_t i = 0; i < some.count; ++i) {
    asked::entry& one = some.entries[i];
    one.claimed = detail::claim_interrupted(*one.who, 0);  // its last access, if not claimed
  }
  for (std::size_t i = 0; i < some.count; ++i) {
    asked::entry& one = some.entries[i];
    if (one.claimed) detail::end_interrupted(*one.who);  // its last access
    one.stop = std::stop_source(std::nostopstate);
  }
  some.count = 0;
  if (failed != nullptr) {
    let_slots_close();
    std::rethrow_exception(failed);
  }
}

void scheduler::ask_to_stop() {
  asked some;
  const auto add = [&](fiber& one, const char* top, const context::stack_pool* pool) {
    if (!lives(one) || one.stop_requested.load(std::memory_order_relaxed))
      return;  // confirmed later
    asked::entry& next = some.entries[some.count++];
    next.who = &one;
    next.top = top;
    next.pool = pool;
    if (some.count == at_a_time) ask(some);
  };
  keep_slots_open();
  visit_built(add);
  if (some.count != 0) ask(some);
  let_slots_close();
}

std::size_t scheduler::live_fibers() const noexcept {
  const std::uint64_t over = ended();  // before the spawns: see all_ended()
  return static_cast<std::size_t>(spawned() - over);
}

std::size_t scheduler::stop_fibers(std::int64_t deadline) {
  HILO_CHECK(current_worker() == nullptr || &current_worker()->home() != this,
             "a runtime is stopped by one of its own fibers, which would wait for itself; call "
             "request_stop() there");
  std::int64_t pause = first_pause;
  std::size_t left = 0;
  while (true) {
    ask_to_stop();
    draining_.store(1, std::memory_order_seq_cst);  // as in wait_for_fibers()
    full_barrier();
    left = live_fibers();
    const std::int64_t now = detail::monotonic_now();
    if (left == 0 || now >= deadline) break;
    const std::int64_t until = std::min(deadline, now + pause);
    (void)sys::futex_wait_until(draining_, 1,
                                sys::futex_clock::time_point(std::chrono::nanoseconds(until)));
    pause = std::min(2 * pause, longest_pause);
  }
  draining_.store(0, std::memory_order_seq_cst);
  return left;
}

}  // namespace hilo::sched

namespace hilo {

void runtime::request_stop() {
  scheduler_->ask_to_stop();
}

std::size_t runtime::stop_until(std::int64_t deadline) {
  return scheduler_->stop_fibers(deadline);
}

}  // namespace hilo
