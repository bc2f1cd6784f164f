// select: exactly one case happens, chosen fairly, and a lost race leaves no trace.

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <thread>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/doctest.hpp"
#include "tests/sync/floors.hpp"

using hilo::after;
using hilo::receive_from;
using hilo::selection;
using hilo::send_to;
using hilo::status;
using hilo::test::on_both_floors;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;

TEST_CASE("select: takes the ready case, of several ready ones each now and then") {
  on_both_floors([] {
    hilo::channel<int> a(1000);
    hilo::channel<int> b(1000);
    std::optional<int> got;
    REQUIRE(b.send(7) == status::ok);
    CHECK(hilo::select{receive_from(a, got), receive_from(b, got)}.index == 1);
    CHECK(got == 7);
    for (int i = 0; i < 400; ++i) {
      REQUIRE(a.send(i) == status::ok);
      REQUIRE(b.send(i) == status::ok);
    }
    int taken[2] = {0, 0};
    for (int i = 0; i < 400; ++i) ++taken[hilo::select{receive_from(a, got), receive_from(b, got)}];
    CHECK(taken[0] > 100);  // 50 standard deviations of a fair coin away from it
    CHECK(taken[1] > 100);
    for (int i = 0; i < 50; ++i) {
      CHECK(hilo::select_first{receive_from(a, got), receive_from(b, got)} == 0);
    }
  });
}

TEST_CASE("select: otherwise, disabled cases, and nothing at all") {
  on_both_floors([] {
    hilo::channel<int> empty;
    hilo::channel<int> full(1);
    std::optional<int> got;
    REQUIRE(full.send(1) == status::ok);
    CHECK(hilo::select{receive_from(empty, got), send_to(full, 2), hilo::otherwise}.index == 2);
    CHECK(hilo::select{hilo::otherwise, receive_from(full, got)}.index == 1);
    CHECK(hilo::select{hilo::otherwise, receive_from(full, got)}.index == 0);
    REQUIRE(full.send(3) == status::ok);
    CHECK(hilo::select{receive_from(full, got, false), after(1ms)}.index == 1);
    CHECK(hilo::select{after(1h, false), after(-1s)}.index == 1);
    hilo::with_timeout(2ms, [&] {
      const selection nothing = hilo::select{receive_from(full, got, false)};
      CHECK(nothing.index == selection::none);
      CHECK(nothing.end == status::timed_out);
      CHECK(hilo::select{after(1h)}.end == status::timed_out);
    });
  });
}

TEST_CASE("select: closed channels are ready, and give the value of a send back") {
  on_both_floors([] {
    hilo::channel<std::unique_ptr<int>> values(1);
    REQUIRE(values.send(std::make_unique<int>(1)) == status::ok);
    values.close();
    std::optional<std::unique_ptr<int>> got;
    selection which = hilo::select{receive_from(values, got)};
    CHECK(which.end == status::ok);
    CHECK(got.has_value());
    which = hilo::select{receive_from(values, got)};
    CHECK(which.index == 0);
    CHECK(which.end == status::closed);
    CHECK_FALSE(got.has_value());
    auto kept = std::make_unique<int>(2);
    which = hilo::select{send_to(values, std::move(kept))};
    CHECK(which.end == status::closed);
    CHECK(kept != nullptr);
  });
}

TEST_CASE("select: waits for each kind of case") {
  on_each_runtime([] {
    hilo::channel<int> numbers;
    hilo::channel<int> others;
    hilo::event event;
    std::stop_source stop;
    hilo::event hold;
    auto child = hilo::spawn([&] { (void)hold.wait(hilo::interruptible); });
    std::optional<int> got;
    const auto wait = [&] {
      return hilo::select{receive_from(numbers, got),      send_to(others, 5),  hilo::set_of(event),
                          hilo::stop_of(stop.get_token()), hilo::end_of(child), after(1h)};
    };
    auto one = hilo::spawn([&] { return numbers.send(4); });
    CHECK(wait() == 0);
    CHECK(got == 4);
    CHECK(one.join() == status::ok);
    auto two = hilo::spawn([&] { return others.receive(); });
    CHECK(wait() == 1);
    CHECK(two.join() == 5);
    auto three = hilo::spawn([&] {
      hilo::yield();
      event.set();
    });
    CHECK(wait() == 2);
    event.reset();
    three.join();
    std::thread four([&] { hold.set(); });
    CHECK(wait() == 4);
    four.join();
    CHECK(child.wait_for(1h) == status::ok);
    child.join();
    std::thread five([&] { stop.request_stop(); });
    CHECK(wait() == 3);  // an empty handle is never ready
    five.join();
    std::thread six([&] { numbers.close(); });
    CHECK(hilo::select{receive_from(numbers, got), after(1h)}.end == status::closed);
    six.join();
    CHECK(hilo::select{receive_from(others, got), after(2ms), after(1h)}.index == 1);
  });
}

TEST_CASE("select: never meets itself on a channel it both sends to and receives from") {
  on_each_runtime([] {
    hilo::channel<int> numbers;
    std::optional<int> got;
    CHECK(hilo::select{send_to(numbers, 1), receive_from(numbers, got), after(2ms)}.index == 2);
    CHECK_FALSE(got.has_value());
    auto other = hilo::spawn([&] {
      std::optional<int> its;
      return hilo::select{send_to(numbers, 2), receive_from(numbers, its)}.index;
    });
    const std::size_t mine = hilo::select{send_to(numbers, 1), receive_from(numbers, got)}.index;
    CHECK(mine + other.join() == 1);
  });
}

