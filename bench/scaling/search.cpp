// How a worker takes fibers from others: runtime/sched/queues/steal.cpp, step by step.
#include <algorithm>
#include <utility>

#include "bench/scaling/runtime.hpp"

namespace scaling {
namespace {

constexpr int search_rounds = 4;
constexpr unsigned relax_between_rounds = 64;
constexpr picoseconds worth_a_theft = microseconds(20);

}  // namespace

step<fiber*> worker::search() {
  if (!shared_) co_return nullptr;
  machine_.turn_to(thread_, doing::search);
  if (!searching_) searching_ = co_await home_.idle().begin_search(*this, home_.carriers());
  fiber* found = nullptr;
  if (searching_) ++searches;
  for (int round = 0; searching_ && found == nullptr && round < search_rounds; ++round) {
    if (round != 0) relax(relax_between_rounds);
    co_await ask_for_forks();
    const unsigned start = static_cast<unsigned>(random_()) % home_.carriers();
    for (unsigned i = 0; i < home_.carriers() && found == nullptr; ++i) {
      worker& victim = home_.at((start + i) % home_.carriers());
      if (&victim == this) continue;
      machine_.spend(thread_, home_.price().look);
      found = co_await victim.steal_half(*this, victim.spawned_, spawned_);
    }
    if (found == nullptr) found = co_await take_injected(false);
  }
  machine_.turn_to(thread_, doing::work);
  co_return found;
}

// Takes a fiber from a ring of this worker, and moves up to half of the ring to the thief.
step<fiber*> worker::steal_half(worker& thief, ring& from, ring& into) {
  fiber* first = nullptr;
  const std::uint32_t size = co_await from.size(machine_, thief.thread_);
  for (std::uint32_t wanted = (size + 1) / 2; wanted != 0; --wanted) {
    fiber* const one = co_await from.steal(machine_, thief.thread_);
    if (one == nullptr) break;
    ++thief.stolen;
    if (first == nullptr) {
      first = one;
      continue;
    }
    const bool pushed = co_await into.push(machine_, thief.thread_, *one);
    if (pushed) continue;
    fiber_list single;
    single.push(*one);
    co_await home_.injected().push(thief, single);
    co_await home_.idle().published(thief);
    break;
  }
  co_return first;
}

step<void> worker::end_search() {
  const bool last = co_await home_.idle().end_search(*this);
  if (!last) co_return;
  bool more = co_await work_somewhere();
  if (!more) more = co_await some_behind(*this);
  if (!more) more = co_await find_behind() != nullptr;
  if (more) co_await home_.idle().published(*this);
}

step<bool> worker::work_somewhere() {
  const std::size_t injected = co_await home_.injected().size(*this);
  if (injected != 0) co_return true;
  for (unsigned i = 0; i < home_.carriers(); ++i) {
    machine_.spend(thread_, home_.price().look);
    const std::uint32_t size = co_await home_.at(i).spawned_.size(machine_, thread_);
    if (size != 0) co_return true;
  }
  co_return false;
}

step<bool> worker::some_behind(worker& by) {
  co_await machine_.read(by.thread_, slot_line_);
  if (slot_ != nullptr) co_return true;
  const std::uint32_t size = co_await ready_.size(machine_, by.thread_);
  co_return size != 0;
}

step<worker*> worker::find_behind() {
  const unsigned start = static_cast<unsigned>(random_()) % home_.carriers();
  for (unsigned i = 0; shared_ && i < home_.carriers(); ++i) {
    worker& other = home_.at((start + i) % home_.carriers());
    if (&other == this) continue;
    machine_.spend(thread_, home_.price().look);
    const bool some = co_await other.some_behind(*this);
    if (some) co_return &other;
  }
  co_return nullptr;
}

step<worker::sight> worker::look(worker& by) {
  co_await machine_.read(by.thread_, turns_line_);
  sight seen;
  seen.tick = tick_;
  seen.taken = co_await ready_.taken(machine_, by.thread_);
  seen.ready = co_await ready_.size(machine_, by.thread_);
  co_return seen;
}

step<bool> worker::overdue(worker& by, sight then, picoseconds time) {
  co_await machine_.read(by.thread_, slot_line_);
  const bool filled = slot_ != nullptr;
  const sight now = co_await look(by);
  if (filled && now.tick == then.tick) co_return true;
  const std::uint32_t taken = std::max(1U, now.taken - then.taken);
  co_return picoseconds{std::min(then.ready, now.ready)} * time >= worth_a_theft* taken;
}

step<fiber*> worker::steal_behind(worker& thief, sight then) {
  co_await machine_.read(thief.thread_, slot_line_);
  if (slot_ != nullptr) {
    co_await machine_.read(thief.thread_, turns_line_);
    if (tick_ == then.tick) {
      co_await machine_.update(thief.thread_, slot_line_);
      if (fiber* const one = std::exchange(slot_, nullptr)) {
        ++thief.stolen;
        co_return one;
      }
    }
  }
  co_return co_await steal_half(thief, ready_, thief.ready_);
}

// --- Forks --------------------------------------------------------------------------------------

step<void> worker::ask_for_forks() {
  for (unsigned i = 0; i < home_.carriers(); ++i) {
    worker& other = home_.at(i);
    if (&other == this) continue;
    co_await machine_.read(thread_, other.wanted_line_);
    if (other.wanted_) continue;
    co_await machine_.update(thread_, other.wanted_line_);
    other.wanted_ = true;
  }
}

step<bool> worker::is_wanted(worker& by) {
  co_await machine_.read(by.thread_, wanted_line_);
  co_return wanted_;
}

step<void> worker::unwant(worker& by) {
  co_await machine_.update(by.thread_, wanted_line_);
  wanted_ = false;
}

}  // namespace scaling
