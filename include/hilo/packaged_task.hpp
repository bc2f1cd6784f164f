// packaged_task: a callable whose result goes to a oneshot, with the contract of
// std::packaged_task.
//
//   hilo::packaged_task<int(int)> task([](int n) { return n * n; });
//   hilo::oneshot_receiver<int> result = task.get_receiver();
//   auto runs = hilo::spawn([task = std::move(task)]() mutable { task(7); });
//   use(*result.receive());  // 49; throws the callable's exception
//
// If a task is destroyed before it was called, the oneshot is closed. Not for the result of a
// fiber: its handle gives the result.
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include "hilo/detail/api.hpp"
#include "hilo/oneshot.hpp"

namespace hilo {

namespace detail {

enum class task_misuse : std::uint8_t { no_state, receiver_taken, called_before };

// Throws the std::future_error that std::packaged_task throws for this.
[[noreturn, gnu::cold]] HILO_API void throw_task_misuse(task_misuse what);

// The value that a oneshot carries for a result of this type.
template <class R>
struct task_value {
  using type = R;
};
template <>
struct task_value<void> {
  using type = std::monostate;
};
template <class R>
struct task_value<R&> {
  using type = std::reference_wrapper<R>;
};

}  // namespace detail

template <class Signature>
class packaged_task;

// Moved, but not copied. Used by one fiber or thread at a time.
template <class R, class... A>
class packaged_task<R(A...)> {
 public:
  // The type of the oneshot: std::monostate for void, std::reference_wrapper for a reference.
  using value_type = typename detail::task_value<R>::type;

  // Makes a task without a callable, for which valid() is false.
  packaged_task() noexcept = default;
  // NOLINTBEGIN(bugprone-forwarding-reference-overload): the requirement keeps the others visible
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, packaged_task> &&
           std::is_invocable_r_v<R, std::decay_t<F>&, A...>) explicit packaged_task(F&& f)
      : callable_(std::make_unique<holder<std::decay_t<F>>>(std::forward<F>(f))),
        ends_(make_oneshot<value_type>()) {}
  // NOLINTEND(bugprone-forwarding-reference-overload)
  packaged_task(packaged_task&&) noexcept = default;
  packaged_task& operator=(packaged_task&&) noexcept = default;
  ~packaged_task() = default;

  // Tells whether it has a callable: false if it was moved from. Never parks.
  [[nodiscard]] bool valid() const noexcept { return callable_ != nullptr; }

  void swap(packaged_task& other) noexcept { std::swap(*this, other); }

  // Returns the end at which the result arrives; callable once. Never parks.
  // Errors: std::future_error: no_state if the task is not valid, future_already_retrieved on a
  // second call.
  [[nodiscard]] oneshot_receiver<value_type> get_receiver() {
    check_valid();
    if (!ends_.in) detail::throw_task_misuse(detail::task_misuse::receiver_taken);
    return std::move(ends_.in);
  }

  // Calls the callable and sends its result, or the exception that it threw. The callable is called
  // also if the receiver has gone. Parks: as the callable does.
  // Errors: std::future_error: no_state, promise_already_satisfied if it was called before.
  void operator()(A... arguments) {
    check_valid();
    if (called_) detail::throw_task_misuse(detail::task_misuse::called_before);
    called_ = true;
    oneshot_sender<value_type> out = std::move(ends_.out);
    try {
      if constexpr (std::is_void_v<R>) {
        callable_->call(std::forward<A>(arguments)...);
        (void)out.send(std::monostate{});
      } else {
        (void)out.send(callable_->call(std::forward<A>(arguments)...));
      }
    } catch (...) {
      (void)out.fail(std::current_exception());
    }
  }

  // Makes the task callable once more, with a new oneshot. The former oneshot is closed if the task
  // was not called. Errors: std::future_error: no_state. Exceptions: std::bad_alloc.
  void reset() {
    check_valid();
    ends_ = make_oneshot<value_type>();
    called_ = false;
  }

 private:
  struct any_callable {
    virtual ~any_callable() = default;
    virtual R call(A... arguments) = 0;
  };
  template <class F>
  struct holder final : any_callable {
    explicit holder(F&& its) : function(std::move(its)) {}
    explicit holder(const F& its) : function(its) {}
    R call(A... arguments) override {
      if constexpr (std::is_void_v<R>) {
        std::invoke(function, std::forward<A>(arguments)...);
      } else {
        return std::invoke(function, std::forward<A>(arguments)...);
      }
    }
    F function;
  };

  void check_valid() const {
    if (callable_ == nullptr) detail::throw_task_misuse(detail::task_misuse::no_state);
  }

  std::unique_ptr<any_callable> callable_;
  oneshot_ends<value_type> ends_;
  bool called_ = false;
};

}  // namespace hilo
