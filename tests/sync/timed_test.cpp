// Deadlines: each wait ends by its wake or by its time, never by both, and leaves no trace.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/doctest.hpp"
#include "tests/sync/floors.hpp"

using hilo::status;
using hilo::test::on_both_floors;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

TEST_CASE("deadline: a wait that nobody ends returns timed_out, not before its time") {
  on_both_floors([] {
    const auto lasts = [](auto wait) {
      const auto start = steady::now();
      CHECK(wait());
      CHECK(steady::now() - start >= 2ms);
    };
    hilo::channel<int> nothing;
    std::optional<int> none;
    lasts([&] { return nothing.receive_for(none, 2ms) == status::timed_out; });
    lasts([&] { return nothing.send_until(1, steady::now() + 2ms) == status::timed_out; });
    hilo::mutex held;
    held.lock();
    lasts([&] { return !held.try_lock_for(2ms); });
    held.unlock();
    hilo::shared_mutex shared;
    shared.lock();
    lasts([&] { return !shared.try_lock_for(2ms); });
    lasts([&] { return !shared.try_lock_shared_until(steady::now() + 2ms); });
    shared.unlock();
    hilo::semaphore empty(0);
    lasts([&] { return !empty.try_acquire_for(2ms); });
    hilo::latch shut(1);
    lasts([&] { return !shut.wait_for(2ms); });
    hilo::event unset;
    lasts([&] { return !unset.wait_until(std::chrono::system_clock::now() + 3ms); });
    hilo::condition_variable never;
    std::unique_lock lock(held);
    lasts([&] { return never.wait_for(lock, 2ms) == status::timed_out; });
    lasts([&] { return !never.wait_for(lock, 2ms, [] { return false; }); });
    CHECK(lock.owns_lock());
  });
}

TEST_CASE("deadline: one in the past tries once; one past all counting waits for the wake") {
  on_each_runtime([] {
    hilo::channel<int> numbers(1);
    std::optional<int> got;
    CHECK(numbers.receive_for(got, -1s) == status::timed_out);
    CHECK(numbers.receive_until(got, steady::time_point(-5s)) == status::timed_out);
    CHECK(numbers.send_for(4, -1s) == status::ok);
    CHECK(numbers.receive_for(got, -1s) == status::ok);
    CHECK(got == 4);
    auto sender = hilo::spawn([&] { CHECK(numbers.send(5) == status::ok); });
    CHECK(numbers.receive_for(got, std::chrono::hours::max()) == status::ok);
    CHECK(got == 5);
    CHECK(numbers.receive_until(got, steady::time_point::min()) == status::timed_out);
    sender.join();
  });
}

TEST_CASE(
    "deadline: racing with senders, each item arrives exactly once or was kept by its sender") {
  const std::uint64_t seed = hilo::test::stress_seed();
  INFO("HILO_SEED=", seed);
  on_each_runtime([seed] {
    for (const std::size_t capacity : {0U, 2U}) {
      constexpr std::uint32_t each = 1500;
      hilo::channel<std::uint32_t> items(capacity);
      std::vector<std::atomic<std::uint8_t>> seen(each * 4);
      std::atomic<std::uint32_t> kept{0};
      std::atomic<std::uint32_t> taken{0};
      const auto send = [&](std::uint32_t who) {
        std::mt19937_64 random(seed + who);
        for (std::uint32_t i = 0; i < each; ++i) {
          if (items.send_for(who * each + i, std::chrono::microseconds(random() % 150)) !=
              status::ok) {
            kept.fetch_add(1, std::memory_order_relaxed);
            seen[who * each + i].fetch_add(1, std::memory_order_relaxed);
          }
        }
      };
      const auto receive = [&](std::uint64_t who) {
        std::mt19937_64 random(seed * 7 + who);
        std::optional<std::uint32_t> got;
        while (true) {
          const status end = items.receive_for(got, std::chrono::microseconds(random() % 150));
          if (end == status::closed) return;
          if (end != status::ok) continue;
          seen[*got].fetch_add(1, std::memory_order_relaxed);
          taken.fetch_add(1, std::memory_order_relaxed);
        }
      };
      std::vector<hilo::fiber<void>> senders;
      std::vector<hilo::fiber<void>> receivers;
      for (std::uint32_t i = 0; i < 3; ++i) senders.push_back(hilo::spawn(send, i));
      for (std::uint64_t i = 0; i < 3; ++i) receivers.push_back(hilo::spawn(receive, i));
      std::thread foreign_sender(send, 3U);
      std::thread foreign_receiver(receive, 3U);
      for (auto& one : senders) one.join();
      foreign_sender.join();
      items.close();
      for (auto& one : receivers) one.join();
      foreign_receiver.join();
      std::size_t wrong = 0;
      for (const auto& one : seen) {
        if (one.load(std::memory_order_relaxed) != 1) ++wrong;
      }
      CHECK(wrong == 0);
      CHECK(kept.load(std::memory_order_relaxed) + taken.load(std::memory_order_relaxed) ==
            each * 4);
    }
  });
}

