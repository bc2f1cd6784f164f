// The sleep of a worker that found no work: runtime/sched/idling/sleep.cpp, step by step.
#include <algorithm>
#include <utility>

#include "bench/scaling/runtime.hpp"

namespace scaling {

step<void> worker::sleep() {
  constexpr picoseconds first_watch = microseconds(20), longest_watch = microseconds(200);
  constexpr int vain_naps = 3;
  if (!shared_) {
    co_await machine_.turn(thread_);
    (void)co_await machine_.sleep(thread_, forever);
    co_return;
  }
  idle_workers& idle = home_.idle();
  machine_.turn_to(thread_, doing::search);
  machine_.spend(thread_, home_.price().clock);
  co_await machine_.write(thread_, bed_line_);
  woken_ = false;
  worker* other = co_await find_behind();
  const bool in_vain = woken_at_ == tick_;
  int naps_left = other != nullptr ? vain_naps : in_vain ? vain_naps - 1 : 0;
  bool watching = false;
  if (other != nullptr || in_vain) watching = co_await idle.begin_watch(*this);
  co_await idle.enter(*this, std::exchange(searching_, false));
  co_await ask_for_forks();
  co_await look_at_lives();
  const bool work = co_await work_somewhere();
  picoseconds nap = first_watch;
  worker* slow = nullptr;
  sight then;
  while (!work && !woken_) {
    other = co_await find_behind();
    if (other != nullptr) naps_left = vain_naps;
    const bool worth = other != nullptr || naps_left-- > 0;
    if (watching && !worth) {
      co_await idle.end_watch(*this);
      watching = false;
      continue;
    }
    if (worth && !watching) watching = co_await idle.begin_watch(*this);
    const picoseconds start = thread_.now;
    if (watching) {
      if (other != nullptr) then = co_await other->look(*this);
      ++naps;
    }
    (void)co_await doze(watching ? start + nap : forever);
    machine_.spend(thread_, home_.price().clock);
    co_await machine_.read(thread_, bed_line_);
    if (watching && other != nullptr) {
      const bool late = co_await other->overdue(*this, then, thread_.now - start);
      if (late) {
        slow = other;
        break;
      }
    }
    nap = std::min(nap * 2, longest_watch);
  }
  if (watching) co_await idle.end_watch(*this);
  const bool left = co_await idle.leave(*this);
  searching_ = true;
  if (left) {
    if (slow != nullptr) {
      fiber* const one = co_await slow->steal_behind(*this, then);
      if (one != nullptr) co_await put_last(*one);
    }
  } else {
    woken_at_ = tick_;
    // A publisher took this worker out of the sleepers, and wakes it.
    (void)co_await doze(forever);
  }
  machine_.turn_to(thread_, doing::work);
}

// As long as a thread waits for the last fiber, each worker that falls asleep looks whether all
// have ended: scheduler::idle_reached().
step<void> worker::look_at_lives() {
  for (unsigned i = 0; i < home_.carriers(); ++i) {
    co_await machine_.read(thread_, home_.at(i).counts_line_);
  }
}

// The kernel compares the word once more, and does not let the thread sleep if it was woken
// meanwhile.
step<bool> worker::doze(picoseconds until) {
  co_await machine_.read(thread_, bed_line_);
  if (woken_) co_return false;
  machine_.spend(thread_, home_.price().system_call);
  co_await machine_.turn(thread_);
  if (woken_) co_return false;
  co_return co_await machine_.sleep(thread_, until);
}

step<void> worker::wake_up(worker& by) {
  co_await machine_.update(by.thread_, bed_line_);
  woken_ = true;
  if (!thread_.asleep) {
    machine_.spend(by.thread_, home_.price().system_call);
    co_return;
  }
  machine_.wake(by.thread_, thread_);
  machine_.spend(by.thread_, home_.price().futex_wake);
}

}  // namespace scaling