TEST_CASE("select: each value is evaluated once, in order, and kept by a case that lost") {
  hilo::run([] {
    hilo::channel<std::unique_ptr<int>> full(0);
    hilo::channel<int> ready(1);
    int calls = 0;
    auto value = std::make_unique<int>(1);
    const auto next = [&](int expected) {
      CHECK(calls++ == expected);
      return expected;
    };
    hilo::channel<int> never;
    CHECK(hilo::select{send_to(full, std::move(value)), send_to(never, next(0)),
                       send_to(ready, next(1))} == 2);
    CHECK(value != nullptr);
    CHECK(calls == 2);
    CHECK(ready.receive() == 1);
  });
}

TEST_CASE("select: 200 cases, counted at run time") {
  on_each_runtime([] {
    constexpr int count = 200;
    std::vector<std::unique_ptr<hilo::channel<int>>> channels;
    std::vector<std::optional<int>> results(count);
    hilo::select_list cases;
    for (int i = 0; i < count; ++i) {
      channels.push_back(std::make_unique<hilo::channel<int>>());
      CHECK(cases.receive_from(*channels.back(), results[static_cast<std::size_t>(i)]) ==
            static_cast<std::size_t>(i));
    }
    CHECK(cases.try_now().end == status::would_block);
    for (std::size_t i = 0; i < count; i += 7) {
      auto sender = hilo::spawn([&, i] { return channels[i]->send(static_cast<int>(i)); });
      CHECK(cases.wait() == i);
      CHECK(results[i] == static_cast<int>(i));
      CHECK(sender.join() == status::ok);
    }
    for (auto& one : channels) CHECK(one->size() == 0);
  });
}

TEST_CASE("select: a stop request ends it, and nothing stays behind") {
  on_each_runtime([] {
    hilo::channel<int> a;
    hilo::channel<int> b;
    for (int turns = 0; turns < 4; ++turns) {
      auto waiting = hilo::spawn([&] {
        std::optional<int> got;
        const selection which = hilo::select{receive_from(a, got), send_to(b, 1), after(1h)};
        CHECK(which.index == selection::none);
        CHECK(which.end == status::cancelled);
        CHECK(hilo::select{receive_from(a, got)}.end == status::cancelled);
        CHECK(hilo::select{receive_from(a, got), hilo::otherwise}.index == 1);
      });
      for (int i = 0; i < turns; ++i) hilo::yield();
      waiting.request_stop();
      waiting.join();
    }
    CHECK(a.try_send(1) == status::would_block);
    std::optional<int> got;
    CHECK(b.try_receive(got) == status::would_block);
  });
}

TEST_CASE("select: among many on shared channels each value arrives exactly once") {
  on_each_runtime([] {
    constexpr int fibers = 8;
    constexpr int each = 300;
    hilo::channel<int> channels[3] = {hilo::channel<int>(0), hilo::channel<int>(1),
                                      hilo::channel<int>(4)};
    std::vector<std::atomic<int>> seen(fibers * each);
    std::atomic<int> received{0};
    hilo::event all_there;
    std::vector<hilo::fiber<void>> senders;
    std::vector<hilo::fiber<void>> receivers;
    for (int f = 0; f < fibers; ++f) {
      senders.push_back(hilo::spawn([&, f] {
        for (int i = 0; i < each;) {
          const int value = f * each + i;
          const selection which =
              hilo::select{send_to(channels[0], value), send_to(channels[1], value),
                           send_to(channels[2], value), after(std::chrono::microseconds(i % 50))};
          if (which < 3) ++i;
        }
      }));
      receivers.push_back(hilo::spawn([&] {
        while (true) {
          std::optional<int> got;
          const selection which =
              hilo::select{receive_from(channels[0], got), receive_from(channels[1], got),
                           receive_from(channels[2], got), hilo::set_of(all_there)};
          if (which == 3) return;
          REQUIRE(got.has_value());
          seen[static_cast<std::size_t>(*got)].fetch_add(1, std::memory_order_relaxed);
          if (received.fetch_add(1, std::memory_order_relaxed) + 1 == fibers * each) {
            all_there.set();
          }
        }
      }));
    }
    for (auto& one : senders) one.join();
    for (auto& one : receivers) one.join();
    for (auto& one : seen) REQUIRE(one.load(std::memory_order_relaxed) == 1);
  });
}

TEST_CASE("select: two that meet each other on two channels both end") {
  on_each_runtime([] {
    for (int round = 0; round < 300; ++round) {
      hilo::channel<int> a;
      hilo::channel<int> b;
      std::optional<int> left;
      auto other = hilo::spawn([&] {
        std::optional<int> got;
        const selection first = hilo::select{receive_from(a, got), send_to(b, 2)};
        CHECK((first == 0 ? got == 1 : !got.has_value()));
        return first.index;
      });
      const selection mine = hilo::select{receive_from(b, left), send_to(a, 1)};
      CHECK(other.join() == (mine == 0 ? 1U : 0U));
    }
  });
}
