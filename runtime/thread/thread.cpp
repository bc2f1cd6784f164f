#include "runtime/thread/thread.hpp"

#include <cerrno>

#include <sys/prctl.h>
#include <sys/resource.h>

#include "hilo/detail/decision.hpp"
#include "hilo/detail/fence.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/exiting.hpp"
#include "runtime/sys/syscall.hpp"
#include "runtime/thread/backend.hpp"
#include "runtime/thread/ending.hpp"
#include "runtime/thread/placement.hpp"

namespace hilo {
namespace detail {
namespace {

// A body that remembers whether the user's part of a failed start has thrown. The user catches that
// exception; every other failure hilo reports itself.
struct watched_body {
  const thread_body* body;
  bool threw = false;

  static void construct(void* place, void* context) {
    auto& self = *static_cast<watched_body*>(context);
    self.threw = true;
    self.body->construct(place, self.body->context);
    self.threw = false;
  }
};

}  // namespace

kernel_thread* start_kernel_thread(const thread_options& options, const thread_body& body,
                                   std::error_code* error) {
  watched_body watched{&body};
  thread_body wrapped = body;
  wrapped.context = &watched;
  wrapped.construct = watched_body::construct;
  free_light_fence();
  try {
    kernel_thread* const started =
        kernel::start_placed(*kernel::chosen_backend().threads, options, wrapped);
    started->process = kernel::process_number();
    return started;
  } catch (const std::bad_alloc&) {
    if (watched.threw) throw;
    if (error == nullptr) {
      base::fail(ENOMEM, "start a thread",
                 "memory is used up; run fewer threads, or raise RLIMIT_AS if it is set");
    }
    *error = std::make_error_code(std::errc::not_enough_memory);
  } catch (const std::system_error& problem) {
    if (watched.threw || error == nullptr) throw;
    *error = problem.code();
  }
  return nullptr;
}

// Parks a fiber until only the thread's exit is left to wait for, so its carrier goes on.
static bool await_end(kernel_thread& thread, kernel::deadline until) noexcept {
  if (current_waiter().kind == waiter_kind::thread) return true;
  if (simulating()) refuse_simulated("waiting for a kernel thread or process");
  return thread.end.await(until);
}

void join_kernel_thread(kernel_thread* thread) noexcept {
  (void)await_end(*thread, std::nullopt);
  kernel::chosen_backend().threads->join(thread, std::nullopt);
}

bool join_kernel_thread_until(kernel_thread* thread,
                              std::chrono::steady_clock::time_point deadline) noexcept {
  if (!await_end(*thread, deadline)) return false;
  return kernel::chosen_backend().threads->join(thread, deadline);
}

void end_kernel_thread(kernel_thread* thread) noexcept {
  if (thread->left_behind()) return;
  if (kernel::chosen_backend().threads->is_caller(thread)) {
    HILO_CHECK(base::in_exit(),
               "a thread destroys its own handle, and would wait for its own end; detach it");
    return;
  }
  join_kernel_thread(thread);
}

void detach_kernel_thread(kernel_thread* thread) noexcept {
  kernel::chosen_backend().threads->detach(thread);
}

pid_t kernel_thread_id(const kernel_thread* thread) noexcept {
  return kernel::chosen_backend().threads->id(thread);
}

}  // namespace detail

namespace kernel {

thread_handle start(const thread_options& options, void (*function)(void*), void* argument) {
  struct closure {
    void (*function)(void*);
    void* argument;
  };
  closure body{function, argument};
  return detail::start_kernel_thread(
      options,
      {.size = sizeof(closure),
       .alignment = alignof(closure),
       .context = &body,
       .construct = [](void* place,
                       void* from) { ::new (place) closure(*static_cast<closure*>(from)); },
       .destroy = [](void*) noexcept {},
       .run_and_destroy =
           [](void* it) noexcept {
             const auto& self = *static_cast<closure*>(it);
             self.function(self.argument);
           }});
}

}  // namespace kernel

namespace {

void check_joinable(const thread& handle, const char* what) {
  if (!handle.joinable()) {
    base::fail(EINVAL, what,
               "the handle has none: it was joined, detached, moved from or never started");
  }
}

void check_here(const detail::kernel_thread& one) {
  if (one.left_behind()) {
    base::fail(ESRCH, "join a thread",
               "it is a thread of the parent, and does not run in the child of a fork");
  }
}

}  // namespace

void thread::join() {
  check_joinable(*this, "join a thread");
  check_here(*running_);
  if (kernel::chosen_backend().threads->is_caller(running_)) {
    base::fail(EDEADLK, "join a thread", "it is the calling thread, which would wait for itself");
  }
  detail::join_kernel_thread(running_);
  running_ = nullptr;  // only now: a thread that joins itself meanwhile must get its error
}

bool thread::join_by(std::chrono::steady_clock::time_point deadline) {
  check_joinable(*this, "join a thread");
  check_here(*running_);
  if (!detail::join_kernel_thread_until(running_, deadline)) return false;
  running_ = nullptr;
  return true;
}

void thread::detach() {
  check_joinable(*this, "detach a thread");
  detail::detach_kernel_thread(std::exchange(running_, nullptr));
}

namespace this_thread {

thread::id native_id() noexcept {
  return static_cast<pid_t>(sys::call(SYS_gettid));
}

void set_name(std::string_view name) noexcept {
  char kept[16] = {};
  name.copy(kept, sizeof kept - 1);
  sys::call(SYS_prctl, PR_SET_NAME, kept);
}

std::string name() {
  char kept[16] = {};
  sys::call(SYS_prctl, PR_GET_NAME, kept);
  return kept;
}

void set_cpus(std::span<const unsigned> cpus) {
  const kernel::cpu_mask mask(cpus);
  kernel::throw_failure(kernel::set_cpus(mask));
}

void set_nice(int nice) {
  kernel::throw_failure(kernel::set_nice(nice));
}

void set_scheduling(scheduling_class scheduling, int priority) {
  kernel::throw_failure(kernel::set_scheduling(scheduling, priority));
}

std::vector<unsigned> cpus() {
  return kernel::cpu_mask::of_caller().numbers();
}

int nice() noexcept {
  // The raw call returns 20 - nice, so that no result is negative.
  return 20 - static_cast<int>(sys::call(SYS_getpriority, PRIO_PROCESS, 0));
}

}  // namespace this_thread
}  // namespace hilo
