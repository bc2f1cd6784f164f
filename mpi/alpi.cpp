// ALPI on fibers (mpi/alpi.h), so that TAMPI runs on hilo. Nothing here calls MPI.
//
// Tasks. Each fiber is a task: a fiber that alpi_task_spawn() started, and also a fiber that the
// program spawned. The state of a task is a fiber_local value, made at the fiber's first
// alpi_task_self(). The value is destroyed after the fiber's function and before join() returns
// (hilo/fiber_local.hpp), and its destructor waits for the events of the task. So for join(), a
// scope and the runtime, a fiber ends when its task is complete. ALPI cannot report that a wait
// was ended early, so no stop request and no limit ends a wait here.
//
// Handles. A handle is invalid when its fiber has ended. The last unblock or decrease lets the
// fiber end, so the caller must not use the handle afterwards.
//
// CPUs. TAMPI has queues without a lock, one for each logical CPU. TAMPI asks for the number of the
// logical CPU and then uses the queue, and no call in between parks. So two kernel threads that run
// fibers must never have the same number, even if they take turns on one CPU. A carrier gets a
// number when a fiber first asks there, and keeps the number while the process lives.
//   Rejected: the number from sched_getcpu(3). The kernel may move a thread right after the call,
//   and run another thread on that CPU. The fibers of both threads would write into one queue.
#include "mpi/alpi.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include <sched.h>

#include "hilo/detail/carrier.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/fiber.hpp"
#include "hilo/fiber_local.hpp"
#include "hilo/limit.hpp"
#include "hilo/runtime.hpp"
#include "hilo/semaphore.hpp"

struct alpi_attr {};

struct alpi_task {
  alpi_task() = default;
  ~alpi_task() { complete(); }
  alpi_task(const alpi_task&) = delete;
  alpi_task& operator=(const alpi_task&) = delete;

  void complete() noexcept { decreased.acquire(std::exchange(increased, 0)); }

  std::ptrdiff_t increased = 0;  // only for the task itself
  hilo::semaphore decreased{0};
  hilo::semaphore unblocked{0};
};

namespace {

using hilo::detail::carrier;

// The most events, and the longest sleep in nanoseconds.
constexpr std::uint64_t most = hilo::semaphore::max();

// More carriers than CPUs may get a number, because hilo replaces carriers that block. A guess.
constexpr unsigned further_carriers = 64;
constexpr unsigned most_carriers = 1024;  // of a runtime (hilo/runtime.hpp)

// The carrier of each number; null for a free number. Written once, by the carrier. relaxed: an
// entry publishes nothing, and a carrier looks only for its own address.
constinit std::array<std::atomic<const carrier*>, most_carriers + further_carriers> numbered{};

unsigned cpu_count() noexcept {
  static const unsigned count = std::min(hilo::available_cpus(), most_carriers) + further_carriers;
  return count;
}

// The number of the calling carrier; cpu_count() if no number is free.
unsigned number_here() noexcept {
  const carrier* const here = hilo::detail::current_carrier();
  unsigned i = 0;
  for (; i < cpu_count(); ++i) {
    const carrier* its = numbered[i].load(std::memory_order_relaxed);
    if (its == nullptr &&
        numbered[i].compare_exchange_strong(its, here, std::memory_order_relaxed)) {
      break;
    }
    if (its == here) break;
  }
  return i;
}

bool in_task() noexcept {
  return hilo::this_fiber::id() != hilo::fiber_id{};
}

// The task of the calling fiber; null without memory for it. `tasks` is never destroyed, because
// fibers may run during exit(3).
alpi_task* own_task() noexcept try {
  static auto& tasks = *new hilo::fiber_local<std::unique_ptr<alpi_task>>(
      [] { return std::make_unique<alpi_task>(); });
  return tasks->get();
} catch (const std::bad_alloc&) {
  return nullptr;
}

int check_own(const alpi_task* task) noexcept {
  if (!in_task()) return ALPI_ERR_OUTSIDE_TASK;
  return task != nullptr && task == own_task() ? ALPI_SUCCESS : ALPI_ERR_PARAMETER;
}

template <class T>
int give(T* place, std::int64_t value) noexcept {
  if (place == nullptr) return ALPI_ERR_PARAMETER;
  *place = static_cast<T>(value);
  return ALPI_SUCCESS;
}

}  // namespace

