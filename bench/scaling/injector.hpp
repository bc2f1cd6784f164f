// The queue of fibers that did not fit into a ring, as runtime/sched/queues/injector.hpp.
#pragma once

#include <cstddef>

#include "bench/scaling/fiber.hpp"
#include "bench/scaling/spin_lock.hpp"
#include "bench/scaling/worker.hpp"

namespace scaling {

class injector {
 public:
  step<void> push(worker& by, fiber_list& all) {
    co_await lock_.lock(by);
    while (fiber* const one = all.pop()) {
      fibers_.push(*one);
      ++size_;
    }
    co_await by.on().write(by.its_thread(), home_);
    co_await lock_.unlock(by);
  }

  // Takes up to `most` fibers, and adds them to `into`.
  step<void> take(worker& by, std::size_t most, fiber_list& into) {
    co_await lock_.lock(by);
    for (; most != 0 && size_ != 0; --most, --size_) into.push(*fibers_.pop());
    co_await by.on().write(by.its_thread(), home_);
    co_await lock_.unlock(by);
  }

  step<std::size_t> size(worker& by) {
    co_await by.on().read(by.its_thread(), home_);
    co_return size_;
  }

 private:
  line home_{part::injector};
  spin_lock lock_{home_};
  fiber_list fibers_;
  std::size_t size_ = 0;
};

}  // namespace scaling
