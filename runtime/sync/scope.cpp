// The children of a scope are detached fibers. Each links a node of its own frame while its call
// runs, so a stop of the scope finds it; the count of the running ones keeps the scope alive.
//
// A stop. First the shared stop state, so that who is woken finds it requested; then all children
// are told, with one heavy fence for all of them. They cannot leave meanwhile: leave() takes the
// lock. A child that enters later finds `stopped_`.
#include <mutex>
#include <utility>

#include "hilo/detail/scope_core.hpp"
#include "hilo/fiber.hpp"

#include "runtime/sched/spawn.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::detail {

scope_core::scope_core(std::size_t limit, std::int64_t deadline)
    : deadline_(deadline),
      bounded_(limit != 0),
      free_(limit > static_cast<std::size_t>(semaphore::max())
                ? semaphore::max()
                : static_cast<std::ptrdiff_t>(limit)) {}

scope_core::~scope_core() {
  request_stop();
  running_.wait();
}

status scope_core::admit() {
  if (stop_.stop_requested()) return status::cancelled;
  if (bounded_) {
    const status end = free_.acquire(interruptible);
    if (end != status::ok) return end;
    if (stop_.stop_requested()) {  // a sibling failed while we waited for room
      free_.release();
      return status::cancelled;
    }
  }
  running_.add();
  return status::ok;
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
  if (stopped_) {
    begin_stop(self);
    finish_interrupt(self, 0);  // it waits for nothing now
  }
}

void scope_core::leave(scope_child& child) noexcept {
  const std::scoped_lock guard(lock_);
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
  if (!stop_.request_stop()) return;
  const std::scoped_lock guard(lock_);
  stopped_ = true;
  if (children_ == nullptr) return;
  for (scope_child* one = children_; one != nullptr; one = one->next) {
    begin_stop(*one->who);
  }
  heavy_fence();  // between (E3) and (E4)
  for (scope_child* one = children_; one != nullptr; one = one->next) {
    finish_interrupt(*one->who, 0);
  }
}

status scope_core::join() noexcept {
  const status end = running_.wait(interruptible);
  if (end != status::ok) {
    request_stop();
    running_.wait();
  }
  return end;
}

std::exception_ptr scope_core::take_error() noexcept {
  const std::scoped_lock guard(lock_);  // the children's fail() is done; this orders it before us
  return std::exchange(error_, nullptr);
}

}  // namespace hilo::detail
