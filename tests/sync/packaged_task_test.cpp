// packaged_task: the result of a callable arrives at a oneshot; as std::packaged_task otherwise.

#include "hilo/packaged_task.hpp"

#include <concepts>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

#include "hilo/fiber.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::packaged_task;
using hilo::status;
using hilo::test::on_each_runtime;

static_assert(std::movable<packaged_task<int()>> && !std::copyable<packaged_task<int()>>);
static_assert(std::default_initializable<packaged_task<int()>>);
static_assert(!std::convertible_to<int (*)(), packaged_task<int()>>, "explicit, as the standard's");

namespace {

template <class F>
std::errc misuse_of(F call, std::future_errc expected) {
  try {
    call();
  } catch (const std::future_error& error) {
    return error.code() == expected ? std::errc{} : std::errc::invalid_argument;
  }
  return std::errc::operation_not_permitted;
}

}  // namespace

TEST_CASE("packaged_task: the result, or the exception, arrives at the receiver") {
  on_each_runtime([] {
    packaged_task<int(int, std::unique_ptr<int>)> add(
        [](int a, std::unique_ptr<int> b) { return a + *b; });
    auto sum = add.get_receiver();
    auto runs = hilo::spawn([add = std::move(add)]() mutable { add(3, std::make_unique<int>(4)); });
    CHECK(sum.receive() == 7);
    runs.join();
    CHECK_FALSE(add.valid());
    packaged_task<void()> fails([] { throw std::runtime_error("no"); });
    auto failure = fails.get_receiver();
    fails();
    CHECK_THROWS_AS((void)failure.receive(), std::runtime_error);
    bool called = false;
    packaged_task<void()> done([&] { called = true; });
    done();
    CHECK(done.get_receiver().receive().has_value());  // also after the call
    CHECK(called);
    int number = 1;
    packaged_task<int&()> reference([&]() -> int& { return number; });
    auto where = reference.get_receiver();
    reference();
    CHECK(&where.receive()->get() == &number);
    packaged_task<std::unique_ptr<int>()> moves([] { return std::make_unique<int>(8); });
    auto box = moves.get_receiver();
    moves();
    CHECK(**box.receive() == 8);
  });
}

TEST_CASE("packaged_task: one that goes uncalled closes its receiver, also of a fiber that waits") {
  on_each_runtime([] {
    packaged_task<int()> task([] { return 1; });
    auto in = task.get_receiver();
    auto waiting = hilo::spawn([in = std::move(in)]() mutable {
      std::optional<int> got;
      return in.receive(got);
    });
    hilo::yield();
    task = packaged_task<int()>();
    CHECK(waiting.join() == status::closed);
  });
}

TEST_CASE("packaged_task: it is called once, and gives its receiver once, until it is reset") {
  int calls = 0;
  packaged_task<int()> task([&] { return ++calls; });
  auto first = task.get_receiver();
  CHECK(misuse_of([&] { (void)task.get_receiver(); }, std::future_errc::future_already_retrieved) ==
        std::errc{});
  task();
  CHECK(misuse_of([&] { task(); }, std::future_errc::promise_already_satisfied) == std::errc{});
  CHECK(calls == 1);
  task.reset();
  auto second = task.get_receiver();
  task();
  CHECK(first.receive() == 1);
  CHECK(second.receive() == 2);
  task.reset();
  auto third = task.get_receiver();
  task.reset();
  std::optional<int> none;
  CHECK(third.receive(none) == status::closed);
  packaged_task<int()> empty;
  CHECK_FALSE(empty.valid());
  CHECK(misuse_of([&] { empty(); }, std::future_errc::no_state) == std::errc{});
  CHECK(misuse_of([&] { (void)empty.get_receiver(); }, std::future_errc::no_state) == std::errc{});
  CHECK(misuse_of([&] { empty.reset(); }, std::future_errc::no_state) == std::errc{});
  empty.swap(task);
  CHECK(empty.valid());
  CHECK_FALSE(task.valid());
}

TEST_CASE("packaged_task: it is called although nobody waits for the result") {
  bool called = false;
  packaged_task<int()> task([&] {
    called = true;
    return 1;
  });
  { const auto gone = task.get_receiver(); }
  task();
  CHECK(called);
}
