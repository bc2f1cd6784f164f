// The shared mutex of the kernel floor.
#include "hilo/kernel/shared_mutex.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <shared_mutex>

#include "hilo/kernel/barrier.hpp"

#include "tests/doctest.hpp"
#include "tests/kernel/crews.hpp"

using namespace std::chrono_literals;
using hilo::test::rounds;
using hilo::test::with_crew;
using hilo::test::with_each_size;
namespace kernel = hilo::kernel;

TEST_CASE("kernel shared_mutex: readers never see half of a write, and no write is lost") {
  with_each_size([](int threads) {
    kernel::shared_mutex mutex;
    std::array<long, 8> words{};
    std::atomic<int> torn = 0;
    with_crew(threads, [&](int me) {
      for (int i = 0; i < rounds(10'000); ++i) {
        if ((i + me) % 4 == 0) {
          const std::scoped_lock writing(mutex);
          for (long& each : words) ++each;
        } else {
          const std::shared_lock reading(mutex);
          for (const long each : words) {
            if (each != words[0]) torn.fetch_add(1, std::memory_order_relaxed);
          }
        }
      }
    });
    CHECK(torn.load(std::memory_order_relaxed) == 0);
    CHECK(words[7] == long{threads} * rounds(10'000) / 4);
    CHECK(mutex.try_lock());
    mutex.unlock();
  });
}

TEST_CASE("kernel shared_mutex: readers are inside together") {
  kernel::shared_mutex mutex;
  kernel::barrier inside(8);
  with_crew(8, [&](int) {
    const std::shared_lock reading(mutex);
    inside.arrive_and_wait();  // would hang if one kept another out
  });
  CHECK(mutex.try_lock());
  CHECK_FALSE(mutex.try_lock_shared());
  mutex.unlock();
}

TEST_CASE(
    "kernel shared_mutex: a writer that waits keeps new readers out, and lets them in when "
    "it gives up") {
  kernel::shared_mutex mutex;
  mutex.lock_shared();
  std::atomic<bool> kept_out = false;
  hilo::thread writer([&] {
    do {
      CHECK_FALSE(mutex.try_lock_for(100ms));
    } while (!kept_out.load(std::memory_order_acquire));
  });
  while (mutex.try_lock_shared()) mutex.unlock_shared();  // until the writer waits
  kept_out.store(true, std::memory_order_release);
  hilo::thread reader([&] {
    const std::shared_lock reading(mutex);  // sleeps behind the writer; the first reader stays
  });
  reader.join();
  writer.join();
  CHECK(mutex.try_lock_shared());
  mutex.unlock_shared();
  mutex.unlock_shared();
  CHECK(mutex.try_lock());
  mutex.unlock();
}

TEST_CASE("kernel shared_mutex: deadlines end every kind of wait") {
  kernel::shared_mutex mutex;
  mutex.lock();
  hilo::thread([&] {
    const auto start = std::chrono::steady_clock::now();
    CHECK_FALSE(mutex.try_lock_for(5ms));
    CHECK_FALSE(mutex.try_lock_shared_for(5ms));
    CHECK_FALSE(mutex.try_lock_shared_until(std::chrono::system_clock::now() + 5ms));
    CHECK(std::chrono::steady_clock::now() - start >= 15ms);
  }).join();
  mutex.unlock();
  CHECK(mutex.try_lock_shared());
  mutex.unlock_shared();
}

TEST_CASE("kernel shared_mutex: readers and writers that give up leave nobody asleep") {
  with_each_size([](int threads) {
    kernel::shared_mutex mutex;
    long count = 0;
    std::atomic<long> written = 0;
    with_crew(threads, [&](int me) {
      for (int i = 0; i < rounds(3'000); ++i) {
        const auto patience = std::chrono::microseconds(i % 60);
        bool writing = false;
        switch ((me + i) % 4) {
          case 0:
            mutex.lock();
            writing = true;
            break;
          case 1:
            writing = mutex.try_lock_for(patience);
            break;
          case 2:
            mutex.lock_shared();
            mutex.unlock_shared();
            break;
          default:
            if (mutex.try_lock_shared_for(patience)) mutex.unlock_shared();
        }
        if (!writing) continue;
        ++count;
        written.fetch_add(1, std::memory_order_relaxed);
        mutex.unlock();
      }
    });
    CHECK(count == written.load(std::memory_order_relaxed));
    CHECK(mutex.try_lock());
    mutex.unlock();
  });
}
