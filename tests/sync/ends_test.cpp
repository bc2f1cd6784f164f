// Ends of channels, unbounded channels, and batches.

#include <atomic>
#include <memory>
#include <numeric>
#include <optional>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::status;
using hilo::test::on_each_runtime;

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
    CHECK(hilo::select{hilo::send_to(out.of(), 4), hilo::receive_from(in.of(), got)}.index == 0);
    CHECK(hilo::select{hilo::send_to(out.of(), 5), hilo::receive_from(in.of(), got)}.index == 1);
    CHECK(got == 4);
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
