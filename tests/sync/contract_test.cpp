// The contract of the standard library: a wait that returns nothing, or the value of a predicate,
// ends only when what it waits for has come. Stop requests and limits end the interruptible forms.

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <system_error>
#include <thread>
#include <type_traits>
#include <vector>

#include "hilo/hilo.hpp"
#include "hilo/result.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::interruptible;
using hilo::status;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

static_assert(std::is_void_v<decltype(std::declval<const hilo::latch&>().wait())>);
static_assert(std::is_void_v<decltype(std::declval<hilo::latch&>().arrive_and_wait(2))>);
static_assert(std::is_void_v<decltype(std::declval<hilo::wait_group&>().wait())>);
static_assert(std::is_void_v<decltype(std::declval<const hilo::event&>().wait())>);
static_assert(std::is_void_v<decltype(std::declval<hilo::semaphore&>().acquire())>);
static_assert(std::is_void_v<decltype(std::declval<hilo::barrier&>().arrive_and_wait())>);

// Runs `wait` in a fiber that is stopped before it waits, while it waits, and inside a limit that
// has passed; then calls `open`, and checks that the wait did not end before that.
template <class Wait, class Open, class Close>
void ends_only_when_opened(Wait wait, Open open, Close close) {
  for (int turns = 0; turns < 3; ++turns) {
    std::atomic<bool> opened{false};
    auto waiting = hilo::spawn([&] {
      hilo::with_timeout(0ms, [&] { wait(); });
      CHECK(opened.load(std::memory_order_acquire));
      CHECK(hilo::this_fiber::limit_reached() == status::cancelled);
    });
    for (int i = 0; i < turns; ++i) hilo::yield();
    waiting.request_stop();
    for (int i = 0; i < 4; ++i) hilo::yield();
    opened.store(true, std::memory_order_release);
    open();
    waiting.join();
    close();
  }
}

// A lock whose unlock throws when it is told to.
struct throwing_lock {
  void lock() { guard.lock(); }
  void unlock() {
    if (throws) throw std::runtime_error("meant");
    guard.unlock();
  }
  hilo::mutex guard;
  bool throws = false;
};

}  // namespace

TEST_CASE("contract: a result gives its value away as an rvalue, and throws if there is none") {
  const auto made = [] { return hilo::result<std::unique_ptr<int>>(std::make_unique<int>(7)); };
  const std::unique_ptr<int> value = made().value();
  CHECK(*value == 7);
  const auto none = [] { return hilo::result<std::unique_ptr<int>>(status::timed_out, ETIMEDOUT); };
  CHECK_THROWS_AS((void)none().value(), std::system_error);
}

TEST_CASE("contract: waits that return nothing are ended by no stop request and no limit") {
  on_each_runtime([] {
    hilo::event event;
    ends_only_when_opened([&] { event.wait(); }, [&] { event.set(); }, [&] { event.reset(); });
    hilo::wait_group group;
    group.add();
    ends_only_when_opened([&] { group.wait(); }, [&] { group.done(); }, [&] { group.add(); });
    group.done();
    hilo::semaphore slots(0);
    ends_only_when_opened([&] { slots.acquire(); }, [&] { slots.release(); }, [] {});
    hilo::auto_reset_event once;
    ends_only_when_opened([&] { once.wait(); }, [&] { once.set(); }, [] {});
    hilo::recursive_mutex again;
    again.lock();
    ends_only_when_opened(
        [&] {
          again.lock();
          again.unlock();
        },
        [&] { again.unlock(); }, [&] { again.lock(); });
    again.unlock();
    hilo::shared_mutex shared;
    for (const bool reads : {false, true}) {
      shared.lock();
      ends_only_when_opened(
          [&] {
            reads ? shared.lock_shared() : shared.lock();
            reads ? shared.unlock_shared() : shared.unlock();
          },
          [&] { shared.unlock(); }, [&] { shared.lock(); });
      shared.unlock();
    }
    hilo::barrier pair(2);
    ends_only_when_opened([&] { pair.arrive_and_wait(); }, [&] { pair.arrive_and_wait(); }, [] {});
    ends_only_when_opened([&] { pair.wait(pair.arrive()); }, [&] { pair.arrive_and_wait(); },
                          [] {});
    ends_only_when_opened([&] { (void)pair.arrive_and_elect(); }, [&] { pair.arrive_and_wait(); },
                          [] {});
    for (int turns = 0; turns < 3; ++turns) {
      hilo::once_flag flag;
      hilo::event called;
      hilo::event enough;
      auto caller = hilo::spawn([&] {
        hilo::call_once(flag, [&] {
          called.set();
          enough.wait();
        });
      });
      called.wait();
      bool first = false;
      auto waiting = hilo::spawn([&] {
        hilo::with_timeout(0ms, [&] { hilo::call_once(flag, [&] { first = true; }); });
        CHECK(enough.is_set());
      });
      for (int i = 0; i < turns; ++i) hilo::yield();
      waiting.request_stop();
      for (int i = 0; i < 4; ++i) hilo::yield();
      enough.set();
      waiting.join();
      caller.join();
      CHECK_FALSE(first);
    }
    hilo::mutex guard;
    hilo::condition_variable changed;
    bool there = false;
    ends_only_when_opened(
        [&] {
          std::unique_lock lock(guard);
          changed.wait(lock, [&] { return there; });
          CHECK(there);
          CHECK(lock.owns_lock());
          there = false;
        },
        [&] {
          const std::scoped_lock lock(guard);
          there = true;
          changed.notify_one();
        },
        [] {});
    for (int turns = 0; turns < 3; ++turns) {
      hilo::latch latch(1);
      auto waiting = hilo::spawn([&] {
        latch.wait();
        CHECK(latch.try_wait());
      });
      for (int i = 0; i < turns; ++i) hilo::yield();
      waiting.request_stop();
      for (int i = 0; i < 4; ++i) hilo::yield();
      latch.count_down();
    }
  });
}

