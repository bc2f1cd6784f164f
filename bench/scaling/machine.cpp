#include "bench/scaling/machine.hpp"

#include <algorithm>
#include <cmath>

#include "bench/scaling/step.hpp"

namespace scaling {

const char* const part_names[parts] = {"top",      "bottom", "slots", "slot", "turns",
                                       "counts",   "wanted", "bed",   "idle", "sleepers",
                                       "injector", "pool",   "fiber", "join", "channel",
                                       "waiters",  "values", "mutex", "data"};

namespace {

std::vector<std::bitset<most_cpus>> divide(unsigned size) {
  std::vector<std::bitset<most_cpus>> parts(most_cpus / size + 1);
  for (unsigned i = 0; i < most_cpus; ++i) parts[i / size].set(i);
  return parts;
}

unsigned part_size(double size) {
  return static_cast<unsigned>(std::min(size, double(most_cpus)));
}

}  // namespace

picoseconds to_ps(double ns) noexcept {
  return static_cast<picoseconds>(std::llround(ns * 1000));
}

machine::machine(const costs& inputs, unsigned cpus, unsigned threads)
    : group_size_(part_size(inputs.group_size)),
      socket_size_(part_size(inputs.socket_size)),
      near_(to_ps(inputs.near)),
      group_(to_ps(inputs.group)),
      socket_(to_ps(inputs.socket)),
      locked_(to_ps(inputs.locked)),
      wake_latency_(to_ps(inputs.wake_latency)),
      nap_late_(to_ps(inputs.nap_late)),
      kernel_switch_(to_ps(inputs.kernel_switch)),
      slice_(to_ps(inputs.slice)),
      rewrite_(inputs.rewrite),
      follow_(inputs.follow),
      groups_(divide(group_size_)),
      sockets_(divide(socket_size_)),
      cpus_(cpus),
      threads_(threads) {
  for (unsigned i = 0; i < threads; ++i) threads_[i].cpu = i % cpus;
}

void machine::add(picoseconds at, thread& whose, std::uint64_t sleep) {
  events_.push({at, ++order_, &whose, sleep});
}

void machine::begin(thread& one, std::coroutine_handle<> first) {
  one.next = first;
  cpu& place = cpus_[one.cpu];
  if (place.running == nullptr) {
    place.running = &one;
    place.slice_end = slice_;
    add(0, one, 0);
  } else {
    one.ready = true;
    place.ready.push_back(&one);
  }
}

bool machine::run() {
  while (!stopped_) {
    if (events_.empty()) return false;
    const event next = events_.top();
    events_.pop();
    thread& one = *next.whose;
    if (next.sleep != 0) {
      if (!one.asleep || one.sleeps != next.sleep) continue;  // it was woken before
      one.timed_out = true;
      make_ready(one, next.at);
      continue;
    }
    run_steps(one.next);
  }
  return true;
}

// --- Threads and CPUs ---------------------------------------------------------------------------

bool machine::must_leave(const thread& one) const noexcept {
  const cpu& place = cpus_[one.cpu];
  return !place.ready.empty() && one.now >= place.slice_end;
}

bool machine::in_turn(const thread& one) const noexcept {
  return (events_.empty() || one.now < events_.top().at) && !must_leave(one) && !stopped_;
}

void machine::postpone(thread& one, std::coroutine_handle<> self) {
  if (must_leave(one)) return give_way(one, self);
  one.next = self;
  add(one.now, one, 0);
}

void machine::give_way(thread& one, std::coroutine_handle<> self) {
  one.next = self;
  cpu& place = cpus_[one.cpu];
  if (place.ready.empty()) return add(one.now, one, 0);
  account(one, one.now);
  one.ready = true;
  place.ready.push_back(&one);
  run_next_of(one.cpu, one.now);
}

// The thread at the head of the CPU's queue runs; if there is none, the CPU is idle.
void machine::run_next_of(unsigned number, picoseconds at) {
  cpu& place = cpus_[number];
  if (place.ready.empty()) {
    place.running = nullptr;
    return;
  }
  thread& one = *place.ready.front();
  place.ready.pop_front();
  one.now = std::max(one.now, at) + kernel_switch_;
  account(one, one.now);
  one.ready = false;
  place.running = &one;
  place.slice_end = one.now + slice_;
  add(one.now, one, 0);
}

void machine::fall_asleep(thread& one, std::coroutine_handle<> self, picoseconds until) {
  account(one, one.now);
  one.next = self;
  one.asleep = true;
  one.timed_out = false;
  ++one.sleeps;
  if (until != forever) add(std::max(until, one.now) + nap_late_, one, one.sleeps);
  run_next_of(one.cpu, one.now);
}

void machine::wake(const thread& by, thread& sleeper) {
  make_ready(sleeper, by.now + wake_latency_);
}

// Its own CPU if that is idle, else the first one that is, else the one where the fewest wait.
unsigned machine::choose_cpu(const thread& one) const noexcept {
  if (cpus_[one.cpu].running == nullptr) return one.cpu;
  unsigned best = one.cpu;
  for (unsigned i = 0; i < cpus_.size(); ++i) {
    if (cpus_[i].running == nullptr) return i;
    if (cpus_[i].ready.size() < cpus_[best].ready.size()) best = i;
  }
  return best;
}

void machine::make_ready(thread& one, picoseconds at) {
  account(one, at);
  one.asleep = false;
  one.now = at;
  one.cpu = choose_cpu(one);
  cpu& place = cpus_[one.cpu];
  if (place.running != nullptr) {
    one.ready = true;
    place.ready.push_back(&one);
    return;
  }
  place.running = &one;
  place.slice_end = at + slice_;
  add(at, one, 0);
}

void machine::account(thread& one, picoseconds at) noexcept {
  const doing what = one.asleep ? doing::sleep : one.ready ? doing::wait_for_cpu : one.what;
  const picoseconds until = one.asleep || one.ready ? std::max(at, one.since) : one.now;
  one.times[std::size_t(what)] += until - one.since;
  one.since = until;
}

void machine::turn_to(thread& one, doing what) noexcept {
  if (one.what == what) return;
  account(one, one.now);
  one.what = what;
}

// --- Cache lines --------------------------------------------------------------------------------

picoseconds machine::distance(unsigned from, unsigned to) const noexcept {
  if (from == to) return 0;
  if (from / group_size_ == to / group_size_) return near_;
  return from / socket_size_ == to / socket_size_ ? group_ : socket_;
}

// From a CPU to the farthest other holder of a line.
picoseconds machine::to_farthest(unsigned from, const line& one) const noexcept {
  std::bitset<most_cpus> others = one.holders;
  others.reset(from);
  if (others.none()) return 0;
  if ((others & ~sockets_[from / socket_size_]).any()) return socket_;
  return (others & ~groups_[from / group_size_]).any() ? group_ : near_;
}

void machine::bring(const thread& by, line& one) noexcept {
  one.owner = by.cpu;
  one.holders.reset();
  one.holders.set(by.cpu);
  one.changed = true;
}

void machine::touch(thread& by, line* which, kind how) noexcept {
  if (which == nullptr) return;
  line& one = *which;
  const unsigned here = by.cpu;
  if (how == kind::update) {
    by.now = std::max(by.now, by.stored_at) + locked_;
  }
  if (one.owner == line::nobody) {
    return bring(by, one);
  }
  if (how == kind::read) {
    if (one.holders.test(here)) return;
    // A changed line comes from its owner, one reader after the other; copies come side by side.
    const picoseconds start = one.changed ? std::max(by.now, one.free_at) : by.now;
    by.now = start + distance(one.owner, here);
    if (one.changed) one.free_at = by.now;
    one.changed = false;
    one.holders.set(here);
    ++transfers_[std::size_t(one.of)];
    return;
  }
  if (one.owner == here && one.changed) return;
  picoseconds time = to_farthest(here, one);
  if (how == kind::rewrite) time = static_cast<picoseconds>(double(time) * rewrite_);
  if (how == kind::follow) time = static_cast<picoseconds>(double(time) * follow_);
  const picoseconds start = std::max(by.now, one.free_at);
  one.free_at = start + time;
  if (how == kind::write) {
    by.stored_at = std::max(by.stored_at, one.free_at);
  } else {
    by.now = one.free_at;
  }
  bring(by, one);
  ++transfers_[std::size_t(one.of)];
}

}  // namespace scaling
