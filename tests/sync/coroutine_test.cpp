// coroutine and await: coroutines wait as the fibers that run them, and fibers wait for coroutines
// of other libraries, which other threads resume.

#include "hilo/coroutine.hpp"

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/latch.hpp"
#include "hilo/limit.hpp"
#include "hilo/runtime.hpp"
#include "hilo/simulate.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::coroutine;
using hilo::status;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;

namespace {

coroutine<int> sum_of(hilo::channel<int>& from) {
  int sum = 0;
  while (auto next = co_await from.receive()) sum += *next;
  co_return sum;
}

coroutine<int> depth_of(int left) {
  if (left == 0) co_return 0;
  co_return 1 + co_await depth_of(left - 1);
}

coroutine<> fails_after_a_wait(hilo::fiber<void> handle) {
  co_await handle;
  throw std::runtime_error("after the wait");
}

coroutine<std::unique_ptr<int>> moves_its_result(std::unique_ptr<int> what) {
  co_await hilo::sleep_for(1ns);
  co_return what;
}

coroutine<int&> refers_to(int& what) {
  co_return what;
}

// A coroutine type of another library: its end resumes the coroutine that awaits it.
template <class T>
struct foreign_task {
  struct promise_type {
    foreign_task get_return_object() noexcept {
      return foreign_task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    auto final_suspend() const noexcept {
      struct continues {
        bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> its) noexcept {
          return its.promise().next;
        }
        void await_resume() const noexcept {}
      };
      return continues{};
    }
    void return_value(T what) { value = std::move(what); }
    void unhandled_exception() noexcept { error = std::current_exception(); }

    std::optional<T> value;
    std::exception_ptr error;
    std::coroutine_handle<> next;
  };

  auto operator co_await() && noexcept {
    struct its_awaiter {
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> next) noexcept {
        handle.promise().next = next;
        return handle;
      }
      T&& await_resume() {
        if (handle.promise().error) std::rethrow_exception(handle.promise().error);
        return std::move(*handle.promise().value);
      }
      std::coroutine_handle<promise_type> handle;
    };
    return its_awaiter{handle};
  }

  std::coroutine_handle<promise_type> handle;
  explicit foreign_task(std::coroutine_handle<promise_type> its) noexcept : handle(its) {}
  foreign_task(foreign_task&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
  foreign_task& operator=(foreign_task&&) = delete;
  ~foreign_task() {
    if (handle) handle.destroy();
  }
};

// A thread that resumes coroutines, as the loop of another library does.
class foreign_loop {
 public:
  foreign_loop()
      : runs_([this] {
          for (std::optional<std::coroutine_handle<>> next; (next = queue_.receive());)
            next->resume();
        }) {}
  ~foreign_loop() {
    queue_.close();
    runs_.join();
  }
  std::thread::id id() const { return runs_.get_id(); }

  // co_await goes on in the loop's thread.
  auto enter() {
    struct hop {
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> next) { (void)queue.send(next); }
      void await_resume() const noexcept {}
      hilo::channel<std::coroutine_handle<>>& queue;
    };
    return hop{queue_};
  }

 private:
  hilo::channel<std::coroutine_handle<>> queue_{16};
  std::thread runs_;
};

foreign_task<std::string> answer_from(foreign_loop& loop, std::thread::id& where) {
  co_await loop.enter();
  where = std::this_thread::get_id();
  co_return std::string(100, 'x');
}

foreign_task<int> failure_from(foreign_loop& loop) {
  co_await loop.enter();
  // Never freed: libstdc++ counts the holders of an exception where the thread sanitizer does not
  // see it.
  static const auto error = std::make_exception_ptr(std::runtime_error("elsewhere"));
  std::rethrow_exception(error);
}

foreign_task<int> foreign_sum(hilo::fiber<int>& handle, hilo::channel<int>& from) {
  co_return co_await handle + co_await sum_of(from);
}

coroutine<std::size_t> awaits_another_library(foreign_loop& loop, hilo::fiber_id& before,
                                              hilo::fiber_id& after) {
  std::thread::id where;
  before = hilo::this_fiber::id();
  const std::string got = co_await answer_from(loop, where);
  after = hilo::this_fiber::id();
  CHECK(where == loop.id());
  CHECK(std::this_thread::get_id() != loop.id());
  co_return got.size();
}

}  // namespace

TEST_CASE("coroutine: waits for a channel, a sleep and the end of a fiber") {
  on_each_runtime([] {
    hilo::channel<int> numbers;
    auto adding = hilo::spawn(sum_of(numbers));
    for (int n = 1; n <= 100; ++n) CHECK(numbers.send(n) == status::ok);
    numbers.close();
    CHECK(adding.join() == 5050);

    auto moving = moves_its_result(std::make_unique<int>(7));
    CHECK(*moving() == 7);
    CHECK_THROWS_WITH_AS(hilo::spawn(fails_after_a_wait(hilo::spawn([] {}))).join(),
                         "after the wait", std::runtime_error);
    int one = 0;
    auto referring = refers_to(one);
    CHECK(&referring() == &one);
  });
}

