// Prints size and alignment of the types that a program makes itself, so that the library and the
// program must agree on them (check.py).
#include <cstdio>
#include <string>

#include "hilo/hilo.h"
#include "hilo/hilo.hpp"

namespace {

template <class T>
void print(const char* name) {
  std::printf("%s: %zu bytes, aligned to %zu\n", name, sizeof(T), alignof(T));
}

}  // namespace

#define PRINT(...) print<__VA_ARGS__>(#__VA_ARGS__)

int main() {
  PRINT(hilo::barrier);
  PRINT(hilo::broadcast_receiver<int>);
  PRINT(hilo::channel<int>);
  PRINT(hilo::channel<std::string>);
  PRINT(hilo::condition_variable);
  PRINT(hilo::event);
  PRINT(hilo::auto_reset_event);
  PRINT(hilo::fiber<int>);
  PRINT(hilo::detail::task_of<int>);
  PRINT(hilo::detail::local_value);
  PRINT(hilo::detail::select_case);
  PRINT(hilo::detail::waiter);
  PRINT(hilo::detail::wait_limit);
  PRINT(hilo::file);
  PRINT(hilo::io::descriptor);
  PRINT(hilo::io::until);
  PRINT(hilo::kernel::condition_variable);
  PRINT(hilo::kernel::counting_semaphore<>);
  PRINT(hilo::kernel::event);
  PRINT(hilo::kernel::mutex);
  PRINT(hilo::kernel::shared_mutex);
  PRINT(hilo::latch);
  PRINT(hilo::mutex);
  PRINT(hilo::net::address);
  PRINT(hilo::net::tcp_listener);
  PRINT(hilo::net::tcp_stream);
  PRINT(hilo::net::unix_address);
  PRINT(hilo::once_flag);
  PRINT(hilo::process);
  PRINT(hilo::recursive_mutex);
  PRINT(hilo::result<int>);
  PRINT(hilo::runtime);
  PRINT(hilo::runtime_options);
  PRINT(hilo::scope<>);
  PRINT(hilo::scope_options);
  PRINT(hilo::selection);
  PRINT(hilo::semaphore);
  PRINT(hilo::shared_mutex);
  PRINT(hilo::io::signal_set);
  PRINT(hilo::spawn_options);
  PRINT(hilo::thread);
  PRINT(hilo::thread_options);
  PRINT(hilo::ticker);
  PRINT(hilo::timer);
  PRINT(hilo::wait_group);
  PRINT(hilo_case);
  PRINT(hilo_once);
  PRINT(hilo_run_options);
  PRINT(hilo_scope_options);
  PRINT(hilo_spawn_options);
  PRINT(hilo_thread_options);
}
