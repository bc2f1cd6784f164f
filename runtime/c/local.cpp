// The functions of hilo/c/local.h.
//
// A value may outlive its variable, because it lives as long as its fiber. So each value shares the
// destructor with the variable, and finds none once the variable has ended.
#include "hilo/c/local.h"

#include <atomic>
#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "hilo/fiber_local.hpp"

#include "runtime/c/result.hpp"

namespace hilo::c {

using destructor = void (*)(void* value);
// Written by hilo_local_destroy, read at the end of fibers. relaxed: it publishes nothing else.
using shared_destructor = std::shared_ptr<std::atomic<destructor>>;

struct local_value {
  explicit local_value(shared_destructor its) noexcept : destroy(std::move(its)) {}
  local_value(local_value&& other) noexcept
      : destroy(std::move(other.destroy)), held(std::exchange(other.held, nullptr)) {}
  local_value& operator=(local_value&&) = delete;
  // An exception that leaves the program's destructor ends the program, as that of a callback does.
  ~local_value() {
    if (held == nullptr) return;
    if (const destructor call = destroy->load(std::memory_order_relaxed)) call(held);
  }

  shared_destructor destroy;
  void* held = nullptr;
};

}  // namespace hilo::c

using namespace hilo::c;

struct hilo_local {
  explicit hilo_local(destructor its)
      : destroy(std::make_shared<std::atomic<destructor>>(its)),
        values([shared = destroy] { return local_value(shared); }) {}
  ~hilo_local() { destroy->store(nullptr, std::memory_order_relaxed); }

  shared_destructor destroy;
  hilo::fiber_local<local_value> values;
};

int hilo_local_create(hilo_local** made, void (*destroy)(void* value)) noexcept {
  return create(made, destroy);
}

int hilo_local_destroy(hilo_local* local) noexcept {
  return destroy(local);
}

void* hilo_local_get(const hilo_local* local) noexcept {
  if (local == nullptr) return nullptr;
  void* found = nullptr;
  // Without memory for a value there is none.
  (void)guarded([&] {
    found = const_cast<hilo_local*>(local)->values->held;
    return 0;
  });
  return found;
}

int hilo_local_set(hilo_local* local, void* value) noexcept {
  if (local == nullptr) return -EINVAL;
  return guarded([&] {
    local->values->held = value;
    return 0;
  });
}
