// The functions of ALPI (mpi/alpi.h) by themselves: tasks that block, tasks with events, spawned
// tasks, and the numbers of CPUs. One rank; MPI is only there for MUST.
#include "mpi/alpi.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <sched.h>

#include "hilo/blocking.hpp"
#include "hilo/fiber.hpp"
#include "hilo/latch.hpp"
#include "hilo/runtime.hpp"
#include "hilo/semaphore.hpp"
#include "hilo/status.hpp"

#include "tests/mpi/ranks.hpp"

namespace {

using namespace std::chrono_literals;

alpi_task* self() {
  alpi_task* task = nullptr;
  MUST(alpi_task_self(&task) == ALPI_SUCCESS);
  return task;
}

void nothing(void*) {}

void versions_and_texts() {
  int major = 0;
  int minor = 7;
  MUST(alpi_version_get(&major, &minor) == ALPI_SUCCESS && major == 1 && minor == 0);
  MUST(alpi_version_get(&major, nullptr) == ALPI_ERR_PARAMETER);
  MUST(alpi_version_get(nullptr, &minor) == ALPI_ERR_PARAMETER);
  MUST(alpi_version_check(1, 0) == ALPI_SUCCESS);
  MUST(alpi_version_check(1, 1) == ALPI_ERR_VERSION);
  MUST(alpi_version_check(0, 0) == ALPI_ERR_VERSION);
  MUST(alpi_version_check(2, 0) == ALPI_ERR_VERSION);

  const std::string_view unknown = alpi_error_string(-1);
  MUST(unknown == "Error code not recognized");
  MUST(alpi_error_string(ALPI_ERR_UNKNOWN + 1) == unknown);
  for (int error = ALPI_SUCCESS; error <= ALPI_ERR_UNKNOWN; ++error) {
    MUST(alpi_error_string(error) != unknown);
  }
}

void attributes() {
  alpi_attr* attr = nullptr;
  MUST(alpi_attr_create(&attr) == ALPI_SUCCESS && attr != nullptr);
  MUST(alpi_attr_init(attr) == ALPI_SUCCESS);
  MUST(alpi_attr_destroy(attr) == ALPI_SUCCESS);
  std::uint64_t size = 0;
  MUST(alpi_attr_size(&size) == ALPI_SUCCESS && size > 0);
  std::vector<std::byte> own(size);
  MUST(alpi_attr_init(reinterpret_cast<alpi_attr*>(own.data())) == ALPI_SUCCESS);
  MUST(alpi_attr_create(nullptr) == ALPI_ERR_PARAMETER);
  MUST(alpi_attr_destroy(nullptr) == ALPI_ERR_PARAMETER);
  MUST(alpi_attr_init(nullptr) == ALPI_ERR_PARAMETER);
  MUST(alpi_attr_size(nullptr) == ALPI_ERR_PARAMETER);
}

// A kernel thread is no task. `other` is the handle of a task, or null.
void refused_outside(alpi_task* other) {
  MUST(self() == nullptr);
  MUST(alpi_task_self(nullptr) == ALPI_ERR_PARAMETER);
  MUST(alpi_task_block(other) == ALPI_ERR_OUTSIDE_TASK);
  MUST(alpi_task_unblock(nullptr) == ALPI_ERR_PARAMETER);
  MUST(alpi_task_events_increase(other, 1) == ALPI_ERR_OUTSIDE_TASK);
  MUST(alpi_task_events_decrease(nullptr, 1) == ALPI_ERR_PARAMETER);
  MUST(alpi_task_waitfor_ns(1, nullptr) == ALPI_ERR_OUTSIDE_TASK);
  MUST(alpi_task_spawn(nothing, nullptr, nothing, nullptr, "lost", nullptr) ==
       ALPI_ERR_NOT_INITIALIZED);
  std::uint64_t number = 0;
  MUST(alpi_cpu_logical_id(&number) == ALPI_ERR_OUTSIDE_TASK);
  MUST(alpi_cpu_system_id(&number) == ALPI_ERR_OUTSIDE_TASK);
}

void refused_inside() {
  alpi_task* const mine = self();
  MUST(mine != nullptr && mine == self());
  hilo::spawn([mine] {
    MUST(self() != mine);
    MUST(alpi_task_block(mine) == ALPI_ERR_PARAMETER);
    MUST(alpi_task_events_increase(mine, 1) == ALPI_ERR_PARAMETER);
  }).join();
  MUST(alpi_task_block(nullptr) == ALPI_ERR_PARAMETER);
  MUST(alpi_task_events_increase(nullptr, 1) == ALPI_ERR_PARAMETER);
  MUST(alpi_task_events_increase(mine, UINT64_MAX) == ALPI_ERR_PARAMETER);
  MUST(alpi_task_events_decrease(mine, UINT64_MAX) == ALPI_ERR_PARAMETER);
  MUST(alpi_task_spawn(nullptr, nullptr, nothing, nullptr, nullptr, nullptr) == ALPI_ERR_PARAMETER);
  MUST(alpi_task_spawn(nothing, nullptr, nullptr, nullptr, nullptr, nullptr) == ALPI_ERR_PARAMETER);
  MUST(alpi_cpu_count(nullptr) == ALPI_ERR_PARAMETER);
  MUST(alpi_cpu_logical_id(nullptr) == ALPI_ERR_PARAMETER);
  MUST(alpi_cpu_system_id(nullptr) == ALPI_ERR_PARAMETER);
  hilo::blocking([mine] { refused_outside(mine); });
}

// The unblock comes before the block, and after it, from a fiber and from a kernel thread.
void blocked() {
  alpi_task* const mine = self();
  MUST(alpi_task_unblock(mine) == ALPI_SUCCESS);
  MUST(alpi_task_block(mine) == ALPI_SUCCESS);
  std::thread other([mine] { MUST(alpi_task_unblock(mine) == ALPI_SUCCESS); });
  MUST(alpi_task_block(mine) == ALPI_SUCCESS);
  other.join();

  // Each block of two tasks ends by the other's unblock, so they count in turn.
  constexpr int rounds = 1000;
  std::atomic<alpi_task*> second{nullptr};
  int turns = 0;
  hilo::latch known(1);
  auto partner = hilo::spawn([&] {
    second.store(self(), std::memory_order_relaxed);  // the latch publishes it
    known.count_down();
    for (int i = 0; i < rounds; ++i) {
      MUST(alpi_task_block(self()) == ALPI_SUCCESS);
      MUST(turns++ == 2 * i);
      MUST(alpi_task_unblock(mine) == ALPI_SUCCESS);
    }
  });
  known.wait();
  for (int i = 0; i < rounds; ++i) {
    MUST(alpi_task_unblock(second.load(std::memory_order_relaxed)) == ALPI_SUCCESS);
    MUST(alpi_task_block(mine) == ALPI_SUCCESS);
    MUST(turns++ == 2 * i + 1);
  }
  partner.join();
}

// A task that is gone as soon as it is unblocked, while the unblock may still run.
void gone_at_once() {
  for (int i = 0; i < 1000; ++i) {
    hilo::latch known(1);
    alpi_task* task = nullptr;
    auto one = hilo::spawn([&] {
      task = self();
      known.count_down();
      MUST(alpi_task_block(task) == ALPI_SUCCESS);
    });
    known.wait();
    MUST(alpi_task_unblock(task) == ALPI_SUCCESS);
    one.join();
  }
}

void no_stop_ends_a_block() {
  std::atomic<bool> unblocked{false};  // relaxed: the unblock publishes it
  alpi_task* task = nullptr;
  hilo::latch known(1);
  auto one = hilo::spawn([&] {
    task = self();
    known.count_down();
    MUST(alpi_task_block(task) == ALPI_SUCCESS);
    MUST(unblocked.load(std::memory_order_relaxed));
    std::uint64_t slept = 0;
    MUST(alpi_task_waitfor_ns(2'000'000, &slept) == ALPI_SUCCESS && slept >= 2'000'000);
  });
  known.wait();
  one.request_stop();
  MUST(one.wait_for(5ms) == hilo::status::timed_out);
  unblocked.store(true, std::memory_order_relaxed);
  MUST(alpi_task_unblock(task) == ALPI_SUCCESS);
  one.join();
}

void waits() {
  std::uint64_t slept = 0;
  MUST(alpi_task_waitfor_ns(1'000'000, &slept) == ALPI_SUCCESS && slept >= 1'000'000);
  MUST(alpi_task_waitfor_ns(0, &slept) == ALPI_SUCCESS);
  MUST(alpi_task_waitfor_ns(0, nullptr) == ALPI_SUCCESS);
}

// Releases a semaphore when the fiber's function has been destroyed.
struct at_end {
  explicit at_end(hilo::semaphore& what) : told(&what) {}
  at_end(at_end&& other) noexcept : told(std::exchange(other.told, nullptr)) {}
  ~at_end() {
    if (told != nullptr) told->release();
  }
  hilo::semaphore* told;
};

// join() returns when the events are decreased, though the function has returned long before.
void events_delay_a_join() {
  for (int round = 0; round < 200; ++round) {
    hilo::semaphore over(0);
    alpi_task* task = nullptr;
    std::atomic<int> left{3};  // relaxed: the decreases publish it
    auto one = hilo::spawn([&, end = at_end(over)] {
      task = self();
      MUST(alpi_task_events_increase(task, 1) == ALPI_SUCCESS);
      MUST(alpi_task_events_increase(task, 3) == ALPI_SUCCESS);
      MUST(alpi_task_events_decrease(task, 1) == ALPI_SUCCESS);
    });
    over.acquire();
    const auto fulfil = [&] {
      left.fetch_sub(1, std::memory_order_relaxed);
      MUST(alpi_task_events_decrease(task, 1) == ALPI_SUCCESS);
    };
    if (round == 0) MUST(one.wait_for(5ms) == hilo::status::timed_out);
    auto second = hilo::spawn(fulfil);
    auto third = hilo::spawn(fulfil);
    fulfil();
    one.join();
    MUST(left.load(std::memory_order_relaxed) == 0);
  }
}

struct spawned {
  hilo::latch begun{1};
  hilo::latch completed{1};
  alpi_task* task = nullptr;
  std::atomic<bool> decreased{false};  // relaxed: the decrease publishes it
};

void spawned_tasks() {
  alpi_attr* attr = nullptr;
  MUST(alpi_attr_create(&attr) == ALPI_SUCCESS);
  for (int round = 0; round < 200; ++round) {
    spawned one;
    const auto body = [](void* argument) {
      auto& its = *static_cast<spawned*>(argument);
      its.task = self();
      MUST(alpi_task_events_increase(its.task, 1) == ALPI_SUCCESS);
      its.begun.count_down();
    };
    const auto completed = [](void* argument) {
      auto& its = *static_cast<spawned*>(argument);
      MUST(its.decreased.load(std::memory_order_relaxed));
      its.completed.count_down();
    };
    MUST(alpi_task_spawn(body, &one, completed, &one, round % 2 == 0 ? "spawned" : nullptr,
                         round % 2 == 0 ? attr : nullptr) == ALPI_SUCCESS);
    one.begun.wait();
    one.decreased.store(true, std::memory_order_relaxed);
    MUST(alpi_task_events_decrease(one.task, 1) == ALPI_SUCCESS);
    one.completed.wait();
  }
  MUST(alpi_attr_destroy(attr) == ALPI_SUCCESS);

  hilo::latch all(2);  // without events
  const auto count = [](void* latch) { static_cast<hilo::latch*>(latch)->count_down(); };
  MUST(alpi_task_spawn(count, &all, count, &all, "short", nullptr) == ALPI_SUCCESS);
  all.wait();
}

// Between two parks no other fiber has the number, also while carriers are replaced.
void numbers() {
  std::uint64_t count = 0;
  MUST(alpi_cpu_count(&count) == ALPI_SUCCESS && count >= hilo::available_cpus());
  std::vector<std::atomic<bool>> taken(count);
  std::vector<hilo::fiber<void>> fibers;
  for (int i = 0; i < 32; ++i) {
    fibers.push_back(hilo::spawn([&taken, count, i] {
      for (int round = 0; round < 200; ++round) {
        std::uint64_t number = count;
        MUST(alpi_cpu_logical_id(&number) == ALPI_SUCCESS && number < count);
        MUST(!taken[number].exchange(true, std::memory_order_relaxed));
        ::sched_yield();  // another kernel thread takes the CPU
        std::uint64_t again = count;
        MUST(alpi_cpu_logical_id(&again) == ALPI_SUCCESS && again == number);
        std::uint64_t system = UINT64_MAX;
        MUST(alpi_cpu_system_id(&system) == ALPI_SUCCESS && system != UINT64_MAX);
        taken[number].store(false, std::memory_order_relaxed);
        if (i < 4 && round % 50 == 0) {
          hilo::blocking([] { std::this_thread::sleep_for(200us); });
        } else {
          hilo::yield();
        }
      }
    }));
  }
  for (auto& one : fibers) one.join();
}

void all() {
  refused_inside();
  blocked();
  gone_at_once();
  no_stop_ends_a_block();
  waits();
  events_delay_a_join();
  spawned_tasks();
  numbers();
}

// Not under a sanitizer, and not on each CPU.
bool have_own_tls() {
  return hilo::run([] {
    std::error_code error;
    const auto one = hilo::spawn(error, {.tls = hilo::tls::own}, [] {});
    return !error;
  });
}

}  // namespace

int main() {
  versions_and_texts();
  attributes();
  refused_outside(nullptr);
  hilo::run({.carriers = 4}, all);
  if (have_own_tls()) hilo::run({.carriers = 2, .tls = hilo::tls::own}, all);
  std::printf("ALPI's 17 functions keep their promises\n");
  return 0;
}
