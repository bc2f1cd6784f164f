// Special fibers: fibers with a priority, and fibers pinned to a worker.
//
// They wait in lanes and not in rings, so the path of the rings pays for only one byte of the
// fiber. The lanes of high and of idle priority belong to the scheduler, like the injector. Pinned
// fibers wait in their worker's mail. attend() looks at the lanes: at once after a prompt,
// otherwise every poll_period switches. A worker that finds nothing else to run looks at them
// before it sleeps.
//
// The caller that puts a fiber into a lane publishes it by the idle protocol (idle.hpp), with the
// lane as the queue. Mail is for one worker: deliver() takes just that worker out of the sleepers,
// under the lock under which a worker becomes a sleeper. If the worker entered first, deliver()
// finds it there. If the worker enters later, it reads the size of its mail after that lock, and
// sees the fiber.
//
// The prompt: deliver() and run_special() put the fiber into a lane and then store attend_at_
// (release). The owner exchanges attend_at_ (acquire) and then reads the lanes (A). If the exchange
// follows the store, the reads after it see the fiber. If not, the store stands and the owner
// attends at its next switch.
#include "runtime/base/check.hpp"
#include "runtime/sched/decider.hpp"
#include "runtime/sched/forked_fiber.hpp"
#include "runtime/sched/spawn.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

constexpr std::uint32_t idle_period = 512;  // switches from one turn of idle fibers to the next

// A poll is due poll_period switches after the last poll, but it waits for the next attend(), which
// comes at most poll_period switches after the attend() before. So between two polls there are
// fewer than twice as many switches.
constexpr std::uint32_t idle_due(std::uint32_t poll_period) noexcept {
  return idle_period - 2 * poll_period;
}

}  // namespace

// Called once in a while, at the switch `tick`. True: `chosen` runs next, or the base if `chosen`
// is null.
bool worker::attend(std::uint32_t tick, fiber*& chosen) noexcept {
  (void)attend_at_.exchange(tick + poll_period, std::memory_order_acq_rel);  // (A)
  if (scheduler_.decides() != nullptr) return false;
  if (place_closes()) {
    if (retired_) return attend_to_pinned(tick, chosen);
    if (called_back()) return true;
  }
  if (out_of_sight_.load(std::memory_order_relaxed) && !shares_for_good()) share_for_good();
  if (port_ != nullptr && port_->has_mail()) (void)port_->poll();
  if (tick - polled_ >= poll_period) {
    polled_ = tick;
    // No thief is left, and none comes before the owner has slept in a system call (share()).
    if (shared() && !shares_for_good() && !scheduler_.spare().carriers_beside()) {
      shared_.store(false, std::memory_order_relaxed);
    }
    if (timers().next_ns() != timer_wheel::never) {
      owed_ += static_cast<std::uint32_t>(timers().advance(detail::monotonic_now()));
      if (owed_ != 0) attend_at_.store(tick + 1, std::memory_order_relaxed);
    }
    // Fibers that wait already go before fibers that the port wakes.
    fiber* const waited = scheduler_.injected() != 0 ? take_injected() : nullptr;
    if (port_ != nullptr) (void)port_->poll();
    if (tick - idle_turn_ >= idle_due(poll_period)) {
      idle_turn_ = tick;
      chosen = scheduler_.lane(priority::idle).take(1);
    }
    if (chosen == nullptr) {
      chosen = waited;
    } else if (waited != nullptr) {
      run_later(*waited);
    }
    if (chosen != nullptr) return true;
  }
  const bool urgent = scheduler_.lane(priority::high).size() != 0;
  if (special_streak_ < (urgent ? longest_streak : 1) && (chosen = take_special()) != nullptr) {
    ++special_streak_;
    attend_at_.store(tick + 1, std::memory_order_relaxed);  // there may be more
    return true;
  }
  if (special_streak_ != 0) attend_at_.store(tick + 1, std::memory_order_relaxed);
  special_streak_ = 0;
  // Fibers that a timer woke do not wait until the fibers in the slot give way: a fiber that spawns
  // without end never gives way.
  if (owed_ != 0) {
    owed_ = (chosen = ready_.take_oldest(shared())) != nullptr ? owed_ - 1 : 0;
    if (owed_ != 0) attend_at_.store(tick + 1, std::memory_order_relaxed);
  }
  return chosen != nullptr;
}

fiber* worker::take_special() noexcept {
  if (decider* const who = scheduler_.decides()) return who->choose(*this);
  injector& urgent = scheduler_.lane(priority::high);
  if (urgent.size() != 0) {
    if (fiber* one = urgent.take(1)) return one;
  }
  return mail_.size() == 0 ? nullptr : mail_.take(1);
}

void worker::deliver(fiber& one) noexcept {
  mail_.push(one);
  prompt();
  if (current_worker() != this) scheduler_.idle().wake(*this);
}

void worker::pin(fiber& one) noexcept {
  if (one.pins++ != 0) return;
  if (!one.special) one.urgency = priority::normal;
  one.special = true;
  one.pinned_to = this;
  ++pinned_;
}

void worker::unpin(fiber& one) noexcept {
  HILO_CHECK(one.special && (one.pins & ~fiber::pinned_for_life) != 0,
             "a fiber is unpinned that is not pinned");
  if (--one.pins != 0) return;
  one.special = one.urgency != priority::normal || scheduler_.decides() != nullptr;
  --pinned_;
}

void scheduler::run_special(fiber& one) noexcept {
  if (decides_ != nullptr) return decides_->ready(one);
  if (one.pins != 0) return one.pinned_to->deliver(one);
  const priority urgency = one.urgency;  // read now: once in the lane, the fiber may run and end
  lane(urgency).push(one);               // (P1)
  if (urgency == priority::high) {
    worker* const here = current_worker();
    const bool ours = here != nullptr && &here->home() == this;
    (ours ? *here : at(prompts_.fetch_add(1, std::memory_order_relaxed) % workers())).prompt();
  }
  idle_.published();
}

void begin_special(fiber& self) noexcept {
  if (self.pin_first) current_worker()->pin(self);
}

void end_special(fiber& self) noexcept {
  if (self.home->left_behind()) end_in_child(self);
  if (decider* const who = self.home->decides()) who->returned(self);
  if (self.pins == 0) return;
  self.pins = 1;
  current_worker()->unpin(self);
}

}  // namespace hilo::sched

namespace hilo::this_fiber {

void pin() noexcept {
  if (sched::worker* const here = sched::current_worker()) here->pin(here->running());
}

void unpin() noexcept {
  if (sched::worker* const here = sched::current_worker()) here->unpin(here->running());
}

}  // namespace hilo::this_fiber
