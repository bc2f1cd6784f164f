#include "runtime/thread/thread.hpp"

#include <cerrno>

#include <sys/prctl.h>

#include "runtime/base/error.hpp"
#include "runtime/sys/syscall.hpp"
#include "runtime/thread/backend.hpp"

namespace hilo {
namespace detail {

kernel_thread* start_kernel_thread(const thread_options& options, const thread_body& body) {
  return kernel::chosen_backend().threads->start(options, body);
}

void join_kernel_thread(kernel_thread* thread) noexcept {
  kernel::chosen_backend().threads->join(thread, std::nullopt);
}

bool join_kernel_thread_until(kernel_thread* thread,
                              std::chrono::steady_clock::time_point deadline) noexcept {
  return kernel::chosen_backend().threads->join(thread, deadline);
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

}  // namespace

void thread::join() {
  check_joinable(*this, "join a thread");
  if (kernel::chosen_backend().threads->is_caller(running_)) {
    base::fail(EDEADLK, "join a thread", "it is the calling thread, which would wait for itself");
  }
  detail::join_kernel_thread(running_);
  running_ = nullptr;  // only now: a thread that joins itself meanwhile is to be told so
}

bool thread::join_until(std::chrono::steady_clock::time_point deadline) {
  check_joinable(*this, "join a thread");
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

}  // namespace this_thread
}  // namespace hilo