// A fiber keeps its timer armed from one wait to the next, and so may the next on its stack.
TEST_CASE("deadline: of waits in a row each is ended by its own, and one without by none") {
  const std::uint64_t seed = hilo::test::stress_seed();
  INFO("HILO_SEED=", seed);
  on_each_runtime([seed] {
    const auto wait_for_a_while = [](std::uint64_t its_seed, int times) {
      std::mt19937_64 random(its_seed);
      const auto some = [&](unsigned most) { return std::chrono::microseconds(random() % most); };
      hilo::channel<int> questions;
      hilo::channel<int> answers;
      const auto partner = hilo::spawn([&, partners_seed = random()] {
        std::mt19937_64 delays(partners_seed);
        while (const auto asked = questions.receive()) {
          if (delays() % 3 == 0) hilo::sleep_for(std::chrono::microseconds(delays() % 200));
          CHECK(answers.send(*asked) == status::ok);
        }
      });
      std::optional<int> got;
      for (int i = 0; i < times; ++i) {
        const auto start = steady::now();
        const auto patience = some(random() % 8 == 0 ? 3000 : 200);
        switch (random() % 3) {
          case 0:
            CHECK(answers.receive_for(got, patience) == status::timed_out);
            CHECK(steady::now() - start >= patience);
            break;
          case 1: {
            CHECK(questions.send(i) == status::ok);
            const status end = answers.receive_for(got, patience);
            if (end == status::ok) {
              CHECK(got == i);
              break;
            }
            CHECK(end == status::timed_out);
            CHECK(steady::now() - start >= patience);
            CHECK(answers.receive() == i);
            break;
          }
          default:
            CHECK(questions.send(i) == status::ok);
            CHECK(answers.receive() == i);
        }
      }
      questions.close();
    };
    std::vector<hilo::fiber<void>> all;
    for (std::uint64_t f = 0; f < 6; ++f) {
      all.push_back(hilo::spawn([&, f] {
        wait_for_a_while(seed + f, 300);
        for (std::uint64_t i = 0; i < 100; ++i) {
          hilo::spawn(wait_for_a_while, seed + 1000 * f + i, 3).join();
        }
      }));
    }
    for (auto& one : all) one.join();
  });
}

TEST_CASE("deadline: racing with unlocks, a mutex is held by one at a time and lost by none") {
  const std::uint64_t seed = hilo::test::stress_seed();
  INFO("HILO_SEED=", seed);
  on_each_runtime([seed] {
    hilo::mutex guard;
    std::uint64_t inside = 0;
    std::vector<hilo::fiber<std::uint64_t>> all;
    for (std::uint64_t f = 0; f < 8; ++f) {
      all.push_back(hilo::spawn([&, f] {
        std::mt19937_64 random(seed + f);
        std::uint64_t times = 0;
        for (int i = 0; i < 500; ++i) {
          if (!guard.try_lock_for(std::chrono::microseconds(random() % 100))) continue;
          ++times;
          const std::uint64_t before = inside;
          if (random() % 4 == 0) hilo::yield();
          inside = before + 1;
          guard.unlock();
        }
        return times;
      }));
    }
    std::uint64_t sum = 0;
    for (auto& one : all) sum += one.join();
    CHECK(sum == inside);
    CHECK(guard.try_lock());
    guard.unlock();
  });
}
