#include "runtime/sched/time/alarm.hpp"

#include <chrono>
#include <optional>

#include "hilo/hilo.hpp"

#include "runtime/sched/worker.hpp"
#include "tests/doctest.hpp"

using hilo::status;
using namespace std::chrono_literals;

TEST_CASE("alarm: one timer serves all waits of a fiber, and goes when that ends") {
  hilo::run({.carriers = 1}, [] {
    const auto armed = [] { return hilo::sched::current_worker()->timers().size(); };
    hilo::channel<int> numbers;
    hilo::spawn([&] {
      const auto next = [] { return hilo::sched::current_worker()->timers().next_ns(); };
      std::optional<int> got;
      // The sender runs when we wait.
      const auto receives_within = [&](auto patience) {
        const auto sender = hilo::spawn([&] { CHECK(numbers.send(1) == status::ok); });
        CHECK(numbers.receive_for(got, patience) == status::ok);
        CHECK(armed() == 1);
      };
      receives_within(2h);
      const std::int64_t first = next();
      receives_within(3h);
      CHECK(next() == first);
      CHECK(numbers.receive_for(got, 1ms) == status::timed_out);
      CHECK(armed() == 0);
      receives_within(1h);
      const auto sender = hilo::spawn([&] { CHECK(numbers.send(2) == status::ok); });
      CHECK(numbers.receive() == 2);
      CHECK(armed() == 1);
    }).join();
    CHECK(armed() == 0);
    // Also when it was armed once more, by the destructor of a value of the fiber's.
    struct waits_at_end {
      ~waits_at_end() {
        if (numbers == nullptr) return;  // it was moved from
        const auto sender = hilo::spawn([&] { CHECK(numbers->send(7) == status::ok); });
        std::optional<int> got;
        CHECK(numbers->receive_for(got, 1h) == status::ok);
        CHECK(got == 7);
      }
      hilo::channel<int>* numbers = nullptr;
    };
    hilo::fiber_local<waits_at_end> at_end;
    hilo::spawn([&] {
      at_end->numbers = &numbers;
      std::optional<int> none;
      CHECK(numbers.receive_for(none, 1us) == status::timed_out);
    }).join();
    CHECK(armed() == 0);
  });
}
