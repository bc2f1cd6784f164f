// oneshot: one outcome arrives, or the other side learns that none will.

#include "hilo/oneshot.hpp"

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/select.hpp"
#include "hilo/thread.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::make_oneshot;
using hilo::selection;
using hilo::status;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;

namespace {

// Alone in holding the exception and its text: libstdc++ counts their holders where the thread
// sanitizer does not see it.
std::exception_ptr make_error(const char* text) {
  return std::make_exception_ptr(std::runtime_error(text));
}

}  // namespace

TEST_CASE("oneshot: one value, before or after the receiver waits for it") {
  on_each_runtime([] {
    for (int turns = 0; turns < 4; ++turns) {
      auto [out, in] = make_oneshot<std::unique_ptr<int>>();
      auto waiting = hilo::spawn([in = std::move(in)]() mutable { return **in.receive(); });
      for (int i = 0; i < turns; ++i) hilo::yield();
      CHECK_FALSE(out.closed());
      CHECK(out.send(std::make_unique<int>(turns)) == status::ok);
      CHECK(waiting.join() == turns);
      // Used up: it refuses, and gives the value back.
      auto second = std::make_unique<int>(9);
      CHECK(out.closed());
      CHECK(out.send(std::move(second)) == status::closed);
      CHECK(second != nullptr);
    }
    auto [out, in] = make_oneshot<std::monostate>();
    CHECK(out.send(std::monostate{}) == status::ok);
    CHECK(in.receive().has_value());
    std::optional<std::monostate> again;
    CHECK(in.receive(again) == status::closed);
  });
}

TEST_CASE("oneshot: an exception is thrown by the receive") {
  on_each_runtime([] {
    auto [out, in] = make_oneshot<int>();
    auto waiting = hilo::spawn([in = std::move(in)]() mutable {
      CHECK_THROWS_WITH_AS((void)in.receive(), "no answer", std::runtime_error);
      std::optional<int> none;
      CHECK(in.try_receive(none) == status::closed);
    });
    hilo::yield();
    CHECK(out.fail(make_error("no answer")) == status::ok);
    waiting.join();
  });
}

TEST_CASE("oneshot: a side that goes lets the other know") {
  on_each_runtime([] {
    auto [out, in] = make_oneshot<int>();
    auto waiting = hilo::spawn([in = std::move(in)]() mutable {
      std::optional<int> none;
      const status end = in.receive(none);
      CHECK_FALSE(none.has_value());
      return end;
    });
    hilo::yield();
    { const auto gone = std::move(out); }
    CHECK(waiting.join() == status::closed);
    auto [to, from] = make_oneshot<std::unique_ptr<int>>();
    { const auto gone = std::move(from); }
    CHECK(to.closed());
    auto kept = std::make_unique<int>(1);
    CHECK(to.send(std::move(kept)) == status::closed);
    CHECK(kept != nullptr);
    CHECK(to.fail(std::make_exception_ptr(1)) == status::closed);
    // What was sent and not received ends with the receiver.
    auto value = std::make_shared<int>(1);
    auto [last, receiver] = make_oneshot<std::shared_ptr<int>>();
    CHECK(last.send(value) == status::ok);
    CHECK(value.use_count() == 2);
    { const auto gone = std::move(receiver); }
    CHECK(value.use_count() == 1);
  });
}

TEST_CASE("oneshot: a value whose move throws is not sent") {
  struct fragile {
    explicit fragile(int which) : number(which) {}
    fragile(fragile&& other) : number(other.number) {
      if (number < 0) throw std::runtime_error("fragile");
    }
    int number;
  };
  auto [out, in] = make_oneshot<fragile>();
  CHECK_THROWS_AS((void)out.send(fragile(-1)), std::runtime_error);
  CHECK(out.send(fragile(1)) == status::ok);
  CHECK(in.receive()->number == 1);
}

