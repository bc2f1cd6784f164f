// What a worker takes from the others.
//
// New fibers are for everybody: they are in no cache yet, and each may be a tree of more. Those
// that were woken, or gave way, wait behind the running fiber of the worker that woke them, where
// what they share with it is warm. Two carriers that pass such fibers to and fro get less done than
// one that keeps them: measured with channel_4x4 on two idle CPUs, 16.7 ns a message where any
// searcher took them, and 8.7 where they are left alone. So they are taken only by a watcher
// (idle.hpp), which saw for a while at what pace their worker comes to them.
#include <algorithm>

#include "runtime/base/cpu.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

// How long a searcher looks before it sleeps.
constexpr int search_rounds = 4;          // as Go
constexpr int relax_between_rounds = 64;  // guess: some 2 us in all
// For how long a fiber has to wait behind others, in ns. Guess: some ten times what its lines cost
// that have to follow it.
constexpr std::int64_t worth_a_theft = 20'000;

}  // namespace

fiber* worker::steal_half(work_ring& from, work_ring& into) noexcept {
  fiber* first = nullptr;
  for (std::uint32_t wanted = (from.size() + 1) / 2; wanted != 0; --wanted) {
    fiber* const one = from.steal();
    if (one == nullptr) break;
    if (first == nullptr) {
      first = one;
    } else if (!into.push(one)) {
      scheduler_.inject(*one);
      break;
    }
  }
  return first;
}

bool worker::overdue(const sight& then, std::int64_t ns) const noexcept {
  if (slot_filled() && tick() == then.tick) return true;
  const std::uint32_t taken = std::max(1U, ready_.taken() - then.taken);
  return std::int64_t{std::min(then.ready, ready_.size())} * ns >= worth_a_theft * taken;
}

fiber* worker::steal_behind(worker& thief, const sight& then) noexcept {
  fiber* const one = steal_slot(then.tick);
  return one != nullptr ? one : steal_half(ready_, thief.ready_);
}

fiber* worker::steal_slot(std::uint32_t seen) noexcept {
  fiber* one = slot_.load(std::memory_order_relaxed);  // confirmed by the exchange
  if (one == nullptr || tick() != seen) return nullptr;
  // acquire: pairs with fill_slot's exchange; publishes the fiber.
  return slot_.compare_exchange_strong(one, nullptr, std::memory_order_acq_rel,
                                       std::memory_order_relaxed)
             ? one
             : nullptr;
}

// Stops being a searcher, to run what it found. Who published something meanwhile woke nobody
// because of us. So the last one does it for them, if it is still there: (P3) saw us, hence (P1)
// comes before our end, and we before our look at the queues.
void worker::end_search() noexcept {
  idle_workers& idle = scheduler_.idle();
  if (!idle.end_search()) return;
  if (work_somewhere(quiet_ ? this : nullptr) || (shared() && some_behind(quiet_)) ||
      find_behind() != nullptr) {
    idle.published();
  }
}

fiber* worker::search() noexcept {
  if (!shared()) return nullptr;
  if (!searching_ && !(searching_ = scheduler_.idle().begin_search(scheduler_.carriers()))) {
    return nullptr;
  }
  const auto workers = static_cast<std::uint32_t>(scheduler_.workers());
  // Who was up for its timers has no reason to expect more.
  const int rounds = std::exchange(up_for_timers_, false) ? 1 : search_rounds;
  for (int round = 0; round < rounds; ++round) {
    if (round != 0) {
      for (int i = 0; i < relax_between_rounds; ++i) base::cpu_relax();
    }
    ask_for_forks();
    const std::uint32_t start = random() % workers;
    for (std::uint32_t i = 0; i < workers; ++i) {
      worker& victim = scheduler_.at((start + i) % workers);
      if (&victim == this) continue;
      if (fiber* one = victim.steal_new(*this)) return one;
    }
    if (scheduler_.injected() != 0) {
      if (fiber* one = take_injected()) return one;
    }
    if (fiber* one = take_special()) return one;
  }
  return nullptr;
}

// In any queue but the rings of `except`.
bool worker::work_somewhere(const worker* except) const noexcept {
  if (scheduler_.injected_fibers().settled_size() != 0 || mail_.settled_size() != 0) return true;
  for (const priority which : {priority::high, priority::idle}) {
    if (scheduler_.lane(which).settled_size() != 0) return true;
  }
  for (std::size_t i = 0; i < scheduler_.workers(); ++i) {
    const worker& one = scheduler_.at(i);
    if (&one != except && one.has_surplus()) return true;
  }
  return false;
}

// A worker with fibers behind its running one, null when there is none. From another start each
// time, so that one that is always quick does not hide the next.
worker* worker::find_behind() noexcept {
  const auto workers = static_cast<std::uint32_t>(scheduler_.workers());
  const std::uint32_t start = random() % workers;
  for (std::uint32_t i = 0; shared() && i < workers; ++i) {
    worker& other = scheduler_.at((start + i) % workers);
    if (&other != this && other.some_behind(false)) return &other;
  }
  return nullptr;
}

}  // namespace hilo::sched