TEST_CASE("contract: the canonical loop over a condition_variable lets others fill the queue") {
  on_each_runtime([] {
    hilo::mutex guard;
    hilo::condition_variable filled;
    std::deque<int> queue;
    auto consumer = hilo::spawn([&] {
      std::unique_lock lock(guard);
      while (queue.empty()) filled.wait(lock);
      return queue.front();
    });
    consumer.request_stop();
    hilo::yield();
    {
      const std::scoped_lock lock(guard);
      queue.push_back(7);
    }
    filled.notify_one();
    CHECK(consumer.join() == 7);
  });
}

TEST_CASE("contract: what a fiber used is still there when its handle is dropped") {
  on_each_runtime([] {
    int finished = 0;
    {
      const auto parent = hilo::spawn([&] {
        hilo::wait_group jobs;
        std::array<int, 5> results{};
        for (int& each : results) {
          jobs.add();
          hilo::spawn([&] {
            for (int i = 0; i < 10; ++i) hilo::yield();
            each = 1;
            jobs.done();
          }).detach();
        }
        jobs.wait();
        for (const int each : results) finished += each;
      });
      hilo::yield();
    }
    CHECK(finished == 5);
  });
}

TEST_CASE("contract: a timed wait for a condition_variable is ended by its own time only") {
  const auto body = [] {
    hilo::mutex guard;
    hilo::condition_variable never;
    hilo::with_timeout(0ms, [&] {
      std::stop_source source;
      source.request_stop();
      hilo::with_stop(source.get_token(), [&] {
        std::unique_lock lock(guard);
        const auto start = steady::now();
        CHECK(never.wait_for(lock, 2ms) == std::cv_status::timeout);
        CHECK(steady::now() - start >= 2ms);
        CHECK(never.wait_until(lock, start + 4ms) == status::timed_out);
        CHECK(steady::now() - start >= 4ms);
        CHECK_FALSE(never.wait_for(lock, 2ms, [] { return false; }));
        CHECK(steady::now() - start >= 6ms);
        CHECK(never.wait_for(lock, 0ms) == std::cv_status::timeout);
        CHECK(never.wait_until(lock, steady::time_point::min()) != std::cv_status::no_timeout);
        CHECK(std::cv_status::timeout == never.wait_for(lock, -1h));
        CHECK(lock.owns_lock());
        CHECK(never.wait_for(lock, 1h, interruptible) == status::cancelled);
        CHECK(never.wait(lock, interruptible) == status::cancelled);
      });
      std::unique_lock lock(guard);
      CHECK(never.wait(lock, interruptible) == status::timed_out);
    });
  };
  on_each_runtime(body);
  std::thread(body).join();
}