TEST_CASE("coroutine: one that awaits another calls it as a function does") {
  on_each_runtime([] { CHECK(hilo::spawn(depth_of(30)).join() == 30); });
  CHECK(hilo::run(depth_of(3)) == 3);
  CHECK(depth_of(3)() == 3);  // in a kernel thread
}

TEST_CASE("coroutine: stop requests and limits end its waits") {
  on_each_runtime([] {
    hilo::channel<int> silent;
    auto stopped = hilo::spawn(sum_of(silent));
    stopped.request_stop();
    CHECK(stopped.join() == 0);
    auto limited = sum_of(silent);
    CHECK(hilo::with_timeout(1ms, [&] { return limited(); }) == 0);
  });
}

TEST_CASE("coroutine: one that never runs destroys its arguments") {
  auto held = std::make_shared<int>(1);
  const auto keeps = [](std::shared_ptr<int> what) -> coroutine<int> { co_return *what; };
  {
    auto first = keeps(held);
    auto second = keeps(held);
    CHECK(held.use_count() == 3);
    first = std::move(second);
    CHECK(held.use_count() == 2);
    CHECK(first() == 1);
    CHECK(held.use_count() == 1);
  }
  const auto end = hilo::test::run_in_child([&] {
    auto twice = keeps(held);
    (void)twice();
    (void)twice();
  });
  CAPTURE(end.describe());
  CHECK(end.aborted_with("hilo: call of an empty coroutine: it ran or was moved from before"));
}

TEST_CASE("await: a fiber waits for a coroutine that another thread resumes, and stays a fiber") {
  foreign_loop loop;
  on_each_runtime([&] {
    for (int turn = 0; turn < 100; ++turn) {
      std::thread::id where;
      CHECK(hilo::await(answer_from(loop, where)) == std::string(100, 'x'));
      CHECK(where == loop.id());
      hilo::fiber_id before, after;
      CHECK(hilo::spawn(awaits_another_library(loop, before, after)).join() == 100);
      CHECK(before == after);
      CHECK_THROWS_WITH_AS(hilo::await(failure_from(loop)), "elsewhere", std::runtime_error);
    }
  });
  std::thread::id where;
  CHECK(hilo::await(answer_from(loop, where)).size() == 100);  // from a kernel thread
}

TEST_CASE("await: takes awaitables that are ready, and awaiters without a coroutine") {
  on_each_runtime([] {
    hilo::await(std::suspend_never{});
    struct decides_late {
      bool await_ready() const noexcept { return false; }
      bool await_suspend(std::coroutine_handle<>) const {
        if (fails) throw std::runtime_error("cannot begin");
        return false;
      }
      const char* await_resume() const noexcept { return "at once"; }
      bool fails;
    };
    CHECK(std::string(hilo::await(decides_late{false})) == "at once");
    CHECK_THROWS_WITH_AS(hilo::await(decides_late{true}), "cannot begin", std::runtime_error);
    auto ready = depth_of(2);
    CHECK(hilo::await(ready) == 2);
    CHECK(hilo::await(hilo::spawn([] { return 4; })) == 4);
  });
}

TEST_CASE("await: a coroutine of another library waits for fibers and coroutines of hilo") {
  on_each_runtime([] {
    hilo::channel<int> numbers;
    auto last = hilo::spawn([&] {
      CHECK(numbers.send(20) == status::ok);
      numbers.close();
      return 22;
    });
    auto receiving = hilo::spawn(sum_of(numbers));
    hilo::channel<int> empty;
    empty.close();
    CHECK(hilo::await(foreign_sum(last, empty)) == 22);
    CHECK(receiving.join() == 20);
  });
}

TEST_CASE("await: in each order of a simulation the awaitable is resumed once") {
  hilo::explore_options options;
  options.seeds = 300;
  const auto seen = hilo::explore(options, [] {
    std::coroutine_handle<> parked;
    hilo::event there;
    struct waits_for_fiber {
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> its) {
        parked = its;
        there.set();
      }
      int await_resume() const noexcept { return 5; }
      std::coroutine_handle<>& parked;
      hilo::event& there;
    };
    auto resumes = hilo::spawn([&] {
      there.wait();
      parked.resume();
    });
    CHECK(hilo::await(waits_for_fiber{parked, there}) == 5);
    resumes.join();
  });
  CHECK(seen.runs == 300);
}
