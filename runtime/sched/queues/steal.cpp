// The fibers that a worker takes from the other workers.
//
// Any worker may take new fibers: they are in no cache yet, and each may be the root of a tree of
// more. Fibers that were woken, or gave way, wait behind the running fiber of the worker that woke
// them. There the data that they share with it is warm. Two carriers that pass such fibers to and
// fro get less done than one carrier that keeps them: measured with channel_4x4 on two idle CPUs,
// 16.7 ns a message where any searcher took them, and 8.7 where they are left alone. So only a
// watcher (idle.hpp) takes them. The watcher has seen for a while at what pace their worker comes
// to them.
#include <cstdint>

#include "runtime/base/cpu.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

// How long a searcher looks before it sleeps.
constexpr int search_rounds = 4;          // as Go
constexpr int relax_between_rounds = 64;  // guess: some 2 us in all

}  // namespace

// Stops being a searcher, to run the fiber that it found. A publisher may have woken no worker
// meanwhile because we searched. So the last searcher wakes a worker for it, if the fiber is still
// there: (P3) saw us, hence (P1) comes before our end, and our end comes before our look at the
// queues.
void worker::end_search() noexcept {
  idle_workers& idle = scheduler_.idle();
  if (!idle.end_search()) return;
  const bool quiet = queue_.quiet();
  if (work_somewhere(quiet ? this : nullptr) || (queue_.shared() && queue_.some_behind(quiet)) ||
      find_behind() != nullptr) {
    idle.published();
  }
}

fiber* worker::search() noexcept {
  if (!queue_.shared()) return nullptr;
  if (!searching_ && !(searching_ = scheduler_.idle().begin_search(scheduler_.carriers()))) {
    return nullptr;
  }
  const auto workers = static_cast<std::uint32_t>(scheduler_.workers());
  // A worker that was up only for its timers has no reason to expect more work.
  const int rounds = duty_.woke_for_timers() ? 1 : search_rounds;
  for (int round = 0; round < rounds; ++round) {
    if (round != 0) {
      for (int i = 0; i < relax_between_rounds; ++i) base::cpu_relax();
    }
    ask_for_forks();
    const std::uint32_t start = random() % workers;
    for (std::uint32_t i = 0; i < workers; ++i) {
      worker& victim = scheduler_.at((start + i) % workers);
      if (&victim == this) continue;
      if (fiber* one = victim.its_queue().steal_new(queue_)) return stolen_from(victim, *one);
    }
    if (fiber* one = queue_.take_waited(false)) return one;
    if (fiber* one = queue_.take_special()) return one;
  }
  return nullptr;
}

fiber* worker::stolen_from(const worker& victim, fiber& one) noexcept {
  if (trace_.on()) [[unlikely]]
    trace_.steals(one, victim.index_);
  return &one;
}

// Whether any queue has work, except the rings of `except`.
bool worker::work_somewhere(const worker* except) const noexcept {
  shared_queues& common = scheduler_.queues();
  if (common.injected().settled_size() != 0 || queue_.settled_mail() != 0) return true;
  for (const priority which : {priority::high, priority::idle}) {
    if (common.lane(which).settled_size() != 0) return true;
  }
  for (std::size_t i = 0; i < scheduler_.workers(); ++i) {
    const worker& one = scheduler_.at(i);
    if (&one != except && one.its_queue().has_surplus()) return true;
  }
  return false;
}

// A worker with fibers behind its running one, null if there is none. The search starts at another
// worker each time, so that a worker that is always quick does not hide the next one.
worker* worker::find_behind() noexcept {
  const auto workers = static_cast<std::uint32_t>(scheduler_.workers());
  const std::uint32_t start = random() % workers;
  for (std::uint32_t i = 0; queue_.shared() && i < workers; ++i) {
    worker& other = scheduler_.at((start + i) % workers);
    if (&other != this && other.its_queue().some_behind(false)) return &other;
  }
  return nullptr;
}

}  // namespace hilo::sched
