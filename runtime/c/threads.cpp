// The functions of hilo/c/threads.h: C11's threads as fibers.
//
// thrd_exit must leave the function of a fiber without an exception, because frames of C may be in
// between. It jumps to the exit point, in the first frame of the fiber.
#include "hilo/c/threads.h"

#include <cerrno>
#include <chrono>
#include <csetjmp>
#include <cstdint>
#include <memory>
#include <new>

#include "hilo/fiber_local.hpp"
#include "hilo/limit.hpp"

#include "runtime/base/check.hpp"
#include "runtime/c/fiber.hpp"
#include "runtime/c/result.hpp"
#include "runtime/c/sync.hpp"
#include "runtime/sched/worker.hpp"

namespace {

using namespace hilo::c;

// A result of C11 for a number.
int result_of(int number) noexcept {
  switch (number) {
    case 0:
      return hilo_thrd_success;
    case -ENOMEM:
      return hilo_thrd_nomem;
    case -ETIMEDOUT:
      return hilo_thrd_timedout;
    case -EAGAIN:
      return hilo_thrd_busy;
    default:
      return hilo_thrd_error;
  }
}

bool wrong(const timespec* time) noexcept {
  return time == nullptr || time->tv_nsec < 0 || time->tv_nsec >= HILO_SECOND;
}

std::chrono::nanoseconds duration_of(const timespec& time) noexcept {
  const std::int64_t seconds = hilo::detail::nanoseconds_of(std::chrono::seconds(time.tv_sec));
  return std::chrono::nanoseconds(hilo::detail::nanoseconds_later(seconds, time.tv_nsec));
}
std::chrono::system_clock::time_point time_of(const timespec& time) noexcept {
  using std::chrono::system_clock;
  return system_clock::time_point(
      std::chrono::duration_cast<system_clock::duration>(duration_of(time)));
}

struct beginning {
  hilo_thrd_start_t function;
  void* argument;
};

struct exit_point {
  std::jmp_buf frame;
  int result;
};

// The exit point of the calling fiber; null outside of hilo_thrd_create's function. Never
// destroyed, because an exit handler may use it.
exit_point*& exit_point_here() noexcept {
  using variable = hilo::fiber_local<exit_point*>;
  alignas(variable) static unsigned char room[sizeof(variable)];
  static variable& of_fiber = *::new (room) variable;
  return of_fiber.get();
}

// Calls the function, and returns its result or that of thrd_exit. A frame of its own, because its
// variables would be lost in the jump.
[[gnu::noinline]] int run_to_exit(beginning what, exit_point& here) noexcept {
  if (setjmp(here.frame) != 0) return here.result;  // NOLINT: no destructor is jumped over here
  return what.function(what.argument);
}

void* run_thread(void* given) noexcept {
  const beginning what = *static_cast<beginning*>(given);
  delete static_cast<beginning*>(given);
  exit_point here{};
  exit_point_here() = &here;
  const int result = run_to_exit(what, here);
  exit_point_here() = nullptr;
  return reinterpret_cast<void*>(static_cast<std::intptr_t>(result));
}

}  // namespace

int hilo_thrd_create(hilo_thrd_t* made, hilo_thrd_start_t function, void* argument) noexcept {
  if (made == nullptr || function == nullptr) return hilo_thrd_error;
  auto* const what = new (std::nothrow) beginning{function, argument};
  if (what == nullptr) return hilo_thrd_nomem;
  const int error = hilo_spawn(made, nullptr, run_thread, what);
  if (error != 0) delete what;
  // C11 has nomem where there is no memory for a thread; a spawn says EAGAIN for that too.
  return error == -EAGAIN ? static_cast<int>(hilo_thrd_nomem) : result_of(error);
}

hilo_thrd_t hilo_thrd_current() noexcept {
  hilo::sched::worker* const here = hilo::sched::current_worker();
  if (here == nullptr) {
    return static_cast<hilo_thrd_t>(const_cast<void*>(hilo::detail::current_holder()));
  }
  return reinterpret_cast<hilo_thrd_t>(static_cast<task*>(here->running().work));
}

int hilo_thrd_equal(hilo_thrd_t one, hilo_thrd_t other) noexcept {
  return one == other ? 1 : 0;
}

int hilo_thrd_join(hilo_thrd_t thread, int* result) noexcept {
  void* value = nullptr;
  const int error = hilo_join(thread, &value);
  if (error == 0 && result != nullptr) {
    *result = static_cast<int>(reinterpret_cast<std::intptr_t>(value));
  }
  return result_of(error);
}

int hilo_thrd_detach(hilo_thrd_t thread) noexcept {
  return result_of(hilo_detach(thread));
}

