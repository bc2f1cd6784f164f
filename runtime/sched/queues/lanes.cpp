// Special fibers: fibers with a priority, and fibers pinned to a worker.
//
// They wait in lanes and not in rings, so the path of the rings pays for only one byte of the
// fiber. The lanes of high and of idle priority belong to the scheduler, like the injector. Pinned
// fibers wait in their worker's mail. attend() looks at the lanes: at once after a prompt,
// otherwise every poll_period switches. A worker that finds nothing else to run looks at them
// before it sleeps.
//
// The caller that puts a fiber into a lane publishes it by the idle protocol (idle.hpp), with the
// lane as the queue. Mail is for one worker: deliver() takes just that worker out of the sleepers,
// under the lock under which a worker becomes a sleeper. If the worker entered first, deliver()
// finds it there. If the worker enters later, it reads the size of its mail after that lock, and
// sees the fiber.
//
// The prompt: deliver() and run_special() put the fiber into a lane and then store attend_at_
// (release). The owner exchanges attend_at_ (acquire) and then reads the lanes (A). If the exchange
// follows the store, the reads after it see the fiber. If not, the store stands and the owner
// attends at its next switch.
#include "hilo/detail/deadline.hpp"
#include "hilo/fiber.hpp"

#include "runtime/base/check.hpp"
#include "runtime/sched/decider.hpp"
#include "runtime/sched/fibers/forked_fiber.hpp"
#include "runtime/sched/fibers/spawn.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {

void worker::deliver(fiber& one) noexcept {
  queue_.post(one);
  if (current_worker() != this) scheduler_.idle().wake(*this);
}

void worker::pin(fiber& one) noexcept {
  if (one.pins++ != 0) return;
  if (!one.special) one.urgency = priority::normal;
  one.special = true;
  one.pinned_to = this;
  ++pinned_;
}

void worker::unpin(fiber& one) noexcept {
  HILO_CHECK(one.special && (one.pins & ~fiber::pinned_for_life) != 0,
             "a fiber is unpinned that is not pinned");
  if (--one.pins != 0) return;
  one.special = one.urgency != priority::normal || scheduler_.default_extras().watched;
  --pinned_;
}

// The fiber that runs here gives way, and was not woken.
void scheduler::note_wake(fiber& one) const noexcept {
  const worker* const here = current_worker();
  if (!one.started || (here != nullptr && here->forks == &one)) return;
  one.woken_at = detail::monotonic_now();
}

static void trace_wake(const fiber& one) noexcept {
  worker* const here = current_worker();
  if (here == nullptr || !here->trace().on() || !one.started || here->forks == &one) return;
  here->trace().wakes(one);
}

// A fiber that a trace made special is plain again when no trace is on. Its waker may do that: the
// fiber waits, or is the caller.
void scheduler::run_special(fiber& one, turn where) noexcept {
  if (decides_ != nullptr) return decides_->ready(one);
  trace_wake(one);
  if (measures_wakeups_) note_wake(one);
  // A fiber that will be pinned where it first runs is special too, but only until it has started.
  const bool plain = one.pins == 0 && one.urgency == priority::normal;
  if (plain && (measures_wakeups_ || one.started)) {
    if (!measures_wakeups_ && !trace_wanted.any()) one.special = false;
    return run_observed(one, where);
  }
  if (one.pins != 0) return one.pinned_to->deliver(one);
  const priority urgency = one.urgency;  // read now: once in the lane, the fiber may run and end
  queues_.lane(urgency).push(one);       // (P1)
  if (urgency == priority::high) {
    worker* const here = current_worker();
    const bool ours = here != nullptr && &here->home() == this;
    worker& one_to_look =
        ours ? *here : at(prompts_.fetch_add(1, std::memory_order_relaxed) % workers());
    one_to_look.its_queue().prompt();
  }
  idle().published();
}

// As worker::run_next(), run_later() and inject() do for other fibers.
void scheduler::run_observed(fiber& one, turn where) noexcept {
  switch (where) {
    case turn::next:
      return current_worker()->its_queue().put_next(one);
    case turn::last:
      return current_worker()->its_queue().put_last(one);
    case turn::injected:
      return queues_.inject(one);
  }
}

void begin_special(fiber& self) noexcept {
  if (self.pin_first) current_worker()->pin(self);
}

void end_special(fiber& self) noexcept {
  if (self.home->left_behind()) end_in_child(self);
  if (decider* const who = self.home->decides()) who->returned(self);
  if (self.pins == 0) return;
  self.pins = 1;
  current_worker()->unpin(self);
}

}  // namespace hilo::sched

namespace hilo::this_fiber {

void pin() noexcept {
  if (sched::worker* const here = sched::current_worker()) here->pin(here->running());
}

void unpin() noexcept {
  if (sched::worker* const here = sched::current_worker()) here->unpin(here->running());
}

}  // namespace hilo::this_fiber
