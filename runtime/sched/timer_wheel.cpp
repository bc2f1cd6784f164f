#include "runtime/sched/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>
#include <utility>

#include "runtime/base/cpu.hpp"
#include "runtime/sched/fiber.hpp"

namespace hilo::sched {
namespace {

// Of a sleeper's stack, what it returns through: the switch's frame and those of the wait.
constexpr std::size_t resumed_frames = 256;

}  // namespace

std::uint64_t timer_wheel::tick_at_or_after(std::int64_t ns) noexcept {
  if (ns <= 0) return 0;
  const auto value = static_cast<std::uint64_t>(ns);
  return (value >> tick_shift) + ((value & ((1U << tick_shift) - 1)) != 0 ? 1 : 0);
}

timer_entry& timer_wheel::take_entry(timer& whose) noexcept {
  if (free_ == nullptr) {
    try {
      blocks_.push_back(std::make_unique<timer_entry[]>(entries_in_block));
    } catch (const std::bad_alloc&) {
      return whose.spare;
    }
    for (std::size_t i = entries_in_block; i-- > 0;) give_entry(blocks_.back()[i]);
  }
  return *std::exchange(free_, free_->next);
}

void timer_wheel::give_entry(timer_entry& one) noexcept {
  one.next = std::exchange(free_, &one);
}

void timer_wheel::link(timer_entry& one) noexcept {
  // A timer beyond the horizon waits in the last level and is linked again when that slot comes up.
  const std::uint64_t expiry = std::min(one.expiry, elapsed_ + horizon - 1);
  const std::uint64_t differs = expiry ^ elapsed_;
  const unsigned level =
      differs == 0
          ? 0
          : std::min<unsigned>(static_cast<unsigned>(63 - std::countl_zero(differs)) / digit_bits,
                               levels - 1);
  const auto index = static_cast<unsigned>(expiry >> (level * digit_bits)) % slots;
  timer_entry*& head = slots_[level][index];
  one.previous = &head;
  one.next = head;
  if (head != nullptr) head->previous = &one.next;
  head = &one;
  occupied_[level] |= std::uint64_t{1} << index;
}

void timer_wheel::unlink(timer_entry& one) noexcept {
  *one.previous = one.next;
  if (one.next != nullptr) {
    one.next->previous = one.previous;
    return;
  }
  const std::uintptr_t offset =
      reinterpret_cast<std::uintptr_t>(one.previous) - reinterpret_cast<std::uintptr_t>(&slots_);
  if (offset >= sizeof slots_) return;  // it was behind another
  const std::size_t slot = offset / sizeof(timer_entry*);
  occupied_[slot / slots] &= ~(std::uint64_t{1} << (slot % slots));
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
  timer_entry& entry = take_entry(one);
  entry.who = &one;
  entry.expiry = std::max(tick_at_or_after(when_ns), elapsed_ + 1);
  one.entry = &entry;
  one.wheel = this;
  one.phase.store(timer::armed, std::memory_order_relaxed);  // seen through lock_
  link(entry);
  count(1);
  update_next();
}

bool timer_wheel::cancel(timer& one) noexcept {
  {
    const std::scoped_lock guard(lock_);
    if (one.phase.load(std::memory_order_relaxed) == timer::armed) {  // changes only under lock_
      timer_entry& entry = *one.entry;
      unlink(entry);
      if (&entry != &one.spare) give_entry(entry);
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

// Takes what is due up to the tick `now` out of the wheel: marked firing, linked by next in order
// of expiry. Under the lock.
timer* timer_wheel::collect_due(std::uint64_t now) noexcept {
  timer_entry* due = nullptr;
  timer_entry** end = &due;
  while (true) {
    const std::uint64_t tick = next_tick();
    if (tick > now) break;
    elapsed_ = std::max(elapsed_, tick);
    // One slot of one level comes up at this tick, or of several; the loop meets each in turn.
    for (unsigned level = 0; level < levels; ++level) {
      const auto index = static_cast<unsigned>(elapsed_ >> (level * digit_bits)) % slots;
      const bool aligned = (elapsed_ & ((std::uint64_t{1} << (level * digit_bits)) - 1)) == 0;
      if (!aligned) break;
      timer_entry* list = std::exchange(slots_[level][index], nullptr);
      occupied_[level] &= ~(std::uint64_t{1} << index);
      while (list != nullptr) {
        timer_entry* const one = std::exchange(list, list->next);
        if (one->expiry > elapsed_) {
          link(*one);
          continue;
        }
        base::fetch(one->who, sizeof(timer));
        *end = one;
        end = &one->next;
      }
    }
  }
  *end = nullptr;
  elapsed_ = std::max(elapsed_, now);
  timer* first = nullptr;
  timer** last = &first;
  while (due != nullptr) {
    timer_entry* const entry = std::exchange(due, due->next);
    timer& one = *entry->who;
    if (one.whose != nullptr) base::fetch(&fiber::of(*one.whose), sizeof(fiber));
    one.phase.store(timer::firing, std::memory_order_relaxed);  // seen through lock_
    *last = &one;
    last = &one.next;
    if (entry != &one.spare) give_entry(*entry);
    count(-1U);
  }
  *last = nullptr;
  return first;
}

std::size_t timer_wheel::advance(std::int64_t now_ns) noexcept {
  timer* due = nullptr;
  {
    const std::scoped_lock guard(lock_);
    due = collect_due(tick_at_or_before(now_ns));
    update_next();
  }
  for (const timer* one = due; one != nullptr; one = one->next) {
    if (one->whose == nullptr || one->whose->kind != detail::waiter_kind::fiber) continue;
    base::fetch(fiber::of(*one->whose).context.sp, resumed_frames);
  }
  std::size_t woken = 0;
  while (due != nullptr) {
    timer* const one = std::exchange(due, due->next);
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
