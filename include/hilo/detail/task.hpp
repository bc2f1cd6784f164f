// The user's part of a fiber: the callable, then its result. It lies at the top of the fiber's own
// stack, below the control block, so that a small fiber is one page and spawn allocates nothing.
//
// Typed here, in templates; the runtime knows only `task`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <stop_token>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include "hilo/detail/api.hpp"
#include "hilo/status.hpp"

namespace hilo {

struct spawn_options;
class runtime;

namespace sched {
struct fiber;  // the control block
class scheduler;
}  // namespace sched

namespace detail {

struct task {
  sched::fiber* owner = nullptr;
  void (*invoke)(task&) noexcept = nullptr;   // runs the callable; leaves a value or `error`
  void (*destroy)(task&) noexcept = nullptr;  // destroys what invoke left, and the task
  std::exception_ptr error;
};

// The place of a result of type T.
template <class T>
struct task_of : task {
  task_of() noexcept {}
  ~task_of() {}

  T take() { return std::move(value); }
  void drop() noexcept { value.~T(); }

  union {
    T value;  // alive between invoke and destroy, unless error is set
  };
};

template <>
struct task_of<void> : task {
  void take() noexcept {}
  void drop() noexcept {}
};

template <class T>
struct task_of<T&> : task {
  T& take() noexcept { return *value; }
  void drop() noexcept {}

  T* value = nullptr;
};

HILO_API std::stop_token stop_token_of(sched::fiber& owner);

// A callable together with its arguments. F and A... are decayed, as std::thread's constructor
// does.
template <class F, class... A>
class bound {
 public:
  template <class G, class... B>
  explicit bound(G&& callable, B&&... arguments)
      : parts_(std::forward<G>(callable), std::forward<B>(arguments)...) {}

  decltype(auto) operator()(std::stop_token token) && requires
      std::is_invocable_v<F, std::stop_token, A...> {
    return std::apply(
        [&](F& callable, A&... arguments) -> decltype(auto) {
          return std::invoke(std::move(callable), std::move(token), std::move(arguments)...);
        },
        parts_);
  }
  decltype(auto) operator()() && requires std::is_invocable_v<F, A...> {
    return std::apply(
        [](F& callable, A&... arguments) -> decltype(auto) {
          return std::invoke(std::move(callable), std::move(arguments)...);
        },
        parts_);
  }

 private:
  std::tuple<F, A...> parts_;
};

// Most callables have no arguments. They are called as they are, since a tuple, std::invoke and
// their traits are most of the time in which a spawn compiles.
template <class F, class... A>
struct task_call {
  using type = bound<F, A...>;
};
template <class F>
struct task_call<F> {
  using type = F;
};
template <class F, class... A>
using task_call_t = typename task_call<std::decay_t<F>, std::decay_t<A>...>::type;

template <class C>
concept takes_token = requires(C& call) {
  std::move(call)(std::stop_token());
};
template <class C>
concept takes_nothing = requires(C& call) {
  std::move(call)();
};

// The calls that spawn accepts: callable(arguments...), with or without a std::stop_token first.
template <class F, class... A>
concept spawnable = takes_token<task_call_t<F, A...>> || takes_nothing<task_call_t<F, A...>>;

template <class C>
decltype(auto) make_call(C& call, sched::fiber* owner) {
  if constexpr (takes_token<C>) {
    return std::move(call)(stop_token_of(*owner));
  } else {
    return std::move(call)();
  }
}
template <class C>
using call_result_t = decltype(make_call(std::declval<C&>(), nullptr));

template <class T, class C>
struct task_with final : task_of<T> {
  template <class... P>
  explicit task_with(P&&... parts) {
    ::new (static_cast<void*>(std::addressof(call))) C(std::forward<P>(parts)...);
    this->invoke = [](task& base) noexcept { static_cast<task_with&>(base).run(); };
    this->destroy = [](task& base) noexcept {
      auto& self = static_cast<task_with&>(base);
      if (self.error == nullptr) self.drop();
      self.~task_with();
    };
  }
  ~task_with() {}

  void run() noexcept {
    try {
      if constexpr (std::is_void_v<T>) {
        make_call(call, this->owner);
      } else if constexpr (std::is_reference_v<T>) {
        this->value = std::addressof(make_call(call, this->owner));
      } else {
        ::new (static_cast<void*>(std::addressof(this->value))) T(make_call(call, this->owner));
      }
    } catch (...) {
      this->error = std::current_exception();
    }
    call.~C();  // captured state ends with the fiber, not with its handle
  }

  union {
    C call;
  };
};

// The untyped life of a fiber; runtime/sched/fibers/spawn.cpp.

// Makes a fiber that is not yet started, with room for a task. `where`: null means the calling
// fiber's runtime. Throws std::system_error; with `error`, sets it and returns null instead.
HILO_API void* create_fiber(sched::scheduler* where, const spawn_options* options,
                            std::size_t bytes, std::size_t alignment, sched::fiber** made,
                            std::error_code* error);
// discard_unstarted gives back a fiber that will not be started and has no task; discard_fiber, a
// fiber that has ended and was joined, and whose task is destroyed.
HILO_API void discard_unstarted(sched::fiber& one) noexcept;
HILO_API void discard_fiber(sched::fiber& one) noexcept;
HILO_API void start_fiber(sched::fiber& one, task& work) noexcept;
HILO_API status join_fiber(sched::fiber& one) noexcept;  // ok, once it ended
HILO_API status wait_for_end(sched::fiber& one, std::int64_t deadline) noexcept;
// Asks the fiber to stop and joins it, when a handle ends that was neither joined nor detached.
HILO_API void abandon_fiber(sched::fiber& one) noexcept;
// Aborts if `one` is the caller, because the caller is about to wait for the end of `one`.
HILO_API void refuse_own_end(const sched::fiber& one) noexcept;
HILO_API void detach_fiber(sched::fiber& one) noexcept;  // it gives itself back
HILO_API void stop_fiber(sched::fiber& one) noexcept;
HILO_API std::uint64_t id_of(const sched::fiber& one) noexcept;
// Whether this process is the child of a fork and the fiber is the parent's: here it never ends or
// wakes.
HILO_API bool left_behind(const sched::fiber& one) noexcept;

}  // namespace detail
}  // namespace hilo
