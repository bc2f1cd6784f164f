// Structured concurrency: fibers that belong to a block of code and never outlive it.
//
// clang-format off
//   hilo::scope<Page> pages({.limit = 16, .deadline = 5s});
//   for (const Url& url : urls) {
//     if (pages.spawn([&] { return load(url); }) != hilo::status::ok) break;
//   }
//   for (Page& page : pages.join()) use(page);  // in the order of spawning
//
//   auto [user, cart] = hilo::when_all([&] { return find_user(id); }, [&] { return find_cart(id); });
//   Answer quickest = hilo::race([&] { return ask(first); }, [&] { return ask(second); });
// clang-format on
//
// When a child throws, the first exception asks the other children to stop, and join() rethrows it.
// If a stop request or a limit ends join() or spawn(), all children are asked to stop. wait_for()
// waits for a while and does not ask the children to stop. Not for fibers that serve a whole
// program: spawn such fibers with hilo::spawn and keep their handles.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "hilo/detail/scope_core.hpp"
#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/status.hpp"

namespace hilo {

struct scope_options {
  std::size_t limit = 0;  // children that run at the same time; 0: any number
  // After this time, counted from the construction of the scope, waits of the children end with
  // timed_out.
  detail::any_duration deadline = std::chrono::nanoseconds::max();
  spawn_options fibers{};  // how the children are made
};

// T: the type that the children return. Only the fiber that made the scope uses it, except for
// request_stop().
template <class T = void>
class scope {
  static_assert(std::is_void_v<T> || std::is_object_v<T>, "children return values or nothing");

 public:
  // Errors: std::system_error EINVAL if options.fibers.stack is set, because children cannot share
  // a stack.
  explicit scope(const scope_options& options = {})
      : options_(options), core_(options.limit, nearest_deadline(options.deadline)) {
    if (options.fibers.stack.data() != nullptr) detail::refuse_shared_stack();
  }

  // Asks the children that still run to stop, and waits for them; their exceptions are dropped.
  // Parks: until they have ended. Errors: a child that destroys its own scope aborts.
  ~scope() = default;
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;

  // Starts a child that calls f(), or f(stop_token). Returns ok. Returns cancelled or timed_out and
  // starts nothing if the scope was stopped, or if a stop request or a limit of the caller came
  // before the scope had room for the child; in the second case the scope is stopped too. Parks:
  // while `limit` children run; and as hilo::spawn. Callable from: the scope's fiber. Errors: as
  // hilo::spawn. Ordering: as hilo::spawn.
  template <class F>
  [[nodiscard]] status spawn(F&& f) {
    const status end = core_.admit();
    if (end != status::ok) return end;
    try {
      result* const place = new_result();
      hilo::spawn(options_.fibers, [this, place,
                                    call = std::decay_t<F>(std::forward<F>(f))]() mutable {
        run_child(place, call);
      }).detach();
    } catch (...) {
      core_.dismiss();
      throw;
    }
    return status::ok;
  }

  // Waits until fewer than `limit` children run, so that spawn() would not wait. For a loop that
  // has to get something only when a child can take it, such as a connection. Returns ok; cancelled
  // if the scope was stopped; cancelled or timed_out if a stop request or a limit of the caller, or
  // the given time, came first. The children are not asked to stop. Parks: until then. Callable
  // from: the scope's fiber.
  [[nodiscard]] status wait_for_room() noexcept { return core_.wait_for_room(detail::no_deadline); }
  template <class R, class P>
  [[nodiscard]] status wait_for_room(std::chrono::duration<R, P> patience) noexcept {
    return core_.wait_for_room(detail::deadline_after(patience));
  }

  // Asks the children to stop, and refuses new ones. May park briefly, while other children begin
  // or end. Callable from: any fiber or thread, while the scope lives.
  void request_stop() noexcept { core_.request_stop(); }

  // The children's stop token.
  std::stop_token stop_token() const noexcept { return core_.stop_token(); }

