// The mutexes of the kernel floor: mutex, recursive_mutex.
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "hilo/kernel/event.hpp"
#include "hilo/kernel/mutex.hpp"
#include "hilo/kernel/recursive_mutex.hpp"

#include "tests/doctest.hpp"
#include "tests/kernel/crews.hpp"

using namespace std::chrono_literals;
using hilo::test::rounds;
using hilo::test::with_crew;
using hilo::test::with_each_size;
namespace kernel = hilo::kernel;

TEST_CASE("kernel mutex: one holder at a time, and none is left asleep") {
  with_each_size([](int threads) {
    kernel::mutex mutex;
    long count = 0;
    with_crew(threads, [&](int) {
      for (int i = 0; i < rounds(20'000); ++i) {
        const std::scoped_lock lock(mutex);
        ++count;
      }
    });
    CHECK(count == long{threads} * rounds(20'000));
    CHECK(mutex.try_lock());
    CHECK_FALSE(mutex.try_lock());
    mutex.unlock();
  });
}

TEST_CASE("kernel mutex: works where pthreads and hilo threads mix") {
  kernel::mutex mutex;
  long count = 0;
  const auto work = [&] {
    for (int i = 0; i < rounds(20'000); ++i) {
      const std::unique_lock lock(mutex);
      ++count;
    }
  };
  std::thread first(work), second(work);
  hilo::thread third(work), fourth(work);
  first.join();
  second.join();
  third.join();
  fourth.join();
  CHECK(count == 4L * rounds(20'000));
}

TEST_CASE("kernel mutex: a deadline ends the wait and not before its time, on either clock") {
  kernel::mutex mutex;
  mutex.lock();
  hilo::thread([&] {
    const auto start = std::chrono::steady_clock::now();
    CHECK_FALSE(mutex.try_lock_for(10ms));
    CHECK(std::chrono::steady_clock::now() - start >= 10ms);
    const auto system = std::chrono::system_clock::now();
    CHECK_FALSE(mutex.try_lock_until(system + 10ms));
    CHECK(std::chrono::system_clock::now() - system >= 10ms);
    CHECK_FALSE(mutex.try_lock_for(-1h));
    CHECK_FALSE(mutex.try_lock_until(std::chrono::steady_clock::time_point::min()));
  }).join();
  hilo::thread patient([&] {
    const std::unique_lock lock(mutex, std::chrono::hours::max());
    CHECK(lock.owns_lock());
  });
  mutex.unlock();
  patient.join();
  CHECK(mutex.try_lock());
  mutex.unlock();
}

TEST_CASE("kernel mutex: those that give up leave nobody asleep") {
  with_each_size([](int threads) {
    kernel::mutex mutex;
    std::atomic<long> taken = 0;
    long count = 0;
    with_crew(threads, [&](int me) {
      for (int i = 0; i < rounds(2'000); ++i) {
        if (me % 2 == 0) {
          mutex.lock();
        } else if (!mutex.try_lock_for(std::chrono::microseconds(i % 50))) {
          continue;
        }
        ++count;
        taken.fetch_add(1, std::memory_order_relaxed);
        mutex.unlock();
      }
    });
    CHECK(count == taken.load(std::memory_order_relaxed));
  });
}

TEST_CASE("kernel mutex: who takes it next may destroy it") {
  for (int i = 0; i < rounds(2'000); ++i) {
    auto mutex = std::make_unique<kernel::mutex>();
    mutex->lock();
    hilo::thread destroyer([&] {
      mutex->lock();
      mutex->unlock();
      mutex.reset();
    });
    mutex->unlock();
    destroyer.join();
  }
}

TEST_CASE("kernel mutex: std::scoped_lock takes two in any order without a deadlock") {
  kernel::mutex first, second;
  long count = 0;
  with_crew(4, [&](int me) {
    for (int i = 0; i < rounds(2'000); ++i) {
      if (me % 2 == 0) {
        const std::scoped_lock both(first, second);
        ++count;
      } else {
        const std::scoped_lock both(second, first);
        ++count;
      }
    }
  });
  CHECK(count == 4L * rounds(2'000));
}

namespace {
constinit kernel::mutex global;
}

TEST_CASE("kernel mutex: is a constant and 4 bytes") {
  const std::scoped_lock lock(global);
  static_assert(sizeof(kernel::mutex) == 4);
  static_assert(std::is_trivially_destructible_v<kernel::mutex>);
}

TEST_CASE("kernel recursive_mutex: its holder takes it again, others wait for the last unlock") {
  with_each_size([](int threads) {
    kernel::recursive_mutex mutex;
    long count = 0;
    with_crew(threads, [&](int) {
      for (int i = 0; i < rounds(5'000); ++i) {
        const std::scoped_lock outer(mutex);
        const std::unique_lock inner(mutex, std::try_to_lock);
        const std::unique_lock innermost(mutex, 1ms);
        count += inner.owns_lock() && innermost.owns_lock() ? 1 : 0;
      }
    });
    CHECK(count == long{threads} * rounds(5'000));
  });
}

TEST_CASE("kernel recursive_mutex: stays taken until each lock has its unlock") {
  kernel::recursive_mutex mutex;
  const auto is_free = [&] {
    bool taken = false;
    hilo::thread([&] {
      taken = mutex.try_lock_for(1ms);
      if (taken) mutex.unlock();
    }).join();
    return taken;
  };
  mutex.lock();
  CHECK(mutex.try_lock());
  mutex.unlock();
  CHECK_FALSE(is_free());
  mutex.unlock();
  CHECK(is_free());
}
