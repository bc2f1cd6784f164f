#include "tests/runtimes.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <random>

#include <sched.h>
#include <unistd.h>

#include "hilo/latch.hpp"
#include "hilo/mutex.hpp"

namespace hilo::test {

void migrate() {
  struct meeting {
    event awake;
    std::atomic<bool> gone{false};
  };
  static mutex one_at_a_time;  // carriers that are all kept busy steal nothing
  const std::scoped_lock guard(one_at_a_time);
  const pid_t before = ::gettid();
  while (::gettid() == before) {
    const auto both = std::make_shared<meeting>();
    spawn([both] {
      both->awake.set();
      while (!both->gone.load(std::memory_order_relaxed)) ::sched_yield();  // orders nothing
    }).detach();
    both->awake.wait();
    both->gone.store(true, std::memory_order_relaxed);  // as above
  }
}

std::uint64_t stress_seed() {
  if (const char* given = std::getenv("HILO_SEED")) return std::strtoull(given, nullptr, 0);
  return std::random_device()();
}

}  // namespace hilo::test
