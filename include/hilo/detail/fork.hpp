// Forks: calls that wait on the stack of the fiber that will make them, unless an idle worker gets
// them first.
//
// A fork is a frame on its fiber's stack, linked into the fiber's list; newest and oldest of the
// list are known. fork_join pushes its second call, makes the first, and then finds the second
// still the newest of the list: it takes it off and makes it, a plain function call. List and
// frames belong to the fiber alone, wherever it runs, so nothing here is atomic, and a fiber that
// parks or migrates takes its forks along.
//
// A worker with nothing to do sets `wanted` of the others (detail/carrier.hpp). A fiber that finds
// it set at a fork offers its oldest one, in a tree the largest part: it makes a fiber of it, a
// helper, which goes to the worker's queue as any spawned fiber, and is stolen from there. A fiber
// that is about to park offers all its forks, so that whatever it waits for may be in one of them.
//
// Invariant: the offered frames are the oldest of those alive. So in fork_join either the frame is
// the newest of the list, and then everything newer has ended; or it was offered, and then the list
// is empty and its helper is joined as any fiber is: the caller parks, and its worker looks for
// other work.
//
// runtime/sched/fork.cpp makes the helpers and says why no request is lost.
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
  fork_link* newer;  // not kept in the newest
};

// A call that waits. It lies in fork_join's frame.
struct fork_frame : fork_link {
  void (*run)(fork_frame&);  // makes the call, in its helper; may throw
  sched::fiber* helper;      // set when it is offered
};

// The list's two ends, linked in as older than the oldest and newer than the newest, so that push
// and pop have no special case.
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

  // Takes `one` off if it was not offered. Everything that was pushed after it has ended.
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

// Somebody asks: offers the running fiber's oldest fork. Never parks.
HILO_API void answer_request() noexcept;

// The list of a thread that is no carrier. Nobody asks it for a fork.
HILO_API fork_list& thread_forks() noexcept;

// Waits for the end of an offered call; returns what it threw, or null.
HILO_API std::exception_ptr join_fork(fork_frame& one) noexcept;

// A call's result; void is a std::monostate.
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

// The frame of a callable, and the room for what a helper got from it.
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

  // The first call threw: makes this one, or waits for it, and drops what comes of it.
  [[gnu::noinline]] void settle(fork_list& list) noexcept {
    try {
      if (list.pop(*this)) {
        (void)fork_invoke(*callable);
      } else {
        (void)join();
      }
    } catch (...) {  // the first exception is the one that fork_join throws
    }
  }

  F* callable;
  union {
    std::conditional_t<std::is_reference_v<result>, std::remove_reference_t<result>*, result> value;
  };
};

}  // namespace hilo::detail
