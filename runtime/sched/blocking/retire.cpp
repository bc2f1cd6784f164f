// Retiring a carrier: this_fiber::taint().
//
// A fiber that changes its kernel thread for good (unshare, setfsuid, ...) must not leave that
// thread to other fibers. So the thread keeps this fiber and all fibers that are pinned to it, and
// nothing else. Its worker gives its place to a successor, which a thread that no fiber changed
// makes (monitor::start_spare). It ends with the last pinned fiber.
//
// A retired worker is in a place of its own (held_place::move_apart) that is closed and overstayed
// in for good (spares.hpp). So called_back() is true as soon as no fiber is pinned, and the base
// then ends the kernel thread. Every path on which other fibers could run here goes through that
// place or through attend():
//
//   pick(), pick_quickly(), pass_turn_to()   attend_at_ is due at every switch: attend() gives away
//                                            fibers in slot and rings, and chooses from the mail
//   a full ring of new fibers                start_at_once() tests retired(), as does blocking.cpp
//   the base                                 carry_pinned() instead of a search
//
// The paths of spawn, wake and yield are the same as everywhere. A fiber that is spawned or woken
// here comes into slot or ring, as beside any fiber that may compute for long. A searcher or a
// watcher finds it there, or the next switch puts it into the injector. For this a retired worker
// is shared for good. While there is one, no worker of a runtime with one carrier goes back to
// unshared (spares::carriers_beside), since it would not search.
//   Rejected: a test in run_next() for the injector, which every spawn and wake would pay.
//
// Sleep. A retired worker is not a sleeper of the idle protocol, which wakes any sleeper for work.
// It is in a second list under the same lock, and idle_workers::wake() looks there too. So the
// argument for mail (lanes.cpp) holds as it is. A sender pushes the mail and then takes the lock.
// The worker takes the lock to enter the list and then reads the size of its mail. One of the two
// comes second: either the sender finds the worker in the list, or the worker finds mail. If a
// waker took an entry out, that stands for one wake-up. The worker waits for this wake-up before it
// goes on, so none comes late, in its next life.
//
// Timers stay in the wheel of the place that was given away, and its holder fires them: a fiber may
// arm one here and then be unpinned, or the thread may end. The holder may be asleep until a later
// timer. So attend(), which follows each wait that armed a timer, compares a count of the wheel and
// wakes the holder if it sleeps. The lock of the sleepers orders this as it orders mail, with the
// wheel as the mail. The holder is read under that lock (idle_workers::wake_holder).
//
// Descriptors. Calls in flight of other fibers leave the ring when its worker retires, since no
// spare stands in for a retired worker that computes or blocks. Where fibers wait by epoll, a
// retired worker may sleep in the common set like any other. When it leaves the set, it wakes a
// sleeper to watch in its place.
#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/fiber.hpp"

#include "runtime/base/error.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {

void worker::pin_for_life(fiber& one) noexcept {
  const std::uint32_t before = one.pins;
  if (before == 0) pin(one);
  one.pins = before | fiber::pinned_for_life;
}

// Called by a fiber that is pinned here. The successor is sent first: other fibers go on while the
// ring is emptied, which may last as long as a call on a file.
void worker::retire(worker& successor) noexcept {
  queue_.share();
  retired_ = true;
  activity_.store(activity::retired, std::memory_order_relaxed);
  place& left = place_.move_apart(scheduler_.place_of(timers()));
  scheduler_.spare().begin_retired(left);
  successor.send_on({.extra = &left});
  if (has_io()) port_->evacuate();
  queue_.give_away();
  queue_.prompt();
}

// attend() of a retired worker.
bool worker::attend_to_pinned(std::uint32_t tick, fiber*& chosen) noexcept {
  queue_.attend_next(tick);
  if (place_.armed_timers()) scheduler_.idle().wake_holder(place_.timed_by());
  const bool looks = queue_.poll_is_due(tick);
  if (port_ != nullptr && (looks || port_->has_mail())) (void)port_->poll();
  queue_.give_away();
  if (pinned_ != 0) chosen = queue_.take_pinned();
  return true;
}

// On the base. False: the carrier ends.
bool worker::carry_pinned() noexcept {
  if (pinned_ == 0) {
    end_retirement();
    return false;
  }
  fiber* next = take();
  if (next == nullptr && port_ != nullptr && port_->poll()) next = take();
  if (next == nullptr) {
    sleep_aside();
    return true;
  }
  run_on_base(*next);
  return true;
}

void worker::sleep_aside() noexcept {
  spill_caches();
  bed_.make();  // no thread wakes us before we are in the list
  scheduler_.idle().enter_aside(*this);
  bool stay = queue_.settled_mail() == 0 && (port_ == nullptr || !port_->has_mail());
  bool watched = false;
  while (stay && !bed_.woken()) {  // (K2)
    port* const where = choose_port();
    watched = watched || (where != nullptr && !where->bound());
    if (bed_.doze(timer_wheel::never, where)) break;
  }
  if (!scheduler_.idle().leave_aside(*this)) bed_.await_wake_up();
  if (watched && common_port() != nullptr) scheduler_.idle().published();
}

// No fiber is pinned here, so no thread sends mail to this worker any more. Its next life gets a
// new place, which is not closed.
void worker::end_retirement() noexcept {
  if (has_io()) port_->evacuate();
  queue_.give_away();
  spill_caches();
  retired_ = false;
  (void)place_.leave();
  activity_.store(activity::spare, std::memory_order_relaxed);
  full_barrier();  // as the entry to a sleep is one: see scheduler::idle_reached()
  scheduler_.idle_reached();
  scheduler_.spare().end_retired(*this);
}

namespace {

// For a thread that runs no fiber. If it makes a blocking call for a fiber, it will run other
// fibers afterwards.
int taint_thread() noexcept {
  const void* const caller = detail::current_waiter().stands_for;
  if (caller == nullptr) return 0;
  const auto& one = *static_cast<const fiber*>(static_cast<const detail::fork_list*>(caller));
  if (one.home->left_behind()) return 0;
  const bool kept = one.special && (one.pins & fiber::pinned_for_life) != 0;
  return kept ? 0 : EINVAL;
}

// Returns 0 or an errno.
int taint_carrier() noexcept {
  worker* const here = current_worker();
  if (here == nullptr) return taint_thread();
  if (detail::simulating()) detail::refuse_simulated("this_fiber::taint");
  if (!here->retired()) {
    worker* const successor = here->home().spare().take_successor();
    if (successor == nullptr) return EAGAIN;
    here->pin_for_life(here->running());
    here->retire(*successor);
  } else {
    here->pin_for_life(here->running());
  }
  return 0;
}

}  // namespace
}  // namespace hilo::sched

namespace hilo::this_fiber {

void taint() {
  const int error = sched::taint_carrier();
  if (error == 0) return;
  base::fail(error, "retire the carrier of a fiber",
             error == EINVAL ? "the caller is inside hilo::blocking; call taint() before it"
                             : "the kernel gives no thread to take its place, or 512 carriers have "
                               "retired: see ulimit -u and pids.max of its cgroup");
}

void taint(std::error_code& error) noexcept {
  error = std::error_code(sched::taint_carrier(), std::system_category());
}

}  // namespace hilo::this_fiber
