#include "runtime/sched/worker.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <cxxabi.h>
#include <pthread.h>

#include "hilo/fiber.hpp"

#include "runtime/base/check.hpp"
#include "runtime/context/guard_report.hpp"
#include "runtime/thread/cpu.hpp"

namespace hilo::sched {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

// How long a searcher looks before it sleeps, and how a watcher naps.
constexpr int search_rounds = 4;          // as Go
constexpr int relax_between_rounds = 64;  // guess: some 2 us in all
constexpr nanoseconds first_nap = microseconds(20);
constexpr nanoseconds longest_nap = microseconds(200);
constexpr std::size_t most_injected = 64;  // fibers taken from the injector at a time

sys::futex_clock::time_point to_time(std::int64_t ns) {
  return sys::futex_clock::time_point(nanoseconds(ns));
}

}  // namespace

worker::worker(scheduler& owner, unsigned index)
    : scheduler_(owner),
      shared_(owner.workers() > 1),
      index_(index),
      random_state_(index * 0x9e3779b9U + 0x7f4a7c15U),
      timers_(detail::monotonic_now()) {
  forks = &base_;
  HILO_CHECK(static_cast<void*>(static_cast<detail::carrier*>(this)) == this,
             "a worker does not start with its carrier");
}

void worker::run() {
  const context::alternate_stack signals;
  set_current_worker(this);
  exceptions_ = reinterpret_cast<exception_globals*>(abi::__cxa_get_globals());
  thread_pointer_ = kernel::cpu::thread_pointer();
  if constexpr (context::sanitizing) {
    pthread_attr_t attributes;
    void* low = nullptr;
    std::size_t bytes = 0;
    if (::pthread_getattr_np(::pthread_self(), &attributes) == 0) {
      ::pthread_attr_getstack(&attributes, &low, &bytes);
      ::pthread_attr_destroy(&attributes);
    }
    base_.context.sanitizer.adopt(low, bytes);
  }
  while (true) {
    fiber* next = take();
    if (next == nullptr && timers_.next_ns() <= detail::monotonic_now()) {
      timers_.advance(detail::monotonic_now());
      next = take();
    }
    if (next == nullptr) next = search();
    if (next != nullptr) {
      if (searching_) {
        searching_ = false;
        if (scheduler_.idle().end_search()) scheduler_.idle().published();
      }
      next->context.wait_off_cpu();
      switch_to(*next);
      continue;
    }
    if (scheduler_.stopping()) break;
    sleep();
  }
  set_current_worker(nullptr);
}

// The switch where one of the two keeps more than registers. The exception globals of a fiber with
// a thread block are in that block, and so is its carrier's worker, for the accessor to find.
std::uint32_t worker::switch_keeping(fiber& to, bool dying) noexcept {
  fiber& from = running();
  if (((from.keeps | to.keeps) & keeps::fp_control) != 0) {
    const context::fp_control now = context::read_fp_control();
    const bool has_own = (from.keeps & keeps::fp_control) != 0;
    (has_own ? from.fp : fp_) = now;
    context::write_fp_control((to.keeps & keeps::fp_control) != 0 ? to.fp : fp_);
  }
  if (from.own == nullptr) from.exceptions = *exceptions_;
  if (to.own == nullptr) *exceptions_ = to.exceptions;
  to.carrier = this;
  to.started = true;
  forks = &to;
  if (from.own == nullptr && to.own == nullptr) {
    return context::switch_context(from.context, to.context, dying);
  }
  void* thread_pointer = thread_pointer_;
  if (to.own != nullptr) {
    thread_pointer = to.own->thread_pointer();
    set_current_worker_in(thread_pointer, this);
  }
  return context::switch_context_and_tls(from.context, to.context, thread_pointer);
}

// Every poll_period switches: what would otherwise wait until this worker has nothing to do.
fiber* worker::poll() noexcept {
  if (timers_.next_ns() != timer_wheel::never) timers_.advance(detail::monotonic_now());
  return scheduler_.injected() == 0 ? nullptr : take_injected();
}

fiber* worker::take_injected() noexcept {
  const std::size_t share = scheduler_.injected() / scheduler_.workers() + 1;
  fiber* const first = scheduler_.injected_fibers().take(std::min(share, most_injected));
  if (first == nullptr) return nullptr;
  for (fiber* one = first->next_injected; one != nullptr;) {
    fiber* const after = one->next_injected;  // a pushed fiber is no longer ours
    run_later(*one);
    one = after;
  }
  // Who looked for them between the injector and the ring saw neither, and may sleep. A searcher
  // publishes when it ends its search.
  if (shared_ && !searching_ && share > 1) scheduler_.idle().published();
  return first;
}