  // Waits until all children have ended, or until a time at most. Returns ok when they have ended;
  // timed_out or cancelled if the time, or a stop request or a limit of the caller, came first. The
  // children then run on, and are not asked to stop. Parks: until then. Callable from: the scope's
  // fiber; a child aborts, because it would wait for itself.
  [[nodiscard]] status wait() noexcept { return core_.wait(detail::no_deadline); }
  template <class R, class P>
  [[nodiscard]] status wait_for(std::chrono::duration<R, P> patience) noexcept {
    return core_.wait(detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] status wait_until(std::chrono::time_point<C, D> when) noexcept {
    return detail::wait_until_time(when,
                                   [&](std::int64_t deadline) { return core_.wait(deadline); });
  }

  // Waits until all children have ended. Returns the results of the children that returned, in the
  // order of spawning, also if the children were asked to stop. If a child threw, rethrows the
  // first exception and returns no results. More children may be spawned afterwards, if the scope
  // was not stopped and no child failed. Parks: until all have ended; if a stop request or a limit
  // of the caller comes first, the children are asked to stop and the wait goes on. Callable from:
  // the scope's fiber; a child aborts, because it would wait for itself. Ordering: everything that
  // the children did happens before join returns.
  auto join() {
    status how;
    return join(how);
  }

  // The same, and tells in `how` whether the children were stopped, also if it throws. ok: they
  // were not stopped. cancelled: a stop request of the caller, request_stop(), an exception or a
  // failed spawn() stopped them. timed_out: a limit of the caller stopped them, or a child ended
  // after the scope's deadline.
  auto join(status& how) {
    how = core_.join();
    auto results = take_results();
    if (std::exception_ptr error = core_.take_error()) std::rethrow_exception(error);
    if constexpr (!std::is_void_v<T>) return results;
  }

 private:
  using result = std::conditional_t<std::is_void_v<T>, std::monostate, std::optional<T>>;

  static std::int64_t nearest_deadline(std::chrono::nanoseconds patience) {
    const detail::wait_limit* const outer = detail::current_waiter().limits;
    const std::int64_t own = patience == std::chrono::nanoseconds::max()
                                 ? detail::no_deadline
                                 : detail::deadline_after(patience);
    return outer == nullptr ? own : std::min(own, outer->deadline);
  }

  result* new_result() {
    if constexpr (std::is_void_v<T>) return nullptr;
    return &results_.emplace_back();
  }

  template <class F>
  void run_child(result* place, F& call) {
    const auto invoke = [&](F& f) -> decltype(auto) {
      if constexpr (std::is_invocable_v<F, std::stop_token>) {
        return std::invoke(std::move(f), core_.stop_token());
      } else {
        return std::invoke(std::move(f));
      }
    };
    {
      F mine(std::move(call));  // ends before the scope may
      const detail::wait_limit limit(core_.deadline());
      detail::scope_child child;
      core_.enter(child);
      try {
        if constexpr (std::is_void_v<T>) {
          (void)place;
          invoke(mine);
        } else {
          place->emplace(invoke(mine));
        }
      } catch (...) {
        core_.fail(std::current_exception());
      }
      core_.leave(child);
    }
    core_.dismiss();  // from here on the scope may be gone
  }

  auto take_results() {
    if constexpr (std::is_void_v<T>) {
      return std::monostate{};
    } else {
      std::vector<T> all;
      all.reserve(results_.size());
      for (result& one : results_) {
        if (one.has_value()) all.push_back(std::move(*one));
      }
      results_.clear();
      return all;
    }
  }

  const scope_options options_;
  std::deque<std::conditional_t<std::is_void_v<T>, std::monostate, std::optional<T>>> results_;
  detail::scope_core core_;  // last: its destructor waits for the children
};

namespace detail {

template <class F>
using call_result = std::invoke_result_t<std::decay_t<F>&>;
template <class F>
using call_value = std::conditional_t<std::is_void_v<call_result<F>>, std::monostate,
                                      std::decay_t<call_result<F>>>;

template <class F>
call_value<F> call_for_value(F& f) {
  if constexpr (std::is_void_v<call_result<F>>) {
    std::invoke(f);
    return {};
  } else {
    return std::invoke(f);
  }
}

}  // namespace detail

// Calls all callables at the same time, each in a fiber. Returns their results as a tuple, with
// std::monostate for a callable that returns nothing. The first exception asks the other fibers to
// stop, and is rethrown after they have ended. Parks, and errors: as scope.
template <class... F>
auto when_all(F&&... calls) {
  std::tuple<std::optional<detail::call_value<F>>...> results;
  scope<> all;
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (void)(... && (all.spawn([&] {
             std::get<I>(results).emplace(detail::call_for_value(calls));
           }) == status::ok));
  }
  (std::index_sequence_for<F...>());
  all.join();
  return std::apply(
      [](auto&... one) { return std::tuple<detail::call_value<F>...>(std::move(one).value()...); },
      results);
}

// Calls all callables at the same time, each in a fiber. Returns the result of the first that
// returns; the other fibers are asked to stop and waited for. All callables have the same type of
// result. A callable that throws has lost; if all throw, the first exception is rethrown. Parks,
// and errors: as scope.
template <class F, class... G>
auto race(F&& call, G&&... calls) {
  using value = detail::call_value<F>;
  static_assert((std::is_same_v<value, detail::call_value<G>> && ...),
                "the calls of a race return the same type");
  mutex guard;
  std::optional<value> first;
  std::exception_ptr error;
  scope<> all;
  const auto enter = [&](auto& contestant) {
    (void)all.spawn([&] {
      try {
        value mine = detail::call_for_value(contestant);
        const std::scoped_lock lock(guard);
        if (first.has_value()) return;
        first.emplace(std::move(mine));
      } catch (...) {
        const std::scoped_lock lock(guard);
        if (error == nullptr) error = std::current_exception();
        return;
      }
      all.request_stop();
    });
  };
  enter(call);
  (enter(calls), ...);
  all.join();
  if (!first.has_value()) std::rethrow_exception(error);
  if constexpr (!std::is_void_v<detail::call_result<F>>) return std::move(*first);
}

}  // namespace hilo
