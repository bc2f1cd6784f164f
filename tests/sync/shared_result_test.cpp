// shared_result: many wait for one outcome, and each gets the same.

#include "hilo/shared_result.hpp"

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/select.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::make_oneshot;
using hilo::shared_result;
using hilo::status;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;

TEST_CASE(
    "shared_result: each copy gets the same value, before or after it is there, again and again") {
  on_each_runtime([] {
    auto [out, in] = make_oneshot<std::unique_ptr<int>>();
    const shared_result<std::unique_ptr<int>> result(std::move(in));
    CHECK_FALSE(static_cast<bool>(in));
    std::vector<hilo::fiber<const std::unique_ptr<int>*>> all;
    for (int i = 0; i < 10; ++i) {
      all.push_back(hilo::spawn([mine = result] { return mine.receive().get(); }));
    }
    std::shared_ptr<const std::unique_ptr<int>> got;
    CHECK(result.try_receive(got) == status::would_block);
    CHECK(result.receive_for(got, 1us) == status::timed_out);
    CHECK(hilo::with_timeout(1us, [&] { return result.receive(got); }) == status::timed_out);
    hilo::yield();
    CHECK(out.send(std::make_unique<int>(5)) == status::ok);
    CHECK(result.receive(got) == status::ok);
    CHECK(**got == 5);
    for (auto& one : all) CHECK(one.join() == got.get());
    CHECK(result.receive() == got);
    std::thread foreign([mine = result, &got = got] { CHECK(mine.receive() == got); });
    foreign.join();
  });
}

TEST_CASE("shared_result: each copy throws what was sent as an exception, each time") {
  on_each_runtime([] {
    auto [out, in] = make_oneshot<int>();
    const shared_result<int> result(std::move(in));
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 4; ++i) {
      all.push_back(hilo::spawn([mine = result] {
        CHECK_THROWS_AS((void)mine.receive(), std::runtime_error);
        CHECK_THROWS_AS((void)mine.receive(), std::runtime_error);
      }));
    }
    hilo::yield();
    CHECK(out.fail(std::make_exception_ptr(std::runtime_error("no"))) == status::ok);
    for (auto& one : all) one.join();
    std::shared_ptr<const int> got = std::make_shared<const int>(1);
    CHECK_THROWS_AS((void)result.receive(got), std::runtime_error);
    CHECK(got == nullptr);
  });
}

TEST_CASE(
    "shared_result: a sender that goes closes it for all, and the last copy closes the sender") {
  on_each_runtime([] {
    auto [out, in] = make_oneshot<int>();
    shared_result<int> result(std::move(in));
    auto waiting = hilo::spawn([mine = result] {
      std::shared_ptr<const int> got = std::make_shared<const int>(1);
      const status end = mine.receive(got);
      CHECK(got == nullptr);
      return end;
    });
    hilo::yield();
    { const auto gone = std::move(out); }
    CHECK(waiting.join() == status::closed);
    CHECK(result.receive() == nullptr);
    auto [to, from] = make_oneshot<int>();
    shared_result<int> one(std::move(from));
    shared_result<int> other = one;
    one = {};
    CHECK_FALSE(to.closed());
    other = {};
    CHECK(to.closed());
    CHECK(to.send(1) == status::closed);
    // A value that was received before it was to be shared.
    auto [late, taken] = make_oneshot<int>();
    CHECK(late.send(1) == status::ok);
    CHECK(taken.receive() == 1);
    CHECK(shared_result<int>(std::move(taken)).receive() == nullptr);
  });
}

TEST_CASE("shared_result: the value lives as long as a copy or a pointer to it") {
  const auto token = std::make_shared<int>(1);
  std::shared_ptr<const std::shared_ptr<int>> kept;
  {
    auto [out, in] = make_oneshot<std::shared_ptr<int>>();
    const shared_result<std::shared_ptr<int>> result(std::move(in));
    CHECK(out.send(token) == status::ok);
    kept = result.receive();
  }
  CHECK(token.use_count() == 2);
  kept.reset();
  CHECK(token.use_count() == 1);
}

TEST_CASE("shared_result: in select") {
  on_each_runtime([] {
    auto [out, in] = make_oneshot<int>();
    const shared_result<int> result(std::move(in));
    std::shared_ptr<const int> got;
    CHECK(hilo::select{receive_from(result, got), hilo::otherwise}.index == 1);
    auto waiting = hilo::spawn([mine = result] {
      std::shared_ptr<const int> its;
      CHECK(hilo::select{receive_from(mine, its), hilo::after(1h)}.index == 0);
      return *its;
    });
    hilo::yield();
    CHECK(out.send(3) == status::ok);
    CHECK(waiting.join() == 3);
    for (int i = 0; i < 2; ++i) CHECK(hilo::select{receive_from(result, got)}.index == 0);
    CHECK(*got == 3);
    const shared_result<int> empty;
    CHECK(hilo::select{receive_from(empty, got, false), hilo::otherwise}.index == 1);
  });
}

TEST_CASE("shared_result: a call on an empty one says so and aborts") {
  CHECK(hilo::test::run_in_child([] {
          (void)shared_result<int>().receive();
        }).aborted_with("hilo: receive on an empty shared_result"));
  CHECK(hilo::test::run_in_child([] {
          std::shared_ptr<const int> got;
          (void)hilo::select{receive_from(shared_result<int>(), got)};
        }).aborted_with("hilo: receive_from on an empty shared_result"));
}
