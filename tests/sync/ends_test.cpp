// Ends of channels, unbounded channels, and batches.

#include <atomic>
#include <chrono>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::status;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;

TEST_CASE("channel ends: the last sender closes, what was sent is received") {
  on_each_runtime([] {
    auto [out, in] = hilo::make_channel<int>(2);
    std::vector<hilo::fiber<void>> producers;
    for (int i = 0; i < 4; ++i) {
      producers.push_back(hilo::spawn([out = out, i] {
        for (int j = 0; j < 25; ++j) CHECK(out.send(i * 25 + j) == status::ok);
      }));
    }
    { const auto last = std::move(out); }
    std::vector<int> seen(100);
    for (int n : in) ++seen[static_cast<std::size_t>(n)];
    for (int times : seen) CHECK(times == 1);
    for (auto& one : producers) one.join();
  });
}

TEST_CASE("channel ends: the last receiver lets the senders go, with their values") {
  on_each_runtime([] {
    auto [out, in] = hilo::make_channel<std::unique_ptr<int>>();
    auto taker = hilo::spawn([in = std::move(in)] { return **in.receive(); });
    CHECK(out.send(std::make_unique<int>(5)) == status::ok);
    auto kept = std::make_unique<int>(6);
    CHECK(taker.join() == 5);
    CHECK(out.send(std::move(kept)) == status::closed);
    CHECK(kept != nullptr);
  });
}

TEST_CASE("channel ends: a channel is passed as either, and selected through both") {
  on_each_runtime([] {
    hilo::channel<int> numbers(1);
    const auto send = [](hilo::sender<int> to) { return to.send(3); };
    const auto receive = [](hilo::receiver<int> from) { return from.receive(); };
    CHECK(send(numbers) == status::ok);
    CHECK(receive(numbers) == 3);
    CHECK_FALSE(numbers.closed());
    const hilo::sender<int> out(numbers);
    const hilo::receiver<int> in(numbers);
    std::optional<int> got;
    CHECK(hilo::select{hilo::send_to(out, 4), hilo::receive_from(in, got)}.index == 0);
    CHECK(hilo::select{hilo::send_to(out.of(), 5), hilo::receive_from(in, got)}.index == 1);
    CHECK(got == 4);
  });
}

namespace {

struct question {
  int number = 0;
  hilo::oneshot_sender<int> reply;
};

}  // namespace

TEST_CASE(
    "channel ends: when the last receiver goes, a client that waits for its answer learns it") {
  on_each_runtime([] {
    const auto ask_a_server_that_goes = [](auto capacity, bool in_first) {
      auto [out, in] = hilo::make_channel<question>(capacity);
      const auto ask = [](const hilo::sender<question>& to) {
        auto answer = hilo::make_oneshot<int>();
        if (to.send({1, std::move(answer.out)}) != status::ok) return status::closed;
        std::optional<int> got;
        return answer.in.receive(got);
      };
      std::vector<hilo::fiber<status>> clients;
      for (int i = 0; i < 3; ++i)
        clients.push_back(hilo::spawn([ask, out = out] { return ask(out); }));
      const auto another = in;
      if (in_first) CHECK(in.receive().has_value());
      { const auto gone = std::move(in); }
      CHECK_FALSE(out.closed());
      { const auto last = std::move(const_cast<hilo::receiver<question>&>(another)); }
      CHECK(out.closed());
      CHECK(out.size() == 0);
      for (auto& one : clients) CHECK(one.join() == status::closed);
    };
    for (const bool in_first : {false, true}) {
      ask_a_server_that_goes(std::size_t{0}, in_first);
      ask_a_server_that_goes(std::size_t{1}, in_first);
      ask_a_server_that_goes(std::size_t{8}, in_first);
      ask_a_server_that_goes(hilo::unbounded, in_first);
    }
  });
}

