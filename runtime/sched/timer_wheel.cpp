#include "runtime/sched/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <mutex>
#include <utility>

#include "runtime/base/cpu.hpp"

namespace hilo::sched {

std::uint64_t timer_wheel::tick_at_or_after(std::int64_t ns) noexcept {
  if (ns <= 0) return 0;
  const auto value = static_cast<std::uint64_t>(ns);
  return (value >> tick_shift) + ((value & ((1U << tick_shift) - 1)) != 0 ? 1 : 0);
}

void timer_wheel::link(timer& one) noexcept {
  // A timer beyond the horizon waits in the last level and is linked again when that slot comes up.
  const std::uint64_t expiry = std::min(one.expiry, elapsed_ + horizon - 1);
  const std::uint64_t differs = expiry ^ elapsed_;
  const unsigned level =
      differs == 0
          ? 0
          : std::min<unsigned>(static_cast<unsigned>(63 - std::countl_zero(differs)) / digit_bits,
                               levels - 1);
  const auto index = static_cast<unsigned>(expiry >> (level * digit_bits)) % slots;
  one.level = static_cast<std::uint8_t>(level);
  one.index = static_cast<std::uint8_t>(index);
  timer*& head = slots_[level][index];
  one.previous = nullptr;
  one.next = head;
  if (head != nullptr) head->previous = &one;
  head = &one;
  occupied_[level] |= std::uint64_t{1} << index;
}

void timer_wheel::unlink(timer& one) noexcept {
  timer*& head = slots_[one.level][one.index];
  (one.previous != nullptr ? one.previous->next : head) = one.next;
  if (one.next != nullptr) one.next->previous = one.previous;
  if (head == nullptr) occupied_[one.level] &= ~(std::uint64_t{1} << one.index);
}

// The first tick at which a slot comes up. Lower levels come first: all their slots lie before the
// next slot of the level above. In the last level the horizon may wrap past the current slot.
std::uint64_t timer_wheel::next_tick() const noexcept {
  for (unsigned level = 0; level < levels; ++level) {
    if (occupied_[level] == 0) continue;
    const unsigned shift = level * digit_bits;
    const auto current = static_cast<unsigned>(elapsed_ >> shift) % slots;
    const auto ahead = static_cast<unsigned>(
        std::countr_zero(std::rotr(occupied_[level], static_cast<int>(current))));
    const std::uint64_t base = (elapsed_ >> shift) + (level > 0 && ahead == 0 ? slots : ahead);
    return base << shift;
  }
  return std::numeric_limits<std::uint64_t>::max();
}

void timer_wheel::update_next() noexcept {
  const std::uint64_t tick = next_tick();
  constexpr auto last = static_cast<std::uint64_t>(never) >> tick_shift;
  next_ns_.store(tick >= last ? never : static_cast<std::int64_t>(tick << tick_shift),
                 std::memory_order_relaxed);
}

void timer_wheel::arm(timer& one, std::int64_t when_ns) noexcept {
  const std::scoped_lock guard(lock_);
  one.wheel = this;
  one.expiry = std::max(tick_at_or_after(when_ns), elapsed_ + 1);
  one.phase.store(timer::armed, std::memory_order_relaxed);  // seen through lock_
  link(one);
  count(1);
  update_next();
}

bool timer_wheel::cancel(timer& one) noexcept {
  {
    const std::scoped_lock guard(lock_);
    if (one.phase.load(std::memory_order_relaxed) == timer::armed) {  // changes only under lock_
      unlink(one);
      count(-1U);
      update_next();
      one.phase.store(timer::idle, std::memory_order_relaxed);
      return true;
    }
  }
  // (M2) A claim is under way: some tens of instructions.
  while (one.phase.load(std::memory_order_acquire) == timer::firing) base::cpu_relax();
  return false;
}

std::size_t timer_wheel::advance(std::int64_t now_ns) noexcept {
  const std::uint64_t now = tick_at_or_before(now_ns);
  timer* due = nullptr;
  {
    const std::scoped_lock guard(lock_);
    while (true) {
      const std::uint64_t tick = next_tick();
      if (tick > now) break;
      elapsed_ = std::max(elapsed_, tick);
      // One slot of one level comes up at this tick, or of several; the loop meets each in turn.
      for (unsigned level = 0; level < levels; ++level) {
        const auto index = static_cast<unsigned>(elapsed_ >> (level * digit_bits)) % slots;
        const bool aligned = (elapsed_ & ((std::uint64_t{1} << (level * digit_bits)) - 1)) == 0;
        if (!aligned) break;
        timer* list = std::exchange(slots_[level][index], nullptr);
        occupied_[level] &= ~(std::uint64_t{1} << index);
        while (list != nullptr) {
          timer* const one = std::exchange(list, list->next);
          if (one->expiry <= elapsed_) {
            one->phase.store(timer::firing, std::memory_order_relaxed);  // seen through lock_
            one->next = std::exchange(due, one);
            count(-1U);
          } else {
            link(*one);
          }
        }
      }
    }
    elapsed_ = std::max(elapsed_, now);
    update_next();
  }
  // The newest expiry is first in `due`; turn it, so that waiters are woken in order of expiry.
  timer* ordered = nullptr;
  while (due != nullptr) {
    timer* const one = std::exchange(due, due->next);
    one->next = std::exchange(ordered, one);
  }
  std::size_t woken = 0;
  while (ordered != nullptr) {
    timer* const one = std::exchange(ordered, ordered->next);
    detail::waiter* const winner = one->claim(*one);
    one->phase.store(timer::done, std::memory_order_release);  // (M1) from here on it may be gone
    if (winner != nullptr) {
      detail::wake(*winner, status::timed_out);
      ++woken;
    }
  }
  return woken;
}

}  // namespace hilo::sched
