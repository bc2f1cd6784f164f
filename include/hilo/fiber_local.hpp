// A variable of which each fiber has its own value, as each thread has its own of a thread_local
// variable. A thread_local variable belongs to the carrier, which the fiber shares with other
// fibers and may leave at any park.
//
//   hilo::fiber_local<request_log> log;
//   log->add("started");        // this fiber's log, made at its first use
#pragma once

#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

#include "hilo/detail/api.hpp"

namespace hilo {

namespace detail {

// One value of one fiber or kernel thread. The values form a list; lists are short, so a search is
// fast enough.
struct local_value {
  static constexpr std::uint64_t no_key = 0;  // of no variable

  local_value* next = nullptr;
  std::uint64_t key = no_key;
  void (*destroy)(local_value& self) noexcept = nullptr;
};

HILO_API std::uint64_t new_local_key() noexcept;
HILO_API local_value* find_local(std::uint64_t key) noexcept;  // the caller's; null if it has none
HILO_API void add_local(local_value& value) noexcept;          // destroyed at the caller's end

}  // namespace detail

// Values are made when a fiber or kernel thread first uses the variable, and destroyed at its end,
// the last made first. A value lives as long as its fiber, so it may outlive the variable.
//
// The end of a fiber: its callable and arguments are destroyed, then its result if it is detached,
// then its values, then its thread_local objects if it owns some (tls::own); then join() returns. A
// fiber that is detached when its values are being destroyed destroys its result after them. The
// destructor of a value may use the variables: it finds the values that still live, and makes the
// others anew. Such new values are destroyed in a further round. After 4 rounds, as pthread keys
// have (pthread_key_create(3)), the values that are left are dropped: their destructors are not
// called. A kernel thread destroys its values together with its thread_local objects. If later
// destructors, of thread_local objects or pthread keys, make new values, these are destroyed too.
template <class T>
class fiber_local {
 public:
  // Each value starts as T().
  fiber_local() requires std::is_default_constructible_v<T> : fiber_local([] { return T(); }) {}
  // Each value starts as the result of make(), called in the fiber that needs the value.
  explicit fiber_local(std::function<T()> make)
      : key_(detail::new_local_key()), make_(std::move(make)) {}
  fiber_local(const fiber_local&) = delete;
  fiber_local& operator=(const fiber_local&) = delete;

  // The caller's value. Callable from: any fiber or thread. Errors: exceptions of make(),
  // std::bad_alloc; the next use tries again.
  T& get() {
    if (auto* there = detail::find_local(key_)) return static_cast<box*>(there)->value;
    auto* made = new box(make_());
    made->key = key_;
    made->destroy = [](detail::local_value& self) noexcept { delete static_cast<box*>(&self); };
    detail::add_local(*made);
    return made->value;
  }
  T& operator*() { return get(); }
  T* operator->() { return &get(); }

 private:
  struct box : detail::local_value {
    explicit box(T&& first) : value(std::move(first)) {}
    T value;
  };

  std::uint64_t key_;
  std::function<T()> make_;
};

}  // namespace hilo
