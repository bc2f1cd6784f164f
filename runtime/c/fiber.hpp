// The handle of a fiber in C: the address of its task, so that spawn allocates nothing.
#pragma once

#include "hilo/c/fiber.h"
#include "hilo/fiber.hpp"

namespace hilo::c {

using task = detail::task_of<void*>;

inline task& task_of(hilo_fiber* one) noexcept {
  return *reinterpret_cast<task*>(one);
}

// A handle for one call. It never ends its fiber, which stays the caller's.
class borrowed {
 public:
  explicit borrowed(hilo_fiber* one) noexcept : handle_(task_of(one)) {}
  ~borrowed() {}  // NOLINT(modernize-use-equals-default): does not destroy the handle
  borrowed(const borrowed&) = delete;
  borrowed& operator=(const borrowed&) = delete;

  fiber<void*>* operator->() noexcept { return &handle_; }
  fiber<void*>& operator*() noexcept { return handle_; }

 private:
  union {
    fiber<void*> handle_;
  };
};

// Checks and converts the options of a fiber. Returns 0 or -EINVAL.
int read_spawn_options(const hilo_spawn_options* given, spawn_options& chosen) noexcept;

}  // namespace hilo::c
