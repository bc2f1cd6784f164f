#include "runtime/sched/fibers/forked_fiber.hpp"

#include <cstdlib>
#include <exception>

#include "runtime/base/check.hpp"
#include "runtime/sched/fibers/registry.hpp"
#include "runtime/sched/idling/parked_threads.hpp"
#include "runtime/sched/trace/tracer.hpp"
#include "runtime/sched/watch/busy_report.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/thread/forked_process.hpp"

namespace hilo::sched {

constinit thread_local fiber* forked_fiber = nullptr;

namespace {

void leave_parents_worker() noexcept {
  forget_question();
  forget_parked_threads();
  runtimes_kept::forget();
  forget_trace();
  worker* const here = current_worker();
  if (here == nullptr) return;  // a thread, or a fiber in hilo::blocking: end_blocking() handles it
  fiber& one = here->running();
  if (&one == &here->base()) return set_current_worker(nullptr);
  go_on_as_thread(one);
}

}  // namespace

// The child has one thread, so no other thread reads what is written here. A thread that was
// interrupting the fiber in the parent does not continue in the child.
void go_on_as_thread(fiber& one) noexcept {
  set_current_worker(nullptr);
  one.kind = detail::waiter_kind::thread;
  one.linked.store(false, std::memory_order_relaxed);
  one.woken.store(0, std::memory_order_relaxed);
  one.interrupts.fetch_and(1, std::memory_order_relaxed);
  one.special = true;  // so that its end goes through end_special()
  one.pins = 0;
  forked_fiber = &one;
}

void expect_forks() {
  kernel::set_child_function(leave_parents_worker);
  kernel::follow_forks();
}

void end_in_child(fiber& self) noexcept {
  if (self.work != nullptr && self.work->error != nullptr) {
    char who[64];
    describe_fiber(self, who, sizeof who);
    base::report("an exception left %s in the child of a fork", who);
    std::terminate();
  }
  std::exit(0);
}

void refuse_to_wait(const fiber& one) noexcept {
  char who[64];
  describe_fiber(one, who, sizeof who);
  base::die(
      "the child of a fork waits for %s of its parent, which does not run there; end the child by "
      "_exit or exec, or start a runtime in it",
      who);
}

}  // namespace hilo::sched
