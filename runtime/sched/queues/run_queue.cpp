#include "runtime/sched/queues/run_queue.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace hilo::sched {
namespace {

constexpr std::size_t most_injected = 64;  // fibers taken from the injector at a time
// The part of these that may enter a ring without room: each of them moves another out. Larger
// numbers are a tenth (16) or a third (32) slower, for 1,000 fibers that yield on two carriers.
// From 1 on, all fibers have as many turns.
constexpr std::size_t most_exchanged = 8;

constexpr std::uint32_t idle_period = 512;  // switches from one turn of idle fibers to the next
// A poll is due poll_period switches after the last poll, but it waits for the next attend(), which
// comes at most poll_period switches after the attend() before. So between two polls there are
// fewer than twice as many switches.
constexpr std::uint32_t idle_due = idle_period - 2 * run_queue::poll_period;

// How long a fiber must wait behind others, in ns, before a theft. Guess: about ten times the cost
// of the cache lines that must follow it.
constexpr std::int64_t worth_a_theft = 20'000;

}  // namespace

void run_queue::put_surplus(fiber& one) noexcept {
  const bool started = one.started;
  if (!(started ? ready_ : spawned_).push(&one)) [[unlikely]]
    return common_.inject(one);
  if (!shared() || quiet_) return;
  started ? common_.idle().behind_published() : common_.idle().published();
}

fiber* run_queue::take_own(std::uint32_t tick) noexcept {
  if (fiber* const one = empty_slot()) return turn_of_slot(*one, tick);
  streak_ = 0;
  return take_ring(tick);
}

// The fiber that was in the slot, unless others have waited long enough.
fiber* run_queue::turn_of_slot(fiber& one, std::uint32_t tick) noexcept {
  if (++streak_ <= longest_streak) return &one;
  if (ready_.empty() && spawned_.empty()) {
    streak_ = 0;
    return &one;
  }
  put_last(one);
  streak_ = 0;
  return take_ring(tick);
}

// If more fibers can run than a ring holds, the others wait in the injector. The fibers in the ring
// would keep their places, because each that yields takes the room that it left. So the ring's
// newest go behind the fibers that waited.
fiber* run_queue::take_injected(bool tell) noexcept {
  injector& injected = common_.injected();
  const std::size_t share = injected.size() / common_.carriers() + 1;
  const std::size_t room = ready_.room() + 1;
  const std::size_t wanted = std::min({share, most_injected, std::max(room, most_exchanged)});
  fiber* const first = injected.take(wanted);
  if (first == nullptr) return nullptr;
  std::uint64_t taken = 1;
  fiber* behind = nullptr;
  fiber* last_behind = nullptr;
  std::size_t count = 0;
  for (std::size_t i = room; i < wanted; ++i) {
    fiber* const newest = ready_.take_newest(shared());
    if (newest == nullptr) break;
    newest->next_injected = behind;
    behind = newest;
    if (count++ == 0) last_behind = newest;
  }
  for (fiber* one = first->next_injected; one != nullptr;) {
    fiber* const after = one->next_injected;  // a pushed fiber is no longer ours
    put_last(*one);
    one = after;
    ++taken;
  }
  injected_.add(taken);
  if (behind != nullptr) injected.push(*behind, *last_behind, count);  // (P1)
  // A thief that looked while the fibers moved from injector to ring saw them in neither, and may
  // sleep.
  if (tell && shared() && (share > 1 || behind != nullptr)) common_.idle().published();
  return first;
}

fiber* run_queue::take_special() noexcept {
  injector& urgent = common_.lane(priority::high);
  if (urgent.size() != 0) {
    if (fiber* one = urgent.take(1)) return one;
  }
  return take_pinned();
}

// Called every few hundred switches.
void run_queue::keep_long_counts() noexcept {
  const turn_counts now = read_turns();
  long_ticks_.store(now.switches, std::memory_order_release);  // (AC)
  long_parks_.store(now.parks, std::memory_order_release);     // (AC)
}

fiber* run_queue::choose_after_poll(std::uint32_t tick, fiber* waited) noexcept {
  fiber* chosen = nullptr;
  if (tick - idle_turn_ >= idle_due) {
    idle_turn_ = tick;
    keep_long_counts();
    chosen = common_.lane(priority::idle).take(1);
  }
  if (chosen == nullptr) return waited;
  if (waited != nullptr) put_last(*waited);
  return chosen;
}

fiber* run_queue::choose_special(std::uint32_t tick) noexcept {
  const bool urgent = common_.lane(priority::high).size() != 0;
  if (special_streak_ < (urgent ? longest_streak : 1)) {
    if (fiber* const one = take_special()) {
      ++special_streak_;
      attend_next(tick);  // there may be more
      return one;
    }
  }
  if (special_streak_ != 0) attend_next(tick);
  special_streak_ = 0;
  if (owed_ == 0) return nullptr;
  fiber* const one = ready_.take_oldest(shared());
  owed_ = one != nullptr ? owed_ - 1 : 0;
  if (owed_ != 0) attend_next(tick);
  return one;
}

bool run_queue::overdue(const sight& then, std::int64_t ns) const noexcept {
  if (slot_filled() && tick() == then.tick) return true;
  const std::uint32_t taken = std::max(1U, ready_.taken() - then.taken);
  return std::int64_t{std::min(then.ready, ready_.size())} * ns >= worth_a_theft * taken;
}

fiber* run_queue::steal_half(work_ring& from, run_queue& thief, work_ring& into) noexcept {
  fiber* first = nullptr;
  std::uint64_t taken = 0;
  for (std::uint32_t wanted = (from.size() + 1) / 2; wanted != 0; --wanted) {
    fiber* const one = from.steal();
    if (one == nullptr) break;
    ++taken;
    if (first == nullptr) {
      first = one;
    } else if (!into.push(one)) {
      common_.inject(*one);
      break;
    }
  }
  if (taken != 0) thief.stolen_.add(taken);
  return first;
}

fiber* run_queue::steal_behind(run_queue& thief, const sight& then) noexcept {
  fiber* const one = steal_slot(then.tick);
  if (one == nullptr) return steal_half(ready_, thief, thief.ready_);
  thief.stolen_.add();
  return one;
}

fiber* run_queue::steal_slot(std::uint32_t seen) noexcept {
  fiber* one = slot_.load(std::memory_order_relaxed);  // confirmed by the exchange
  if (one == nullptr || tick() != seen) return nullptr;
  // acquire: pairs with fill_slot's exchange; publishes the fiber.
  return slot_.compare_exchange_strong(one, nullptr, std::memory_order_acq_rel,
                                       std::memory_order_relaxed)
             ? one
             : nullptr;
}

// Takes the rings as a thief does, since there may be other thieves. Our rings are empty, and as
// large.
void run_queue::take_over(run_queue& from) noexcept {
  for (auto [theirs, ours] : {std::pair{&from.spawned_, &spawned_}, {&from.ready_, &ready_}}) {
    while (theirs->size() != 0) {
      if (fiber* one = theirs->steal()) (void)ours->push(one);
    }
  }
  fiber* const next = from.slot_.exchange(nullptr, std::memory_order_seq_cst);
  if (next != nullptr) (void)fill_slot(next);
}

void run_queue::give_away() noexcept {
  if (fiber* const one = slot_.exchange(nullptr, std::memory_order_seq_cst)) common_.inject(*one);
  for (work_ring* ring : {&ready_, &spawned_}) {
    while (fiber* const one = ring->take_oldest(true)) common_.inject(*one);
  }
}

}  // namespace hilo::sched