void hilo_thrd_exit(int result) noexcept {
  exit_point* const here = exit_point_here();
  HILO_CHECK(here != nullptr, "thrd_exit in a fiber or thread that thrd_create did not make");
  here->result = result;
  std::longjmp(here->frame, 1);
}

int hilo_thrd_sleep(const timespec* duration, timespec* remaining) noexcept {
  if (wrong(duration) || duration->tv_sec < 0) return -2;
  const std::int64_t deadline = hilo_after(duration_of(*duration).count());
  if (hilo_sleep_until(deadline) == 0) return 0;
  if (remaining != nullptr) {
    const std::int64_t left = deadline > hilo_now() ? deadline - hilo_now() : 0;
    remaining->tv_sec = static_cast<time_t>(left / HILO_SECOND);
    remaining->tv_nsec = static_cast<long>(left % HILO_SECOND);
  }
  return -1;
}

void hilo_thrd_yield() noexcept {
  hilo::yield();
}

int hilo_mtx_init(hilo_mtx_t* mutex, int type) noexcept {
  if ((type & ~(hilo_mtx_recursive | hilo_mtx_timed)) != 0) return hilo_thrd_error;
  const bool recursive = (type & hilo_mtx_recursive) != 0;
  return result_of(hilo_mutex_create(mutex, recursive ? HILO_MUTEX_RECURSIVE : HILO_MUTEX_PLAIN));
}
void hilo_mtx_destroy(hilo_mtx_t* mutex) noexcept {
  if (mutex != nullptr) (void)hilo_mutex_destroy(*mutex);
}
int hilo_mtx_lock(hilo_mtx_t* mutex) noexcept {
  return mutex == nullptr ? hilo_thrd_error : result_of(hilo_mutex_lock(*mutex));
}
int hilo_mtx_trylock(hilo_mtx_t* mutex) noexcept {
  return mutex == nullptr ? hilo_thrd_error
                          : result_of(hilo_mutex_lock_until(*mutex, HILO_NO_WAIT));
}
int hilo_mtx_timedlock(hilo_mtx_t* mutex, const timespec* when) noexcept {
  if (mutex == nullptr || *mutex == nullptr || wrong(when)) return hilo_thrd_error;
  const bool taken = hilo::shielded([&] {
    return (*mutex)->visit([&](auto& its) { return its.try_lock_until(time_of(*when)); });
  });
  return taken ? hilo_thrd_success : hilo_thrd_timedout;
}
int hilo_mtx_unlock(hilo_mtx_t* mutex) noexcept {
  return mutex == nullptr ? hilo_thrd_error : result_of(hilo_mutex_unlock(*mutex));
}

int hilo_cnd_init(hilo_cnd_t* condition) noexcept {
  return result_of(hilo_condition_create(condition));
}
void hilo_cnd_destroy(hilo_cnd_t* condition) noexcept {
  if (condition != nullptr) (void)hilo_condition_destroy(*condition);
}
int hilo_cnd_signal(hilo_cnd_t* condition) noexcept {
  return condition == nullptr ? hilo_thrd_error : result_of(hilo_condition_signal(*condition));
}
int hilo_cnd_broadcast(hilo_cnd_t* condition) noexcept {
  return condition == nullptr ? hilo_thrd_error : result_of(hilo_condition_broadcast(*condition));
}
int hilo_cnd_wait(hilo_cnd_t* condition, hilo_mtx_t* mutex) noexcept {
  if (condition == nullptr || mutex == nullptr) return hilo_thrd_error;
  return result_of(hilo_condition_wait(*condition, *mutex));
}
int hilo_cnd_timedwait(hilo_cnd_t* condition, hilo_mtx_t* mutex, const timespec* when) noexcept {
  if (condition == nullptr || *condition == nullptr || mutex == nullptr || *mutex == nullptr ||
      wrong(when)) {
    return hilo_thrd_error;
  }
  const hilo::status end =
      (*mutex)->visit([&](auto& its) { return (*condition)->its.wait_until(its, time_of(*when)); });
  return result_of(number_of(end));
}

int hilo_tss_create(hilo_tss_t* key, hilo_tss_dtor_t destroy) noexcept {
  return result_of(hilo_local_create(key, destroy));
}
void hilo_tss_delete(hilo_tss_t key) noexcept {
  (void)hilo_local_destroy(key);
}
void* hilo_tss_get(hilo_tss_t key) noexcept {
  return hilo_local_get(key);
}
int hilo_tss_set(hilo_tss_t key, void* value) noexcept {
  return result_of(hilo_local_set(key, value));
}
