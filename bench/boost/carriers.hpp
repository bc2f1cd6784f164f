// Boost.Fiber on one or two carriers. A scheduling algorithm of its work-stealing kind registers
// its threads once a process, so the second carrier starts with the first workload that wants it
// and ends with main().
#pragma once

#include <boost/fiber/algo/work_stealing.hpp>
#include <boost/fiber/condition_variable.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/fixedsize_stack.hpp>
#include <boost/fiber/mutex.hpp>
#include <boost/fiber/operations.hpp>
#include <boost/fiber/pooled_fixedsize_stack.hpp>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace bench {

// What a carrier does that finds nothing to steal. Each workload takes what measured faster: a tree
// needs a thief that looks on, and a hand-over is quickest when none takes the other side away.
enum class thieves { spin, sleep };

class second_carrier {
 public:
  explicit second_carrier(thieves how) {
    thread_ = std::thread([this, how] {
      steal(how);
      std::unique_lock lock(mutex_);
      ended_.wait(lock, [this] { return over_; });
    });
    steal(how);  // returns when both have come here
  }
  ~second_carrier() {
    {
      const std::scoped_lock lock(mutex_);
      over_ = true;
    }
    ended_.notify_all();
    thread_.join();
  }
  second_carrier(const second_carrier&) = delete;
  second_carrier& operator=(const second_carrier&) = delete;

  static inline std::unique_ptr<second_carrier> running;

 private:
  static void steal(thieves how) {
    boost::fibers::use_scheduling_algorithm<boost::fibers::algo::work_stealing>(
        2, how == thieves::sleep);
  }

  boost::fibers::mutex mutex_;
  boost::fibers::condition_variable ended_;
  bool over_ = false;
  std::thread thread_;
};

// Makes fibers with stacks of 16 KiB, child first, which measured faster than the default.
template <class Stacks>
struct spawner {
  Stacks stacks{16 * 1024};

  template <class F>
  boost::fibers::fiber operator()(F&& body) {
    return boost::fibers::fiber(boost::fibers::launch::dispatch, std::allocator_arg, stacks,
                                std::forward<F>(body));
  }
};

// Calls body(spawn). A pool of stacks is faster than malloc, and for one thread only.
void on_carriers(unsigned carriers, thieves how, auto body) {
  if (carriers == 1) {
    spawner<boost::fibers::pooled_fixedsize_stack> spawn;
    body(spawn);
  } else {
    if (second_carrier::running == nullptr)
      second_carrier::running = std::make_unique<second_carrier>(how);
    spawner<boost::fibers::fixedsize_stack> spawn;
    body(spawn);
  }
}

}  // namespace bench
