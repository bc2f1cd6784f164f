// coroutine and await: C++20 coroutines on fibers, for code with co_await that moves to hilo. Not
// for new code: a fiber waits in an ordinary function.
//
//   hilo::coroutine<int> add_all(hilo::channel<int>& from, hilo::fiber<int>& last) {
//     int sum = 0;
//     while (auto next = co_await from.receive()) sum += *next;
//     co_return sum + co_await last;
//   }
//
//   auto adding = hilo::spawn(add_all(numbers, last));  // a fiber runs the coroutine
//   use(adding.join());
//
// One fiber, or one kernel thread, runs a coroutine from its start to its end. In the coroutine,
// co_await parks that fiber, as each call of hilo does. So limits, stop requests, simulations and
// dumps treat a coroutine like other code of its fiber, and there is no second scheduler. The
// price: a coroutine that waits costs a fiber. docs/porting.md says what else differs from
// coroutines that suspend.
#pragma once

// clang-format off: this header says that hilo needs C++20, before <coroutine> says less
#include "hilo/detail/api.hpp"
// clang-format on

#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "hilo/fiber.hpp"

namespace hilo {

template <class T = void>
class coroutine;

namespace detail {

[[noreturn]] HILO_API void empty_coroutine() noexcept;

struct coroutine_error {
  void unhandled_exception() noexcept { error = std::current_exception(); }
  void rethrow() const {
    if (error != nullptr) std::rethrow_exception(error);
  }

  std::exception_ptr error;
};

// What a coroutine returns or throws: written once, then taken once.
template <class T>
struct coroutine_result : coroutine_error {
  template <class U = T>
  requires std::constructible_from<T, U>
  void return_value(U&& what) { value.emplace(std::forward<U>(what)); }
  T take() {
    rethrow();
    return std::move(*value);
  }

  std::optional<T> value;
};
template <class T>
struct coroutine_result<T&> : coroutine_error {
  void return_value(T& what) noexcept { value = std::addressof(what); }
  T& take() {
    rethrow();
    return *value;
  }

  T* value = nullptr;
};
template <>
struct coroutine_result<void> : coroutine_error {
  void return_void() noexcept {}
  void take() { rethrow(); }
};

// Owns the frame of a coroutine that is suspended.
template <class P>
class coroutine_frame {
 public:
  explicit coroutine_frame(P& promise) noexcept
      : handle_(std::coroutine_handle<P>::from_promise(promise)) {}
  coroutine_frame(coroutine_frame&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)) {}
  coroutine_frame& operator=(coroutine_frame&& other) noexcept {
    coroutine_frame old(std::move(*this));
    handle_ = std::exchange(other.handle_, nullptr);
    return *this;
  }
  ~coroutine_frame() {
    if (handle_) handle_.destroy();
  }

  bool empty() const noexcept { return !handle_; }
  void resume() const { handle_.resume(); }
  P& promise() const noexcept { return handle_.promise(); }

 private:
  std::coroutine_handle<P> handle_;
};

// Never suspends the coroutine: co_await makes the call, which may park.
template <class F>
struct parking_awaiter {
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  decltype(auto) await_resume() { return call(); }

  F call;
};
template <class F>
parking_awaiter(F) -> parking_awaiter<F>;

template <class A>
inline constexpr bool parks_only = false;
template <class F>
inline constexpr bool parks_only<parking_awaiter<F>> = true;

// The awaiter that co_await uses for an expression (C++20 [expr.await]).
template <class A>
decltype(auto) awaiter_of(A&& what) {
  if constexpr (requires { std::forward<A>(what).operator co_await(); }) {
    return std::forward<A>(what).operator co_await();
  } else if constexpr (requires { operator co_await(std::forward<A>(what)); }) {
    return operator co_await(std::forward<A>(what));
  } else {
    return std::forward<A>(what);
  }
}
template <class A>
using awaiter_t = decltype(awaiter_of(std::declval<A>()));

template <class A>
concept awaitable = requires(awaiter_t<A>& its) {
  { its.await_ready() } -> std::convertible_to<bool>;
  its.await_resume();
};

// A reference to an rvalue may point into the awaiter, which ends first: await returns the value.
template <class R>
struct awaited {
  using type = R;
};
template <class R>
struct awaited<R&&> {
  using type = std::remove_cv_t<R>;
};
template <class A>
using awaited_t = typename awaited<decltype(std::declval<awaiter_t<A>&>().await_resume())>::type;

// Stands for a fiber where an awaitable needs a coroutine to resume. Its handle may be resumed
// once, by any thread; that wakes the fiber, and runs none of its code.
class resumption {
 public:
  HILO_API resumption();
  HILO_API ~resumption();
  resumption(const resumption&) = delete;
  resumption& operator=(const resumption&) = delete;

