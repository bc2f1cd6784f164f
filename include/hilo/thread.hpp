// Kernel threads: each is one `clone`, and libc treats it like its own threads.
//
// hilo::thread is for work that needs the kernel's scheduler or a thread of its own: a blocking
// library, a priority, an affinity. For thousands of concurrent tasks use hilo::spawn (fiber.hpp).
//
//   hilo::thread worker({.name = "indexer"}, [](std::stop_token stop, int start) {
//     for (int i = start; !stop.stop_requested(); ++i) index_page(i);
//   }, 42);
//   worker.request_stop();
//   worker.join();
//
// It works like std::jthread: arguments are copied or moved into the thread. A callable whose first
// parameter is a std::stop_token gets one. An exception that leaves the callable ends the program.
// A handle that is destroyed while joinable asks its thread to stop and joins it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/kernel_thread.hpp"
#include "hilo/detail/kernel_wait.hpp"

namespace hilo {

// How the kernel shares out its CPUs (sched(7)).
enum class scheduling_class {
  inherit,      // the starting thread's
  normal,       // a fair share of the CPU, weighted by nice
  batch,        // the same, with longer and less frequent turns
  idle,         // only when no other thread wants the CPU
  fifo,         // real time: runs before all others until it waits; needs priority and permission
  round_robin,  // real time, in turns with threads of the same priority
};

struct thread_options {
  // Shown by ps, top and gdb; the kernel keeps 15 bytes. Empty: the starting thread's name.
  std::string name{};
  // Bytes of address space; memory is used page by page as the stack grows. Rounded up to pages.
  std::size_t stack_size = 8 * 1024 * 1024;
  // Bytes below the stack that fault when touched, rounded up to pages; 0 for none.
  std::size_t guard_size = 4096;
  // The numbers of the CPUs that the thread may run on. Empty: as the starting thread.
  std::vector<unsigned> cpus{};
  // -20 (most of the CPU) to 19 (least). None: the starting thread's.
  std::optional<int> nice{};
  scheduling_class scheduling = scheduling_class::inherit;
  // 1 to 99 for fifo and round_robin, else 0.
  int priority = 0;
};

class thread {
 public:
  using id = pid_t;

  thread() noexcept = default;

  // Starts a thread that calls callable(arguments...), with a std::stop_token before the arguments
  // if the callable takes one.
  // Callable from: anywhere except a signal handler. Errors: std::system_error. Ordering:
  // everything sequenced before the constructor happens before the callable starts.
  template <class Callable, class... Arguments>
  requires(!std::is_same_v<std::remove_cvref_t<Callable>, thread> &&
           !std::is_same_v<std::remove_cvref_t<Callable>, std::error_code> &&
           !std::is_convertible_v<Callable,
                                  const thread_options&>) explicit thread(Callable&& callable,
                                                                          Arguments&&... arguments)
      : thread(thread_options{}, std::forward<Callable>(callable),
               std::forward<Arguments>(arguments)...) {}

  // The same with options. The callable runs only after all options are in force. If the kernel
  // refuses an option, the call fails and starts nothing.
  template <class Callable, class... Arguments>
  thread(const thread_options& options, Callable&& callable, Arguments&&... arguments) {
    start(options, nullptr, std::forward<Callable>(callable),
          std::forward<Arguments>(arguments)...);
  }

  // The same without an exception: sets `error`, or clears it. After an error it is not joinable.
  // Errors: exceptions from copying the callable or an argument.
  template <class Callable, class... Arguments>
  thread(std::error_code& error, const thread_options& options, Callable&& callable,
         Arguments&&... arguments) {
    error.clear();
    start(options, &error, std::forward<Callable>(callable), std::forward<Arguments>(arguments)...);
    if (running_ == nullptr) stop_ = std::stop_source(std::nostopstate);
  }

  thread(thread&& other) noexcept
      : stop_(std::move(other.stop_)), running_(std::exchange(other.running_, nullptr)) {}
  thread& operator=(thread&& other) noexcept {
    thread(std::move(other)).swap(*this);
    return *this;
  }

  // Asks the thread to stop and joins it, if joinable.
  ~thread() {
    if (!joinable()) return;
    request_stop();
    detail::end_kernel_thread(running_);
  }

  void swap(thread& other) noexcept {
    std::swap(stop_, other.stop_);
    std::swap(running_, other.running_);
  }

  [[nodiscard]] bool joinable() const noexcept { return running_ != nullptr; }

  // Waits for the end of the thread. On return its thread_local objects are destroyed, and the
  // kernel no longer uses its stack.
  // Parks: a fiber, while the thread runs. The destructor parks too.
  // Ordering: everything that the thread did happens before the return.
  // Errors: std::system_error: EINVAL if not joinable, EDEADLK if a thread joins itself.
  HILO_API void join();

