// What coroutines need beside their templates.
#include "hilo/coroutine.hpp"

#include "hilo/latch.hpp"

#include "runtime/base/check.hpp"

namespace hilo::detail {
namespace {

// A coroutine that sets its event when it is resumed.
struct wake_up {
  struct promise_type {
    struct setter {
      bool await_ready() const noexcept { return false; }
      // The waiter may destroy the frame as soon as the event is set, so this is the last access.
      // Not inline: a compiler may keep the locals of an inlined await_suspend in the frame.
      [[gnu::noinline]] void await_suspend(std::coroutine_handle<promise_type> its) const noexcept {
        its.promise().resumed.set();
      }
      void await_resume() const noexcept {}
    };
    wake_up get_return_object() noexcept {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    setter final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept {}

    event resumed;
  };

  std::coroutine_handle<promise_type> handle;
};

wake_up make_wake_up() {
  co_return;
}

}  // namespace

resumption::resumption() : handle_(make_wake_up().handle) {}

resumption::~resumption() {
  handle_.destroy();
}

void resumption::wait() noexcept {
  using typed = std::coroutine_handle<wake_up::promise_type>;
  typed::from_address(handle_.address()).promise().resumed.wait();
}

void empty_coroutine() noexcept {
  base::die("call of an empty coroutine: it ran or was moved from before");
}

}  // namespace hilo::detail