fiber* worker::steal_for(worker& thief) noexcept {
  fiber* first = nullptr;
  for (work_ring* ring : {&ready_, &spawned_}) {
    work_ring& mine = ring == &ready_ ? thief.ready_ : thief.spawned_;
    std::uint32_t wanted = (ring->size() + 1) / 2;
    for (; wanted != 0; --wanted) {
      fiber* const one = ring->steal();
      if (one == nullptr) break;
      if (first == nullptr) {
        first = one;
      } else if (!mine.push(one)) {
        scheduler_.inject(*one);
        break;
      }
    }
    if (first != nullptr) return first;
  }
  return nullptr;
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

fiber* worker::search() noexcept {
  if (!shared_) return nullptr;
  const auto workers = static_cast<std::uint32_t>(scheduler_.workers());
  if (!searching_ && !(searching_ = scheduler_.idle().begin_search(workers))) return nullptr;
  for (int round = 0; round < search_rounds; ++round) {
    ask_for_forks();
    const std::uint32_t start = random() % workers;
    for (std::uint32_t i = 0; i < workers; ++i) {
      worker& victim = scheduler_.at((start + i) % workers);
      if (&victim == this) continue;
      if (fiber* one = victim.steal_for(*this)) return one;
    }
    if (scheduler_.injected() != 0) {
      if (fiber* one = take_injected()) return one;
    }
    for (int i = 0; i < relax_between_rounds; ++i) base::cpu_relax();
  }
  return nullptr;
}

bool worker::work_somewhere() const noexcept {
  if (scheduler_.injected_fibers().settled_size() != 0) return true;
  for (std::size_t i = 0; i < scheduler_.workers(); ++i) {
    if (scheduler_.at(i).has_surplus()) return true;
  }
  return false;
}

// A worker whose slot is filled, and the switch it was seen at; no worker when there is none.
worker::watched worker::filled_slot() const noexcept {
  for (std::size_t i = 0; shared_ && i < scheduler_.workers(); ++i) {
    worker& other = scheduler_.at(i);
    if (&other != this && other.slot_filled()) return {&other, other.tick()};
  }
  return {};
}

// Sleeps until woken or until a timer is due. A filled slot elsewhere makes one sleeper a watcher:
// it naps, and takes the slot's fiber when its worker ran the same fiber all through a nap.
void worker::sleep() noexcept {
  std::int64_t tidy_at = tidy();
  woken_.store(0, std::memory_order_relaxed);  // nobody wakes us before enter() publishes us
  idle_workers& idle = scheduler_.idle();
  idle.enter(*this, std::exchange(searching_, false));  // (Q1)
  ask_for_forks();
  scheduler_.idle_reached();
  const bool stay = !work_somewhere() && !scheduler_.stopping();  // (Q3)
  nanoseconds nap = first_nap;
  watched stale;
  while (stay && woken_.load(std::memory_order_acquire) == 0) {  // (K2)
    const watched now = filled_slot();  // (Q3), after (Q1) or after the last end_watch()
    const bool watching = now.who != nullptr && idle.begin_watch();
    std::int64_t until = std::min(timers_.next_ns(), tidy_at);
    if (watching) until = std::min(until, detail::monotonic_now() + nap.count());
    if (until == timer_wheel::never) {
      sys::futex_wait(woken_, 0);
    } else {
      sys::futex_wait_until(woken_, 0, to_time(until));
    }
    // The bit goes before slots are looked at again: a slot that is filled meanwhile is either seen
    // in the next round or wakes a sleeper.
    if (watching) idle.end_watch();
    const std::int64_t time = detail::monotonic_now();
    if (timers_.next_ns() <= time) break;
    if (tidy_at <= time) {
      drowsy_ = true;
      break;
    }
    if (watching && now.who->slot_filled() && now.who->tick() == now.tick) {
      stale = now;
      break;
    }
    nap = std::min(nap * 2, longest_nap);
  }
  const bool left = idle.leave(*this);
  searching_ = true;
  if (left) {
    if (stale.who == nullptr) return;
    if (fiber* one = stale.who->steal_slot(stale.tick)) run_later(*one);
    return;
  }
  // A publisher took us out of the sleepers: its store comes within some instructions.
  while (woken_.load(std::memory_order_acquire) == 0) sys::futex_wait(woken_, 0);  // (K2)
}

// Before a sleep: gives back what was not needed. Returns until when to sleep at most.
std::int64_t worker::tidy() noexcept {
  const std::int64_t now = detail::monotonic_now();
  if (std::exchange(drowsy_, false)) {
    for (auto& cache : caches_) cache.spill_all();
  }
  const bool more = scheduler_.tidy_stacks(now);
  if (more) return now;
  for (const auto& cache : caches_) {
    if (!cache.empty()) return now + scheduler::tidy_period;
  }
  return scheduler_.spare_stacks() ? now + scheduler::tidy_period : timer_wheel::never;
}

void worker::wake_up() noexcept {
  woken_.store(1, std::memory_order_release);  // (K1)
  sys::futex_wake_one(&woken_);
}

std::uint32_t worker::random() noexcept {
  // Marsaglia's xorshift32: only spreads thieves over victims.
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 17;
  random_state_ ^= random_state_ << 5;
  return random_state_;
}

}  // namespace hilo::sched
