// Forks: calls that wait on the stack of the fiber that will make them, unless an idle worker gets
// them first.
//
// A fork is a frame on its fiber's stack, linked into the fiber's list; the newest and the oldest
// of the list are known. fork_join pushes all its calls but the first, the last of them before all,
// and makes the first. If the next call is then still the newest of the list, fork_join takes it
// off and makes it, as a plain function call. Only the fiber uses its list and frames, so nothing
// here is atomic. A fiber that parks or migrates takes its forks along.
//
// A worker without work sets `wanted` of the other workers (detail/carrier.hpp). If a fiber finds
// it set at a fork, the fiber offers its oldest fork, which in a tree is the largest part. To offer
// a fork is to make a fiber of it, a helper. The helper goes to the worker's queue like any spawned
// fiber, and is stolen from there. A fiber that is about to park offers all its forks, because it
// may wait for something that one of them does.
//
// Invariant: the offered frames are the oldest frames alive. So there are two cases in fork_join.
// If the frame was not offered, it is the newest of the list, and everything newer has ended. If it
// was offered, the list is empty, and the helper is joined like any fiber: the caller parks, and
// its worker looks for other work.
//
// runtime/sched/fibers/fork.cpp makes the helpers and says why no request is lost.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <variant>

#include "hilo/detail/api.hpp"
#include "hilo/detail/carrier.hpp"

namespace hilo::sched {
struct fiber;
}

namespace hilo::detail {

struct fork_link {
  fork_link* older;
  fork_link* newer;  // not maintained in the newest frame
};

// A call that waits to be made. It lies in fork_join's frame.
struct fork_frame : fork_link {
  void (*run)(fork_frame&);  // makes the call, in its helper; may throw
  sched::fiber* helper;      // set when it is offered
};

// The list itself is linked in as both ends: older than the oldest frame, and newer than the
// newest. So push and pop have no special case.
struct fork_list : fork_link {
  fork_list() noexcept : fork_link{this, this} {}
  fork_list(const fork_list&) = delete;
  fork_list& operator=(const fork_list&) = delete;

  bool empty() const noexcept { return older == this; }

  void push(fork_frame& one) noexcept {
    fork_link* const before = older;
    one.older = before;
    before->newer = &one;
    older = &one;
  }

  // Takes `one` off; false if it was offered. Everything that was pushed after it has ended.
  bool pop(fork_frame& one) noexcept {
    if (older != &one) [[unlikely]]
      return false;
    older = one.older;
    return true;
  }

  fork_frame& oldest() noexcept { return static_cast<fork_frame&>(*newer); }
  void remove_oldest() noexcept {
    fork_link* const one = newer;
    if (older == one) {
      older = this;
    } else {
      newer = one->newer;
      newer->older = this;
    }
  }
};

// Answers a worker's request: offers the running fiber's oldest fork. Never parks.
HILO_API void answer_request() noexcept;

// The list of a thread that is not a carrier. No worker asks it for a fork.
HILO_API fork_list& thread_forks() noexcept;

// Waits for the end of an offered call; returns its exception, or null.
HILO_API std::exception_ptr join_fork(fork_frame& one) noexcept;

// A call's result; std::monostate for void.
template <class F>
using fork_result = std::conditional_t<std::is_void_v<std::invoke_result_t<F&>>, std::monostate,
                                       std::invoke_result_t<F&>>;

template <class F>
[[gnu::always_inline]] inline fork_result<F> fork_invoke(F& callable) {
  if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
    std::invoke(callable);
    return {};
  } else {
    return std::invoke(callable);
  }
}

// The frame of a callable, and the room for the result that a helper got from it.
template <class F>
struct fork_call final : fork_frame {
  using result = fork_result<F>;

  explicit fork_call(F& one) noexcept : callable(std::addressof(one)) {
    run = [](fork_frame& base) {
      auto& self = static_cast<fork_call&>(base);
      if constexpr (std::is_reference_v<result>) {
        auto&& referred = fork_invoke(*self.callable);
        self.value = std::addressof(referred);
      } else {
        ::new (static_cast<void*>(std::addressof(self.value))) result(fork_invoke(*self.callable));
      }
    };
  }
  fork_call(const fork_call&) = delete;
  fork_call& operator=(const fork_call&) = delete;
  ~fork_call() {}

  // Waits for the helper; returns its value or rethrows its exception.
  [[gnu::noinline]] result join() {
    if (std::exception_ptr error = join_fork(*this)) std::rethrow_exception(std::move(error));
    if constexpr (std::is_reference_v<result>) {
      return static_cast<result>(*value);
    } else {
      struct ending {
        result& value;
        ~ending() { value.~result(); }
      } const at_end{value};
      return std::move(value);
    }
  }

  // After the first call threw: makes this call, or waits for it, and drops its result and its
  // exception.
  [[gnu::noinline]] void settle(fork_list& list) noexcept {
    try {
      if (list.pop(*this)) {
        (void)fork_invoke(*callable);
      } else {
        (void)join();
      }
    } catch (...) {  // fork_join throws the first exception
    }
  }

  F* callable;
  union {
    std::conditional_t<std::is_reference_v<result>, std::remove_reference_t<result>*, result> value;
  };
};

}  // namespace hilo::detail