  // Waits until the deadline at most. Returns false if the deadline passed, or if a stop request or
  // a limit ended the wait of a fiber; the thread is then still joinable.
  // Parks: a fiber, while the thread runs.
  template <class Clock, class Duration>
  [[nodiscard]] bool join_until(const std::chrono::time_point<Clock, Duration>& when) {
    return detail::wait_until_time(when, [this](std::int64_t deadline) {
      return join_by(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(deadline)));
    });
  }
  template <class Rep, class Period>
  [[nodiscard]] bool join_for(const std::chrono::duration<Rep, Period>& patience) {
    return join_by(detail::kernel_time_after(patience));
  }

  // Lets the thread run on without a handle. Its stack and other resources are freed after its end.
  // Errors: std::system_error EINVAL when not joinable.
  HILO_API void detach();

  // The kernel's number for the thread (gettid), 0 when not joinable.
  [[nodiscard]] id native_id() const noexcept {
    return running_ == nullptr ? 0 : detail::kernel_thread_id(running_);
  }

  // Stop requests reach a callable that takes a std::stop_token. For other callables the source and
  // the token have no stop state.
  [[nodiscard]] std::stop_source get_stop_source() const noexcept { return stop_; }
  [[nodiscard]] std::stop_token get_stop_token() const noexcept { return stop_.get_token(); }
  bool request_stop() noexcept { return stop_.request_stop(); }

 private:
  HILO_API bool join_by(std::chrono::steady_clock::time_point deadline);

  template <class Callable, class... Arguments>
  void start(const thread_options& options, std::error_code* error, Callable&& callable,
             Arguments&&... arguments);

  std::stop_source stop_{std::nostopstate};
  detail::kernel_thread* running_ = nullptr;
};

namespace this_thread {

// The kernel's number for the calling thread (gettid).
[[nodiscard]] HILO_API thread::id native_id() noexcept;

// Names the calling thread; the kernel keeps the first 15 bytes.
HILO_API void set_name(std::string_view name) noexcept;
[[nodiscard]] HILO_API std::string name();

// These change the settings that thread_options makes at the start. Threads that the caller starts
// inherit them. Errors: std::system_error; its message names the rule that forbids the change.
HILO_API void set_cpus(std::span<const unsigned> cpus);
HILO_API void set_nice(int nice);
HILO_API void set_scheduling(scheduling_class scheduling, int priority = 0);

// The CPUs the calling thread may run on, and its nice value.
[[nodiscard]] HILO_API std::vector<unsigned> cpus();
[[nodiscard]] HILO_API int nice() noexcept;

}  // namespace this_thread

// How hilo makes its threads in this process, and why.
enum class thread_backend_kind {
  clone,    // the clone system call, with a libc thread block of its own
  pthread,  // pthread_create: thread sanitizer, musl, a libc whose layout is not understood
};

struct thread_backend_report {
  thread_backend_kind kind;
  std::string_view name;  // "clone" or "pthread"
  std::string reason;
};

// The first use decides. The environment can force the choice: HILO_THREADS=clone|pthread.
[[nodiscard]] HILO_API const thread_backend_report& thread_backend();

namespace detail {

template <bool takes_token, class Callable, class... Arguments>
struct thread_closure {
  std::stop_token token;
  Callable callable;
  std::tuple<Arguments...> arguments;

  void operator()() {
    std::apply(
        [this](Arguments&... each) {
          if constexpr (takes_token) {
            std::invoke(std::move(callable), std::move(token), std::move(each)...);
          } else {
            std::invoke(std::move(callable), std::move(each)...);
          }
        },
        arguments);
  }
};

}  // namespace detail

template <class Callable, class... Arguments>
void thread::start(const thread_options& options, std::error_code* error, Callable&& callable,
                   Arguments&&... arguments) {
  using decayed = std::decay_t<Callable>;
  constexpr bool takes_token =
      std::is_invocable_v<decayed, std::stop_token, std::decay_t<Arguments>...>;
  static_assert(takes_token || std::is_invocable_v<decayed, std::decay_t<Arguments>...>,
                "hilo::thread: the callable cannot be called with these arguments, with or without "
                "a std::stop_token before them");
  using closure = detail::thread_closure<takes_token, decayed, std::decay_t<Arguments>...>;

  if constexpr (takes_token) stop_ = std::stop_source();
  auto build = [&](void* place) {
    ::new (place)
        closure{stop_.get_token(), std::forward<Callable>(callable),
                std::tuple<std::decay_t<Arguments>...>(std::forward<Arguments>(arguments)...)};
  };
  running_ = detail::start_kernel_thread(
      options,
      {.size = sizeof(closure),
       .alignment = alignof(closure),
       .context = &build,
       .construct = [](void* place,
                       void* context) { (*static_cast<decltype(build)*>(context))(place); },
       .destroy = [](void* it) noexcept { static_cast<closure*>(it)->~closure(); },
       .run_and_destroy =
           [](void* it) noexcept {
             auto& body = *static_cast<closure*>(it);
             body();
             body.~closure();
           }},
      error);
}

}  // namespace hilo
