// The loop of a worker, and its queue: which fiber runs next.
#include "bench/scaling/worker.hpp"

#include <algorithm>
#include <utility>

#include "bench/scaling/runtime.hpp"

namespace scaling {
namespace {

// As in runtime/sched/queues/run_queue.hpp and .cpp.
constexpr std::uint32_t poll_period = 61;
constexpr std::uint32_t longest_streak = 16;
constexpr std::size_t most_injected = 64;
constexpr std::size_t most_exchanged = 8;

// As in runtime/context/stack_cache.hpp.
constexpr std::size_t longest_chain = 128;
constexpr std::size_t most_full = 3;

}  // namespace

worker::worker(runtime& home, unsigned index)
    : home_(home),
      machine_(home.on()),
      index_(index),
      thread_(home.on().at(index)),
      shared_(home.shared()),
      random_(home.seed() * 2'654'435'761U + index + 1) {}

void worker::relax(unsigned pauses) noexcept {
  machine_.spend(thread_, home_.price().relax * pauses);
}
void worker::spend_on_barrier() noexcept {
  thread_.now = std::max(thread_.now, thread_.stored_at) + home_.price().locked;
}
void worker::spend_on_kernel_switch() noexcept {
  machine_.spend(thread_, home_.price().kernel_switch);
}
void worker::spend_on_membarrier() noexcept {
  machine_.spend(thread_, home_.price().membarrier);
}

// --- The loop -----------------------------------------------------------------------------------

void worker::arrival::await_suspend(std::coroutine_handle<> self) const noexcept {
  at.base_ = self;
  one.on_cpu = true;
  one.started = true;
  one.at = &at;
  next_step = one.next;
}

void worker::departure::await_suspend(std::coroutine_handle<> self) const noexcept {
  worker& here = *me.at;
  me.next = self;
  me.on_cpu = false;
  here.left_ = &me;
  here.how_ = how;
  here.passed_to_ = to;
  next_step = here.base_;
}

step<void> worker::loop() {
  while (true) {
    fiber* next = co_await take();
    if (next == nullptr) next = co_await search();
    if (next == nullptr) {
      co_await sleep();
      continue;
    }
    if (searching_) {
      searching_ = false;
      co_await end_search();
    }
    while (next != nullptr) {
      // Its last carrier may still be leaving its stack.
      for (co_await machine_.turn(thread_); next->on_cpu; co_await machine_.turn(thread_)) relax(1);
      machine_.spend(thread_, home_.price().swap);
      ++switches;
      co_await machine_.follow(thread_, next->block, next->word);
      co_await arrival{*this, *next};
      next = co_await next_after_departure();
    }
  }
}

step<fiber*> worker::next_after_departure() {
  if (how_ == leaving::passes) {
    ++tick_;
    ++streak_;
    co_return passed_to_;
  }
  fiber* const left = left_;
  const bool yields = how_ == leaving::yields;
  fiber* const next = co_await take();
  if (!yields) co_return next;
  if (next == nullptr) co_return left;
  co_await put_last(*left);
  co_return next;
}

bool worker::can_pass_turn() const noexcept {
  return static_cast<std::int32_t>(tick_ + 1 - attend_at_) < 0 && slot_ == nullptr &&
         streak_ < longest_streak;
}

// --- The queue ----------------------------------------------------------------------------------

step<void> worker::run_next(fiber& one) {
  if (shared_) {
    co_await machine_.update(thread_, slot_line_);
  } else {
    co_await machine_.write(thread_, slot_line_);
  }
  if (fiber* const previous = std::exchange(slot_, &one)) {
    co_await put_surplus(*previous);
  } else if (shared_) {
    co_await home_.idle().slot_published(*this);
  }
}

step<void> worker::put_surplus(fiber& one) {
  const bool started = one.started;
  const bool pushed = co_await (started ? ready_ : spawned_).push(machine_, thread_, one);
  if (!pushed) {
    fiber_list single;
    single.push(one);
    co_await home_.injected().push(*this, single);
    if (shared_) co_await home_.idle().published(*this);
    co_return;
  }
  if (!shared_) co_return;
  if (started) {
    co_await home_.idle().behind_published(*this);
  } else {
    co_await home_.idle().published(*this);
  }
}

step<void> worker::put_last(fiber& one) {
  const bool pushed = co_await ready_.push(machine_, thread_, one);
  if (pushed) co_return;
  fiber_list single;
  single.push(one);
  co_await home_.injected().push(*this, single);
  if (shared_) co_await home_.idle().published(*this);
}

step<fiber*> worker::take() {
  co_await machine_.write(thread_, turns_line_);
  machine_.spend(thread_, home_.price().pick);
  const std::uint32_t tick = ++tick_;
  if (static_cast<std::int32_t>(tick - attend_at_) >= 0) {
    if (shared_) spend_on_barrier();
    attend_at_ = tick + poll_period;
    fiber* const waited = co_await take_injected(!searching_);
    if (waited != nullptr) co_return waited;
  }
  fiber* const own = co_await take_own(tick);
  if (own != nullptr) co_return own;
  co_return co_await take_injected(!searching_);
}

step<fiber*> worker::empty_slot() {
  if (slot_ == nullptr) co_return nullptr;
  if (shared_) {
    co_await machine_.update(thread_, slot_line_);
  } else {
    co_await machine_.write(thread_, slot_line_);
  }
  co_return std::exchange(slot_, nullptr);
}

step<fiber*> worker::take_own(std::uint32_t tick) {
  fiber* const one = co_await empty_slot();
  if (one != nullptr) {
    if (++streak_ <= longest_streak) co_return one;
    streak_ = 0;
    if (ready_.empty() && spawned_.empty()) co_return one;
    co_await put_last(*one);
  }
  streak_ = 0;
  co_return co_await take_ring(tick);
}

step<fiber*> worker::take_ring(std::uint32_t tick) {
  const bool new_first = (tick & 1) != 0;
  for (const bool newest : {new_first, !new_first}) {
    fiber* found = nullptr;
    if (newest) {
      found = co_await spawned_.take_newest(machine_, thread_, shared_);
    } else {
      found = co_await ready_.take_oldest(machine_, thread_, shared_);
    }
    if (found != nullptr) co_return found;
  }
  co_return nullptr;
}

step<fiber*> worker::take_injected(bool tell) {
  injector& injected = home_.injected();
  const std::size_t size = co_await injected.size(*this);
  if (size == 0) co_return nullptr;
  const std::size_t share = size / home_.carriers() + 1;
  const std::size_t room = ready_.room() + std::size_t{1};
  const std::size_t wanted = std::min({share, most_injected, std::max(room, most_exchanged)});
  fiber_list taken;
  co_await injected.take(*this, wanted, taken);
  fiber* const first = taken.pop();
  if (first == nullptr) co_return nullptr;
  fiber_list behind;
  bool some_behind_it = false;
  for (std::size_t i = room; i < wanted; ++i) {
    fiber* const newest = co_await ready_.take_newest(machine_, thread_, shared_);
    if (newest == nullptr) break;
    behind.push_front(*newest);
    some_behind_it = true;
  }
  while (fiber* const one = taken.pop()) co_await put_last(*one);
  if (some_behind_it) co_await injected.push(*this, behind);
  if (tell && shared_ && (share > 1 || some_behind_it)) co_await home_.idle().published(*this);
  co_return first;
}

// --- Free fibers --------------------------------------------------------------------------------

step<fiber*> worker::take_free() {
  if (free_ == nullptr) {
    if (!full_.empty()) {
      free_ = full_.back();
      full_.pop_back();
      free_count_ = longest_chain;
    } else {
      free_ = co_await home_.take_chain(*this);
      free_count_ = free_ == nullptr ? 0 : longest_chain;
    }
  }
  fiber* const one = free_;
  if (one == nullptr) co_return &home_.open();
  free_ = one->after;
  --free_count_;
  co_return one;
}

step<void> worker::give_back(fiber& one) {
  if (free_count_ == longest_chain) {
    if (full_.size() == most_full) {
      fiber* const oldest = full_.front();
      full_.erase(full_.begin());
      co_await home_.give_chain(*this, oldest);
    }
    full_.push_back(std::exchange(free_, nullptr));
    free_count_ = 0;
  }
  one.after = free_;
  free_ = &one;
  ++free_count_;
}

}  // namespace scaling
