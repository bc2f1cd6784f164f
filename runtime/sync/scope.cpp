// The children of a scope are detached fibers. While a child's call runs, a node in the child's own
// frame is linked to the scope, so that a stop of the scope finds the child. The count of running
// children keeps the scope alive.
//
// A stop. First the shared stop state is set, so that a woken child sees the request. Then all
// children are told, with one heavy fence for all of them. The children cannot leave meanwhile,
// because leave() takes the lock. A child that enters later sees the stop requested.
#include <cerrno>
#include <mutex>
#include <utility>

#include "hilo/detail/scope_core.hpp"
#include "hilo/fiber.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/error.hpp"
#include "runtime/sched/fibers/spawn.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/thread/forked_process.hpp"

namespace hilo::detail {

void refuse_shared_stack() {
  base::fail(
      EINVAL, "make a scope",
      "scope_options.fibers.stack is one stack, which several children cannot share; leave it "
      "empty, or call hilo::spawn for each child with a stack of its own");
}

scope_core::scope_core(std::size_t limit, std::int64_t deadline)
    : process_(kernel::process_number()),
      deadline_(deadline),
      bounded_(limit != 0),
      free_(limit > static_cast<std::size_t>(semaphore::max())
                ? semaphore::max()
                : static_cast<std::ptrdiff_t>(limit)) {}

bool scope_core::left_behind() const noexcept {
  return process_ != kernel::process_number();
}

// A child has the scope's stop state. If a child waited for all children, it would wait for itself.
void scope_core::refuse_child(const char* what) const noexcept {
  const sched::worker* const here = sched::current_worker();
  HILO_CHECK(
      here == nullptr || !sched::shares_stop_state(sched::fiber::of(current_waiter()), stop_),
      "a child %s its own scope: it would wait for itself; leave that to the fiber that made "
      "the scope",
      what);
}

scope_core::~scope_core() {
  if (left_behind()) return;
  refuse_child("destroys");
  request_stop();
  running_.wait();
}

status scope_core::admit() {
  if (stop_.stop_requested()) return status::cancelled;
  if (bounded_) {
    const status end = free_.acquire(interruptible);
    if (end != status::ok) {
      request_stop();
      return end;
    }
    if (stop_.stop_requested()) {  // a sibling failed while we waited for a free place
      free_.release();
      return status::cancelled;
    }
  }
  running_.add();
  return status::ok;
}

// Only the scope's fiber takes a place, so a place that was free stays free until it does.
status scope_core::wait_for_room(std::int64_t deadline) noexcept {
  if (stop_.stop_requested()) return status::cancelled;
  if (bounded_) {
    const wait_limit limit(deadline);
    const status end = free_.acquire(interruptible);
    if (end != status::ok) return end;
    free_.release();
  }
  return stop_.stop_requested() ? status::cancelled : status::ok;
}

void scope_core::dismiss() noexcept {
  if (bounded_) free_.release();
  running_.done();
}

void scope_core::enter(scope_child& child) {
  waiter& self = current_waiter();
  child.who = &self;
  sched::set_stop_source(sched::current_worker()->running(), stop_);
  const std::scoped_lock guard(lock_);
  child.next = children_;
  if (children_ != nullptr) children_->previous = &child;
  children_ = &child;
  if (stop_.stop_requested()) {
    begin_stop(self);
    finish_interrupt(self, 0);  // it does not wait for anything now
  }
}

void scope_core::leave(scope_child& child) noexcept {
  const bool late = deadline_ != no_deadline && monotonic_now() >= deadline_;
  const std::scoped_lock guard(lock_);
  late_ = late_ || late;
  (child.previous != nullptr ? child.previous->next : children_) = child.next;
  if (child.next != nullptr) child.next->previous = child.previous;
}

void scope_core::fail(std::exception_ptr error) noexcept {
  {
    const std::scoped_lock guard(lock_);
    if (error_ == nullptr) error_ = std::move(error);
  }
  request_stop();
}

void scope_core::request_stop() noexcept {
  (void)stop_.request_stop();  // false also if a child's stop token requested it
  if (left_behind()) return;
  const std::scoped_lock guard(lock_);
  if (std::exchange(stopped_, true) || children_ == nullptr) return;
  for (scope_child* one = children_; one != nullptr; one = one->next) {
    begin_stop(*one->who);
  }
  heavy_fence();  // between (E3) and (E4)
  for (scope_child* one = children_; one != nullptr; one = one->next) {
    one->claimed = claim_interrupted(*one->who, 0);
  }
  for (scope_child* one = children_; one != nullptr; one = one->next) {
    if (one->claimed) end_interrupted(*one->who);
  }
}

status scope_core::join() noexcept {
  if (left_behind()) return status::cancelled;
  refuse_child("joins");
  if (left_behind()) return status::cancelled;
  const status end = running_.wait(interruptible);
  if (end != status::ok) {
    request_stop();
    running_.wait();
    return end;
  }
  if (stop_.stop_requested()) return status::cancelled;
  const std::scoped_lock guard(lock_);  // the children's leave() is done; this orders it before us
  return late_ ? status::timed_out : status::ok;
}

status scope_core::wait(std::int64_t deadline) noexcept {
  refuse_child("waits for");
  const wait_limit limit(deadline);
  return running_.wait(interruptible);
}

std::exception_ptr scope_core::take_error() noexcept {
  const std::scoped_lock guard(lock_);  // the children's fail() is done; this orders it before us
  return std::exchange(error_, nullptr);
}

}  // namespace hilo::detail
