// The objects of hilo/c/sync.h: each is the C++ object.
#pragma once

#include <cstddef>
#include <variant>

#include "hilo/c/sync.h"
#include "hilo/condition_variable.hpp"
#include "hilo/latch.hpp"
#include "hilo/mutex.hpp"
#include "hilo/semaphore.hpp"

struct hilo_mutex {
  explicit hilo_mutex(bool recursive) {
    if (recursive) its.emplace<hilo::recursive_mutex>();
  }
  template <class F>
  decltype(auto) visit(F&& f) {
    if (auto* const plain = std::get_if<hilo::mutex>(&its)) return f(*plain);
    return f(*std::get_if<hilo::recursive_mutex>(&its));
  }

  std::variant<hilo::mutex, hilo::recursive_mutex> its;
};

struct hilo_condition {
  hilo::condition_variable its;
};
struct hilo_semaphore {
  explicit hilo_semaphore(std::ptrdiff_t count) : its(count) {}
  hilo::semaphore its;
};
struct hilo_event {
  explicit hilo_event(bool is_set) : its(is_set) {}
  hilo::event its;
};
struct hilo_wait_group {
  hilo::wait_group its;
};
