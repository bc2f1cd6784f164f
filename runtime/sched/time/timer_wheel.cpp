#include "runtime/sched/time/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>
#include <utility>

#include <sched.h>

#include "hilo/detail/fence.hpp"

#include "runtime/base/cpu.hpp"
#include "runtime/sched/fibers/fiber.hpp"

namespace hilo::sched {
namespace {

// The part of a sleeper's stack around its timer through which it returns: the switch's frame and
// the frames of the wait below the timer, and some of the sleeper's own frames above.
constexpr std::size_t frames_below = 320, frames_above = 384;

// The part of its fiber that is fetched: all of it except the alarm.
constexpr std::size_t block_in_use = sizeof(fiber) - sizeof(alarm);

void fetch_frames(const void* around) noexcept {
  base::fetch(static_cast<const char*>(around) - frames_below, frames_below + frames_above);
}

bool is_alarm(const timer_cell& one) noexcept {
  return one.whose != nullptr && fiber::of(*one.whose).deadline.is(one.who);
}

}  // namespace

std::uint64_t timer_wheel::tick_at_or_after(std::int64_t ns) noexcept {
  if (ns <= 0) return 0;
  const auto value = static_cast<std::uint64_t>(ns);
  return (value >> tick_shift) + ((value & ((1U << tick_shift) - 1)) != 0 ? 1 : 0);
}

timer_wheel::chunk* timer_wheel::take_chunk() noexcept {
  if (free_chunk_ == nullptr) {
    if (chunks_.size() == most_blocks_) return nullptr;
    try {
      chunks_.push_back(std::make_unique<chunk[]>(chunks_in_block));
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    for (std::size_t i = chunks_in_block; i-- > 0;) give(chunks_.back()[i]);
  }
  return std::exchange(free_chunk_, free_chunk_->next);
}

timer_handle* timer_wheel::take_handle() noexcept {
  if (free_handle_ == nullptr) {
    if (handles_.size() == most_blocks_) return nullptr;
    try {
      handles_.push_back(std::make_unique<timer_handle[]>(handles_in_block));
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    for (std::size_t i = handles_in_block; i-- > 0;) give(handles_.back()[i]);
  }
  return std::exchange(free_handle_, free_handle_->next_free);
}

void timer_wheel::place(timer& one, std::uint64_t expiry) noexcept {
  one.handle = take_handle();
  if (one.handle == nullptr) return set_apart(one, expiry);
  if (!link({.who = &one, .whose = one.whose, .expiry = expiry, .handle = one.handle})) {
    give(*one.handle);
    set_apart(one, expiry);
  }
}

void timer_wheel::set_apart(timer& one, std::uint64_t expiry) noexcept {
  one.handle = nullptr;
  one.expiry = expiry;
  one.next = std::exchange(apart_, &one);
  apart_due_ = std::min(apart_due_, expiry);
}

void timer_wheel::take_back(timer& one) noexcept {
  timer** at = &apart_;
  while (*at != &one) at = &(*at)->next;
  *at = one.next;
  if (apart_ == nullptr) apart_due_ = no_tick;
}

// Fires the timers apart that are due. For the others there may be memory now.
timer** timer_wheel::look_apart(std::uint64_t now, timer** last) noexcept {
  timer* list = std::exchange(apart_, nullptr);
  apart_due_ = no_tick;
  while (list != nullptr) {
    timer& one = *std::exchange(list, list->next);
    if (one.expiry > now) {
      place(one, one.expiry);
      continue;
    }
    begin_firing(one, last);
    count(-1U);
  }
  return last;
}

void timer_wheel::begin_firing(timer& one, timer**& last) noexcept {
  one.phase.store(timer::firing, std::memory_order_relaxed);  // seen through lock_
  *last = &one;
  last = &one.next;
}

// False: there is no memory for the timer's cell.
bool timer_wheel::link(const timer_cell& one) noexcept {
  // A timer beyond the horizon waits in the last level. It is linked again when that slot comes up.
  const std::uint64_t expiry = std::min(one.expiry, elapsed_ + horizon - 1);
  const std::uint64_t differs = expiry ^ elapsed_;
  const unsigned level =
      differs == 0
          ? 0
          : std::min<unsigned>(static_cast<unsigned>(63 - std::countl_zero(differs)) / digit_bits,
                               levels - 1);
  const auto index = static_cast<unsigned>(expiry >> (level * digit_bits)) % slots;
  const unsigned slot = level * slots + index;
  chunk* first = slots_[slot];
  if (first == nullptr || first->count == cells_in_chunk) {
    chunk* const made = take_chunk();
    if (made == nullptr) return false;
    made->next = first;
    made->count = 0;
    made->slot = slot;
    slots_[slot] = first = made;
    occupied_[level] |= std::uint64_t{1} << index;
  }
  timer_cell& its = first->cells[first->count++];
  its = one;
  one.handle->cell = &its;
  return true;
}

void timer_wheel::unlink(timer_cell& one) noexcept {
  const auto* const of = reinterpret_cast<const chunk*>(reinterpret_cast<std::uintptr_t>(&one) &
                                                        ~(alignof(chunk) - 1));
  const unsigned slot = of->slot;
  chunk& first = *slots_[slot];
  const timer_cell& last = first.cells[--first.count];
  if (&last != &one) {
    one = last;
    one.handle->cell = &one;
  }
  if (first.count != 0) return;
  slots_[slot] = first.next;
  give(first);
  if (slots_[slot] == nullptr) occupied_[slot / slots] &= ~(std::uint64_t{1} << (slot % slots));
}

// The first tick at which a slot comes up. Lower levels come first: all their slots lie before the
// next slot of the level above. The current slot has come up already. Timers in it (in the last
// level, timers at the horizon) wait for a whole turn.
std::uint64_t timer_wheel::next_tick() const noexcept {
  for (unsigned level = 0; level < levels; ++level) {
    if (occupied_[level] == 0) continue;
    const unsigned shift = level * digit_bits;
    const std::uint64_t following = (elapsed_ >> shift) + 1;
    const auto ahead = static_cast<unsigned>(
        std::countr_zero(std::rotr(occupied_[level], static_cast<int>(following % slots))));
    return (following + ahead) << shift;
  }
  return no_tick;
}

void timer_wheel::update_next() noexcept {
  const std::uint64_t tick = std::min(next_tick(), apart_due_);
  constexpr auto last = static_cast<std::uint64_t>(never) >> tick_shift;
  next_ns_.store(tick >= last ? never : static_cast<std::int64_t>(tick << tick_shift),
                 std::memory_order_relaxed);
}

void timer_wheel::arm(timer& one, std::int64_t when_ns) noexcept {
  const std::scoped_lock guard(lock_);
  if (one.wheel != this) one.wheel = this;                   // no write if it is armed here again
  one.phase.store(timer::armed, std::memory_order_release);  // (M1) if armed again after firing
  place(one, std::max(tick_at_or_after(when_ns), elapsed_ + 1));
  count(1);
  arms_.store(arms() + 1, std::memory_order_relaxed);
  update_next();
}

bool timer_wheel::cancel(timer& one) noexcept {
  do {
    {
      const std::scoped_lock guard(lock_);
      if (one.phase.load(std::memory_order_relaxed) == timer::armed) {  // changes only under lock_
        if (one.handle != nullptr) {
          unlink(*one.handle->cell);
          give(*one.handle);
        } else {
          take_back(one);
        }
        count(-1U);
        update_next();
        one.phase.store(timer::idle, std::memory_order_relaxed);
        return true;
      }
    }
  } while (one.outlast_firing() == timer::armed);  // the thread that fired it armed it again
  return false;
}

// Takes all timers that are due up to the tick `now` out of the wheel. They are marked firing and
// linked by next, in order of expiry. Called under the lock.
timer* timer_wheel::collect_due(std::uint64_t now) noexcept {
  timer* first = nullptr;
  timer** last = &first;
  std::uint32_t taken = 0;
  while (true) {
    if (apart_due_ <= now) [[unlikely]]
      last = look_apart(now, last);
    const std::uint64_t tick = next_tick();
    if (tick > now) break;
    elapsed_ = std::max(elapsed_, tick);
    // At this tick one slot of one level comes up, or one slot of each of several; the loop meets
    // each in turn.
    for (unsigned level = 0; level < levels; ++level) {
      const auto index = static_cast<unsigned>(elapsed_ >> (level * digit_bits)) % slots;
      const bool aligned = (elapsed_ & ((std::uint64_t{1} << (level * digit_bits)) - 1)) == 0;
      if (!aligned) break;
      chunk* list = std::exchange(slots_[level * slots + index], nullptr);
      occupied_[level] &= ~(std::uint64_t{1} << index);
      while (list != nullptr) {
        if (list->next != nullptr) base::fetch(list->next, sizeof(chunk));
        bool alarms = false;
        for (std::uint32_t i = 0; i < list->count; ++i) {
          const timer_cell& one = list->cells[i];
          if (one.expiry > elapsed_) continue;
          if (one.whose != nullptr) base::fetch(&fiber::of(*one.whose), block_in_use);
          fetch_frames(one.who);
          alarms = alarms || is_alarm(one);
        }
        for (std::uint32_t i = 0; alarms && i < list->count; ++i) {
          const timer_cell& one = list->cells[i];
          if (one.expiry > elapsed_ || !is_alarm(one)) continue;
          fetch_frames(fiber::of(*one.whose).deadline.frames());
        }
        for (std::uint32_t i = 0; i < list->count; ++i) {
          const timer_cell& one = list->cells[i];
          if (one.expiry > elapsed_) {
            if (!link(one)) {
              give(*one.handle);
              set_apart(*one.who, one.expiry);
            }
            continue;
          }
          give(*one.handle);
          begin_firing(*one.who, last);
          ++taken;
        }
        give(*std::exchange(list, list->next));
      }
    }
  }
  *last = nullptr;
  elapsed_ = std::max(elapsed_, now);
  count(-taken);
  return first;
}

// True: it woke a waiter.
bool timer_wheel::finish_firing(timer& one, const fired& what) noexcept {
  if (what.again != 0) {
    arm(one, what.again);
    return false;
  }
  one.phase.store(timer::done, std::memory_order_release);  // (M1) from here on it may be gone
  if (what.winner == nullptr) return false;
  detail::wake(*what.winner, status::timed_out);
  return true;
}

std::size_t timer_wheel::advance(std::int64_t now_ns) noexcept {
  timer* due = nullptr;
  {
    const std::scoped_lock guard(lock_);
    due = collect_due(tick_at_or_before(now_ns));
    update_next();
  }
  std::size_t woken = 0;
  timer* unsure = nullptr;
  while (due != nullptr) {
    timer* const one = std::exchange(due, due->next);
    const fired what = one->claim(*one, now_ns, false);
    if (what.unsure) {
      one->next = std::exchange(unsure, one);
    } else if (finish_firing(*one, what)) {
      ++woken;
    }
  }
  if (unsure != nullptr) detail::heavy_fence();  // between (D3) and (D4)
  while (unsure != nullptr) {
    timer* const one = std::exchange(unsure, unsure->next);
    if (finish_firing(*one, one->claim(*one, now_ns, true))) ++woken;
  }
  return woken;
}

// A claim takes a few tens of instructions, but other timers may fire before this one.
std::uint8_t timer::outlast_firing_slowly() const noexcept {
  std::uint8_t seen = firing;
  for (int spins = 0; seen == firing; ++spins) {
    if (spins < 100) {
      base::cpu_relax();
    } else {
      ::sched_yield();  // the thread that fires it lost its CPU
    }
    seen = phase.load(std::memory_order_acquire);  // (M2)
  }
  return seen;
}

}  // namespace hilo::sched