TEST_CASE(
    "channel ends: what the last receiver leaves is destroyed in order; a destructor may park") {
  struct noted {
    noted(std::vector<int>* in_order, const hilo::sender<noted>* to, int which)
        : order(in_order), used(to), number(which) {}
    noted(noted&& other) noexcept
        : order(std::exchange(other.order, nullptr)), used(other.used), number(other.number) {}
    ~noted() {
      if (order == nullptr) return;
      order->push_back(number);
      noted again(nullptr, nullptr, 0);
      if (used->try_send(std::move(again)) != status::closed) order->push_back(-1);
      hilo::sleep_for(1us);
    }
    std::vector<int>* order;
    const hilo::sender<noted>* used;
    int number;
  };
  on_each_runtime([] {
    std::vector<int> order;
    auto [out, in] = hilo::make_channel<noted>(4);
    // The ring is used across its end.
    for (int i = 0; i < 2; ++i) CHECK(out.send(noted(nullptr, &out, 0)) == status::ok);
    for (int i = 0; i < 2; ++i) CHECK(in.receive().has_value());
    for (int i = 0; i < 4; ++i) CHECK(out.send(noted(&order, &out, i)) == status::ok);
    { const auto last = std::move(in); }
    CHECK(order == std::vector<int>{0, 1, 2, 3});
  });
}

TEST_CASE("channel ends: a sender that waits keeps its value when the last receiver goes") {
  on_each_runtime([] {
    for (const std::size_t capacity : {0U, 1U}) {
      auto [out, in] = hilo::make_channel<std::unique_ptr<int>>(capacity);
      for (std::size_t i = 0; i < capacity; ++i) {
        CHECK(out.send(std::make_unique<int>(0)) == status::ok);
      }
      auto waiting = hilo::spawn([out = out] {
        auto mine = std::make_unique<int>(3);
        CHECK(out.send(std::move(mine)) == status::closed);
        return *mine;
      });
      for (int i = 0; i < 20; ++i) hilo::yield();
      { const auto last = std::move(in); }
      CHECK(waiting.join() == 3);
    }
  });
}

TEST_CASE("channel: unbounded, takes all that is sent, in order") {
  on_each_runtime([] {
    hilo::channel<std::unique_ptr<int>> numbers(hilo::unbounded);
    int next = 0;
    int expected = 0;
    for (int round = 1; round < 60; ++round) {
      for (int i = 0; i < 3 * round; ++i) {
        CHECK(numbers.try_send(std::make_unique<int>(next++)) == status::ok);
      }
      for (int i = 0; i < 2 * round; ++i) CHECK(**numbers.receive() == expected++);
    }
    numbers.close();
    for (auto& one : numbers) CHECK(*one == expected++);
    CHECK(expected == next);
  });
}

TEST_CASE("channel: batches keep order, wait only when they must, and wake each waiter once") {
  on_each_runtime([] {
    const auto exchange = [](auto capacity) {
      hilo::channel<int> numbers(capacity);
      auto sender = hilo::spawn([&] {
        std::vector<int> all(1000);
        std::iota(all.begin(), all.end(), 0);
        std::size_t sent = 0;
        CHECK(numbers.send_all(all, sent) == status::ok);
        CHECK(sent == 1000);
        numbers.close();
        CHECK(numbers.send_all(all, sent) == status::closed);
        CHECK(sent == 0);
      });
      std::vector<int> got;
      while (numbers.receive_some(got, 7) == status::ok) {
      }
      REQUIRE(got.size() == 1000);
      for (int i = 0; i < 1000; ++i) CHECK(got[static_cast<std::size_t>(i)] == i);
      sender.join();
    };
    exchange(std::size_t{0});
    exchange(std::size_t{1});
    exchange(std::size_t{16});
    exchange(hilo::unbounded);
    hilo::channel<int> shared(8);
    std::atomic<long> sum{0};
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 4; ++i) {
      all.push_back(hilo::spawn([&] {
        std::vector<int> got;
        while (shared.receive_some(got, 3) == status::ok) {
        }
        sum.fetch_add(std::accumulate(got.begin(), got.end(), 0L), std::memory_order_relaxed);
      }));
    }
    std::vector<hilo::fiber<void>> senders;
    for (int i = 0; i < 4; ++i) {
      senders.push_back(hilo::spawn([&] {
        std::vector<int> ones(500, 1);
        std::size_t sent = 0;
        CHECK(shared.send_all(ones, sent) == status::ok);
      }));
    }
    for (auto& one : senders) one.join();
    shared.close();
    for (auto& one : all) one.join();
    CHECK(sum.load(std::memory_order_relaxed) == 2000);
  });
}
