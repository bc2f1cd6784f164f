#include "runtime/sched/decider.hpp"

#include "hilo/detail/decision.hpp"

#include "runtime/base/check.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {

decider* current_decider() noexcept {
  worker* const here = current_worker();
  return here == nullptr ? nullptr : here->home().decides();
}

}  // namespace hilo::sched

namespace hilo::detail {

constinit std::atomic<std::uint32_t> simulations{0};

void decide() noexcept {
  if (sched::decider* const who = sched::current_decider()) {
    who->reached_point(*sched::current_worker());
  }
}

void sync_lock::decide_and_lock(std::uintptr_t me) noexcept {
  decision_point();
  lock_word(me);
}

void undecided::begin() noexcept {
  sched::decider* const who = sched::current_decider();
  if (who == nullptr) return;
  who->pause();
  held_ = true;
}

void undecided::end() noexcept {
  sched::current_decider()->resume();
}

void refuse_simulated(const char* what) noexcept {
  HILO_CHECK(sched::current_decider() == nullptr,
             "%s in a simulation, which has neither kernel threads nor I/O; let the code under "
             "test get it from outside, and simulate it by fibers and channels",
             what);
}

void check_simulated_time(std::int64_t when) noexcept {
  if (when <= 0 || when >= sched::simulated_epoch) return;
  HILO_CHECK(sched::current_decider() == nullptr,
             "a simulated fiber waits until a time of a real clock; take hilo::now() instead of "
             "the now() of a std::chrono clock");
}

}  // namespace hilo::detail
