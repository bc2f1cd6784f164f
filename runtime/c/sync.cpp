// The functions of hilo/c/sync.h, except hilo_call_once.
#include "runtime/c/sync.hpp"

#include <cerrno>
#include <cstddef>

#include "runtime/c/result.hpp"

using namespace hilo::c;

namespace {

// Takes the lock, waiting until the deadline at most.
template <class M>
int lock_until(M& mutex, int64_t deadline) noexcept {
  if (deadline == HILO_NO_WAIT) return mutex.try_lock() ? 0 : -EAGAIN;
  if (mutex.try_lock_until(time_of(deadline))) return 0;
  const hilo::status limit = hilo::this_fiber::limit_reached();
  return limit == hilo::status::ok ? -ETIMEDOUT : number_of(limit);
}

}  // namespace

int hilo_mutex_create(hilo_mutex** made, hilo_mutex_kind kind) noexcept {
  if (kind != HILO_MUTEX_PLAIN && kind != HILO_MUTEX_RECURSIVE) return -EINVAL;
  return create(made, kind == HILO_MUTEX_RECURSIVE);
}
int hilo_mutex_destroy(hilo_mutex* mutex) noexcept {
  return destroy(mutex);
}
int hilo_mutex_lock(hilo_mutex* mutex) noexcept {
  if (mutex == nullptr) return -EINVAL;
  mutex->visit([](auto& its) { its.lock(); });
  return 0;
}
int hilo_mutex_lock_until(hilo_mutex* mutex, int64_t deadline) noexcept {
  if (mutex == nullptr) return -EINVAL;
  return mutex->visit([&](auto& its) { return lock_until(its, deadline); });
}
int hilo_mutex_unlock(hilo_mutex* mutex) noexcept {
  if (mutex == nullptr) return -EINVAL;
  mutex->visit([](auto& its) { its.unlock(); });
  return 0;
}

int hilo_condition_create(hilo_condition** made) noexcept {
  return create(made);
}
int hilo_condition_destroy(hilo_condition* condition) noexcept {
  return destroy(condition);
}
int hilo_condition_wait(hilo_condition* condition, hilo_mutex* mutex) noexcept {
  if (condition == nullptr || mutex == nullptr) return -EINVAL;
  mutex->visit([&](auto& its) { condition->its.wait(its); });
  return 0;
}
int hilo_condition_wait_until(hilo_condition* condition, hilo_mutex* mutex,
                              int64_t deadline) noexcept {
  if (condition == nullptr || mutex == nullptr) return -EINVAL;
  return mutex->visit([&](auto& its) {
    return number_of(condition->its.wait_until(its, time_of(deadline), hilo::interruptible),
                     deadline);
  });
}
int hilo_condition_signal(hilo_condition* condition) noexcept {
  if (condition == nullptr) return -EINVAL;
  condition->its.notify_one();
  return 0;
}
int hilo_condition_broadcast(hilo_condition* condition) noexcept {
  if (condition == nullptr) return -EINVAL;
  condition->its.notify_all();
  return 0;
}

int hilo_semaphore_create(hilo_semaphore** made, uint32_t count) noexcept {
  return create(made, static_cast<std::ptrdiff_t>(count));
}
int hilo_semaphore_destroy(hilo_semaphore* semaphore) noexcept {
  return destroy(semaphore);
}
int hilo_semaphore_acquire(hilo_semaphore* semaphore, uint32_t count, int64_t deadline) noexcept {
  if (semaphore == nullptr || count == 0) return -EINVAL;
  return wait_until(deadline, [&] {
    return semaphore->its.acquire(static_cast<std::ptrdiff_t>(count), hilo::interruptible);
  });
}
int hilo_semaphore_release(hilo_semaphore* semaphore, uint32_t count) noexcept {
  if (semaphore == nullptr || count == 0) return -EINVAL;
  semaphore->its.release(static_cast<std::ptrdiff_t>(count));
  return 0;
}
int hilo_semaphore_close(hilo_semaphore* semaphore) noexcept {
  if (semaphore == nullptr) return -EINVAL;
  semaphore->its.close();
  return 0;
}

int hilo_event_create(hilo_event** made, bool is_set) noexcept {
  return create(made, is_set);
}
int hilo_event_destroy(hilo_event* event) noexcept {
  return destroy(event);
}
int hilo_event_set(hilo_event* event) noexcept {
  if (event == nullptr) return -EINVAL;
  event->its.set();
  return 0;
}
int hilo_event_reset(hilo_event* event) noexcept {
  if (event == nullptr) return -EINVAL;
  event->its.reset();
  return 0;
}
int hilo_event_wait(hilo_event* event, int64_t deadline) noexcept {
  if (event == nullptr) return -EINVAL;
  return wait_until(deadline, [&] { return event->its.wait(hilo::interruptible); });
}

int hilo_wait_group_create(hilo_wait_group** made) noexcept {
  return create(made);
}
int hilo_wait_group_destroy(hilo_wait_group* group) noexcept {
  return destroy(group);
}
int hilo_wait_group_add(hilo_wait_group* group, uint32_t count) noexcept {
  if (group == nullptr || count == 0) return -EINVAL;
  group->its.add(static_cast<std::ptrdiff_t>(count));
  return 0;
}
int hilo_wait_group_done(hilo_wait_group* group) noexcept {
  if (group == nullptr) return -EINVAL;
  group->its.done();
  return 0;
}
int hilo_wait_group_wait(hilo_wait_group* group, int64_t deadline) noexcept {
  if (group == nullptr) return -EINVAL;
  return wait_until(deadline, [&] { return group->its.wait(hilo::interruptible); });
}
