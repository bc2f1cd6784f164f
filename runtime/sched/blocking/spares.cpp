#include "runtime/sched/blocking/spares.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>

#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

// How long a spare carrier sleeps before it ends. As in tokio's blocking pool.
constexpr std::chrono::seconds keep_alive(10);

}  // namespace

void spares::reserve(std::size_t workers) {
  idle_.reserve(workers);
  unmanned_.reserve(workers);
  free_places_.reserve(workers);
  places_.reserve(workers);
}

template <class F>
worker* spares::take_one(F&& start) noexcept {
  worker* one = nullptr;
  if (!idle_.empty()) {
    one = idle_.back();
    idle_.pop_back();
    lock_.unlock();
    return one;
  }
  ++started_;
  if (!unmanned_.empty()) {
    one = unmanned_.back();
    unmanned_.pop_back();
  }
  lock_.unlock();
  if (start(one)) return one;
  lock_.lock();
  --started_;
  if (one != nullptr) unmanned_.push_back(one);
  // Calls that came meanwhile count on this spare. They go on without, as the caller does: each
  // holds its carrier up.
  detail::wait_node* const all = waiting_.take_all();
  lock_.unlock();
  detail::wake_all(all, status::ok);
  return nullptr;
}

worker* spares::take_one() noexcept {
  return take_one([this](worker*& one) { return scheduler_.start_spare(one); });
}

worker* spares::take_successor() noexcept {
  lock_.lock();
  return take_one([this](worker*& one) { return scheduler_.watching().start_spare(one); });
}

// The successor counts in place of the holder. But if the place was overstayed in, the holder did
// not count before; then the successor, which can leave at once, counts anew.
void spares::begin_retired(place& left) noexcept {
  const std::scoped_lock guard(lock_);
  retired_.fetch_add(1, std::memory_order_relaxed);
  if (!std::exchange(left.overstayed, false)) --started_;
}

void spares::end_retired(worker& self) noexcept {
  const std::scoped_lock guard(lock_);
  retired_.fetch_sub(1, std::memory_order_relaxed);
  unmanned_.push_back(&self);  // reserved: never allocates
}

worker* spares::take(std::int64_t deadline, status& end) noexcept {
  lock_.lock();
  if (!idle_.empty() || started_ < most_) return take_one();
  worker* given = nullptr;
  end = detail::wait_in_until(waiting_, lock_, &given, deadline,
                              "blocking: all spare carriers are in use");
  return given;
}

worker* spares::take_free() noexcept {
  lock_.lock();
  if (!idle_.empty() || started_ < most_) return take_one();
  lock_.unlock();
  return nullptr;
}

bool spares::wait(worker& self) noexcept {
  self.its_bed().make();
  lock_.lock();
  if (scheduler_.stopping()) {
    lock_.unlock();
    return false;
  }
  if (detail::wait_node* const first = waiting_.pop()) {
    *static_cast<worker**>(first->slot) = &self;
    lock_.unlock();
    detail::wake(*first->owner, status::ok);
    self.its_bed().await_wake_up();
    return !scheduler_.stopping();
  }
  if (started_ > most_) {  // another spare was started while this one overstayed
    --started_;
    unmanned_.push_back(&self);
    lock_.unlock();
    return false;
  }
  idle_.push_back(&self);  // reserved: never allocates
  lock_.unlock();
  const std::int64_t until = detail::monotonic_now() + std::chrono::nanoseconds(keep_alive).count();
  if (!self.its_bed().await_wake_up_until(until)) {
    const std::scoped_lock guard(lock_);
    const auto at = std::find(idle_.begin(), idle_.end(), &self);
    if (at != idle_.end()) {
      idle_.erase(at);
      unmanned_.push_back(&self);
      --started_;
      return false;
    }
  }
  self.its_bed().await_wake_up();  // it was taken meanwhile: its taker sends it now
  return !scheduler_.stopping();
}

void spares::begin_extra(worker& held) noexcept {
  extra_.fetch_add(1, std::memory_order_relaxed);
  held.its_queue().share();
}

void spares::drop_extra() noexcept {
  extra_.fetch_sub(1, std::memory_order_release);  // (X)
}

place* spares::open_extra(worker& held) noexcept {
  worker* const one = take_free();
  if (one == nullptr) {
    drop_extra();
    return nullptr;
  }
  place* opened = nullptr;
  try {
    const std::scoped_lock guard(lock_);
    if (free_places_.empty()) {
      // There is room: there are never more open places than workers.
      places_.push_back(std::make_unique<place>(*held.its_place().last_timers()));
      opened = places_.back().get();
    } else {
      opened = free_places_.back();
      free_places_.pop_back();
      opened->timers = held.its_place().last_timers();
      opened->closing.store(false, std::memory_order_relaxed);
    }
  } catch (const std::bad_alloc&) {
    one->send_on({});  // back to its bed
    drop_extra();
    return nullptr;
  }
  one->send_on({.extra = opened});
  return opened;
}

void spares::close_extra(place& one) noexcept {
  worker* const holder = one.holder.load(std::memory_order_acquire);  // (U)
  one.closing.store(true, std::memory_order_relaxed);
  if (holder != nullptr) holder->summon();  // a sleeper would keep the place, and be no spare
}

void spares::overstay(place& one) noexcept {
  one.overstayed = true;
  lock_.lock();
  --started_;
  detail::wait_node* const first = started_ < most_ ? waiting_.pop() : nullptr;
  if (first == nullptr) return lock_.unlock();
  *static_cast<worker**>(first->slot) = take_one();
  detail::wake(*first->owner, status::ok);
}

void spares::left_extra(place& one) noexcept {
  {
    const std::scoped_lock guard(lock_);
    if (std::exchange(one.overstayed, false)) ++started_;
    one.holder.store(nullptr, std::memory_order_relaxed);
    free_places_.push_back(&one);
  }
  drop_extra();
}

void spares::stop() noexcept {
  const std::scoped_lock guard(lock_);
  for (worker* one : idle_) one->its_bed().wake_up();
  idle_.clear();
}

}  // namespace hilo::sched