TEST_CASE("contract: a timed wait is ended by a notification, however far its time is") {
  on_each_runtime([] {
    hilo::mutex guard;
    hilo::condition_variable changed;
    for (int form = 0; form < 4; ++form) {
      bool waits = false;
      auto waiting = hilo::spawn([&] {
        std::unique_lock lock(guard);
        waits = true;
        if (form == 0) CHECK(changed.wait_for(lock, 1h) == std::cv_status::no_timeout);
        if (form == 1) CHECK(changed.wait_for(lock, std::chrono::hours::max()) == status::ok);
        if (form == 2) CHECK(changed.wait_until(lock, steady::time_point::max()) == status::ok);
        if (form == 3) CHECK(changed.wait_for(lock, 1h, interruptible) == status::ok);
      });
      while (true) {
        {
          const std::scoped_lock lock(guard);
          if (waits) break;
        }
        hilo::yield();
      }
      changed.notify_one();
      waiting.join();
    }
  });
}

// On one carrier the loop below would otherwise hold the lock for ever.
TEST_CASE("contract: a wait whose time has passed gives the lock to others all the same") {
  on_each_runtime([] {
    hilo::mutex guard;
    hilo::condition_variable changed;
    std::atomic<bool> waits{false};
    int done = 0;
    auto other = hilo::spawn([&] {
      while (!waits.load(std::memory_order_relaxed)) hilo::yield();
      for (int i = 0; i < 3; ++i) {
        const std::scoped_lock lock(guard);
        ++done;
      }
    });
    {
      std::unique_lock lock(guard);
      waits.store(true, std::memory_order_relaxed);
      while (done < 1) (void)changed.wait_for(lock, 0ms);
      while (done < 2) (void)changed.wait_for(lock, -1s);
      hilo::with_timeout(0ms, [&] {
        while (done < 3) (void)changed.wait(lock, interruptible);
      });
    }
    other.join();
  });
}

TEST_CASE("contract: the forms with a stop_token are those of std::condition_variable_any") {
  const auto body = [] {
    hilo::mutex guard;
    hilo::condition_variable changed;
    const auto no = [] { return false; };
    const auto yes = [] { return true; };
    std::stop_source source;
    std::unique_lock lock(guard);
    CHECK(changed.wait(lock, source.get_token(), yes));
    CHECK_FALSE(changed.wait_for(lock, source.get_token(), 1ms, no));
    CHECK_FALSE(changed.wait_until(lock, source.get_token(), steady::now() + 1ms, no));
    {
      std::jthread stopper([&] {
        const std::scoped_lock held(guard);  // the wait has released it
        source.request_stop();
      });
      CHECK_FALSE(changed.wait(lock, source.get_token(), no));
    }
    CHECK(lock.owns_lock());
    CHECK_FALSE(changed.wait(lock, source.get_token(), no));
    CHECK(changed.wait(lock, source.get_token(), yes));
    CHECK_FALSE(changed.wait_for(lock, source.get_token(), 1h, no));
    CHECK_FALSE(changed.wait_until(lock, source.get_token(), steady::now() + 1h, no));
    std::stop_source other;
    bool there = false;
    std::jthread opener([&] {
      const std::scoped_lock held(guard);
      there = true;
      changed.notify_all();
    });
    // Limits around the call do not end it, and it does not end for a token that is not its own.
    hilo::with_timeout(0ms, [&] {
      hilo::with_stop(source.get_token(),
                      [&] { CHECK(changed.wait(lock, other.get_token(), [&] { return there; })); });
    });
  };
  on_each_runtime(body);
  std::thread(body).join();
}

TEST_CASE("contract: a wait whose unlock throws leaves nobody in the queue") {
  const auto body = [] {
    throwing_lock guard;
    hilo::condition_variable changed;
    std::unique_lock lock(guard);
    guard.throws = true;
    CHECK_THROWS_AS(changed.wait(lock), std::runtime_error);
    CHECK_THROWS_AS((void)changed.wait_for(lock, 1h), std::runtime_error);
    hilo::with_timeout(
        1h, [&] { CHECK_THROWS_AS((void)changed.wait(lock, interruptible), std::runtime_error); });
    guard.throws = false;
    CHECK(changed.wait_for(lock, 1ms) == status::timed_out);
    changed.notify_all();
  };  // the destructor of `changed` aborts if somebody waits
  on_each_runtime(body);
  std::thread(body).join();
}

