// watch: receivers see the newest value, and are told once of each change they have not seen.

#include "hilo/watch.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/select.hpp"
#include "hilo/thread.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::make_watch;
using hilo::selection;
using hilo::status;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;

TEST_CASE("watch: a receiver sees the newest value, and each change once") {
  on_each_runtime([] {
    auto [out, in] = make_watch(1);
    CHECK(*in.borrow() == 1);
    CHECK_FALSE(in.has_changed());
    CHECK(in.changed_for(1ms) == status::timed_out);
    CHECK(out.send(2) == status::ok);
    CHECK(out.send(3) == status::ok);
    CHECK(in.has_changed());
    CHECK(*in.borrow() == 3);
    CHECK(in.has_changed());  // borrowing is not seeing
    auto copy = in;
    auto late = out.subscribe();
    CHECK(out.count_receivers() == 3);
    CHECK(in.changed() == status::ok);
    CHECK_FALSE(in.has_changed());
    CHECK(copy.has_changed());
    CHECK(*copy.borrow_and_update() == 3);
    CHECK_FALSE(copy.has_changed());
    CHECK_FALSE(late.has_changed());
    CHECK(in.changed_until(std::chrono::steady_clock::now()) == status::timed_out);
  });
}

TEST_CASE(
    "watch: what was borrowed stays as it is, is not copied, and ends with the last of them") {
  auto [out, in] = make_watch(std::make_unique<int>(1));
  const std::shared_ptr<const std::unique_ptr<int>> old = in.borrow();
  const std::weak_ptr<const std::unique_ptr<int>> watched = in.borrow();
  CHECK(**out.send_replace(std::make_unique<int>(2)) == 1);
  CHECK(**old == 1);
  CHECK(**in.borrow() == 2);
  CHECK(old.use_count() == 1);
  CHECK_FALSE(watched.expired());
  { const auto end = std::move(const_cast<std::shared_ptr<const std::unique_ptr<int>>&>(old)); }
  CHECK(watched.expired());
  // Without a receiver: send gives the value back, send_replace does not ask.
  { const auto gone = std::move(in); }
  auto kept = std::make_unique<int>(3);
  CHECK(out.send(std::move(kept)) == status::closed);
  CHECK(kept != nullptr);
  CHECK(**out.borrow() == 2);
  (void)out.send_replace(std::move(kept));
  CHECK(**out.subscribe().borrow() == 3);
}

TEST_CASE("watch: values of no size, and those that throw when they are made") {
  struct pulse {};
  auto [out, in] = make_watch(pulse{});
  CHECK(out.send(pulse{}) == status::ok);
  CHECK(in.changed() == status::ok);
  struct fragile {
    explicit fragile(int number) : value(number) {
      if (number < 0) throw std::runtime_error("fragile");
    }
    int value;
  };
  auto [to, from] = make_watch(fragile(1));
  CHECK_THROWS_AS((void)to.send(-1), std::runtime_error);
  CHECK_FALSE(from.has_changed());
  CHECK(from.borrow()->value == 1);
}

TEST_CASE("watch: who waits is woken by a change, the last sender, a stop and a limit") {
  on_each_runtime([] {
    auto [out, in] = make_watch(0);
    std::vector<hilo::fiber<int>> all;
    for (int i = 0; i < 20; ++i) {
      all.push_back(
          hilo::spawn([in = in]() mutable { return *in.wait([](int now) { return now >= 3; }); }));
    }
    CHECK(hilo::with_timeout(1ms, [&in = in] { return in.changed(); }) == status::timed_out);
    auto stopped = hilo::spawn([in = in]() mutable { return in.changed(); });
    hilo::yield();
    stopped.request_stop();
    CHECK(stopped.join() == status::cancelled);
    for (int i = 1; i <= 3; ++i) {
      CHECK(out.send(i) == status::ok);
      hilo::yield();
    }
    for (auto& one : all) CHECK(one.join() == 3);
    auto last = hilo::spawn([in = in]() mutable {
      CHECK(in.wait([](int now) { return now > 3; }) == nullptr);
      return in.changed();
    });
    hilo::yield();
    auto another = out;
    { const auto gone = std::move(out); }
    CHECK_FALSE(in.closed());
    { const auto gone = std::move(another); }
    CHECK(last.join() == status::closed);
    CHECK(in.closed());
    CHECK(in.changed() == status::ok);  // 3 was not seen yet
    CHECK(in.changed() == status::closed);
    CHECK(*in.borrow() == 3);
  });
}

TEST_CASE("watch: in select, with other kinds of cases and in a list") {
  on_each_runtime([] {
    auto [out, in] = make_watch(0);
    hilo::channel<int> numbers(1);
    std::optional<int> number;
    const auto wait = [&, &in = in] {
      return hilo::select{changed_of(in), hilo::receive_from(numbers, number), hilo::after(1h)};
    };
    CHECK(hilo::select{hilo::changed_of(in), hilo::otherwise}.index == 1);
    CHECK(hilo::select{hilo::changed_of(in, false), hilo::after(1ms)}.index == 1);
    CHECK(out.send(1) == status::ok);
    CHECK(wait() == 0);
    CHECK_FALSE(in.has_changed());
    CHECK(numbers.send(1) == status::ok);
    CHECK(wait() == 1);
    auto sender = hilo::spawn([&out = out] {
      for (int i = 0; i < 5; ++i) hilo::yield();
      CHECK(out.send(2) == status::ok);
    });
    CHECK(wait() == 0);
    CHECK_FALSE(in.has_changed());
    CHECK(*in.borrow() == 2);
    sender.join();
    hilo::select_list cases;
    cases.add([&in = in] { return hilo::changed_of(in); });
    CHECK(cases.try_now().end == status::would_block);
    std::thread foreign([out = std::move(out)]() mutable {
      { const auto last = std::move(out); }
    });
    const selection end = cases.wait();
    CHECK(end.index == 0);
    CHECK(end.end == status::closed);
    foreign.join();
  });
}

TEST_CASE("watch: on all kinds of threads, no receiver goes back, and each comes to the last") {
  on_each_runtime([] {
    constexpr int count = 2000;
    auto [out, in] = make_watch(0);
    const auto follow = [&](hilo::watch_receiver<int>& from) {
      int seen = *from.borrow_and_update();
      bool grows = true;
      for (int turn = 0;; ++turn) {
        status end = status::ok;
        switch (turn % 3) {
          case 0:
            end = from.changed();
            break;
          case 1:
            end = from.changed_for(std::chrono::microseconds(turn % 40));
            break;
          default: {
            const selection which =
                hilo::select{changed_of(from), hilo::after(std::chrono::microseconds(turn % 40))};
            end = which == 0 ? which.end : status::timed_out;
          }
        }
        if (end == status::closed) break;
        if (end != status::ok) continue;
        const int now = *from.borrow_and_update();
        if (now < seen) grows = false;
        seen = now;
      }
      CHECK(grows);
      CHECK(seen == count);
    };
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 6; ++i) {
      all.push_back(hilo::spawn([from = in, follow]() mutable { follow(from); }));
    }
    std::thread foreign([from = in, follow]() mutable { follow(from); });
    hilo::thread own([from = in, follow]() mutable { follow(from); });
    for (int i = 1; i <= count; ++i) {
      CHECK(out.send(i) == status::ok);
      if (i % 50 == 0) hilo::yield();
    }
    { const auto last = std::move(out); }
    for (auto& one : all) one.join();
    foreign.join();
    own.join();
  });
}