  std::coroutine_handle<> handle() const noexcept { return handle_; }
  HILO_API void wait() noexcept;  // parks until the handle is resumed

 private:
  std::coroutine_handle<> handle_;
};

}  // namespace detail

// Waits for an awaitable of any library in a fiber: does what co_await does, and returns its
// result. Any fiber or thread may resume the awaitable; the caller still goes on as the same fiber.
// Parks: until the awaitable is resumed; no stop request and no limit ends the wait. Callable from:
// any fiber or thread. Errors: std::bad_alloc. Ordering: everything before the awaitable was
// resumed happens before await returns. Exceptions: those of the awaitable.
template <detail::awaitable A>
detail::awaited_t<A> await(A&& what) {
  auto&& its = detail::awaiter_of(std::forward<A>(what));
  if (!its.await_ready()) {
    detail::resumption resumed;
    using suspended = decltype(its.await_suspend(resumed.handle()));
    if constexpr (std::is_void_v<suspended>) {
      its.await_suspend(resumed.handle());
      resumed.wait();
    } else if constexpr (std::same_as<suspended, bool>) {
      if (its.await_suspend(resumed.handle())) resumed.wait();
    } else {
      its.await_suspend(resumed.handle()).resume();
      resumed.wait();
    }
  }
  return its.await_resume();
}

// A coroutine that returns T, has not run yet, and is called like a function, once. Its co_await
// takes:
//   a call of hilo        `co_await c.receive()` parks in the call and gives the call's result
//   a hilo::fiber         waits for its end, as join(), and gives its result
//   another coroutine     runs it on the same stack, as a function that is called
//   another awaitable     waits as hilo::await
// A call that returns nothing has no co_await before it. A coroutine may call functions that park
// without co_await as well. Destroying a coroutine that did not run destroys its arguments. Moved,
// but not copied. Used by one fiber or thread at a time.
template <class T>
class [[nodiscard]] coroutine {
 public:
  struct promise_type : detail::coroutine_result<T> {
    coroutine get_return_object() noexcept { return coroutine(*this); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }

    template <class A>
    auto await_transform(A&& what) const {
      if constexpr (!detail::awaitable<A>) {
        static_assert(!std::is_lvalue_reference_v<A>, "co_await takes a call, or an awaitable");
        return detail::parking_awaiter{[&what]() -> A { return std::forward<A>(what); }};
      } else if constexpr (detail::parks_only<detail::awaiter_t<A>>) {
        return detail::awaiter_of(std::forward<A>(what));
      } else {
        return detail::parking_awaiter{
            [&what]() -> detail::awaited_t<A> { return hilo::await(std::forward<A>(what)); }};
      }
    }
  };

  // Runs the coroutine to its end and returns its result. So `spawn(f(1))` runs it in a new fiber,
  // and `run(f(1))` in the first fiber of a runtime.
  // Parks: while the coroutine does. Callable from: any fiber or thread. Errors: a coroutine that
  // ran or was moved from aborts. Exceptions: those that leave the coroutine.
  T operator()() {
    if (frame_.empty()) [[unlikely]]
      detail::empty_coroutine();
    const auto frame = std::move(frame_);
    frame.resume();
    return frame.promise().take();
  }

  // For coroutines of other libraries: co_await runs this coroutine where that one runs.
  // Parks: while the coroutine does; a kernel thread is blocked meanwhile.
  auto operator co_await() noexcept {
    return detail::parking_awaiter{[this]() -> T { return (*this)(); }};
  }

 private:
  explicit coroutine(promise_type& promise) noexcept : frame_(promise) {}

  detail::coroutine_frame<promise_type> frame_;
};

// co_await waits for the end of a fiber as join() does, in coroutines of any library.
// Parks: until then; a kernel thread is blocked meanwhile.
template <class T>
auto operator co_await(fiber<T>& handle) noexcept {
  return detail::parking_awaiter{[&handle]() -> T { return handle.join(); }};
}
template <class T>
auto operator co_await(fiber<T>&& handle) noexcept {
  return detail::parking_awaiter{[&handle]() -> T { return handle.join(); }};
}

}  // namespace hilo
