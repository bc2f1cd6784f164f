// Retiring a carrier: this_fiber::taint().
//
// A fiber that changes its kernel thread for good (unshare, setfsuid, ...) must not leave that
// thread to others. So the thread keeps the fiber, and all that are pinned to it, and nothing else:
// its worker gives the place to a successor, which is made by a thread that no fiber changed
// (monitor::start_spare), and ends with the last pinned fiber.
//
// A retired worker is in a place of its own, apart_, that is closed and overstayed in for good
// (spares.hpp). So called_back() is true as soon as no fiber is pinned, and the base then ends the
// kernel thread. Each path that would run another fiber here meets that place, or attend():
//
//   pick(), pick_quickly(), pass_turn_to()   attend_at_ is due at every switch: attend() gives slot
//                                            and rings away, and chooses from the mail
//   a full ring of new fibers                start_at_once() tests retired(), as does blocking.cpp
//   the base                                 carry_pinned() instead of a search
//
// The paths of spawn, wake and yield are the same as everywhere. A fiber that is spawned or woken
// here comes into slot or ring, as beside any fiber that may go on computing, where a searcher or a
// watcher finds it; or the next switch puts it into the injector. For this a retired worker is
// shared for good, and while there is one no worker of a runtime with one carrier goes back to
// unshared (spares::carriers_beside), since it would not search.
//   Rejected: a test in run_next() for the injector, which every spawn and wake would pay.
//
// Sleep. A retired worker is not a sleeper of the idle protocol, because a publisher wakes any
// sleeper for work. It is in a second list under the same lock, and idle_workers::wake() looks
// there too. So the argument for mail (lanes.cpp) holds as it is: a deliverer pushes mail and then
// takes the lock; the worker takes the lock to enter the list and then reads the size of its mail.
// One of the two comes second: either the deliverer finds the worker in the list, or the worker
// finds mail. An entry that a waker took out stands for one wake-up, for which the worker waits
// before it goes on, so none comes late, to its next life.
//
// Timers stay in the wheel of the place that was given away, and its holder fires them: a fiber may
// arm one here and be unpinned, or the thread may end. The holder may be asleep until a later
// timer. So attend(), which follows each wait that armed a timer, compares a count of the wheel and
// wakes the holder if it sleeps. The lock of the sleepers orders that as it does mail, with the
// wheel as the mail; the holder is read under that lock (idle_workers::wake_holder).
//
// Descriptors. The calls in flight of others leave the ring when its worker retires, since nobody
// stands in for a retired worker that computes or blocks. Where fibers wait by epoll, a retired
// worker may sleep in the common set as any other; when it leaves it wakes a sleeper, to watch in
// its stead.
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

// By a fiber that is pinned here. The successor is sent first: others go on while the ring is
// emptied, which may last as long as a call for a file.
void worker::retire(worker& successor) noexcept {
  place& left = *place_;
  share();
  retired_ = true;
  activity_.store(activity::retired, std::memory_order_relaxed);
  apart_.timers = left.timers;
  apart_.closing.store(true, std::memory_order_relaxed);
  apart_.overstayed = true;
  place_ = &apart_;
  for (std::size_t i = 0; i < scheduler_.carriers(); ++i) {
    if (&scheduler_.wheel(i) == left.timers) timed_by_ = &scheduler_.base_place(i);
  }
  told_arms_ = timers().arms();
  scheduler_.spare().begin_retired(left);
  successor.send_to(nullptr, &left);
  if (has_io()) port_->evacuate();
  give_away();
  prompt();
}

// attend() of a retired worker.
bool worker::attend_to_pinned(std::uint32_t tick, fiber*& chosen) noexcept {
  attend_at_.store(tick + 1, std::memory_order_relaxed);
  const std::uint32_t arms = timers().arms();
  if (std::exchange(told_arms_, arms) != arms) scheduler_.idle().wake_holder(*timed_by_);
  const bool looks = tick - polled_ >= poll_period;
  if (looks) polled_ = tick;
  if (port_ != nullptr && (looks || port_->has_mail())) (void)port_->poll();
  give_away();
  if (pinned_ != 0 && mail_.size() != 0) chosen = mail_.take(1);
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
  next->context.wait_off_cpu();
  switch_to(*next);
  return true;
}

void worker::sleep_aside() noexcept {
  for (auto& cache : caches_) cache.spill_all();
  expect_wake_up();  // nobody wakes us before we are in the list
  scheduler_.idle().enter_aside(*this);
  bool stay = mail_.settled_size() == 0 && (port_ == nullptr || !port_->has_mail());
  bool watched = false;
  while (stay && woken_.load(std::memory_order_acquire) != awake) {  // (K2)
    port* const bed = choose_bed();
    watched = watched || (bed != nullptr && !bed->bound());
    if (doze(timer_wheel::never, bed)) break;
  }
  if (!scheduler_.idle().leave_aside(*this)) await_wake_up();
  if (watched && common_port() != nullptr) scheduler_.idle().published();
}

// No fiber is pinned here, so no mail comes for this worker any more.
void worker::end_retirement() noexcept {
  if (has_io()) port_->evacuate();
  give_away();
  for (auto& cache : caches_) cache.spill_all();
  retired_ = false;
  place_ = nullptr;
  activity_.store(activity::spare, std::memory_order_relaxed);
  full_barrier();  // as the entry to a sleep is one: see scheduler::idle_reached()
  scheduler_.idle_reached();
  scheduler_.spare().end_retired(*this);
}

namespace {

// In a thread that runs no fiber. One that makes a blocking call of a fiber goes on to run others.
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
