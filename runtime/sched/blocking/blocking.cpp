// A fiber that blocks its kernel thread: how its worker gives its place away, and how a spare takes
// it. The protocol and its words are in spares.hpp. Its model is tests/models/hand_over.pml.
//
// Pinned fibers cannot leave their worker. So a worker with pinned fibers keeps its place and its
// queue, and an extra place is opened beside it, as for a worker that blocks by surprise. A ring's
// calls in flight cannot leave the kernel thread that issued them. So a worker with such calls
// stays as it is, and the fiber goes to the spare.
#include "hilo/blocking.hpp"

#include <utility>

#include "hilo/detail/decision.hpp"

#include "runtime/sched/blocking/blocking.hpp"
#include "runtime/sched/fibers/forked_fiber.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {

// Takes the place of `held` and all fibers that wait there. False: the call of `held` returned
// first.
bool worker::stand_in_for(worker& held) noexcept {
  if (!place_.begin_taking(*this, held.place_)) return false;
  queue_.set_shared(held.queue_.shared() || carrier_.shares_for_good());
  std::swap(caches_, held.caches_);  // ours were given back before the sleep
  queue_.take_over(held.queue_);
  place_.end_taking(held.place_);
  // A thief that looked while the fibers moved from ring to ring saw them in neither.
  if (queue_.shared()) scheduler_.idle().published();
  return true;
}

// Called on the base, without a place: sleeps among the spares until another thread sends this
// worker on an errand. False: the carrier ends.
bool worker::find_place() noexcept {
  set_current_worker(nullptr);  // fibers that this thread wakes must not enter our queue
  if (!place_.next_errand.any()) {
    activity_.store(activity::spare, std::memory_order_relaxed);
    spill_caches();
    if (fiber* const one = std::exchange(returning_, nullptr)) scheduler_.inject(*one);
    full_barrier();  // as at the entry to a sleep: see scheduler::idle_reached()
    scheduler_.idle_reached();
    if (!scheduler_.spare().wait(*this)) return false;
  }
  set_current_worker(this);
  const held_place::errand errand = std::exchange(place_.next_errand, {});
  if (errand.carried != nullptr) {
    run_on_base(*errand.carried);  // comes back when its call has returned
    return true;
  }
  if (errand.extra != nullptr) {
    place_.take(*this, *errand.extra);
    queue_.set_shared(true);
  } else if (errand.held == nullptr || !stand_in_for(*errand.held)) {
    return true;
  }
  activity_.store(activity::running, std::memory_order_relaxed);
  return true;
}

// Called on the base: gives all fibers that wait here to the others, and gives an extra place back.
// Timers that were armed here stay in the wheel that this place shares with a worker's own place.
// The holder of that place may sleep until a later timer, or without end. So it is woken: it is
// found among the sleepers, or it enters them after this and then looks at the wheel, as with mail.
void worker::leave_place() noexcept {
  const timer_wheel& armed = timers();
  if (has_io()) port_->evacuate();
  queue_.give_away();
  if (std::exchange(searching_, false)) end_search();  // a publisher may have left a wake-up to us
  scheduler_.spare().left_extra(place_.leave());
  if (armed.next_ns() != timer_wheel::never) {
    scheduler_.idle().wake_holder(scheduler_.place_of(armed));
  }
  if (common_port() != nullptr) scheduler_.idle().published();  // we will not wait there any more
}

worker* begin_blocking_within(std::int64_t deadline, status& end) noexcept {
  worker* here = current_worker();
  if (here == nullptr) return nullptr;
  if (detail::simulating()) detail::refuse_simulated("hilo::blocking");
  if (!here->forks->empty()) here->offer_forks();  // as before a park
  spares& spares = here->home().spare();
  worker* spare = nullptr;
  // No other fiber may rely on a retired carrier or get a thread that the carrier made
  // (retire.cpp).
  const bool alone = here->retired();
  if (!alone && !here->has_pinned()) {
    spare = spares.take(deadline, end);
    if (end != status::ok) return nullptr;
    here = current_worker();  // take() may have parked
  }
  if (spare != nullptr && here->has_pinned()) {
    spare->send_on({});  // a fiber was pinned meanwhile: the worker stays
    spare = nullptr;
  } else if (spare != nullptr && here->has_io()) {
    spare->send_on({.carried = &here->running()});
    fiber* const next = here->pick_after(trace_what::moves);
    here->switch_to(next != nullptr ? *next : here->base());
    here = current_worker();  // the spare
  } else if (spare != nullptr) {
    if (here->trace().on()) [[unlikely]]
      here->trace().note(trace_what::hands_over, &here->running(), spare->index());
    here->its_place().offer();
    spare->send_on({.held = here});
  }
  if (!alone && spare == nullptr && here->has_pinned()) {
    spares.begin_extra(*here);
    here->its_place().beside = spares.open_extra(*here);
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
  if (sched::place* const extra = std::exchange(held->its_place().beside, nullptr)) {
    held->home().spare().close_extra(*extra);
    sched::set_current_worker(held);
    return;
  }
  const bool here = held->its_place().take_back();
  sched::set_current_worker(held);
  if (here) {
    if (held->trace().on()) [[unlikely]]
      held->trace().note(sched::trace_what::takes_back, &held->running(), 0);
    return;
  }
  if (held->trace().on()) [[unlikely]]
    held->trace().leaves(sched::trace_what::yields);
  held->return_later(held->running());
  held->switch_to(held->base());
}

}  // namespace hilo::detail
