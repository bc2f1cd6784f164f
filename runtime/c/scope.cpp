// The functions of hilo/c/scope.h.
#include "hilo/scope.hpp"

#include <atomic>
#include <cerrno>

#include "hilo/c/scope.h"

#include "runtime/c/fiber.hpp"
#include "runtime/c/result.hpp"

struct hilo_scope {
  explicit hilo_scope(const hilo::scope_options& options) : its(options) {}

  // The child's number. Only the first is kept. relaxed: the scope's join orders it.
  void fail(int number) noexcept {
    int none = 0;
    first_failure.compare_exchange_strong(none, number, std::memory_order_relaxed);
    its.request_stop();
  }

  std::atomic<int> first_failure{0};  // written by children, read by the scope's fiber
  hilo::scope<> its;                  // last: its destructor waits for the children
};

using namespace hilo::c;

int hilo_scope_open(hilo_scope** made, const hilo_scope_options* options) noexcept {
  if (made == nullptr) return -EINVAL;
  hilo_scope_options read = HILO_SCOPE_OPTIONS;
  if (read_options(options, read) != 0) return -EINVAL;
  hilo::scope_options chosen;
  if (read_spawn_options(read.fibers, chosen.fibers) != 0) return -EINVAL;
  chosen.limit = read.limit;
  if (read.deadline != HILO_FOREVER) {
    chosen.deadline = std::chrono::nanoseconds(std::max<std::int64_t>(0, read.deadline) -
                                               hilo::detail::monotonic_now());
  }
  return create(made, chosen);
}

int hilo_scope_spawn(hilo_scope* scope, hilo_child* child, void* argument) noexcept {
  if (scope == nullptr || child == nullptr) return -EINVAL;
  return guarded([&] {
    return number_of(scope->its.spawn([scope, child, argument]() noexcept {
      const int number = child(argument);
      if (number != 0) scope->fail(number);
    }));
  });
}

int hilo_scope_stop(hilo_scope* scope) noexcept {
  if (scope == nullptr) return -EINVAL;
  scope->its.request_stop();
  return 0;
}

int hilo_scope_wait(hilo_scope* scope, int64_t deadline) noexcept {
  if (scope == nullptr) return -EINVAL;
  return number_of(scope->its.wait_until(time_of(deadline)), deadline);
}

int hilo_scope_join(hilo_scope* scope) noexcept {
  if (scope == nullptr) return -EINVAL;
  hilo::status how = hilo::status::ok;
  scope->its.join(how);
  const int failure = scope->first_failure.load(std::memory_order_relaxed);
  return failure != 0 ? failure : number_of(how);
}

int hilo_scope_close(hilo_scope* scope) noexcept {
  return destroy(scope);
}