TEST_CASE("oneshot: deadlines, limits and stop requests end the wait, and the value comes later") {
  on_each_runtime([] {
    auto [out, in] = make_oneshot<int>();
    std::optional<int> got;
    CHECK(in.try_receive(got) == status::would_block);
    CHECK(in.receive_for(got, 1ms) == status::timed_out);
    CHECK(in.receive_until(got, std::chrono::steady_clock::now()) == status::timed_out);
    CHECK(hilo::with_timeout(1ms, [&, &in = in] { return in.receive(got); }) == status::timed_out);
    auto stopped = hilo::spawn([&in = in] {
      std::optional<int> none;
      return in.receive(none);
    });
    hilo::yield();
    stopped.request_stop();
    CHECK(stopped.join() == status::cancelled);
    CHECK(out.send(4) == status::ok);
    CHECK(in.receive_for(got, 1h) == status::ok);
    CHECK(got == 4);
  });
}

TEST_CASE("oneshot: in select, with other kinds of cases and in a list") {
  on_each_runtime([] {
    hilo::channel<int> numbers(1);
    std::optional<int> number;
    std::optional<int> answer;
    for (const bool waits : {false, true}) {
      const auto ask = [&](auto reply) {
        auto [out, in] = make_oneshot<int>();
        auto server = hilo::spawn([out = std::move(out), reply, waits]() mutable {
          for (int i = 0; waits && i < 5; ++i) hilo::yield();
          reply(out);
        });
        if (!waits) server.join();
        return hilo::select{hilo::receive_from(numbers, number), receive_from(in, answer),
                            hilo::after(1h)};
      };
      using sender = hilo::oneshot_sender<int>;
      CHECK(ask([](sender& out) { CHECK(out.send(3) == status::ok); }) == 1);
      CHECK(answer == 3);
      const selection end = ask([](sender& out) { (void)sender(std::move(out)); });
      CHECK(end.index == 1);
      CHECK(end.end == status::closed);
      CHECK_FALSE(answer.has_value());
      CHECK_THROWS_AS(
          (void)ask([](sender& out) { CHECK(out.fail(make_error("no")) == status::ok); }),
          std::runtime_error);
    }
    auto [out, in] = make_oneshot<int>();
    hilo::select_list cases;
    cases.receive_from(numbers, number);
    cases.add([&, &in = in] { return receive_from(in, answer); });
    CHECK(cases.try_now().end == status::would_block);
    CHECK(out.send(5) == status::ok);
    CHECK(cases.wait().index == 1);
    CHECK(answer == 5);
  });
}

TEST_CASE("oneshot: many, between all kinds of threads, each gives its own value or closes") {
  on_each_runtime([] {
    constexpr int count = 600;
    hilo::channel<std::pair<int, hilo::oneshot_sender<int>>> requests(8);
    const auto serve = [&] {
      for (auto& [number, reply] : requests) {
        if (number % 3 == 0) continue;  // the reply goes unsent
        if (number % 3 == 1) {
          (void)reply.send(number);
        } else {
          (void)reply.fail(std::make_exception_ptr(number));
        }
      }
    };
    const auto ask = [&](int number) {
      auto [out, in] = make_oneshot<int>();
      REQUIRE(requests.send({number, std::move(out)}) == status::ok);
      std::optional<int> got;
      try {
        const status end = number % 7 == 0
                               ? in.receive_for(got, std::chrono::microseconds(number % 30))
                               : in.receive(got);
        if (end == status::timed_out) return;  // the server learns of it
        CHECK(end == (number % 3 == 1 ? status::ok : status::closed));
        CHECK(got == (number % 3 == 1 ? std::optional(number) : std::nullopt));
      } catch (int failed) {
        CHECK(failed == number);
      }
    };
    std::vector<hilo::fiber<void>> servers;
    for (int i = 0; i < 3; ++i) servers.push_back(hilo::spawn(serve));
    std::thread foreign_server(serve);
    hilo::thread own_server(serve);
    std::vector<hilo::fiber<void>> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(hilo::spawn([&, i] {
        for (int n = i; n < count; n += 5) ask(n);
      }));
    }
    std::thread foreign([&] {
      for (int n = 4; n < count; n += 5) ask(n);
    });
    for (auto& one : clients) one.join();
    foreign.join();
    requests.close();
    for (auto& one : servers) one.join();
    foreign_server.join();
    own_server.join();
  });
}