TEST_CASE("contract: a notification that a throwing unlock meets goes to the next that waits") {
  on_each_runtime([] {
    std::mutex guard;  // an unlock that parks is not allowed, so `act` may not park for the lock
    hilo::condition_variable changed;
    std::atomic<bool> next_waits{false};
    // The first in the queue is woken by its own unlock; the second waits behind it.
    struct queueing_lock {
      void lock() {}
      void unlock() { act(); }
      std::function<void()> act;
    };
    queueing_lock first;
    std::thread second;
    first.act = [&] {
      second = std::thread([&] {
        std::unique_lock lock(guard);
        next_waits.store(true, std::memory_order_relaxed);
        changed.wait(lock);
      });
      while (true) {
        const std::scoped_lock lock(guard);
        if (next_waits.load(std::memory_order_relaxed)) break;
      }
      changed.notify_one();
      throw std::runtime_error("meant");
    };
    CHECK_THROWS_AS(changed.wait(first), std::runtime_error);
    second.join();
  });
}

// C++20 [thread.condition.condvarany]: the caller relies on holding the lock.
TEST_CASE("contract: a wait that cannot take its lock again terminates") {
  CHECK(hilo::test::run_in_child([] {
          struct lost_lock {
            void lock() { throw std::runtime_error("the lock is lost"); }
            void unlock() { changed->notify_one(); }
            hilo::condition_variable* changed;
          };
          hilo::condition_variable changed;
          lost_lock guard{&changed};
          changed.wait(guard);
        }).aborted_with("the lock is lost"));
}

TEST_CASE("contract: waits of one condition_variable with different locks are woken in order") {
  hilo::run({.carriers = 1}, [] {
    hilo::mutex guards[2];
    hilo::condition_variable changed;
    std::vector<int> order;
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 4; ++i) {
      all.push_back(hilo::spawn([&, i] {
        std::unique_lock lock(guards[i % 2]);
        changed.wait(lock);
        CHECK(lock.owns_lock());
        order.push_back(i);
      }));
      for (int turns = 0; turns < 4; ++turns) hilo::yield();
    }
    for (std::size_t i = 1; i <= 4; ++i) {
      changed.notify_one();
      while (order.size() != i) hilo::yield();
    }
    for (auto& one : all) one.join();
    CHECK(order == std::vector{0, 1, 2, 3});
    hilo::mutex guard;
    std::unique_lock free(guard, std::defer_lock);
    CHECK_THROWS_AS(changed.wait(free), std::system_error);
  });
}

TEST_CASE("contract: a notification wakes no wait that begins after it") {
  on_each_runtime([] {
    hilo::mutex guard;
    hilo::condition_variable changed;
    std::unique_lock lock(guard);
    changed.notify_one();
    changed.notify_all();
    CHECK(changed.wait_for(lock, 1ms) == std::cv_status::timeout);
  });
}

TEST_CASE("contract: destroying what somebody waits on aborts with a line that names it") {
  // Makes a T, has a fiber wait on it, and destroys it.
  const auto destroyed = [](auto make, auto wait) {
    return hilo::test::run_in_child([&] {
      hilo::run({.carriers = 1}, [&] {
        hilo::fiber<void> waits;
        {
          auto gate = make();
          waits = hilo::spawn([&wait, &its = *gate] { wait(its); });
          for (int i = 0; i < 5; ++i) hilo::yield();
        }
        waits.detach();
      });
    });
  };
  const auto wait = [](auto& gate) { gate.wait(); };
  CHECK(destroyed([] { return std::make_unique<hilo::latch>(1); }, wait)
            .aborted_with("hilo: a latch or wait_group is destroyed while somebody waits on it"));
  CHECK(destroyed([] { return std::make_unique<hilo::event>(); }, wait)
            .aborted_with("hilo: an event is destroyed while somebody waits on it"));
  CHECK(destroyed([] { return std::make_unique<hilo::semaphore>(0); },
                  [](auto& gate) { gate.acquire(); })
            .aborted_with("hilo: a semaphore is destroyed while somebody waits on it"));
  CHECK(destroyed([] { return std::make_unique<hilo::barrier>(2); },
                  [](auto& gate) { gate.arrive_and_wait(); })
            .aborted_with("hilo: a barrier is destroyed while somebody waits on it"));
  CHECK(destroyed([] { return std::make_unique<hilo::condition_variable>(); },
                  [](auto& gate) {
                    hilo::mutex guard;
                    std::unique_lock lock(guard);
                    gate.wait(lock);
                  })
            .aborted_with("hilo: a condition_variable is destroyed while somebody waits on it"));
  CHECK(destroyed(
            [] {
              auto guard = std::make_unique<hilo::shared_mutex>();
              guard->lock_shared();
              return guard;
            },
            [](auto& guard) { guard.lock(); })
            .aborted_with("hilo: a shared_mutex is destroyed while it is locked or waited for"));
}
