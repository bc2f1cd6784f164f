// The functions of hilo/c/fiber.h.
#include "runtime/c/fiber.hpp"

#include <new>
#include <system_error>

#include "hilo/blocking.hpp"
#include "hilo/limit.hpp"
#include "hilo/runtime.hpp"

#include "runtime/c/callback.hpp"
#include "runtime/c/result.hpp"
#include "runtime/sched/fibers/spawn.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::c {
namespace {

using work = detail::task_with<void*, callback>;

bool to_tls(hilo_tls given, tls& chosen) noexcept {
  switch (given) {
    case HILO_TLS_INHERIT:
      chosen = tls::inherit;
      return true;
    case HILO_TLS_CARRIER:
      chosen = tls::carrier;
      return true;
    case HILO_TLS_OWN:
      chosen = tls::own;
      return true;
  }
  return false;
}

bool to_priority(hilo_priority given, priority& chosen) noexcept {
  switch (given) {
    case HILO_PRIORITY_HIGH:
      chosen = priority::high;
      return true;
    case HILO_PRIORITY_NORMAL:
      chosen = priority::normal;
      return true;
    case HILO_PRIORITY_IDLE:
      chosen = priority::idle;
      return true;
  }
  return false;
}

bool to_driver(hilo_io_driver given, io_driver& chosen) noexcept {
  switch (given) {
    case HILO_IO_ANY:
      chosen = io_driver::any;
      return true;
    case HILO_IO_URING:
      chosen = io_driver::uring;
      return true;
    case HILO_IO_EPOLL:
      chosen = io_driver::epoll;
      return true;
  }
  return false;
}

int read_run_options(const hilo_run_options* given, runtime_options& chosen) noexcept {
  hilo_run_options read = HILO_RUN_OPTIONS;
  if (read_options(given, read) != 0) return -EINVAL;
  if (read.carriers != 0) chosen.carriers = read.carriers;
  if (read.spare_carriers != 0) chosen.spare_carriers = read.spare_carriers;
  if (read.stack_size != 0) chosen.stack_size = read.stack_size;
  if (read.guard_size == HILO_NO_GUARD) {
    chosen.guard_size = 0;
  } else if (read.guard_size != 0) {
    chosen.guard_size = read.guard_size;
  }
  if (!to_tls(read.tls, chosen.tls) || !to_driver(read.io, chosen.io)) return -EINVAL;
  if (chosen.tls == tls::inherit) chosen.tls = tls::carrier;
  return 0;
}

// Whether the caller is this fiber, which cannot wait for its own end.
bool is_caller(const task& one) noexcept {
  sched::worker* const here = sched::current_worker();
  return here != nullptr && &here->running() == one.owner;
}

// Calls a callback inside a limit that the callback's caller made.
template <class F>
int call_within(hilo_function* function, void* argument, void** result, F&& around) noexcept {
  if (function == nullptr) return -EINVAL;
  keep(result, around(callback{function, argument}));
  return 0;
}

}  // namespace

int read_spawn_options(const hilo_spawn_options* given, spawn_options& chosen) noexcept {
  hilo_spawn_options read = HILO_SPAWN_OPTIONS;
  if (read_options(given, read) != 0) return -EINVAL;
  if (read.name != nullptr) chosen.name = read.name;
  chosen.stack_size = read.stack_size;
  chosen.pinned = read.pinned;
  chosen.keep_fp_control = read.keep_fp_control;
  chosen.paint_stack = read.paint_stack;
  const bool known = to_tls(read.tls, chosen.tls) && to_priority(read.priority, chosen.urgency);
  return known ? 0 : -EINVAL;
}

}  // namespace hilo::c

using namespace hilo::c;

int hilo_run(const hilo_run_options* options, hilo_function* function, void* argument,
             void** result) noexcept {
  if (function == nullptr) return -EINVAL;
  return guarded([&] {
    hilo::runtime_options chosen;
    if (const int error = read_run_options(options, chosen); error != 0) return error;
    keep(result, hilo::run(chosen, callback{function, argument}));
    return 0;
  });
}

// As hilo::spawn, except that reports name the place where this call returns to.
int hilo_spawn(hilo_fiber** made, const hilo_spawn_options* options, hilo_function* function,
               void* argument) noexcept {
  if (made == nullptr || function == nullptr) return -EINVAL;
  const void* const site = __builtin_return_address(0);
  return guarded([&] {
    hilo::spawn_options chosen;
    if (const int error = read_spawn_options(options, chosen); error != 0) return error;
    hilo::sched::fiber* owner = nullptr;
    void* const place = hilo::detail::create_fiber(nullptr, options == nullptr ? nullptr : &chosen,
                                                   sizeof(work), alignof(work), &owner, nullptr);
    auto* const its = ::new (place) work(callback{function, argument});
    its->owner = owner;
    owner->spawned_at = site;
    // The new fiber may run and end before start_fiber returns, and its function may use the
    // handle.
    *made = reinterpret_cast<hilo_fiber*>(static_cast<task*>(its));
    hilo::detail::start_fiber(*owner, *its);
    return 0;
  });
}

int hilo_join(hilo_fiber* fiber, void** result) noexcept {
  if (fiber == nullptr) return -EINVAL;
  task& its = task_of(fiber);
  if (is_caller(its)) return -EDEADLK;
  keep(result, hilo::fiber<void*>(its).join());
  return 0;
}

int hilo_wait(hilo_fiber* fiber, int64_t deadline) noexcept {
  if (fiber == nullptr) return -EINVAL;
  if (is_caller(task_of(fiber))) return -EDEADLK;
  return number_of(borrowed(fiber)->wait_until(time_of(deadline)), deadline);
}

int hilo_detach(hilo_fiber* fiber) noexcept {
  if (fiber == nullptr) return -EINVAL;
  hilo::fiber<void*>(task_of(fiber)).detach();
  return 0;
}

int hilo_stop(hilo_fiber* fiber) noexcept {
  if (fiber == nullptr) return -EINVAL;
  borrowed(fiber)->request_stop();
  return 0;
}

bool hilo_stop_requested() noexcept {
  hilo::sched::worker* const here = hilo::sched::current_worker();
  return here != nullptr && hilo::sched::is_asked_to_stop(here->running());
}

uint64_t hilo_fiber_id(const hilo_fiber* fiber) noexcept {
  return fiber == nullptr ? 0 : borrowed(const_cast<hilo_fiber*>(fiber))->id().value;
}

uint64_t hilo_self_id() noexcept {
  return hilo::this_fiber::id().value;
}

void hilo_yield() noexcept {
  hilo::yield();
}

int hilo_sleep(int64_t nanoseconds) noexcept {
  return number_of(hilo::sleep_for(std::chrono::nanoseconds(nanoseconds)));
}

int hilo_sleep_until(int64_t time) noexcept {
  return number_of(hilo::sleep_until(time_of(time)));
}

int hilo_with_deadline(int64_t deadline, hilo_function* function, void* argument,
                       void** result) noexcept {
  return call_within(function, argument, result,
                     [&](callback call) { return hilo::with_deadline(time_of(deadline), call); });
}

int hilo_shielded(hilo_function* function, void* argument, void** result) noexcept {
  return call_within(function, argument, result,
                     [](callback call) { return hilo::shielded(call); });
}

int hilo_blocking(hilo_function* function, void* argument, void** result) noexcept {
  return call_within(function, argument, result,
                     [](callback call) { return hilo::blocking(call); });
}
