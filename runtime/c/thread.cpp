// The functions of hilo/c/thread.h.
#include "hilo/thread.hpp"

#include <cerrno>
#include <memory>
#include <utility>

#include <unistd.h>

#include "hilo/c/thread.h"

#include "runtime/c/callback.hpp"
#include "runtime/c/result.hpp"

struct hilo_thread {
  // What the function returned. The thread shares it, because a handle may be gone before its end.
  std::shared_ptr<void*> result;
  hilo::thread its;
};

namespace {

using namespace hilo::c;

int read_thread_options(const hilo_thread_options* given, hilo::thread_options& chosen) {
  hilo_thread_options read = HILO_THREAD_OPTIONS;
  if (read_options(given, read) != 0) return -EINVAL;
  if (read.name != nullptr) chosen.name = read.name;
  if (read.stack_size != 0) chosen.stack_size = read.stack_size;
  if (read.guard_size == HILO_NO_GUARD) {
    chosen.guard_size = 0;
  } else if (read.guard_size != 0) {
    chosen.guard_size = read.guard_size;
  }
  if ((read.cpus == nullptr) != (read.cpu_count == 0)) return -EINVAL;
  if (read.cpus != nullptr) chosen.cpus.assign(read.cpus, read.cpus + read.cpu_count);
  if (read.nice != HILO_NICE_INHERIT) chosen.nice = read.nice;
  chosen.priority = read.priority;
  switch (read.scheduling) {
    case HILO_SCHEDULING_INHERIT:
      chosen.scheduling = hilo::scheduling_class::inherit;
      return 0;
    case HILO_SCHEDULING_NORMAL:
      chosen.scheduling = hilo::scheduling_class::normal;
      return 0;
    case HILO_SCHEDULING_BATCH:
      chosen.scheduling = hilo::scheduling_class::batch;
      return 0;
    case HILO_SCHEDULING_IDLE:
      chosen.scheduling = hilo::scheduling_class::idle;
      return 0;
    case HILO_SCHEDULING_FIFO:
      chosen.scheduling = hilo::scheduling_class::fifo;
      return 0;
    case HILO_SCHEDULING_ROUND_ROBIN:
      chosen.scheduling = hilo::scheduling_class::round_robin;
      return 0;
  }
  return -EINVAL;
}

// The thread has ended.
int finish(hilo_thread* thread, void** result) noexcept {
  keep(result, *thread->result);
  delete thread;
  return 0;
}

}  // namespace

int hilo_thread_start(hilo_thread** made, const hilo_thread_options* options,
                      hilo_function* function, void* argument) noexcept {
  if (made == nullptr || function == nullptr) return -EINVAL;
  return guarded([&] {
    hilo::thread_options chosen;
    if (const int error = read_thread_options(options, chosen); error != 0) return error;
    auto one = std::make_unique<hilo_thread>();
    one->result = std::make_shared<void*>(nullptr);
    one->its = hilo::thread(
        chosen, [result = one->result, call = callback{function, argument}] { *result = call(); });
    *made = one.release();
    return 0;
  });
}

int hilo_thread_join(hilo_thread* thread, void** result) noexcept {
  if (thread == nullptr) return -EINVAL;
  const int error = guarded([&] {
    thread->its.join();
    return 0;
  });
  return error != 0 ? error : finish(thread, result);
}

int hilo_thread_join_until(hilo_thread* thread, void** result, int64_t deadline) noexcept {
  if (thread == nullptr) return -EINVAL;
  if (thread->its.native_id() == ::gettid()) return -EDEADLK;
  if (thread->its.join_until(time_of(deadline))) return finish(thread, result);
  const hilo::status limit = hilo::this_fiber::limit_reached();
  return number_of(limit == hilo::status::ok ? hilo::status::timed_out : limit, deadline);
}

int hilo_thread_detach(hilo_thread* thread) noexcept {
  if (thread == nullptr) return -EINVAL;
  thread->its.detach();
  return destroy(thread);
}

pid_t hilo_thread_id(const hilo_thread* thread) noexcept {
  return thread == nullptr ? 0 : thread->its.native_id();
}
