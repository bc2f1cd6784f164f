// A fiber that blocks its kernel thread: how its worker gives the place away, and how a spare gets
// it. The protocol and its words are in spares.hpp, its model is tests/models/hand_over.pml.
//
// Pinned fibers cannot leave their worker, so that keeps its place and queue, and an extra place is
// opened beside it, as for one that blocks by surprise. Nor can calls in flight of a ring leave the
// kernel thread that issued them: then the worker stays as it is, and the fiber goes to the spare.
#include "hilo/blocking.hpp"

#include <utility>

#include "hilo/detail/decision.hpp"

#include "runtime/sched/blocking.hpp"
#include "runtime/sched/forked_fiber.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {

bool worker::take_place_back() noexcept {
  if (place_ == nullptr) return false;  // a spare that carries the fiber
  if (offer_.load(std::memory_order_relaxed) == kept) return true;  // there was no spare
  std::uint32_t expected = offered;
  // (H2) acquire: nobody wrote meanwhile, but for thieves, who look after themselves
  if (offer_.compare_exchange_strong(expected, kept, std::memory_order_acq_rel,
                                     std::memory_order_relaxed)) {
    return true;
  }
  // (H4) acquire: the spare is through with our queue. It moves some hundred fibers at most.
  while (offer_.load(std::memory_order_acquire) != moved) base::cpu_relax();
  place_ = nullptr;
  offer_.store(kept,
               std::memory_order_relaxed);  // (H5) nobody else looks: we are no worker's spare
  return false;
}

void worker::send_to(worker* held, place* extra) noexcept {
  errand_held_ = held;
  errand_place_ = extra;
  wake_up();  // (K1) publishes them
}

// To a spare that was taken: run the call of `one`, which is about to leave its worker.
void worker::carry(fiber& one) noexcept {
  errand_fiber_ = &one;
  wake_up();  // (K1) publishes it
}

// Takes the place of `held`, and all that waits there. False: it came back first.
bool worker::stand_in_for(worker& held) noexcept {
  std::uint32_t expected = offered;
  // (H3) acquire: what the old carrier put into the queue is seen
  if (!held.offer_.compare_exchange_strong(expected, moving, std::memory_order_acq_rel,
                                           std::memory_order_relaxed)) {
    return false;
  }
  hold(*held.place_);
  shared_.store(held.shared() || shares_for_good(), std::memory_order_relaxed);
  std::swap(caches_, held.caches_);  // ours were given back before the sleep
  // Thieves may take some meanwhile; so we are one of them.
  for (auto [from, to] : {std::pair{&held.spawned_, &spawned_}, {&held.ready_, &ready_}}) {
    while (from->size() != 0) {
      if (fiber* one = from->steal()) (void)to->push(one);  // ours is empty, and as large
    }
  }
  fiber* const next = held.slot_.exchange(nullptr, std::memory_order_seq_cst);
  if (next != nullptr) (void)fill_slot(next);
  held.offer_.store(moved, std::memory_order_release);  // (H4)
  // Who looked for them between the two rings saw neither.
  if (shared()) scheduler_.idle().published();
  return true;
}

// On the base, without a place: sleeps among the spares until somebody sent it somewhere. False:
// the carrier ends.
bool worker::find_place() noexcept {
  set_current_worker(nullptr);  // what this thread wakes is not for our queue
  if (errand_held_ == nullptr && errand_place_ == nullptr && errand_fiber_ == nullptr) {
    activity_.store(activity::spare, std::memory_order_relaxed);
    for (auto& cache : caches_) cache.spill_all();
    if (fiber* const one = std::exchange(returning_, nullptr)) scheduler_.inject(*one);
    full_barrier();  // as the entry to a sleep is one: see scheduler::idle_reached()
    scheduler_.idle_reached();
    if (!scheduler_.spare().wait(*this)) return false;
  }
  set_current_worker(this);
  if (fiber* const one = std::exchange(errand_fiber_, nullptr)) {
    one->context.wait_off_cpu();
    switch_to(*one);  // comes back when its call has returned
    return true;
  }
  worker* const held = std::exchange(errand_held_, nullptr);
  place* const extra = std::exchange(errand_place_, nullptr);
  if (extra != nullptr) {
    hold(*extra);
    shared_.store(true, std::memory_order_relaxed);
  } else if (held == nullptr || !stand_in_for(*held)) {
    return true;
  }
  activity_.store(activity::running, std::memory_order_relaxed);
  return true;
}

// Gives all fibers in the slot and the rings to the others. The worker is shared.
void worker::give_away() noexcept {
  if (fiber* const one = slot_.exchange(nullptr, std::memory_order_seq_cst)) {
    scheduler_.inject(*one);
  }
  for (work_ring* ring : {&ready_, &spawned_}) {
    while (fiber* const one = ring->take_oldest(true)) scheduler_.inject(*one);
  }
}

// On the base: gives all that waits here to the others, and an extra place back.
void worker::leave_place() noexcept {
  if (has_io()) port_->evacuate();
  give_away();
  if (std::exchange(searching_, false)) end_search();  // who published may have left it to us
  scheduler_.spare().left_extra(*std::exchange(place_, nullptr));
  if (common_port() != nullptr) scheduler_.idle().published();  // we will not wait there
}

worker* begin_blocking_within(std::int64_t deadline, status& end) noexcept {
  worker* here = current_worker();
  if (here == nullptr) return nullptr;
  if (detail::simulating()) detail::refuse_simulated("hilo::blocking");
  if (!here->forks->empty()) here->offer_forks();  // as before a park
  spares& spares = here->home().spare();
  worker* spare = nullptr;
  // No other fiber relies on a retired carrier, nor gets a thread that it made (retire.cpp).
  const bool alone = here->retired();
  if (!alone && !here->has_pinned()) {
    spare = spares.take(deadline, end);
    if (end != status::ok) return nullptr;
    here = current_worker();  // take() may have parked
  }
  if (spare != nullptr && here->has_pinned()) {
    spare->send_to(nullptr, nullptr);  // pinned in between: it stays
    spare = nullptr;
  } else if (spare != nullptr && here->has_io()) {
    spare->carry(here->running());
    fiber* const next = here->pick();
    here->switch_to(next != nullptr ? *next : here->base());
    here = current_worker();  // the spare
  } else if (spare != nullptr) {
    here->offer_place();
    spare->send_to(here, nullptr);
  }
  if (!alone && spare == nullptr && here->has_pinned()) {
    spares.begin_extra(*here);
    here->beside = spares.open_extra(*here);
  }
  detail::stand_for(here->forks);  // a mutex that the fiber holds is still its own
  set_current_worker(nullptr);
  return here;
}

}  // namespace hilo::sched

namespace hilo::detail {

using sched::worker;

worker* begin_blocking() noexcept {
  status end = status::ok;
  return sched::begin_blocking_within(until_woken, end);
}

void end_blocking(worker* held) noexcept {
  if (held == nullptr) return;
  stand_for(nullptr);
  if (held->home().left_behind()) return sched::go_on_as_thread(held->running());
  if (sched::place* const extra = std::exchange(held->beside, nullptr)) {
    held->home().spare().close_extra(*extra);
    sched::set_current_worker(held);
    return;
  }
  const bool here = held->take_place_back();
  sched::set_current_worker(held);
  if (here) return;
  held->return_later(held->running());
  held->switch_to(held->base());
}

}  // namespace hilo::detail