extern "C" {

const char* alpi_error_string(int error) {
  static constexpr std::array texts{
      "success",
      "hilo has version 1.0 of ALPI; the caller needs another version",
      "the caller is in no runtime of hilo; call MPI_Init_thread and its like in a fiber",
      "an argument is invalid, or the task is not the caller",
      "there is not enough memory",
      "the caller is not a fiber",
      "more carriers run tasks than alpi_cpu_count() says; set spare_carriers to 64 or less",
  };
  const bool known = error >= 0 && static_cast<std::size_t>(error) < texts.size();
  return known ? texts[static_cast<std::size_t>(error)] : "Error code not recognized";
}

int alpi_version_check(int major, int minor) {
  const bool served = major == ALPI_VERSION_MAJOR && minor <= ALPI_VERSION_MINOR;
  return served ? ALPI_SUCCESS : ALPI_ERR_VERSION;
}

int alpi_version_get(int* major, int* minor) {
  if (minor == nullptr) return ALPI_ERR_PARAMETER;
  *minor = ALPI_VERSION_MINOR;
  return give(major, ALPI_VERSION_MAJOR);
}

int alpi_task_self(alpi_task** task) {
  if (task == nullptr) return ALPI_ERR_PARAMETER;
  *task = in_task() ? own_task() : nullptr;
  return in_task() && *task == nullptr ? ALPI_ERR_OUT_OF_MEMORY : ALPI_SUCCESS;
}

int alpi_task_block(alpi_task* task) {
  const int error = check_own(task);
  if (error == ALPI_SUCCESS) task->unblocked.acquire();
  return error;
}

int alpi_task_unblock(alpi_task* task) {
  if (task == nullptr) return ALPI_ERR_PARAMETER;
  task->unblocked.release();
  return ALPI_SUCCESS;
}

int alpi_task_waitfor_ns(uint64_t target_ns, uint64_t* actual_ns) {
  if (!in_task()) return ALPI_ERR_OUTSIDE_TASK;
  const std::int64_t begun = hilo::detail::monotonic_now();
  if (target_ns == 0) hilo::yield();
  const std::chrono::nanoseconds time(std::min(target_ns, most));
  (void)hilo::shielded([time] { return hilo::sleep_for(time); });
  if (actual_ns != nullptr) (void)give(actual_ns, hilo::detail::monotonic_now() - begun);
  return ALPI_SUCCESS;
}

int alpi_task_events_increase(alpi_task* task, uint64_t increment) {
  if (const int error = check_own(task); error != ALPI_SUCCESS) return error;
  if (increment > most - static_cast<std::uint64_t>(task->increased)) return ALPI_ERR_PARAMETER;
  task->increased += static_cast<std::ptrdiff_t>(increment);
  return ALPI_SUCCESS;
}

int alpi_task_events_decrease(alpi_task* task, uint64_t decrement) {
  if (task == nullptr || decrement > most) return ALPI_ERR_PARAMETER;
  task->decreased.release(static_cast<std::ptrdiff_t>(decrement));
  return ALPI_SUCCESS;
}

int alpi_attr_create(alpi_attr** attr) {
  if (attr == nullptr) return ALPI_ERR_PARAMETER;
  *attr = new (std::nothrow) alpi_attr;
  return *attr == nullptr ? ALPI_ERR_OUT_OF_MEMORY : ALPI_SUCCESS;
}

int alpi_attr_destroy(alpi_attr* attr) {
  if (attr == nullptr) return ALPI_ERR_PARAMETER;
  delete attr;
  return ALPI_SUCCESS;
}

int alpi_attr_init(alpi_attr* attr) {
  return attr == nullptr ? ALPI_ERR_PARAMETER : ALPI_SUCCESS;
}

int alpi_attr_size(uint64_t* attr_size) {
  return give(attr_size, sizeof(alpi_attr));
}

int alpi_task_spawn(void (*body)(void*), void* body_argument, void (*completed)(void*),
                    void* completed_argument, const char* label, const alpi_attr*) {
  if (body == nullptr || completed == nullptr) return ALPI_ERR_PARAMETER;
  if (!in_task()) return ALPI_ERR_NOT_INITIALIZED;
  std::error_code error;
  auto task = hilo::spawn(error, {.name = label == nullptr ? "task" : label}, [=] {
    body(body_argument);
    if (alpi_task* const self = own_task()) self->complete();
    completed(completed_argument);
  });
  if (error) return ALPI_ERR_OUT_OF_MEMORY;
  task.detach();
  return ALPI_SUCCESS;
}

int alpi_cpu_count(uint64_t* count) {
  return give(count, cpu_count());
}

int alpi_cpu_logical_id(uint64_t* id) {
  if (!in_task()) return ALPI_ERR_OUTSIDE_TASK;
  const unsigned number = number_here();
  return number == cpu_count() ? ALPI_ERR_UNKNOWN : give(id, number);
}

int alpi_cpu_system_id(uint64_t* id) {
  if (!in_task()) return ALPI_ERR_OUTSIDE_TASK;
  const int cpu = ::sched_getcpu();
  return cpu < 0 ? ALPI_ERR_UNKNOWN : give(id, cpu);
}

}  // extern "C"
