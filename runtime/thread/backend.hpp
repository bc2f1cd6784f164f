// How kernel threads are made: the interface of the two backends, and the choice between them.
#pragma once

#include <chrono>
#include <optional>

#include "hilo/detail/kernel_thread.hpp"
#include "hilo/thread.hpp"

#include "runtime/thread/libc_layout.hpp"

namespace hilo::kernel {

using deadline = std::optional<std::chrono::steady_clock::time_point>;

class backend {
 public:
  virtual detail::kernel_thread* start(const thread_options& options,
                                       const detail::thread_body& body) = 0;
  // Returns false if the deadline passed first.
  virtual bool join(detail::kernel_thread* thread, deadline until) noexcept = 0;
  virtual void detach(detail::kernel_thread* thread) noexcept = 0;
  virtual bool is_caller(const detail::kernel_thread* thread) noexcept = 0;
  virtual pid_t id(const detail::kernel_thread* thread) noexcept = 0;

 protected:
  ~backend() = default;  // both live as long as the process
};

backend& pthread_backend();
backend& clone_backend(const libc_layout& layout);

// The backend of this process; decided once, on the first call.
struct backend_choice {
  backend* threads;
  thread_backend_report report;
};
const backend_choice& chosen_backend();

// Makes the decision. `forced` is the value of HILO_THREADS, or null.
backend_choice choose_backend(const char* forced, symbol_lookup find);

}  // namespace hilo::kernel
