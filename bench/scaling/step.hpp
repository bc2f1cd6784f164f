// A coroutine of the simulation: a part of the program of a fiber or a worker. It begins when its
// caller awaits it, and the caller goes on when it has returned.
//
// No coroutine resumes another one. It names the next one, and run_steps() resumes that. So the
// native stack stays flat, however deep the calls are, and no compiler has to make tail calls.
#pragma once

#include <coroutine>
#include <exception>
#include <utility>

namespace scaling {

// The coroutine that goes on when the current one has suspended. The simulation is one thread.
inline std::coroutine_handle<> next_step;

// Resumes one coroutine after the other, until one suspends and names no next one.
inline void run_steps(std::coroutine_handle<> first) {
  next_step = first;
  while (next_step) std::exchange(next_step, nullptr).resume();
}

template <class T>
class step;

namespace steps {

struct promise_base {
  std::coroutine_handle<> caller;

  std::suspend_always initial_suspend() const noexcept { return {}; }

  struct to_caller {
    bool await_ready() const noexcept { return false; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> self) const noexcept {
      next_step = self.promise().caller;
    }
    void await_resume() const noexcept {}
  };
  to_caller final_suspend() const noexcept { return {}; }

  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
};

template <class T>
struct promise : promise_base {
  T value{};
  step<T> get_return_object() noexcept;
  void return_value(T result) noexcept { value = result; }
  T take() const noexcept { return value; }
};

template <>
struct promise<void> : promise_base {
  step<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace steps

template <class T>
class [[nodiscard]] step {
 public:
  using promise_type = steps::promise<T>;
  using handle = std::coroutine_handle<promise_type>;

  explicit step(handle self) noexcept : self_(self) {}
  step(step&& other) noexcept : self_(std::exchange(other.self_, nullptr)) {}
  step& operator=(step&& other) noexcept {
    std::swap(self_, other.self_);
    return *this;
  }
  ~step() {
    if (self_) self_.destroy();
  }

  // The first part of a program, which no caller awaits.
  std::coroutine_handle<> start() const noexcept { return self_; }

  struct awaiter {
    handle self;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> caller) const noexcept {
      self.promise().caller = caller;
      next_step = self;
    }
    T await_resume() const noexcept { return self.promise().take(); }
  };
  awaiter operator co_await() const noexcept { return {self_}; }

 private:
  handle self_;
};

template <class T>
step<T> steps::promise<T>::get_return_object() noexcept {
  return step<T>(std::coroutine_handle<promise<T>>::from_promise(*this));
}
inline step<void> steps::promise<void>::get_return_object() noexcept {
  return step<void>(std::coroutine_handle<promise<void>>::from_promise(*this));
}

}  // namespace scaling
